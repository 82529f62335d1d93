package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"monorelay/ports"
)

// exchanging is one request and its answer on a connection, and the body of the answer. Whoever ends it first, of its
// reader, Close and the end of the call's context, decides what becomes of the connection.
type exchanging struct {
	client  *Client
	conn    *conn
	timeout time.Duration // how long the provider may send nothing
	reused  bool          // whether the connection had a request before
	stop    func() bool   // leaves the call's context alone

	over atomic.Bool // the connection is no longer this exchange's: it is closed, or kept for another

	sending   *sending // nil if the request was written before the answer was read
	unwritten error    // why it could not be written whole

	mu     sync.Mutex // held by Read while it waits
	reader *reader    // nil when the body has ended
	err    error      // what Read returns from now on
	frame  framing
	left   int64 // bytes of a body with a length that are still to come
	chunks chunks
	keep   bool // whether the connection may be used again
}

// framing is how the end of a body shows.
type framing uint8

const (
	byLength framing = iota
	byChunks
	byClose
)

// Errors of an exchange that did not come to its end.
var (
	errNoHead = errors.New("the connection ended before the head of the answer did")
	errLeft   = errors.New("the exchange was ended")
	errClosed = errors.New("the body is closed")
)

// exchange sends request over k, and returns when the head of the answer is known. It fails with errUnsent if nothing of
// the request went out, which happens on a connection that was used before.
func (c *Client) exchange(ctx context.Context, k *conn, request *Request, deadline time.Time) (ports.Reply, error) {
	x := &exchanging{client: c, conn: k, timeout: request.Timeout, reused: k.used}
	x.stop = context.AfterFunc(ctx, x.abort)
	reply, err := x.open(request, deadline)
	if err == nil {
		return reply, nil
	}
	x.abort()
	if x.isUnsent(err) {
		err = errUnsent
	}
	x.err = err
	x.end()
	if err == errUnsent { //nolint:errorlint // made above
		return ports.Reply{}, err
	}
	return ports.Reply{}, explain(ctx, err)
}

func (x *exchanging) open(request *Request, deadline time.Time) (ports.Reply, error) {
	_ = x.conn.SetDeadline(deadline) // fails if the connection is closed, and so does what comes next
	if err := x.send(request); err != nil {
		return ports.Reply{}, err
	}
	x.reader = newReader(x.conn)
	h, err := x.readHead()
	if err != nil {
		return ports.Reply{}, err
	}
	length := x.expect(&h, request.Method)
	if x.err = x.begun(); x.err != nil && x.err != io.EOF { //nolint:errorlint // it is as it is
		return ports.Reply{}, x.err
	}
	return ports.Reply{Status: h.status, Header: h.header, Length: length, OpenEnded: x.frame == byClose, Body: x}, nil
}

// readHead reads the heads up to the first that is not an interim one.
func (x *exchanging) readHead() (head, error) {
	for range interimLimit {
		h, err := x.reader.head()
		if err != nil {
			_, bad := errors.AsType[malformed](err)
			switch {
			case bad:
			case x.unwritten != nil:
				err = x.unwritten
			case err == io.EOF: //nolint:errorlint // is as the connection gave it
				err = errNoHead
			}
			return h, err
		}
		if h.status >= 200 {
			return h, nil
		}
		x.wait()
	}
	return head{}, errInterims
}

// expect makes ready for the body that h announces, and returns its length, or -1.
func (x *exchanging) expect(h *head, method string) int64 {
	x.keep = h.keep && x.unwritten == nil
	switch {
	case h.isBodyless(method):
		if h.coded || h.length > 0 { // it may follow all the same
			x.keep = false
		}
		x.frame, x.left = byLength, 0
		return 0
	case h.coded:
		x.frame = byChunks
		return -1
	case h.length >= 0:
		x.frame, x.left = byLength, h.length
		return h.length
	}
	x.frame, x.keep = byClose, false
	return -1
}

// begun ends the exchange if the answer has no body.
func (x *exchanging) begun() error {
	if x.frame == byLength && x.left == 0 {
		return x.finish()
	}
	if x.over.Load() {
		return errLeft
	}
	return nil
}

// isUnsent reports whether nothing was sent of a request that is written aside, after the exchange was ended.
func (x *exchanging) isUnsent(err error) bool {
	if err == errUnsent { //nolint:errorlint // is returned as it is
		return true
	}
	if x.sending == nil || !x.reused || isTimeout(err) {
		return false
	}
	<-x.sending.done // soon, since the connection is closed
	return x.sending.n == 0
}

