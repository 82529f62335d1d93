// Package openai carries calls to providers that speak OpenAI's API over HTTP. It uses net/http's Transport, whose
// requests end with their context, and by itself: no redirect is followed, no cookie kept, nothing decompressed.
package openai

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/ports"
)

var _ ports.Upstream = (*Client)(nil)

const (
	dialTimeout = 10 * time.Second
	// idleTimeout is shorter than the 60 s or more after which servers close an idle connection, since a request that
	// meets the close can't be sent again.
	idleTimeout = 50 * time.Second
	idlePerHost = 512
	headerLimit = 256 << 10 // bytes
	// pingAfter is how long an HTTP/2 connection may be silent before it is asked whether it is still there, and pingLimit
	// how long it may think: otherwise one that died without a word would take call after call.
	pingAfter = 15 * time.Second
	pingLimit = 10 * time.Second
)

// Client is a ports.Upstream.
type Client struct {
	public  *http.Transport // refuses private addresses
	private *http.Transport
}

// New returns a client without connections.
func New() *Client {
	return &Client{public: newTransport(refusePrivate), private: newTransport(refuseMetadata)}
}

func newTransport(guard dialGuard) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, ControlContext: guard}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingLimit},
		TLSHandshakeTimeout:    dialTimeout,
		DisableCompression:     true,
		MaxIdleConns:           0, // bounded for each host
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: headerLimit,
	}
}

// Close closes the idle connections.
func (c *Client) Close() {
	c.public.CloseIdleConnections()
	c.private.CloseIdleConnections()
}

// errSilent is why a call was ended whose provider sent nothing for its timeout.
var errSilent = errors.New("the provider sent nothing in time")

// Call implements ports.Upstream.
func (c *Client) Call(ctx context.Context, call ports.Call) (ports.Reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	patience := newPatience(call.Provider.Timeout, cancel)
	response, err := c.transport(call.Provider).RoundTrip(newRequest(ctx, call))
	patience.stop()
	if err != nil {
		err = explain(ctx, err)
		cancel(nil)
		return ports.Reply{}, err
	}
	if response.StatusCode < 200 { // 101, for which nobody asked, or no status at all
		cancel(nil)
		_ = response.Body.Close()
		return ports.Reply{}, ports.ErrBadAnswer.Because(fmt.Errorf("the provider answered with status %d", response.StatusCode))
	}
	return ports.Reply{
		Status:    response.StatusCode,
		Header:    forClient(response.Header),
		Length:    response.ContentLength,
		OpenEnded: response.ContentLength < 0 && response.ProtoMajor == 1 && len(response.TransferEncoding) == 0,
		Body:      &body{ReadCloser: response.Body, ctx: ctx, cancel: cancel, patience: patience},
	}, nil
}

func (c *Client) transport(p *provider.Provider) *http.Transport {
	if p.AllowPrivate || namesPrivate(p.Base.Host) {
		return c.private
	}
	return c.public
}

// newRequest leaves out Idempotency-Key, which would make the transport send a request again by itself.
func newRequest(ctx context.Context, call ports.Call) *http.Request {
	p := call.Provider
	header := make(http.Header, len(call.Header)+len(p.Headers)+2)
	header["User-Agent"] = []string{"monorelay"}
	for _, f := range call.Header {
		header[f.Name] = append(header[f.Name], f.Value)
	}
	for _, h := range p.Headers {
		header.Set(h.Name, h.Value)
	}
	delete(header, "Idempotency-Key")
	delete(header, "X-Idempotency-Key")
	if !p.Key.IsZero() {
		header["Authorization"] = []string{"Bearer " + p.Key.Reveal()}
	}
	request := &http.Request{
		Method: call.Endpoint.Method,
		URL:    &url.URL{Scheme: p.Base.Scheme, Host: p.Base.Host, Path: p.Base.Path + call.Endpoint.Path},
		Host:   p.Base.Host,
		Header: header,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if len(call.Body) > 0 { // an empty one, if there, would go in chunks
		request.ContentLength = int64(len(call.Body))
		// GetBody lets the transport turn to a fresh connection if an idle one died before a byte was written.
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(call.Body)), nil }
		request.Body = io.NopCloser(bytes.NewReader(call.Body))
	}
	return request.WithContext(ctx)
}

func forClient(h http.Header) exchange.Header {
	out := make(exchange.Header, 0, len(h))
	for name, values := range h {
		if name = exchange.ForClient(name); name == "" {
			continue
		}
		for _, value := range values {
			out = append(out, exchange.Field{Name: name, Value: value})
		}
	}
	return out
}

// explain turns the transport's error into the port's. Its text is for the log: it can name hosts and addresses.
func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return ports.ErrUpstreamSlow.Because(cause)
	} else if cause != nil {
		return ports.ErrCallEnded.Because(cause)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return ports.ErrUpstreamSlow.Because(err)
	}
	if isUnreadable(err) {
		return ports.ErrBadAnswer.Because(errUnreadable) // the transport's error quotes the answer
	}
	return ports.ErrUnreachable.Because(err)
}

var errUnreadable = errors.New("the head of the answer is not HTTP/1.1, or too large")

// isUnreadable reports whether an answer came that the transport can't read. It has no type for that, and calls the
// connection broken in either case.
func isUnreadable(err error) bool {
	if _, network := errors.AsType[*net.OpError](err); network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "connection broken") || strings.Contains(text, "malformed")
}

// body is the answer's body, whose reads are bounded in time.
type body struct {
	io.ReadCloser
	ctx      context.Context //nolint:containedctx // the context of the call that the body is part of
	cancel   context.CancelCauseFunc
	patience *patience
}

// Read gives what has arrived. A provider that is silent for too long is given up, a reader that is slow is not.
func (b *body) Read(p []byte) (int, error) {
	b.patience.start()
	n, err := b.ReadCloser.Read(p)
	b.patience.stop()
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case errors.Is(context.Cause(b.ctx), errSilent):
		return n, ports.ErrUpstreamSlow.Because(errSilent)
	}
	return n, errors.Join(io.ErrUnexpectedEOF, err)
}

// Close ends the exchange.
func (b *body) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// patience ends a call when its provider sends nothing for too long.
type patience struct {
	limit time.Duration
	timer *time.Timer
}

func newPatience(limit time.Duration, cancel context.CancelCauseFunc) *patience {
	return &patience{limit: limit, timer: time.AfterFunc(limit, func() { cancel(errSilent) })}
}

func (p *patience) start() { p.timer.Reset(p.limit) }
func (p *patience) stop()  { p.timer.Stop() }
