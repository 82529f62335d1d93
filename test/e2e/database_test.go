package e2e_test

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

// cable is the line to a database, which can be cut, and can go silent.
type cable struct {
	address string // of the near end
	far     string
	running sync.WaitGroup

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]struct{}
	flows chan struct{} // closed while data may pass
}

// newCable lays a cable to the database at a URL, and returns the URL of its near end.
func newCable(t *testing.T, location string) (*cable, string) {
	t.Helper()
	u, err := url.Parse(location)
	require.NoError(t, err)
	flows := make(chan struct{})
	close(flows)
	c := &cable{address: "127.0.0.1:0", far: u.Host, conns: map[net.Conn]struct{}{}, flows: flows}
	c.mend(t)
	t.Cleanup(func() {
		c.cut()
		c.running.Wait()
	})
	u.Host = c.address
	return c, u.String()
}

func (c *cable) mend(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", c.address)
	require.NoError(t, err)
	c.mu.Lock()
	c.address, c.ln = ln.Addr().String(), ln
	c.mu.Unlock()
	c.running.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", c.far)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.mu.Lock()
			c.conns[near], c.conns[far] = struct{}{}, struct{}{}
			c.mu.Unlock()
			c.running.Go(func() { c.carry(near, far) })
			c.running.Go(func() { c.carry(far, near) })
		}
	})
}

func (c *cable) carry(from, to net.Conn) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
		c.mu.Lock()
		delete(c.conns, from)
		delete(c.conns, to)
		c.mu.Unlock()
	}()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		c.mu.Lock()
		flows := c.flows
		c.mu.Unlock()
		<-flows
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// cut ends every connection, and refuses others until the cable is mended.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ln.Close()
	for conn := range c.conns {
		_ = conn.Close()
	}
}

// hold lets nothing through until the function that it returns is called.
func (c *cable) hold() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	flows := make(chan struct{})
	c.flows = flows
	return sync.OnceFunc(func() { close(flows) })
}

func TestTheRelayOutlivesItsDatabase(t *testing.T) {
	t.Parallel()
	cable, location := newCable(t, fixture.MySQL(t))
	u := fixture.NewUpstream(t)
	p := start(t, u, configuration(u, parts{rest: "database: { url: \"" + location + "\" }\n"}))
	alice, bob := register(t, p, "alice"), register(t, p, "bob")
	require.Equal(t, 200, p.Do(t, "POST", chatPath, plain, alice.bearer()).Status)

	// away checks what must hold while the database is.
	away := func(t *testing.T) {
		t.Helper()
		var asking sync.WaitGroup
		for _, r := range [][]string{
			{"GET", "/ready", ""},
			{"POST", "/api/auth/login", `{"username":"alice","password":"` + alice.password + `"}`},
			{"POST", "/api/auth/register", `{"username":"user","email":"user@example.com","password":"` + secret("pw") + `"}`},
			{"GET", "/api/users", "", alice.bearer()},
		} {
			asking.Go(func() {
				began := time.Now()
				isError(t, p.Do(t, r[0], r[1], r[2], r[3:]...), 503, "database_unavailable")
				assert.Less(t, time.Since(began), 8*time.Second, "%s waits for the database", r[1])
			})
		}
		for range 3 {
			began := time.Now()
			assert.Equal(t, 200, p.Do(t, "POST", chatPath, plain, alice.bearer()).Status, "who is known goes on")
			assert.Less(t, time.Since(began), 2*time.Second)
			assert.Equal(t, 200, p.Do(t, "POST", chatPath, plain, p.Key()).Status)
			assert.Equal(t, 200, p.Do(t, "GET", "/health", "").Status)
			time.Sleep(400 * time.Millisecond)
		}
		assert.Equal(t, "invalid_token", p.Do(t, "POST", chatPath, plain, bearer(alice.token[:len(alice.token)-8]+"AAAAAAAA")).Text("error.code"), "nothing opens")
		asking.Wait()
	}
	back := func(t *testing.T) {
		t.Helper()
		took := eventually(t, 10*time.Second, "the server is ready again", func() bool { return p.Do(t, "GET", "/ready", "").Status == 200 })
		t.Logf("ready %v after the database", took.Round(time.Millisecond))
		login(t, p, "alice", alice.password)
		assert.Equal(t, 200, p.Do(t, "POST", chatPath, plain, bob.bearer()).Status)
		assert.Equal(t, 200, p.Do(t, "GET", "/api/users", "", alice.bearer()).Status)
	}
	t.Run("refused", func(t *testing.T) {
		cable.cut()
		away(t)
		cable.mend(t)
		back(t)
	})
	t.Run("silent", func(t *testing.T) {
		release := cable.hold()
		defer release()
		away(t)
		release()
		back(t)
	})
}

func TestADatabaseThatComesLateIsWaitedFor(t *testing.T) {
	t.Parallel()
	cable, location := newCable(t, fixture.MySQL(t))
	cable.cut()
	p := fixture.Launch(t, fixture.Options{Config: sharing(location)})
	eventually(t, 10*time.Second, "the wait is logged", func() bool { return len(p.Stderr()) > 0 })
	cable.mend(t)
	p.Await(t)
	register(t, p, "alice")
}
