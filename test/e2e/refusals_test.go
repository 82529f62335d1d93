package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

// challenge is what WWW-Authenticate says of a credential that was presented (RFC 6750, section 3).
const challenge = `^Bearer realm="monorelay", error="invalid_token", error_description="[^"]+"$`

func TestEveryCauseOf401(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	p := start(t, u, configuration(u, parts{}))
	off := start(t, u, configuration(u, parts{server: []string{"access_key_enabled: false"}}))
	short := start(t, u, configuration(u, parts{rest: "auth: { access_token_ttl: 1s }\n"}))
	alice, bob := register(t, p, "alice"), register(t, p, "bob")
	require.Equal(t, 200, p.Do(t, "PATCH", bob.path(), `{"is_active":false}`, alice.bearer()).Status)
	expired := register(t, short, "alice")
	eventually(t, 10*time.Second, "the token expires", func() bool {
		return short.Do(t, "GET", "/api/auth/me", "", expired.bearer()).Text("error.code") == "token_expired"
	})
	forged := alice.token[:len(alice.token)-10] + strings.Repeat("A", 10)
	tests := []struct {
		name, code, says string
		process          *fixture.Process
		fields           []string
		challenge        string
	}{
		{"no credential", "missing_credentials", "Authorization: Bearer <token>", p, nil, `^Bearer realm="monorelay"$`},
		{"another scheme", "missing_credentials", "Authorization: Bearer <token>", p, []string{"Authorization: Basic YWxpY2U6Ym9i"}, `^Bearer realm="monorelay"$`},
		{"an expired token", "token_expired", "/api/auth/login", short, []string{expired.bearer()}, challenge},
		{"a forged token", "invalid_token", "/api/auth/login", p, []string{bearer(forged)}, challenge},
		{"a malformed token", "invalid_token", "/api/auth/login", p, []string{bearer("eyJhbGciOiJIUzI1NiJ9.e30")}, challenge},
		{"a wrong access key", "invalid_access_key", "server.access_key in config.yml", p, []string{bearer(secret("wrong"))}, challenge},
		{"a wrong X-Access-Key", "invalid_access_key", "server.access_key in config.yml", p, []string{"X-Access-Key: " + secret("wrong")}, challenge},
		{"a wrong x-api-key", "invalid_access_key", "server.access_key in config.yml", p, []string{"x-api-key: " + secret("wrong")}, challenge},
		{"a wrong key before a right one", "invalid_access_key", "server.access_key in config.yml", p, []string{bearer(secret("wrong")), "X-Access-Key: " + p.AccessKey}, challenge},
		{"the right key, switched off", "access_key_disabled", "access_key_enabled: true", off, []string{off.Key()}, challenge},
		{"a wrong key, switched off", "access_key_disabled", "access_key_enabled: true", off, []string{"X-Access-Key: " + secret("wrong")}, challenge},
		{"an inactive account", "account_inactive", "administrator", p, []string{bob.bearer()}, challenge},
	}
	endpoints := map[string]string{
		"a relay endpoint":    "POST " + chatPath + " HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: 9\r\nFIELDS\r\n" + `{"a":"b"}`,
		"the list of models":  "GET /v1/models HTTP/1.1\r\nHost: relay\r\nFIELDS\r\n",
		"one's own account":   "GET /api/auth/me HTTP/1.1\r\nHost: relay\r\nFIELDS\r\n",
		"the administrator's": "DELETE /api/users/1 HTTP/1.1\r\nHost: relay\r\nFIELDS\r\n",
	}
	for _, tt := range tests {
		for where, request := range endpoints {
			t.Run(tt.name+" at "+where, func(t *testing.T) {
				fields := ""
				for _, f := range tt.fields {
					fields += f + "\r\n"
				}
				a := tt.process.Raw(t, strings.Replace(request, "FIELDS\r\n", fields+"\r\n", 1))
				isError(t, a, 401, tt.code)
				assert.Equal(t, "authentication_error", a.Text("error.type"))
				assert.Equal(t, "null", nullable(a.Text("error.param")))
				assert.Contains(t, a.Text("error.message"), tt.says)
				assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
				require.Len(t, a.Header.Values("WWW-Authenticate"), 1)
				assert.Regexp(t, tt.challenge, a.Header.Get("WWW-Authenticate"))
			})
		}
	}
	assert.Empty(t, u.Exchanges(), "nothing of this reaches the provider")
}

func nullable(text string) string {
	if text == "" {
		return "null"
	}
	return text
}

func TestCredentialsOutsideTheHeaderDoNotCount(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t, parts{})
	alice := register(t, p, "alice")
	for name, a := range map[string]fixture.Answer{
		"the query":            p.Do(t, "GET", "/v1/models?access_key="+p.AccessKey+"&key="+p.AccessKey+"&access_token="+alice.token, ""),
		"a cookie":             p.Do(t, "GET", "/v1/models", "", "Cookie: access_token="+alice.token+"; access_key="+p.AccessKey),
		"the body":             p.Do(t, "POST", chatPath, `{"model":"m","access_key":"`+p.AccessKey+`"}`),
		"basic":                p.Do(t, "GET", "/v1/models", "", "Authorization: Basic "+p.AccessKey),
		"the key, shortened":   p.Do(t, "GET", "/v1/models", "", bearer(p.AccessKey[:len(p.AccessKey)-1])),
		"the key, lengthened":  p.Do(t, "GET", "/v1/models", "", bearer(p.AccessKey+"x")),
		"the key, in capitals": p.Do(t, "GET", "/v1/models", "", bearer(strings.ToUpper(p.AccessKey))),
		"SQL":                  p.Do(t, "GET", "/v1/models", "", bearer("' OR '1'='1")),
	} {
		assert.Equal(t, 401, a.Status, name)
	}
	for name, a := range map[string]fixture.Answer{
		"a header twice":       p.Do(t, "GET", "/v1/models", "", p.Key(), p.Key()),
		"good and bad":         p.Do(t, "GET", "/v1/models", "", p.Key(), bearer(secret("wrong"))),
		"X-Access-Key twice":   p.Do(t, "GET", "/v1/models", "", "X-Access-Key: "+p.AccessKey, "X-Access-Key: "+p.AccessKey),
		"a credential of 9 KB": p.Do(t, "GET", "/v1/models", "", bearer(strings.Repeat("a", 9<<10))),
	} {
		isError(t, a, 400, "malformed_credentials")
		assert.Equal(t, 400, a.Status, name)
	}
	isError(t, p.Do(t, "GET", "/api/auth/me", "", p.Key()), 403, "user_required")
	assert.Empty(t, u.Exchanges())
	for _, scheme := range []string{"bearer ", "BEARER ", "Bearer "} {
		assert.Equal(t, 200, p.Do(t, "GET", "/api/auth/me", "", "Authorization: "+scheme+alice.token).Status)
	}
	assert.Equal(t, 200, p.Do(t, "GET", "/v1/models", "", "x-api-key: "+p.AccessKey).Status)
}
