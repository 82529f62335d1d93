package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/domain/fault"
	"monorelay/domain/session"
	"monorelay/ports"
	"monorelay/usecase/identity"
)

var alice = identity.RegisterInput{Username: "alice", Email: "alice@example.com", Password: password}

func TestRegisterMakesTheFirstAccountTheSuperAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld()
	first, err := w.register().Execute(t.Context(), alice)
	require.NoError(t, err)

	assert.Equal(t, account.Snapshot{
		ID: 1, Username: "alice", Email: "alice@example.com", PasswordHash: "strong:" + password,
		Role: account.SuperAdmin, Active: true, CreatedAt: began,
	}, w.stored(t, 1).Snapshot())
	assert.Equal(t, w.stored(t, 1).Snapshot(), first.Account.Snapshot())
	assert.Equal(t, session.Claims{Account: 1, Session: "id-1", ID: "id-2", IssuedAt: began, ExpiresAt: began.AddDate(0, 0, 1)}, first.Claims)

	principal, err := w.authenticate().Execute(t.Context(), bearer(first.Token))
	require.NoError(t, err)
	assert.Equal(t, account.ID(1), principal.Account().ID())

	second, err := w.register().Execute(t.Context(), identity.RegisterInput{Username: "bob", Email: "bob@example.com", Password: password})
	require.NoError(t, err)
	assert.Equal(t, account.User, second.Account.Role())
	assert.NotEqual(t, first.Token, second.Token)
}

func TestRegister(t *testing.T) {
	t.Parallel()
	common := account.PasswordPolicy{IsCommon: func(s string) bool { return s == "password" }}
	open := account.NewRegistration(true, account.PasswordPolicy{}, "")
	closed := account.NewRegistration(false, account.PasswordPolicy{}, "")
	guarded := account.NewRegistration(false, account.PasswordPolicy{}, "s3cret")
	in := func(username, email, password, setupToken string) identity.RegisterInput {
		return identity.RegisterInput{Username: username, Email: email, Password: password, SetupToken: setupToken}
	}
	tests := []struct {
		name    string
		policy  account.Registration
		founded bool // by bob
		in      identity.RegisterInput
		want    error
		hashed  int // how often the slow step was taken
	}{
		{"open, the first", open, false, alice, nil, 1},
		{"open, another", open, true, alice, nil, 1},
		{"closed, the first", closed, false, alice, nil, 1},
		{"closed, another", closed, true, alice, account.ErrRegistrationClosed, 0},
		{"closed, another with a bad name: the door comes first", closed, true, in("", "", "", ""), account.ErrRegistrationClosed, 0},
		{"a setup token, the first without it", guarded, false, alice, account.ErrSetupToken, 0},
		{"a setup token, the first with a wrong one", guarded, false, in("alice", "alice@example.com", password, "secret"), account.ErrSetupToken, 0},
		{"a setup token, the first with it", guarded, false, in("alice", "alice@example.com", password, "s3cret"), nil, 1},
		{"a setup token, another with it", guarded, true, in("alice", "alice@example.com", password, "s3cret"), account.ErrRegistrationClosed, 0},
		{"a bad username", open, true, in("al", "alice@example.com", password, ""), account.ErrBadUsername, 0},
		{"a bad e-mail address", open, true, in("alice", "alice", password, ""), account.ErrBadEmail, 0},
		{"a short password", open, true, in("alice", "alice@example.com", "1234567", ""), account.ErrPasswordLength, 0},
		{"a long password", open, true, in("alice", "alice@example.com", strings.Repeat("a", 257), ""), account.ErrPasswordLength, 0},
		{"a password that is short in its normal form", open, true, in("alice", "alice@example.com", "e\u0301e\u0301e\u0301e\u0301", ""), account.ErrPasswordLength, 0},
		{"a common password", account.NewRegistration(true, common, ""), true, in("alice", "alice@example.com", "Password", ""), account.ErrPasswordCommon, 0},
		{"a common password where nobody minds", open, true, in("alice", "alice@example.com", "Password", ""), nil, 1},
		{"a taken username", open, true, in("bob", "alice@example.com", password, ""), account.ErrUsernameTaken, 1},
		{"a taken username in another case", open, true, in("BOB", "alice@example.com", password, ""), account.ErrUsernameTaken, 1},
		{"a taken e-mail address", open, true, in("alice", "bob@example.com", password, ""), account.ErrEmailTaken, 1},
		{"a taken e-mail address in another case", open, true, in("alice", "Bob@Example.com", password, ""), account.ErrEmailTaken, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.registration = tt.policy
			if tt.founded {
				w.has(t, "bob")
			}
			out, err := w.register().Execute(t.Context(), tt.in)
			require.ErrorIs(t, err, tt.want)
			assert.Len(t, w.hasher.hashed, tt.hashed)
			if tt.want != nil {
				assert.Equal(t, identity.SignedIn{}, out)
				_, err = w.store.ByLogin(t.Context(), "alice")
				require.ErrorIs(t, err, account.ErrNotFound)
				return
			}
			assert.Equal(t, "alice", out.Account.Username().String())
			assert.Equal(t, !tt.founded, out.Account.Role() == account.SuperAdmin)
		})
	}
}

