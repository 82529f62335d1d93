package http1_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"monorelay/adapters/upstream/http1"
	"monorelay/ports"
	"monorelay/test/fixture"
)

func newClient(tb testing.TB, roots *x509.CertPool) *http1.Client {
	tb.Helper()
	c := http1.New(nil, roots)
	tb.Cleanup(c.Close)
	return c
}

func post(url string, body []byte) *http1.Request {
	scheme, host, _ := strings.Cut(url, "://")
	return &http1.Request{Method: "POST", Scheme: scheme, Host: host, Path: "/x", Body: body, Timeout: 15 * time.Second}
}

// ask makes a call and reads its answer to the end.
func ask(tb testing.TB, c *http1.Client, url string) string {
	tb.Helper()
	reply, err := c.Do(tb.Context(), post(url, []byte("{}")))
	require.NoError(tb, err)
	return whole(tb, reply)
}

func whole(tb testing.TB, reply ports.Reply) string {
	tb.Helper()
	got, err := io.ReadAll(reply.Body)
	require.NoError(tb, err)
	require.NoError(tb, reply.Body.Close())
	return string(got)
}

// pair returns the certificate of 127.0.0.1 and example.com that tests have, and the pool that trusts it.
var pair = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server.TLS.Certificates[0], roots
})

// serveTLS serves each connection, and returns the URL and the pool that trusts it.
func serveTLS(tb testing.TB, config *tls.Config, serve func(c *tls.Conn, r *bufio.Reader)) (string, *x509.CertPool) {
	tb.Helper()
	certificate, roots := pair()
	config.Certificates = []tls.Certificate{certificate}
	url := serveTCP(tb, func(c net.Conn) {
		secured := tls.Server(c, config)
		serve(secured, bufio.NewReader(secured))
		_ = secured.Close()
	})
	return "https://" + strings.TrimPrefix(url, "http://"), roots
}

// serveTCP serves each connection, and closes those that are left when the test ends.
func serveTCP(tb testing.TB, serve func(net.Conn)) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	var running sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			running.Go(func() {
				serve(c)
				_ = c.Close()
				mu.Lock()
				defer mu.Unlock()
				delete(open, c)
			})
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return "http://" + listener.Addr().String()
}

// request reads a request with a length, and returns its body.
func request(r *bufio.Reader) (body string, err error) {
	length := 0
	for line := ""; line != "\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			return "", err
		}
		if value, found := strings.CutPrefix(line, "Content-Length: "); found {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	read := make([]byte, length)
	_, err = io.ReadFull(r, read)
	return string(read), err
}

func scripted(tb testing.TB, script fixture.Script) *fixture.Upstream {
	tb.Helper()
	u := fixture.NewUpstream(tb)
	u.Script(script)
	return u
}
