package http1_test

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/adapters/upstream/http1"
	"monorelay/ports"
	"monorelay/test/fixture"
)

// resources counts goroutines and, where the system tells, open files.
func resources() (goroutines, files int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return runtime.NumGoroutine(), 0
	}
	return runtime.NumGoroutine(), len(entries)
}

// It counts what the whole process has, and so is not parallel.
func TestTheEndOfACallLeavesNothing(t *testing.T) { //nolint:paralleltest // see above
	const rounds = 200
	hang := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			r := bufio.NewReader(c)
			if _, err := request(r); err == nil {
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, r)
			}
		}
	}
	tests := []struct {
		name     string
		serve    func(net.Conn)
		scheme   string
		body     int // bytes
		guard    http1.Guard
		answered bool // whether Do may succeed
	}{
		{name: "while it connects", serve: hang(""), scheme: "http", guard: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}},
		{name: "in the TLS handshake", serve: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, scheme: "https"},
		{name: "while it writes", serve: waitForEnd, scheme: "http", body: 20 << 20},
		{name: "before the head", serve: hang(""), scheme: "http"},
		{name: "in the head", serve: hang("HTTP/1.1 200 OK\r\nContent-"), scheme: "http"},
		{name: "in the body", serve: hang(fixture.StreamHead() + fixture.Chunk("0123")), scheme: "http", answered: true},
		{name: "in a body that the close ends", serve: hang(fixture.OpenStreamHead() + "0123"), scheme: "http", answered: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serveTCP(t, tt.serve)
			client := http1.New(tt.guard, nil)
			defer client.Close()
			goroutines, files := resources()
			for range rounds {
				ctx, cancel := context.WithCancel(t.Context())
				delay := time.Duration(rand.IntN(2000)) * time.Microsecond
				timer := time.AfterFunc(delay, cancel)
				reply, err := client.Do(ctx, post(tt.scheme+strings.TrimPrefix(url, "http"), make([]byte, tt.body)))
				if err == nil {
					require.True(t, tt.answered)
					var got []byte
					got, err = io.ReadAll(reply.Body)
					assert.LessOrEqual(t, len(got), 4)
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					if rand.IntN(2) == 0 {
						require.NoError(t, reply.Body.Close())
					}
				} else {
					require.ErrorIs(t, err, ports.ErrCallEnded)
				}
				require.Error(t, ctx.Err())
				timer.Stop()
				cancel()
			}
			g, f := resources()
			for start := time.Now(); (g > goroutines || f > files) && time.Since(start) < 10*time.Second; g, f = resources() {
				time.Sleep(time.Millisecond)
			}
			assert.LessOrEqual(t, g, goroutines, "goroutines are left")
			assert.LessOrEqual(t, f, files, "files are left")
		})
	}
}

func TestConnectionsAreNeverMixedWhileCallsEnd(t *testing.T) {
	t.Parallel()
	u := scripted(t, func(x *fixture.Exchange) { x.Send(fixture.JSON(200, strings.Repeat(x.Body, 100))) })
	client := newClient(t, nil)
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for round := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				body := strings.Repeat(string(rune('a'+caller)), 1+round%10)
				timer := time.AfterFunc(time.Duration(rand.IntN(1500))*time.Microsecond, cancel)
				reply, err := client.Do(ctx, post(u.URL, []byte(body)))
				if err == nil {
					var got []byte
					got, err = io.ReadAll(reply.Body)
					if err == nil {
						assert.Equal(t, strings.Repeat(body, 100), string(got))
					} else {
						assert.True(t, strings.HasPrefix(strings.Repeat(body, 100), string(got)))
					}
					go cancel()
					_ = reply.Body.Close()
				}
				assert.True(t, err == nil || ctx.Err() != nil, "%v", err)
				timer.Stop()
				cancel()
			}
		})
	}
	callers.Wait()
	assert.Less(t, u.Connections(), 1600, "none was used again")
}

func TestCloseWhileReadEndsTheBody(t *testing.T) {
	t.Parallel()
	u := scripted(t, func(x *fixture.Exchange) { x.Send(fixture.Stream("a", "b", "c")) })
	client := newClient(t, nil)
	for range 500 {
		reply, err := client.Do(t.Context(), post(u.URL, nil))
		require.NoError(t, err)
		var both sync.WaitGroup
		both.Go(func() { _ = reply.Body.Close() })
		both.Go(func() { _ = reply.Body.Close() })
		_, _ = io.ReadAll(reply.Body)
		both.Wait()
		n, err := reply.Body.Read(make([]byte, 1))
		assert.Zero(t, n)
		require.Error(t, err)
	}
}

// Every end of a stream, at every byte.
func TestAStreamThatEndsAtAnyByteGivesWhatCame(t *testing.T) {
	t.Parallel()
	var events []string
	for i := range 20 {
		events = append(events, strings.Repeat("x", i))
	}
	stream := fixture.Stream(events...)
	head := len(fixture.StreamHead())
	var data strings.Builder
	for _, e := range events {
		data.WriteString(fixture.Event(e))
	}
	whole := data.String()
	for name, end := range map[string]func(*fixture.Exchange){"FIN": (*fixture.Exchange).Cut, "RST": func(x *fixture.Exchange) {
		time.Sleep(2 * time.Millisecond) // what was sent just before may be lost otherwise
		x.Reset()
	}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := fixture.NewUpstream(t)
			client := newClient(t, nil)
			for at := head; at <= len(stream); at++ {
				u.Script(func(x *fixture.Exchange) {
					x.Send(stream[:at])
					end(x)
				})
				reply, err := client.Do(t.Context(), post(u.URL, nil))
				require.NoError(t, err, "at byte %d", at)
				got, err := io.ReadAll(reply.Body)
				assert.True(t, strings.HasPrefix(whole, string(got)), "at byte %d", at)
				if at == len(stream) {
					require.NoError(t, err)
					assert.Equal(t, whole, string(got))
					break
				}
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "at byte %d", at)
				// Of what was sent, all data came: the rest of the frame has no more of them.
				assert.Equal(t, dataIn(stream[head:at]), string(got), "at byte %d", at)
			}
		})
	}
}

// dataIn returns the data in the beginning of a body whose chunks are events.
func dataIn(body string) (data string) {
	for {
		size, rest, found := strings.Cut(body, "\r\n")
		if !found {
			return data
		}
		length := 0
		for _, digit := range size {
			length = length*16 + strings.IndexRune("0123456789abcdef", digit)
		}
		if length > len(rest) {
			return data + rest
		}
		data += rest[:length]
		if len(rest) < length+2 {
			return data
		}
		body = rest[length+2:]
	}
}
