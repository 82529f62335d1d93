package http1_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"monorelay/adapters/upstream/http1"
	"monorelay/domain/exchange"
	"monorelay/test/fixture"
)

var (
	question = []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 228) + `"}]}`)
	fields   = exchange.Header{{Name: "Authorization", Value: "Bearer sk-canary"}, {Name: "Content-Type", Value: "application/json"}}
	reply    = fixture.JSON(200, strings.Repeat("x", 656), "Date: Tue, 24 Nov 2026 14:00:00 GMT", "Server: x")
	events   = fixture.Stream(strings.Split(strings.Repeat(strings.Repeat("x", 180)+" ", 50), " ")...)
)

// answering returns what answers each request with prepared bytes, and allocates nothing for it.
func answering(answer string) func(io.Writer, *bufio.Reader) {
	return func(w io.Writer, r *bufio.Reader) {
		bytesOf := []byte(answer)
		for {
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := r.Discard(len(question)); err != nil {
				return
			}
			if _, err := w.Write(bytesOf); err != nil {
				return
			}
		}
	}
}

// BenchmarkCall compares a call, and the reading of its answer, with the same through net/http's Transport.
func BenchmarkCall(b *testing.B) {
	for name, answer := range map[string]string{"json": reply, "stream": events} {
		serve := answering(answer)
		plain := serveTCP(b, func(c net.Conn) { serve(c, bufio.NewReader(c)) })
		secure, roots := serveTLS(b, &tls.Config{}, func(c *tls.Conn, r *bufio.Reader) { serve(c, r) })
		for _, url := range []string{plain, secure} {
			scheme, _, _ := strings.Cut(url, ":")
			client := newClient(b, roots)
			b.Run(name+"/"+scheme+"/http1", func(b *testing.B) { benchmarkHTTP1(b, client, url) })
			transport := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
			b.Run(name+"/"+scheme+"/transport", func(b *testing.B) { benchmarkTransport(b, transport, url) })
			transport.CloseIdleConnections()
		}
	}
}

func benchmarkHTTP1(b *testing.B, client *http1.Client, url string) {
	b.Helper()
	request := post(url, question)
	request.Header = fields
	buffer := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		answer, err := client.Do(b.Context(), request)
		if err != nil {
			b.Fatal(err)
		}
		drain(b, answer.Body, buffer)
	}
}

func benchmarkTransport(b *testing.B, transport *http.Transport, url string) {
	b.Helper()
	buffer := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"/x", bytes.NewReader(question))
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range fields {
			request.Header[f.Name] = []string{f.Value}
		}
		answer, err := transport.RoundTrip(request)
		if err != nil {
			b.Fatal(err)
		}
		drain(b, answer.Body, buffer)
	}
}

func drain(b *testing.B, body io.ReadCloser, buffer []byte) {
	b.Helper()
	for {
		if _, err := body.Read(buffer); err == io.EOF {
			break
		} else if err != nil {
			b.Fatal(err)
		}
	}
	_ = body.Close()
}
