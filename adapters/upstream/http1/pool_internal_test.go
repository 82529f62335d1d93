package http1

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/ports"
	"monorelay/test/fixture"
)

func begin(t *testing.T, c *Client, u *fixture.Upstream) ports.Reply {
	t.Helper()
	reply, err := c.Do(t.Context(), &Request{Method: "GET", Scheme: "http", Host: strings.TrimPrefix(u.URL, "http://"), Path: "/", Timeout: 15 * time.Second})
	require.NoError(t, err)
	return reply
}

func readAll(t *testing.T, reply ports.Reply) {
	t.Helper()
	_, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
}

func (c *Client) waiting() (connections int, ticking bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stack := range c.idle {
		connections += len(stack)
	}
	return connections, c.ticking
}

func TestAConnectionIsKeptWhenItsAnswerWasReadAndBeforeClose(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	for name, answer := range map[string]string{
		"a length": fixture.JSON(200, "{}"), "chunks": fixture.Stream("a", "b"), "no body": fixture.Head(204), "a body of none": fixture.JSON(200, ""),
	} {
		c := New(nil, nil)
		t.Cleanup(c.Close)
		u.Script(func(x *fixture.Exchange) { x.Send(answer) })
		first := begin(t, c, u)
		readAll(t, first)
		kept, _ := c.waiting()
		assert.Equal(t, 1, kept, name)

		second := begin(t, c, u) // has the connection now, with which Close of the first has nothing to do
		require.NoError(t, first.Body.Close())
		readAll(t, second)
		kept, _ = c.waiting()
		assert.Equal(t, 1, kept, name)
		c.Close()
	}
	assert.Equal(t, 4, u.Connections())
}

func TestTheConnectionUsedLastIsUsedFirst(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	c := New(nil, nil)
	t.Cleanup(c.Close)
	replies := []ports.Reply{begin(t, c, u), begin(t, c, u), begin(t, c, u)}
	for _, reply := range replies {
		readAll(t, reply)
	}
	for range 5 {
		readAll(t, begin(t, c, u))
	}
	assert.Equal(t, 3, u.Connections())
	assert.Equal(t, 5, u.Exchanges()[7].Nth, "one connection had them all")
}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	c := New(nil, nil)
	t.Cleanup(c.Close)
	c.idleTimeout = 300 * time.Millisecond
	for range 2 { // the sweeper comes again
		a, b := begin(t, c, u), begin(t, c, u)
		readAll(t, a)
		time.Sleep(100 * time.Millisecond) // one is left at the first sweep
		readAll(t, b)
		kept, ticking := c.waiting()
		assert.Equal(t, kept > 0, ticking)
		require.Eventually(t, func() bool { return u.Open() == 0 }, 5*time.Second, time.Millisecond)
		require.Eventually(t, func() bool { _, ticking = c.waiting(); return !ticking }, 5*time.Second, time.Millisecond)
	}
	assert.Empty(t, c.idle)
}

func TestAnOldConnectionIsNotUsedAlsoIfNobodySweeps(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	c := New(nil, nil)
	t.Cleanup(c.Close)
	readAll(t, begin(t, c, u))
	c.idleTimeout = time.Nanosecond
	readAll(t, begin(t, c, u))
	assert.Equal(t, 2, u.Connections())
}

func TestOfTooManyIdleConnectionsTheOldestIsClosed(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	c := New(nil, nil)
	t.Cleanup(c.Close)
	c.idlePerHost = 2
	var replies []ports.Reply
	for range 5 {
		replies = append(replies, begin(t, c, u))
	}
	for _, reply := range replies {
		readAll(t, reply)
	}
	require.Eventually(t, func() bool { return u.Open() == 2 }, 2*time.Second, time.Millisecond)
	readAll(t, begin(t, c, u))
	assert.Equal(t, 1, u.Exchanges()[5].Nth)
	assert.Equal(t, 5, u.Connections())
}

func TestAnIdleConnectionThatSpeaksIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, speak := range map[string]func(*fixture.Exchange){
		"an answer": func(x *fixture.Exchange) { x.Send(fixture.JSON(408, "{}")) },
		"a byte":    func(x *fixture.Exchange) { x.Send("\n") },
		"its end":   (*fixture.Exchange).Cut,
		"a reset":   (*fixture.Exchange).Reset,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := fixture.NewUpstream(t)
			c := New(nil, nil)
			t.Cleanup(c.Close)
			for i := range 20 {
				readAll(t, begin(t, c, u))
				speak(u.Await(t, i))
				time.Sleep(2 * time.Millisecond) // it arrives
			}
			for _, x := range u.Exchanges() {
				assert.Zero(t, x.Nth)
			}
		})
	}
}

func TestAClosedClientKeepsNoConnections(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	c := New(nil, nil)
	reply := begin(t, c, u)
	c.Close()
	readAll(t, reply)
	readAll(t, begin(t, c, u))
	require.Eventually(t, func() bool { return u.Open() == 0 }, time.Second, time.Millisecond)
	assert.Equal(t, 2, u.Connections())
}

func TestIdleConnectionsHoldNoBuffers(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	c := New(nil, nil)
	t.Cleanup(c.Close)
	reply := begin(t, c, u)
	readAll(t, reply)
	assert.Nil(t, reply.Body.(*exchanging).reader)
}
