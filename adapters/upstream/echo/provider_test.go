package echo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"monorelay/adapters/upstream/echo"
	"monorelay/domain/exchange"
	"monorelay/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newProvider(pace time.Duration) *echo.Provider {
	return echo.New(echo.Pace(pace), func() string { return "1" }, func() time.Time { return time.Unix(1764000000, 0).UTC() })
}

// ask makes a chat call and reads its answer.
func ask(t *testing.T, p *echo.Provider, body string) (ports.Reply, string) {
	t.Helper()
	reply, err := p.Call(t.Context(), ports.Call{Endpoint: exchange.ChatCompletions, Body: []byte(body)})
	require.NoError(t, err)
	got, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	require.NoError(t, reply.Body.Close())
	assert.False(t, reply.OpenEnded)
	return reply, string(got)
}

func TestAPlainAnswerSaysWhatWasAsked(t *testing.T) {
	t.Parallel()
	reply, got := ask(t, newProvider(0), `{"model":"echo","messages":[{"role":"user","content":"Hello,  wörld \"<&>\"\n"}]}`)
	assert.Equal(t, 200, reply.Status)
	assert.Equal(t, exchange.Header{{Name: "Content-Type", Value: "application/json"}}, reply.Header)
	assert.EqualValues(t, len(got), reply.Length)
	assert.JSONEq(t, `{"id":"chatcmpl-1","object":"chat.completion","created":1764000000,"model":"echo",
		"choices":[{"index":0,"message":{"role":"assistant","content":"Hello,  wörld \"<&>\"\n"},"finish_reason":"stop"}],
		"usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6}}`, got)
}

func TestTheLastWordsAreEchoed(t *testing.T) {
	t.Parallel()
	for messages, want := range map[string]string{
		`{"role":"user","content":"a"}`: "a",
		`{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}`: "c",
		`{"role":"user","content":"a"},{"role":"assistant","content":"b"}`:                                                               "a",
		`{"role":"system","content":"s"},{"role":"assistant","content":"b"}`:                                                             "b",
		`{"role":"user","content":"a"},{"role":"user","content":""}`:                                                                     "a",
		`{"role":"user","content":"a"},{"role":"user","content":null}`:                                                                   "a",
		`{"role":"user","content":"a"},{"role":"tool"}`:                                                                                  "a",
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"b"}]}`: "a b",
		`{"content":"a"}`: "a",
	} {
		_, got := ask(t, newProvider(0), `{"model":"echo","messages":[`+messages+`]}`)
		var answer struct {
			Choices []struct{ Message struct{ Content string } }
		}
		require.NoError(t, json.Unmarshal([]byte(got), &answer))
		require.Len(t, answer.Choices, 1, "%s: %s", messages, got)
		assert.Equal(t, want, answer.Choices[0].Message.Content, messages)
	}
}

func TestAStreamIsOneEventAWord(t *testing.T) {
	t.Parallel()
	const head = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1764000000,"model":"echo","choices":`
	words := []string{
		head + `[{"index":0,"delta":{"role":"assistant","content":"one "},"finish_reason":null}]}`,
		head + `[{"index":0,"delta":{"content":"two "},"finish_reason":null}]}`,
		head + `[{"index":0,"delta":{"content":"three"},"finish_reason":null}]}`,
		head + `[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
	}
	usage := head + `[],"usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6}}`
	for options, want := range map[string][]string{
		``:                       append(words[:4:4], "data: [DONE]"),
		`,"stream_options":null`: append(words[:4:4], "data: [DONE]"),
		`,"stream_options":{"include_usage":false}`: append(words[:4:4], "data: [DONE]"),
		`,"stream_options":{"include_usage":true}`:  append(words[:4:4], usage, "data: [DONE]"),
	} {
		reply, got := ask(t, newProvider(0), `{"model":"echo","stream":true,"messages":[{"role":"user","content":"one two three"}]`+options+`}`)
		assert.Equal(t, 200, reply.Status)
		assert.Equal(t, exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}}, reply.Header)
		assert.EqualValues(t, -1, reply.Length)
		assert.Equal(t, strings.Join(want, "\n\n")+"\n\n", got, options)
	}
}

func TestAStreamIsTheSameForAnyReader(t *testing.T) {
	t.Parallel()
	const body = `{"model":"echo","stream":true,"messages":[{"role":"user","content":"one two three"}]}`
	_, want := ask(t, newProvider(0), body)
	reply, err := newProvider(0).Call(t.Context(), ports.Call{Endpoint: exchange.ChatCompletions, Body: []byte(body)})
	require.NoError(t, err)
	require.NoError(t, iotest.TestReader(reply.Body, []byte(want)))
	require.NoError(t, reply.Body.Close())
}

