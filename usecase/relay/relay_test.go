package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/envelope"
	"monorelay/domain/exchange"
	"monorelay/domain/fault"
	"monorelay/domain/provider"
	"monorelay/domain/routing"
	"monorelay/ports"
	"monorelay/usecase/relay"
)

func TestExecuteRefusesWhatCantBeRouted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       error
		model      string // as the trace has it
	}{
		{"no body", "", envelope.ErrBadJSON, ""},
		{"no JSON", "{", envelope.ErrBadJSON, ""},
		{"no model", `{"messages":[]}`, envelope.ErrMissing, ""},
		{"a model of another type", `{"model":1}`, envelope.ErrWrongType, ""},
		{"two models", `{"model":"m","model":"n"}`, envelope.ErrAmbiguous, ""},
		{"a model that nobody serves", `{"model":"n"}`, routing.ErrNoModel, "n"},
		{"a model that nobody serves, as a stream", `{"model":"n","stream":true}`, routing.ErrNoModel, "n"},
		{"an alias that leads nowhere", `{"model":"loop"}`, routing.ErrNoModel, "loop"},
		{"an alias that leads nowhere, at a provider", `{"model":"loop@one"}`, routing.ErrNoModel, "loop@one"},
		{"the same, as a stream", `{"model":"loop@one","stream":true}`, routing.ErrNoModel, "loop@one"},
		{"a provider that is not there", `{"model":"m@two"}`, routing.ErrNoModel, "m@two"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			table := routing.NewTable(routing.Tables{
				Providers: []*provider.Provider{{Name: "one", Models: provider.NewFilter([]string{"m"}, nil)}},
				Aliases:   map[string][]string{"loop": {"loop"}},
			})
			s := new(script)
			in := input(tt.body)
			answer, err := relay.NewRelay(func() *routing.Table { return table }, s, keepalive).Execute(t.Context(), in)
			require.ErrorIs(t, err, tt.want)
			assert.Nil(t, answer)
			assert.Empty(t, s.called())
			assert.Equal(t, relay.Trace{Model: tt.model}, *in.Trace)
		})
	}
}