// wait gives the provider its time anew.
func (x *exchanging) wait() { _ = x.conn.SetDeadline(now().Add(x.timeout)) }

// Read gives what has arrived. A provider that is silent for too long is given up, a reader that is slow is not.
func (x *exchanging) Read(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return 0, x.err
	}
	n, err := 0, errLeft
	if !x.over.Load() {
		n, err = x.read(p)
	}
	if err != nil {
		x.err = x.finished(err)
		err = x.err
	}
	return n, err
}

// finished ends the exchange, and returns what Read says of its end. err is io.EOF if the body is whole.
func (x *exchanging) finished(err error) error {
	switch {
	case err == io.EOF: //nolint:errorlint // is returned as it is
		return x.finish()
	case errors.Is(err, os.ErrDeadlineExceeded) && !x.over.Load():
		err = ports.ErrUpstreamSlow.Because(err)
	case err != io.ErrUnexpectedEOF: //nolint:errorlint // is returned as it is
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	x.abort()
	x.end()
	return err
}

// read reads some of the body. Only io.EOF says that it is whole.
func (x *exchanging) read(p []byte) (int, error) {
	switch x.frame {
	case byLength:
		n, err := x.some(p[:min(int64(len(p)), x.left)])
		if x.left -= int64(n); x.left == 0 {
			x.keep = x.keep && err == nil
			return n, io.EOF
		}
		return n, truncated(err)
	case byChunks:
		return x.readChunks(p)
	case byClose:
	}
	return x.some(p)
}

// readChunks reads what has arrived of one chunk or of several. It waits if that is nothing.
func (x *exchanging) readChunks(p []byte) (n int, err error) {
	for {
		switch {
		case x.chunks.state == afterAll:
			return n, io.EOF
		case n > 0 && x.reader.Buffered() == 0:
			return n, nil
		case x.chunks.state == inData:
			room := p[n:]
			room = room[:min(int64(len(room)), x.chunks.left)]
			if len(room) == 0 {
				return n, nil
			}
			m, err := x.some(room)
			n += m
			x.chunks.took(m)
			if err != nil {
				return n, truncated(err)
			}
		default:
			if x.reader.Buffered() == 0 {
				x.wait()
				if _, err := x.reader.Peek(1); err != nil {
					return n, truncated(err)
				}
			}
			next, _ := x.reader.Peek(x.reader.Buffered())
			taken, err := x.chunks.frame(next)
			_, _ = x.reader.Discard(taken)
			if err != nil {
				return n, err
			}
		}
	}
}

// some reads from the connection, and waits only if nothing has arrived.
func (x *exchanging) some(p []byte) (int, error) {
	if x.reader.Buffered() == 0 {
		x.wait()
	}
	return x.reader.Read(p)
}

func truncated(err error) error {
	if err == io.EOF { //nolint:errorlint // is returned as it is
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close ends the exchange, if it has not ended.
func (x *exchanging) Close() error {
	x.abort() // makes a Read that waits return
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil {
		x.err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, errClosed)
		x.end()
	}
	return nil
}

// abort closes the connection, if it is still this exchange's.
func (x *exchanging) abort() {
	if !x.over.Swap(true) {
		x.conn.abort()
	}
}

// finish ends an exchange whose answer is whole, and returns io.EOF. The connection is kept if it is good for another.
func (x *exchanging) finish() error {
	keep := x.keep && x.reader.Buffered() == 0 && x.isSent() && x.conn.drained()
	if x.over.Swap(true) {
		x.end()
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, errLeft)
	}
	conn := x.conn
	x.end()
	if keep {
		x.client.put(conn)
	} else {
		conn.abort()
	}
	return io.EOF
}

// isSent reports whether the whole request was written.
func (x *exchanging) isSent() bool {
	if x.sending == nil {
		return true
	}
	limit := time.NewTimer(sentLimit)
	defer limit.Stop()
	select {
	case <-x.sending.done:
		return x.sending.err == nil
	case <-limit.C:
		return false
	}
}

// end gives back what the exchange has used.
func (x *exchanging) end() {
	x.stop()
	if x.reader != nil {
		x.reader.free()
		x.reader = nil
	}
}
