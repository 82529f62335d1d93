package identity

import (
	"context"
	"errors"

	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/session"
	"monorelay/ports"
)

// Authenticate tells who a request comes from.
type Authenticate struct {
	policy   ports.AccessPolicy
	tokens   ports.Tokens
	accounts *Directory
	now      ports.Clock
}

// NewAuthenticate returns the use case over its ports.
func NewAuthenticate(policy ports.AccessPolicy, tokens ports.Tokens, accounts *Directory, now ports.Clock) *Authenticate {
	return &Authenticate{policy: policy, tokens: tokens, accounts: accounts, now: now}
}

// Execute returns the principal of the credential that the headers carry. The first one decides: a bad one never falls
// through to another. It fails with credential.ErrMissing, ErrMalformed, ErrWrongKey or ErrKeyDisabled, with
// session.ErrExpired or ErrInvalid, or with account.ErrInactive.
func (u *Authenticate) Execute(ctx context.Context, headers credential.Headers) (credential.Principal, error) {
	presented, err := credential.Parse(headers)
	if err != nil {
		return credential.Principal{}, err
	}
	policy := u.policy()
	if policy.Matches(presented) {
		return credential.Service(), nil
	}
	if presented.Kind != credential.Token {
		return credential.Principal{}, policy.Refusal()
	}
	claims, err := u.tokens.Verify(presented.Secret)
	if err != nil {
		return credential.Principal{}, err
	}
	a, err := u.accounts.ByID(ctx, claims.Account)
	if errors.Is(err, account.ErrNotFound) {
		return credential.Principal{}, session.ErrInvalid.Because(err)
	}
	if err != nil {
		return credential.Principal{}, err
	}
	if err := claims.Admit(a, u.now()); err != nil {
		return credential.Principal{}, err
	}
	return credential.Of(a), nil
}