func TestExecuteChangesTheModelAndNothingElse(t *testing.T) {
	t.Parallel()
	const odd = "{ \"x\":1.50e+1,\t\"model\" : \"fa\\u0073t\" ,\"model_\":\"\\u00e9é\",\"x\":[ ]}\n"
	tests := []struct {
		name, asked string
		first       string // what the first provider is sent
		second      string
	}{
		{"an alias of two models", odd, strings.Replace(odd, `"fa\u0073t"`, `"openai/o3"`, 1), strings.Replace(odd, `"fa\u0073t"`, `"o3-mini"`, 1)},
		{"a model that keeps its name", `{"model":"o3",  "n":1}`, `{"model":"o3",  "n":1}`, `{"model":"o3",  "n":1}`},
		{"a provider that is named", `{"model":"openai/o3@one"}`, `{"model":"openai/o3"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			table := routing.NewTable(routing.Tables{
				Providers: []*provider.Provider{
					{Name: "one", Models: provider.NewFilter([]string{"openai/o3", "o3"}, nil)},
					{Name: "two", Models: provider.NewFilter([]string{"o3*"}, nil)},
				},
				Aliases: map[string][]string{"fast": {"openai/o3", "o3-mini"}},
			})
			s := &script{replies: map[string]reply{"one": says(500, "{}"), "two": says(500, "{}")}}
			in := input(tt.asked)
			_, err := relay.NewRelay(func() *routing.Table { return table }, s, keepalive).Execute(t.Context(), in)
			require.NoError(t, err)

			require.Equal(t, tt.first, string(s.calls[0].Body))
			if tt.second != "" {
				require.Equal(t, tt.second, string(s.calls[1].Body))
			}
			assert.Equal(t, tt.asked, string(in.Body), "the client's own body stays as it is")
			for _, call := range s.calls {
				assert.Equal(t, in.Endpoint, call.Endpoint)
				assert.Equal(t, in.Header, call.Header)
			}
		})
	}
}

func TestABodyThatStaysTheSameIsNotCopied(t *testing.T) {
	t.Parallel()
	for _, body := range []string{plain, streamed} {
		s := &script{replies: map[string]reply{"one": says(200, "{}")}}
		in := input(body)
		_, err := relay.NewRelay(tableOf("one"), s, keepalive).Execute(t.Context(), in)
		require.NoError(t, err)
		assert.Same(t, &in.Body[0], &s.calls[0].Body[0])
	}
}

func TestExecuteUsesTheTableInForce(t *testing.T) {
	t.Parallel()
	s := &script{replies: map[string]reply{"one": says(200, "{}"), "two": says(200, "{}")}}
	table := tableOf("one")
	use := relay.NewRelay(func() *routing.Table { return table() }, s, keepalive)
	_, err := use.Execute(t.Context(), input(plain))
	require.NoError(t, err)
	table = tableOf("two")
	_, err = use.Execute(t.Context(), input(plain))
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "two"}, s.called())
}

// TestFailover is the table of what an upstream's answer means. Until its first byte a stream fails over as a plain
// request does, so each case is tried as both.
func TestFailover(t *testing.T) {
	t.Parallel()
	type failover struct {
		name     string
		replies  []reply // of the providers one, two and three
		want     error
		status   int
		body     string
		attempts int
	}
	bad := func(status int) reply { return says(status, `{"error":"`+strconv.Itoa(status)+`"}`) }
	text := func(status int) string { return `{"error":"` + strconv.Itoa(status) + `"}` }
	const good = "data: good\n\n"
	var tests []failover
	add := func(name string, want error, status int, body string, attempts int, replies ...reply) {
		tests = append(tests, failover{name, replies, want, status, body, attempts})
	}
	ok := reply{media: "text/event-stream", length: -1, steps: []step{{data: good}}}
	for _, status := range []int{401, 402, 403} {
		word := strconv.Itoa(status)
		add(word+" is never the client's", relay.ErrRejectedKey, 0, "", 1, bad(status))
		add(word+": the next provider answers", nil, 200, good, 2, bad(status), ok)
		add(word+" from all", relay.ErrRejectedKey, 0, "", 3, bad(status), bad(status), bad(status))
		add(word+" after another word: the last one counts", relay.ErrRejectedKey, 0, "", 2, bad(429), bad(status))
	}
	for _, status := range []int{408, 429, 500, 502, 503, 504, 529} {
		word := strconv.Itoa(status)
		add(word+" from the only one is the client's", nil, status, text(status), 1, bad(status))
		add(word+": the next provider answers", nil, 200, good, 2, bad(status), ok)
		add(word+" from all: the last one's is the client's", nil, status, text(status), 3, bad(500), bad(429), bad(status))
		add(word+" after a refusal of the key", nil, status, text(status), 2, bad(401), bad(status))
	}
	for _, status := range []int{301, 302, 303, 304, 307, 308} {
		word := strconv.Itoa(status)
		add(word+" is not followed", relay.ErrRedirected, 0, "", 1, bad(status))
		add(word+": the next provider answers", nil, 200, good, 2, bad(status), ok)
	}
	for _, status := range []int{400, 404, 405, 409, 413, 415, 422} {
		word := strconv.Itoa(status)
		add(word+" is the client's at once", nil, status, text(status), 1, bad(status), ok)
		add(word+" after others that were unwell", nil, status, text(status), 3, bad(503), bad(401), bad(status))
	}
	for _, err := range []*fault.Error{ports.ErrUnreachable, ports.ErrUpstreamSlow, ports.ErrBadAnswer} {
		add(err.Code+" from the only one", err, 0, "", 1, reply{err: err})
		add(err.Code+": the next provider answers", nil, 200, good, 2, reply{err: err}, ok)
		add(err.Code+" after an answer: the last one counts", err, 0, "", 2, bad(429), reply{err: err})
		add(err.Code+" before an answer", nil, 429, text(429), 2, reply{err: err}, bad(429))
	}
	broken := reply{length: 10, steps: []step{{data: "{", err: io.ErrUnexpectedEOF}}}
	silent := reply{length: 10, steps: []step{{data: "{", err: ports.ErrUpstreamSlow}}}
	add("a small answer that breaks off", relay.ErrInterrupted, 0, "", 1, broken)
	add("a small answer that breaks off: the next provider answers", nil, 200, good, 2, broken, ok)
	add("a small answer that falls silent", ports.ErrUpstreamSlow, 0, "", 1, silent)
	add("a small answer that falls silent: the next provider answers", nil, 200, good, 2, silent, ok)
	add("a refusal that breaks off: the next provider answers", nil, 200, good, 2,
		reply{status: 400, length: 10, steps: []step{{data: "{", err: io.ErrUnexpectedEOF}}}, ok)
	add("an answer that would go on for ever is let go", nil, 200, good, 2,
		reply{status: 503, media: "text/html", length: -1, steps: []step{{data: "<html>"}, {hang: true}}}, ok)
	add("a large answer is let go", nil, 200, good, 2, reply{status: 503, length: 1 << 20, steps: []step{{hang: true}}}, ok)

	for _, tt := range tests {
		for kind, asked := range map[string]string{"plain": plain, "stream": streamed} {
			t.Run(tt.name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					names := []string{"one", "two", "three"}[:len(tt.replies)]
					s := &script{replies: map[string]reply{}}
					for i, name := range names {
						s.replies[name] = tt.replies[i]
					}
					in := input(asked)
					answer, err := relay.NewRelay(tableOf(names...), s, keepalive).Execute(t.Context(), in)
					require.ErrorIs(t, err, tt.want)
					assert.Equal(t, relay.Trace{Model: "m", Provider: names[tt.attempts-1], UpstreamModel: "m", Attempts: tt.attempts}, *in.Trace)
					assert.Equal(t, names[:tt.attempts], s.called())
					if tt.want != nil {
						assert.Equal(t, fault.KindOf(tt.want), fault.KindOf(err))
						assert.Nil(t, answer)
						s.nothingOpen(t)
						return
					}
					assert.Equal(t, tt.status, answer.Status)
					assert.True(t, answer.Routed)
					assert.Equal(t, tt.body, content(t, answer))
					s.nothingOpen(t)
				})
			})
		}
	}
}

func TestTraceHasTheModelThatTheLastProviderWasAsked(t *testing.T) {
	t.Parallel()
	table := routing.NewTable(routing.Tables{
		Providers: []*provider.Provider{{Name: "one"}, {Name: "two"}},
		Aliases:   map[string][]string{"fast": {"a@one", "b@two"}},
	})
	s := &script{replies: map[string]reply{"one": {err: ports.ErrUnreachable}, "two": says(200, "{}")}}
	in := input(`{"model":"Fast"}`)
	_, err := relay.NewRelay(func() *routing.Table { return table }, s, keepalive).Execute(t.Context(), in)
	require.NoError(t, err)
	assert.Equal(t, relay.Trace{Model: "Fast", Provider: "two", UpstreamModel: "b", Attempts: 2}, *in.Trace)
}

func TestAnswersThatAreReadWhole(t *testing.T) {
	t.Parallel()
	large := `{"data":"` + strings.Repeat("x", 64<<10-11) + `"}` // 64 KiB
	require.Len(t, large, 64<<10)
	tests := []struct {
		name  string
		reply reply
		want  string
	}{
		{"JSON of known length", says(200, `{"a":1}`), `{"a":1}`},
		{"nothing", says(204, ""), ""},
		{"another type of known length", reply{media: "audio/mpeg", length: 3, steps: []step{{data: "\x00\xff\x01"}}}, "\x00\xff\x01"},
		{"JSON that is none, of known length", says(200, "{"), "{"},
		{"in pieces", reply{length: 7, steps: []step{{data: `{"`}, {wait: time.Second, data: `a":`}, {data: ""}, {wait: time.Second, data: `1}`, err: io.EOF}}}, `{"a":1}`},
		{"64 KiB", says(200, large), large},
		{"JSON of unknown length", reply{length: -1, steps: []step{{data: `{"a":1}`}}}, `{"a":1}`},
		{"JSON of unknown length with a charset", reply{media: "Application/JSON; charset=utf-8", length: -1, steps: []step{{data: `{}`}}}, `{}`},
		{"64 KiB of JSON of unknown length", reply{length: -1, steps: []step{{data: large}}}, large},
		{"JSON whose end is that of the connection", reply{length: -1, openEnded: true, steps: []step{{data: `{"a":1}`}}}, `{"a":1}`},
		{"an error of the provider's", reply{status: 400, length: -1, steps: []step{{data: `{"error":{}}`}}}, `{"error":{}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{replies: map[string]reply{"one": tt.reply}}
				answer, err := relay.NewRelay(tableOf("one"), s, keepalive).Execute(t.Context(), input(plain))
				require.NoError(t, err)
				assert.Nil(t, answer.Body)
				assert.Equal(t, tt.want, string(answer.Whole))
				assert.Equal(t, int64(len(tt.want)), answer.Length)
				assert.False(t, answer.Events)
				s.nothingOpen(t)
			})
		})
	}
}

