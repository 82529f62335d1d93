package provider_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/provider"
)

func TestParseBase(t *testing.T) {
	t.Parallel()
	openrouter := provider.Base{Scheme: "https", Host: "openrouter.ai", Path: "/api/v1"}
	local := provider.Base{Scheme: "http", Host: "localhost:11434", Path: "/v1"}
	tests := []struct {
		name, raw string
		want      provider.Base
	}{
		{"where the paths begin", "https://openrouter.ai/api/v1", openrouter},
		{"a slash at the end", "https://openrouter.ai/api/v1/", openrouter},
		{"slashes at the end", "https://openrouter.ai/api/v1///", openrouter},
		{"the chat endpoint", "https://openrouter.ai/api/v1/chat/completions", openrouter},
		{"the chat endpoint and a slash", "https://openrouter.ai/api/v1/chat/completions/", openrouter},
		{"the completions endpoint", "https://openrouter.ai/api/v1/completions", openrouter},
		{"the embeddings endpoint", "https://openrouter.ai/api/v1/embeddings", openrouter},
		{"the list of models", "https://openrouter.ai/api/v1/models", openrouter},
		{"the responses endpoint", "https://openrouter.ai/api/v1/responses", openrouter},
		{"two slashes in front of the endpoint", "https://openrouter.ai/api/v1//chat/completions", openrouter},
		{"one endpoint is taken off, not two", "https://openrouter.ai/api/v1/models/models", provider.Base{Scheme: "https", Host: "openrouter.ai", Path: "/api/v1/models"}},
		{"a word that ends like an endpoint", "https://openrouter.ai/api/mymodels", provider.Base{Scheme: "https", Host: "openrouter.ai", Path: "/api/mymodels"}},
		{"an endpoint of another name", "https://openrouter.ai/api/v1/chat", provider.Base{Scheme: "https", Host: "openrouter.ai", Path: "/api/v1/chat"}},
		{"space around", " https://openrouter.ai/api/v1\n", openrouter},
		{"a scheme in capitals", "HTTPS://openrouter.ai/api/v1", openrouter},
		{"a port", "http://localhost:11434/v1", local},
		{"no path", "http://localhost:11434", provider.Base{Scheme: "http", Host: "localhost:11434"}},
		{"a slash for a path", "http://localhost:11434/", provider.Base{Scheme: "http", Host: "localhost:11434"}},
		{"an endpoint for a path", "http://localhost:11434/chat/completions", provider.Base{Scheme: "http", Host: "localhost:11434"}},
		{"an IPv6 address", "http://[::1]:8080/v1", provider.Base{Scheme: "http", Host: "[::1]:8080", Path: "/v1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := provider.ParseBase(tt.raw)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseBaseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, raw string }{
		{"nothing", ""},
		{"no scheme", "openrouter.ai/api/v1"},
		{"a host and a port without a scheme", "localhost:11434"},
		{"another scheme", "ftp://openrouter.ai"},
		{"a file", "file:///etc/passwd"},
		{"no host", "https:///v1"},
		{"a scheme alone", "https:"},
		{"a port without a host", "http://:8080/v1"},
		{"no slashes", "https:openrouter.ai"},
		{"a path alone", "/v1"},
		{"a host without a scheme", "//openrouter.ai/v1"},
		{"a port that is none", "http://localhost:port/v1"},
		{"a control character", "https://openrouter.ai/\x00"},
		{"half an escape", "https://openrouter.ai/%2"},
		{"a space in the host", "https://open router.ai"},
		{"half an IPv6 address", "http://[::1/v1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := provider.ParseBase(tt.raw)
			require.Error(t, err)
			assert.Equal(t, provider.Base{}, got)
		})
	}
}

func TestParseBaseQuotesNothingInItsErrors(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"https://alice:s3cret@openrouter.ai:port/v1", "s3cret", "ftp://s3cret", "https://openrouter.ai/s3cret%2"} {
		_, err := provider.ParseBase(raw)
		require.Error(t, err, raw)
		assert.NotContains(t, err.Error(), "s3cret")
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	t.Parallel()
	const key = "sk-or-v1-0123456789abcdef"
	s := provider.NewSecret(key)
	p := provider.Provider{Name: "openrouter", Key: s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{s, &s, p, &p, []provider.Secret{s}} {
			printed := fmt.Sprintf(verb, value)
			assert.NotContains(t, printed, key, verb)
			assert.NotContains(t, printed, fmt.Sprintf("%x", key), verb)
		}
	}

	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("call", "key", s, "provider", p)
	}
	assert.Contains(t, log.String(), `"key":"[key]"`)
	assert.NotContains(t, log.String(), key)

	assert.Equal(t, key, s.Reveal())
	assert.False(t, s.IsZero())
	assert.True(t, provider.NewSecret("").IsZero())
	assert.True(t, provider.Secret{}.IsZero())
}

func TestDialectsHaveNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "openai", provider.OpenAI.String())
	assert.Equal(t, "anthropic", provider.Anthropic.String())
	assert.Equal(t, "echo", provider.Echo.String())
	assert.Equal(t, "unknown", provider.Dialect(99).String())
}

func TestAKeyThatIsQuotedIsMasked(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, key, text, want string }{
		{"a long key", "sk-canary-0123456789", `{"error":"bad key sk-canary-0123456789, sk-canary-0123456789"}`, `{"error":"bad key sk-c…6789, sk-c…6789"}`},
		{"a short key", "sk-short", "sk-short", "[key]"},
		{"another text", "sk-canary-0123456789", "nothing", "nothing"},
		{"no key", "", "text", "text"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, string(provider.NewSecret(tt.key).Mask([]byte(tt.text))), tt.name)
	}
}
