package ports

import (
	"context"

	"monorelay/domain/account"
)

// AccountStore keeps accounts. A store that can't be reached answers with a fault of kind Unavailable, within seconds.
type AccountStore interface {
	// Add stores a new account and returns it with its ID, which no account had before, deleted ones included. The first
	// account ever is made the super administrator: of any number of concurrent calls, in any number of processes,
	// exactly one is the first. admit is told whether this is the one before anything is stored; its error aborts, is
	// returned as it is, and leaves the place of the first to another call. Add returns account.ErrUsernameTaken or
	// account.ErrEmailTaken if another account has the name or the address, whatever the case of its letters; of two
	// concurrent calls with one name or address exactly one succeeds. admit may be called more than once and must do no
	// I/O.
	Add(ctx context.Context, a *account.Account, admit func(first bool) error) (*account.Account, error)

	// Founded reports whether there has ever been an account.
	Founded(ctx context.Context) (bool, error)

	// ByID returns the account with this ID, or account.ErrNotFound.
	ByID(ctx context.Context, id account.ID) (*account.Account, error)

	// ByLogin returns the account whose username or e-mail address this is, whatever the case of its letters, or
	// account.ErrNotFound.
	ByLogin(ctx context.Context, login string) (*account.Account, error)

	// List returns the accounts that filter takes, in the order of their IDs.
	List(ctx context.Context, filter AccountFilter) (AccountPage, error)

	// Update loads the account, calls change, and stores the result as one atomic step: of concurrent changes none is
	// lost. It returns the account as it is then. An error from change aborts the step and is returned as it is; an
	// account that is not there is account.ErrNotFound. change may be called more than once and must do no I/O.
	Update(ctx context.Context, id account.ID, change func(*account.Account) error) (*account.Account, error)

	// Delete loads the account, calls may, and deletes the account as one atomic step. An error from may aborts the step
	// and is returned as it is; an account that is not there is account.ErrNotFound. may may be called more than once
	// and must do no I/O.
	Delete(ctx context.Context, id account.ID, may func(*account.Account) error) error
}

// AccountFilter chooses accounts.
type AccountFilter struct {
	Contains string     // part of the username or the e-mail address, whatever the case; '%' and '_' stand for themselves
	After    account.ID // the last ID of the page before
	Limit    int        // at most this many, 1 or more
}

// AccountPage is part of a list. More reports whether others follow.
type AccountPage struct {
	Accounts []*account.Account
	More     bool
}
