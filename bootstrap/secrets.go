package bootstrap

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"monorelay/bootstrap/config"
)

// Secrets are what the configuration may leave to the program: then they are made at the first start and kept in the
// data folder.
type Secrets struct {
	AccessKey    string
	AccessKeyNew bool   // made just now: nobody knows it yet
	AccessKeyAt  string // the file that it is kept in, if it is not the configuration's
	JWT          []byte
}

const (
	accessKeyFile = "access_key"
	jwtSecretFile = "jwt_secret"
)

// LoadSecrets returns the configuration's secrets, and those of the data folder where it has none.
func LoadSecrets(c config.Config) (Secrets, error) {
	s := Secrets{AccessKey: c.Server.AccessKey.Reveal(), JWT: []byte(c.Server.JWTSecret.Reveal())}
	if s.AccessKey == "" {
		s.AccessKeyAt = filepath.Join(c.Server.DataDir, accessKeyFile)
		var err error
		if s.AccessKey, s.AccessKeyNew, err = keep(s.AccessKeyAt); err != nil {
			return Secrets{}, err
		}
	}
	if len(s.JWT) == 0 {
		text, _, err := keep(filepath.Join(c.Server.DataDir, jwtSecretFile))
		if err != nil {
			return Secrets{}, err
		}
		s.JWT = []byte(text)
	}
	return s, nil
}

// leastSecret is the length of a secret that keep makes, and the least that it takes from a file, in characters.
const leastSecret = 32

// keep returns the secret in the file, which it makes if it is not there. Of several processes that make it at once, one
// wins, and all return the same.
func keep(path string) (secret string, made bool, err error) {
	secret, err = read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("a secret can't be read (server.data_dir): %w", err)
	}
	if err == nil {
		return secret, false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", false, fmt.Errorf("the data folder can't be made (server.data_dir): %w", err)
	}
	secret = rand.Text() + rand.Text()
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return "", false, fmt.Errorf("the data folder can't be written to (server.data_dir): %w", err)
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = draft.WriteString(secret + "\n")
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return "", false, fmt.Errorf("the data folder can't be written to (server.data_dir): %w", err)
	}
	if err := os.Link(draft.Name(), path); errors.Is(err, fs.ErrExist) {
		secret, err = read(path)
		return secret, false, err
	} else if err != nil {
		return "", false, fmt.Errorf("the data folder can't be written to (server.data_dir): %w", err)
	}
	return secret, true, nil
}

func read(path string) (string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the data folder
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < leastSecret {
		return "", fmt.Errorf("the secret in %s has under %d characters: delete the file, and another one is made", path, leastSecret)
	}
	return secret, nil
}
