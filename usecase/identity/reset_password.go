package identity

import (
	"context"
	"fmt"

	"monorelay/domain/account"
	"monorelay/ports"
)

// ResetPassword gives an account another password without asking for the old one.
type ResetPassword struct {
	accounts  ports.AccountStore
	directory *Directory
	hasher    ports.PasswordHasher
	normalize ports.NormalizePassword
	policy    ports.Registration
}

// NewResetPassword returns the use case over its ports.
func NewResetPassword(accounts ports.AccountStore, directory *Directory, hasher ports.PasswordHasher, normalize ports.NormalizePassword, policy ports.Registration) *ResetPassword {
	return &ResetPassword{accounts: accounts, directory: directory, hasher: hasher, normalize: normalize, policy: policy}
}

// ResetPasswordInput says who gives which account what password.
type ResetPasswordInput struct {
	By       account.Actor
	ID       account.ID
	Password string
}

// Execute sets the password and ends every token of the account. It fails with account.ErrNotFound, with the errors of a
// password that is not good enough, and where the rules on roles forbid it.
func (u *ResetPassword) Execute(ctx context.Context, in ResetPasswordInput) error {
	if err := in.By.MayAdminister(); err != nil {
		return err
	}
	a, err := u.accounts.ByID(ctx, in.ID)
	if err != nil {
		return err
	}
	password, err := u.policy().Passwords.Check(u.normalize(in.Password), a.Username(), a.Email())
	if err != nil {
		return err
	}
	hash, err := u.hasher.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	defer u.directory.Forget(in.ID)
	_, err = u.accounts.Update(ctx, in.ID, func(a *account.Account) error { return a.ResetPassword(in.By, hash) })
	return err
}
