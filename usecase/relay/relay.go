// Package relay carries requests for models to the providers that serve them, and the answers back. Bodies go through
// as they are but for what routing must change.
package relay

import (
	"context"
	"io"
	"time"

	"monorelay/domain/envelope"
	"monorelay/domain/exchange"
	"monorelay/ports"
)

// Keepalive is how long a stream may be silent before the client is sent a comment.
type Keepalive time.Duration

// Relay serves the endpoints whose body names a model.
type Relay struct {
	table     ports.RoutingTable
	upstream  ports.Upstream
	keepalive Keepalive
}

// NewRelay returns the use case over its ports.
func NewRelay(table ports.RoutingTable, upstream ports.Upstream, keepalive Keepalive) *Relay {
	return &Relay{table: table, upstream: upstream, keepalive: keepalive}
}

// Input is one request as the client sent it.
type Input struct {
	Endpoint exchange.Endpoint
	Header   exchange.Header // what may reach the provider
	Body     []byte          // belongs to the relay from then on
	// ErrorEvent returns the event that tells a client, in its own dialect, why its stream broke off.
	ErrorEvent func(error) []byte
	Trace      *Trace
}

// Trace is what is to be known of a request once it is over. It must not be read before Execute has failed, or its
// answer's body is closed.
type Trace struct {
	Model         string // as the client asked for it
	Provider      string
	UpstreamModel string
	Attempts      int
	Broken        error // why the answer broke off, if it did
}

// Answer is what the client gets. It is either Whole, or a Body that is still to come.
type Answer struct {
	Status int
	Header exchange.Header
	Whole  []byte
	Body   io.ReadCloser // nil for a whole answer; must be closed, which ends the call
	Length int64         // the body's length in bytes, or -1
	Events bool          // whether the body is a stream of server-sent events
	// Routed says that Trace knows already who answers.
	Routed bool

	openEnded bool
}

// Execute relays the request. The end of ctx ends it in any phase. It fails with the errors of an envelope that can't be
// read, with routing.ErrNoModel, with ErrRejectedKey, ErrRedirected or ErrInterrupted, and with those of ports.Upstream.
// An answer of a provider, also a refusal, is an Answer.
func (u *Relay) Execute(ctx context.Context, in Input) (*Answer, error) {
	env, err := envelope.Read(in.Body)
	if err != nil {
		return nil, err
	}
	in.Trace.Model = env.Model
	candidates, err := u.table().Resolve(env.Model)
	if err != nil {
		return nil, err
	}
	attempts := attempts{upstream: u.upstream, candidates: candidates, envelope: env, in: in}
	if env.Stream {
		return u.stream(ctx, attempts)
	}
	return attempts.run(ctx)
}
