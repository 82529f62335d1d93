package identity_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/session"
	"monorelay/ports"
	"monorelay/usecase/identity"
)

var (
	yes = new(true)
	no  = new(false)
)

func TestCreateAccount(t *testing.T) {
	t.Parallel()
	user := account.Restore(account.Snapshot{ID: 7}).Actor()
	admin := account.Restore(account.Snapshot{ID: 8, Role: account.Admin}).Actor()
	in := func(by account.Actor, username, email, password string, asAdmin bool) identity.CreateAccountInput {
		return identity.CreateAccountInput{By: by, Username: username, Email: email, Password: password, Admin: asAdmin}
	}
	tests := []struct {
		name    string
		founded bool // by bob
		in      identity.CreateAccountInput
		want    error
		role    account.Role
		hashed  int
	}{
		{"an admin creates a user", true, in(admin, "alice", "alice@example.com", password, false), nil, account.User, 1},
		{"an admin creates an admin", true, in(admin, "alice", "alice@example.com", password, true), nil, account.Admin, 1},
		{"the operator creates a user", true, in(account.Operator(), "alice", "alice@example.com", password, false), nil, account.User, 1},
		{"the operator creates the first account", false, in(account.Operator(), "alice", "alice@example.com", password, false), nil, account.SuperAdmin, 1},
		{"the operator creates the first account as an admin", false, in(account.Operator(), "alice", "alice@example.com", password, true), nil, account.SuperAdmin, 1},
		{"a user may not", true, in(user, "alice", "alice@example.com", password, false), account.ErrAdminRequired, 0, 0},
		{"the access key may not", true, in(credential.Service().Actor(), "alice", "alice@example.com", password, false), account.ErrAdminRequired, 0, 0},
		{"a bad username", true, in(admin, "al", "alice@example.com", password, false), account.ErrBadUsername, 0, 0},
		{"a bad e-mail address", true, in(admin, "alice", "alice", password, false), account.ErrBadEmail, 0, 0},
		{"a short password", true, in(admin, "alice", "alice@example.com", "1234567", false), account.ErrPasswordLength, 0, 0},
		{"a taken username", true, in(admin, "Bob", "alice@example.com", password, false), account.ErrUsernameTaken, 0, 1},
		{"a taken e-mail address", true, in(admin, "alice", "bob@example.com", password, false), account.ErrEmailTaken, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.registration = account.Registration{} // closed, which does not matter here
			if tt.founded {
				w.has(t, "bob")
			}
			a, err := w.create().Execute(t.Context(), tt.in)
			require.ErrorIs(t, err, tt.want)
			assert.Len(t, w.hasher.hashed, tt.hashed)
			if tt.want != nil {
				assert.Nil(t, a)
				return
			}
			assert.Equal(t, tt.role, a.Role())
			assert.Equal(t, a.Snapshot(), w.stored(t, a.ID()).Snapshot())
			_, err = w.login().Execute(t.Context(), as("alice", password))
			require.NoError(t, err)
		})
	}
}

func TestCreateAccountPassesErrorsOn(t *testing.T) {
	t.Parallel()
	w := newWorld()
	in := identity.CreateAccountInput{By: account.Operator(), Username: "alice", Email: "alice@example.com", Password: password}
	w.hasher.err = ports.ErrHasherBusy
	_, err := w.create().Execute(t.Context(), in)
	require.ErrorIs(t, err, ports.ErrHasherBusy)

	w.hasher.err = nil
	w.accounts.fail("Add")
	_, err = w.create().Execute(t.Context(), in)
	require.ErrorIs(t, err, errDown)
}

