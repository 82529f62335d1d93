package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"monorelay/domain/account"
	"monorelay/ports"
)

var _ ports.AccountStore = (*AccountStore)(nil)

type accountRow struct {
	bun.BaseModel `bun:"table:accounts,alias:a"`

	ID           int64     `bun:"id,pk,autoincrement"`
	Username     string    `bun:"username"`
	UsernameKey  string    `bun:"username_key"`
	Email        string    `bun:"email"`
	EmailKey     string    `bun:"email_key,nullzero"` // any number may have none
	PasswordHash string    `bun:"password_hash"`
	Role         uint8     `bun:"role"`
	Active       bool      `bun:"active"`
	Version      int64     `bun:"version"`
	CreatedAt    time.Time `bun:"created_at"`
}

func newAccountRow(a *account.Account) *accountRow {
	s := a.Snapshot()
	return &accountRow{
		ID: int64(s.ID), Username: s.Username, UsernameKey: a.Username().Key(), Email: s.Email, EmailKey: a.Email().Key(),
		PasswordHash: s.PasswordHash, Role: uint8(s.Role), Active: s.Active, Version: s.Version,
		CreatedAt: s.CreatedAt.UTC().Truncate(time.Microsecond),
	}
}

func (r *accountRow) account() *account.Account {
	return account.Restore(account.Snapshot{
		ID: account.ID(r.ID), Username: r.Username, Email: r.Email, PasswordHash: r.PasswordHash,
		Role: account.Role(r.Role), Active: r.Active, Version: r.Version, CreatedAt: r.CreatedAt.UTC(),
	})
}

// foundingRow is the only row that founding can have. Whoever inserts it is the first.
type foundingRow struct {
	bun.BaseModel `bun:"table:founding"`

	ID int64 `bun:"id,pk"`
}

// AccountStore is a ports.AccountStore in a database.
type AccountStore struct{ db *DB }

// NewAccountStore returns a store in db, whose schema must be migrated.
func NewAccountStore(db *DB) *AccountStore { return &AccountStore{db} }

// Add implements ports.AccountStore.
func (s *AccountStore) Add(ctx context.Context, a *account.Account, admit func(first bool) error) (*account.Account, error) {
	var row *accountRow
	err := s.db.inTx(ctx, "add account", func(ctx context.Context, tx bun.Tx) error {
		first, err := takeFounding(ctx, tx)
		if err != nil {
			return err
		}
		if err := admit(first); err != nil {
			return finalError{err}
		}
		added := account.Restore(a.Snapshot())
		if first {
			added.Found()
		}
		row = newAccountRow(added)
		row.ID = 0
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		return s.taken(err)
	})
	if err != nil {
		return nil, err
	}
	return row.account(), nil
}

// takeFounding reports whether this transaction, if it is committed, has the first account.
func takeFounding(ctx context.Context, tx bun.Tx) (bool, error) {
	// The query locks nothing, and spares all but the first the lock.
	if founded, err := tx.NewSelect().Model((*foundingRow)(nil)).Exists(ctx); err != nil || founded {
		return false, err
	}
	result, err := tx.NewInsert().Model(&foundingRow{ID: 1}).Ignore().Exec(ctx)
	if err != nil {
		return false, err
	}
	inserted, err := result.RowsAffected()
	return inserted == 1, err
}

// taken translates the error of a duplicate.
func (s *AccountStore) taken(err error) error {
	switch s.db.engine.violated(err) {
	case "username_key":
		return finalError{account.ErrUsernameTaken}
	case "email_key":
		return finalError{account.ErrEmailTaken}
	}
	return err
}

// Founded implements ports.AccountStore.
func (s *AccountStore) Founded(ctx context.Context) (bool, error) {
	var founded bool
	err := s.db.do(ctx, "look for founding", func(ctx context.Context) error {
		var err error
		founded, err = s.db.read.NewSelect().Model((*foundingRow)(nil)).Exists(ctx)
		return err
	})
	return founded, err
}

