package contract

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/ports"
)

// AccountStore exercises a ports.AccountStore. open must return an empty store and register its own clean-up.
func AccountStore(t *testing.T, open func(*testing.T) ports.AccountStore) {
	t.Helper()
	addingAccounts(t, open)
	foundingAccount(t, open)
	findingAccounts(t, open)
	listingAccounts(t, open)
	updatingAccounts(t, open)
	deletingAccounts(t, open)
	leavingAccounts(t, open)
}

func addingAccounts(t *testing.T, open func(*testing.T) ports.AccountStore) {
	t.Helper()

	t.Run("Add returns the account with an ID", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))

		got := add(t, store, newAccount(t, "bob"))
		want := newAccount(t, "bob").Snapshot()
		want.ID = got.ID()
		assert.Positive(t, got.ID())
		assert.Equal(t, want, got.Snapshot())
	})

	t.Run("Add keeps every field and the microseconds", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		want := account.Snapshot{
			Username: "Bob.B_o-b", Email: "Bob+'x\"`%_@Example.com", PasswordHash: `$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA\'";`,
			Role: account.Admin, Active: false, Version: 1<<62 + 1, CreatedAt: time.Date(2026, 11, 24, 8, 0, 0, 123456000, time.UTC),
		}
		a := add(t, store, account.Restore(want))
		want.ID = a.ID()
		assert.Equal(t, want, a.Snapshot())

		got, err := store.ByID(t.Context(), a.ID())
		require.NoError(t, err)
		assert.Equal(t, want, got.Snapshot())
	})

	t.Run("Add cuts the time of creation to microseconds", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		at := time.Date(2026, 11, 24, 23, 59, 59, 999999999, time.FixedZone("", -8*3600))
		a := add(t, store, account.Open(username(t, "alice"), email(t, "alice@example.com"), "hash", at))
		want := time.Date(2026, 11, 25, 7, 59, 59, 999999000, time.UTC)
		assert.Equal(t, want, a.CreatedAt())

		got, err := store.ByID(t.Context(), a.ID())
		require.NoError(t, err)
		assert.Equal(t, want, got.CreatedAt())
	})

	t.Run("Add leaves the account that it is given alone", func(t *testing.T) {
		t.Parallel()
		a := newAccount(t, "alice")
		add(t, open(t), a)
		assert.Equal(t, newAccount(t, "alice").Snapshot(), a.Snapshot())
	})

	t.Run("Add gives no ID twice, not even that of a deleted account", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		seen := map[account.ID]bool{}
		for i := range 5 {
			a := add(t, store, newAccount(t, fmt.Sprintf("alice%d", i)))
			assert.False(t, seen[a.ID()], "ID %d was given before", a.ID())
			seen[a.ID()] = true
			require.NoError(t, store.Delete(t.Context(), a.ID(), allow))
		}
	})

	t.Run("Add gives its own ID to an account that has one", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		s := newAccount(t, "bob").Snapshot()
		s.ID = a.ID()
		assert.NotEqual(t, a.ID(), add(t, store, account.Restore(s)).ID())
	})

	t.Run("Add of a taken name, whatever the case of its letters, is ErrUsernameTaken", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		for _, name := range []string{"alice", "Alice", "ALICE"} {
			_, err := store.Add(t.Context(), account.Open(username(t, name), email(t, "other@example.com"), "hash", noon), admit)
			require.ErrorIs(t, err, account.ErrUsernameTaken, name)
		}
		assert.Equal(t, 1, count(t, store))
	})

	t.Run("Add of a taken address, whatever the case of its letters, is ErrEmailTaken", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		for i, address := range []string{"alice@example.com", "Alice@Example.Com", "ALICE@EXAMPLE.COM"} {
			_, err := store.Add(t.Context(), account.Open(username(t, fmt.Sprintf("other%d", i)), email(t, address), "hash", noon), admit)
			require.ErrorIs(t, err, account.ErrEmailTaken, address)
		}
		assert.Equal(t, 1, count(t, store))
	})

	t.Run("Add tells a taken name from a taken address, whatever they say", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, account.Open(username(t, "email_key"), email(t, "x'accounts.username_key@example.com"), "hash", noon))
		_, err := store.Add(t.Context(), account.Open(username(t, "email_key"), email(t, "alice@example.com"), "hash", noon), admit)
		require.ErrorIs(t, err, account.ErrUsernameTaken)
		_, err = store.Add(t.Context(), account.Open(username(t, "alice"), email(t, "x'accounts.username_key@example.com"), "hash", noon), admit)
		require.ErrorIs(t, err, account.ErrEmailTaken)
	})

	t.Run("Add takes any number of accounts without an address", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, account.Open(username(t, "alice"), account.Email{}, "hash", noon))
		a := add(t, store, account.Open(username(t, "bob"), account.Email{}, "hash", noon))
		got, err := store.ByID(t.Context(), a.ID())
		require.NoError(t, err)
		assert.Empty(t, got.Email().String())
	})

	t.Run("Add takes the name and the address of a deleted account", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		require.NoError(t, store.Delete(t.Context(), a.ID(), allow))
		add(t, store, newAccount(t, "alice"))
	})

	t.Run("of many concurrent Adds of one name one succeeds", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		var taken atomic.Int32
		var added atomic.Int32
		concurrently(100, func(i int) {
			name := "alice"
			if i%2 == 1 {
				name = "Alice"
			}
			_, err := store.Add(t.Context(), account.Open(username(t, name), email(t, fmt.Sprintf("alice%d@example.com", i)), "hash", noon), admit)
			if err == nil {
				added.Add(1)
			} else if assert.ErrorIs(t, err, account.ErrUsernameTaken) {
				taken.Add(1)
			}
		})
		assert.EqualValues(t, 1, added.Load())
		assert.EqualValues(t, 99, taken.Load())
		assert.Equal(t, 1, count(t, store))
	})

	t.Run("of many concurrent Adds of one address one succeeds", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		var taken atomic.Int32
		var added atomic.Int32
		concurrently(100, func(i int) {
			_, err := store.Add(t.Context(), account.Open(username(t, fmt.Sprintf("alice%d", i)), email(t, "alice@example.com"), "hash", noon), admit)
			if err == nil {
				added.Add(1)
			} else if assert.ErrorIs(t, err, account.ErrEmailTaken) {
				taken.Add(1)
			}
		})
		assert.EqualValues(t, 1, added.Load())
		assert.EqualValues(t, 99, taken.Load())
		assert.Equal(t, 1, count(t, store))
	})
}