func TestChangeAccount(t *testing.T) {
	t.Parallel()
	const alice, bob, bob2 = account.ID(1), account.ID(2), account.ID(3) // the super admin, a user, an admin
	actor := func(id account.ID, role account.Role) account.Actor {
		return account.Restore(account.Snapshot{ID: id, Role: role}).Actor()
	}
	super, admin, user := actor(alice, account.SuperAdmin), actor(9, account.Admin), actor(bob, account.User)
	tests := []struct {
		name    string
		by      account.Actor
		id      account.ID
		active  *bool
		admin   *bool
		want    error
		role    account.Role
		on      bool
		version int64
	}{
		{"nothing", admin, bob, nil, nil, nil, account.User, true, 0},
		{"deactivate", admin, bob, no, nil, nil, account.User, false, 1},
		{"activate", admin, bob, yes, nil, nil, account.User, true, 0},
		{"promote", admin, bob, nil, yes, nil, account.Admin, true, 0},
		{"demote", admin, bob, nil, no, nil, account.User, true, 0},
		{"promote and deactivate", admin, bob, no, yes, nil, account.Admin, false, 1},
		{"the super admin demotes an admin", super, bob2, nil, no, nil, account.User, true, 0},
		{"the operator deactivates an admin", account.Operator(), bob2, no, nil, nil, account.Admin, false, 1},
		{"an admin may not touch an admin", admin, bob2, no, nil, account.ErrProtectedAdmin, account.Admin, true, 0},
		{"an admin may not touch the super admin", admin, alice, nil, no, account.ErrProtectedAdmin, account.SuperAdmin, true, 0},
		{"the super admin stays", super, alice, no, nil, account.ErrProtectedSuper, account.SuperAdmin, true, 0},
		{"not even the operator demotes the super admin", account.Operator(), alice, nil, no, account.ErrProtectedSuper, account.SuperAdmin, true, 0},
		{"a user may not raise himself", user, bob, nil, yes, account.ErrAdminRequired, account.User, true, 0},
		{"a change that is refused in part changes nothing", super, alice, yes, no, account.ErrProtectedSuper, account.SuperAdmin, true, 0},
		{"nobody", admin, 99, no, nil, account.ErrNotFound, 0, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.has(t, "alice")
			w.has(t, "bob")
			w.has(t, "bob-2")
			w.update(t, bob2, func(a *account.Account) error { return a.Promote(account.Operator()) })

			a, err := w.change().Execute(t.Context(), identity.ChangeAccountInput{By: tt.by, ID: tt.id, Active: tt.active, Admin: tt.admin})
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				assert.Nil(t, a)
			} else {
				assert.Equal(t, w.stored(t, tt.id).Snapshot(), a.Snapshot())
			}
			if tt.want == account.ErrNotFound { //nolint:errorlint // the table's own value
				return
			}
			stored := w.stored(t, tt.id)
			assert.Equal(t, tt.role, stored.Role())
			assert.Equal(t, tt.on, stored.Active())
			assert.Equal(t, tt.version, stored.Version())
		})
	}
}

// Each change made through this process counts from the next request on.
func TestChangesCountAtOnce(t *testing.T) {
	t.Parallel()
	operator := account.Operator()
	tests := []struct {
		name   string
		change func(*testing.T, *world, account.ID)
		want   error
	}{
		{"deactivated", func(t *testing.T, w *world, id account.ID) {
			t.Helper()
			_, err := w.change().Execute(t.Context(), identity.ChangeAccountInput{By: operator, ID: id, Active: no})
			require.NoError(t, err)
		}, account.ErrInactive},
		{"deleted", func(t *testing.T, w *world, id account.ID) {
			t.Helper()
			require.NoError(t, w.remove().Execute(t.Context(), operator, id))
		}, session.ErrInvalid},
		{"given another password", func(t *testing.T, w *world, id account.ID) {
			t.Helper()
			require.NoError(t, w.reset().Execute(t.Context(), identity.ResetPasswordInput{By: operator, ID: id, Password: "correct horse"}))
		}, session.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.has(t, "alice")
			bob := w.has(t, "bob")
			token := bearer(w.tokenOf(t, bob))
			use := w.authenticate()
			_, err := use.Execute(t.Context(), token)
			require.NoError(t, err)
			tt.change(t, w, bob.ID())
			_, err = use.Execute(t.Context(), token)
			require.ErrorIs(t, err, tt.want)
		})
	}
}

