package http1_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/adapters/upstream/http1"
	"monorelay/domain/exchange"
	"monorelay/ports"
	"monorelay/test/fixture"
)

func TestTheHeadOfARequest(t *testing.T) {
	t.Parallel()
	const end = "\r\n\r\n"
	tests := []struct {
		name    string
		request http1.Request
		want    string
	}{
		{"a GET", http1.Request{Method: "GET", Path: "/models"}, "GET /models HTTP/1.1\r\nHost: HOST" + end},
		{"a POST without a body", http1.Request{Method: "POST", Path: "/x"}, "POST /x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0" + end},
		{"fields, in their order", http1.Request{Method: "GET", Path: "/", Agent: "a b", Header: exchange.Header{{Name: "B", Value: " 1\t"}, {Name: "A", Value: ""}, {Name: "B", Value: "é"}}}, "GET / HTTP/1.1\r\nHost: HOST\r\nUser-Agent: a b\r\nB: 1\r\nA: \r\nB: é" + end},
		{"no path", http1.Request{Method: "GET"}, "GET / HTTP/1.1\r\nHost: HOST" + end},
		{"a path without a slash", http1.Request{Method: "GET", Path: "a"}, "GET /a HTTP/1.1\r\nHost: HOST" + end},
		{"a path to be escaped", http1.Request{Method: "GET", Path: "/a b/\r\nX: y?#%é"}, "GET /a%20b/%0D%0AX:%20y%3F%23%25%C3%A9 HTTP/1.1\r\nHost: HOST" + end},
		{"fields of the connection", http1.Request{Method: "GET", Path: "/", Header: exchange.Header{
			{Name: "Host", Value: "evil"},
			{Name: "Content-Length", Value: "5"},
			{Name: "Transfer-Encoding", Value: "chunked"},
			{Name: "Connection", Value: "close"},
			{Name: "Te", Value: "trailers"},
			{Name: "Upgrade", Value: "h2c"},
			{Name: "Expect", Value: "100-continue"},
			{Name: "User-Agent", Value: "x"},
			{Name: "Trailer", Value: "X"},
		}}, "GET / HTTP/1.1\r\nHost: HOST" + end},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := fixture.NewUpstream(t)
			r := tt.request
			r.Scheme, r.Host, r.Timeout = "http", strings.TrimPrefix(u.URL, "http://"), 15*time.Second
			reply, err := newClient(t, nil).Do(t.Context(), &r)
			require.NoError(t, err)
			whole(t, reply)
			assert.Equal(t, strings.ReplaceAll(tt.want, "HOST", r.Host), u.Await(t, 0).Head)
		})
	}
}

func TestRequestsThatCantBeCarriedAreNotSent(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	client := newClient(t, nil)
	for name, change := range map[string]func(*http1.Request){
		"CR in a value":         func(r *http1.Request) { r.Header = exchange.Header{{Name: "X", Value: "s3cret\rX: y"}} },
		"LF in a value":         func(r *http1.Request) { r.Header = exchange.Header{{Name: "X", Value: "s3cret\nX: y"}} },
		"CRLF in a value":       func(r *http1.Request) { r.Header = exchange.Header{{Name: "X", Value: "s3cret\r\n\r\n"}} },
		"NUL in a value":        func(r *http1.Request) { r.Header = exchange.Header{{Name: "X", Value: "s3cret\x00"}} },
		"DEL in a value":        func(r *http1.Request) { r.Header = exchange.Header{{Name: "X", Value: "s3cret\x7f"}} },
		"a colon in a name":     func(r *http1.Request) { r.Header = exchange.Header{{Name: "X:s3cret", Value: "y"}} },
		"a line in a name":      func(r *http1.Request) { r.Header = exchange.Header{{Name: "X\r\nY", Value: "s3cret"}} },
		"a space in a name":     func(r *http1.Request) { r.Header = exchange.Header{{Name: "X ", Value: "s3cret"}} },
		"no name":               func(r *http1.Request) { r.Header = exchange.Header{{Name: "", Value: "s3cret"}} },
		"a line in the agent":   func(r *http1.Request) { r.Agent = "a\r\nb" },
		"a line in the method":  func(r *http1.Request) { r.Method = "GET / HTTP/1.1\r\n" },
		"no method":             func(r *http1.Request) { r.Method = "" },
		"another scheme":        func(r *http1.Request) { r.Scheme = "ftp" },
		"no host":               func(r *http1.Request) { r.Host = "" },
		"a line in the host":    func(r *http1.Request) { r.Host += "\r\nX: y" },
		"a slash in the host":   func(r *http1.Request) { r.Host += "/x" },
		"letters beyond ASCII":  func(r *http1.Request) { r.Host = "bücher.example" },
		"a person in the host":  func(r *http1.Request) { r.Host = "a:b@" + r.Host },
		"a zone in the address": func(r *http1.Request) { r.Host = "[fe80::1%lo]" },
	} {
		request := post(u.URL, []byte("{}"))
		change(request)
		_, err := client.Do(t.Context(), request)
		require.ErrorIs(t, err, ports.ErrUnreachable, name)
		assert.NotContains(t, err.Error(), "s3cret", name)
	}
	assert.Zero(t, u.Connections())
}

