package openai

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/ports"
)

// Over TLS providers speak HTTP/2, of which the contract's scripts know nothing. What differs is held here.

func serveHTTP2(t *testing.T, handler http.HandlerFunc) (*Client, ports.Call) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client := New()
	client.private.TLSClientConfig = &tls.Config{RootCAs: roots}
	t.Cleanup(client.Close)
	base, err := provider.ParseBase(server.URL)
	require.NoError(t, err)
	return client, ports.Call{
		Provider: &provider.Provider{Base: base, Timeout: 15 * time.Second, Key: provider.NewSecret("sk-canary")},
		Endpoint: exchange.ChatCompletions, Body: []byte("{}"),
	}
}

func send(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush()
}

func TestHTTP2StreamsArePassedOnAsTheyCome(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	client, call := serveHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "HTTP/2.0", r.Proto)
		assert.Equal(t, http.Header{"Authorization": {"Bearer sk-canary"}, "User-Agent": {"monorelay"}, "Content-Length": {"2"}}, r.Header)
		send(w, "one")
		<-read
		send(w, "two")
	})
	reply, err := client.Call(t.Context(), call)
	require.NoError(t, err)
	assert.False(t, reply.OpenEnded, "the end of a stream shows")
	assert.EqualValues(t, -1, reply.Length)
	buffer := make([]byte, 100)
	n, err := reply.Body.Read(buffer)
	require.NoError(t, err)
	assert.Equal(t, "one", string(buffer[:n]))
	close(read)
	rest, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	assert.Equal(t, "two", string(rest))
	require.NoError(t, reply.Body.Close())
}

func TestHTTP2StreamsThatBreakOffAreNotWhole(t *testing.T) {
	t.Parallel()
	client, call := serveHTTP2(t, func(w http.ResponseWriter, _ *http.Request) {
		send(w, "one")
		panic(http.ErrAbortHandler)
	})
	reply, err := client.Call(t.Context(), call)
	require.NoError(t, err)
	got, err := io.ReadAll(reply.Body)
	assert.Equal(t, "one", string(got))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, reply.Body.Close())
}

func TestHTTP2RequestsThatAreRefusedAreSentOnce(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	client, call := serveHTTP2(t, func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler)
	})
	_, err := client.Call(t.Context(), call)
	require.ErrorIs(t, err, ports.ErrUnreachable)
	assert.EqualValues(t, 1, calls.Load())
}

func TestHTTP2StreamsEndWithTheirReader(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(context.CancelFunc, io.Closer){
		"the end of ctx": func(cancel context.CancelFunc, _ io.Closer) { cancel() },
		"Close":          func(_ context.CancelFunc, body io.Closer) { _ = body.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			client, call := serveHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
				send(w, "one")
				<-r.Context().Done()
				close(gone)
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			reply, err := client.Call(ctx, call)
			require.NoError(t, err)
			_, err = io.ReadFull(reply.Body, make([]byte, 3))
			require.NoError(t, err)
			ended := make(chan error)
			go func() {
				_, err := reply.Body.Read(make([]byte, 1))
				ended <- err
			}()
			time.Sleep(20 * time.Millisecond) // so that it waits, or nearly always
			leave(cancel, reply.Body)
			for range 2 {
				select {
				case <-gone:
					gone = nil
				case err := <-ended:
					require.Error(t, err)
					require.NotErrorIs(t, err, io.EOF)
				case <-time.After(time.Second):
					require.Fail(t, "the exchange goes on")
				}
			}
			require.NoError(t, reply.Body.Close())
		})
	}
}

func TestHTTP2ProvidersThatFallSilentAreSlow(t *testing.T) {
	t.Parallel()
	var first atomic.Bool
	client, call := serveHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if !first.Swap(true) {
			<-r.Context().Done()
			return
		}
		send(w, "one")
		<-r.Context().Done()
	})
	call.Provider.Timeout = 200 * time.Millisecond
	_, err := client.Call(t.Context(), call)
	require.ErrorIs(t, err, ports.ErrUpstreamSlow)
	reply, err := client.Call(t.Context(), call)
	require.NoError(t, err)
	got, err := io.ReadAll(reply.Body)
	assert.Equal(t, "one", string(got))
	require.ErrorIs(t, err, ports.ErrUpstreamSlow)
	require.NoError(t, reply.Body.Close())
}

// A firewall that forgets a connection answers nothing, not even that.
func TestAnHTTP2ConnectionThatDiedWithoutAWordIsLeft(t *testing.T) {
	t.Parallel()
	client, call := serveHTTP2(t, func(w http.ResponseWriter, _ *http.Request) { send(w, "one") })
	client.private.HTTP2 = &http.HTTP2Config{SendPingTimeout: 50 * time.Millisecond, PingTimeout: 50 * time.Millisecond}
	firewall := newFirewall(t, call.Provider.Base.Host)
	call.Provider.Base.Host = firewall.Addr().String()
	call.Provider.Timeout = 300 * time.Millisecond

	reply, err := client.Call(t.Context(), call)
	require.NoError(t, err)
	_, err = io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())

	firewall.forget()
	require.Eventually(t, func() bool {
		reply, err := client.Call(t.Context(), call)
		if err != nil {
			return false
		}
		return reply.Body.Close() == nil
	}, 5*time.Second, 10*time.Millisecond, "call after call goes to the dead connection")
	for _, transport := range []*http.Transport{New().public, New().private} {
		assert.Positive(t, transport.HTTP2.SendPingTimeout)
		assert.Positive(t, transport.HTTP2.PingTimeout)
	}
}

// firewall passes connections on, until it forgets those that there are.
type firewall struct {
	net.Listener

	mu        sync.Mutex
	open      []net.Conn
	forgotten chan struct{}
}

func newFirewall(t *testing.T, target string) *firewall {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &firewall{Listener: listener, forgotten: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				break
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				break
			}
			f.mu.Lock()
			f.open = append(f.open, near, far)
			forgotten := f.forgotten
			f.mu.Unlock()
			running.Go(func() { pass(near, far, forgotten) })
			running.Go(func() { pass(far, near, forgotten) })
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, c := range f.open {
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return f
}

// forget makes the connections that there are lead nowhere.
func (f *firewall) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.forgotten)
	f.forgotten = make(chan struct{})
}

func pass(from io.Reader, to io.Writer, forgotten <-chan struct{}) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-forgotten:
		default:
			_, _ = to.Write(buffer[:n])
		}
	}
}
