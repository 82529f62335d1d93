package identity_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/domain/fault"
	"monorelay/domain/session"
	"monorelay/domain/throttle"
	"monorelay/ports"
	"monorelay/usecase/identity"
)

const (
	home  = "192.0.2.1"
	other = "198.51.100.1"
)

func as(login, password string) identity.LoginInput {
	return identity.LoginInput{Login: login, Password: password, Network: home}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	bad := account.ErrBadCredentials
	tests := []struct {
		name     string
		in       identity.LoginInput
		inactive bool
		want     error
		verified string // the stored form that the password was held against
	}{
		{"the right password", as("alice", password), false, nil, "strong:" + password},
		{"the name in another case", as("ALICE", password), false, nil, "strong:" + password},
		{"the e-mail address for the name", as("alice@example.com", password), false, nil, "strong:" + password},
		{"the e-mail address in another case", as("Alice@Example.com", password), false, nil, "strong:" + password},
		{"a wrong password", as("alice", "wrong"), false, bad, "strong:" + password},
		{"the password in another case", as("alice", strings.ToUpper(password)), false, bad, "strong:" + password},
		{"no password", as("alice", ""), false, bad, "strong:" + password},
		{"an unknown name takes the same way", as("nobody", password), false, bad, ""},
		{"an unknown name without a password", as("nobody", ""), false, bad, ""},
		{"no name", as("", password), false, bad, ""},
		{"a name that nobody can have", as(strings.Repeat("\xff", 10_000), password), false, bad, ""},
		{"an inactive account and the right password", as("alice", password), true, account.ErrInactive, "strong:" + password},
		{"an inactive account and a wrong password", as("alice", "wrong"), true, bad, "strong:" + password},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.has(t, "bob") // so that alice can be deactivated
			a := w.has(t, "alice")
			if tt.inactive {
				w.update(t, a.ID(), func(a *account.Account) error { return a.Deactivate(account.Operator()) })
			}
			out, err := w.login().Execute(t.Context(), tt.in)
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, []string{tt.verified}, w.hasher.verified)
			assert.Empty(t, w.hasher.hashed)
			if tt.want != nil {
				assert.Equal(t, identity.SignedIn{}, out)
				return
			}
			assert.Equal(t, a.Snapshot(), out.Account.Snapshot())
			assert.Equal(t, session.Claims{Account: a.ID(), Session: "id-1", ID: "id-2", IssuedAt: began, ExpiresAt: began.AddDate(0, 0, 1)}, out.Claims)
			claims, err := w.tokens.Verify(out.Token)
			require.NoError(t, err)
			assert.Equal(t, out.Claims, claims)
		})
	}
}

func TestUnknownNamesAndWrongPasswordsGiveTheSameError(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	_, wrong := w.login().Execute(t.Context(), as("alice", "wrong"))
	_, unknown := w.login().Execute(t.Context(), as("nobody", "wrong"))
	assert.Equal(t, wrong, unknown)
}

func TestLoginSlowsDown(t *testing.T) {
	t.Parallel()
	for _, login := range []string{"alice", "nobody"} {
		t.Run(login, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.has(t, "alice")
			use := w.login()
			wait := time.Duration(0)
			for failures := range 20 {
				if wait > 0 {
					_, err := use.Execute(t.Context(), as(login, password))
					require.ErrorIs(t, err, throttle.ErrTooMany, "after %d failures", failures)
					assert.Equal(t, wait, fault.Of(err).RetryAfter, "after %d failures", failures)
					w.clock.advance(wait - time.Microsecond)
					_, err = use.Execute(t.Context(), as(login, password))
					require.ErrorIs(t, err, throttle.ErrTooMany)
					assert.Equal(t, time.Microsecond, fault.Of(err).RetryAfter)
					w.clock.advance(time.Microsecond)
				}
				verified := len(w.hasher.verified)
				_, err := use.Execute(t.Context(), as(login, "wrong"))
				require.ErrorIs(t, err, account.ErrBadCredentials, "after %d failures", failures)
				assert.Len(t, w.hasher.verified, verified+1)
				wait = throttle.Record{Failures: failures + 1, Last: w.clock.now()}.Wait(w.clock.now())
			}
			assert.Equal(t, 15*time.Minute, wait)
		})
	}
}

func TestATryThatIsTooEarlyCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	use := w.login()
	failTimes(t, use, as("alice", "wrong"), 6)
	verified := len(w.hasher.verified)
	for range 10 {
		_, err := use.Execute(t.Context(), as("alice", password))
		require.ErrorIs(t, err, throttle.ErrTooMany)
	}
	assert.Len(t, w.hasher.verified, verified, "no password is looked at")
	w.clock.advance(time.Second)
	_, err := use.Execute(t.Context(), as("alice", password))
	require.NoError(t, err, "the tries in between made it no longer")
}

func TestFailuresOfNameAndAddressAreCountedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	use := w.login()
	failTimes(t, use, as("alice", "wrong"), 3)
	failTimes(t, use, as("Alice@Example.com", "wrong"), 3)
	_, err := use.Execute(t.Context(), as("ALICE", password))
	require.ErrorIs(t, err, throttle.ErrTooMany)
}

func TestFailuresElsewhereLockNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	use := w.login()
	failTimes(t, use, identity.LoginInput{Login: "alice", Password: "wrong", Network: other}, 6)
	_, err := use.Execute(t.Context(), identity.LoginInput{Login: "alice", Password: password, Network: other})
	require.ErrorIs(t, err, throttle.ErrTooMany)
	_, err = use.Execute(t.Context(), as("alice", password))
	require.NoError(t, err)
}

func TestANetworkThatTriesManyNamesSlowsDown(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	use := w.login()
	for i := range 6 {
		failTimes(t, use, as("bob-"+strconv.Itoa(i), "wrong"), 1)
	}
	_, err := use.Execute(t.Context(), as("alice", password))
	require.ErrorIs(t, err, throttle.ErrTooMany)
	_, err = use.Execute(t.Context(), identity.LoginInput{Login: "alice", Password: password, Network: other})
	require.NoError(t, err)
}

func TestSuccessClearsTheRecordsOfTheAccountAndOfTheNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	w.has(t, "bob")
	use := w.login()
	failTimes(t, use, as("bob", "wrong"), 2)
	failTimes(t, use, as("alice", "wrong"), 3)
	_, err := use.Execute(t.Context(), as("alice", password))
	require.NoError(t, err)

	assert.Equal(t, throttle.Record{}, w.record(t, "login/id:1/"+home))
	assert.Equal(t, throttle.Record{}, w.record(t, "login/"+home))
	assert.Equal(t, throttle.Record{Failures: 2, Last: began}, w.record(t, "login/id:2/"+home), "another account's record stays")
}

func TestASuccessWithoutFailuresWritesNoRecord(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	_, err := w.login().Execute(t.Context(), as("alice", password))
	require.NoError(t, err)
	assert.Equal(t, 1, w.attempts.calls, "the records are looked at once")
	assert.Equal(t, throttle.Record{}, w.record(t, "login/"+home))
}

func TestAnInactiveAccountKeepsItsFailures(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "bob")
	a := w.has(t, "alice")
	w.update(t, a.ID(), func(a *account.Account) error { return a.Deactivate(account.Operator()) })
	failTimes(t, w.login(), as("alice", "wrong"), 3)
	_, err := w.login().Execute(t.Context(), as("alice", password))
	require.ErrorIs(t, err, account.ErrInactive)
	assert.Equal(t, 3, w.record(t, "login/id:2/"+home).Failures, "neither cleared nor counted")
}

func TestFailuresAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	use := w.login()
	failTimes(t, use, as("alice", "wrong"), 6)
	w.clock.advance(throttle.Forgotten + time.Microsecond)
	failTimes(t, use, as("alice", "wrong"), 5)
	_, err := use.Execute(t.Context(), as("alice", password))
	require.NoError(t, err)
}

func TestAClockThatIsSetBackLocksNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	use := w.login()
	failTimes(t, use, as("alice", "wrong"), 6)
	w.clock.advance(-1000 * time.Hour)
	_, err := use.Execute(t.Context(), as("alice", password))
	require.ErrorIs(t, err, throttle.ErrTooMany)
	assert.Equal(t, time.Second, fault.Of(err).RetryAfter)
}

func TestLoginReplacesAWeakHash(t *testing.T) {
	t.Parallel()
	w := newWorld()
	a := w.has(t, "alice")
	w.update(t, a.ID(), func(a *account.Account) error { a.Rehash("weak:" + password); return nil })

	_, err := w.login().Execute(t.Context(), as("alice", "wrong"))
	require.ErrorIs(t, err, account.ErrBadCredentials)
	assert.Equal(t, "weak:"+password, w.stored(t, a.ID()).PasswordHash(), "a wrong password replaces nothing")

	out, err := w.login().Execute(t.Context(), as("alice", password))
	require.NoError(t, err)
	assert.Equal(t, "strong:"+password, w.stored(t, a.ID()).PasswordHash())
	assert.Equal(t, a.Version(), w.stored(t, a.ID()).Version(), "the tokens from before live on")
	assert.Equal(t, a.Version(), out.Claims.Version)

	_, err = w.login().Execute(t.Context(), as("alice", password))
	require.NoError(t, err)
	assert.Len(t, w.hasher.hashed, 1, "once")
}

func TestAnOldPasswordOpensNothingWhileItIsReset(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	w.update(t, alice.ID(), func(a *account.Account) error { a.Rehash("weak:" + password); return nil })
	w.hasher.during = func() {
		if len(w.hasher.hashed) > 0 {
			w.update(t, alice.ID(), func(a *account.Account) error { return a.ResetPassword(account.Operator(), "strong:another") })
		}
	}
	out, err := w.login().Execute(t.Context(), as("alice", password))
	require.ErrorIs(t, err, account.ErrBadCredentials)
	assert.Equal(t, identity.SignedIn{}, out)
	assert.Equal(t, "strong:another", w.stored(t, alice.ID()).PasswordHash())
}

func TestGuessesAtOneMomentDoNotPassTheThrottle(t *testing.T) {
	t.Parallel()
	const guesses = 50
	for before, most := range map[int]int{0: 6, 3: 3, 5: 1} { // five are free, and the sixth makes the next one wait
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.has(t, "alice")
			use := w.login()
			failTimes(t, use, as("alice", "wrong"), before)
			verdict := make(chan struct{})
			w.hasher.during = func() { <-verdict }
			var wg sync.WaitGroup
			for range guesses {
				wg.Go(func() { _, _ = use.Execute(t.Context(), as("alice", "wrong")) })
			}
			synctest.Wait()
			assert.Len(t, w.hasher.verified, before+most, "after %d failures", before)
			close(verdict)
			wg.Wait()
			assert.Equal(t, before+most, w.record(t, "login/id:1/"+home).Failures)
		})
	}
}

func TestTriesThatAreUnderWayAreForgottenWithTheirVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	use := w.login()
	w.hasher.err = ports.ErrHasherBusy
	for range 20 {
		_, err := use.Execute(t.Context(), as("alice", password))
		require.ErrorIs(t, err, ports.ErrHasherBusy)
	}
	w.hasher.err = nil
	for range 20 {
		_, err := use.Execute(t.Context(), as("alice", password))
		require.NoError(t, err)
	}
}