func TestWhatCanNotBeEchoedIsARefusal(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `{`, `[]`, `"x"`, `{"messages":"x"}`, `{"messages":[1]}`, `{"messages":[{"role":1,"content":"a"}]}`, `{"stream":"yes","messages":[]}`, "\xff",
		`null`, `{}`, `{"model":"echo"}`, `{"messages":[]}`, `{"messages":null}`, `{"messages":[{"role":"user"}]}`, `{"messages":[{"role":"user","content":""}]}`,
		`{"messages":[{"role":"user","content":null}]}`, `{"messages":[{"role":"user","content":42}]}`, `{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}`,
		`{"stream":true,"messages":[]}`,
	} {
		reply, got := ask(t, newProvider(0), body)
		assert.Equal(t, 400, reply.Status, body)
		assert.EqualValues(t, len(got), reply.Length)
		var answer map[string]map[string]any
		require.NoError(t, json.Unmarshal([]byte(got), &answer), body)
		assert.Equal(t, "invalid_request_error", answer["error"]["type"])
		assert.NotEmpty(t, answer["error"]["message"])
		assert.Len(t, answer["error"], 4)
	}
}

func TestModelsListsEcho(t *testing.T) {
	t.Parallel()
	reply, err := newProvider(0).Call(t.Context(), ports.Call{Endpoint: exchange.Models})
	require.NoError(t, err)
	got, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	assert.Equal(t, 200, reply.Status)
	assert.JSONEq(t, `{"object":"list","data":[{"id":"echo","object":"model","created":0,"owned_by":"monorelay"}]}`, string(got))
}

func TestAStreamKeepsItsPaceAndReadWaitsForNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reply, err := newProvider(time.Minute).Call(t.Context(), ports.Call{
			Endpoint: exchange.ChatCompletions, Body: []byte(`{"stream":true,"messages":[{"role":"user","content":"one two"}]}`),
		})
		require.NoError(t, err)
		buffer := make([]byte, 64<<10)
		for i := range 4 { // two words, the stop, and [DONE]
			start := time.Now()
			n, err := reply.Body.Read(buffer)
			require.NoError(t, err)
			assert.Equal(t, time.Minute, time.Since(start))
			assert.Equal(t, 1, strings.Count(string(buffer[:n]), "data: "), "event %d", i)
		}
		_, err = reply.Body.Read(buffer)
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, reply.Body.Close())
	})
}

func TestAStreamThatIsEndedInTheMiddleIsNotWhole(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(context.CancelFunc, io.Closer){
		"the end of ctx": func(cancel context.CancelFunc, _ io.Closer) { cancel() },
		"Close":          func(_ context.CancelFunc, body io.Closer) { _ = body.Close() },
	} {
		for _, pace := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprintf("%s, with a pace of %v", name, pace), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					reply, err := newProvider(pace).Call(ctx, ports.Call{
						Endpoint: exchange.ChatCompletions, Body: []byte(`{"stream":true,"messages":[{"role":"user","content":"one two three"}]}`),
					})
					require.NoError(t, err)
					buffer := make([]byte, 64<<10)
					_, err = reply.Body.Read(buffer)
					require.NoError(t, err)
					if pace == 0 {
						leave(cancel, reply.Body)
					} else {
						go func() {
							time.Sleep(time.Second)
							leave(cancel, reply.Body)
						}()
					}
					start := time.Now()
					for range 10 {
						_, err = reply.Body.Read(buffer)
						require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					}
					assert.LessOrEqual(t, time.Since(start), time.Second, "Read waits on")
					require.NoError(t, reply.Body.Close())
				})
			})
		}
	}
}

func TestStreamsAreNeverMixed(t *testing.T) {
	t.Parallel()
	p := newProvider(time.Microsecond)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			word := fmt.Sprintf("word%d", i)
			reply, err := p.Call(t.Context(), ports.Call{
				Endpoint: exchange.ChatCompletions, Body: []byte(`{"model":"echo","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat(word+" ", 20) + `"}]}`),
			})
			if assert.NoError(t, err) {
				got, err := io.ReadAll(reply.Body)
				assert.Equal(t, 20, strings.Count(string(got), `"content":"`+word+` "`))
				assert.Equal(t, 20, strings.Count(string(got), "word"))
				assert.NoError(t, errors.Join(err, reply.Body.Close()))
			}
		})
	}
	wg.Wait()
}
