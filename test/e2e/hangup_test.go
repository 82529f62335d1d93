package e2e_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

// TestTheProviderIsLeftWhenTheClientIsGone measures, so it runs by itself.
func TestTheProviderIsLeftWhenTheClientIsGone(t *testing.T) { //nolint:paralleltest // it measures
	const (
		times   = 30
		atOnce  = 10
		allowed = time.Second
	)
	p, u := relayTo(t, parts{})
	phases := []struct {
		name, body string
		script     fixture.Script
		reads      string // what the client waits for before it goes
	}{
		{"in the middle of a stream", streamed, func(x *fixture.Exchange) {
			x.Send(fixture.StreamHead())
			for there := true; there; there = x.Pause(20 * time.Millisecond) {
				x.Send(fixture.Chunk(fixture.Event("{}")))
			}
		}, "data: {}"},
		{"in a silent stream", streamed, func(x *fixture.Exchange) {
			x.Send(fixture.StreamHead() + fixture.Chunk(fixture.Event("{}")))
			x.Hang()
		}, "data: {}"},
		{"before a stream begins", streamed, (*fixture.Exchange).Hang, ""},
		{"while it waits for a plain answer", plain, (*fixture.Exchange).Hang, ""},
		{"in the middle of a long plain answer", plain, func(x *fixture.Exchange) {
			x.Send(fixture.Head(200, "Content-Type: application/octet-stream", "Content-Length: 1000000") + "begun\n")
			x.Hang()
		}, ""},
	}
	ways := map[string]func(*net.TCPConn){
		"FIN": func(c *net.TCPConn) { _ = c.Close() },
		"RST": func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() },
	}
	for _, phase := range phases {
		for way, leave := range ways {
			t.Run(phase.name+" "+way, func(t *testing.T) {
				u.Script(phase.script)
				var worst, sum time.Duration
				for range times / atOnce {
					first := len(u.Exchanges())
					var clients []*net.TCPConn
					for range atOnce {
						c := p.Dial(t)
						_, err := io.WriteString(c, "POST "+chatPath+" HTTP/1.1\r\nHost: relay\r\n"+p.Key()+"\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(phase.body))+"\r\n\r\n"+phase.body)
						require.NoError(t, err)
						clients = append(clients, c)
					}
					u.Await(t, first+atOnce-1)
					for _, c := range clients {
						awaitText(t, c, phase.reads)
					}
					time.Sleep(time.Duration(time.Now().UnixNano() % int64(50*time.Millisecond))) // anywhere between two sweeps
					left := time.Now()
					for _, c := range clients {
						leave(c)
					}
					for i := range atOnce {
						select {
						case <-u.Exchanges()[first+i].Gone():
						case <-time.After(2*allowed - time.Since(left)):
							require.FailNow(t, "the provider still works for nobody")
						}
						took := time.Since(left)
						worst = max(worst, took)
						sum += took
					}
				}
				assert.Less(t, worst, allowed)
				t.Logf("%d times: %v on average, %v at worst", times, (sum / times).Round(time.Millisecond), worst.Round(time.Millisecond))
			})
		}
	}
	eventually(t, time.Second, "no connection to the provider is left", func() bool { return u.Open() == 0 })
}

// awaitText reads an answer until a line begins so.
func awaitText(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if text == "" {
		return
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, text+"\n", line)
}
