package e2e_test

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

func TestABodyArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{rest: "model_routing: { aliases: { fast: vendor/Modell-ß } }\n"})
	words := secret("prompt")
	p.Words(words)
	tests := []struct{ name, body string }{
		{"the usual", `{"model":"fast","messages":[{"role":"user","content":"` + words + `"}]}`},
		{"odd spacing", "\r\n\t { \"messages\" :\n[ ]  ,\t\"model\"  : \"fast\" , \"n\":1\r\n}\n \n"},
		{"unknown fields, nested models", `{"x":{"model":"fast"},"y":[{"model":"fast"}],"model":"fast","z":"\"model\":\"fast\""}`},
		{"the order of keys", `{"zz":1,"model":"fast","aa":2,"mm":{"b":1,"a":2}}`},
		{"numbers", `{"model":"fast","a":1.0,"b":1e5,"c":123456789012345678901234567890,"d":-0,"e":0.1000,"f":1E+2,"seed":18446744073709551615}`},
		{"escapes", `{"model":"fast","a":"\u00e9\u0041\/\ud83d\ude00\"\\","b":"é😀<>&` + "\u2028" + `","\u006dessages":[]}`},
		{"a duplicate that nobody decides on", `{"model":"fast","user":"a","user":"b"}`},
		{"literals", `{"model":"fast","stream":false,"a":null,"b":true,"c":[],"d":{},"e":""}`},
		{"a hundred levels", `{"model":"fast","a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`},
		{"5 MB", `{"model":"fast","messages":[{"role":"user","content":"` + strings.Repeat("0123456789", 1<<19) + `"}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sent := len(u.Exchanges())
			for _, body := range []string{tt.body, strings.Replace(tt.body, `"model":"fast"`, `"model":"other"`, 1)} {
				a := p.Do(t, "POST", chatPath, body, p.Key())
				require.Equal(t, 200, a.Status, a.Body)
				assert.Equal(t, fixture.Completion("pong"), a.Body, "the answer comes as it was sent")
			}
			aliased := strings.Replace(tt.body, `"fast"`, `"vendor/Modell-ß"`, 1)
			if strings.Contains(tt.name, "nested") {
				aliased = strings.Replace(tt.body, `"model":"fast","z"`, `"model":"vendor/Modell-ß","z"`, 1)
			}
			assert.True(t, same(aliased, u.Await(t, sent).Body), "under an alias only the model changes")
			if other := strings.Replace(tt.body, `"model":"fast"`, `"model":"other"`, 1); !strings.Contains(tt.name, "nested") && other != tt.body {
				assert.True(t, same(other, u.Await(t, sent+1).Body), "without one nothing changes")
			}
		})
	}
}

// same compares texts that are too long to be printed where they differ.
func same(a, b string) bool { return a == b }

func TestWhatADecisionDependsOnIsSaidOnce(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	for _, body := range []string{
		`{"model":"a","model":"b"}`, `{"model":"a","Model":"b"}`, `{"model":"a","\u006dodel":"b"}`, `{"model":"a","stream":true,"ſtream":false}`,
		`{"model":"a","MAX_TOKENS":1}`, "\ufeff" + `{"model":"a"}`, `{"model":"a"}{"model":"b"}`, `{"model":"a"} x`, `{"model":1}`, `{"model":""}`,
		`{}`, `[]`, `"model"`, `{"model":"a"`, `{"model":"a","x":NaN}`, "{\"model\":\"a\xff\"}", `{"model":"a","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		a := p.Do(t, "POST", chatPath, body, p.Key())
		assert.Equal(t, 400, a.Status, body[:min(len(body), 80)])
		assert.Equal(t, "invalid_request_error", a.Text("error.type"))
	}
	for contentType, status := range map[string]int{"text/plain": 415, "application/x-www-form-urlencoded": 415, "application/jsonx": 415, "application/json; charset=utf-8": 200} {
		assert.Equal(t, status, p.Do(t, "POST", chatPath, plain, p.Key(), "Content-Type: "+contentType).Status, contentType)
	}
	assert.Equal(t, 415, p.Do(t, "POST", chatPath, plain, p.Key(), "Content-Encoding: gzip").Status)
	isError(t, p.Do(t, "POST", "/v1/unheard/of", plain, p.Key()), 404, "unknown_path")
	a := p.Do(t, "DELETE", chatPath, "", p.Key())
	isError(t, a, 405, "method_not_allowed")
	assert.Equal(t, "POST", a.Header.Get("Allow"))
	assert.Len(t, u.Exchanges(), 1, "only the good one was relayed")
}

func TestWhatNeverReachesTheProvider(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{provider: []string{"headers: { X-Title: MonoRelay }"}})
	alice := register(t, p, "alice")
	hostile := []string{
		"Cookie", "X-Access-Key", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "X-Setup-Token", "Proxy-Authorization",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via", "True-Client-Ip", "Cf-Connecting-Ip",
		"Origin", "Referer", "Idempotency-Key", "X-Idempotency-Key", "Openai-Organization", "Openai-Project", "Anthropic-Organization-Id",
		"X-Request-Id", "X-Http-Method-Override", "X-Stainless-Lang", "Te", "Trailer", "Upgrade", "Accept-Encoding",
		"X-Openai-Host", "X-Custom-Host", "Base-Url", "X-Base-Url", "Helicone-Target-Url", "X-Monorelay-Provider",
	}
	fields := []string{alice.bearer(), "Accept: text/event-stream", "OpenAI-Beta: assistants=v2", "User-Agent: " + secret("agent")}
	marks := []string{alice.token}
	for _, name := range hostile {
		mark := secret("hostile")
		marks = append(marks, mark)
		fields = append(fields, name+": "+mark)
	}
	require.Equal(t, 200, p.Do(t, "POST", chatPath, plain, fields...).Status)
	x := u.Await(t, 0)
	for _, mark := range marks {
		assert.NotContains(t, x.Head, mark)
	}
	assert.NotContains(t, x.Head, "agent-")
	for _, name := range hostile {
		assert.Empty(t, x.Values(name), name)
	}
	var names []string
	for line := range strings.SplitSeq(strings.TrimSpace(x.Head), "\r\n") {
		if name, _, found := strings.Cut(line, ": "); found {
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
	slices.Sort(names)
	assert.Equal(t, []string{"Accept", "Authorization", "Content-Length", "Content-Type", "Host", "Openai-Beta", "User-Agent", "X-Title"}, names)
	assert.Equal(t, "assistants=v2", x.Value("OpenAI-Beta"))
	assert.Equal(t, strings.TrimPrefix(u.URL, "http://"), x.Value("Host"))
	assert.Equal(t, "POST", x.Method())
	assert.Equal(t, "/v1/chat/completions", x.Path())
}

func TestAKeyReachesItsProviderOnly(t *testing.T) {
	t.Parallel()
	one, two := fixture.NewUpstream(t), fixture.NewUpstream(t)
	keyOne, keyTwo := secret("sk"), secret("sk")
	p := start(t, one, "server:\n  access_key: "+secret("access")+`
providers:
  one: { base_url: "`+one.URL+`/v1/", keys: [{ key: `+keyOne+` }], models: { include: ["one-*", "both"] } }
  two: { base_url: "`+two.URL+`/v1/chat/completions", keys: [{ key: `+keyTwo+` }], models: { include: ["two-*", "both"] } }
`)
	t.Cleanup(two.Stop)
	for _, model := range []string{"one-a", "two-a", "both", "both@two", "one-a@two"} {
		require.Equal(t, 200, p.Do(t, "POST", chatPath, strings.Replace(plain, `"m"`, `"`+model+`"`, 1), p.Key()).Status)
	}
	one.Script(func(x *fixture.Exchange) { x.Send(fixture.JSON(503, `{"error":{}}`)) })
	a := p.Do(t, "POST", chatPath, strings.Replace(plain, `"m"`, `"both"`, 1), p.Key())
	require.Equal(t, 200, a.Status)
	assert.Equal(t, "two", a.Header.Get("X-Monorelay-Provider"))
	assert.Equal(t, "2", a.Header.Get("X-Monorelay-Attempts"))
	for u, key := range map[*fixture.Upstream]string{one: keyOne, two: keyTwo} {
		require.NotEmpty(t, u.Exchanges())
		for _, x := range u.Exchanges() {
			assert.Equal(t, []string{"Bearer " + key}, x.Values("Authorization"))
			assert.Equal(t, "/v1/chat/completions", x.Path())
			assert.Equal(t, 1, strings.Count(x.Head+x.Body, "sk-"))
		}
	}
	isError(t, p.Do(t, "POST", chatPath, strings.Replace(plain, `"m"`, `"three"`, 1), p.Key()), 404, "model_not_found")
	isError(t, p.Do(t, "POST", chatPath, strings.Replace(plain, `"m"`, `"one-a@three"`, 1), p.Key()), 404, "model_not_found")
}

func TestNoRequestChoosesWhereItGoes(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	trap, visits := listener(t)
	var fields []string
	var body, query strings.Builder
	body.WriteString(`{"model":"m"`)
	for _, name := range []string{"base_url", "api_base", "endpoint", "proxy", "host", "url", "base-url", "x-base-url", "x-openai-host", "x-custom-host", "x-forwarded-host", "x-host", "target-url", "api-base"} {
		fields = append(fields, name+": http://"+trap)
		body.WriteString(`,"` + name + `":"http://` + trap + `/v1"`)
		query.WriteString(name + "=http://" + trap + "&")
	}
	fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, "host: ") })
	require.Equal(t, 200, p.Do(t, "POST", chatPath+"?"+query.String(), body.String()+`}`, append(fields, p.Key())...).Status)
	absolute := "POST http://" + trap + chatPath + " HTTP/1.1\r\nHost: " + trap + "\r\n" + p.Key() + "\r\nContent-Type: application/json\r\nContent-Length: 13\r\nConnection: close\r\n\r\n" + `{"model":"m"}`
	p.Raw(t, absolute)
	require.GreaterOrEqual(t, len(u.Exchanges()), 1)
	for _, x := range u.Exchanges() {
		assert.Equal(t, "/v1/chat/completions", x.Path(), "nor does the query cross")
		assert.NotContains(t, x.Head, trap)
	}
	assert.Zero(t, visits(), "connections to the address that requests named")
	assert.NotContains(t, p.Do(t, "GET", "/api/info", "", "Host: evil.example", "X-Forwarded-Host: evil.example").Body, "evil.example")
}

