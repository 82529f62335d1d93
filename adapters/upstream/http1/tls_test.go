package http1_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/ports"
	"monorelay/test/fixture"
)

func TestTLSConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int32
			url, roots := serveTLS(t, &tls.Config{NextProtos: []string{"h2", "http/1.1"}, MinVersion: version, MaxVersion: version}, func(c *tls.Conn, r *bufio.Reader) {
				connections.Add(1)
				for {
					body, err := request(r)
					if err != nil {
						return
					}
					assert.Equal(t, "http/1.1", c.ConnectionState().NegotiatedProtocol)
					_, _ = io.WriteString(c, fixture.JSON(200, body))
				}
			})
			client := newClient(t, roots)
			for range 20 {
				assert.Equal(t, "{}", ask(t, client, url))
			}
			assert.EqualValues(t, 1, connections.Load())

			for _, size := range []int{16 << 10, 17 << 10, 64 << 10, 65 << 10, 5 << 20} {
				body := strings.Repeat("0123456", size/7)
				reply, err := client.Do(t.Context(), post(url, []byte(body)))
				require.NoError(t, err)
				assert.True(t, body == whole(t, reply), "%d bytes", len(body)) //nolint:testifylint // megabytes
			}
			assert.EqualValues(t, 1, connections.Load())
		})
	}
}

func TestTLSSessionsAreResumed(t *testing.T) {
	t.Parallel()
	var resumed atomic.Int32
	url, roots := serveTLS(t, &tls.Config{}, func(c *tls.Conn, r *bufio.Reader) {
		if _, err := request(r); err != nil {
			return
		}
		if c.ConnectionState().DidResume {
			resumed.Add(1)
		}
		_, _ = io.WriteString(c, fixture.JSON(200, "{}", "Connection: close"))
	})
	client := newClient(t, roots)
	for range 3 {
		ask(t, client, url)
	}
	assert.EqualValues(t, 2, resumed.Load())
}

// It may come in the very record that ends the answer, and wait where no look at the socket finds it.
func TestWhatATLSServerSendsBeyondItsAnswerIsNeverPartOfTheNextOne(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(*tls.Conn, string, string){
		"in one record": func(c *tls.Conn, a, b string) { _, _ = io.WriteString(c, a+b) },
		"in another record": func(c *tls.Conn, a, b string) {
			_, _ = io.WriteString(c, a)
			_, _ = io.WriteString(c, b)
		},
		"at the end of a buffer": func(c *tls.Conn, a, b string) { // the answer ends where a read of it does
			head, body, _ := strings.Cut(a, "\r\n\r\n")
			_, _ = io.WriteString(c, head+"\r\n\r\n")
			time.Sleep(time.Millisecond)
			_, _ = io.WriteString(c, body+b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := make(chan struct{}, 1)
			url, roots := serveTLS(t, &tls.Config{}, func(c *tls.Conn, r *bufio.Reader) {
				for {
					body, err := request(r)
					if err != nil {
						return
					}
					send(c, fixture.JSON(200, strings.Repeat(body, 4096)), fixture.JSON(200, "stowaway"))
					sent <- struct{}{}
				}
			})
			client := newClient(t, roots)
			for i := range 50 {
				mark := string(rune('a' + i%26))
				reply, err := client.Do(t.Context(), post(url, []byte(mark)))
				require.NoError(t, err)
				assert.Equal(t, strings.Repeat(mark, 4096), whole(t, reply))
				<-sent // so it has arrived, too
			}
		})
	}
}

func TestTLSServersMustProveWhoTheyAre(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	serve := func(_ *tls.Conn, r *bufio.Reader) {
		if _, err := request(r); err == nil {
			requests.Add(1)
		}
	}
	url, roots := serveTLS(t, &tls.Config{}, serve)
	_, err := newClient(t, nil).Do(t.Context(), post(url, nil))
	require.ErrorIs(t, err, ports.ErrUnreachable)
	require.ErrorContains(t, err, "x509")

	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "https://"))
	require.NoError(t, err)
	_, err = newClient(t, roots).Do(t.Context(), post("https://localhost:"+port, nil))
	require.ErrorIs(t, err, ports.ErrUnreachable, "the certificate is another host's")
	require.ErrorContains(t, err, "x509")

	old, roots := serveTLS(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, serve)
	_, err = newClient(t, roots).Do(t.Context(), post(old, nil))
	require.ErrorIs(t, err, ports.ErrUnreachable)

	plain := serveTCP(t, func(c net.Conn) { _, _ = io.WriteString(c, fixture.JSON(400, "{}")) })
	_, err = newClient(t, roots).Do(t.Context(), post("https"+strings.TrimPrefix(plain, "http"), nil))
	require.ErrorIs(t, err, ports.ErrUnreachable, "it speaks no TLS")
	assert.Zero(t, requests.Load())
}

func TestATLSServerThatFallsSilentInItsHandshakeIsSlow(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	url := serveTCP(t, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
		close(gone)
	})
	request := post("https"+strings.TrimPrefix(url, "http"), nil)
	request.Timeout = 100 * time.Millisecond
	_, err := newClient(t, nil).Do(t.Context(), request)
	require.ErrorIs(t, err, ports.ErrUpstreamSlow)
	select {
	case <-gone:
	case <-time.After(time.Second):
		require.Fail(t, "the connection stays")
	}
}
