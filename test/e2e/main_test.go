// Package e2e holds the program to its contract from outside: the binary runs as an operator runs it, and is spoken to
// over sockets. Every test ends with the sweep of fixture.Process.
package e2e_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

func TestMain(m *testing.M) { os.Exit(fixture.RunBuilt(m)) }

const (
	chatPath = "/v1/chat/completions"
	plain    = `{"model":"m","messages":[{"role":"user","content":"ping"}]}`
	streamed = `{"model":"m","stream":true,"messages":[{"role":"user","content":"ping"}]}`
)

// secret returns a text that nobody else has.
func secret(kind string) string { return kind + "-" + rand.Text() }

// parts are the lines of a configuration that a test adds to the usual ones, one setting each.
type parts struct {
	server   []string
	provider []string // of the provider "primary"
	rest     string   // further sections, as they stand in the file
}

// configuration returns a configuration with an access key, and with u as its provider.
func configuration(u *fixture.Upstream, more parts) string {
	var b strings.Builder
	b.WriteString("server:\n  access_key: " + secret("access") + "\n")
	for _, line := range more.server {
		b.WriteString("  " + line + "\n")
	}
	b.WriteString("providers:\n  primary:\n    base_url: " + u.URL + "/v1\n    keys: [{ key: " + secret("sk") + " }]\n")
	for _, line := range more.provider {
		b.WriteString("    " + line + "\n")
	}
	return b.String() + more.rest
}

// relayTo starts a process whose provider is a new upstream.
func relayTo(t *testing.T, more parts) (*fixture.Process, *fixture.Upstream) {
	t.Helper()
	u := fixture.NewUpstream(t)
	return start(t, u, configuration(u, more)), u
}

// start starts a process that calls the upstreams of its configuration, whose connections end with the test: so what the
// process then has open is its own.
func start(t *testing.T, u *fixture.Upstream, config string) *fixture.Process {
	t.Helper()
	p := fixture.Start(t, config)
	t.Cleanup(u.Stop)
	return p
}

// person is somebody with an account.
type person struct {
	id       int64
	name     string
	password string
	token    string
	admin    bool
	super    bool
}

func (p person) bearer() string { return bearer(p.token) }

func (p person) path() string { return "/api/users/" + strconv.FormatInt(p.id, 10) }

func bearer(token string) string { return "Authorization: Bearer " + token }

// register opens an account. Passwords are hashed a few at a time: who is told to come back does.
func register(tb testing.TB, p *fixture.Process, name string) person {
	tb.Helper()
	return registerAs(tb, p, name, secret("password"))
}

func registerAs(tb testing.TB, p *fixture.Process, name, password string) person {
	tb.Helper()
	p.Canary(password)
	body := `{"username":"` + name + `","email":"` + name + `@example.com","password":"` + password + `"}`
	return signedIn(tb, p, password, patiently(tb, func() fixture.Answer { return p.Do(tb, "POST", "/api/auth/register", body) }))
}

func login(tb testing.TB, p *fixture.Process, name, password string) person {
	tb.Helper()
	return signedIn(tb, p, password, tryLogin(tb, p, name, password))
}

func tryLogin(tb testing.TB, p *fixture.Process, name, password string) fixture.Answer {
	tb.Helper()
	p.Canary(password)
	body := `{"username":"` + name + `","password":"` + password + `"}`
	return patiently(tb, func() fixture.Answer { return p.Do(tb, "POST", "/api/auth/login", body) })
}

func signedIn(tb testing.TB, _ *fixture.Process, password string, a fixture.Answer) person {
	tb.Helper()
	if !assert.Equal(tb, 200, a.Status, a.Body) {
		return person{}
	}
	id, err := strconv.ParseInt(a.Text("user.id"), 10, 64)
	assert.True(tb, err == nil && id > 0, "the id %q", a.Text("user.id"))
	return person{
		id: id, name: a.Text("user.username"), password: password, token: a.Text("access_token"),
		admin: a.Text("user.is_admin") == "true", super: a.Text("user.is_super_admin") == "true",
	}
}

// patiently does it again while the answer is that the server is busy, which must say when to come back.
func patiently(tb testing.TB, do func() fixture.Answer) fixture.Answer {
	tb.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		a := do()
		if a.Status != 503 || a.Text("error.code") != "busy" {
			return a
		}
		seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if err != nil || time.Now().After(deadline) {
			tb.Errorf("the server is busy, and does not say until when, or for ever: %v", err)
			return a
		}
		time.Sleep(time.Duration(seconds) * time.Second)
	}
}

// eventually waits until holds does, and fails the test if it doesn't within the time.
func eventually(tb testing.TB, within time.Duration, what string, holds func() bool) time.Duration {
	tb.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > within {
			require.FailNow(tb, what, "not within %v", within)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// isError checks that an answer is an error in OpenAI's envelope.
func isError(tb testing.TB, a fixture.Answer, status int, code string) {
	tb.Helper()
	assert.Equal(tb, status, a.Status, a.Body)
	assert.Equal(tb, code, a.Text("error.code"), a.Body)
	assert.Equal(tb, []string{"code", "message", "param", "type"}, a.Names("error"))
	assert.NotEmpty(tb, a.Text("error.message"))
	assert.Equal(tb, "application/json", a.Header.Get("Content-Type"))
	assert.NotEmpty(tb, a.Header.Get("X-Request-Id"))
	assert.Equal(tb, a.Header.Get("X-Request-Id"), a.Text("request_id"), "an error repeats its id")
	if status == 429 || status == 503 {
		seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
		assert.True(tb, err == nil && seconds > 0, "the answer does not say when to come back")
	}
}

// stream is a streamed answer that is read event by event.
type stream struct {
	*http.Response

	reader *bufio.Reader
	cancel context.CancelFunc
}

func openStream(tb testing.TB, p *fixture.Process) *stream {
	tb.Helper()
	s, err := tryStream(p, streamed)
	require.NoError(tb, err)
	tb.Cleanup(s.close)
	return s
}

func tryStream(p *fixture.Process, body string) (*stream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	response, err := p.Open(ctx, "POST", chatPath, body, p.Key())
	if err != nil {
		cancel()
		return nil, err
	}
	return &stream{Response: response, reader: bufio.NewReader(response.Body), cancel: cancel}, nil
}

// event returns the next event, with its empty line.
func (s *stream) event() (string, error) {
	var event strings.Builder
	for {
		line, err := s.reader.ReadString('\n')
		event.WriteString(line)
		if err != nil || strings.TrimRight(line, "\r\n") == "" {
			return event.String(), err
		}
	}
}

// rest returns what is left, and how it ended.
func (s *stream) rest() (string, error) {
	text, err := io.ReadAll(s.reader)
	return string(text), err
}

func (s *stream) close() {
	_ = s.Body.Close()
	s.cancel()
}

// isBreak checks that text is the event with which a stream breaks off, perhaps after the end of an unfinished event.
func isBreak(tb testing.TB, text, code string) bool {
	tb.Helper()
	event := strings.TrimLeft(text, "\n")
	data, isData := strings.CutPrefix(event, "data: ")
	data, whole := strings.CutSuffix(data, "\n\n")
	if !assert.True(tb, isData && whole && len(text)-len(event) <= 2 && !strings.Contains(data, "\n"), "the stream ends in %q", text) {
		return false
	}
	assert.True(tb, json.Valid([]byte(data)), data)
	a := fixture.Answer{Body: data}
	return assert.Equal(tb, code, a.Text("error.code"), data) && assert.NotEmpty(tb, a.Text("error.message")) && assert.NotEmpty(tb, a.Text("request_id"))
}
