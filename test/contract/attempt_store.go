package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/throttle"
	"monorelay/ports"
)

// AttemptStore exercises a ports.AttemptStore. open must return an empty store and register its own clean-up.
func AttemptStore(t *testing.T, open func(*testing.T) ports.AttemptStore) {
	t.Helper()
	changingAttempts(t, open)
	sweepingAttempts(t, open)
}

func changingAttempts(t *testing.T, open func(*testing.T) ports.AttemptStore) {
	t.Helper()

	t.Run("a key without a record has the zero record", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, []throttle.Record{{}, {}}, attempts(t, open(t), "alice", "192.0.2.1"))
	})

	t.Run("Change stores what change made of the records, in the order of keys", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		first := throttle.Record{Failures: 1, Last: noon.Add(time.Microsecond)}
		second := throttle.Record{Failures: 2, Last: noon.Add(2 * time.Microsecond)}
		setAttempts(t, store, []string{"b", "a"}, first, second)
		assert.Equal(t, []throttle.Record{first, second}, attempts(t, store, "b", "a"))
		assert.Equal(t, []throttle.Record{second, {}, first}, attempts(t, store, "a", "c", "b"))

		setAttempts(t, store, []string{"a", "c", "b"}, first, second, second)
		assert.Equal(t, []throttle.Record{first, second, second}, attempts(t, store, "a", "b", "c"))
	})

	t.Run("Change leaves the records of other keys alone", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		record := throttle.Record{Failures: 3, Last: noon}
		setAttempts(t, store, []string{"alice", "bob"}, record, record)
		setAttempts(t, store, []string{"alice"}, throttle.Record{})
		assert.Equal(t, []throttle.Record{{}, record}, attempts(t, store, "alice", "bob"))
	})

	t.Run("a record that is zero then is removed", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		record := throttle.Record{Failures: 3, Last: noon}
		setAttempts(t, store, []string{"alice", "bob"}, record, record)
		setAttempts(t, store, []string{"alice", "bob"}, throttle.Record{}, record)
		assert.Equal(t, []throttle.Record{{}, record}, attempts(t, store, "alice", "bob"))
		setAttempts(t, store, []string{"alice"}, record)
		assert.Equal(t, []throttle.Record{record}, attempts(t, store, "alice"))
	})

	t.Run("times keep their microseconds", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		for _, nanos := range []int{0, 1000, 100000000, 123456000, 999999000, 999999999} {
			at := time.Date(2026, 11, 24, 23, 59, 59, nanos, time.FixedZone("", 9*3600))
			setAttempts(t, store, []string{"alice"}, throttle.Record{Failures: 1, Last: at})
			want := throttle.Record{Failures: 1, Last: at.UTC().Truncate(time.Microsecond)}
			assert.Equal(t, []throttle.Record{want}, attempts(t, store, "alice"))
		}
	})

	t.Run("an error of change aborts and is returned as it is", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		record := throttle.Record{Failures: 3, Last: noon}
		setAttempts(t, store, []string{"alice"}, record)
		boom := errors.New("boom")
		require.Same(t, boom, store.Change(t.Context(), []string{"alice", "bob"}, func(records []throttle.Record) error {
			records[0] = throttle.Record{}
			records[1] = records[1].Failed(noon)
			return boom
		}))
		assert.Equal(t, []throttle.Record{record, {}}, attempts(t, store, "alice", "bob"))
	})

	t.Run("keys are any text and differ by every byte", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		keys := append(hostile(), "alice", "Alice", "alice ", "alice\t", "álice", "a\u0301lice", "", " ", strings.Repeat("a", 254), "%", "_")
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for i, key := range keys {
			setAttempts(t, store, []string{key}, throttle.Record{Failures: i + 1, Last: noon})
		}
		for i, key := range keys {
			assert.Equal(t, []throttle.Record{{Failures: i + 1, Last: noon}}, attempts(t, store, key), "%.60q", key)
		}
	})

	t.Run("Change without keys changes nothing", func(t *testing.T) {
		t.Parallel()
		assert.Empty(t, attempts(t, open(t)))
	})

	t.Run("of many concurrent failures of one key none is lost", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		concurrently(50, func(i int) {
			assert.NoError(t, fail(t, store, noon.Add(time.Duration(i)*time.Second), "alice"))
		})
		assert.Equal(t, 50, attempts(t, store, "alice")[0].Failures)
	})

	t.Run("of many concurrent failures of two keys in either order none is lost", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		concurrently(50, func(i int) {
			keys := []string{"alice", "192.0.2.1"}
			if i%2 == 1 {
				slices.Reverse(keys)
			}
			assert.NoError(t, fail(t, store, noon, keys...))
		})
		records := attempts(t, store, "alice", "192.0.2.1")
		assert.Equal(t, 50, records[0].Failures)
		assert.Equal(t, 50, records[1].Failures)
	})

	t.Run("of many concurrent failures of one key beside another of its own none is lost", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		concurrently(50, func(i int) {
			assert.NoError(t, fail(t, store, noon, fmt.Sprintf("alice%d", i), "192.0.2.1"))
		})
		assert.Equal(t, 50, attempts(t, store, "192.0.2.1")[0].Failures)
		for i := range 50 {
			assert.Equal(t, 1, attempts(t, store, fmt.Sprintf("alice%d", i))[0].Failures)
		}
	})

	t.Run("concurrent failures and removals take turns", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		concurrently(50, func(i int) {
			if i%2 == 0 {
				assert.NoError(t, fail(t, store, noon, "alice", "bob"))
				return
			}
			assert.NoError(t, store.Change(t.Context(), []string{"alice"}, func(records []throttle.Record) error {
				records[0] = throttle.Record{}
				return nil
			}))
		})
		assert.Equal(t, 25, attempts(t, store, "bob")[0].Failures)
	})

	t.Run("a Change whose context has ended returns at once and changes nothing", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		require.ErrorIs(t, store.Change(ctx, []string{"alice"}, func(records []throttle.Record) error {
			records[0] = records[0].Failed(noon)
			return nil
		}), context.Canceled)
		require.ErrorIs(t, store.Sweep(ctx, noon), context.Canceled)
		assert.Less(t, time.Since(start), time.Second)
		assert.Equal(t, []throttle.Record{{}}, attempts(t, store, "alice"))
	})
}

