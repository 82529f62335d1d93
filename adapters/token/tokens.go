// Package token makes access tokens as JSON Web Tokens (RFC 7519), signed with HMAC-SHA-256.
package token

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"monorelay/domain/account"
	"monorelay/domain/session"
	"monorelay/ports"
)

var _ ports.Tokens = (*Tokens)(nil)

// MinSecret is the length of the shortest secret that signs, in bytes: that of the digest (RFC 7518, section 3.2).
const MinSecret = 32

const (
	issuer     = "monorelay"
	accessType = "access"
	leeway     = 5 * time.Second // for replicas whose clocks differ
)

// Secret signs tokens. Replicas that share accounts share it.
type Secret []byte

// Tokens is a ports.Tokens.
type Tokens struct {
	secret []byte
	parser *jwt.Parser
	known  *remembered
	now    ports.Clock
}

// New returns a maker of tokens. It fails if the secret is shorter than MinSecret.
func New(secret Secret, now ports.Clock) (*Tokens, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret for tokens has %d bytes, and needs %d", len(secret), MinSecret)
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithIssuer(issuer),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithStrictDecoding(),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(now),
	)
	return &Tokens{secret: secret, parser: parser, known: newRemembered(), now: now}, nil
}

// claims is the wire form of session.Claims.
type claims struct {
	jwt.RegisteredClaims
	Type    string `json:"type"`
	Session string `json:"sid"`
	Version *int64 `json:"ver"`
}

// Issue implements ports.Tokens.
func (t *Tokens) Issue(c session.Claims) (string, error) {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   strconv.FormatInt(int64(c.Account), 10),
			IssuedAt:  jwt.NewNumericDate(c.IssuedAt),
			ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
			ID:        c.ID,
		},
		Type: accessType, Session: c.Session, Version: &c.Version,
	}).SignedString(t.secret)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// Verify implements ports.Tokens.
func (t *Tokens) Verify(raw string) (session.Claims, error) {
	if c, found := t.known.get(raw); found {
		if !t.now().Before(c.ExpiresAt) {
			return session.Claims{}, session.ErrExpired
		}
		return c, nil
	}
	var c claims
	parsed, err := t.parser.ParseWithClaims(raw, &c, func(*jwt.Token) (any, error) { return t.secret, nil })
	if errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		return session.Claims{}, session.ErrExpired.Because(err)
	}
	if err != nil {
		return session.Claims{}, session.ErrInvalid.Because(err)
	}
	verified, err := c.read(parsed.Header)
	if err != nil {
		return session.Claims{}, session.ErrInvalid.Because(err)
	}
	if !t.now().Before(verified.ExpiresAt) { // the leeway is for clocks that are behind, not for a longer life
		return session.Claims{}, session.ErrExpired
	}
	t.known.put(raw, verified)
	return verified, nil
}

// read checks what the library leaves to its caller: the header, the purpose, and that no claim is missing.
func (c *claims) read(header map[string]any) (session.Claims, error) {
	if _, critical := header["crit"]; critical {
		return session.Claims{}, errors.New("the header has a critical extension")
	}
	if typ, present := header["typ"]; present && typ != "JWT" {
		return session.Claims{}, fmt.Errorf("the header's typ is %v", typ)
	}
	id, err := strconv.ParseInt(c.Subject, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != c.Subject {
		return session.Claims{}, errors.New("the subject is no account")
	}
	if c.Type != accessType || c.ID == "" || c.Session == "" || c.Version == nil || c.IssuedAt == nil {
		return session.Claims{}, errors.New("a claim is missing, or the purpose is another one")
	}
	return session.Claims{
		Account: account.ID(id), Version: *c.Version, Session: c.Session, ID: c.ID,
		IssuedAt: c.IssuedAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(),
	}, nil
}
