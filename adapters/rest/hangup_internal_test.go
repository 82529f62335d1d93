package rest

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pair returns the two ends of a TCP connection.
func pair(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer func() { _ = ln.Close() }()
	client, err = net.DialTCP("tcp", nil, ln.Addr().(*net.TCPAddr))
	require.NoError(t, err)
	server, err = ln.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client
}

func TestTheWatcherNoticesAHangUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		leave func(*net.TCPConn) error
	}{
		{"by closing", (*net.TCPConn).Close},
		{"by closing the sending side", (*net.TCPConn).CloseWrite},
		{"by a reset", func(c *net.TCPConn) error {
			if err := c.SetLinger(0); err != nil {
				return err
			}
			return c.Close()
		}},
		{"after sending more", func(c *net.TCPConn) error {
			if _, err := c.Write([]byte("GET / HTTP/1.1\r\n")); err != nil {
				return err
			}
			return c.Close()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, client := pair(t)
			w := newWatcher()
			gone := make(chan struct{})
			stop := w.watch(server, func() { close(gone) })
			defer stop()
			select {
			case <-gone:
				require.Fail(t, "the client is still there")
			case <-time.After(3 * sweepInterval):
			}
			require.NoError(t, tt.leave(client))
			select {
			case <-gone:
			case <-time.After(time.Second):
				require.Fail(t, "the client is gone, and nobody noticed")
			}
		})
	}
}

func TestAWatchThatWasStoppedIsSilent(t *testing.T) {
	t.Parallel()
	server, client := pair(t)
	w := newWatcher()
	var calls atomic.Int32
	stop := w.watch(server, func() { calls.Add(1) })
	stop()
	stop()
	require.NoError(t, client.Close())
	time.Sleep(3 * sweepInterval)
	assert.Zero(t, calls.Load())
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.False(t, w.running, "with nothing to watch, the watcher sleeps")
	assert.Empty(t, w.watched)
}

func TestTheWatcherTellsEachOfMany(t *testing.T) {
	t.Parallel()
	const n = 200
	w := newWatcher()
	var gone [n]atomic.Int32
	var clients [n]*net.TCPConn
	for i := range n {
		var server *net.TCPConn
		server, clients[i] = pair(t)
		stop := w.watch(server, func() { gone[i].Add(1) })
		t.Cleanup(stop)
	}
	for i := 0; i < n; i += 2 {
		require.NoError(t, clients[i].Close())
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for i := range n {
			assert.EqualValues(c, (i+1)%2, gone[i].Load(), i)
		}
	}, 2*time.Second, sweepInterval)
	time.Sleep(2 * sweepInterval)
	for i := range n {
		assert.LessOrEqual(t, gone[i].Load(), int32(1), "each is told once")
	}
}

func BenchmarkWatch(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer func() { _ = ln.Close() }()
	client, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(b, err)
	defer func() { _ = client.Close() }()
	w := newWatcher()
	b.ReportAllocs()
	for b.Loop() {
		w.watch(client, func() {})()
	}
}
