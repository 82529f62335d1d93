package bootstrap_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/bootstrap"
	"monorelay/bootstrap/config"
)

func inFolder(t *testing.T) config.Config {
	t.Helper()
	c := config.Default()
	c.Server.DataDir = filepath.Join(t.TempDir(), "data")
	return c
}

func TestSecretsAreMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	c := inFolder(t)
	first, err := bootstrap.LoadSecrets(c)
	require.NoError(t, err)
	assert.True(t, first.AccessKeyNew)
	assert.GreaterOrEqual(t, len(first.JWT), 32)
	assert.NotEqual(t, first.AccessKey, string(first.JWT))

	again, err := bootstrap.LoadSecrets(c)
	require.NoError(t, err)
	assert.False(t, again.AccessKeyNew)
	assert.Equal(t, first.AccessKey, again.AccessKey)
	assert.Equal(t, first.JWT, again.JWT)

	folder, err := os.Stat(c.Server.DataDir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
	files, err := os.ReadDir(c.Server.DataDir)
	require.NoError(t, err)
	assert.Len(t, files, 2, "no draft is left")
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
}

func TestSecretsOfTheConfigurationTouchNoFile(t *testing.T) {
	t.Parallel()
	c := inFolder(t)
	c.Server.AccessKey, c.Server.JWTSecret = "key", config.Secret(strings.Repeat("s", 32))
	s, err := bootstrap.LoadSecrets(c)
	require.NoError(t, err)
	assert.Equal(t, bootstrap.Secrets{AccessKey: "key", JWT: []byte(strings.Repeat("s", 32))}, s)
	assert.NoDirExists(t, c.Server.DataDir)
}

func TestManyProcessesThatStartAtOnceAgreeOnTheSecrets(t *testing.T) {
	t.Parallel()
	c := inFolder(t)
	const n = 32
	var all [n]bootstrap.Secrets
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			all[i], err = bootstrap.LoadSecrets(c)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	made := 0
	for _, s := range all {
		assert.Equal(t, all[0].AccessKey, s.AccessKey)
		assert.Equal(t, all[0].JWT, s.JWT)
		if s.AccessKeyNew {
			made++
		}
	}
	assert.Equal(t, 1, made)
}

func TestASecretThatWasCutShortIsNotUsed(t *testing.T) {
	t.Parallel()
	c := inFolder(t)
	require.NoError(t, os.MkdirAll(c.Server.DataDir, 0o700))
	path := filepath.Join(c.Server.DataDir, "jwt_secret")
	require.NoError(t, os.WriteFile(path, []byte("short\n"), 0o600))
	_, err := bootstrap.LoadSecrets(c)
	require.ErrorContains(t, err, path)
	assert.NotContains(t, err.Error(), "short\n")
}
