// Package session holds what a signed-in account's token says.
package session

import (
	"time"

	"monorelay/domain/account"
	"monorelay/domain/fault"
)

// Errors of a token. All but an expired one are the same to the outside.
var (
	ErrExpired = fault.New(fault.Unauthenticated, "token_expired", "The token has expired. Log in again at /api/auth/login.")
	ErrInvalid = fault.New(fault.Unauthenticated, "invalid_token", "The token is not valid, or no longer is. Log in again at /api/auth/login.")
)

// Claims is what an access token says about the one who carries it.
type Claims struct {
	Account   account.ID
	Version   int64  // the account's version at the time of issue
	Session   string // the sign-in that the token comes from
	ID        string // the token's own identity, never given twice
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Start returns the claims of a new token for a, which lives for ttl. Times are cut to the second, as JWT has them.
func Start(a *account.Account, sessionID, tokenID string, now time.Time, ttl TTL) Claims {
	now = now.UTC().Truncate(time.Second)
	return Claims{
		Account: a.ID(), Version: a.Version(), Session: sessionID, ID: tokenID,
		IssuedAt: now, ExpiresAt: now.Add(time.Duration(ttl)),
	}
}

// Admit reports, as an error, why the token does not let its carrier in as a.
func (c Claims) Admit(a *account.Account, now time.Time) error {
	if err := a.MaySignIn(); err != nil {
		return err
	}
	if c.Account != a.ID() || c.Version != a.Version() {
		return ErrInvalid
	}
	if !now.Before(c.ExpiresAt) {
		return ErrExpired
	}
	return nil
}
