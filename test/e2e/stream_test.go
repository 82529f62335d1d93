package e2e_test

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

func TestEachEventArrivesBeforeTheNextIsSent(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	words := secret("completion")
	p.Words(words)
	data := fixture.Deltas("one", "two", words, "four")
	for name, frame := range framings {
		t.Run(name, func(t *testing.T) {
			next := make(chan struct{})
			u.Script(func(x *fixture.Exchange) {
				length := 0
				for _, d := range data {
					length += len(fixture.Event(d))
				}
				x.Send(frame.head(length))
				for _, d := range data {
					<-next
					x.Send(frame.wrap(fixture.Event(d)))
				}
				<-next
				frame.end(x)
			})
			s := openStream(t, p) // the head comes before any event
			assert.Equal(t, 200, s.StatusCode)
			assert.Equal(t, "text/event-stream", s.Header.Get("Content-Type"))
			assert.Equal(t, "no", s.Header.Get("X-Accel-Buffering"))
			for i, d := range data {
				next <- struct{}{}
				came := make(chan struct{})
				late := time.AfterFunc(5*time.Second, s.cancel)
				go func() {
					defer close(came)
					event, err := s.event()
					assert.NoError(t, err, "event %d", i)
					assert.Equal(t, fixture.Event(d), event)
				}()
				<-came
				late.Stop()
			}
			next <- struct{}{}
			rest, err := s.rest()
			require.NoError(t, err)
			assert.Empty(t, rest)
		})
	}
}

// framing is a way to say where a body ends.
type framing struct {
	head func(length int) string
	wrap func(piece string) string
	end  func(*fixture.Exchange)
}

func asItIs(piece string) string { return piece }

var framings = map[string]framing{
	"chunked": {
		func(int) string { return fixture.StreamHead() }, fixture.Chunk, func(x *fixture.Exchange) { x.Send(fixture.LastChunk) },
	},
	"with a length": {
		func(n int) string {
			return fixture.Head(200, "Content-Type: text/event-stream", "Content-Length: "+strconv.Itoa(n))
		}, asItIs, func(*fixture.Exchange) {},
	},
	"to the end of the connection": {
		func(int) string { return fixture.OpenStreamHead() }, asItIs, (*fixture.Exchange).Cut,
	},
}

func TestAStreamPassesWhateverItsChunks(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	short := ": a comment\n\nevent: x\r\nid: 1\r\ndata: two\r\ndata: lines\r\n\r\nretry: 3000\n\n:\n\ndata:no space é😀\n\n\n\ndata: \r\rdata: cr\r\r" +
		strings.Join([]string{fixture.Event(`{"a":"\n\n"}`), fixture.Event("[DONE]")}, "")
	long := fixture.Event(strings.Repeat("x", 1<<20)) + short
	open := "data: " + strings.Repeat("y", 100<<10) + "\n\ndata: [DONE]\n\n"
	for name, tt := range map[string]struct {
		text string
		size int
	}{
		"a byte a chunk": {short, 1}, "two": {short, 2}, "three": {short, 3}, "seven": {short, 7}, "all in one": {short, 1 << 20},
		"a line of a megabyte": {long, 1000}, "the same, in big chunks": {long, 300_000}, "the same in one": {long, 4 << 20}, "many kilobytes": {open, 4096},
	} {
		for kind, frame := range framings {
			t.Run(name+" "+kind, func(t *testing.T) {
				u.Script(func(x *fixture.Exchange) {
					x.Send(frame.head(len(tt.text)))
					for rest := tt.text; rest != ""; {
						piece := rest[:min(tt.size, len(rest))]
						rest = rest[len(piece):]
						x.Send(frame.wrap(piece))
					}
					frame.end(x)
				})
				s := openStream(t, p)
				got, err := s.rest()
				require.NoError(t, err)
				assert.True(t, same(tt.text, got), "%d bytes of %d came", len(got), len(tt.text))
			})
		}
	}
}

