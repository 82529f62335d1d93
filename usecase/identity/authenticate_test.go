package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/fault"
	"monorelay/domain/session"
)

const key = "your-secret-access-key"

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	auth := func(line string) []string { return []string{line} }
	tests := []struct {
		name string
		// headers is given tokens of alice, who is active, of bob, who is not, and one of alice's that has expired.
		headers func(alice, bob, expired string) credential.Headers
		key     string
		enabled bool
		want    error  // one of the causes, or none
		who     string // the principal's label
	}{
		{"no credential", func(_, _, _ string) credential.Headers {
			return credential.Headers{}
		}, key, true, credential.ErrMissing, ""},
		{"an expired token", func(_, _, expired string) credential.Headers {
			return bearer(expired)
		}, key, true, session.ErrExpired, ""},
		{"a forged token", func(alice, _, _ string) credential.Headers {
			return bearer(alice + "x")
		}, key, true, session.ErrInvalid, ""},
		{"a malformed token", func(_, _, _ string) credential.Headers {
			return bearer("a.b.c")
		}, key, true, session.ErrInvalid, ""},
		{"a wrong access key", func(_, _, _ string) credential.Headers {
			return bearer("wrong")
		}, key, true, credential.ErrWrongKey, ""},
		{"the access key is off, and right", func(_, _, _ string) credential.Headers {
			return bearer(key)
		}, key, false, credential.ErrKeyDisabled, ""},
		{"the access key is off, and wrong", func(_, _, _ string) credential.Headers {
			return bearer("wrong")
		}, key, false, credential.ErrKeyDisabled, ""},
		{"no access key is configured", func(_, _, _ string) credential.Headers {
			return bearer(key)
		}, "", true, credential.ErrKeyDisabled, ""},
		{"an inactive account", func(_, bob, _ string) credential.Headers {
			return bearer(bob)
		}, key, true, account.ErrInactive, ""},

		{"the access key", func(_, _, _ string) credential.Headers {
			return bearer(key)
		}, key, true, nil, "service"},
		{"the access key in X-Access-Key", func(_, _, _ string) credential.Headers {
			return credential.Headers{AccessKey: []string{key}}
		}, key, true, nil, "service"},
		{"the access key in x-api-key", func(_, _, _ string) credential.Headers {
			return credential.Headers{APIKey: []string{key}}
		}, key, true, nil, "service"},
		{"an access key that looks like a token", func(_, _, _ string) credential.Headers {
			return bearer("my.access.key")
		}, "my.access.key", true, nil, "service"},
		{"a token", func(alice, _, _ string) credential.Headers {
			return bearer(alice)
		}, key, true, nil, "alice"},
		{"a token in X-Access-Key", func(alice, _, _ string) credential.Headers {
			return credential.Headers{AccessKey: []string{alice}}
		}, key, true, nil, "alice"},
		{"a token in x-api-key", func(alice, _, _ string) credential.Headers {
			return credential.Headers{APIKey: []string{alice}}
		}, key, true, nil, "alice"},
		{"a token while the access key is off", func(alice, _, _ string) credential.Headers {
			return bearer(alice)
		}, key, false, nil, "alice"},
		{"a forged token while the access key is off", func(alice, _, _ string) credential.Headers {
			return bearer(alice + "x")
		}, key, false, session.ErrInvalid, ""},

		{"Authorization decides: a token before the access key", func(alice, _, _ string) credential.Headers {
			return credential.Headers{Authorization: auth("Bearer " + alice), AccessKey: []string{key}}
		}, key, true, nil, "alice"},
		{"a wrong key does not fall through to the right one", func(_, _, _ string) credential.Headers {
			return credential.Headers{Authorization: auth("Bearer wrong"), AccessKey: []string{key}, APIKey: []string{key}}
		}, key, true, credential.ErrWrongKey, ""},
		{"an expired token does not fall through to the access key", func(_, _, expired string) credential.Headers {
			return credential.Headers{Authorization: auth("Bearer " + expired), AccessKey: []string{key}}
		}, key, true, session.ErrExpired, ""},
		{"an inactive account does not fall through to the access key", func(_, bob, _ string) credential.Headers {
			return credential.Headers{Authorization: auth("Bearer " + bob), APIKey: []string{key}}
		}, key, true, account.ErrInactive, ""},
		{"a wrong X-Access-Key does not fall through to a token", func(alice, _, _ string) credential.Headers {
			return credential.Headers{AccessKey: []string{"wrong"}, APIKey: []string{alice}}
		}, key, true, credential.ErrWrongKey, ""},
		{"another scheme counts as absent", func(_, _, _ string) credential.Headers {
			return credential.Headers{Authorization: auth("Basic YWxpY2U6cHc="), AccessKey: []string{key}}
		}, key, true, nil, "service"},
		{"a header twice", func(alice, _, _ string) credential.Headers {
			return credential.Headers{Authorization: []string{"Bearer " + alice, "Bearer " + alice}}
		}, key, true, credential.ErrMalformed, ""},
		{"a credential without end", func(_, _, _ string) credential.Headers {
			return bearer(strings.Repeat("k", credential.MaxLength+1))
		}, key, true, credential.ErrMalformed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.access = credential.NewAccessPolicy(tt.key, tt.enabled)
			alice, bob := w.has(t, "alice"), w.has(t, "bob")
			expired := w.tokenOf(t, alice)
			w.clock.advance(24 * time.Hour)
			headers := tt.headers(w.tokenOf(t, alice), w.tokenOf(t, bob), expired)
			w.update(t, bob.ID(), func(a *account.Account) error { return a.Deactivate(account.Operator()) })

			got, err := w.authenticate().Execute(t.Context(), headers)
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				assert.Equal(t, credential.Principal{}, got)
				return
			}
			assert.Equal(t, tt.who, got.Label())
		})
	}
}

