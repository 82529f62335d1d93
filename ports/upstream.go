package ports

import (
	"context"
	"io"

	"monorelay/domain/exchange"
	"monorelay/domain/fault"
	"monorelay/domain/provider"
)

// Errors of a call that had no answer.
var (
	ErrUnreachable  = fault.New(fault.BadUpstream, "upstream_unreachable", "The provider can't be reached.")
	ErrUpstreamSlow = fault.New(fault.Timeout, "upstream_timeout", "The provider took too long to answer.")
	ErrBadAnswer    = fault.New(fault.BadUpstream, "upstream_bad_answer", "The provider's answer can't be read.")
	ErrCallEnded    = fault.New(fault.Canceled, "canceled", "The call was ended before its answer came.")
)

// Upstream carries calls to providers.
type Upstream interface {
	// Call sends call and returns as soon as the head of the answer is known. A refusal by the provider is a Reply, not
	// an error; so is a redirect, which is never followed. An error means that no answer came, and is ErrUnreachable,
	// ErrUpstreamSlow, ErrBadAnswer or ErrCallEnded. It never sends a call twice. The end of ctx, also while the body is
	// read, closes the connection at once.
	Call(ctx context.Context, call Call) (Reply, error)
}

// Call is what goes to a provider. Body belongs to the upstream from then on, and is only read.
type Call struct {
	Provider *provider.Provider
	Endpoint exchange.Endpoint
	Header   exchange.Header // what may cross, already chosen
	Body     []byte
}

// Reply is a provider's answer. Body's Read gives what has arrived and waits for no more. A body that broke off ends in
// io.ErrUnexpectedEOF, one that fell silent for the provider's Timeout in ErrUpstreamSlow. Close must be called, and ends
// the exchange if it has not ended; it may be called twice, and while Read waits.
type Reply struct {
	Status int
	Header exchange.Header // what may cross, under the client's names
	Length int64           // the body's length in bytes, or -1 if it shows at the end only
	// OpenEnded says that nothing but the closing of the connection marks the end of the body: whether it is whole must be
	// judged by what it says.
	OpenEnded bool
	Body      io.ReadCloser
}
