// Package echo is the built-in provider: it answers with what it was asked, so that a fresh installation answers its
// first request, and a client can be tried without a key or a cent.
package echo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"monorelay/domain/exchange"
	"monorelay/ports"
)

var _ ports.Upstream = (*Provider)(nil)

// Pace is how long the provider thinks about each word of a stream.
type Pace time.Duration

// Provider is a ports.Upstream.
type Provider struct {
	pace  Pace
	newID ports.NewID
	now   ports.Clock
}

// New returns the provider.
func New(pace Pace, newID ports.NewID, now ports.Clock) *Provider {
	return &Provider{pace: pace, newID: newID, now: now}
}

// Call implements ports.Upstream.
func (p *Provider) Call(ctx context.Context, call ports.Call) (ports.Reply, error) {
	if call.Endpoint == exchange.Models {
		return p.json(200, modelList{Object: "list", Data: []model{{ID: "echo", Object: "model", OwnedBy: "monorelay"}}}), nil
	}
	var q question
	if err := json.Unmarshal(call.Body, &q); err != nil {
		return p.json(400, failure("unreadable_message", "The echo provider can't read the request: a message has another form than it knows.")), nil
	}
	text := q.lastWords()
	if text == "" {
		return p.json(400, failure("nothing_to_echo", "There is nothing to echo: no message has a text.")), nil
	}
	id, created := "chatcmpl-"+p.newID(), p.now().Unix()
	if !q.Stream {
		return p.json(200, q.completion(id, created, text)), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	return ports.Reply{
		Status: 200, Header: exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}}, Length: -1,
		Body: &stream{ctx: ctx, cancel: cancel, pace: time.Duration(p.pace), events: q.events(id, created, text)},
	}, nil
}

func (p *Provider) json(status int, v any) ports.Reply {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("echo: encode an answer: %v", err)) // its types have nothing that can't be encoded
	}
	return ports.Reply{
		Status: status, Header: exchange.Header{{Name: "Content-Type", Value: "application/json"}}, Length: int64(len(text)),
		Body: io.NopCloser(strings.NewReader(string(text))),
	}
}

// stream is the body of a streamed answer, an event at a time.
type stream struct {
	ctx    context.Context //nolint:containedctx // the context of the call that the body is part of
	cancel context.CancelFunc
	pace   time.Duration
	events []string
	rest   string
}

// Read gives what is left of an event, or the next one after a pause.
func (s *stream) Read(p []byte) (int, error) {
	if s.rest == "" {
		if len(s.events) == 0 {
			return 0, io.EOF
		}
		select {
		case <-time.After(s.pace):
		case <-s.ctx.Done():
		}
		if s.ctx.Err() != nil { // also if both are so, of which select takes either
			return 0, io.ErrUnexpectedEOF
		}
		s.rest, s.events = s.events[0], s.events[1:]
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Close ends the exchange.
func (s *stream) Close() error {
	s.cancel()
	return nil
}