func TestATokenEndsWithItsAccount(t *testing.T) {
	t.Parallel()
	operator := account.Operator()
	tests := []struct {
		name string
		end  func(*testing.T, *world, account.ID)
		want error
	}{
		{"the account is deactivated", func(t *testing.T, w *world, id account.ID) {
			t.Helper()
			w.update(t, id, func(a *account.Account) error { return a.Deactivate(operator) })
		}, account.ErrInactive},
		{"the account is deactivated and activated again", func(t *testing.T, w *world, id account.ID) {
			t.Helper()
			w.update(t, id, func(a *account.Account) error { return a.Deactivate(operator) })
			w.update(t, id, func(a *account.Account) error { return a.Activate(operator) })
		}, session.ErrInvalid},
		{"the password is reset", func(t *testing.T, w *world, id account.ID) {
			t.Helper()
			w.update(t, id, func(a *account.Account) error { return a.ResetPassword(operator, "strong:another") })
		}, session.ErrInvalid},
		{"the account is deleted", func(t *testing.T, w *world, id account.ID) {
			t.Helper()
			require.NoError(t, w.store.Delete(t.Context(), id, func(*account.Account) error { return nil }))
		}, session.ErrInvalid},
		{"the token expires", func(t *testing.T, w *world, _ account.ID) {
			t.Helper()
			w.clock.advance(24*time.Hour - time.Second)
		}, session.ErrExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name+", elsewhere: within a second", func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.has(t, "alice")
			token := bearer(w.tokenOf(t, w.has(t, "bob")))
			use := w.authenticate()
			_, err := use.Execute(t.Context(), token)
			require.NoError(t, err)
			tt.end(t, w, 2)
			w.clock.advance(time.Second)
			_, err = use.Execute(t.Context(), token)
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, fault.Unauthenticated, fault.KindOf(err))
		})
	}
}

func TestADemotionIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	bob := w.has(t, "bob")
	w.update(t, bob.ID(), func(a *account.Account) error { return a.Promote(account.Operator()) })
	token := bearer(w.tokenOf(t, bob))
	use := w.authenticate()

	principal, err := use.Execute(t.Context(), token)
	require.NoError(t, err)
	require.NoError(t, principal.Actor().MayAdminister())

	w.update(t, bob.ID(), func(a *account.Account) error { return a.Demote(account.Operator()) })
	w.clock.advance(time.Second)
	principal, err = use.Execute(t.Context(), token)
	require.NoError(t, err, "the token itself lives on")
	require.ErrorIs(t, principal.Actor().MayAdminister(), account.ErrAdminRequired)
}

func TestAuthenticateFollowsThePolicyInForce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	use := w.authenticate()
	_, err := use.Execute(t.Context(), bearer(key))
	require.NoError(t, err)
	w.access = credential.NewAccessPolicy("another", true)
	_, err = use.Execute(t.Context(), bearer(key))
	require.ErrorIs(t, err, credential.ErrWrongKey)
}

func TestAuthenticatePassesTheStoresErrorOn(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	w.accounts.fail("ByID")
	_, err := w.authenticate().Execute(t.Context(), bearer(w.tokenOf(t, alice)))
	require.ErrorIs(t, err, errDown)
	require.NotErrorIs(t, err, session.ErrInvalid)

	_, err = w.authenticate().Execute(t.Context(), bearer(key))
	require.NoError(t, err, "the access key needs no store")
}
