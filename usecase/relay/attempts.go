package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"monorelay/domain/envelope"
	"monorelay/domain/exchange"
	"monorelay/domain/fault"
	"monorelay/domain/routing"
	"monorelay/ports"
)

// Errors of an answer that is not passed on.
var (
	ErrRejectedKey = fault.New(fault.BadUpstream, "provider_rejected_key", "The provider does not accept this server's key. The administrator must mend it.")
	ErrRedirected  = fault.New(fault.BadUpstream, "upstream_redirect", "The provider answered with a redirect, which is not followed.")
	ErrInterrupted = fault.New(fault.BadUpstream, "upstream_interrupted", "The provider broke off its answer.")
)

// wholeLimit is the size in bytes up to which an answer is read before the client sees any of it, so that one that
// breaks off is a proper status, and another provider can be tried.
const wholeLimit = 64 << 10

// attempts tries the candidates of one request in turn.
type attempts struct {
	upstream   ports.Upstream
	candidates []routing.Candidate
	envelope   envelope.Envelope
	in         Input
}

// run returns the first answer that is the client's. When all candidates are unwell it returns what the last one said.
func (t attempts) run(ctx context.Context) (*Answer, error) {
	var answer *Answer
	var err error
	for _, c := range t.candidates {
		if answer != nil {
			answer.discard()
		}
		t.in.Trace.Attempts++
		t.in.Trace.Provider, t.in.Trace.UpstreamModel = c.Provider.Name, c.Model
		var verdict exchange.Verdict
		answer, verdict, err = t.try(ctx, c)
		if ctx.Err() != nil {
			if answer != nil {
				answer.discard()
			}
			return nil, ports.ErrCallEnded.Because(context.Cause(ctx))
		}
		if err == nil && verdict == exchange.Final {
			break
		}
	}
	return answer, err
}

func (t attempts) try(ctx context.Context, c routing.Candidate) (*Answer, exchange.Verdict, error) {
	reply, err := t.upstream.Call(ctx, ports.Call{
		Provider: c.Provider,
		Endpoint: t.in.Endpoint,
		Header:   t.in.Header,
		Body:     t.envelope.WithModel(t.in.Body, c.Model),
	})
	if err != nil {
		return nil, exchange.TryNext, err
	}
	verdict := exchange.Judge(reply.Status)
	switch verdict {
	case exchange.RejectedKey:
		_ = reply.Body.Close()
		return nil, verdict, ErrRejectedKey
	case exchange.Redirected:
		_ = reply.Body.Close()
		return nil, verdict, ErrRedirected
	case exchange.Final, exchange.TryNext:
	}
	for i := range reply.Header {
		reply.Header[i].Value = c.Provider.Key.MaskText(reply.Header[i].Value)
	}
	answer, err := settle(reply)
	if err == nil && answer.Status >= 400 && answer.Body == nil {
		answer.Whole = c.Provider.Key.Mask(answer.Whole)
		answer.Length = int64(len(answer.Whole))
	}
	return answer, verdict, err
}

// settle makes a reply an answer, and reads it whole if it is small.
func settle(reply ports.Reply) (*Answer, error) {
	a := &Answer{
		Status: reply.Status, Header: reply.Header, Body: reply.Body, Length: reply.Length,
		Routed: true, openEnded: reply.OpenEnded,
	}
	mediaType, _, _ := strings.Cut(reply.Header.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	a.Events = mediaType == "text/event-stream" && reply.Status < 300 && reply.Header.Get("Content-Encoding") == ""
	if a.Events {
		a.Length = -1 // an event may have to be added
		return a, nil
	}
	if reply.Length > wholeLimit || reply.Length < 0 && mediaType != "application/json" {
		return a, nil
	}

	whole, err := readUpTo(reply.Body, reply.Length)
	switch {
	case err == nil: // more than the limit: the rest streams
		a.Body = &prefixed{Reader: io.MultiReader(bytes.NewReader(whole), reply.Body), Closer: reply.Body}
		return a, nil
	case errors.Is(err, io.EOF) && (!reply.OpenEnded || json.Valid(whole)):
		a.Whole, a.Body, a.Length = whole, nil, int64(len(whole))
		_ = reply.Body.Close()
		return a, nil
	}
	_ = reply.Body.Close()
	if fault.Of(err) != nil {
		return nil, err
	}
	return nil, ErrInterrupted.Because(err)
}

// readUpTo reads body to its end, or to wholeLimit. Only an error of io.EOF says that all is there. length is the
// body's, or -1.
func readUpTo(body io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		length = 4 << 10
	}
	whole := make([]byte, 0, length+1) // one more, so that the end shows without another allocation
	for {
		n, err := body.Read(whole[len(whole):cap(whole)])
		whole = whole[:len(whole)+n]
		if err != nil || len(whole) > wholeLimit {
			return whole, err
		}
		if len(whole) == cap(whole) {
			whole = slices.Grow(whole, cap(whole))
		}
	}
}

// prefixed is a body of which the beginning was read already.
type prefixed struct {
	io.Reader
	io.Closer
}

// discard ends an answer that nobody will read.
func (a *Answer) discard() {
	if a.Body != nil {
		_ = a.Body.Close()
	}
}
