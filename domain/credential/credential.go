// Package credential reads what a request presents to be let in, and holds the policy for the static access key.
package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"monorelay/domain/fault"
)

// Errors of a request without a credential that counts.
var (
	ErrMissing = fault.New(fault.Unauthenticated, "missing_credentials",
		"No credential came with the request. Add the header Authorization: Bearer <token>, with the access key or a token from /api/auth/login.")
	ErrWrongKey = fault.New(fault.Unauthenticated, "invalid_access_key",
		"The access key is not known. Check server.access_key in config.yml, or the API key.")
	ErrKeyDisabled = fault.New(fault.Unauthenticated, "access_key_disabled",
		"The access key is switched off. Set access_key_enabled: true in config.yml, or use a user account.")
	ErrMalformed = fault.New(fault.Invalid, "malformed_credentials",
		"A credential header came twice, is over 8 KiB long or holds characters that no credential has.")
)

// MaxLength is the length of the longest credential that is looked at, in bytes.
const MaxLength = 8 << 10

// Kind says what a credential looks like, which decides how it is checked.
type Kind uint8

// The kinds of credential.
const (
	None   Kind = iota
	Opaque      // an access key or an API key
	Token       // a JSON Web Token, good or bad
)

// Credential is what one request presents. The zero value is none.
type Credential struct {
	Kind   Kind
	Secret string
}

// Headers holds every line of the headers that can carry a credential, in the order in which they came.
type Headers struct {
	Authorization []string
	AccessKey     []string // X-Access-Key
	APIKey        []string // x-api-key, which Anthropic's clients send
}

// Parse returns the credential that decides: the first of Authorization (scheme Bearer; others count as absent),
// X-Access-Key and x-api-key that is there and not empty. It fails with ErrMissing or ErrMalformed.
func Parse(h Headers) (Credential, error) {
	if len(h.Authorization) > 1 || len(h.AccessKey) > 1 || len(h.APIKey) > 1 {
		return Credential{}, ErrMalformed
	}
	for i, lines := range [...][]string{h.Authorization, h.AccessKey, h.APIKey} {
		if len(lines) == 0 {
			continue
		}
		secret := lines[0]
		if !visible(secret) || len(secret) > MaxLength+len("Bearer ") {
			return Credential{}, ErrMalformed
		}
		if i == 0 {
			secret = bearer(secret)
		}
		if secret == "" {
			continue
		}
		if len(secret) > MaxLength {
			return Credential{}, ErrMalformed
		}
		return Credential{Kind: kindOf(secret), Secret: secret}, nil
	}
	return Credential{}, ErrMissing
}

// bearer returns what follows the scheme Bearer, in any case, and nothing for another scheme.
func bearer(value string) string {
	scheme, secret, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return secret
}

// visible reports whether s has no control characters and nothing outside ASCII.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// kindOf tells a JSON Web Token, or what was meant to be one, from an opaque key. Three parts make a token, also if one is
// empty; so does the beginning of every JSON object in base64url.
func kindOf(s string) Kind {
	dots := strings.Count(s, ".")
	if dots == 2 || dots > 0 && strings.HasPrefix(s, "eyJ") {
		return Token
	}
	return Opaque
}

// AccessPolicy is what the configuration says about the static access key. It keeps no key, only its digest.
type AccessPolicy struct {
	enabled bool
	kind    Kind // what the key looks like, so that no token is digested in vain
	digest  [sha256.Size]byte
}

// NewAccessPolicy returns the policy for key. An empty key is never let in.
func NewAccessPolicy(key string, enabled bool) AccessPolicy {
	return AccessPolicy{enabled: enabled && key != "", kind: kindOf(key), digest: sha256.Sum256([]byte(key))}
}

// Enabled reports whether an access key can be used at all.
func (p AccessPolicy) Enabled() bool { return p.enabled }

// Matches reports, in the same time for every credential of one length, whether it is the configured key.
func (p AccessPolicy) Matches(c Credential) bool {
	if !p.enabled || c.Kind != p.kind {
		return false
	}
	digest := sha256.Sum256([]byte(c.Secret))
	return subtle.ConstantTimeCompare(digest[:], p.digest[:]) == 1
}

// Refusal returns the error for an opaque credential that nothing knows. While the access key is off it is the same for
// every one, so that it tells nothing about the key.
func (p AccessPolicy) Refusal() error {
	if !p.enabled {
		return ErrKeyDisabled
	}
	return ErrWrongKey
}
