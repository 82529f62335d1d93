package identity

import (
	"context"

	"monorelay/domain/account"
	"monorelay/ports"
)

// DeleteAccount deletes accounts.
type DeleteAccount struct {
	accounts  ports.AccountStore
	directory *Directory
}

// NewDeleteAccount returns the use case over its ports.
func NewDeleteAccount(accounts ports.AccountStore, directory *Directory) *DeleteAccount {
	return &DeleteAccount{accounts: accounts, directory: directory}
}

// Execute deletes the account, whose tokens are dead from then on. It fails with account.ErrNotFound, and with
// ErrAdminRequired, ErrProtectedAdmin or ErrProtectedSuper where the rules on roles forbid it.
func (u *DeleteAccount) Execute(ctx context.Context, by account.Actor, id account.ID) error {
	if err := by.MayAdminister(); err != nil {
		return err
	}
	defer u.directory.Forget(id)
	return u.accounts.Delete(ctx, id, func(a *account.Account) error { return a.MayDelete(by) })
}
