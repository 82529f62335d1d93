package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

func TestWhatAProviderCanDoWrong(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{provider: []string{"timeout: 700ms"}})
	trap, visits := listener(t)
	told := secret("told")
	p.Canary(told)
	redirect := func(status int, to string) string {
		return fixture.JSON(status, told, "Location: "+to)
	}
	tests := []struct {
		name   string
		script fixture.Script
		status int
		code   string
	}{
		{"it closes at once", (*fixture.Exchange).Cut, 502, "upstream_unreachable"},
		{"it resets at once", (*fixture.Exchange).Reset, 502, "upstream_unreachable"},
		{"it talks nonsense", func(x *fixture.Exchange) { x.Send("SSH-2.0-OpenSSH_9.6 " + told + "\r\n\r\n"); x.Cut() }, 502, "upstream_bad_answer"},
		{"it says HTTP, and then nonsense", func(x *fixture.Exchange) { x.Send("HTTP/1.1 abc " + told + "\r\n\r\n"); x.Cut() }, 502, "upstream_bad_answer"},
		{"a header of a megabyte", func(x *fixture.Exchange) {
			x.Send(fixture.JSON(200, "{}", "X-Long: "+strings.Repeat("a", 1<<20)))
			x.Cut()
		}, 502, ""},
		{"a header without an end", func(x *fixture.Exchange) {
			x.Send("HTTP/1.1 200 OK\r\n")
			for there := true; there; {
				there = x.Send("X-More: " + strings.Repeat("a", 1000) + "\r\n")
			}
		}, 502, ""},
		{"a length that is none", func(x *fixture.Exchange) { x.Send(fixture.Head(200, "Content-Length: -1") + "{}"); x.Cut() }, 502, ""},
		{"less than it says", func(x *fixture.Exchange) {
			x.Send(fixture.Head(200, "Content-Type: application/json", "Content-Length: 100") + `{"a":"` + told)
			x.Cut()
		}, 502, "upstream_interrupted"},
		{"a chunk that breaks off", func(x *fixture.Exchange) {
			x.Send(fixture.Head(200, "Content-Type: application/json", "Transfer-Encoding: chunked") + "ff\r\n" + told)
			x.Reset()
		}, 502, "upstream_interrupted"},
		{"half a JSON to the end", func(x *fixture.Exchange) {
			x.Send(fixture.Head(200, "Content-Type: application/json", "Connection: close") + `{"a":"` + told)
			x.Cut()
		}, 502, "upstream_interrupted"},
		{"101", func(x *fixture.Exchange) { x.Send(fixture.Head(101, "Upgrade: x", "Connection: upgrade")); x.Hang() }, 502, "upstream_bad_answer"},
		{"nothing for too long", (*fixture.Exchange).Hang, 504, "upstream_timeout"},
		{"half a head for too long", func(x *fixture.Exchange) { x.Send("HTTP/1.1 200 OK\r\nX: "); x.Hang() }, 504, "upstream_timeout"},
		{"half a body for too long", func(x *fixture.Exchange) {
			x.Send(fixture.Head(200, "Content-Type: application/json", "Content-Length: 100") + `{"a":"` + told)
			x.Hang()
		}, 504, "upstream_timeout"},
		{"401", func(x *fixture.Exchange) { x.Send(fixture.JSON(401, `{"error":{"message":"`+told+`"}}`)) }, 502, "provider_rejected_key"},
		{"402", func(x *fixture.Exchange) { x.Send(fixture.JSON(402, `{"error":{"message":"`+told+`"}}`)) }, 502, "provider_rejected_key"},
		{"403", func(x *fixture.Exchange) { x.Send(fixture.JSON(403, `{"error":{"message":"`+told+`"}}`)) }, 502, "provider_rejected_key"},
		{"301", func(x *fixture.Exchange) { x.Send(redirect(301, "http://"+trap+"/")) }, 502, "upstream_redirect"},
		{"302", func(x *fixture.Exchange) { x.Send(redirect(302, "http://"+trap+"/")) }, 502, "upstream_redirect"},
		{"303", func(x *fixture.Exchange) { x.Send(redirect(303, "http://"+trap+"/")) }, 502, "upstream_redirect"},
		{"307", func(x *fixture.Exchange) { x.Send(redirect(307, "http://"+trap+"/")) }, 502, "upstream_redirect"},
		{"308", func(x *fixture.Exchange) { x.Send(redirect(308, "/v1/chat/completions")) }, 502, "upstream_redirect"},
		{"304", func(x *fixture.Exchange) { x.Send(fixture.Head(304)) }, 502, "upstream_redirect"},
	}
	for _, body := range []string{plain, streamed} {
		for _, tt := range tests {
			t.Run(tt.name+" "+strconv.FormatBool(body == streamed), func(t *testing.T) {
				u.Script(func(x *fixture.Exchange) { x.Send(fixture.JSON(200, fixture.Completion("pong"))) })
				require.Equal(t, 200, p.Do(t, "POST", chatPath, body, p.Key()).Status) // so that the next one meets a connection that was used before
				before := len(u.Exchanges())
				u.Script(tt.script)
				began := time.Now()
				a := p.Do(t, "POST", chatPath, body, p.Key(), "Idempotency-Key: "+secret("once"))
				isError(t, a, tt.status, a.Text("error.code"))
				if tt.code != "" {
					assert.Equal(t, tt.code, a.Text("error.code"))
				}
				assert.Equal(t, "upstream_error", a.Text("error.type"))
				assert.Less(t, time.Since(began), 15*time.Second)
				time.Sleep(20 * time.Millisecond)
				assert.Len(t, u.Exchanges(), before+1, "it is sent once")
			})
		}
	}
	assert.Zero(t, visits(), "a redirect was followed")
	u.Stop()
	isError(t, p.Do(t, "POST", chatPath, plain, p.Key()), 502, "upstream_unreachable")
	isError(t, p.Do(t, "POST", chatPath, streamed, p.Key()), 502, "upstream_unreachable")
	require.NoError(t, u.Start())
	u.Script(func(x *fixture.Exchange) { x.Send(fixture.JSON(200, fixture.Completion("pong"))) })
	assert.Equal(t, 200, p.Do(t, "POST", chatPath, plain, p.Key()).Status, "it is tried again when it is back")
}