// TestAStreamCutAtAnyByte ends a stream of 20 events at each of its bytes, in each way that a connection ends and for each
// way to frame it.
func TestAStreamCutAtAnyByte(t *testing.T) {
	t.Parallel()
	var events []string
	for i := range 19 {
		events = append(events, fixture.Event(`{"i":`+strconv.Itoa(i)+`}`))
	}
	events = append(events, fixture.Event("[DONE]"))
	for name, frame := range framings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cases []cut
			for _, reset := range []bool{false, true} {
				wire, body := "", ""
				for _, e := range events { // every byte of the frame too
					piece := frame.wrap(e)
					before := strings.Index(piece, e)
					for at := range len(piece) {
						came := body + e[:min(max(0, at-before), len(e))]
						sure := came
						if before > 0 && before <= at && at-before < len(e) {
							sure = "" // see TestAnEventDoesNotWaitForTheNextChunk
						}
						cases = append(cases, cut{reset: reset, wire: wire + piece[:at], body: came, sure: sure})
					}
					wire, body = wire+piece, body+e
				}
				if name == "chunked" {
					for at := range len(fixture.LastChunk) {
						sure := body
						if at > strings.Index(fixture.LastChunk, "\n") {
							sure = "" // the same
						}
						cases = append(cases, cut{reset: reset, wire: wire + fixture.LastChunk[:at], body: body, sure: sure})
					}
				}
			}
			cutAll(t, cases, frame, strings.Join(events, ""))
		})
	}
}

// cut is one way to end a stream before its time.
type cut struct {
	reset bool
	wire  string // what the provider sends
	body  string // what of the stream that is
	sure  string // what of it goes to the client before the cut
}

func cutAll(t *testing.T, cases []cut, frame framing, whole string) {
	t.Helper()
	p, u := relayTo(t, parts{})
	arrived := make([]chan struct{}, len(cases))
	for i := range cases {
		arrived[i] = make(chan struct{})
	}
	u.Script(func(x *fixture.Exchange) {
		n, err := strconv.Atoi(fixture.Answer{Body: x.Body}.Text("n"))
		if err != nil {
			t.Errorf("the request has no number: %s", x.Body)
			return
		}
		x.Send(frame.head(len(whole)))
		x.Send(cases[n].wire)
		if cases[n].reset {
			<-arrived[n] // a reset takes away what has not been read
			x.Reset()
		} else {
			x.Cut()
		}
	})
	work := make(chan int)
	var workers sync.WaitGroup
	var bad atomic.Int32
	for range 16 {
		workers.Go(func() {
			for n := range work {
				if bad.Load() < 3 && !cases[n].check(t, p, n, arrived[n], whole) {
					bad.Add(1)
				}
			}
		})
	}
	for n := range cases {
		work <- n
	}
	close(work)
	workers.Wait()
	t.Logf("%d cuts", len(cases))
}

func (c cut) check(t *testing.T, p *fixture.Process, n int, arrived chan struct{}, whole string) bool {
	t.Helper()
	name := fmt.Sprintf("cut after %d bytes, reset %t", len(c.wire), c.reset)
	read := sync.OnceFunc(func() { close(arrived) })
	defer read()
	s, err := tryStream(p, fmt.Sprintf(`{"model":"m","stream":true,"n":%d}`, n))
	if !assert.NoError(t, err, name) { //nolint:testifylint // not on the test's goroutine
		return false
	}
	defer s.close()
	if !assert.Equal(t, 200, s.StatusCode, name) {
		return false
	}
	prefix := make([]byte, len(c.sure))
	_, err = io.ReadFull(s.reader, prefix)
	if !assert.NoError(t, err, name) || !assert.Equal(t, c.sure, string(prefix), name) { //nolint:testifylint // the same
		return false
	}
	read()
	rest, err := s.rest()
	if c.body == whole && c.sure == whole { // it has said itself that it is whole
		return assert.Empty(t, rest, name) && assert.NoError(t, err, name)
	}
	for i := len(c.sure); i < len(c.body) && rest != "" && rest[0] == c.body[i]; i++ {
		rest = rest[1:]
		c.sure = c.body[:i+1]
	}
	if c.sure == whole && rest == "" {
		return assert.NoError(t, err, name)
	}
	return (c.reset || assert.Equal(t, c.body, c.sure, name)) &&
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s: the end is not unclean", name) && isBreak(t, rest, "upstream_interrupted")
}

