package identity_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/usecase/identity"
)

func TestDirectoryAsksTheStoreOnceASecond(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	for range 100 {
		a, err := w.directory.ByID(t.Context(), alice.ID())
		require.NoError(t, err)
		assert.Equal(t, alice.Snapshot(), a.Snapshot())
	}
	w.clock.advance(time.Second - time.Microsecond)
	_, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	assert.Equal(t, 1, w.accounts.asked())

	w.update(t, alice.ID(), func(a *account.Account) error { a.Rehash("another"); return nil })
	w.clock.advance(time.Microsecond)
	a, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	assert.Equal(t, "another", a.PasswordHash())
	assert.Equal(t, 2, w.accounts.asked())
}

func TestDirectoryKnowsNobodyWhoIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for range 2 {
		_, err := w.directory.ByID(t.Context(), 7)
		require.ErrorIs(t, err, account.ErrNotFound)
	}

	alice := w.has(t, "alice")
	_, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	require.NoError(t, w.store.Delete(t.Context(), alice.ID(), func(*account.Account) error { return nil }))
	w.clock.advance(time.Second)
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.ErrorIs(t, err, account.ErrNotFound)

	w.accounts.fail("ByID")
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.ErrorIs(t, err, errDown, "what is known of a deleted account is gone")
}

func TestDirectoryGoesOnForAMinuteWithoutTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	_, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)

	w.accounts.fail("ByID")
	for second := 1; second < 60; second++ {
		w.clock.advance(time.Second)
		for range 5 {
			a, err := w.directory.ByID(t.Context(), alice.ID())
			require.NoError(t, err, "after %d seconds", second)
			assert.Equal(t, alice.ID(), a.ID())
		}
		require.Equal(t, 1+second, w.accounts.asked(), "the store is asked once a second")
	}
	w.clock.advance(time.Second - time.Microsecond)
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	w.clock.advance(time.Microsecond)
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.ErrorIs(t, err, errDown)

	w.accounts.fail()
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err, "the store is back")
}

func TestDirectoryWaitsAMomentForASilentStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		directory := identity.NewDirectory(w.accounts, time.Now)
		alice := w.has(t, "alice")
		_, err := directory.ByID(t.Context(), alice.ID())
		require.NoError(t, err)

		w.accounts.intercept(func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(2 * time.Second)
		asked := time.Now()
		_, err = directory.ByID(t.Context(), alice.ID())
		require.NoError(t, err)
		assert.Equal(t, 300*time.Millisecond, time.Since(asked))

		_, err = directory.ByID(t.Context(), alice.ID())
		require.NoError(t, err)
		assert.Equal(t, 300*time.Millisecond, time.Since(asked), "the next one does not wait")
	})
}

func TestACallerWhoLeavesSpoilsTheAnswerForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		alice := w.has(t, "alice")
		w.accounts.intercept(func(ctx context.Context, _ string) error {
			time.Sleep(3 * time.Second)
			return ctx.Err()
		})
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		began := time.Now()
		go func() {
			_, err := w.directory.ByID(ctx, alice.ID())
			assert.ErrorIs(t, err, gone)
			assert.Equal(t, time.Second, time.Since(began), "he does not wait for the store")
		}()
		time.Sleep(2 * time.Second)
		_, err := w.directory.ByID(t.Context(), alice.ID())
		require.NoError(t, err, "another one has the answer to the same question")
		assert.Equal(t, 3*time.Second, time.Since(began))
		assert.Equal(t, 1, w.accounts.asked())
	})
}

func TestAClockThatIsSetBackMakesNothingFresh(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	_, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)

	w.clock.advance(-time.Hour)
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	assert.Equal(t, 2, w.accounts.asked())
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	assert.Equal(t, 2, w.accounts.asked(), "from then on the new time counts")

	w.clock.advance(-time.Hour)
	w.accounts.fail("ByID")
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.ErrorIs(t, err, errDown)
}

func TestForgetSendsTheNextQuestionToTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	_, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	w.update(t, alice.ID(), func(a *account.Account) error { a.Rehash("another"); return nil })

	w.directory.Forget(alice.ID())
	w.directory.Forget(99) // nobody
	a, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	assert.Equal(t, "another", a.PasswordHash())

	w.directory.Forget(alice.ID())
	w.accounts.fail("ByID")
	_, err = w.directory.ByID(t.Context(), alice.ID())
	require.ErrorIs(t, err, errDown, "what was forgotten is not used for want of something better")
}

func TestAReadDoesNotOverwriteAForgetInBetween(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	read, change := make(chan struct{}), make(chan struct{})
	w.accounts.after = func(string) { // the store has answered, and the answer is on its way
		if w.accounts.asked() == 1 {
			close(read)
			<-change
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := w.directory.ByID(t.Context(), alice.ID())
		assert.NoError(t, err)
	}()
	<-read
	w.update(t, alice.ID(), func(a *account.Account) error { a.Rehash("another"); return nil })
	w.directory.Forget(alice.ID())
	close(change)
	<-done

	a, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	assert.Equal(t, "another", a.PasswordHash())
	assert.Equal(t, 2, w.accounts.asked())
}

func TestAFailedReadDoesNotBringBackWhatWasForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	_, err := w.directory.ByID(t.Context(), alice.ID())
	require.NoError(t, err)
	w.clock.advance(time.Second)
	w.accounts.intercept(func(context.Context, string) error {
		w.directory.Forget(alice.ID())
		return errDown
	})
	for range 2 {
		_, err = w.directory.ByID(t.Context(), alice.ID())
		require.ErrorIs(t, err, errDown)
	}
}

func TestManyWhoAskAtOnceShareOneRead(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	var asking sync.WaitGroup
	const callers = 50
	asking.Add(callers)
	w.accounts.intercept(func(context.Context, string) error {
		asking.Wait()
		time.Sleep(20 * time.Millisecond) // or they would only be about to ask
		return nil
	})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			asking.Done()
			_, err := w.directory.ByID(t.Context(), alice.ID())
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Equal(t, 1, w.accounts.asked())
}

func TestManyWhoAskAtOnceShareOneReadThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice := w.has(t, "alice")
	const callers = 20
	var asking sync.WaitGroup
	asking.Add(callers)
	w.accounts.intercept(func(context.Context, string) error {
		asking.Wait()
		time.Sleep(20 * time.Millisecond)
		return errDown
	})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			asking.Done()
			_, err := w.directory.ByID(t.Context(), alice.ID())
			assert.ErrorIs(t, err, errDown)
		})
	}
	wg.Wait()
	assert.Equal(t, 1, w.accounts.asked())
}

func TestQuestionsAboutOneDoNotWaitForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alice, bob := w.has(t, "alice"), w.has(t, "bob")
	_, err := w.directory.ByID(t.Context(), bob.ID())
	require.NoError(t, err)
	entered, leave := make(chan struct{}), make(chan struct{})
	w.accounts.intercept(func(context.Context, string) error {
		close(entered)
		<-leave
		return nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := w.directory.ByID(t.Context(), alice.ID())
		assert.NoError(t, err)
	}()
	<-entered
	_, err = w.directory.ByID(t.Context(), bob.ID())
	require.NoError(t, err)
	close(leave)
	<-done
}

func TestDirectoryMayBeUsedByMany(t *testing.T) {
	t.Parallel()
	w := newWorld()
	people := []*account.Account{w.has(t, "alice"), w.has(t, "bob")}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				who := people[(i+n)%2]
				switch n % 4 {
				case 0:
					w.directory.Forget(who.ID())
				case 1:
					w.clock.advance(time.Second)
				default:
					a, err := w.directory.ByID(t.Context(), who.ID())
					assert.True(t, err == nil && a.ID() == who.ID())
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkDirectoryByID(b *testing.B) {
	w := newWorld()
	a, err := w.store.Add(b.Context(), account.Restore(account.Snapshot{Username: "alice", Active: true}), func(bool) error { return nil })
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.directory.ByID(b.Context(), a.ID()); err != nil {
				b.Error(err)
			}
		}
	})
}