// ByID implements ports.AccountStore.
func (s *AccountStore) ByID(ctx context.Context, id account.ID) (*account.Account, error) {
	return s.one(ctx, "id", int64(id))
}

// ByLogin implements ports.AccountStore.
func (s *AccountStore) ByLogin(ctx context.Context, login string) (*account.Account, error) {
	// Only an address has an at sign. What can't be a name or an address is nobody's.
	if strings.Contains(login, "@") {
		email, err := account.ParseEmail(login)
		if err != nil {
			return nil, account.ErrNotFound
		}
		return s.one(ctx, "email_key", email.Key())
	}
	username, err := account.ParseUsername(login)
	if err != nil {
		return nil, account.ErrNotFound
	}
	return s.one(ctx, "username_key", username.Key())
}

func (s *AccountStore) one(ctx context.Context, column string, value any) (*account.Account, error) {
	var row accountRow
	err := s.db.do(ctx, "select account", func(ctx context.Context) error {
		err := s.db.read.NewSelect().Model(&row).Where("? = ?", bun.Ident(column), value).Scan(ctx)
		return notFound(err)
	})
	if err != nil {
		return nil, err
	}
	return row.account(), nil
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return finalError{account.ErrNotFound}
	}
	return err
}

// List implements ports.AccountStore.
func (s *AccountStore) List(ctx context.Context, filter ports.AccountFilter) (ports.AccountPage, error) {
	// Names and addresses are ASCII without control characters.
	if strings.ContainsFunc(filter.Contains, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ports.AccountPage{}, nil
	}
	var rows []*accountRow
	err := s.db.do(ctx, "list accounts", func(ctx context.Context) error {
		rows = nil
		q := s.db.read.NewSelect().Model(&rows).Where("id > ?", int64(filter.After)).Order("id").Limit(int64(filter.Limit) + 1)
		if part := strings.ToLower(filter.Contains); part != "" {
			// Unlike LIKE, it knows no special characters.
			q.Where("(INSTR(username_key, ?) > 0 OR INSTR(email_key, ?) > 0)", part, part)
		}
		return q.Scan(ctx)
	})
	if err != nil {
		return ports.AccountPage{}, err
	}
	var page ports.AccountPage
	if len(rows) > filter.Limit {
		rows, page.More = rows[:filter.Limit], true
	}
	for _, row := range rows {
		page.Accounts = append(page.Accounts, row.account())
	}
	return page, nil
}

// Update implements ports.AccountStore.
func (s *AccountStore) Update(ctx context.Context, id account.ID, change func(*account.Account) error) (*account.Account, error) {
	var row *accountRow
	err := s.change(ctx, "update account", id, func(ctx context.Context, tx bun.Tx, a *account.Account) error {
		if err := change(a); err != nil {
			return finalError{err}
		}
		row = newAccountRow(a)
		_, err := tx.NewUpdate().Model(row).WherePK().Exec(ctx)
		return s.taken(err)
	})
	if err != nil {
		return nil, err
	}
	return row.account(), nil
}

// Delete implements ports.AccountStore.
func (s *AccountStore) Delete(ctx context.Context, id account.ID, may func(*account.Account) error) error {
	return s.change(ctx, "delete account", id, func(ctx context.Context, tx bun.Tx, a *account.Account) error {
		if err := may(a); err != nil {
			return finalError{err}
		}
		_, err := tx.NewDelete().Model((*accountRow)(nil)).Where("id = ?", int64(id)).Exec(ctx)
		return err
	})
}

// change runs f in a transaction that holds the account.
func (s *AccountStore) change(
	ctx context.Context, step string, id account.ID, f func(context.Context, bun.Tx, *account.Account) error,
) error {
	return s.db.inTx(ctx, step, func(ctx context.Context, tx bun.Tx) error {
		var row accountRow
		if err := s.db.lock(tx.NewSelect().Model(&row).Where("id = ?", int64(id))).Scan(ctx); err != nil {
			return notFound(err)
		}
		return f(ctx, tx, row.account())
	})
}
