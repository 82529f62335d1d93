package rest_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/adapters/rest"
	"monorelay/domain/exchange"
	"monorelay/ports"
)

const chat = `{"model":"m","messages":[]}`

func TestEveryCauseOf401(t *testing.T) {
	t.Parallel()
	on, off := start(t, options{}), start(t, options{disabled: true})
	_, _ = on.register(t, "alice")
	bob, bobID := on.register(t, "bob")
	deactivate(t, on, bobID)
	const noneToken = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."
	tests := []struct {
		name   string
		at     *edge
		header []string
		code   string
		said   bool // whether a credential was presented
	}{
		{"no credential", on, nil, "missing_credentials", false},
		{"another scheme", on, []string{"Authorization", "Basic YTpi"}, "missing_credentials", false},
		{"empty ones", on, []string{"Authorization", "Bearer ", "X-Access-Key", ""}, "missing_credentials", false},
		{"a forged token", on, []string{"Authorization", "Bearer " + noneToken}, "invalid_token", true},
		{"a wrong key", on, []string{"Authorization", "Bearer wrong"}, "invalid_access_key", true},
		{"a wrong key in X-Access-Key", on, []string{"X-Access-Key", "wrong"}, "invalid_access_key", true},
		{"a wrong key in x-api-key", on, []string{"x-api-key", "wrong"}, "invalid_access_key", true},
		{"a wrong key before the right one", on, []string{"Authorization", "Bearer wrong", "X-Access-Key", accessKey}, "invalid_access_key", true},
		{"the right key while keys are off", off, []string{"X-Access-Key", accessKey}, "access_key_disabled", true},
		{"a wrong key while keys are off", off, []string{"X-Access-Key", "wrong"}, "access_key_disabled", true},
		{"an inactive account", on, []string{"Authorization", bob}, "account_inactive", true},
		{"a key in the query", on, nil, "missing_credentials", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/v1/chat/completions", "/v1/models?access_key=" + accessKey, "/api/auth/me", "/api/users"} {
				method, body := "GET", ""
				if path == "/v1/chat/completions" {
					method, body = "POST", chat
				}
				a := tt.at.do(t, method, path, body, tt.header...)
				require.Equal(t, 401, a.StatusCode, path)
				code, _, kind := a.fault(t)
				assert.Equal(t, tt.code, code, path)
				assert.Equal(t, "authentication_error", kind)
				challenge := a.Header.Get("WWW-Authenticate")
				assert.True(t, strings.HasPrefix(challenge, `Bearer realm="monorelay"`), challenge)
				assert.Equal(t, tt.said, strings.Contains(challenge, `error="invalid_token", error_description="`), challenge)
			}
		})
	}
}

func deactivate(t *testing.T, e *edge, id int64) {
	t.Helper()
	login := e.do(t, "POST", "/api/auth/login", `{"username":"alice","password":"securepassword123"}`)
	require.Equal(t, 200, login.StatusCode)
	_, token, _ := strings.Cut(login.body, `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	a := e.do(t, "PATCH", "/api/users/"+itoa(id), `{"is_active":false}`, "Authorization", "Bearer "+token)
	require.Equal(t, 200, a.StatusCode, a.body)
}

func TestEveryWayToPresentACredential(t *testing.T) {
	t.Parallel()
	e := start(t, options{})
	alice, _ := e.register(t, "alice")
	for _, header := range [][]string{
		{"Authorization", "Bearer " + accessKey},
		{"Authorization", "bEARER " + accessKey},
		{"X-Access-Key", accessKey},
		{"x-api-key", accessKey},
		{"Authorization", alice},
		{"X-Access-Key", strings.TrimPrefix(alice, "Bearer ")},
		{"Authorization", "Basic YTpi", "X-Access-Key", accessKey},
	} {
		assert.Equal(t, 200, e.do(t, "POST", "/v1/chat/completions", chat, header...).StatusCode, header)
	}
}

func TestTheAccessKeyIsForTheRelayOnly(t *testing.T) {
	t.Parallel()
	e := start(t, options{})
	for _, r := range [][2]string{{"GET", "/api/auth/me"}, {"GET", "/api/users"}, {"GET", "/api/users/1"}, {"PATCH", "/api/users/1"}, {"PUT", "/api/users/1"}, {"DELETE", "/api/users/1"}} {
		a := e.do(t, r[0], r[1], "", "X-Access-Key", accessKey)
		assert.Equal(t, 403, a.StatusCode, r)
		code, _, _ := a.fault(t)
		assert.Equal(t, "user_required", code)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	e := start(t, options{})
	assert.Equal(t, "client-1.A_b:c", e.do(t, "GET", "/health", "", "X-Request-Id", "client-1.A_b:c").Header.Get("X-Request-Id"))
	for _, bad := range []string{"", "a b", `a"b`, strings.Repeat("a", 129), "ä"} {
		id := e.do(t, "GET", "/nowhere", "", "X-Request-Id", bad).Header.Get("X-Request-Id")
		assert.Len(t, id, 36, bad)
	}
}