func TestAnAnswerThatComesBeforeTheBodyWasReadIsDelivered(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large"
	for name, then := range map[string]func(net.Conn, *bufio.Reader){
		"and reads on":             func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) },
		"and reads no more":        func(c net.Conn, _ *bufio.Reader) { waitForEnd(c) },
		"and closes":               func(net.Conn, *bufio.Reader) {},
		"and closes after a while": func(net.Conn, *bufio.Reader) { time.Sleep(20 * time.Millisecond) },
		"and closes its side": func(c net.Conn, r *bufio.Reader) {
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, r)
		},
	} {
		for which, size := range map[string]int{"20 MB": 20 << 20, "40 KB": 40 << 10, "1 KB": 1 << 10} {
			t.Run("of "+which+", "+name, func(t *testing.T) {
				t.Parallel()
				url := serveTCP(t, func(c net.Conn) {
					r := bufio.NewReaderSize(c, 16)
					for line := ""; line != "\r\n"; {
						var err error
						if line, err = r.ReadString('\n'); err != nil {
							return
						}
					}
					_, _ = io.WriteString(c, answer)
					then(c, r)
				})
				client := newClient(t, nil)
				body := make([]byte, size)
				for range 20 {
					start := time.Now()
					reply, err := client.Do(t.Context(), post(url, body))
					require.NoError(t, err)
					assert.Equal(t, 413, reply.Status)
					assert.Equal(t, "too large", whole(t, reply))
					assert.Less(t, time.Since(start), 5*time.Second)
				}
			})
		}
	}
}

// waitForEnd returns when the other side is gone, and reads nothing before.
func waitForEnd(c net.Conn) {
	for { // a write shows it
		time.Sleep(5 * time.Millisecond)
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
	}
}

func TestAProviderThatTakesNothingIsSlow(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		for _, size := range []int{1, 40 << 10, 20 << 20} {
			url := serveTCP(t, func(net.Conn) { time.Sleep(time.Second) })
			request := post(scheme+strings.TrimPrefix(url, "http"), make([]byte, size))
			request.Timeout = 100 * time.Millisecond
			start := time.Now()
			_, err := newClient(t, nil).Do(t.Context(), request)
			require.ErrorIs(t, err, ports.ErrUpstreamSlow)
			assert.Less(t, time.Since(start), 900*time.Millisecond)
		}
	}
}

// The sockets hold some megabytes of it, whose way nobody sees: the time-out is longer than what those take.
func TestAProviderThatTakesALargeBodySlowlyIsNotGivenUp(t *testing.T) {
	t.Parallel()
	const size = 40 << 20
	url := serveTCP(t, func(c net.Conn) {
		piece := make([]byte, 128<<10)
		for read := 0; read < size; {
			n, err := c.Read(piece)
			if err != nil {
				return
			}
			read += n
			time.Sleep(5 * time.Millisecond)
		}
		_, _ = io.WriteString(c, fixture.JSON(200, "{}"))
	})
	request := post(url, make([]byte, size))
	request.Timeout = time.Second
	start := time.Now()
	reply, err := newClient(t, nil).Do(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, "{}", whole(t, reply))
	assert.Greater(t, time.Since(start), request.Timeout, "it was not slow: the test shows nothing")
}

func TestAConnectionIsNotUsedAgainWhileItsRequestIsBeingWritten(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	left := make(chan struct{})
	url := serveTCP(t, func(c net.Conn) {
		connections.Add(1)
		_, _ = c.Read(make([]byte, 1))
		_, _ = io.WriteString(c, fixture.JSON(413, "{}"))
		<-left
	})
	t.Cleanup(func() { close(left) })
	client := newClient(t, nil)
	for range 3 {
		reply, err := client.Do(t.Context(), post(url, make([]byte, 20<<20)))
		require.NoError(t, err)
		assert.Equal(t, "{}", whole(t, reply))
	}
	assert.EqualValues(t, 3, connections.Load())
}

func TestAConnectionIsUsedAgainAfterALargeBody(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	client := newClient(t, nil)
	for range 20 {
		reply, err := client.Do(t.Context(), post(u.URL, make([]byte, 1<<20)))
		require.NoError(t, err)
		whole(t, reply)
	}
	assert.Equal(t, 1, u.Connections())
}