// listener listens at an address to which nothing may connect, and counts what does.
func listener(t *testing.T) (address string, visits func() int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	came := make(chan net.Conn, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
			came <- c
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-ended
	})
	return ln.Addr().String(), func() int { return len(came) }
}

func TestWhatReachesTheClient(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	crosses := []string{
		"Openai-Model: m-2", "Openai-Processing-Ms: 12", "X-Ratelimit-Remaining-Tokens: 100", "Anthropic-Ratelimit-Tokens-Remaining: 7",
		"Retry-After: 7", "X-Should-Retry: false",
	}
	stays := []string{
		"Set-Cookie: a=b", "Server: cloud", "Via: 1.1 x", "Alt-Svc: h3=\":443\"", "Strict-Transport-Security: max-age=1", "X-Powered-By: php",
		"Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true", "Openai-Organization: org-secret", "Openai-Project: proj-secret",
		"Www-Authenticate: Bearer", "Location: http://elsewhere", "Cf-Ray: 1", "X-Monorelay-Provider: forged", "Content-Security-Policy: none", "Keep-Alive: timeout=5",
	}
	u.Script(func(x *fixture.Exchange) {
		all := append(append([]string{"X-Request-Id: theirs"}, crosses...), stays...)
		if strings.Contains(x.Body, `"stream":true`) {
			x.Send(fixture.StreamHead(all...) + fixture.Chunk(fixture.Event("[DONE]")) + fixture.LastChunk)
			return
		}
		x.Send(fixture.JSON(200, fixture.Completion("pong"), all...))
	})
	for _, body := range []string{plain, streamed} {
		a := p.Do(t, "POST", chatPath, body, p.Key())
		require.Equal(t, 200, a.Status)
		for _, f := range crosses {
			name, value, _ := strings.Cut(f, ": ")
			assert.Equal(t, []string{value}, a.Header.Values(name), name)
		}
		for _, f := range stays {
			name, value, _ := strings.Cut(f, ": ")
			assert.NotContains(t, a.Header.Values(name), value, name)
		}
		assert.Equal(t, "theirs", a.Header.Get("X-Upstream-Request-Id"))
		assert.NotEqual(t, "theirs", a.Header.Get("X-Request-Id"))
		assert.Equal(t, []string{"primary"}, a.Header.Values("X-Monorelay-Provider"))
		assert.Equal(t, "m", a.Header.Get("X-Monorelay-Model"))
		assert.Equal(t, "1", a.Header.Get("X-Monorelay-Attempts"))
		assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	}
}