func TestCORSStandsOutsideAuthentication(t *testing.T) {
	t.Parallel()
	e := start(t, options{config: rest.Config{CORSOrigins: []string{"https://app.example.com"}}})
	const ours, theirs = "https://app.example.com", "https://evil.example.com"

	preflight := e.do(t, "OPTIONS", "/v1/chat/completions", "", "Origin", ours, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,x-stainless-os")
	assert.Equal(t, 204, preflight.StatusCode)
	assert.Equal(t, ours, preflight.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "authorization,x-stainless-os", preflight.Header.Get("Access-Control-Allow-Headers"))
	assert.Empty(t, preflight.body)

	refused := e.do(t, "GET", "/v1/models", "", "Origin", ours)
	assert.Equal(t, 401, refused.StatusCode)
	assert.Equal(t, ours, refused.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "Origin", refused.Header.Get("Vary"))
	assert.Empty(t, refused.Header.Get("Access-Control-Allow-Credentials"))

	for _, origin := range []string{theirs, "null", "https://app.example.com.evil.example.com", "http://app.example.com"} {
		a := e.do(t, "OPTIONS", "/v1/models", "", "Origin", origin, "Access-Control-Request-Method", "GET")
		assert.Equal(t, 405, a.StatusCode, origin)
		assert.Empty(t, a.Header.Get("Access-Control-Allow-Origin"), origin)
	}

	open := start(t, options{config: rest.Config{CORSOrigins: []string{"*"}}})
	a := open.do(t, "GET", "/v1/models", "", "Origin", theirs)
	assert.Equal(t, "*", a.Header.Get("Access-Control-Allow-Origin"))
	assert.Empty(t, a.Header.Get("Access-Control-Allow-Credentials"))
}

func TestTheAddressOfAClient(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	tests := []struct {
		name    string
		trusted []netip.Prefix
		header  []string
		want    string
	}{
		{"nobody is trusted", nil, []string{"X-Forwarded-For", "1.2.3.4"}, "127.0.0.1"},
		{"one hop", trusted, []string{"X-Forwarded-For", "1.2.3.4"}, "1.2.3.4"},
		{"what stands left of an untrusted hop is invented", trusted, []string{"X-Forwarded-For", "9.9.9.9, 1.2.3.4"}, "1.2.3.4"},
		{"trusted hops are passed over", trusted, []string{"X-Forwarded-For", "1.2.3.4, 10.1.1.1, 10.2.2.2"}, "1.2.3.4"},
		{"the last line is the nearest", trusted, []string{"X-Forwarded-For", "9.9.9.9", "X-Forwarded-For", "1.2.3.4"}, "1.2.3.4"},
		{"nonsense stops the walk", trusted, []string{"X-Forwarded-For", "1.2.3.4, nonsense, 10.1.1.1"}, "10.1.1.1"},
		{"an IPv6 zone is dropped", trusted, []string{"X-Forwarded-For", "2001:db8::1%eth0"}, "2001:db8::1"},
		{"other headers say nothing", trusted, []string{"X-Real-Ip", "1.2.3.4", "Forwarded", "for=1.2.3.4", "True-Client-Ip", "1.2.3.4"}, "127.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, options{config: rest.Config{TrustedProxies: tt.trusted}})
			e.do(t, "GET", "/health", "", tt.header...)
			require.NoError(t, e.stop())
			assert.Contains(t, e.log.String(), `"address":"`+tt.want+`"`)
		})
	}
}

