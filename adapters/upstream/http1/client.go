// Package http1 is a client of HTTP/1.1 towards providers, over plain TCP and over TLS. It does what a relay needs and no
// more: it writes a request once, reads the answer on its caller's goroutine, and keeps connections for the next call. It
// follows no redirect, keeps no cookie, unpacks nothing and knows no proxy.
package http1

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"monorelay/ports"
)

const (
	dialTimeout = 10 * time.Second // for the connection, and again for the TLS handshake
	keepAlive   = 30 * time.Second // of TCP, which tells a connection that died without a word
	// idleTimeout is shorter than the 60 s or more after which servers close an idle connection, since a request that
	// meets the close can't be sent again.
	idleTimeout = 50 * time.Second
	idlePerHost = 512
	sessions    = 256 // of TLS that can be resumed
)

// Guard looks at an address after its name was resolved and before it is connected to. An error keeps from connecting.
type Guard func(ctx context.Context, network, address string, c syscall.RawConn) error

// Client makes calls, and keeps the connections that they leave. All its connections have passed its guard.
type Client struct {
	dialer      net.Dialer
	tls         *tls.Config // without a name of the server
	idleTimeout time.Duration
	idlePerHost int

	mu      sync.Mutex
	idle    map[place][]*conn // the last of each was used last
	sweeper *time.Timer       // nil until a connection is kept
	ticking bool              // whether the sweeper runs, as it does while there are idle connections
	closed  bool
}

// New returns a client without connections. It trusts the certificates that roots lead to, or the system's if that is nil.
func New(guard Guard, roots *x509.CertPool) *Client {
	return &Client{
		dialer: net.Dialer{KeepAlive: keepAlive, ControlContext: guard},
		tls: &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, RootCAs: roots,
			ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
		},
		idleTimeout: idleTimeout, idlePerHost: idlePerHost,
		idle: map[place][]*conn{},
	}
}

// Do sends request, once, and returns as soon as the head of the answer is known. The contract is that of
// ports.Upstream's Call.
func (c *Client) Do(ctx context.Context, request *Request) (ports.Reply, error) {
	if ctx.Err() != nil {
		return ports.Reply{}, ports.ErrCallEnded.Because(context.Cause(ctx))
	}
	if err := request.check(); err != nil {
		return ports.Reply{}, ports.ErrUnreachable.Because(err)
	}
	where := place{secure: request.Scheme == "https", host: request.Host}
	began := now()
	deadline := began.Add(request.Timeout)
	if k := c.take(where, began); k != nil {
		reply, err := c.exchange(ctx, k, request, deadline)
		if !errors.Is(err, errUnsent) {
			return reply, err
		}
	}
	k, err := c.dial(ctx, where, began, deadline)
	if err != nil {
		return ports.Reply{}, explain(ctx, err)
	}
	return c.exchange(ctx, k, request, deadline)
}

// explain turns what failed before there was an answer into an error of the port. Its text is for the log: it can name
// hosts and addresses, and quotes nothing that was sent or came.
func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return ports.ErrCallEnded.Because(cause)
	}
	if _, bad := errors.AsType[malformed](err); bad {
		return ports.ErrBadAnswer.Because(err)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return ports.ErrUpstreamSlow.Because(err)
	}
	return ports.ErrUnreachable.Because(err)
}

// now is the time for deadlines of connections, which the runtime keeps by the machine's own clock.
func now() time.Time { return time.Now() } //nolint:forbidigo // see above
