// Package sdk holds the program to what the official client of OpenAI's API makes of it.
package sdk_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"monorelay/test/fixture"
)

func TestMain(m *testing.M) { os.Exit(fixture.RunBuilt(m)) }

const accessKey = "access-key-of-the-tests-with-the-client"

// relayTo starts a process whose provider is a new upstream.
func relayTo(t *testing.T) (*fixture.Process, *fixture.Upstream) {
	t.Helper()
	u := fixture.NewUpstream(t)
	p := fixture.Start(t, "server: { access_key: "+accessKey+` }
providers:
  primary: { base_url: "`+u.URL+`/v1", keys: [{ key: sk-of-the-tests-with-the-client }] }
model_routing: { aliases: { fast: gpt-4o-mini, "vendor/model": gpt-4o } }
`)
	t.Cleanup(u.Stop)
	return p, u
}

// httpClient returns a client whose connections end with the test.
func httpClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// client returns the official client, as its documentation has it set up.
func client(t *testing.T, p *fixture.Process, key, suffix string) openai.Client {
	t.Helper()
	return openai.NewClient(
		option.WithAPIKey(key), option.WithBaseURL(p.URL+"/v1"+suffix), option.WithMaxRetries(0),
		option.WithRequestTimeout(20*time.Second), option.WithHTTPClient(httpClient(t)),
	)
}

func hello(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello there, you")}}
}

// bases are the two ways to write the address.
var bases = map[string]string{"without a slash": "", "with a slash": "/"}

func TestTheEchoProvider(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, "")
	for name, suffix := range bases {
		t.Run(name, func(t *testing.T) {
			c := client(t, p, p.AccessKey, suffix)
			answer, err := c.Chat.Completions.New(t.Context(), hello("gpt-4o"))
			require.NoError(t, err)
			assert.Equal(t, "Hello there, you", answer.Choices[0].Message.Content)
			assert.Equal(t, "stop", answer.Choices[0].FinishReason)
			assert.Equal(t, "gpt-4o", answer.Model)
			assert.Positive(t, answer.Usage.TotalTokens)

			text, chunks, err := read(t.Context(), c, "gpt-4o")
			require.NoError(t, err)
			assert.Equal(t, "Hello there, you", text)
			assert.GreaterOrEqual(t, chunks, 4)
		})
	}
	c := client(t, p, p.AccessKey, "")
	page, err := c.Models.List(t.Context())
	require.NoError(t, err)
	require.Len(t, page.Data, 1)
	model, err := c.Models.Get(t.Context(), page.Data[0].ID)
	require.NoError(t, err)
	assert.Equal(t, page.Data[0].ID, model.ID)
	assert.Positive(t, model.Created)
}

// read reads a stream to its end.
func read(ctx context.Context, c openai.Client, model string) (text string, chunks int, err error) {
	stream := c.Chat.Completions.NewStreaming(ctx, hello(model))
	defer func() { _ = stream.Close() }()
	var said strings.Builder
	for stream.Next() {
		chunks++
		if choices := stream.Current().Choices; len(choices) > 0 {
			said.WriteString(choices[0].Delta.Content)
		}
	}
	return said.String(), chunks, stream.Err()
}

func TestAProvider(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t)
	u.Script(func(x *fixture.Exchange) {
		switch {
		case x.Method() == "GET":
			x.Send(fixture.JSON(200, `{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1764000000,"owned_by":"openai"},{"id":"org/other","object":"model","created":1,"owned_by":"org"}]}`))
		case strings.Contains(x.Body, `"stream":true`):
			x.Send(fixture.Stream(fixture.Deltas("po", "ng", " é😀")...))
		default:
			x.Send(fixture.JSON(200, fixture.Completion("pong")))
		}
	})
	for name, suffix := range bases {
		t.Run(name, func(t *testing.T) {
			c := client(t, p, accessKey, suffix)
			answer, err := c.Chat.Completions.New(t.Context(), hello("fast"))
			require.NoError(t, err)
			assert.Equal(t, "pong", answer.Choices[0].Message.Content)
			text, chunks, err := read(t.Context(), c, "fast")
			require.NoError(t, err)
			assert.Equal(t, "pong é😀", text)
			assert.Equal(t, 4, chunks)

			page, err := c.Models.List(t.Context())
			require.NoError(t, err)
			var names []string
			for _, m := range page.Data {
				names = append(names, m.ID)
			}
			assert.Equal(t, []string{"fast", "vendor/model", "gpt-4o", "org/other"}, names)
			for _, id := range names {
				model, err := c.Models.Get(t.Context(), id)
				if assert.NoError(t, err, id) {
					assert.Equal(t, id, model.ID)
					assert.NotEmpty(t, model.OwnedBy)
				}
			}
			_, err = c.Models.Get(t.Context(), "nobody")
			isError(t, err, 404, "model_not_found")
		})
	}
	for _, x := range u.Exchanges() {
		assert.Equal(t, "Bearer sk-of-the-tests-with-the-client", x.Value("Authorization"))
		if x.Method() == "POST" {
			assert.Contains(t, x.Body, `"model":"gpt-4o-mini"`)
		}
	}
}

