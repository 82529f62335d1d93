package token

import (
	"strings"
	"sync"

	"monorelay/domain/session"
)

// generation is how many tokens are remembered at least. There are twice as many at most, each under 8 KiB.
const generation = 2048

// remembered keeps the claims of tokens that were verified, keyed by the whole token: to verify one again costs sixty
// times as much, and garbage. What was not asked for in the last two generations is forgotten.
type remembered struct {
	mu       sync.RWMutex
	new, old map[string]session.Claims
}

func newRemembered() *remembered {
	return &remembered{new: make(map[string]session.Claims), old: nil}
}

func (r *remembered) get(token string) (session.Claims, bool) {
	r.mu.RLock()
	c, found := r.new[token]
	if found {
		r.mu.RUnlock()
		return c, true
	}
	c, found = r.old[token]
	r.mu.RUnlock()
	if found {
		r.put(token, c)
	}
	return c, found
}

// put takes a copy of token, which may be borrowed from a request.
func (r *remembered) put(token string, c session.Claims) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.new) >= generation {
		r.old, r.new = r.new, make(map[string]session.Claims)
	}
	r.new[strings.Clone(token)] = c
}
