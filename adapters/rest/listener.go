package rest

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// guardedListener keeps the server alive when the process runs out of descriptors, where fasthttp would end, and closes
// at once what comes over the limit, so that descriptors are left to call providers and to reach the database.
type guardedListener struct {
	net.Listener
	log   *slog.Logger
	limit int64 // of open connections; 0 is none
	open  atomic.Int64

	saidAt atomic.Int64 // Unix seconds of the last complaint
}

// Accept returns the next connection.
func (l *guardedListener) Accept() (net.Conn, error) {
	pause := 5 * time.Millisecond
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil && l.limit > 0 && l.open.Load() >= l.limit:
			_ = conn.Close()
			l.complain("too many connections: closed a new one", nil)
		case err == nil:
			l.open.Add(1)
			return &countedConn{Conn: conn, open: &l.open, fd: descriptor(conn)}, nil
		case isPassing(err):
			l.complain("can't accept connections for now", err)
			time.Sleep(pause)
			pause = min(2*pause, 100*time.Millisecond)
		default:
			return nil, err
		}
	}
}

// isPassing reports whether the next Accept may succeed.
func isPassing(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR, syscall.EAGAIN} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// complain logs once in ten seconds.
func (l *guardedListener) complain(message string, err error) {
	now := time.Now().Unix()
	if last := l.saidAt.Load(); now-last >= 10 && l.saidAt.CompareAndSwap(last, now) {
		l.log.Warn(message, slog.Int64("open", l.open.Load()), slog.Any("err", err)) //nolint:sloglint // the messages are the two above
	}
}

// countedConn gives its place back once, when it is closed.
type countedConn struct {
	net.Conn
	open    *atomic.Int64
	fd      int // of the socket, or -1; asked for once, since asking allocates
	closed  atomic.Bool
	refused atomic.Bool // whether the client may still be sending what was refused
}

// Bounds of what is read of a request that was refused, so that its client comes to read why.
const (
	lingerTime = 2 * time.Second
	lingerSize = 64 << 20 // bytes
)

// Close closes the connection. While a client is still sending, a plain close would reset the connection, and take the
// answer from it: so its sending is heard out, within bounds.
func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		if tcp, ok := c.Conn.(*net.TCPConn); ok && c.refused.Load() && tcp.CloseWrite() == nil {
			_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.CopyN(io.Discard, tcp, lingerSize)
		}
		c.open.Add(-1)
	}
	return c.Conn.Close()
}
