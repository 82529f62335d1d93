package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/adapters/sqlstore"
	"monorelay/test/fixture"
)

func TestOpenNeverShowsThePassword(t *testing.T) {
	t.Parallel()
	closed := closedPort(t)
	server, err := parse(fixture.MySQL(t))
	require.NoError(t, err)
	urls := []string{
		"mysql://alice:S3CRET@" + closed + "/monorelay",
		"mysql://alice:S3CRET@" + closed + "/monorelay?tls=true",
		"mysql://alice:S3CRET@" + server.Host + "/monorelay", // wrong
		"mysql://alice:S3CRET@" + server.Host + "/monorelay?tls=true",
		"mysql://alice:S3CRET@nowhere.invalid:3306/monorelay",
		"mysql://alice:S3CRET@/monorelay",
		"mysql://alice:S3CRET@" + closed,
		"mysql://alice:S3CRET@" + closed + "/a/b",
		"mysql://alice:S3CRET@" + closed + "/monorelay?password=S3CRET",
		"mysql://alice:S3CRET@" + closed + "/monorelay?S3CRET=1",
		"mysql://alice:S3CRET@" + closed + "/monorelay?tls=S3CRET",
		"mysql://alice:S3CRET@" + closed + "/monorelay?%zzS3CRET",
		"mysql://alice:S3CRET%zz@" + closed + "/monorelay",
		"mysql://alice:S3CRET/@" + closed + "/monorelay",
		"mysql://alice:/S3CRET@" + closed + "/monorelay",
		"mysql://alice:12/S3CRET@" + closed,
		"mysql://alice:S3CRET#@" + closed + "/monorelay",
		"mysql://alice:#S3CRET@" + closed + "/monorelay",
		"mysql://alice:?S3CRET@" + closed + "/monorelay",
		"mysql://alice:S3CRET\x7f@" + closed + "/monorelay",
		"mysql://alice:S3CRET@" + closed + ":S3CRET/monorelay",
		"postgres://alice:S3CRET@" + closed + "/monorelay",
		"alice:S3CRET@tcp(" + closed + ")/monorelay",
		"S3CRET",
		"",
	}
	for _, url := range urls {
		t.Run(strings.ReplaceAll(url, "/", "|"), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var log bytes.Buffer
			cfg := sqlstore.Config{URL: url, Wait: 300 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			_, _, err := sqlstore.Open(ctx, cfg)
			require.Error(t, err)
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "S3CRET")
			assert.NotContains(t, log.String(), "S3CRET")
		})
	}
}

func TestOpenSaysWhichServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	address := closedPort(t)
	var log bytes.Buffer
	start := time.Now()
	cfg := sqlstore.Config{URL: "mariadb://alice@" + address + "/monorelay", Wait: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	_, _, err := sqlstore.Open(t.Context(), cfg)
	require.ErrorContains(t, err, "database at "+address+" does not answer: ")
	assert.WithinDuration(t, start.Add(time.Second), time.Now(), time.Second)
	assert.GreaterOrEqual(t, strings.Count(log.String(), "database does not answer yet"), 2)
}

func TestOpenWaitsForTheServer(t *testing.T) {
	t.Parallel()
	url, proxy := proxied(t, fixture.MySQL(t))
	proxy.stop()
	go func() {
		time.Sleep(500 * time.Millisecond)
		proxy.start()
	}()
	cfg := config(t, url)
	cfg.Wait = 10 * time.Second
	db, closeDB, err := sqlstore.Open(t.Context(), cfg)
	require.NoError(t, err)
	defer closeDB()
	require.NoError(t, db.Migrate(t.Context()))
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	cfg := config(t, "mysql://alice@"+closedPort(t)+"/monorelay")
	cfg.Wait = time.Minute
	start := time.Now()
	_, _, err := sqlstore.Open(ctx, cfg)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(start), 5*time.Second)
}

func TestOpenDoesNotWaitWhereItIsRefused(t *testing.T) {
	t.Parallel()
	server, err := parse(fixture.MySQL(t))
	require.NoError(t, err)
	cfg := config(t, "mysql://nobody:wrong@"+server.Host+server.Path)
	cfg.Wait = time.Minute
	start := time.Now()
	_, _, err = sqlstore.Open(t.Context(), cfg)
	require.ErrorContains(t, err, "refuses")
	assert.Less(t, time.Since(start), 5*time.Second)
}

func TestOpenDecodesUserAndPassword(t *testing.T) {
	t.Parallel()
	url := fixture.MySQL(t)
	server, err := parse(url)
	require.NoError(t, err)
	user := "u" + strings.TrimPrefix(server.Path, "/test_")[:16]
	exec(t, url, "CREATE USER '"+user+"'@'%' IDENTIFIED BY 'p@ss:w/o?r#d%25 \"''ü'")
	t.Cleanup(func() { exec(t, url, "DROP USER '"+user+"'@'%'") })
	exec(t, url, "GRANT ALL ON `"+server.Path[1:]+"`.* TO '"+user+"'@'%'")

	migrated(t, "mysql://"+user+":p%40ss%3Aw%2Fo%3Fr%23d%2525%20%22'%C3%BC@"+server.Host+server.Path)
}

func TestOpenMakesAFileForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a", "b", "relay 100%+ü.db")
	db := migrated(t, "sqlite://"+filepath.ToSlash(file))
	require.NoError(t, db.Ping(t.Context()))
	for name, mode := range map[string]os.FileMode{file: 0o600, file + "-wal": 0o600, file + "-shm": 0o600, filepath.Dir(file): 0o700 | os.ModeDir} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), name)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	assert.Len(t, entries, 3)
}

func TestOpenTakesARelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	db := open(t, "sqlite://data/monorelay.db")
	t.Chdir(t.TempDir())
	require.NoError(t, db.Migrate(t.Context()))
	require.NoError(t, db.Ping(t.Context()))
}

func TestOpenSaysWhyAFileCantBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.ToSlash(filepath.Join(dir, "file"))
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("this is no database\n", 100)), 0o600))
	for url, says := range map[string]string{
		"sqlite://":                    "must name a file",
		"sqlite://" + file + "?mode=x": "must name a file",
		"sqlite://" + file + "/x.db":   "not a directory",
		"sqlite://" + dir:              "is a directory",
		"sqlite://" + file:             "not a database",
	} {
		_, _, err := sqlstore.Open(t.Context(), config(t, url))
		require.ErrorContains(t, err, says, url)
	}
}

// closedPort returns an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}
