// Package identity is about who somebody is: opening accounts, signing in, recognising who a request comes from, and
// looking after accounts.
package identity

import (
	"context"

	"monorelay/domain/account"
	"monorelay/domain/session"
	"monorelay/ports"
)

// Register opens an account for whoever asks, and signs him in.
type Register struct {
	accounts ports.AccountStore
	policy   ports.Registration
	draft    drafter
	sign     *SignIn
}

// NewRegister returns the use case over its ports.
func NewRegister(accounts ports.AccountStore, policy ports.Registration, hasher ports.PasswordHasher, normalize ports.NormalizePassword, sign *SignIn, now ports.Clock) *Register {
	return &Register{accounts: accounts, policy: policy, draft: drafter{hasher, normalize, now}, sign: sign}
}

// RegisterInput is what a person gives.
type RegisterInput struct {
	Username   string
	Email      string
	Password   string
	SetupToken string // needed for the first account, if the operator set one
}

// Execute opens the account; the first one ever becomes the super administrator. It fails with
// account.ErrRegistrationClosed or account.ErrSetupToken where the policy forbids it, and with the errors of a bad or
// taken username, e-mail address or password.
func (u *Register) Execute(ctx context.Context, in RegisterInput) (SignedIn, error) {
	policy := u.policy()
	admit := func(first bool) error { return policy.Admit(first, in.SetupToken) }

	// The policy is asked before the password is hashed, so that a closed door costs nothing, and again by the store in
	// the step that decides who is the first.
	founded, err := u.accounts.Founded(ctx)
	if err != nil {
		return SignedIn{}, err
	}
	if err := admit(!founded); err != nil {
		return SignedIn{}, err
	}
	a, err := u.draft.account(ctx, in.Username, in.Email, in.Password, policy.Passwords)
	if err != nil {
		return SignedIn{}, err
	}
	if a, err = u.accounts.Add(ctx, a, admit); err != nil {
		return SignedIn{}, err
	}
	return u.sign.in(a)
}

// SignIn issues the tokens of accounts that have proved who they are.
type SignIn struct {
	tokens ports.Tokens
	newID  ports.NewID
	now    ports.Clock
	ttl    session.TTL
}

// NewSignIn returns an issuer of tokens that live for ttl.
func NewSignIn(tokens ports.Tokens, newID ports.NewID, now ports.Clock, ttl session.TTL) *SignIn {
	return &SignIn{tokens: tokens, newID: newID, now: now, ttl: ttl}
}

// SignedIn is an account with a fresh token.
type SignedIn struct {
	Account *account.Account
	Token   string
	Claims  session.Claims
}

func (s *SignIn) in(a *account.Account) (SignedIn, error) {
	claims := session.Start(a, s.newID(), s.newID(), s.now(), s.ttl)
	token, err := s.tokens.Issue(claims)
	if err != nil {
		return SignedIn{}, err
	}
	return SignedIn{Account: a, Token: token, Claims: claims}, nil
}
