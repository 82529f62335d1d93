// Package openai carries calls to providers that speak OpenAI's API over HTTP.
package openai

import (
	"cmp"
	"context"
	"crypto/x509"
	"net/textproto"
	"slices"

	"monorelay/adapters/upstream/http1"
	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/ports"
)

var _ ports.Upstream = (*Client)(nil)

// Client is a ports.Upstream.
type Client struct {
	public  *http1.Client // refuses private addresses
	private *http1.Client
}

// New returns a client without connections.
func New() *Client { return newClient(nil) }

// newClient returns a client that trusts the certificates that roots lead to, or the system's if that is nil.
func newClient(roots *x509.CertPool) *Client {
	return &Client{public: http1.New(refusePrivate, roots), private: http1.New(refuseMetadata, roots)}
}

// Close closes the idle connections.
func (c *Client) Close() {
	c.public.Close()
	c.private.Close()
}

// Call implements ports.Upstream.
func (c *Client) Call(ctx context.Context, call ports.Call) (ports.Reply, error) {
	p := call.Provider
	var room [16]exchange.Field // holds what is usual
	agent, header := fields(room[:0], call)
	return c.client(p).Do(ctx, &http1.Request{
		Method: call.Endpoint.Method, Scheme: p.Base.Scheme, Host: p.Base.Host, Path: p.Base.Path + call.Endpoint.Path,
		Agent: agent, Header: header, Body: call.Body, Timeout: p.Timeout,
	})
}

func (c *Client) client(p *provider.Provider) *http1.Client {
	if p.AllowPrivate || namesPrivate(p.Base.Host) {
		return c.private
	}
	return c.public
}

// fields appends the header fields of the call to out, and returns the User-Agent apart from them. The operator's win over
// the client's, and the key over all. An idempotency key stays: a provider could take another client's call for a
// repetition of this one.
func fields(out exchange.Header, call ports.Call) (agent string, header exchange.Header) {
	p := call.Provider
	agent = "monorelay"
	out = append(out, call.Header...)
	for _, h := range p.Headers {
		name := textproto.CanonicalMIMEHeaderKey(h.Name)
		if name == "User-Agent" {
			agent = h.Value
			continue
		}
		out = set(out, name, h.Value)
	}
	if !p.Key.IsZero() {
		out = set(out, "Authorization", "Bearer "+p.Key.Reveal())
	}
	out = slices.DeleteFunc(out, func(f exchange.Field) bool {
		return f.Name == "Idempotency-Key" || f.Name == "X-Idempotency-Key"
	})
	slices.SortStableFunc(out, func(a, b exchange.Field) int { return cmp.Compare(a.Name, b.Name) })
	return agent, out
}

// set gives the field of this name one value.
func set(header exchange.Header, name, value string) exchange.Header {
	header = slices.DeleteFunc(header, func(f exchange.Field) bool { return f.Name == name })
	return append(header, exchange.Field{Name: name, Value: value})
}
