package identity

import (
	"context"
	"fmt"

	"monorelay/domain/account"
	"monorelay/ports"
)

// CreateAccount opens an account for somebody else, whatever the policy on registration says.
type CreateAccount struct {
	accounts ports.AccountStore
	policy   ports.Registration
	draft    drafter
}

// NewCreateAccount returns the use case over its ports.
func NewCreateAccount(accounts ports.AccountStore, policy ports.Registration, hasher ports.PasswordHasher, normalize ports.NormalizePassword, now ports.Clock) *CreateAccount {
	return &CreateAccount{accounts: accounts, policy: policy, draft: drafter{hasher, normalize, now}}
}

// CreateAccountInput is what is known of the new account.
type CreateAccountInput struct {
	By       account.Actor
	Username string
	Email    string
	Password string
	Admin    bool
}

// Execute opens the account. The first account ever becomes the super administrator. It fails with
// account.ErrAdminRequired, and with the errors of a bad or taken username, e-mail address or password.
func (u *CreateAccount) Execute(ctx context.Context, in CreateAccountInput) (*account.Account, error) {
	if err := in.By.MayAdminister(); err != nil {
		return nil, err
	}
	a, err := u.draft.account(ctx, in.Username, in.Email, in.Password, u.policy().Passwords)
	if err != nil {
		return nil, err
	}
	if in.Admin {
		if err := a.Promote(in.By); err != nil {
			return nil, err
		}
	}
	return u.accounts.Add(ctx, a, func(bool) error { return nil })
}

// drafter makes accounts from what people type.
type drafter struct {
	hasher    ports.PasswordHasher
	normalize ports.NormalizePassword
	now       ports.Clock
}

func (d drafter) account(ctx context.Context, username, email, password string, policy account.PasswordPolicy) (*account.Account, error) {
	name, err := account.ParseUsername(username)
	if err != nil {
		return nil, err
	}
	address, err := account.ParseEmail(email)
	if err != nil {
		return nil, err
	}
	checked, err := policy.Check(d.normalize(password), name, address)
	if err != nil {
		return nil, err
	}
	hash, err := d.hasher.Hash(ctx, checked)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return account.Open(name, address, hash, d.now()), nil
}