func foundingAccount(t *testing.T, open func(*testing.T) ports.AccountStore) {
	t.Helper()

	t.Run("Add makes the first account the super administrator, and no other", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		alice, bob := add(t, store, newAccount(t, "alice")), add(t, store, newAccount(t, "bob"))
		assert.Equal(t, account.SuperAdmin, alice.Role())
		assert.Equal(t, account.User, bob.Role())

		got, err := store.ByID(t.Context(), alice.ID())
		require.NoError(t, err)
		assert.Equal(t, account.SuperAdmin, got.Role())
	})

	t.Run("no account is the first after the first was deleted", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		require.NoError(t, store.Delete(t.Context(), a.ID(), allow))

		founded, err := store.Founded(t.Context())
		require.NoError(t, err)
		assert.True(t, founded)
		assert.Equal(t, account.User, add(t, store, newAccount(t, "bob")).Role())
	})

	t.Run("admit is told whether the account is the first", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		for i, name := range []string{"alice", "bob", "alice2"} {
			var told []bool
			_, err := store.Add(t.Context(), newAccount(t, name), func(first bool) error {
				told = append(told, first)
				return nil
			})
			require.NoError(t, err)
			require.NotEmpty(t, told)
			assert.Equal(t, i == 0, told[len(told)-1])
		}
	})

	t.Run("an error of admit aborts, is returned as it is, and leaves the place of the first", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		boom := errors.New("boom")
		for range 2 {
			_, err := store.Add(t.Context(), newAccount(t, "alice"), func(first bool) error {
				assert.True(t, first)
				return boom
			})
			require.Same(t, boom, err)
			founded, err := store.Founded(t.Context())
			require.NoError(t, err)
			assert.False(t, founded)
			assert.Zero(t, count(t, store))
		}
		assert.Equal(t, account.SuperAdmin, add(t, store, newAccount(t, "alice")).Role())
	})

	t.Run("a refused later Add stores nothing", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		boom := errors.New("boom")
		_, err := store.Add(t.Context(), newAccount(t, "bob"), func(bool) error { return boom })
		require.Same(t, boom, err)
		assert.Equal(t, 1, count(t, store))
	})

	t.Run("Founded says whether there has ever been an account", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		founded, err := store.Founded(t.Context())
		require.NoError(t, err)
		assert.False(t, founded)

		add(t, store, newAccount(t, "alice"))
		founded, err = store.Founded(t.Context())
		require.NoError(t, err)
		assert.True(t, founded)
	})

	for round := range 5 {
		t.Run(fmt.Sprintf("of many concurrent Adds exactly one is the first, round %d", round+1), func(t *testing.T) {
			t.Parallel()
			OneFounder(t, open(t))
		})
	}

	t.Run("of many concurrent Adds of which some are refused exactly one is the first", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		boom := errors.New("boom")
		var refused, admitted atomic.Int32
		concurrently(60, func(i int) {
			_, err := store.Add(t.Context(), newAccount(t, fmt.Sprintf("alice%d", i)), func(bool) error {
				if i%3 != 0 {
					return boom
				}
				return nil
			})
			if i%3 == 0 {
				if assert.NoError(t, err) {
					admitted.Add(1)
				}
			} else if assert.Same(t, boom, err) {
				refused.Add(1)
			}
		})
		assert.EqualValues(t, 20, admitted.Load())
		assert.EqualValues(t, 40, refused.Load())
		assert.Equal(t, 1, superAdmins(t, store))
		assert.Equal(t, 20, count(t, store))
	})
}

