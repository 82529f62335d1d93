package http1

import (
	"slices"
	"time"
)

// take returns the connection to where that was used last, if it is still good, or nil. It closes those that are not.
func (c *Client) take(where place, at time.Time) *conn {
	for {
		k := c.pop(where)
		if k == nil {
			return nil
		}
		if at.Sub(k.since) < c.idleTimeout && k.isQuiet() {
			return k
		}
		_ = k.Close()
	}
}

func (c *Client) pop(where place) *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	stack := c.idle[where]
	if len(stack) == 0 {
		return nil
	}
	last := len(stack) - 1
	k := stack[last]
	stack[last] = nil
	c.idle[where] = stack[:last]
	return k
}

// put keeps a connection for the next call. If there are too many, it closes the one that has waited longest.
func (c *Client) put(k *conn) {
	k.used, k.since = true, now()
	if spare := c.push(k); spare != nil {
		_ = spare.Close()
	}
}

func (c *Client) push(k *conn) (spare *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return k
	}
	stack := c.idle[k.where]
	if len(stack) >= c.idlePerHost {
		spare = stack[0]
		stack = slices.Delete(stack, 0, 1)
	}
	c.idle[k.where] = append(stack, k)
	switch {
	case c.ticking:
	case c.sweeper == nil:
		c.sweeper = time.AfterFunc(c.idleTimeout, c.sweep)
	default:
		c.sweeper.Reset(c.idleTimeout)
	}
	c.ticking = true
	return spare
}

// sweep closes the connections that have waited too long, and comes again if others are left.
func (c *Client) sweep() {
	for _, k := range c.expired(now()) {
		_ = k.Close()
	}
}

func (c *Client) expired(at time.Time) (old []*conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.idleTimeout
	for where, stack := range c.idle {
		n := 0 // the first of a stack have waited longest
		for n < len(stack) && at.Sub(stack[n].since) >= c.idleTimeout {
			n++
		}
		old = append(old, stack[:n]...)
		if n == len(stack) {
			delete(c.idle, where)
			continue
		}
		c.idle[where] = slices.Delete(stack, 0, n)
		next = min(next, c.idleTimeout-at.Sub(c.idle[where][0].since))
	}
	c.ticking = len(c.idle) > 0 && !c.closed
	if c.ticking {
		c.sweeper.Reset(next)
	}
	return old
}

// Close closes the idle connections, and keeps none from now on. Calls that are under way go on.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed, c.ticking = map[place][]*conn{}, true, false
	if c.sweeper != nil {
		c.sweeper.Stop()
	}
	c.mu.Unlock()
	for _, stack := range idle {
		for _, k := range stack {
			_ = k.Close()
		}
	}
}