func TestAnswersThatAreStillToCome(t *testing.T) {
	t.Parallel()
	large := `{"data":"` + strings.Repeat("x", 200<<10) + `"}`
	tests := []struct {
		name   string
		reply  reply
		want   string
		length int64
		events bool
		end    error
	}{
		{"over 64 KiB of known length", says(200, large), large, int64(len(large)), false, io.EOF},
		{"one byte over 64 KiB", says(200, large[:64<<10+1]), large[:64<<10+1], 64<<10 + 1, false, io.EOF},
		{"over 64 KiB of JSON of unknown length", reply{length: -1, steps: []step{{data: large}}}, large, -1, false, io.EOF},
		{"over 64 KiB of JSON that break off", reply{length: -1, steps: []step{{data: large[:160<<10], err: io.ErrUnexpectedEOF}}}, large[:160<<10], -1, false, io.ErrUnexpectedEOF},
		{"over 64 KiB of known length that break off", reply{length: 1 << 20, steps: []step{{data: large, err: io.ErrUnexpectedEOF}}}, large, 1 << 20, false, io.ErrUnexpectedEOF},
		{"audio of unknown length", reply{media: "audio/mpeg", length: -1, steps: []step{{data: "\x00\xff"}, {data: "\x01"}}}, "\x00\xff\x01", -1, false, io.EOF},
		{"a type that begins like JSON", reply{media: "application/json-seq", length: -1, steps: []step{{data: "\x1e{}"}}}, "\x1e{}", -1, false, io.EOF},
		{"events that nobody asked for", events(step{data: "data: a\n\n"}), "data: a\n\n", -1, true, io.EOF},
		{"events in an encoding are bytes", reply{media: "text/event-stream", header: exchange.Header{{Name: "Content-Encoding", Value: "gzip"}}, length: -1, steps: []step{{data: "\x1f\x8b"}}}, "\x1f\x8b", -1, false, io.EOF},
		{"a refusal as events is bytes", reply{status: 400, media: "text/event-stream", length: -1, steps: []step{{data: "data: a\n\n"}}}, "data: a\n\n", -1, false, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &script{replies: map[string]reply{"one": tt.reply}}
			answer, err := relay.NewRelay(tableOf("one"), s, keepalive).Execute(t.Context(), input(plain))
			require.NoError(t, err)
			assert.Nil(t, answer.Whole)
			assert.Equal(t, tt.length, answer.Length)
			assert.Equal(t, tt.events, answer.Events)
			got, err := drain(answer.Body)
			require.Equal(t, tt.end, err)
			require.True(t, tt.want == got, "%d bytes, and not %d", len(got), len(tt.want)) //nolint:testifylint // a message of 200 KiB helps nobody
			require.NoError(t, answer.Body.Close())
			s.nothingOpen(t)
		})
	}
}

