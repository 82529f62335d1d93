// Package memory implements the storage ports in the memory of the process. It is what use cases are tested on.
package memory

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"monorelay/domain/account"
	"monorelay/ports"
)

var _ ports.AccountStore = (*AccountStore)(nil)

// AccountStore is a ports.AccountStore in memory.
type AccountStore struct {
	mu       sync.Mutex
	accounts []account.Snapshot // in the order of their IDs
	last     account.ID         // given so far, not zero once there was an account
}

// NewAccountStore returns an empty store.
func NewAccountStore() *AccountStore { return &AccountStore{} }

// Add implements ports.AccountStore.
func (s *AccountStore) Add(ctx context.Context, a *account.Account, admit func(first bool) error) (*account.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	first := s.last == 0
	if err := admit(first); err != nil {
		return nil, err
	}
	if err := s.free(0, a); err != nil {
		return nil, err
	}
	a = account.Restore(a.Snapshot())
	if first {
		a.Found()
	}
	s.last++
	row := stored(a)
	row.ID = s.last
	s.accounts = append(s.accounts, row)
	return account.Restore(row), nil
}

// free reports, as an error, why a can't be beside the others than the one with the ID.
func (s *AccountStore) free(id account.ID, a *account.Account) error {
	for _, row := range s.accounts {
		switch other := account.Restore(row); {
		case other.ID() == id:
		case other.Username().Key() == a.Username().Key():
			return account.ErrUsernameTaken
		case other.Email().Key() == a.Email().Key() && a.Email() != account.Email{}:
			return account.ErrEmailTaken
		}
	}
	return nil
}

func stored(a *account.Account) account.Snapshot {
	row := a.Snapshot()
	row.CreatedAt = row.CreatedAt.UTC().Truncate(time.Microsecond)
	return row
}

// Founded implements ports.AccountStore.
func (s *AccountStore) Founded(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last > 0, ctx.Err()
}

// ByID implements ports.AccountStore.
func (s *AccountStore) ByID(ctx context.Context, id account.ID) (*account.Account, error) {
	return s.one(ctx, func(a *account.Account) bool { return a.ID() == id })
}

// ByLogin implements ports.AccountStore.
func (s *AccountStore) ByLogin(ctx context.Context, login string) (*account.Account, error) {
	// What can't be a name or an address is nobody's.
	if email, err := account.ParseEmail(login); err == nil {
		return s.one(ctx, func(a *account.Account) bool { return a.Email().Key() == email.Key() })
	}
	username, err := account.ParseUsername(login)
	if err != nil {
		return nil, account.ErrNotFound
	}
	return s.one(ctx, func(a *account.Account) bool { return a.Username().Key() == username.Key() })
}

func (s *AccountStore) one(ctx context.Context, is func(*account.Account) bool) (*account.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, row := range s.accounts {
		if a := account.Restore(row); is(a) {
			return a, nil
		}
	}
	return nil, account.ErrNotFound
}

// List implements ports.AccountStore.
func (s *AccountStore) List(ctx context.Context, filter ports.AccountFilter) (ports.AccountPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var page ports.AccountPage
	if err := ctx.Err(); err != nil {
		return page, err
	}
	part := lower(filter.Contains)
	for _, row := range s.accounts {
		a := account.Restore(row)
		if a.ID() <= filter.After || !strings.Contains(a.Username().Key(), part) && !strings.Contains(a.Email().Key(), part) {
			continue
		}
		if len(page.Accounts) == filter.Limit {
			page.More = true
			break
		}
		page.Accounts = append(page.Accounts, a)
	}
	return page, nil
}

// lower changes the letters of ASCII only: a Kelvin sign is no k.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// Update implements ports.AccountStore.
func (s *AccountStore) Update(ctx context.Context, id account.ID, change func(*account.Account) error) (*account.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	a := account.Restore(s.accounts[i])
	if err := change(a); err != nil {
		return nil, err
	}
	if err := s.free(id, a); err != nil {
		return nil, err
	}
	s.accounts[i] = stored(a)
	return account.Restore(s.accounts[i]), nil
}

// Delete implements ports.AccountStore.
func (s *AccountStore) Delete(ctx context.Context, id account.ID, may func(*account.Account) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	if err := may(account.Restore(s.accounts[i])); err != nil {
		return err
	}
	s.accounts = slices.Delete(s.accounts, i, i+1)
	return nil
}

func (s *AccountStore) find(ctx context.Context, id account.ID) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(s.accounts, func(row account.Snapshot) bool { return row.ID == id })
	if i < 0 {
		return 0, account.ErrNotFound
	}
	return i, nil
}
