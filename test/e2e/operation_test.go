package e2e_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

func TestEveryRequestHasAnID(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	const uuid7 = `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	for _, path := range []string{"/health", "/nowhere", "/v1/models"} {
		assert.Equal(t, "alice-1:a.b_c", p.Do(t, "GET", path, "", "X-Request-Id: alice-1:a.b_c").Header.Get("X-Request-Id"))
		assert.Regexp(t, uuid7, p.Do(t, "GET", path, "").Header.Get("X-Request-Id"))
		for _, insane := range []string{"a b", "a\"b", "é", strings.Repeat("a", 129), "<script>"} {
			assert.Regexp(t, uuid7, p.Do(t, "GET", path, "", "X-Request-Id: "+insane).Header.Get("X-Request-Id"))
		}
	}
	a := p.Do(t, "GET", "/v1/models", "", "X-Request-Id: alice-2")
	assert.Equal(t, "alice-2", a.Text("request_id"))
	require.Equal(t, 200, p.Do(t, "POST", chatPath, plain, p.Key(), "X-Request-Id: alice-3").Status)
	assert.Empty(t, u.Await(t, 0).Value("X-Request-Id"))
	eventually(t, time.Second, "the request is logged", func() bool { return strings.Contains(p.Stderr(), `"id":"alice-3"`) })
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	health := p.Do(t, "GET", "/health", "")
	assert.Equal(t, 200, health.Status)
	assert.JSONEq(t, `{"status":"ok","providers":[{"name":"primary"}]}`, health.Body)
	assert.NotContains(t, health.Body, u.URL)
	ready := p.Do(t, "GET", "/ready", "")
	assert.Equal(t, 200, ready.Status)
	assert.JSONEq(t, `{"status":"ready"}`, ready.Body)
	info := p.Do(t, "GET", "/api/info", "")
	assert.Equal(t, []string{"access_key_enabled", "base_url", "name", "registration", "version"}, info.Names(""))
	assert.Equal(t, p.URL+"/v1", info.Text("base_url"))
	assert.Empty(t, u.Exchanges(), "none of this asks a provider")
}

// underWay opens streams that wait for a word of the test after their first event, and returns what ends them.
func underWay(t *testing.T, p *fixture.Process, u *fixture.Upstream, n int) (streams []*stream, finish func()) {
	t.Helper()
	let := make(chan struct{})
	u.Script(func(x *fixture.Exchange) {
		x.Send(fixture.StreamHead() + fixture.Chunk(fixture.Event(`"begun"`)))
		select {
		case <-let:
			x.Send(fixture.Chunk(fixture.Event(`"more"`)+fixture.Event("[DONE]")) + fixture.LastChunk)
		case <-x.Gone():
		}
	})
	for range n {
		s := openStream(t, p)
		event, err := s.event()
		require.NoError(t, err)
		require.Equal(t, fixture.Event(`"begun"`), event)
		streams = append(streams, s)
	}
	return streams, sync.OnceFunc(func() { close(let) })
}

const many = 50

func TestStreamsFinishWhenTheServerIsStopped(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	streams, finish := underWay(t, p, u, many)
	idle := p.Dial(t)
	_, err := io.WriteString(idle, "GET /health HTTP/1.1\r\nHost: relay\r\n\r\n")
	require.NoError(t, err)
	answered := bufio.NewReader(idle)
	response, err := http.ReadResponse(answered, nil)
	require.NoError(t, err)
	_, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	p.Signal(t, syscall.SIGTERM)
	closed := eventually(t, 5*time.Second, "nothing new is taken", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	_ = idle.SetReadDeadline(time.Now().Add(5 * time.Second))
	began := time.Now()
	_, err = answered.ReadByte()
	require.ErrorIs(t, err, io.EOF, "an idle connection is closed")
	t.Logf("the socket was closed after %v, and an idle connection %v later", closed.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	time.Sleep(300 * time.Millisecond)
	select {
	case <-p.Ended():
		t.Error("the server did not wait for its streams")
	default:
	}
	finish()
	for _, s := range streams {
		rest, err := s.rest()
		require.NoError(t, err)
		assert.Equal(t, fixture.Event(`"more"`)+fixture.Event("[DONE]"), rest)
	}
	read := time.Now()
	assert.Equal(t, 0, p.Code(t, 10*time.Second))
	t.Logf("the process ended %v after its last stream", time.Since(read).Round(time.Millisecond))
	assert.Contains(t, p.Stderr(), `"msg":"stopped"`)
}

func TestStreamsAreToldWhenTheGraceIsOver(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{server: []string{"shutdown_grace: 500ms"}})
	streams, finish := underWay(t, p, u, many)
	defer finish()
	began := time.Now()
	p.Signal(t, syscall.SIGTERM)
	for _, s := range streams {
		rest, err := s.rest()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		isBreak(t, rest, "shutting_down")
	}
	assert.Equal(t, 0, p.Code(t, 10*time.Second))
	assert.Greater(t, time.Since(began), 450*time.Millisecond)
	assert.Less(t, time.Since(began), 5*time.Second)
	eventually(t, time.Second, "the provider is left", func() bool { return u.Open() == 0 })
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	streams, finish := underWay(t, p, u, 3)
	defer finish()
	p.Signal(t, syscall.SIGTERM)
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	p.Signal(t, syscall.SIGTERM)
	assert.NotEqual(t, 0, p.Code(t, 5*time.Second))
	assert.Less(t, time.Since(began), time.Second)
	for _, s := range streams {
		_, err := s.rest()
		assert.Error(t, err, "the end is not clean")
	}
}

// TestTheServerOutlivesItsDescriptors measures how soon it serves again.
func TestTheServerOutlivesItsDescriptors(t *testing.T) { //nolint:paralleltest // it measures
	const limit = 48
	u := fixture.NewUpstream(t)
	p := fixture.Launch(t, fixture.Options{Config: configuration(u, parts{}), Descriptors: limit})
	p.Await(t)
	t.Cleanup(u.Stop)
	// Idle connections are turned away in time; those whose requests take a second descriptor each use all that there are.
	for name, request := range map[string]string{
		"idle": "", "waiting for the provider": "POST " + chatPath + " HTTP/1.1\r\nHost: relay\r\n" + p.Key() + "\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n" + `{"model":"m"}`,
	} {
		for range 2 {
			u.Script((*fixture.Exchange).Hang)
			var connections []net.Conn
			for range 100 {
				c, err := net.DialTimeout("tcp", strings.TrimPrefix(p.URL, "http://"), time.Second)
				if err != nil {
					break // the backlog is full
				}
				connections = append(connections, c)
				_, _ = io.WriteString(c, request) // the server may have closed it
			}
			time.Sleep(300 * time.Millisecond)
			select {
			case <-p.Ended():
				require.FailNow(t, "the server ended", "%s", p.Stderr())
			default:
			}
			for _, c := range connections {
				_ = c.Close()
			}
			u.Script(func(x *fixture.Exchange) { x.Send(fixture.JSON(200, fixture.Completion("pong"))) })
			served := eventually(t, time.Second, "it serves again", func() bool {
				a, err := p.Try("POST", chatPath, plain, p.Key())
				return err == nil && a.Status == 200
			})
			p.HangUp()
			t.Logf("%d connections, %s: served again after %v", len(connections), name, served.Round(time.Millisecond))
		}
	}
	eventually(t, time.Second, "the shortage is logged", func() bool {
		return strings.Contains(p.Stderr(), "can't accept connections for now") || strings.Contains(p.Stderr(), "too many connections")
	})
}