func TestALargeAnswerIsNotReadAhead(t *testing.T) {
	t.Parallel()
	s := &script{replies: map[string]reply{"one": {length: 64<<10 + 1, steps: []step{{hang: true}}}}}
	answer, err := relay.NewRelay(tableOf("one"), s, keepalive).Execute(t.Context(), input(plain))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	s.nothingOpen(t)
}

func TestASmallAnswerThatIsCutIsNoAnswer(t *testing.T) {
	t.Parallel()
	const whole = `{"choices":[{"message":{"content":"hi"}}],"n":1}`
	for cut := range len(whole) {
		for name, r := range map[string]reply{
			"the connection breaks":         {length: int64(len(whole)), steps: []step{{data: whole[:cut], err: io.ErrUnexpectedEOF}}},
			"chunks without the last one":   {length: -1, steps: []step{{data: whole[:cut], err: io.ErrUnexpectedEOF}}},
			"the end is the connection's":   {length: -1, openEnded: true, steps: []step{{data: whole[:cut]}}},
			"the same, and the error is so": {length: -1, openEnded: true, steps: []step{{data: whole[:cut], err: io.EOF}}},
			"an error of another kind":      {length: -1, steps: []step{{data: whole[:cut], err: errors.New("boom")}}},
		} {
			s := &script{replies: map[string]reply{"one": r}}
			answer, err := relay.NewRelay(tableOf("one"), s, keepalive).Execute(t.Context(), input(plain))
			require.ErrorIs(t, err, relay.ErrInterrupted, "%s at %d", name, cut)
			require.Nil(t, answer)
			s.nothingOpen(t)
		}
	}
}

