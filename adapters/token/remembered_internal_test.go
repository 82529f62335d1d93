package token

import (
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"monorelay/domain/account"
	"monorelay/domain/session"
)

func claimsOf(i int) session.Claims { return session.Claims{Account: account.ID(i)} }

func TestRememberedIsBounded(t *testing.T) {
	t.Parallel()
	r := newRemembered()
	for i := range 5*generation + 7 {
		r.put(strconv.Itoa(i), claimsOf(i))
		assert.LessOrEqual(t, len(r.new), generation)
		assert.LessOrEqual(t, len(r.old), generation)
	}
	_, found := r.get("0")
	assert.False(t, found, "what nobody asked for is forgotten")
}

func TestRememberedKeepsTheLastGeneration(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, generation, generation + 1, 2*generation - 1, 2 * generation, 3*generation + 100} {
		r := newRemembered()
		for i := range n {
			r.put(strconv.Itoa(i), claimsOf(i))
		}
		for i := max(0, n-generation); i < n; i++ {
			got, found := r.get(strconv.Itoa(i))
			assert.True(t, found, "%d of %d was forgotten", i, n)
			assert.Equal(t, claimsOf(i), got)
		}
	}
}

func TestRememberedKeepsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	r := newRemembered()
	r.put("alice", claimsOf(1))
	for i := range 10 * generation {
		r.put(strconv.Itoa(i), claimsOf(i))
		if i%(generation/2) == 0 {
			got, found := r.get("alice")
			assert.True(t, found, "after %d others", i)
			assert.Equal(t, claimsOf(1), got)
		}
	}
	assert.LessOrEqual(t, len(r.new)+len(r.old), 2*generation)
}

func TestRememberedByManyAtOnce(t *testing.T) {
	t.Parallel()
	r := newRemembered()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2 * generation {
				key := (g*generation/2 + i) % (3 * generation)
				if got, found := r.get(strconv.Itoa(key)); found {
					if got != claimsOf(key) {
						assert.Equal(t, claimsOf(key), got)
					}
				} else {
					r.put(strconv.Itoa(key), claimsOf(key))
				}
			}
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, len(r.new), generation)
	assert.LessOrEqual(t, len(r.old), generation)
}