// TestNothingThatAProviderSaysIsLogged has a provider send more than it said it would, and what is no HTTP.
func TestNothingThatAProviderSaysIsLogged(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	told := secret("told")
	p.Canary(told)
	for _, extra := range []string{told, "HTTP/1.1 " + told + "\r\n\r\n", fixture.JSON(200, told)} {
		u.Script(func(x *fixture.Exchange) {
			x.Send(fixture.JSON(200, "{}"))
			x.Pause(50 * time.Millisecond)
			x.Send(extra)
			x.Pause(50 * time.Millisecond)
			x.Cut()
		})
		require.Equal(t, 200, p.Do(t, "POST", chatPath, plain, p.Key()).Status)
		<-u.Await(t, len(u.Exchanges())-1).Gone()
		time.Sleep(100 * time.Millisecond) // for the log
	}
	for line := range strings.SplitSeq(strings.TrimSpace(p.Stderr()), "\n") {
		assert.True(t, json.Valid([]byte(line)), "not a line of the log: %s", line)
	}
}

func TestWhatAProviderSaysOfTheRequestIsPassedOn(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	for _, status := range []int{400, 404, 408, 413, 415, 422, 429, 500, 502, 503, 504, 529} {
		body := `{"error":{"message":"theirs","type":"t","code":"c","n":` + strconv.Itoa(status) + ` }}`
		for _, fields := range [][]string{nil, {"Retry-After: 9"}} {
			u.Script(func(x *fixture.Exchange) { x.Send(fixture.JSON(status, body, fields...)) })
			for _, request := range []string{plain, streamed} {
				a := p.Do(t, "POST", chatPath, request, p.Key())
				assert.Equal(t, status, a.Status)
				assert.Equal(t, body, a.Body)
				switch retry := a.Header.Get("Retry-After"); {
				case fields != nil:
					assert.Equal(t, "9", retry)
				case status == 429 || status == 503:
					assert.Equal(t, "1", retry, "429 and 503 always say when to come back")
				default:
					assert.Empty(t, retry)
				}
			}
		}
	}
}

// TestAHugeAnswerToASlowClient measures the memory that it takes.
func TestAHugeAnswerToASlowClient(t *testing.T) { //nolint:paralleltest // it measures
	const size = 200 << 20
	p, u := relayTo(t, parts{})
	block := strings.Repeat("x", 1<<16)
	u.Script(func(x *fixture.Exchange) {
		events := strings.Contains(x.Body, "true")
		if events {
			x.Send(fixture.OpenStreamHead())
		} else {
			x.Send(fixture.Head(200, "Content-Type: application/octet-stream", "Content-Length: "+strconv.Itoa(size)))
		}
		for there, sent := true, 0; there && sent < size; sent += len(block) {
			there = x.Send(block)
		}
		x.Cut()
	})
	for _, body := range []string{plain, streamed} {
		p.ResetPeak()
		before := p.Memory()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		response := openRaw(t, ctx, p, body)
		time.Sleep(500 * time.Millisecond) // the client takes nothing
		exchanges := u.Exchanges()
		assert.Less(t, exchanges[len(exchanges)-1].Sent(), int64(32<<20), "a slow reader slows the provider")
		n, err := io.CopyN(io.Discard, response.Body, size)
		require.NoError(t, err)
		assert.Equal(t, int64(size), n)
		_ = response.Body.Close()
		cancel()
		if peak := p.Peak(); peak > 0 {
			assert.Less(t, peak, before+64<<20)
			t.Logf("%d MiB at the most, after %d", peak>>20, before>>20)
		}
	}
}

// openRaw opens an answer that is too large to be swept.
func openRaw(t *testing.T, ctx context.Context, p *fixture.Process, body string) *http.Response { //nolint:revive // t goes first
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+chatPath, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+p.AccessKey)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	return response
}

func TestAPrivateAddressBehindANameIsRefused(t *testing.T) {
	t.Parallel()
	trap, visits := listener(t)
	_, port, _ := strings.Cut(trap, ":")
	// The names of localhost are meant so; a public name that means this machine is not.
	u := fixture.NewUpstream(t)
	p := start(t, u, "server: { access_key: "+secret("access")+" }\nproviders:\n  x: { base_url: 'http://0x7f.1:"+port+"/v1', keys: [{ key: "+secret("sk")+" }] }\n")
	a := p.Do(t, "POST", chatPath, plain, p.Key())
	isError(t, a, 502, "upstream_unreachable")
	assert.NotContains(t, a.Body, "127.0.0.1")
	assert.Zero(t, visits())
}
