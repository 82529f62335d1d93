package contract

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/ports"
)

// Clock exercises a ports.Clock that tells the machine's time.
func Clock(t *testing.T, now ports.Clock) {
	t.Helper()

	t.Run("Clock tells the time", func(t *testing.T) {
		t.Parallel()
		before := time.Now().Truncate(time.Microsecond)
		got := now()
		assert.WithinRange(t, got, before, time.Now())
	})

	t.Run("Clock tells it in UTC, cut to microseconds", func(t *testing.T) {
		t.Parallel()
		for range 1000 {
			got := now()
			require.Equal(t, time.UTC, got.Location())
			require.Zero(t, got.Nanosecond()%1000)
		}
	})

	t.Run("what Clock tells is equal to itself after a store kept it", func(t *testing.T) {
		t.Parallel()
		got := now()
		kept := time.UnixMicro(got.UnixMicro()).UTC()
		assert.Equal(t, kept, got) // also its monotonic reading, which no store keeps
	})
}

// NewID exercises a ports.NewID.
func NewID(t *testing.T, newID ports.NewID) {
	t.Helper()

	t.Run("NewID returns a UUID of version 7", func(t *testing.T) {
		t.Parallel()
		for range 1000 {
			// RFC 9562, section 5.7: the version is 7 and the variant is 10 in binary.
			require.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", newID())
		}
	})

	t.Run("NewID says when it was called, to the millisecond", func(t *testing.T) {
		t.Parallel()
		before := time.Now().Truncate(time.Millisecond)
		id := newID()
		after := time.Now()
		assert.WithinRange(t, timeOf(t, id), before, after)
	})

	t.Run("NewID returns nothing that it gave before, whoever calls", func(t *testing.T) {
		t.Parallel()
		const callers, calls = 8, 5000
		all := make([][]string, callers)
		concurrently(callers, func(i int) {
			for range calls {
				all[i] = append(all[i], newID())
			}
		})
		ids := slices.Concat(all...)
		slices.Sort(ids)
		assert.Len(t, slices.Compact(ids), callers*calls)
	})

	t.Run("NewID gives IDs that sort by age, to the millisecond, whoever calls", func(t *testing.T) {
		t.Parallel()
		// Each goroutine calls after the other one has: an ID from a later millisecond is greater.
		var mu sync.Mutex
		var last string
		concurrently(4, func(int) {
			for range 2000 {
				mu.Lock()
				id := newID()
				if last != "" && id[:13] != last[:13] {
					assert.Greater(t, id, last)
				}
				last = id
				mu.Unlock()
			}
		})
		first := newID()
		time.Sleep(2 * time.Millisecond)
		assert.Greater(t, newID(), first)
	})

	t.Run("NewID can't be guessed from the one before", func(t *testing.T) {
		t.Parallel()
		ends := map[string]bool{}
		for range 10_000 {
			ends[newID()[24:]] = true // 48 bits that are random
		}
		assert.Len(t, ends, 10_000)
	})
}

// timeOf reads the first 48 bits of a UUID of version 7, which are milliseconds.
func timeOf(t *testing.T, id string) time.Time {
	t.Helper()
	var ms int64
	for _, c := range strings.ReplaceAll(id, "-", "")[:12] {
		digit := strings.IndexRune("0123456789abcdef", c)
		require.GreaterOrEqual(t, digit, 0)
		ms = ms<<4 | int64(digit)
	}
	return time.UnixMilli(ms)
}
