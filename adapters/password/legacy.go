package password

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"monorelay/domain/account"
)

// legacy is a password as the Python program of the same name stored it: 32 characters of salt, which are taken as they
// are and not as the hexadecimal they look like, and 64 of PBKDF2-HMAC-SHA-256 in hexadecimal.
type legacy struct {
	salt   string
	digest []byte
}

const legacyRounds = 100_000

func parseLegacy(text string) (legacy, bool) {
	if len(text) != 96 {
		return legacy{}, false
	}
	digest, err := hex.DecodeString(text[32:])
	return legacy{salt: text[:32], digest: digest}, err == nil
}

func (l legacy) matches(p account.Password) bool {
	digest, err := pbkdf2.Key(sha256.New, p.Reveal(), []byte(l.salt), legacyRounds, sha256.Size)
	return err == nil && subtle.ConstantTimeCompare(digest, l.digest) == 1
}
