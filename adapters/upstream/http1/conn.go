package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// place is where connections lead. One for one place is never used for another.
type place struct {
	secure bool
	host   string // as the provider's base URL has it
}

// addresses returns the address to connect to, and the name that the certificate must have.
func (p place) addresses() (address, name string) {
	name, port, err := net.SplitHostPort(p.host)
	if err != nil {
		name, port = strings.Trim(p.host, "[]"), ""
	}
	if port == "" {
		port = "80"
		if p.secure {
			port = "443"
		}
	}
	return net.JoinHostPort(name, port), name
}

// conn is one connection. It is used by one exchange at a time.
type conn struct {
	net.Conn // what is spoken through: TLS, or socket itself

	where  place
	socket net.Conn
	wire   *wire // between TLS and socket; nil without TLS
	used   bool  // whether an exchange went over it already
	since  time.Time

	raw    syscall.RawConn
	look   func(fd uintptr) // sets silent; made once, since each would be an allocation
	silent bool
	one    [1]byte // for what should not be there
}

// dial makes a connection, which takes until deadline at most.
func (c *Client) dial(ctx context.Context, where place, began, deadline time.Time) (*conn, error) {
	address, name := where.addresses()
	socket, err := c.connect(ctx, address, earlier(began.Add(dialTimeout), deadline))
	if err != nil {
		return nil, err
	}
	k := &conn{Conn: socket, where: where, socket: socket}
	if s, ok := socket.(syscall.Conn); ok {
		if k.raw, err = s.SyscallConn(); err != nil {
			_ = socket.Close()
			return nil, fmt.Errorf("get at the socket: %w", err)
		}
		k.look = func(fd uintptr) { k.silent = isSilent(fd) }
	}
	if where.secure {
		err = c.secure(ctx, k, name, earlier(now().Add(dialTimeout), deadline))
	}
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return k, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (c *Client) connect(ctx context.Context, address string, deadline time.Time) (net.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return c.dialer.DialContext(ctx, "tcp", address)
}

// secure speaks TLS over k from now on.
func (c *Client) secure(ctx context.Context, k *conn, name string, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	config := c.tls.Clone()
	config.ServerName = name
	k.wire = &wire{Conn: k.socket}
	secured := tls.Client(k.wire, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	k.Conn = secured
	return nil
}

// abort closes the connection at once, without a word to the other side.
func (k *conn) abort() { _ = k.socket.Close() }

// drained reports whether all that came was read. It looks at what TLS has read from the socket and not given out.
func (k *conn) drained() bool {
	if k.wire == nil {
		return true
	}
	k.wire.held = true
	n, err := k.Read(k.one[:])
	k.wire.held = false
	return n == 0 && errors.Is(err, errHeld)
}

// isQuiet reports whether nothing has come on an idle connection: no end, and nothing that would pass for the answer to
// the next request.
func (k *conn) isQuiet() bool {
	if k.raw == nil {
		return false
	}
	// Control, unlike Read, minds no deadline, which has passed long ago.
	err := k.raw.Control(k.look)
	return err == nil && k.silent
}

// wire is a connection under TLS. It counts what goes out, which TLS does not tell when a write failed.
type wire struct {
	net.Conn

	written atomic.Int64 // bytes
	held    bool         // whether Read gives nothing; the reader's own
}

func (w *wire) Read(p []byte) (int, error) {
	if w.held {
		return 0, errHeld
	}
	return w.Conn.Read(p)
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.written.Add(int64(n))
	return n, err
}

// errHeld is a time-out to TLS, which can be read from again after it.
var errHeld net.Error = heldError{}

type heldError struct{}

func (heldError) Error() string   { return "nothing more was read" }
func (heldError) Timeout() bool   { return true }
func (heldError) Temporary() bool { return true }