func sweepingAttempts(t *testing.T, open func(*testing.T) ports.AttemptStore) {
	t.Helper()

	t.Run("Sweep removes the records whose last failure is before the time", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		// Times that a comparison of text could put in another order.
		offsets := []time.Duration{
			-time.Hour, -time.Second, -100 * time.Millisecond, -10 * time.Microsecond, -time.Microsecond,
			0, time.Microsecond, 10 * time.Microsecond, 100 * time.Millisecond, time.Second, time.Hour,
		}
		for _, before := range []time.Time{noon, noon.Truncate(time.Second), noon.Add(100 * time.Microsecond), noon.Add(123456 * time.Microsecond)} {
			for _, offset := range offsets {
				setAttempts(t, store, []string{offset.String()}, throttle.Record{Failures: 1, Last: before.Add(offset)})
			}
			require.NoError(t, store.Sweep(t.Context(), before.In(time.FixedZone("", 5*3600))))
			for _, offset := range offsets {
				assert.Equal(t, offset < 0, attempts(t, store, offset.String())[0] == throttle.Record{}, "%v from %v", offset, before)
			}
		}
	})

	t.Run("Sweep of an empty store succeeds", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, open(t).Sweep(t.Context(), noon))
	})

	t.Run("Sweep removes any number of records", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		var keys []string
		for i := range 2500 {
			keys = append(keys, strconv.Itoa(i))
		}
		for part := range slices.Chunk(keys, 250) {
			require.NoError(t, fail(t, store, noon, part...))
		}
		setAttempts(t, store, []string{"alice"}, throttle.Record{Failures: 1, Last: noon.Add(time.Hour)})
		require.NoError(t, store.Sweep(t.Context(), noon.Add(time.Microsecond)))
		for part := range slices.Chunk(keys, 250) {
			assert.Equal(t, make([]throttle.Record, len(part)), attempts(t, store, part...))
		}
		assert.Equal(t, 1, attempts(t, store, "alice")[0].Failures)
	})

	t.Run("Sweep beside failures loses none of them", func(t *testing.T) {
		t.Parallel()
		store := open(t)
		setAttempts(t, store, []string{"alice", "bob"}, throttle.Record{Failures: 1, Last: noon.Add(-time.Minute)}, throttle.Record{Failures: 1, Last: noon.Add(-time.Minute)})
		concurrently(30, func(i int) {
			if i%3 == 0 {
				assert.NoError(t, store.Sweep(t.Context(), noon))
				return
			}
			assert.NoError(t, fail(t, store, noon, "alice"))
		})
		assert.GreaterOrEqual(t, attempts(t, store, "alice")[0].Failures, 20)
		assert.Equal(t, []throttle.Record{{}}, attempts(t, store, "bob"))
	})
}

// attempts returns the records of keys.
func attempts(t *testing.T, store ports.AttemptStore, keys ...string) []throttle.Record {
	t.Helper()
	var seen []throttle.Record
	require.NoError(t, store.Change(t.Context(), keys, func(records []throttle.Record) error {
		seen = slices.Clone(records)
		return nil
	}))
	return seen
}

func setAttempts(t *testing.T, store ports.AttemptStore, keys []string, to ...throttle.Record) {
	t.Helper()
	require.NoError(t, store.Change(t.Context(), keys, func(records []throttle.Record) error {
		copy(records, to)
		return nil
	}))
}

func fail(t *testing.T, store ports.AttemptStore, at time.Time, keys ...string) error {
	t.Helper()
	return store.Change(t.Context(), keys, func(records []throttle.Record) error {
		for i := range records {
			records[i] = records[i].Failed(at)
		}
		return nil
	})
}