// OneFounder makes 100 concurrent Adds to stores that share their accounts, which are none yet. Exactly one of the
// accounts must be the super administrator, and no Add must fail.
func OneFounder(t *testing.T, stores ...ports.AccountStore) {
	t.Helper()
	var founders atomic.Int32
	concurrently(100, func(i int) {
		first := false
		a, err := stores[i%len(stores)].Add(t.Context(), newAccount(t, fmt.Sprintf("alice%d", i)), func(f bool) error {
			first = f
			return nil
		})
		if err != nil {
			t.Errorf("Add: %v", err)
			return
		}
		assert.Equal(t, first, a.Role() == account.SuperAdmin, "admit was told first=%v", first)
		if first {
			founders.Add(1)
		}
	})
	assert.EqualValues(t, 1, founders.Load())
	assert.Equal(t, 1, superAdmins(t, stores[0]))
	assert.Equal(t, 100, count(t, stores[0]))
}

func findingAccounts(t *testing.T, open func(*testing.T) ports.AccountStore) {
	t.Helper()

	t.Run("ByID of an account that is not there is ErrNotFound", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		for _, id := range []account.ID{0, -1, a.ID() + 1, 1<<63 - 1} {
			_, err := store.ByID(t.Context(), id)
			require.ErrorIs(t, err, account.ErrNotFound, "%d", id)
		}
	})

	t.Run("ByLogin finds by name and by address, whatever the case of the letters", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		bob := add(t, store, account.Open(username(t, "Bob"), email(t, "Bob@Example.com"), "hash", noon))
		for _, login := range []string{"Bob", "bob", "BOB", "Bob@Example.com", "bob@example.com", "BOB@EXAMPLE.COM"} {
			got, err := store.ByLogin(t.Context(), login)
			require.NoError(t, err, login)
			assert.Equal(t, bob.Snapshot(), got.Snapshot(), login)
		}
	})

	t.Run("ByLogin of what nobody is called is ErrNotFound", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		add(t, store, account.Open(username(t, "bob"), account.Email{}, "hash", noon))
		for _, login := range append(hostile(), "", "@", "alic", "alicee", "alice@example.co", "@example.com", "alice ", " alice", "alice\t", "álice", "alice@") {
			_, err := store.ByLogin(t.Context(), login)
			require.ErrorIs(t, err, account.ErrNotFound, "%.60q", login)
		}
		assert.Equal(t, 2, count(t, store))
	})

	t.Run("ByLogin takes no other letter for one of ASCII", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "kiss"))
		for _, login := range []string{"\u212aiss", "ki\u017fs", "ki\u00df", "\uff4biss", "k\u0131ss", "\u212aiss@example.com", "ki\u017fs@example.com"} {
			_, err := store.ByLogin(t.Context(), login)
			require.ErrorIs(t, err, account.ErrNotFound, "%q", login)
		}
	})
}

