package openai_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"monorelay/adapters/upstream/openai"
	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/ports"
	"monorelay/test/contract"
	"monorelay/test/fixture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestUpstream(t *testing.T) {
	t.Parallel()
	contract.Upstream(t, func(t *testing.T, script contract.Script) (ports.Upstream, *provider.Provider) {
		t.Helper()
		u := fixture.NewUpstream(t)
		u.Script(script)
		return newClient(t), providerAt(t, u.URL)
	})
}

func newClient(tb testing.TB) *openai.Client {
	tb.Helper()
	c := openai.New()
	tb.Cleanup(c.Close)
	return c
}

func providerAt(tb testing.TB, url string) *provider.Provider {
	tb.Helper()
	base, err := provider.ParseBase(url)
	require.NoError(tb, err)
	return &provider.Provider{Name: "p", Base: base, Key: provider.NewSecret("sk-canary"), Timeout: 15 * time.Second}
}

// exchangeOnce makes one call, which the provider answers with answer, and returns what came of it.
func exchangeOnce(t *testing.T, answer string, change func(*provider.Provider, *ports.Call)) (*fixture.Exchange, ports.Reply, string) {
	t.Helper()
	u := fixture.NewUpstream(t)
	u.Script(func(x *fixture.Exchange) { x.Send(answer) })
	call := ports.Call{Provider: providerAt(t, u.URL), Endpoint: exchange.ChatCompletions, Body: []byte(`{"model":"m"}`)}
	if change != nil {
		change(call.Provider, &call)
	}
	reply, err := newClient(t).Call(t.Context(), call)
	require.NoError(t, err)
	body, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	require.Len(t, u.Exchanges(), 1)
	return u.Await(t, 0), reply, string(body)
}

func TestCallSendsThisAndNoMore(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*provider.Provider, *ports.Call)
		want   []string
	}{
		{"the least", nil, []string{"POST /chat/completions HTTP/1.1", "Host: HOST", "User-Agent: monorelay", "Content-Length: 13", "Authorization: Bearer sk-canary"}},
		{"a base path", func(p *provider.Provider, _ *ports.Call) { p.Base.Path = "/openai/v1" }, []string{
			"POST /openai/v1/chat/completions HTTP/1.1", "Host: HOST", "User-Agent: monorelay", "Content-Length: 13", "Authorization: Bearer sk-canary",
		}},
		{"a base path with characters that a URL must escape", func(p *provider.Provider, _ *ports.Call) { p.Base.Path = "/a b/é?#\r\n" }, []string{
			"POST /a%20b/%C3%A9%3F%23%0D%0A/chat/completions HTTP/1.1", "Host: HOST", "User-Agent: monorelay", "Content-Length: 13", "Authorization: Bearer sk-canary",
		}},
		{"no key", func(p *provider.Provider, _ *ports.Call) { p.Key = provider.Secret{} }, []string{
			"POST /chat/completions HTTP/1.1", "Host: HOST", "User-Agent: monorelay", "Content-Length: 13",
		}},
		{"another endpoint, without a body", func(_ *provider.Provider, c *ports.Call) { c.Endpoint, c.Body = exchange.Models, nil }, []string{
			"GET /models HTTP/1.1", "Host: HOST", "User-Agent: monorelay", "Authorization: Bearer sk-canary",
		}},
		{"the fields of the call", func(_ *provider.Provider, c *ports.Call) {
			c.Header = exchange.Header{{Name: "Content-Type", Value: "application/json; charset=utf-8"}, {Name: "Accept", Value: "a"}, {Name: "Accept", Value: "b"}}
		}, []string{
			"POST /chat/completions HTTP/1.1", "Host: HOST", "User-Agent: monorelay", "Content-Length: 13",
			"Accept: a", "Accept: b", "Authorization: Bearer sk-canary", "Content-Type: application/json; charset=utf-8",
		}},
		{"the operator's fields, which win", func(p *provider.Provider, c *ports.Call) {
			c.Header = exchange.Header{{Name: "Accept", Value: "a"}, {Name: "Accept", Value: "b"}}
			p.Headers = []provider.Header{{Name: "accept", Value: "c"}, {Name: "user-agent", Value: "acme"}, {Name: "x-title", Value: "MonoRelay"}}
		}, []string{
			"POST /chat/completions HTTP/1.1", "Host: HOST", "User-Agent: acme", "Content-Length: 13",
			"Accept: c", "Authorization: Bearer sk-canary", "X-Title: MonoRelay",
		}},
		{"no idempotency key, whoever sets it", func(p *provider.Provider, c *ports.Call) {
			c.Header = exchange.Header{{Name: "Idempotency-Key", Value: "1"}}
			p.Headers = []provider.Header{{Name: "x-idempotency-key", Value: "2"}}
		}, []string{"POST /chat/completions HTTP/1.1", "Host: HOST", "User-Agent: monorelay", "Content-Length: 13", "Authorization: Bearer sk-canary"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var host string
			x, _, _ := exchangeOnce(t, fixture.JSON(200, "{}"), func(p *provider.Provider, c *ports.Call) {
				host = p.Base.Host
				if tt.change != nil {
					tt.change(p, c)
				}
			})
			assert.Equal(t, strings.ReplaceAll(strings.Join(tt.want, "\r\n"), "HOST", host)+"\r\n\r\n", x.Head)
		})
	}
}

