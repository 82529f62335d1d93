package contract

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/domain/fault"
	"monorelay/ports"
)

// PasswordHasher exercises a ports.PasswordHasher. open must return one that nothing else uses.
func PasswordHasher(t *testing.T, open func(*testing.T) ports.PasswordHasher) {
	t.Helper()
	matchingPasswords(t, open)
	hashingForNobody(t, open)
	crowdingHasher(t, open)
}

func matchingPasswords(t *testing.T, open func(*testing.T) ports.PasswordHasher) {
	t.Helper()

	t.Run("Verify tells the password from another one, and what Hash makes now is not weak", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		hash := hashOf(t, h, "securepassword123")
		for password, want := range map[string]bool{
			"securepassword123": true, "securepassword12": false, "Securepassword123": false, "": false,
		} {
			assert.Equal(t, want, matches(t, h, hash, password), "%q", password)
		}
	})

	t.Run("no two stored forms are equal", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		first, second := hashOf(t, h, "securepassword123"), hashOf(t, h, "securepassword123")
		assert.NotEqual(t, first, second)
		assert.True(t, matches(t, h, first, "securepassword123"))
		assert.True(t, matches(t, h, second, "securepassword123"))
	})

	t.Run("a stored form has all that another hasher needs", func(t *testing.T) {
		t.Parallel()
		hash := hashOf(t, open(t), "securepassword123")
		assert.True(t, matches(t, open(t), hash, "securepassword123"))
	})

	t.Run("a stored form says nothing of the password, and fits into a column", func(t *testing.T) {
		t.Parallel()
		hash := hashOf(t, open(t), "securepassword123")
		assert.NotContains(t, hash, "securepassword")
		assert.Less(t, len(hash), 255)
		assert.Regexp(t, "^[!-~]+$", hash)
	})

	t.Run("every byte of a long password counts", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		long := strings.Repeat("0123456789", 100)
		for length, others := range map[int][]string{
			72:   {long[:71], long[:71] + "x", long[:73]},
			73:   {long[:72], long[:72] + "x"},
			1000: {long[:72], long[:128], long[:999], long[:999] + "x", long + "0"},
		} {
			hash := hashOf(t, h, long[:length])
			assert.True(t, matches(t, h, hash, long[:length]), "%d bytes", length)
			for _, other := range others {
				assert.False(t, matches(t, h, hash, other), "%d bytes and %d", length, len(other))
			}
		}
	})

	t.Run("a byte of zero is one like any other", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		hash := hashOf(t, h, "pw\x00pw")
		for password, want := range map[string]bool{"pw\x00pw": true, "pw": false, "pw\x00pw\x00": false, "pw\x00pw\x00pw\x00pw": false} {
			assert.Equal(t, want, matches(t, h, hash, password), "%q", password)
		}
	})

	t.Run("a form that Verify can't read is an error, which does not show it", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		good := hashOf(t, h, "securepassword123")
		for _, hash := range []string{" ", "x", "securepassword123", good[:len(good)/2], good + "$", "$" + good, good[1:], strings.Repeat("x", 96), strings.Repeat("$", 5)} {
			match, _, err := h.Verify(t.Context(), hash, account.PresentedPassword("securepassword123"))
			require.Error(t, err, hash)
			assert.False(t, match)
			assert.Nil(t, fault.Of(err), "nobody who signs in can mend it")
			if len(hash) > 1 {
				assert.NotContains(t, err.Error(), hash)
			}
		}
	})
}

func hashingForNobody(t *testing.T, open func(*testing.T) ports.PasswordHasher) {
	t.Helper()

	t.Run("with an empty hash Verify says no, whatever the password", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		for _, password := range []string{"", "securepassword123"} {
			assert.False(t, matches(t, h, "", password), "%q", password)
		}
	})

	t.Run("with an empty hash Verify takes as long as with one", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		hash := hashOf(t, h, "securepassword123")
		var ratio float64
		for range 4 { // a machine that does much else may spoil a series
			var nobody, somebody []time.Duration
			for range 3 {
				nobody = append(nobody, timeOfVerify(t, h, ""))
				somebody = append(somebody, timeOfVerify(t, h, hash))
			}
			ratio = float64(median(nobody)) / float64(median(somebody))
			if 0.5 < ratio && ratio < 2 {
				return
			}
		}
		assert.Fail(t, "the time tells whether there is a hash", "by a factor of %.2f", ratio)
	})
}

func crowdingHasher(t *testing.T, open func(*testing.T) ports.PasswordHasher) {
	t.Helper()

	t.Run("a call that would wait behind too many others is ErrHasherBusy at once, and the others are served", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		hash := hashOf(t, h, "securepassword123")
		const calls = 500
		var served, refused atomic.Int32
		var slowest atomic.Int64
		concurrently(calls, func(i int) {
			start := time.Now()
			var err error
			if i%2 == 0 {
				_, err = h.Hash(t.Context(), account.PresentedPassword("securepassword123"))
			} else {
				var match bool
				match, _, err = h.Verify(t.Context(), hash, account.PresentedPassword("securepassword123"))
				assert.Equal(t, err == nil, match)
			}
			if err == nil {
				served.Add(1)
				return
			}
			refused.Add(1)
			if assert.ErrorIs(t, err, ports.ErrHasherBusy) {
				assert.Positive(t, fault.Of(err).RetryAfter)
			}
			for took := int64(time.Since(start)); ; {
				if before := slowest.Load(); took <= before || slowest.CompareAndSwap(before, took) {
					break
				}
			}
		})
		cores := runtime.GOMAXPROCS(0)
		assert.EqualValues(t, calls, served.Load()+refused.Load())
		assert.GreaterOrEqual(t, int(served.Load()), min(cores, calls))
		if cores*20 < calls {
			assert.Less(t, int(served.Load()), cores*20, "who waits behind so many waits too long")
			assert.Less(t, time.Duration(slowest.Load()), time.Second, "a refusal waited")
		}
		assert.True(t, matches(t, h, hash, "securepassword123"), "it works again")
	})

	t.Run("a crowd is never told another's answer", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		hashes := []string{hashOf(t, h, "password of alice"), hashOf(t, h, "password of bob")}
		concurrently(6, func(i int) {
			password := []string{"password of alice", "password of bob"}[rand.IntN(2)]
			match, weak, err := h.Verify(t.Context(), hashes[i%2], account.PresentedPassword(password))
			if errors.Is(err, ports.ErrHasherBusy) {
				return
			}
			if assert.NoError(t, err) {
				assert.False(t, weak)
				assert.Equal(t, password == []string{"password of alice", "password of bob"}[i%2], match)
			}
		})
	})
}

func hashOf(t *testing.T, h ports.PasswordHasher, password string) string {
	t.Helper()
	hash, err := h.Hash(t.Context(), account.PresentedPassword(password))
	require.NoError(t, err)
	return hash
}

// matches verifies against a form that is not weak.
func matches(t *testing.T, h ports.PasswordHasher, hash, password string) bool {
	t.Helper()
	match, weak, err := h.Verify(t.Context(), hash, account.PresentedPassword(password))
	require.NoError(t, err)
	assert.False(t, weak)
	return match
}

func timeOfVerify(t *testing.T, h ports.PasswordHasher, hash string) time.Duration {
	t.Helper()
	start := time.Now()
	assert.False(t, matches(t, h, hash, "another password"))
	return time.Since(start)
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
