package exchange_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"monorelay/domain/exchange"
)

// neverCross never go anywhere: they say who somebody is, belong to one connection, or choose whose account is used.
var neverCross = []string{
	"Authorization", "Proxy-Authorization", "X-Access-Key", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "X-Setup-Token",
	"Cookie", "Set-Cookie", "Set-Cookie2", "Www-Authenticate", "Proxy-Authenticate",
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Host", "Expect",
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via", "Cf-Connecting-Ip", "True-Client-Ip",
	"Openai-Organization", "Openai-Project", "Anthropic-Organization-Id",
	"Origin", "Referer", "User-Agent", "Server", "Date", "Location", "Alt-Svc", "Strict-Transport-Security",
	"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Idempotency-Key", "X-Monorelay-Provider", "",
}

func TestForProvider(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Accept", "Content-Type", "Openai-Beta", "Anthropic-Version", "Anthropic-Beta"} {
		assert.Equal(t, name, exchange.ForProvider([]byte(name)))
	}
	for _, name := range append([]string{
		"Accept-Encoding", "Content-Encoding", "Openai-Anything", "Anthropic-Anything", "X-Request-Id", "content-type", "Content-Type ",
	}, neverCross...) {
		assert.Empty(t, exchange.ForProvider([]byte(name)), name)
	}
}

func TestForClient(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Content-Type", "Content-Encoding", "Content-Disposition", "Retry-After", "Retry-After-Ms", "X-Should-Retry",
		"Openai-Model", "Openai-Processing-Ms", "Openai-Version", "Anthropic-Ratelimit-Tokens-Remaining",
		"X-Ratelimit-Limit-Requests", "X-Ratelimit-Reset-Tokens",
	} {
		assert.Equal(t, name, exchange.ForClient(name))
	}
	for _, name := range []string{"X-Request-Id", "Request-Id"} {
		assert.Equal(t, "X-Upstream-Request-Id", exchange.ForClient(name))
	}
	for _, name := range append([]string{"X-Upstream-Request-Id", "Openai", "X-Ratelimit", "Cf-Ray", "content-type"}, neverCross...) {
		assert.Empty(t, exchange.ForClient(name), name)
	}
}

func TestHeaderGet(t *testing.T) {
	t.Parallel()
	h := exchange.Header{{Name: "Retry-After", Value: "1"}, {Name: "Content-Type", Value: "text/plain"}, {Name: "Content-Type", Value: "text/html"}}
	assert.Equal(t, "text/plain", h.Get("Content-Type"), "the first counts")
	assert.Empty(t, h.Get("content-type"), "names are in canonical form")
	assert.Empty(t, exchange.Header(nil).Get("Content-Type"))
}