// TestAnEventDoesNotWaitForTheNextChunk sends an event, and with it the beginning of the next chunk.
func TestAnEventDoesNotWaitForTheNextChunk(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	read := make(chan struct{})
	u.Script(func(x *fixture.Exchange) {
		next := fixture.Chunk(fixture.Event("two"))
		x.Send(fixture.StreamHead() + fixture.Chunk(fixture.Event("one")) + next[:6])
		select {
		case <-read:
		case <-time.After(2 * time.Second):
			t.Error("what has come whole was not passed on at once")
		}
		x.Send(next[6:] + fixture.Chunk(fixture.Event("[DONE]")) + fixture.LastChunk)
	})
	s := openStream(t, p)
	event, err := s.event()
	close(read)
	require.NoError(t, err)
	assert.Equal(t, "data: one\n\n", event)
	rest, err := s.rest()
	require.NoError(t, err)
	assert.Equal(t, "data: two\n\ndata: [DONE]\n\n", rest)
}

func TestAStreamCutInItsHeadIsAStatus(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	head := fixture.StreamHead()
	for _, reset := range []bool{false, true} {
		for at := range len(head) {
			u.Script(func(x *fixture.Exchange) {
				x.Send(head[:at])
				if reset {
					x.Reset()
				} else {
					x.Cut()
				}
			})
			a := p.Do(t, "POST", chatPath, streamed, p.Key())
			assert.Equal(t, 502, a.Status, "after %d bytes", at)
			assert.Equal(t, "upstream_error", a.Text("error.type"))
		}
	}
	assert.Len(t, u.Exchanges(), 2*len(head), "none is sent twice")
}

func TestASilentStreamIsKeptAlive(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{server: []string{"stream_keepalive: 50ms"}})
	next := make(chan struct{})
	u.Script(func(x *fixture.Exchange) {
		<-next
		x.Send(fixture.StreamHead() + fixture.Chunk("data: half"))
		<-next
		x.Send(fixture.Chunk(" an event\n\n"))
		<-next
		x.Send(fixture.Chunk(fixture.Event("[DONE]")) + fixture.LastChunk)
	})
	s := openStream(t, p)
	comments := func() {
		t.Helper()
		for range 2 {
			event, err := s.event()
			require.NoError(t, err)
			require.Equal(t, ": keep-alive\n\n", event)
		}
	}
	comments() // before the provider has begun
	next <- struct{}{}
	next <- struct{}{}
	event := ": keep-alive\n\n"
	var err error
	for event == ": keep-alive\n\n" {
		event, err = s.event()
		require.NoError(t, err)
	}
	assert.Equal(t, "data: half an event\n\n", event, "no comment stands inside an event")
	comments()
	next <- struct{}{}
	rest, err := s.rest()
	require.NoError(t, err)
	assert.Equal(t, "data: [DONE]\n\n", strings.ReplaceAll(rest, ": keep-alive\n\n", ""))
}

func TestAFailureAfterTheKeepaliveIsAnEvent(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{server: []string{"stream_keepalive: 30ms"}, provider: []string{"timeout: 1"}})
	for code, answer := range map[string]string{
		"upstream_interrupted": fixture.JSON(400, `{"error":{"message":"no"}}`), "provider_rejected_key": fixture.JSON(401, `{}`), "upstream_timeout": "",
	} {
		next := make(chan struct{})
		u.Script(func(x *fixture.Exchange) {
			<-next
			if answer == "" {
				x.Hang()
			}
			x.Send(answer)
		})
		s := openStream(t, p)
		_, err := s.event()
		require.NoError(t, err)
		close(next)
		rest, err := s.rest()
		isBreak(t, strings.ReplaceAll(rest, ": keep-alive\n\n", ""), code)
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}
