package relay_test

import (
	"context"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"monorelay/domain/exchange"
	"monorelay/domain/fault"
	"monorelay/domain/provider"
	"monorelay/domain/routing"
	"monorelay/ports"
	"monorelay/usecase/relay"
)

const (
	plain    = `{"model":"m","messages":[]}`
	streamed = `{"model":"m","stream":true,"messages":[]}`

	keepalive = relay.Keepalive(15 * time.Second)
	comment   = ": keep-alive\n\n"
)

// upstream is a ports.Upstream.
type upstream func(context.Context, ports.Call) (ports.Reply, error)

func (f upstream) Call(ctx context.Context, call ports.Call) (ports.Reply, error) {
	return f(ctx, call)
}

// script says how providers behave, and remembers how they were called. A provider without an entry hangs until the call
// ends.
type script struct {
	replies map[string]reply // by the provider's name

	mu     sync.Mutex
	calls  []ports.Call
	opened atomic.Int64 // bodies
	closed atomic.Int64
}

// reply is what a provider answers.
type reply struct {
	wait      time.Duration // before the head comes
	err       error         // instead of an answer
	panics    any           // instead of an answer
	status    int           // 200 if it is zero
	media     string        // application/json if it is empty
	header    exchange.Header
	length    int64 // -1 says that it is not told
	openEnded bool
	steps     []step
}

// step is something that a body does.
type step struct {
	wait   time.Duration
	data   string
	err    error // after the data
	hang   bool  // until the call ends
	panics any
}

// says is a small answer.
func says(status int, text string) reply {
	return reply{status: status, length: int64(len(text)), steps: []step{{data: text}}}
}

// events is a stream of events that does this.
func events(steps ...step) reply { return reply{media: "text/event-stream", length: -1, steps: steps} }

func (s *script) Call(ctx context.Context, call ports.Call) (ports.Reply, error) {
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	r, known := s.replies[call.Provider.Name]
	if !known {
		<-ctx.Done()
	}
	if r.wait > 0 {
		select {
		case <-time.After(r.wait):
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return ports.Reply{}, ports.ErrCallEnded.Because(context.Cause(ctx))
	}
	if r.panics != nil {
		panic(r.panics)
	}
	if r.err != nil {
		return ports.Reply{}, r.err
	}
	if r.status == 0 {
		r.status = 200
	}
	if r.media == "" {
		r.media = "application/json"
	}
	s.opened.Add(1)
	return ports.Reply{
		Status: r.status, Header: append(exchange.Header{{Name: "Content-Type", Value: r.media}}, r.header...),
		Length: r.length, OpenEnded: r.openEnded,
		Body: &body{ctx: ctx, steps: slices.Clone(r.steps), closed: make(chan struct{}), count: &s.closed},
	}, nil
}

func (s *script) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(s.calls))
	for i, call := range s.calls {
		names[i] = call.Provider.Name
	}
	return names
}

// nothingOpen checks that every body that was opened was closed.
func (s *script) nothingOpen(t *testing.T) {
	t.Helper()
	assert.Equal(t, s.opened.Load(), s.closed.Load(), "bodies opened, and closed")
}

// body does its steps, and then ends.
type body struct {
	ctx    context.Context
	steps  []step
	closed chan struct{}
	once   sync.Once
	count  *atomic.Int64
}

func (b *body) Read(p []byte) (int, error) {
	if len(b.steps) == 0 {
		return 0, io.EOF
	}
	s := &b.steps[0]
	switch {
	case s.hang:
		<-b.until(nil)
	case s.wait > 0:
		<-b.until(time.After(s.wait))
		s.wait = 0
	}
	select {
	case <-b.closed:
		return 0, io.ErrUnexpectedEOF
	case <-b.ctx.Done():
		return 0, io.ErrUnexpectedEOF
	default:
	}
	if s.panics != nil {
		panic(s.panics)
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	if s.data != "" {
		return n, nil
	}
	err := s.err
	b.steps = b.steps[1:]
	return n, err
}

// until returns what is closed at that time, or when the body is.
func (b *body) until(at <-chan time.Time) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-at:
		case <-b.closed:
		case <-b.ctx.Done():
		}
	}()
	return over
}

func (b *body) Close() error {
	b.once.Do(func() {
		close(b.closed)
		b.count.Add(1)
	})
	return nil
}

// tableOf returns a table in which each provider of these names takes any model, in this order.
func tableOf(names ...string) ports.RoutingTable {
	var t routing.Tables
	for _, name := range names {
		t.Providers = append(t.Providers, &provider.Provider{Name: name})
	}
	table := routing.NewTable(t)
	return func() *routing.Table { return table }
}

// input is a request with this body. An error event holds the error's code.
func input(body string) relay.Input {
	return relay.Input{
		Endpoint: exchange.ChatCompletions, Header: exchange.Header{{Name: "Content-Type", Value: "application/json"}},
		Body: []byte(body), ErrorEvent: errorEvent, Trace: new(relay.Trace),
	}
}

func errorEvent(err error) []byte {
	return []byte("data: {\"error\":{\"code\":" + strconv.Quote(fault.Of(err).Code) + "}}\n\n")
}

func errorEventOf(f *fault.Error) string { return string(errorEvent(f)) }

// drain reads all that comes, and returns it with the error at its end.
func drain(r io.Reader) (string, error) {
	var out []byte
	p := make([]byte, 4096)
	for {
		n, err := r.Read(p)
		out = append(out, p[:n]...)
		if err != nil {
			return string(out), err
		}
	}
}