func TestCallSendsTheBodyToTheByte(t *testing.T) {
	t.Parallel()
	every := make([]byte, 0, 255)
	for b := range byte(255) {
		every = append(every, b)
	}
	every = bytes.Repeat(every, 5<<20/len(every)+1)
	for _, length := range []int{0, 1, 2, 4095, 4096, 4097, 1 << 20, len(every)} {
		x, _, _ := exchangeOnce(t, fixture.JSON(200, "{}"), func(_ *provider.Provider, c *ports.Call) { c.Body = every[:length] })
		assert.Equal(t, strconv.Itoa(length), x.Value("Content-Length"))
		assert.Empty(t, x.Values("Transfer-Encoding"))
		assert.True(t, x.Body == string(every[:length]), "%d bytes came as %d others", length, len(x.Body)) //nolint:testifylint // megabytes
	}
}

func TestReplyHasTheFieldsThatMayCross(t *testing.T) {
	t.Parallel()
	_, reply, _ := exchangeOnce(t, fixture.JSON(429, "{}",
		"Set-Cookie: __cf_bm=1; path=/", "Server: cloudflare", "Via: 1.1 x", "Alt-Svc: h3=\":443\"", "Strict-Transport-Security: max-age=1", "Date: x", "CF-Ray: 1",
		"Openai-Organization: acme", "openai-project: proj_1", "Anthropic-Organization-Id: 1", "Access-Control-Allow-Origin: *", "Location: /x", "Connection: keep-alive",
		"Keep-Alive: timeout=5", "Trailer: X-Sum", "X-Powered-By: x", "X-Forwarded-For: 10.0.0.1", "WWW-Authenticate: Bearer", "Link: <x>",
		"openai-processing-ms: 12", "OPENAI-VERSION: 2020-10-01", "x-ratelimit-limit-requests: 60", "X-RateLimit-Remaining-Tokens: 1", "retry-after: 7", "Retry-After-Ms: 7000",
		"x-should-retry: true", "x-request-id: req_1", "request-id: req_2", "anthropic-ratelimit-requests-limit: 5", "content-encoding: identity", "content-disposition: inline",
	), nil)
	sorted := slices.SortedFunc(slices.Values(reply.Header), func(a, b exchange.Field) int { return strings.Compare(a.Name+a.Value, b.Name+b.Value) })
	assert.Equal(t, []exchange.Field{
		{Name: "Anthropic-Ratelimit-Requests-Limit", Value: "5"},
		{Name: "Content-Disposition", Value: "inline"},
		{Name: "Content-Encoding", Value: "identity"},
		{Name: "Content-Type", Value: "application/json"},
		{Name: "Openai-Processing-Ms", Value: "12"},
		{Name: "Openai-Version", Value: "2020-10-01"},
		{Name: "Retry-After-Ms", Value: "7000"},
		{Name: "Retry-After", Value: "7"},
		{Name: "X-Ratelimit-Limit-Requests", Value: "60"},
		{Name: "X-Ratelimit-Remaining-Tokens", Value: "1"},
		{Name: "X-Should-Retry", Value: "true"},
		{Name: "X-Upstream-Request-Id", Value: "req_1"},
		{Name: "X-Upstream-Request-Id", Value: "req_2"},
	}, sorted)
}