func TestLoginPassesErrorsOn(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := []struct {
		name     string
		password string
		hurt     func(*world)
		want     error
	}{
		{"the store of accounts does not answer", password, func(w *world) { w.accounts.fail("ByLogin") }, errDown},
		{"the store of attempts does not answer", password, func(w *world) { w.attempts.failAt = 1 }, errDown},
		{"the store of attempts does not take a failure", "wrong", func(w *world) { w.attempts.failAt = 2 }, errDown},
		{"the hasher is busy", password, func(w *world) { w.hasher.err = ports.ErrHasherBusy }, ports.ErrHasherBusy},
		{"the hasher can't read what is stored", "wrong", func(w *world) { w.hasher.err = boom }, boom},
		{"no token can be signed", password, func(w *world) { w.tokens.err = boom }, boom},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.has(t, "alice")
			tt.hurt(w)
			out, err := w.login().Execute(t.Context(), as("alice", tt.password))
			require.ErrorIs(t, err, tt.want)
			require.NotErrorIs(t, err, account.ErrBadCredentials)
			assert.Equal(t, fault.KindOf(tt.want), fault.KindOf(err))
			assert.Equal(t, identity.SignedIn{}, out)
			assert.Equal(t, throttle.Record{}, w.record(t, "login/id:1/"+home), "nothing is counted")
			assert.Equal(t, throttle.Record{}, w.record(t, "login/"+home))
		})
	}
}

func TestLoginFailsIfItCantClearOrRehash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before int // failures
		hurt   func(*world)
		want   error
	}{
		{"the store of attempts does not clear the record", 1, func(w *world) { w.attempts.failAt = 4 }, errDown},
		{"the store of accounts does not take the stronger hash", 0, func(w *world) { w.accounts.fail("Update") }, errDown},
		{"the hasher is busy with the stronger hash", 0, func(w *world) {
			w.hasher.during = func() {
				if len(w.hasher.hashed) > 0 {
					w.hasher.err = ports.ErrHasherBusy
				}
			}
		}, ports.ErrHasherBusy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			a := w.has(t, "alice")
			w.update(t, a.ID(), func(a *account.Account) error { a.Rehash("weak:" + password); return nil })
			failTimes(t, w.login(), as("alice", "wrong"), tt.before)
			tt.hurt(w)
			_, err := w.login().Execute(t.Context(), as("alice", password))
			require.ErrorIs(t, err, tt.want)
		})
	}
}

func failTimes(t *testing.T, use *identity.Login, in identity.LoginInput, times int) {
	t.Helper()
	for range times {
		_, err := use.Execute(t.Context(), in)
		require.ErrorIs(t, err, account.ErrBadCredentials)
	}
}

// record returns what the store has under the key.
func (w *world) record(t *testing.T, key string) throttle.Record {
	t.Helper()
	var out throttle.Record
	require.NoError(t, w.attempts.AttemptStore.Change(t.Context(), []string{key}, func(records []throttle.Record) error {
		out = records[0]
		return nil
	}))
	return out
}

// The stronger hash is stored in an account that was deactivated in the meantime, and the token has the version from after
// that: it would live once the account is activated again.
func TestAnAccountThatIsDeactivatedWhileItSignsInGetsNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	bob := w.has(t, "bob")
	w.update(t, bob.ID(), func(a *account.Account) error { a.Rehash("weak:" + password); return nil })
	w.hasher.during = func() {
		if len(w.hasher.hashed) > 0 {
			w.update(t, bob.ID(), func(a *account.Account) error { return a.Deactivate(account.Operator()) })
		}
	}
	out, err := w.login().Execute(t.Context(), as("bob", password))
	if err == nil {
		w.update(t, bob.ID(), func(a *account.Account) error { return a.Activate(account.Operator()) })
		_, err = w.authenticate().Execute(t.Context(), bearer(out.Token))
	}
	require.Error(t, err)
}

// Who guesses from many networks is slowed down as well, long after the few tries that one network has.
func TestAnAccountThatIsTriedFromEverywhereSlowsDown(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.has(t, "alice")
	use := w.login()
	try := func(i int, secret string) error {
		_, err := use.Execute(t.Context(), identity.LoginInput{Login: "alice", Password: secret, Network: "192.0.2." + strconv.Itoa(i)})
		return err
	}
	for i := range 51 {
		require.ErrorIs(t, try(i, "wrong"), account.ErrBadCredentials, i)
	}
	require.ErrorIs(t, try(100, "wrong"), throttle.ErrTooMany)
}
