package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"monorelay/domain/exchange"
	"monorelay/domain/fault"
	"monorelay/domain/sse"
	"monorelay/ports"
)

// comment is what a client is sent so that no proxy on the way takes silence for death. Clients ignore it.
var comment = []byte(": keep-alive\n\n")

// stream relays a request that asks for a stream. If no provider has begun after the keep-alive time, the stream is
// opened to the client all the same, and what comes then comes as events.
func (u *Relay) stream(ctx context.Context, t attempts) (*Answer, error) {
	f := newFeed(ctx, time.Duration(u.keepalive), t.in)
	go f.pump(t)
	select {
	case h := <-f.head:
		if h.err != nil || !h.answer.Events {
			f.silence.Stop() // the context is left to the caller's, which ends with the answer
			return h.answer, h.err
		}
		f.begin(h.answer)
		h.answer.Body = f
		return h.answer, nil
	case <-f.silence.C:
		f.late = true
		return &Answer{
			Status: 200, Header: exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}},
			Body: f, Length: -1, Events: true,
		}, nil
	case <-ctx.Done():
		_ = f.Close()
		return nil, ports.ErrCallEnded.Because(context.Cause(ctx))
	}
}

// feed is the body of a streamed answer. A goroutine reads from the provider, so that the reader can speak up when the
// provider is silent.
type feed struct {
	ctx       context.Context //nolint:containedctx // the feed is the call, and ends with it
	cancel    context.CancelFunc
	in        Input
	keepalive time.Duration

	head   chan opened   // has one place: the pump never waits to put it there
	chunks chan chunk    // has no place: a chunk's buffer is free again when the next chunk is taken
	done   chan struct{} // closed when the pump has ended

	buffers *[2][bufferSize]byte // filled by the pump in turn, and given back by Close

	// What follows is the reader's own.
	late      bool // the client has a head already, and waits for its first byte
	openEnded bool
	rest      []byte // what is still to be handed out
	ended     error  // what Read returns after rest
	tracker   sse.Tracker
	silence   *time.Timer
}

type opened struct {
	answer *Answer
	err    error
}

type chunk struct {
	data []byte
	err  error
}

// bufferSize is how much is read from a provider at once, in bytes. Events are smaller by far.
const bufferSize = 4 << 10

var buffers = sync.Pool{New: func() any { return new([2][bufferSize]byte) }}

func newFeed(ctx context.Context, keepalive time.Duration, in Input) *feed {
	ctx, cancel := context.WithCancel(ctx)
	return &feed{
		ctx: ctx, cancel: cancel, in: in, keepalive: keepalive,
		head: make(chan opened, 1), chunks: make(chan chunk), done: make(chan struct{}),
		silence: time.NewTimer(keepalive),
	}
}

// pump makes the call and hands over what comes, until it ends or the feed is closed.
func (f *feed) pump(t attempts) {
	defer close(f.done)
	defer func() {
		if r := recover(); r != nil {
			err := fmt.Errorf("panic while a stream was relayed: %v", r)
			select {
			case f.head <- opened{err: err}:
			default:
				f.hand(chunk{err: err})
			}
		}
	}()
	answer, err := t.run(f.ctx)
	if err != nil || !answer.Events {
		f.head <- opened{answer, err}
		return
	}
	body := answer.Body // the reader puts the feed in its place
	defer func() { _ = body.Close() }()
	f.head <- opened{answer, nil}

	f.buffers = buffers.Get().(*[2][bufferSize]byte)
	for i := 0; ; i ^= 1 {
		n, err := body.Read(f.buffers[i][:])
		if !f.hand(chunk{f.buffers[i][:n], err}) || err != nil {
			return
		}
	}
}

func (f *feed) hand(c chunk) bool {
	select {
	case f.chunks <- c:
		return true
	case <-f.ctx.Done():
		return false
	}
}

// begin takes the head of the provider's stream.
func (f *feed) begin(a *Answer) {
	f.openEnded = a.openEnded
	f.silence.Reset(f.keepalive)
}

// Read gives what has arrived, or a comment when nothing has for the keep-alive time. A stream that breaks off ends in an
// event that says so, and then in io.ErrUnexpectedEOF.
func (f *feed) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		if f.ended != nil {
			return 0, f.ended
		}
		if f.late { // the client has waited long enough for its first byte
			f.late = false
			f.silence.Reset(f.keepalive)
			f.rest = comment
			break
		}
		select {
		case h := <-f.head:
			f.open(h)
		case c := <-f.chunks:
			f.take(c)
		case <-f.silence.C:
			f.silence.Reset(f.keepalive)
			if f.tracker.Between() {
				f.rest = comment
			}
		case <-f.ctx.Done():
			f.breakOff(context.Cause(f.ctx))
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// open deals with a provider's head that came after the client's.
func (f *feed) open(h opened) {
	switch {
	case h.err != nil:
		f.breakOff(h.err)
	case h.answer.Events:
		f.begin(h.answer)
	default:
		h.answer.discard()
		f.breakOff(refusal(h.answer))
	}
}

// refusal turns an answer that came too late to be one into an error.
func refusal(a *Answer) error {
	f := ErrInterrupted
	if a.Status < 300 {
		return f.Saying("The provider answered with something else than a stream.")
	}
	return f.Saying(fmt.Sprintf("The provider refused the request with status %d, after it had kept it waiting.", a.Status))
}

func (f *feed) take(c chunk) {
	f.tracker.Feed(c.data)
	f.rest = c.data
	f.silence.Reset(f.keepalive)
	switch {
	case c.err == nil:
	case f.whole(c.err):
		f.ended = io.EOF
	default:
		f.breakOff(c.err)
	}
}

// whole reports whether a stream that ended so is whole. Where nothing but the end of the connection marks its end, and
// where that was not clean, only its own last event can tell.
func (f *feed) whole(err error) bool {
	if errors.Is(err, io.EOF) && !f.openEnded {
		return true
	}
	return f.tracker.Complete() && f.tracker.Between()
}

// breakOff ends the stream with an event that says why.
func (f *feed) breakOff(err error) {
	if fault.Of(err) == nil {
		err = ErrInterrupted.Because(err)
	}
	f.in.Trace.Broken = err
	f.rest = slices.Concat(f.rest, []byte(f.tracker.Break()), f.in.ErrorEvent(err))
	f.ended = io.ErrUnexpectedEOF
}

// Close ends the call, and returns when nothing of it is left. It must not be called while Read runs.
func (f *feed) Close() error {
	f.cancel()
	f.silence.Stop()
	<-f.done
	select {
	case h := <-f.head:
		if h.answer != nil {
			h.answer.discard()
		}
	default:
	}
	if f.buffers != nil {
		buffers.Put(f.buffers)
		f.buffers = nil
	}
	return nil
}