func listingAccounts(t *testing.T, open func(*testing.T) ports.AccountStore) {
	t.Helper()

	t.Run("List of no accounts is empty", func(t *testing.T) {
		t.Parallel()
		page, err := open(t).List(t.Context(), ports.AccountFilter{Limit: 10})
		require.NoError(t, err)
		assert.Empty(t, page.Accounts)
		assert.False(t, page.More)
	})

	t.Run("List goes through the accounts by ID, page by page", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		for _, name := range []string{"eee", "ddd", "ccc", "bbb", "aaa"} {
			add(t, store, newAccount(t, name))
		}
		var pages []string
		filter := ports.AccountFilter{Limit: 2}
		for more := true; more; {
			page, err := store.List(t.Context(), filter)
			require.NoError(t, err)
			require.NotEmpty(t, page.Accounts)
			pages = append(pages, names(page))
			filter.After = page.Accounts[len(page.Accounts)-1].ID()
			more = page.More
		}
		assert.Equal(t, []string{"eee ddd", "ccc bbb", "aaa"}, pages)
	})

	t.Run("List says that there is more only if there is", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		add(t, store, newAccount(t, "bob"))
		for limit, more := range map[int]bool{1: true, 2: false, 3: false} {
			page, err := store.List(t.Context(), ports.AccountFilter{Limit: limit})
			require.NoError(t, err)
			assert.Equal(t, more, page.More, limit)
			assert.Len(t, page.Accounts, min(limit, 2))
		}
		page, err := store.List(t.Context(), ports.AccountFilter{Limit: 5, After: a.ID()})
		require.NoError(t, err)
		assert.Equal(t, "bob", names(page))
	})

	t.Run("List returns accounts whole", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		page, err := store.List(t.Context(), ports.AccountFilter{Limit: 1})
		require.NoError(t, err)
		require.Len(t, page.Accounts, 1)
		assert.Equal(t, a.Snapshot(), page.Accounts[0].Snapshot())
	})

	t.Run("List takes a part of the name or of the address, whatever the case, and every character for itself", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		for _, a := range []struct{ name, address string }{
			{"Alice", "first@example.com"}, {"al_ice", "100%@example.com"}, {"alXice", "second@Example.org"}, {"bob", "al.'x@example.com"}, {"none", ""},
		} {
			address := account.Email{}
			if a.address != "" {
				address = email(t, a.address)
			}
			add(t, store, account.Open(username(t, a.name), address, "hash", noon))
		}
		for part, want := range map[string]string{
			"":            "Alice al_ice alXice bob none",
			"alice":       "Alice",
			"ALICE":       "Alice",
			"lic":         "Alice",
			"ice":         "Alice al_ice alXice",
			"l_i":         "al_ice",
			"_":           "al_ice",
			"%":           "al_ice",
			"0%@":         "al_ice",
			"lxi":         "alXice",
			"EXAMPLE.ORG": "alXice",
			"@":           "Alice al_ice alXice bob",
			".com":        "Alice al_ice bob",
			"'":           "bob",
			"non":         "none",
			`\`:           "",
			`\_`:          "",
			`\%`:          "",
			"al%ice":      "",
			"%alice%":     "",
			"*":           "",
			"?":           "",
			"!":           "",
			" ":           "",
			"álice":       "",
			"\u212a":      "",
		} {
			page, err := store.List(t.Context(), ports.AccountFilter{Contains: part, Limit: 10})
			require.NoError(t, err, "%q", part)
			assert.Equal(t, want, names(page), "%q", part)
		}
	})

	t.Run("List takes a page of what the filter takes", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		for _, name := range []string{"alice1", "bob1", "alice2", "bob2", "alice3"} {
			add(t, store, newAccount(t, name))
		}
		page, err := store.List(t.Context(), ports.AccountFilter{Contains: "alice", Limit: 2})
		require.NoError(t, err)
		assert.Equal(t, "alice1 alice2", names(page))
		assert.True(t, page.More)
		page, err = store.List(t.Context(), ports.AccountFilter{Contains: "alice", Limit: 2, After: page.Accounts[1].ID()})
		require.NoError(t, err)
		assert.Equal(t, "alice3", names(page))
		assert.False(t, page.More)
	})

	t.Run("List of what nobody is called is empty", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		for _, part := range hostile() {
			page, err := store.List(t.Context(), ports.AccountFilter{Contains: part, Limit: 10})
			require.NoError(t, err, "%.60q", part)
			assert.Empty(t, page.Accounts, "%.60q", part)
		}
		assert.Equal(t, 1, count(t, store))
	})
}

func updatingAccounts(t *testing.T, open func(*testing.T) ports.AccountStore) {
	t.Helper()

	t.Run("Update stores the change and returns the account as it is then", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		bob := add(t, store, newAccount(t, "bob"))

		updated, err := store.Update(t.Context(), bob.ID(), func(a *account.Account) error {
			assert.Equal(t, bob.Snapshot(), a.Snapshot())
			require.NoError(t, a.ResetPassword(account.Operator(), "other hash"))
			require.NoError(t, a.Promote(account.Operator()))
			return a.Deactivate(account.Operator())
		})
		require.NoError(t, err)
		want := bob.Snapshot()
		want.PasswordHash, want.Role, want.Active, want.Version = "other hash", account.Admin, false, 2
		assert.Equal(t, want, updated.Snapshot())

		got, err := store.ByID(t.Context(), bob.ID())
		require.NoError(t, err)
		assert.Equal(t, want, got.Snapshot())
	})

	t.Run("Update leaves other accounts alone", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		alice, bob := add(t, store, newAccount(t, "alice")), add(t, store, newAccount(t, "bob"))
		_, err := store.Update(t.Context(), bob.ID(), deactivate)
		require.NoError(t, err)
		got, err := store.ByID(t.Context(), alice.ID())
		require.NoError(t, err)
		assert.Equal(t, alice.Snapshot(), got.Snapshot())
	})

	t.Run("Update that changes nothing succeeds", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		got, err := store.Update(t.Context(), a.ID(), func(*account.Account) error { return nil })
		require.NoError(t, err)
		assert.Equal(t, a.Snapshot(), got.Snapshot())
	})

	t.Run("an error of change aborts Update and is returned as it is", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		boom := errors.New("boom")
		_, err := store.Update(t.Context(), a.ID(), func(a *account.Account) error {
			a.Rehash("other hash")
			return boom
		})
		require.Same(t, boom, err)
		got, err := store.ByID(t.Context(), a.ID())
		require.NoError(t, err)
		assert.Equal(t, a.Snapshot(), got.Snapshot())
	})

	t.Run("a panic of change leaves a store that works", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		assert.Panics(t, func() {
			_, _ = store.Update(t.Context(), a.ID(), func(*account.Account) error { panic("boom") })
		})
		_, err := store.Update(t.Context(), a.ID(), resetPassword)
		require.NoError(t, err)
	})

	t.Run("Update of an account that is not there is ErrNotFound", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		_, err := store.Update(t.Context(), a.ID()+1, func(*account.Account) error {
			t.Error("change was called")
			return nil
		})
		require.ErrorIs(t, err, account.ErrNotFound)
	})

	t.Run("of many concurrent Updates none is lost", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		concurrently(50, func(int) {
			_, err := store.Update(t.Context(), a.ID(), resetPassword)
			assert.NoError(t, err)
		})
		got, err := store.ByID(t.Context(), a.ID())
		require.NoError(t, err)
		assert.EqualValues(t, 50, got.Version())
	})

	t.Run("concurrent Updates of different fields keep each other's changes", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		for round := range 10 {
			bob := add(t, store, newAccount(t, fmt.Sprintf("bob%d", round)))
			changes := []func(*account.Account) error{deactivate, promote, resetPassword}
			concurrently(len(changes), func(i int) {
				_, err := store.Update(t.Context(), bob.ID(), changes[i])
				assert.NoError(t, err)
			})
			got, err := store.ByID(t.Context(), bob.ID())
			require.NoError(t, err)
			want := bob.Snapshot()
			want.Active, want.Role, want.PasswordHash, want.Version = false, account.Admin, "other hash", 2
			assert.Equal(t, want, got.Snapshot())
		}
	})
}

func deletingAccounts(t *testing.T, open func(*testing.T) ports.AccountStore) {
	t.Helper()

	t.Run("Delete removes the account, and no other", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		alice, bob := add(t, store, newAccount(t, "alice")), add(t, store, newAccount(t, "bob"))
		require.NoError(t, store.Delete(t.Context(), bob.ID(), func(a *account.Account) error {
			assert.Equal(t, bob.Snapshot(), a.Snapshot())
			return nil
		}))
		_, err := store.ByID(t.Context(), bob.ID())
		require.ErrorIs(t, err, account.ErrNotFound)
		_, err = store.ByLogin(t.Context(), "bob")
		require.ErrorIs(t, err, account.ErrNotFound)
		_, err = store.ByID(t.Context(), alice.ID())
		require.NoError(t, err)
	})

	t.Run("an error of may aborts Delete and is returned as it is", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		boom := errors.New("boom")
		require.Same(t, boom, store.Delete(t.Context(), a.ID(), func(*account.Account) error { return boom }))
		got, err := store.ByID(t.Context(), a.ID())
		require.NoError(t, err)
		assert.Equal(t, a.Snapshot(), got.Snapshot())
	})

	t.Run("Delete of an account that is not there is ErrNotFound", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		require.NoError(t, store.Delete(t.Context(), a.ID(), allow))
		require.ErrorIs(t, store.Delete(t.Context(), a.ID(), allow), account.ErrNotFound)
	})

	t.Run("of many concurrent Deletes one succeeds", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		var deleted atomic.Int32
		concurrently(20, func(int) {
			if err := store.Delete(t.Context(), a.ID(), allow); err == nil {
				deleted.Add(1)
			} else {
				assert.ErrorIs(t, err, account.ErrNotFound)
			}
		})
		assert.EqualValues(t, 1, deleted.Load())
	})

	t.Run("Delete judges the account that it deletes", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		add(t, store, newAccount(t, "alice"))
		admin := account.Restore(account.Snapshot{ID: 1 << 40, Role: account.Admin}).Actor()
		for round := range 10 {
			bob := add(t, store, newAccount(t, fmt.Sprintf("bob%d", round)))
			var deleting, promoting error
			concurrently(2, func(i int) {
				if i == 0 {
					deleting = store.Delete(t.Context(), bob.ID(), func(a *account.Account) error { return a.MayDelete(admin) })
				} else {
					_, promoting = store.Update(t.Context(), bob.ID(), promote)
				}
			})
			_, err := store.ByID(t.Context(), bob.ID())
			if promoting == nil {
				require.ErrorIs(t, deleting, account.ErrProtectedAdmin)
				require.NoError(t, err)
			} else {
				require.NoError(t, deleting)
				require.ErrorIs(t, promoting, account.ErrNotFound)
				require.ErrorIs(t, err, account.ErrNotFound)
			}
		}
	})
}

func leavingAccounts(t *testing.T, open func(*testing.T) ports.AccountStore) {
	t.Helper()

	t.Run("a call whose context has ended returns at once and changes nothing", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		calls := map[string]func() error{
			"Add":     func() error { _, err := store.Add(ctx, newAccount(t, "bob"), admit); return err },
			"Founded": func() error { _, err := store.Founded(ctx); return err },
			"ByID":    func() error { _, err := store.ByID(ctx, a.ID()); return err },
			"ByLogin": func() error { _, err := store.ByLogin(ctx, "alice"); return err },
			"List":    func() error { _, err := store.List(ctx, ports.AccountFilter{Limit: 1}); return err },
			"Update":  func() error { _, err := store.Update(ctx, a.ID(), resetPassword); return err },
			"Delete":  func() error { return store.Delete(ctx, a.ID(), allow) },
		}
		for name, call := range calls {
			start := time.Now()
			require.ErrorIs(t, call(), context.Canceled, name)
			assert.Less(t, time.Since(start), time.Second, name)
		}
		page, err := store.List(t.Context(), ports.AccountFilter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Accounts, 1)
		assert.Equal(t, a.Snapshot(), page.Accounts[0].Snapshot())
	})

	t.Run("a context that ends within a step leaves all of it or nothing", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		a := add(t, store, newAccount(t, "alice"))
		ctx, cancel := context.WithCancel(t.Context())
		_, err := store.Update(ctx, a.ID(), func(a *account.Account) error {
			cancel()
			return resetPassword(a)
		})
		got, later := store.ByID(t.Context(), a.ID())
		require.NoError(t, later)
		if err == nil {
			assert.EqualValues(t, 1, got.Version())
		} else {
			require.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, a.Snapshot(), got.Snapshot())
		}
		_, err = store.Update(t.Context(), a.ID(), resetPassword)
		require.NoError(t, err)
	})
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 120000000, time.UTC)

func newAccount(t *testing.T, name string) *account.Account {
	t.Helper()
	return account.Open(username(t, name), email(t, name+"@example.com"), "hash", noon)
}

func add(t *testing.T, store ports.AccountStore, a *account.Account) *account.Account {
	t.Helper()
	added, err := store.Add(t.Context(), a, admit)
	require.NoError(t, err)
	return added
}

func username(t *testing.T, s string) account.Username {
	t.Helper()
	u, err := account.ParseUsername(s)
	if err != nil {
		t.Errorf("username %q: %v", s, err) // not Fatal: it may be another goroutine's
	}
	return u
}

func email(t *testing.T, s string) account.Email {
	t.Helper()
	e, err := account.ParseEmail(s)
	if err != nil {
		t.Errorf("e-mail address %q: %v", s, err)
	}
	return e
}

func admit(bool) error { return nil }

func allow(*account.Account) error { return nil }

func deactivate(a *account.Account) error { return a.Deactivate(account.Operator()) }

func promote(a *account.Account) error { return a.Promote(account.Operator()) }

func resetPassword(a *account.Account) error {
	return a.ResetPassword(account.Operator(), "other hash")
}

// concurrently runs f n times at once and waits for all of them.
func concurrently(n int, f func(i int)) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func all(t *testing.T, store ports.AccountStore) []*account.Account {
	t.Helper()
	page, err := store.List(t.Context(), ports.AccountFilter{Limit: 1000})
	require.NoError(t, err)
	assert.False(t, page.More)
	return page.Accounts
}

func count(t *testing.T, store ports.AccountStore) int {
	t.Helper()
	return len(all(t, store))
}

func superAdmins(t *testing.T, store ports.AccountStore) int {
	t.Helper()
	n := 0
	for _, a := range all(t, store) {
		if a.Role() == account.SuperAdmin {
			n++
		}
	}
	return n
}

func names(page ports.AccountPage) string {
	var list []string
	for _, a := range page.Accounts {
		list = append(list, a.Username().String())
	}
	return strings.Join(list, " ")
}

// hostile returns text that nobody is called, and that a careless store stumbles over.
func hostile() []string {
	return []string{
		"' OR '1'='1", `" OR ""="`, "alice' --", "alice'#", "alice'/*", `alice\' OR 1=1 -- `, `\`, `\\`, `'`, `''`, `"`, "`", ";", "' || '",
		"'; DROP TABLE accounts; --", "' UNION SELECT 1,2,3,4,5,6,7,8,9,10 -- ", "0x616c696365", "1 OR 1=1", "?", "$1", ":name", "@@version",
		"%27%20OR%201=1", "alice\x00", "\x00", "\x00alice", "al\x00ice", "alice\x00@example.com", "\xff\xfe", "alice\xff", "\xbf\x27 OR 1=1",
		"\u2019 OR 1=1", "\U0001f600", "\u202ealice", "alice\u200b", "\n", "alice\r\n", "{{7*7}}", "<script>", "../../etc/passwd", "NULL", "null",
		strings.Repeat("a", 255), strings.Repeat("a", 1<<20), strings.Repeat("a", 300) + "@example.com", strings.Repeat("'", 1000),
	}
}
