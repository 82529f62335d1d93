package rest_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/exchange"
	"monorelay/ports"
)

// trickle is a stream of which the test sends the events.
type trickle struct {
	ctx    context.Context
	events chan string
	rest   string
}

func (s *trickle) Read(p []byte) (int, error) {
	if s.rest == "" {
		select {
		case e, more := <-s.events:
			if !more {
				return 0, io.EOF
			}
			s.rest = e
		case <-s.ctx.Done():
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (*trickle) Close() error { return nil }

func streaming(events chan string) upstream {
	return func(ctx context.Context, _ ports.Call) (ports.Reply, error) {
		return ports.Reply{
			Status: 200, Header: exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}}, Length: -1,
			Body: &trickle{ctx: ctx, events: events},
		}, nil
	}
}

// stopWhileStreaming opens a stream, takes its first event, and stops the server.
func stopWhileStreaming(t *testing.T, events chan string, grace time.Duration) (stream *http.Response, stopped chan error) {
	t.Helper()
	e := start(t, options{upstream: streaming(events), grace: grace})
	stream, err := client.Do(newRequest(t, e, `{"model":"m","stream":true}`))
	require.NoError(t, err)
	t.Cleanup(func() { _ = stream.Body.Close() })
	events <- "data: 1\n\n"
	line, err := bufio.NewReader(io.LimitReader(stream.Body, int64(len("data: 1\n\n")))).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "data: 1\n", line)
	stopped = make(chan error, 1)
	go func() { stopped <- e.stop() }()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", e.address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 2*time.Second, 10*time.Millisecond, "new connections are refused")
	return stream, stopped
}

func TestStreamsFinishWhenTheServerStops(t *testing.T) {
	t.Parallel()
	events := make(chan string, 10)
	stream, stopped := stopWhileStreaming(t, events, 5*time.Second)
	events <- "data: 2\n\n"
	events <- "data: [DONE]\n\n"
	close(events)
	text, err := io.ReadAll(stream.Body)
	require.NoError(t, err)
	assert.Equal(t, "data: 2\n\ndata: [DONE]\n\n", string(text))
	select {
	case err := <-stopped:
		require.NoError(t, err)
	case <-time.After(2 * time.Second):
		require.Fail(t, "the server waits for something else than the stream")
	}
}

func TestWhatIsLeftAfterTheGraceIsToldWhy(t *testing.T) {
	t.Parallel()
	stream, stopped := stopWhileStreaming(t, make(chan string, 1), 300*time.Millisecond)
	text, err := io.ReadAll(stream.Body)
	require.Error(t, err, "the stream must not look whole")
	assert.True(t, strings.HasPrefix(string(text), `data: {"error":{"message":"The server is shutting down.`), string(text))
	require.NoError(t, <-stopped)
}

func TestReadyWhileTheStoreAnswers(t *testing.T) {
	t.Parallel()
	e := start(t, options{})
	assert.Equal(t, 200, e.do(t, "GET", "/ready", "").StatusCode)
}