func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	admin := account.Restore(account.Snapshot{ID: 9, Role: account.Admin}).Actor()
	tests := []struct {
		name string
		by   account.Actor
		id   account.ID
		want error
	}{
		{"an admin deletes a user", admin, 2, nil},
		{"the operator deletes a user", account.Operator(), 2, nil},
		{"a user may not delete himself", account.Restore(account.Snapshot{ID: 2}).Actor(), 2, account.ErrAdminRequired},
		{"an admin may not delete the super admin", admin, 1, account.ErrProtectedAdmin},
		{"the operator may not either", account.Operator(), 1, account.ErrProtectedSuper},
		{"nobody", admin, 99, account.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.has(t, "alice")
			w.has(t, "bob")
			require.ErrorIs(t, w.remove().Execute(t.Context(), tt.by, tt.id), tt.want)
			for id := account.ID(1); id <= 2; id++ {
				_, err := w.store.ByID(t.Context(), id)
				if tt.want == nil && id == tt.id {
					require.ErrorIs(t, err, account.ErrNotFound)
				} else {
					require.NoError(t, err)
				}
			}
		})
	}
}

func TestResetPassword(t *testing.T) {
	t.Parallel()
	admin := account.Restore(account.Snapshot{ID: 9, Role: account.Admin}).Actor()
	user := account.Restore(account.Snapshot{ID: 2}).Actor()
	const another = "correct horse"
	tests := []struct {
		name     string
		by       account.Actor
		id       account.ID
		password string
		want     error
	}{
		{"an admin and a user", admin, 2, another, nil},
		{"the operator and the super admin", account.Operator(), 1, another, nil},
		{"the same password again", admin, 2, password, nil},
		{"a short password", admin, 2, "1234567", account.ErrPasswordLength},
		{"a common password", admin, 2, "Password", account.ErrPasswordCommon},
		{"the account's own name", admin, 2, "BOB@example.com", account.ErrPasswordCommon},
		{"an admin and the super admin", admin, 1, another, account.ErrProtectedAdmin},
		{"a user and himself", user, 2, another, account.ErrAdminRequired},
		{"nobody", admin, 99, another, account.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.registration.Passwords = account.PasswordPolicy{IsCommon: func(s string) bool { return s == "password" }}
			w.has(t, "alice")
			w.has(t, "bob")
			err := w.reset().Execute(t.Context(), identity.ResetPasswordInput{By: tt.by, ID: tt.id, Password: tt.password})
			require.ErrorIs(t, err, tt.want)
			for id := account.ID(1); id <= 2; id++ {
				hash, version := "strong:"+password, int64(0)
				if tt.want == nil && id == tt.id {
					hash, version = "strong:"+tt.password, 1
				}
				assert.Equal(t, hash, w.stored(t, id).PasswordHash())
				assert.Equal(t, version, w.stored(t, id).Version())
			}
		})
	}
}

func TestResetPasswordHashesTheNormalForm(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	require.NoError(t, w.reset().Execute(t.Context(), identity.ResetPasswordInput{By: account.Operator(), ID: 1, Password: "cafe\u0301 creme"}))
	assert.Equal(t, []string{"caf\u00e9 creme"}, w.hasher.hashed)
}

func TestResetPasswordPassesErrorsOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		hurt func(*world)
		want error
	}{
		{"the store does not find the account", func(w *world) { w.accounts.fail("ByID") }, errDown},
		{"the store does not take the change", func(w *world) { w.accounts.fail("Update") }, errDown},
		{"the hasher is busy", func(w *world) { w.hasher.err = ports.ErrHasherBusy }, ports.ErrHasherBusy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.has(t, "alice")
			tt.hurt(w)
			err := w.reset().Execute(t.Context(), identity.ResetPasswordInput{By: account.Operator(), ID: 1, Password: "correct horse"})
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, "strong:"+password, w.stored(t, 1).PasswordHash())
		})
	}
}

func TestWhoMayNotChangeAccountsLearnsNothingOfThem(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	bob := w.has(t, "bob")
	for _, id := range []account.ID{1, bob.ID(), 99} {
		err := w.reset().Execute(t.Context(), identity.ResetPasswordInput{By: bob.Actor(), ID: id, Password: "short"})
		require.ErrorIs(t, err, account.ErrAdminRequired)
		_, err = w.change().Execute(t.Context(), identity.ChangeAccountInput{By: bob.Actor(), ID: id})
		require.ErrorIs(t, err, account.ErrAdminRequired, "also for a change of nothing")
		require.ErrorIs(t, w.remove().Execute(t.Context(), bob.Actor(), id), account.ErrAdminRequired)
	}
	assert.Empty(t, w.hasher.hashed)
}
