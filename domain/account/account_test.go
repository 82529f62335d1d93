package account_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
)

var opened = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// TestRoles is the whole matrix of who may do what to whom.
func TestRoles(t *testing.T) {
	t.Parallel()
	const (
		user  = account.User
		admin = account.Admin
		super = account.SuperAdmin
	)
	own := account.ID(7) // the target's
	by := func(id account.ID, role account.Role) account.Actor {
		return account.Restore(account.Snapshot{ID: id, Role: role, Active: true}).Actor()
	}
	asks, protected, always := account.ErrAdminRequired, account.ErrProtectedAdmin, account.ErrProtectedSuper

	tests := []struct {
		name   string
		by     account.Actor
		target account.Role
		// activate, promote and reset give; deactivate, demote and delete take away.
		activate, promote, reset, deactivate, demote, remove error
	}{
		{"nobody on a user", account.Actor{}, user, asks, asks, asks, asks, asks, asks},
		{"a user on another user", by(1, user), user, asks, asks, asks, asks, asks, asks},
		{"a user on himself", by(own, user), user, asks, asks, asks, asks, asks, asks},
		{"a user on an admin", by(1, user), admin, asks, asks, asks, asks, asks, asks},
		{"a user on the super admin", by(1, user), super, asks, asks, asks, asks, asks, asks},
		{"an admin on a user", by(1, admin), user, nil, nil, nil, nil, nil, nil},
		{"an admin on himself", by(own, admin), admin, protected, protected, protected, protected, protected, protected},
		{"an admin on another admin", by(1, admin), admin, protected, protected, protected, protected, protected, protected},
		{"an admin on the super admin", by(1, admin), super, protected, protected, protected, protected, protected, protected},
		{"the super admin on a user", by(1, super), user, nil, nil, nil, nil, nil, nil},
		{"the super admin on an admin", by(1, super), admin, nil, nil, nil, nil, nil, nil},
		{"the super admin on himself", by(own, super), super, nil, nil, nil, always, always, always},
		{"the operator on a user", account.Operator(), user, nil, nil, nil, nil, nil, nil},
		{"the operator on an admin", account.Operator(), admin, nil, nil, nil, nil, nil, nil},
		{"the operator on the super admin", account.Operator(), super, nil, nil, nil, always, always, always},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			verbs := []struct {
				name   string
				active bool // before
				do     func(*account.Account) error
				want   error
				change func(*account.Snapshot) // what the verb does to the stored form where it is allowed
			}{
				{
					"activate", false, func(a *account.Account) error { return a.Activate(tt.by) }, tt.activate,
					func(s *account.Snapshot) { s.Active = true },
				},
				{
					"deactivate", true, func(a *account.Account) error { return a.Deactivate(tt.by) }, tt.deactivate,
					func(s *account.Snapshot) { s.Active = false; s.Version++ },
				},
				{
					"promote", true, func(a *account.Account) error { return a.Promote(tt.by) }, tt.promote,
					func(s *account.Snapshot) { s.Role = max(s.Role, admin) },
				},
				{
					"demote", true, func(a *account.Account) error { return a.Demote(tt.by) }, tt.demote,
					func(s *account.Snapshot) { s.Role = user },
				},
				{
					"delete", true, func(a *account.Account) error { return a.MayDelete(tt.by) }, tt.remove,
					func(*account.Snapshot) {},
				},
				{
					"reset the password", true, func(a *account.Account) error { return a.ResetPassword(tt.by, "another hash") }, tt.reset,
					func(s *account.Snapshot) { s.PasswordHash = "another hash"; s.Version++ },
				},
			}
			for _, verb := range verbs {
				before := account.Snapshot{
					ID: own, Username: "bob", Email: "bob@example.com", PasswordHash: "hash",
					Role: tt.target, Active: verb.active, Version: 3, CreatedAt: opened,
				}
				a := account.Restore(before)
				require.ErrorIs(t, verb.do(a), verb.want, verb.name)
				after := before
				if verb.want == nil {
					verb.change(&after)
				}
				assert.Equal(t, after, a.Snapshot(), verb.name)
			}
		})
	}
}

func TestMayAdminister(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		by   account.Actor
		want error
	}{
		{"nobody", account.Actor{}, account.ErrAdminRequired},
		{"a user", account.Restore(account.Snapshot{ID: 1}).Actor(), account.ErrAdminRequired},
		{"an admin", account.Restore(account.Snapshot{ID: 1, Role: account.Admin}).Actor(), nil},
		{"the super admin", account.Restore(account.Snapshot{ID: 1, Role: account.SuperAdmin}).Actor(), nil},
		{"the operator", account.Operator(), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, tt.by.MayAdminister(), tt.want)
		})
	}
}

func TestDeactivatingTwiceEndsTheTokensOnce(t *testing.T) {
	t.Parallel()
	a := account.Restore(account.Snapshot{ID: 2, Active: true, Version: 5})

	require.NoError(t, a.Deactivate(account.Operator()))
	require.ErrorIs(t, a.MaySignIn(), account.ErrInactive)
	assert.Equal(t, int64(6), a.Version())

	require.NoError(t, a.Deactivate(account.Operator()))
	assert.Equal(t, int64(6), a.Version())

	require.NoError(t, a.Activate(account.Operator()))
	require.NoError(t, a.MaySignIn())
	assert.Equal(t, int64(6), a.Version(), "the tokens from before stay dead")
}

func TestRehashKeepsTheTokens(t *testing.T) {
	t.Parallel()
	a := account.Restore(account.Snapshot{ID: 2, PasswordHash: "weak", Version: 5})
	a.Rehash("strong")
	assert.Equal(t, "strong", a.PasswordHash())
	assert.Equal(t, int64(5), a.Version())
}

func TestOpenStartsAnActiveUserWithoutAnID(t *testing.T) {
	t.Parallel()
	a := account.Open(name(t, "Alice"), email(t, "Alice@Example.com"), "hash", opened.In(time.FixedZone("", 3600)))
	assert.Equal(t, account.Snapshot{
		Username: "Alice", Email: "Alice@Example.com", PasswordHash: "hash", Role: account.User, Active: true, CreatedAt: opened,
	}, a.Snapshot())
	assert.Equal(t, time.UTC, a.CreatedAt().Location())
	require.NoError(t, a.MaySignIn())

	a.Found()
	assert.Equal(t, account.SuperAdmin, a.Role())
}

func TestRestoreGivesBackWhatSnapshotTook(t *testing.T) {
	t.Parallel()
	want := account.Snapshot{
		ID: 42, Username: "Alice", Email: "Alice@Example.com", PasswordHash: "hash",
		Role: account.Admin, Active: true, Version: 9, CreatedAt: opened,
	}
	a := account.Restore(want)
	assert.Equal(t, want, a.Snapshot())
	assert.Equal(t, a, account.Restore(a.Snapshot()))

	assert.Equal(t, account.ID(42), a.ID())
	assert.Equal(t, name(t, "Alice"), a.Username())
	assert.Equal(t, email(t, "Alice@Example.com"), a.Email())
	assert.Equal(t, "hash", a.PasswordHash())
	assert.Equal(t, account.Admin, a.Role())
	assert.True(t, a.Active())
	assert.Equal(t, int64(9), a.Version())
	assert.Equal(t, opened, a.CreatedAt())
}

func name(t *testing.T, s string) account.Username {
	t.Helper()
	u, err := account.ParseUsername(s)
	require.NoError(t, err)
	return u
}

func email(t *testing.T, s string) account.Email {
	t.Helper()
	e, err := account.ParseEmail(s)
	require.NoError(t, err)
	return e
}
