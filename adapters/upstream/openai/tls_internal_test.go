package openai

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/ports"
	"monorelay/test/contract"
	"monorelay/test/fixture"
)

// Over TLS the contract is the same.
func TestUpstreamOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	config := &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}
	contract.Upstream(t, func(t *testing.T, script contract.Script) (ports.Upstream, *provider.Provider) {
		t.Helper()
		u := fixture.NewUpstream(t)
		u.Script(script)
		address := serveThrough(t, strings.TrimPrefix(u.URL, "http://"), func(near net.Conn) net.Conn { return tls.Server(near, config) })
		client := newClient(roots)
		t.Cleanup(client.Close)
		return client, at(t, "https://"+address)
	})
}

func at(t *testing.T, url string) *provider.Provider {
	t.Helper()
	base, err := provider.ParseBase(url)
	require.NoError(t, err)
	return &provider.Provider{Name: "p", Base: base, Key: provider.NewSecret("sk-canary"), Timeout: 15 * time.Second}
}

// serveThrough passes what comes on to target, and its answers back. Either side's end is the other's, a reset too.
func serveThrough(t *testing.T, target string, wrap func(net.Conn) net.Conn) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				_ = near.Close()
				continue
			}
			wrapped := wrap(near)
			running.Go(func() { pass(far, wrapped, near) })
			running.Go(func() { pass(wrapped, far, far) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// pass copies until from ends, and then ends to, which goes over socket.
func pass(from, to, socket net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = socket.(*net.TCPConn).SetLinger(0)
		_ = socket.Close()
	}
	_ = to.Close()
	_ = from.Close()
}

// A firewall that forgets a connection answers nothing, not even that.
func TestAConnectionThatDiedWithoutAWordIsLeft(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	wall := &firewall{forgotten: make(chan struct{})}
	call := ports.Call{
		Provider: at(t, "http://"+serveThrough(t, strings.TrimPrefix(u.URL, "http://"), wall.wrap)),
		Endpoint: exchange.ChatCompletions, Body: []byte("{}"),
	}
	client := newClient(nil)
	t.Cleanup(client.Close)
	call.Provider.Timeout = 300 * time.Millisecond
	ask := func() error {
		reply, err := client.Call(t.Context(), call)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(reply.Body)
		require.NoError(t, reply.Body.Close())
		return err
	}
	require.NoError(t, ask())
	require.NoError(t, ask())
	require.Equal(t, 1, u.Connections())
	wall.forget()
	require.ErrorIs(t, ask(), ports.ErrUpstreamSlow)
	require.NoError(t, ask())
}

// firewall passes connections on, until it forgets those that there are.
type firewall struct {
	mu        sync.Mutex
	forgotten chan struct{}
}

// forget makes the connections that there are lead nowhere.
func (f *firewall) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.forgotten)
	f.forgotten = make(chan struct{})
}

func (f *firewall) wrap(c net.Conn) net.Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &passing{Conn: c, forgotten: f.forgotten}
}

// passing is a connection whose peer hears nothing once it is forgotten.
type passing struct {
	net.Conn

	forgotten chan struct{}
}

func (p *passing) Read(b []byte) (int, error) {
	for {
		n, err := p.Conn.Read(b)
		select {
		case <-p.forgotten:
			if err != nil {
				return 0, err
			}
		default:
			return n, err
		}
	}
}
