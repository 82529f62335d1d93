//go:build linux

package main

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listen serves each connection with serve, and returns the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return ln.Addr().String()
}

func TestClientAndUpstreamAgree(t *testing.T) {
	t.Parallel()
	u := &upstream{closed: map[string]int64{}}
	address := listen(t, u.serve)
	tests := []struct {
		name string
		job  job
		do   func(*load)
	}{
		{"closed loop", job{Connections: 4, For: 50 * time.Millisecond}, (*load).closedLoop},
		{"open loop", job{Connections: 4, Rate: 500, For: 50 * time.Millisecond}, (*load).openLoop},
		{"streams", job{Connections: 4, Events: 5, Every: time.Millisecond, For: 50 * time.Millisecond}, (*load).streams},
		{"hold open", job{Connections: 4}, func(l *load) { l.holdOpen()() }},
		{"leave a stream", job{Connections: 4, Mode: modeHold, Every: time.Millisecond, For: time.Millisecond}, (*load).leave},
		{"leave a silent stream", job{Connections: 4, Mode: modeHold, For: time.Millisecond}, (*load).leave},
		{"leave a plain call", job{Connections: 4, Mode: modeWait, For: time.Millisecond}, (*load).leave},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.job.Address = address
			l := &load{job: tt.job}
			tt.do(l)
			o := l.outcome()
			assert.Zero(t, o.Wrong, o.FirstWrong)
			assert.GreaterOrEqual(t, o.Answers, int64(4))
			for id := range o.Left {
				assert.Eventually(t, func() bool {
					u.mu.Lock()
					defer u.mu.Unlock()
					return u.closed[id] >= o.Left[id]
				}, time.Second, time.Millisecond)
			}
		})
	}
}

func TestWrongAnswersCount(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, answer string }{
		{"another status", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 656\r\n\r\n" + answer},
		{"another length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"},
		{"another body", "HTTP/1.1 200 OK\r\nContent-Length: 656\r\n\r\n" + answer[1:] + "}"},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n"},
		{"nothing", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, func(c net.Conn) {
				defer closeQuietly(c)
				buffer := make([]byte, 4<<10)
				_, _ = c.Read(buffer)
				_, _ = c.Write([]byte(tt.answer))
			})
			l := &load{job: job{Address: address, Connections: 1, For: 50 * time.Millisecond}}
			l.closedLoop()
			assert.Positive(t, l.outcome().Wrong)
		})
	}
}

func TestTasksCross(t *testing.T) {
	t.Parallel()
	for _, want := range []task{
		{mode: modePlain},
		{mode: modeStream, events: 20, every: 5 * time.Millisecond, id: "-"},
		{mode: modeHold, id: "hold7"},
	} {
		got, ok := taskOf(request("token", want))
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	assert.Len(t, answer, answerLength)
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	floor := goal{figure: rps64, against: ratio, bound: 0.5, atLeast: true}
	_, verdict := floor.judge(map[string][]float64{nginxName: {100, 100, 100}, relayName: {40, 60, 55}})
	assert.Equal(t, "held, 10 % to spare", verdict)
	above := goal{figure: lat200p50, unit: "µs", against: difference, bound: 150}
	compared, verdict := above.judge(map[string][]float64{nginxName: {100}, relayName: {300}})
	assert.Equal(t, "+200 µs", compared)
	assert.Equal(t, "**missed** by 50 µs", verdict)
	_, verdict = above.judge(map[string][]float64{relayName: {300}})
	assert.Equal(t, "nothing to compare with", verdict)
}
