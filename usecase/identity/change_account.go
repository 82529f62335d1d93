package identity

import (
	"context"

	"monorelay/domain/account"
	"monorelay/ports"
)

// ChangeAccount activates, deactivates, promotes and demotes accounts.
type ChangeAccount struct {
	accounts  ports.AccountStore
	directory *Directory
}

// NewChangeAccount returns the use case over its ports.
func NewChangeAccount(accounts ports.AccountStore, directory *Directory) *ChangeAccount {
	return &ChangeAccount{accounts: accounts, directory: directory}
}

// ChangeAccountInput says who changes what. What is nil stays as it is.
type ChangeAccountInput struct {
	By     account.Actor
	ID     account.ID
	Active *bool
	Admin  *bool
}

// Execute makes the change and returns the account as it is then. A token of an account that was deactivated is dead
// from then on. It fails with account.ErrNotFound, and with ErrAdminRequired, ErrProtectedAdmin or ErrProtectedSuper
// where the rules on roles forbid the change.
func (u *ChangeAccount) Execute(ctx context.Context, in ChangeAccountInput) (*account.Account, error) {
	if err := in.By.MayAdminister(); err != nil {
		return nil, err
	}
	defer u.directory.Forget(in.ID)
	return u.accounts.Update(ctx, in.ID, func(a *account.Account) error {
		if in.Active != nil {
			change := a.Deactivate
			if *in.Active {
				change = a.Activate
			}
			if err := change(in.By); err != nil {
				return err
			}
		}
		if in.Admin != nil {
			change := a.Demote
			if *in.Admin {
				change = a.Promote
			}
			if err := change(in.By); err != nil {
				return err
			}
		}
		return nil
	})
}