func TestAPanicIsOneRequestsOnly(t *testing.T) {
	t.Parallel()
	e := start(t, options{upstream: func(_ context.Context, call ports.Call) (ports.Reply, error) {
		switch text := string(call.Body); {
		case strings.Contains(text, "panic in the call"):
			panic("boom")
		case strings.Contains(text, "panic in the body"):
			return ports.Reply{Status: 200, Header: exchange.Header{{Name: "Content-Type", Value: "audio/mpeg"}}, Length: -1, Body: &bomb{}}, nil
		case strings.Contains(text, "panic in the stream"):
			return ports.Reply{Status: 200, Header: exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}}, Length: -1, Body: &bomb{}}, nil
		}
		return ports.Reply{}, errors.New("not scripted")
	}})
	post := func(model, stream string) (int, string, error) {
		request := newRequest(t, e, `{"model":"`+model+`","stream":`+stream+`}`)
		response, err := client.Do(request)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		return response.StatusCode, string(text), err
	}

	status, text, err := post("panic in the call", "false")
	require.NoError(t, err)
	assert.Equal(t, 500, status)
	assert.NotContains(t, text, "boom", "the panic is for the log")

	status, text, err = post("panic in the call", "true")
	require.NoError(t, err)
	assert.Equal(t, 500, status)
	assert.NotContains(t, text, "boom")

	status, text, err = post("panic in the body", "false")
	assert.Equal(t, 200, status)
	require.Error(t, err, "the answer must not look whole")
	assert.Equal(t, "some", text)

	status, text, err = post("panic in the stream", "true")
	assert.Equal(t, 200, status)
	require.Error(t, err, "the stream must not look whole")
	assert.True(t, strings.HasPrefix(text, "some\n\ndata: {\"error\":"), text)

	assert.Equal(t, 200, e.do(t, "GET", "/health", "").StatusCode)
	require.NoError(t, e.stop())
	assert.Equal(t, 4, strings.Count(e.log.String(), "boom"), e.log.String())
}

// bomb gives four bytes and blows up.
type bomb struct{ lit bool }

func (b *bomb) Read(p []byte) (int, error) {
	if b.lit {
		panic("boom")
	}
	b.lit = true
	return copy(p, "some"), nil
}

func (*bomb) Close() error { return nil }

func TestTheLogHasOneLineARequestAndNoSecret(t *testing.T) {
	t.Parallel()
	e := start(t, options{upstream: answering(200, "application/json", `{"answer":"canary-completion"}`)})
	alice, _ := e.register(t, "alice")
	e.do(t, "POST", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"canary-prompt"}]}`, "Authorization", alice)
	e.do(t, "POST", "/v1/chat/completions", chat, "Authorization", "Bearer canary-wrong-key")
	e.do(t, "GET", "/canary-path/"+accessKey+"?q=canary-query", "", "X-Access-Key", accessKey)
	e.do(t, "POST", "/api/auth/login", `{"username":"alice","password":"canary-password"}`)
	e.do(t, "POST", "/api/auth/login", `{"username":"alice","password":"canary-password"`)
	raw(t, e, "GET /canary HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer canary-raw\r\nBad Header canary\r\n\r\n")
	require.NoError(t, e.stop())
	text := e.log.String()
	assert.Equal(t, 7, strings.Count(text, `"msg":"request"`), text)
	assert.NotContains(t, text, "canary")
	assert.NotContains(t, text, strings.TrimPrefix(alice, "Bearer "))
	assert.Contains(t, text, `"principal":"alice"`)
	assert.Contains(t, text, `"provider":"mock","upstream_model":"m","attempts":1`)
}