// A client may leave in every phase. The call ends at once, and nothing of it stays behind.
func TestTheClientLeaves(t *testing.T) {
	t.Parallel()
	gone := fault.New(fault.Canceled, "client_gone", "The client is gone.")
	hang := step{hang: true}
	tests := []struct {
		name    string
		body    string
		replies map[string]reply
	}{
		{"before anything happened", plain, nil},
		{"while it waits for the head", plain, nil},
		{"while it waits for the head of a stream", streamed, nil},
		{"while a small answer comes", plain, map[string]reply{"one": {length: 10, steps: []step{{data: "{"}, hang}}}},
		{"while JSON of unknown length comes", plain, map[string]reply{"one": {length: -1, steps: []step{{data: "{"}, hang}}}},
		{"while a small answer comes in the place of a stream", streamed, map[string]reply{"one": {length: 10, steps: []step{{data: "{"}, hang}}}},
		{"while the second provider is asked", plain, map[string]reply{"one": says(429, "{}")}},
		{"while the second provider is asked, and the first one's answer is open", plain, map[string]reply{"one": {status: 503, media: "text/html", length: -1, steps: []step{hang}}}},
		{"while the second provider is asked for a stream", streamed, map[string]reply{"one": {status: 503, media: "text/html", length: -1, steps: []step{hang}}}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{replies: tt.replies}
				ctx, cancel := context.WithCancelCause(t.Context())
				const after = 3 * time.Second
				if i == 0 {
					cancel(gone)
				} else {
					time.AfterFunc(after, func() { cancel(gone) })
				}
				began := time.Now()
				answer, err := relay.NewRelay(tableOf("one", "two"), s, keepalive).Execute(ctx, input(tt.body))
				require.ErrorIs(t, err, ports.ErrCallEnded)
				require.ErrorIs(t, err, gone, "why is known")
				assert.Equal(t, fault.Canceled, fault.KindOf(err))
				assert.Nil(t, answer)
				if i > 0 {
					assert.Equal(t, after, time.Since(began), "at once")
				}
				s.nothingOpen(t)
				cancel(nil)
			})
		})
	}
}

func TestACallThatEndedIsNoAnswerEvenIfOneCame(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := &script{replies: map[string]reply{"one": {length: 1 << 20, steps: []step{{hang: true}}}}}
	late := upstream(func(ctx context.Context, call ports.Call) (ports.Reply, error) {
		r, err := s.Call(ctx, call)
		cancel() // the client leaves as the head comes
		return r, err
	})
	_, err := relay.NewRelay(tableOf("one", "two"), late, keepalive).Execute(ctx, input(plain))
	require.ErrorIs(t, err, ports.ErrCallEnded)
	assert.Equal(t, []string{"one"}, s.called(), "nobody else is asked")
	s.nothingOpen(t)
}

// content returns the bytes of an answer that is complete.
func content(t *testing.T, answer *relay.Answer) string {
	t.Helper()
	if answer.Body == nil {
		return string(answer.Whole)
	}
	assert.Nil(t, answer.Whole)
	got, err := drain(answer.Body)
	require.Equal(t, io.EOF, err)
	require.NoError(t, answer.Body.Close())
	return got
}

func BenchmarkRelayPlain(b *testing.B) {
	prompt := strings.Repeat("Tell me about relays. ", 100)
	asked := []byte(`{"model":"fast","messages":[{"role":"user","content":"` + prompt + `"}]}`)
	said := []byte(`{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("word ", 100) + `"}}]}`)
	header := exchange.Header{{Name: "Content-Type", Value: "application/json"}}
	up := upstream(func(context.Context, ports.Call) (ports.Reply, error) {
		return ports.Reply{Status: 200, Header: header, Length: int64(len(said)), Body: io.NopCloser(bytes.NewReader(said))}, nil
	})
	table := routing.NewTable(routing.Tables{
		Providers: []*provider.Provider{{Name: "openrouter"}},
		Aliases:   map[string][]string{"fast": {"openai/gpt-4o-mini"}},
	})
	use := relay.NewRelay(func() *routing.Table { return table }, up, keepalive)
	b.ReportAllocs()
	b.SetBytes(int64(len(asked) + len(said)))
	for b.Loop() {
		answer, err := use.Execute(b.Context(), relay.Input{Endpoint: exchange.ChatCompletions, Body: asked, ErrorEvent: errorEvent, Trace: new(relay.Trace)})
		if err != nil || len(answer.Whole) != len(said) {
			b.Fatal(err)
		}
	}
}