func TestACompressedAnswerStaysCompressed(t *testing.T) {
	t.Parallel()
	var packed strings.Builder
	w := gzip.NewWriter(&packed)
	_, err := io.WriteString(w, strings.Repeat("0", 1<<20))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, reply, body := exchangeOnce(t, fixture.JSON(200, packed.String(), "Content-Encoding: gzip"), nil)
	assert.Equal(t, packed.String(), body)
	assert.EqualValues(t, packed.Len(), reply.Length)
	assert.Equal(t, "gzip", reply.Header.Get("Content-Encoding"))
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	client := newClient(t)
	for range 10 {
		reply, err := client.Call(t.Context(), ports.Call{Provider: providerAt(t, u.URL), Endpoint: exchange.ChatCompletions, Body: []byte("{}")})
		require.NoError(t, err)
		_, err = io.ReadAll(reply.Body)
		require.NoError(t, err)
		require.NoError(t, reply.Body.Close())
	}
	assert.Equal(t, 1, u.Connections())
	client.Close()
	require.Eventually(t, func() bool { return u.Open() == 0 }, time.Second, time.Millisecond, "Close leaves an idle connection")
}

func TestTheKeyIsInNoError(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	client := newClient(t)
	for _, script := range []fixture.Script{
		(*fixture.Exchange).Cut, (*fixture.Exchange).Reset,
		func(x *fixture.Exchange) { x.Send(x.Head + "\r\n\r\n") },
	} {
		u.Script(script)
		_, err := client.Call(t.Context(), ports.Call{Provider: providerAt(t, u.URL), Endpoint: exchange.ChatCompletions, Body: []byte("{}")})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "sk-canary")
	}
}

// It replaces the resolver of the whole process, and so runs before the tests that are parallel.
func TestANameMayNotLeadToAPrivateAddress(t *testing.T) { //nolint:paralleltest // see above
	u := fixture.NewUpstream(t)
	resolver := net.DefaultResolver
	net.DefaultResolver = fakeDNS(t, netip.MustParseAddr("127.0.0.1"))
	defer func() { net.DefaultResolver = resolver }()

	client := newClient(t)
	p := providerAt(t, u.URL)
	_, port, err := net.SplitHostPort(p.Base.Host)
	require.NoError(t, err)
	p.Base.Host = net.JoinHostPort("models.example.com", port)
	call := ports.Call{Provider: p, Endpoint: exchange.ChatCompletions, Body: []byte("{}")}
	_, err = client.Call(t.Context(), call)
	require.ErrorIs(t, err, ports.ErrUnreachable)
	require.ErrorContains(t, err, "allow_private")
	assert.Zero(t, u.Connections())

	p.AllowPrivate = true
	reply, err := client.Call(t.Context(), call)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	assert.Equal(t, "models.example.com:"+port, u.Await(t, 0).Value("Host"))

	p.AllowPrivate = false
	_, err = client.Call(t.Context(), call)
	require.ErrorIs(t, err, ports.ErrUnreachable, "a connection of those that may was used")
	assert.Len(t, u.Exchanges(), 1)
}

// fakeDNS returns a resolver for which every name has one address.
func fakeDNS(t *testing.T, address netip.Addr) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	go func() {
		defer close(done)
		message := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(message)
			if err != nil {
				return
			}
			end := 12 + strings.IndexByte(string(message[12:n]), 0) + 5 // of the question, after its type and class
			question := message[12:end]
			answer := append([]byte{message[0], message[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			if question[len(question)-3] == 1 { // asks for an address of IPv4
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, address.AsSlice()...)
			}
			_, _ = server.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func BenchmarkCall(b *testing.B) {
	u := fixture.NewUpstream(b)
	client := newClient(b)
	call := ports.Call{Provider: providerAt(b, u.URL), Endpoint: exchange.ChatCompletions, Body: []byte(`{"model":"m"}`)}
	b.ReportAllocs()
	for b.Loop() {
		reply, err := client.Call(b.Context(), call)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, reply.Body); err != nil {
			b.Fatal(err)
		}
		_ = reply.Body.Close()
	}
}