func TestRegisterHashesTheNormalForm(t *testing.T) {
	t.Parallel()
	w := newWorld()
	in := alice
	in.Password = "cafe\u0301 cre\u0300me"
	_, err := w.register().Execute(t.Context(), in)
	require.NoError(t, err)
	assert.Equal(t, []string{"caf\u00e9 cre\u0300me"}, w.hasher.hashed)

	for _, same := range []string{"cafe\u0301 cre\u0300me", "caf\u00e9 cre\u0300me"} {
		_, err = w.login().Execute(t.Context(), identity.LoginInput{Login: "alice", Password: same})
		require.NoError(t, err)
	}
}

func TestOfManyConcurrentFirstRegistrationsOneGetsThroughAClosedDoor(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.registration = account.Registration{}
	register := w.register()
	const people = 20
	errs := make([]error, people)
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			_, errs[i] = register.Execute(t.Context(), identity.RegisterInput{
				Username: fmt.Sprintf("alice-%d", i), Email: fmt.Sprintf("alice-%d@example.com", i), Password: password,
			})
		})
	}
	wg.Wait()
	admitted := 0
	for _, err := range errs {
		if err == nil {
			admitted++
			continue
		}
		require.ErrorIs(t, err, account.ErrRegistrationClosed)
	}
	assert.Equal(t, 1, admitted)
}

func TestRegisterAsksThePolicyAgainWhenTheAccountIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.registration = account.Registration{}
	w.hasher.during = func() { w.has(t, "bob") } // somebody else is quicker
	_, err := w.register().Execute(t.Context(), alice)
	require.ErrorIs(t, err, account.ErrRegistrationClosed)
}

func TestRegisterPassesErrorsOn(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := []struct {
		name string
		hurt func(*world)
		want error
	}{
		{"the store does not say whether there are accounts", func(w *world) { w.accounts.fail("Founded") }, errDown},
		{"the store does not add the account", func(w *world) { w.accounts.fail("Add") }, errDown},
		{"the hasher is busy", func(w *world) { w.hasher.err = ports.ErrHasherBusy }, ports.ErrHasherBusy},
		{"no token can be signed", func(w *world) { w.tokens.err = boom }, boom},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tt.hurt(w)
			out, err := w.register().Execute(t.Context(), alice)
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, fault.KindOf(tt.want), fault.KindOf(err))
			assert.Equal(t, identity.SignedIn{}, out)
		})
	}
}

func TestRegisterEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := newWorld()
	_, err := w.register().Execute(ctx, alice)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, w.hasher.hashed)
}
