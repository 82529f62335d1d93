// Package token makes access tokens as JSON Web Tokens (RFC 7519), signed with HMAC-SHA-256.
package token

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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
		jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation(), // read does it, and tells a token of ours that is too old from one that is none
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
	if strings.ContainsAny(raw, "\r\n") { // which the decoder passes over: a token has one form
		return session.Claims{}, session.ErrInvalid.Because(errors.New("the token has more than one line"))
	}
	var c claims
	parsed, err := t.parser.ParseWithClaims(raw, &c, func(*jwt.Token) (any, error) { return t.secret, nil })
	if err != nil {
		return session.Claims{}, session.ErrInvalid.Because(err)
	}
	now := t.now()
	verified, err := c.read(parsed.Header, now)
	if err != nil {
		return session.Claims{}, session.ErrInvalid.Because(err)
	}
	if !now.Before(verified.ExpiresAt) { // without leeway, which is for clocks that are behind, not for a longer life
		return session.Claims{}, session.ErrExpired
	}
	t.known.put(raw, verified)
	return verified, nil
}

// read checks all but the signature and the end: the header, the purpose, and that every claim is there.
func (c *claims) read(header map[string]any, now time.Time) (session.Claims, error) {
	if _, critical := header["crit"]; critical {
		return session.Claims{}, errors.New("the header has a critical extension")
	}
	if header["typ"] != "JWT" {
		return session.Claims{}, fmt.Errorf("the header's typ is %v", header["typ"])
	}
	id, err := strconv.ParseInt(c.Subject, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != c.Subject {
		return session.Claims{}, errors.New("the subject is no account")
	}
	if c.Issuer != issuer || c.Type != accessType || len(c.Audience) > 0 {
		return session.Claims{}, errors.New("the token comes from another issuer, or is for another purpose or audience")
	}
	if c.ID == "" || c.Session == "" || c.Version == nil || c.IssuedAt == nil || c.ExpiresAt == nil {
		return session.Claims{}, errors.New("a claim is missing")
	}
	latest := now.Add(leeway)
	if c.IssuedAt.After(latest) || c.NotBefore != nil && c.NotBefore.After(latest) {
		return session.Claims{}, errors.New("the token is not valid yet")
	}
	return session.Claims{
		Account: account.ID(id), Version: *c.Version, Session: c.Session, ID: c.ID,
		IssuedAt: c.IssuedAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(),
	}, nil
}
