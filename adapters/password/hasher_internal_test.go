package password

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/domain/fault"
	"monorelay/ports"
)

// crowded returns a hasher of which every place to run in is taken, and the function that gives one back.
func crowded(running, waiting int) (*Hasher, func()) {
	h := &Hasher{strength: params{memory: 8, passes: 1, lanes: 1}, running: make(chan struct{}, running), admitted: make(chan struct{}, running+waiting)}
	for range running {
		h.running <- struct{}{}
		h.admitted <- struct{}{}
	}
	return h, func() { <-h.running; <-h.admitted }
}

func TestACallThatWaitsGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := crowded(2, 3)
		gaveUp := errors.New("the client has gone")
		for _, call := range []func(context.Context) error{
			func(ctx context.Context) error {
				_, err := h.Hash(ctx, account.PresentedPassword("securepassword123"))
				return err
			},
			func(ctx context.Context) error {
				_, _, err := h.Verify(ctx, "", account.PresentedPassword("securepassword123"))
				return err
			},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(gaveUp) })
			start := time.Now()
			err := call(ctx)
			cancel(nil)
			assert.Equal(t, time.Second, time.Since(start))
			require.ErrorIs(t, err, ports.ErrHasherBusy)
			require.ErrorIs(t, err, gaveUp)
			assert.Len(t, h.admitted, 2, "its place is free again")
		}
	})
}

func TestACallWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, leave := crowded(1, 1)
		start := time.Now()
		go func() {
			time.Sleep(time.Minute)
			leave()
		}()
		_, err := h.Hash(t.Context(), account.PresentedPassword("securepassword123"))
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(start))
		assert.Empty(t, h.running)
		assert.Empty(t, h.admitted)
	})
}

func TestACallBehindTooManyIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, leave := crowded(2, 3)
		done := make(chan error)
		for range 3 {
			go func() { _, err := h.Hash(t.Context(), account.PresentedPassword("securepassword123")); done <- err }()
		}
		synctest.Wait()
		start := time.Now()
		for range 100 {
			_, err := h.Hash(t.Context(), account.PresentedPassword("securepassword123"))
			require.ErrorIs(t, err, ports.ErrHasherBusy)
			assert.Equal(t, fault.Unavailable, fault.KindOf(err))
			assert.Equal(t, time.Second, fault.Of(err).RetryAfter)
		}
		assert.Zero(t, time.Since(start))
		leave()
		leave()
		for range 3 {
			require.NoError(t, <-done, "who waited is served")
		}
		assert.Empty(t, h.running)
		assert.Empty(t, h.admitted)
	})
}

// A form that can't be read frees its place too.
func TestAFormThatCanNotBeReadTakesNoPlace(t *testing.T) {
	t.Parallel()
	h, leave := crowded(1, 1)
	leave()
	for range 10 {
		_, _, err := h.Verify(t.Context(), "x", account.PresentedPassword("securepassword123"))
		require.ErrorIs(t, err, errUnreadable)
	}
	assert.Empty(t, h.running)
	assert.Empty(t, h.admitted)
}

func TestTheListOfCommonPasswords(t *testing.T) {
	t.Parallel()
	assert.Len(t, common(), 10_000, "each is there once, none is empty")
	for p := range common() {
		assert.Equal(t, strings.ToLower(p), p, "nothing else is looked up")
		assert.NotEmpty(t, p)
	}
}

// FuzzParsePHC holds it to this: what is read is within the bounds, and is written as it was read.
func FuzzParsePHC(f *testing.F) {
	for _, text := range []string{
		"", "$", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
		"$argon2id$v=19$m=4294967295,t=4294967295,p=255$$", "$argon2id$v=19$m=19456,t=2,p=1,data=x$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
		"$argon2id$v=19$m=+19456,t= 2,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ", "$argon2id$v=19$m=019456,t=2,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
		"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRz\nYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ", "$argon2d$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parsePHC(text)
		if err != nil {
			return
		}
		assert.LessOrEqual(t, s.params.memory, uint32(maxMemory))
		assert.True(t, 1 <= s.params.passes && s.params.passes <= maxPasses)
		assert.True(t, 1 <= s.params.lanes && s.params.lanes <= maxLanes)
		assert.True(t, len(s.salt) >= 8 && len(s.digest) >= 16 && len(s.digest) <= 64)
		assert.Equal(t, text, s.String())
	})
}
