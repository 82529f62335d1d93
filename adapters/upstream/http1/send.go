package http1

import (
	"errors"
	"net"
	"sync"
	"time"
)

const (
	// oneWrite is up to which size in bytes a body goes out with the head, in one write.
	oneWrite = 16 << 10
	// aside is from which size in bytes on a body is written on a goroutine of its own, since a provider may answer before
	// it has read it, and read no more then.
	aside = 64 << 10
	// pieceSize is how many bytes of such a body a provider must take within its time-out.
	pieceSize = 64 << 10
	// lastWord is how long an answer is waited for after the request could not be written whole.
	lastWord = time.Second
	// sentLimit is how long the end of a request is waited for after the end of its answer, so that the connection can be
	// used again. The provider has it by then, and only the goroutine that wrote it may not know yet.
	sentLimit = 5 * time.Millisecond
)

// errUnsent says that nothing of a request went out, so that it may be sent on another connection.
var errUnsent = errors.New("nothing of the request was sent")

// heads are buffers for what goes out in one write.
var heads = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// sending is a request that is written aside.
type sending struct {
	done chan struct{} // closed when what follows is known
	n    int64         // how many bytes went out
	err  error
}

// send writes the request, or begins to. A request that could not be written is no error if something of it went out: an
// answer may have come all the same, and tells more.
func (x *exchanging) send(request *Request) error {
	if len(request.Body) > aside {
		x.sending = &sending{done: make(chan struct{})}
		go x.sendAside(request.appendHead(nil), request.Body, x.sending)
		return nil
	}
	n, err := x.write(request)
	switch {
	case err == nil:
		return nil
	case n == 0 && x.reused && !isTimeout(err):
		return errUnsent
	}
	x.unwritten = err
	_ = x.conn.SetReadDeadline(now().Add(lastWord))
	return nil
}

// write writes a request whose body is small.
func (x *exchanging) write(request *Request) (n int64, err error) {
	buffer := heads.Get().(*[]byte) //nolint:forcetypeassert // nothing else is in it
	b := request.appendHead((*buffer)[:0])
	before := x.conn.written()
	if len(request.Body) <= oneWrite {
		b = append(b, request.Body...)
		var wrote int
		wrote, err = x.conn.Write(b)
		n = int64(wrote)
	} else {
		n, err = (&net.Buffers{b, request.Body}).WriteTo(x.conn.Conn)
	}
	*buffer = b
	if cap(b) <= 2*oneWrite {
		heads.Put(buffer)
	}
	if x.conn.wire != nil {
		n = x.conn.written() - before
	}
	return n, err
}

// sendAside writes a request whose body is large, while the answer is waited for. The provider's time begins anew with
// each piece that it takes.
func (x *exchanging) sendAside(part, rest []byte, s *sending) {
	defer close(s.done)
	before := x.conn.written()
	for {
		var n int
		n, s.err = x.conn.Write(part)
		s.n += int64(n)
		if s.err != nil {
			break
		}
		_ = x.conn.SetDeadline(now().Add(x.timeout))
		if len(rest) == 0 {
			break
		}
		part = rest[:min(pieceSize, len(rest))]
		rest = rest[len(part):]
	}
	if x.conn.wire != nil {
		s.n = x.conn.written() - before
	}
}

// written returns how many bytes have gone out over TLS.
func (k *conn) written() int64 {
	if k.wire == nil {
		return 0
	}
	return k.wire.written.Load()
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}
