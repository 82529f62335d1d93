package upstream_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"monorelay/adapters/upstream"
	"monorelay/adapters/upstream/echo"
	"monorelay/adapters/upstream/openai"
	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/ports"
	"monorelay/test/fixture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestACallGoesToTheKindOfItsProvider(t *testing.T) {
	t.Parallel()
	u := fixture.NewUpstream(t)
	client := openai.New()
	t.Cleanup(client.Close)
	dispatcher := upstream.New(client, echo.New(0, func() string { return "1" }, time.Now))
	base, err := provider.ParseBase(u.URL)
	require.NoError(t, err)

	for dialect, want := range map[provider.Dialect]int{provider.Echo: 0, provider.OpenAI: 1} {
		before := len(u.Exchanges())
		reply, err := dispatcher.Call(t.Context(), ports.Call{
			Provider: &provider.Provider{Dialect: dialect, Base: base, Timeout: 15 * time.Second},
			Endpoint: exchange.ChatCompletions, Body: []byte(`{"messages":[{"role":"user","content":"ping"}]}`),
		})
		require.NoError(t, err)
		body, err := io.ReadAll(reply.Body)
		require.NoError(t, err)
		require.NoError(t, reply.Body.Close())
		assert.Len(t, u.Exchanges(), before+want)
		assert.Contains(t, string(body), map[provider.Dialect]string{provider.Echo: "ping", provider.OpenAI: "pong"}[dialect])
	}
}
