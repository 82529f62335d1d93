package ports

import "monorelay/domain/session"

// Tokens makes access tokens, and reads those it made.
type Tokens interface {
	// Issue returns a signed token that says claims.
	Issue(claims session.Claims) (string, error)

	// Verify returns what the token says. It returns session.ErrExpired for a token of its own that is past its time,
	// and session.ErrInvalid for all else: one that it did not sign, one with another algorithm or purpose, one that is
	// not yet valid or lacks a claim. Verify is called on every request.
	Verify(token string) (session.Claims, error)
}