func TestATokenIsAKeyToo(t *testing.T) {
	t.Parallel()
	p, _ := relayTo(t)
	p.Canary("securepassword123")
	a := p.Do(t, "POST", "/api/auth/register", `{"username":"alice","email":"alice@example.com","password":"securepassword123"}`)
	c := client(t, p, a.Text("access_token"), "")
	answer, err := c.Chat.Completions.New(t.Context(), hello("gpt-4o"))
	require.NoError(t, err)
	assert.Equal(t, "pong", answer.Choices[0].Message.Content)
}

func isError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var e *openai.Error
	if assert.ErrorAs(t, err, &e) {
		assert.Equal(t, status, e.StatusCode)
		assert.Equal(t, code, e.Code)
		assert.NotEmpty(t, e.Message)
		assert.NotEmpty(t, e.Type)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t)
	c := client(t, p, "not-the-key-of-the-tests", "")
	for name, call := range map[string]func() error{
		"chat":   func() error { _, err := c.Chat.Completions.New(t.Context(), hello("gpt-4o")); return err },
		"stream": func() error { _, _, err := read(t.Context(), c, "gpt-4o"); return err },
		"models": func() error { _, err := c.Models.List(t.Context()); return err },
		"model":  func() error { _, err := c.Models.Get(t.Context(), "gpt-4o"); return err },
	} {
		t.Run(name, func(t *testing.T) { isError(t, call(), 401, "invalid_access_key") })
	}
	assert.Empty(t, u.Exchanges())

	c = client(t, p, accessKey, "")
	_, err := c.Chat.Completions.New(t.Context(), hello("gpt-4o@nobody"))
	isError(t, err, 404, "model_not_found")
	_, _, err = read(t.Context(), c, "gpt-4o@nobody")
	isError(t, err, 404, "model_not_found")

	u.Script(func(x *fixture.Exchange) {
		x.Send(fixture.JSON(400, `{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`))
	})
	_, err = c.Chat.Completions.New(t.Context(), hello("gpt-4o"))
	isError(t, err, 400, "context_length_exceeded")
	u.Script(func(x *fixture.Exchange) {
		x.Send(fixture.JSON(401, `{"error":{"message":"bad key","code":"invalid_api_key"}}`))
	})
	_, err = c.Chat.Completions.New(t.Context(), hello("gpt-4o"))
	isError(t, err, 502, "provider_rejected_key")
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t)
	var mu sync.Mutex
	var asked []time.Time
	u.Script(func(x *fixture.Exchange) {
		mu.Lock()
		asked = append(asked, time.Now())
		first := len(asked) == 1
		mu.Unlock()
		if first {
			x.Send(fixture.JSON(429, `{"error":{"message":"slow down","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`, "Retry-After: 2"))
			return
		}
		x.Send(fixture.JSON(200, fixture.Completion("pong")))
	})
	c := client(t, p, accessKey, "")
	answer, err := c.Chat.Completions.New(t.Context(), hello("gpt-4o"), option.WithMaxRetries(1))
	require.NoError(t, err)
	assert.Equal(t, "pong", answer.Choices[0].Message.Content)
	require.Len(t, asked, 2)
	assert.GreaterOrEqual(t, asked[1].Sub(asked[0]), 1900*time.Millisecond)

	asked = nil
	_, err = c.Chat.Completions.New(t.Context(), hello("gpt-4o"))
	isError(t, err, 429, "rate_limit_exceeded")
}

func TestAStreamThatDiesIsAnError(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t)
	for name, end := range map[string]func(*fixture.Exchange){"FIN": (*fixture.Exchange).Cut, "RST": (*fixture.Exchange).Reset} {
		for where, last := range map[string]string{"between events": "", "in an event": fixture.Chunk("data: {\"a"), "in a chunk": "9\r\ndata"} {
			t.Run(name+" "+where, func(t *testing.T) {
				u.Script(func(x *fixture.Exchange) {
					x.Send(fixture.StreamHead())
					for _, d := range fixture.Deltas("po", "ng")[:2] {
						x.Send(fixture.Chunk(fixture.Event(d)))
					}
					x.Pause(50 * time.Millisecond) // a reset takes away what has not been read
					x.Send(last)
					x.Pause(50 * time.Millisecond)
					end(x)
				})
				text, chunks, err := read(t.Context(), client(t, p, accessKey, ""), "gpt-4o")
				assert.Equal(t, "pong", text, "what came before is there")
				assert.Equal(t, 2, chunks)
				require.Error(t, err)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				if where == "between events" { // else the client stumbles over what came of the event
					assert.Contains(t, err.Error(), "The provider broke off its answer.")
				}
			})
		}
	}
	var e *openai.Error
	u.Script((*fixture.Exchange).Cut)
	_, _, err := read(t.Context(), client(t, p, accessKey, ""), "gpt-4o")
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 502, e.StatusCode)
}

func TestAClientThatGoesAwayEndsTheCall(t *testing.T) {
	t.Parallel()
	p, u := relayTo(t)
	u.Script((*fixture.Exchange).Hang)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	c := client(t, p, accessKey, "")
	go func() {
		_, err := c.Chat.Completions.New(ctx, hello("gpt-4o"))
		done <- err
	}()
	x := u.Await(t, 0)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	select {
	case <-x.Gone():
	case <-time.After(time.Second):
		t.Error("the provider still works for nobody")
	}
}
