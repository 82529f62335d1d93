package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/exchange"
	"monorelay/domain/fault"
	"monorelay/domain/provider"
	"monorelay/domain/routing"
	"monorelay/ports"
	"monorelay/usecase/relay"
)

// transcript is a stream of n events, whose lines end as given, and the last of which is OpenAI's mark of the end.
func transcript(n int, newline string) string {
	var out strings.Builder
	for i := range n - 1 {
		switch i % 5 {
		case 3:
			fmt.Fprintf(&out, ": comment %d%s%s", i, newline, newline)
		case 4:
			fmt.Fprintf(&out, "event: delta%sid: %d%sdata: {\"a\":%sdata: \"[DONE]\"}%s%s", newline, i, newline, newline, newline, newline)
		default:
			fmt.Fprintf(&out, "data: {\"choices\":[{\"delta\":{\"content\":\"wörd %d\"}}]}%s%s", i, newline, newline)
		}
	}
	return out.String() + "data: [DONE]" + newline + newline
}

// pieces cuts text at random, and gives its end either with the last piece or after it.
func pieces(random *rand.Rand, text string, end error) []step {
	var steps []step
	for text != "" {
		n := 1 + random.IntN(min(len(text), 1+random.IntN(200)))
		steps = append(steps, step{data: text[:n]})
		text = text[n:]
	}
	if len(steps) > 0 && random.IntN(2) == 0 {
		steps[len(steps)-1].err = end
		return steps
	}
	return append(steps, step{err: end})
}

// stream relays a streamed request to a provider that answers so.
func stream(t *testing.T, ctx context.Context, r reply) (*relay.Answer, *relay.Trace, *script) { //nolint:revive // t first, as in every helper
	t.Helper()
	s := &script{replies: map[string]reply{"one": r}}
	in := input(streamed)
	answer, err := relay.NewRelay(tableOf("one"), s, keepalive).Execute(ctx, in)
	require.NoError(t, err)
	return answer, in.Trace, s
}

func TestAStreamIsPassedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := events(step{data: "data: a\n\n"}, step{wait: time.Second, data: "data: b\n\n"}, step{wait: time.Second, data: "data: [DONE]\n\n"})
		r.header = exchange.Header{{Name: "X-Upstream-Request-Id", Value: "1"}}
		began := time.Now()
		answer, trace, s := stream(t, t.Context(), r)
		assert.Equal(t, 200, answer.Status)
		assert.True(t, answer.Events)
		assert.True(t, answer.Routed)
		assert.Equal(t, int64(-1), answer.Length)
		assert.Nil(t, answer.Whole)
		assert.Equal(t, "1", answer.Header.Get("X-Upstream-Request-Id"))
		assert.Equal(t, relay.Trace{Model: "m", Provider: "one", UpstreamModel: "m", Attempts: 1}, *trace)

		p := make([]byte, 1000)
		for i, want := range []string{"data: a\n\n", "data: b\n\n", "data: [DONE]\n\n"} {
			n, err := answer.Body.Read(p)
			require.NoError(t, err)
			assert.Equal(t, want, string(p[:n]))
			assert.Equal(t, time.Duration(i)*time.Second, time.Since(began), "what has come waits for nothing")
		}
		for range 3 {
			_, err := answer.Body.Read(p)
			require.Equal(t, io.EOF, err)
		}
		require.NoError(t, answer.Body.Close())
		require.NoError(t, trace.Broken)
		s.nothingOpen(t)
	})
}

func TestAStreamIsTheSameHoweverItIsCut(t *testing.T) {
	t.Parallel()
	for _, newline := range []string{"\n", "\r\n", "\r"} {
		whole := transcript(40, newline) + ": and a comment behind the end" + newline + newline
		for seed := range uint64(60) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				answer, trace, s := stream(t, t.Context(), events(pieces(random, whole, io.EOF)...))
				var got []byte
				for {
					p := make([]byte, 1+random.IntN(300))
					n, err := answer.Body.Read(p)
					got = append(got, p[:n]...)
					if err != nil {
						require.Equal(t, io.EOF, err)
						break
					}
				}
				require.Equal(t, whole, string(got), "seed %d", seed)
				require.NoError(t, answer.Body.Close())
				require.NoError(t, trace.Broken)
				s.nothingOpen(t)
			})
		}
	}
}

// TestTheTruthAboutTheEnd cuts a stream at every byte, in each way that a connection can end. The client gets what came,
// and never takes a part for the whole.
func TestTheTruthAboutTheEnd(t *testing.T) {
	t.Parallel()
	interrupted := errorEventOf(relay.ErrInterrupted)
	ends := []struct {
		name      string
		openEnded bool
		end       error
		event     string
	}{
		{"the connection breaks", false, io.ErrUnexpectedEOF, interrupted},
		{"the connection breaks, and its end would have been the body's", true, io.ErrUnexpectedEOF, interrupted},
		{"the connection ends, which is the only mark of the body's end", true, io.EOF, interrupted},
		{"another error", false, errors.New("boom"), interrupted},
		{"the provider falls silent", false, ports.ErrUpstreamSlow, errorEventOf(ports.ErrUpstreamSlow)},
	}
	anthropic := "event: message_start\ndata: {}\n\nevent: ping\ndata: {}\n\nevent: message_stop\ndata: {}\n\n"
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, whole := range []string{transcript(20, "\n"), transcript(6, "\r\n"), anthropic} {
				synctest.Test(t, func(t *testing.T) {
					for cut := range len(whole) + 1 {
						r := events(pieces(rand.New(rand.NewPCG(uint64(cut), 2)), whole[:cut], tt.end)...)
						r.openEnded = tt.openEnded
						answer, trace, s := stream(t, t.Context(), r)
						got, err := drain(answer.Body)
						if cut == len(whole) {
							require.Equal(t, io.EOF, err)
							require.Equal(t, whole, got)
							require.NoError(t, trace.Broken)
						} else {
							require.Equal(t, io.ErrUnexpectedEOF, err, "cut at %d", cut)
							require.Equal(t, whole[:cut]+gap(whole[:cut])+tt.event, got)
							require.Error(t, trace.Broken)
							require.NotNil(t, fault.Of(trace.Broken))
							if tt.end != io.EOF { //nolint:errorlint // the table's own value
								require.ErrorIs(t, trace.Broken, tt.end)
							}
						}
						require.NoError(t, answer.Body.Close())
						s.nothingOpen(t)
					}
				})
			}
		})
	}
}

// gap is what ends the event in which text breaks off.
func gap(text string) string {
	switch {
	case text == "", strings.HasSuffix(text, "\n\n"), strings.HasSuffix(text, "\r\n\r\n"):
		return ""
	case strings.HasSuffix(text, "\n"), strings.HasSuffix(text, "\r"):
		return "\n"
	}
	return "\n\n"
}

func TestAnEndThatIsMarkedIsBelieved(t *testing.T) {
	t.Parallel()
	const part = "data: a\n\ndata: b"
	answer, trace, _ := stream(t, t.Context(), events(step{data: part}))
	got, err := drain(answer.Body)
	require.Equal(t, io.EOF, err, "the last chunk came")
	assert.Equal(t, part, got)
	require.NoError(t, trace.Broken)
	require.NoError(t, answer.Body.Close())
}

func TestSilenceIsFilledBetweenEventsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const much = 40 * time.Second // room for two comments
		answer, _, s := stream(t, t.Context(), events(
			step{data: "data: a\n\n"},
			step{wait: much, data: "data: b\n\nda"},
			step{wait: much, data: "ta: c\n"},
			step{wait: much, data: "data: c2\n"},
			step{wait: much, data: "\r"},
			step{wait: much, data: "\n"},
			step{wait: much, data: ": half a comment"},
			step{wait: much, data: "\n\n"},
			step{wait: 14 * time.Second, data: "data: soon\n\n"},
			step{wait: 14 * time.Second, data: "data: [DONE]\n\n"},
			step{wait: much},
		))
		began := time.Now()
		var log []string
		p := make([]byte, 1000)
		for {
			n, err := answer.Body.Read(p)
			if err != nil {
				require.Equal(t, io.EOF, err)
				break
			}
			log = append(log, fmt.Sprintf("%v %q", time.Since(began), p[:n]))
		}
		assert.Equal(t, []string{
			`0s "data: a\n\n"`,
			`15s ": keep-alive\n\n"`,
			`30s ": keep-alive\n\n"`,
			`40s "data: b\n\nda"`,
			`1m20s "ta: c\n"`,
			`2m0s "data: c2\n"`,
			`2m40s "\r"`,
			`3m20s "\n"`,
			`3m35s ": keep-alive\n\n"`,
			`3m50s ": keep-alive\n\n"`,
			`4m0s ": half a comment"`,
			`4m40s "\n\n"`,
			`4m54s "data: soon\n\n"`,
			`5m8s "data: [DONE]\n\n"`,
			`5m23s ": keep-alive\n\n"`,
			`5m38s ": keep-alive\n\n"`,
		}, log)
		require.NoError(t, answer.Body.Close())
		s.nothingOpen(t)
	})
}

func TestACommentIsNotCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := events(step{data: "data: a\n\n"}, step{wait: 20 * time.Second, data: "data: b\n\n"})
		r.wait = 20 * time.Second
		answer, _, _ := stream(t, t.Context(), r)
		var got []byte
		p := make([]byte, 5)
		for {
			n, err := answer.Body.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				require.Equal(t, io.EOF, err)
				break
			}
		}
		assert.Equal(t, comment+"data: a\n\n"+comment+"data: b\n\n", string(got))
		require.NoError(t, answer.Body.Close())
	})
}

func TestAStreamThatBeginsLateIsOpenedWithAComment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := events(step{data: "data: a\n\n"}, step{wait: 20 * time.Second, data: "data: [DONE]\n\n"})
		r.wait = 40 * time.Second
		r.header = exchange.Header{{Name: "X-Upstream-Request-Id", Value: "1"}}
		began := time.Now()
		answer, trace, s := stream(t, t.Context(), r)
		assert.Equal(t, 15*time.Second, time.Since(began))
		assert.Equal(t, 200, answer.Status)
		assert.Equal(t, exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}}, answer.Header)
		assert.True(t, answer.Events)
		assert.False(t, answer.Routed, "nobody knows yet who answers")
		assert.Equal(t, int64(-1), answer.Length)

		p := make([]byte, 1000)
		for _, want := range []struct {
			after time.Duration
			text  string
		}{
			{15 * time.Second, comment},
			{30 * time.Second, comment},
			{40 * time.Second, "data: a\n\n"},
			{55 * time.Second, comment},
			{60 * time.Second, "data: [DONE]\n\n"},
		} {
			n, err := answer.Body.Read(p)
			require.NoError(t, err)
			assert.Equal(t, want.text, string(p[:n]))
			assert.Equal(t, want.after, time.Since(began))
		}
		_, err := answer.Body.Read(p)
		require.Equal(t, io.EOF, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, relay.Trace{Model: "m", Provider: "one", UpstreamModel: "m", Attempts: 1}, *trace)
		s.nothingOpen(t)
	})
}

func TestWhatComesLateComesAsAnEvent(t *testing.T) {
	t.Parallel()
	const late = 20 * time.Second
	interrupted := errorEventOf(relay.ErrInterrupted)
	tests := []struct {
		name     string
		replies  []reply
		want     string // after the comment
		end      error
		attempts int
		cause    error
	}{
		{"a refusal", []reply{{wait: late, status: 400, length: 2, steps: []step{{data: "{}"}}}}, interrupted, io.ErrUnexpectedEOF, 1, relay.ErrInterrupted},
		{"a large refusal", []reply{{wait: late, status: 400, media: "text/html", length: -1, steps: []step{{hang: true}}}}, interrupted, io.ErrUnexpectedEOF, 1, relay.ErrInterrupted},
		{"a refusal for the time being", []reply{{wait: late, status: 429, length: 2, steps: []step{{data: "{}"}}}}, interrupted, io.ErrUnexpectedEOF, 1, relay.ErrInterrupted},
		{"something else than a stream", []reply{{wait: late, length: 2, steps: []step{{data: "{}"}}}}, interrupted, io.ErrUnexpectedEOF, 1, relay.ErrInterrupted},
		{"a refusal of the key", []reply{{wait: late, status: 401, length: 2, steps: []step{{data: "{}"}}}}, errorEventOf(relay.ErrRejectedKey), io.ErrUnexpectedEOF, 1, relay.ErrRejectedKey},
		{"a redirect", []reply{{wait: late, status: 302, length: 0}}, errorEventOf(relay.ErrRedirected), io.ErrUnexpectedEOF, 1, relay.ErrRedirected},
		{"no answer", []reply{{wait: late, err: ports.ErrUnreachable}}, errorEventOf(ports.ErrUnreachable), io.ErrUnexpectedEOF, 1, ports.ErrUnreachable},
		{"an end of the provider's patience", []reply{{wait: late, err: ports.ErrUpstreamSlow}}, errorEventOf(ports.ErrUpstreamSlow), io.ErrUnexpectedEOF, 1, ports.ErrUpstreamSlow},
		{"a panic", []reply{{wait: late, panics: "boom"}}, interrupted, io.ErrUnexpectedEOF, 1, relay.ErrInterrupted},
		{"a stream that breaks off", []reply{{wait: late, media: "text/event-stream", length: -1, steps: []step{{data: "data: a", err: io.ErrUnexpectedEOF}}}}, "data: a\n\n" + interrupted, io.ErrUnexpectedEOF, 1, io.ErrUnexpectedEOF},
		{"a stream", []reply{{wait: late, media: "text/event-stream", length: -1, steps: []step{{data: "data: a\n\n"}}}}, "data: a\n\n", io.EOF, 1, nil},
		{"the second provider's stream", []reply{{wait: late, status: 503, length: 2, steps: []step{{data: "{}"}}}, events(step{data: "data: b\n\n"})}, "data: b\n\n", io.EOF, 2, nil},
		{"the second provider's refusal", []reply{{wait: late, status: 503, length: 2, steps: []step{{data: "{}"}}}, says(422, "{}")}, interrupted, io.ErrUnexpectedEOF, 2, relay.ErrInterrupted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				names := []string{"one", "two"}[:len(tt.replies)]
				s := &script{replies: map[string]reply{}}
				for i, name := range names {
					s.replies[name] = tt.replies[i]
				}
				in := input(streamed)
				began := time.Now()
				answer, err := relay.NewRelay(tableOf(names...), s, keepalive).Execute(t.Context(), in)
				require.NoError(t, err)
				require.Equal(t, 200, answer.Status)
				got, err := drain(answer.Body)
				require.Equal(t, tt.end, err)
				assert.Equal(t, comment+tt.want, got)
				assert.Equal(t, late, time.Since(began))
				require.NoError(t, answer.Body.Close())
				require.ErrorIs(t, in.Trace.Broken, tt.cause)
				assert.Equal(t, tt.attempts, in.Trace.Attempts)
				s.nothingOpen(t)
			})
		})
	}
}

func TestALineOfAMegabytePasses(t *testing.T) {
	t.Parallel()
	whole := "data: " + strings.Repeat("x", 1<<20) + "\n\ndata: [DONE]\n\n"
	answer, _, s := stream(t, t.Context(), events(step{data: whole}))
	got, err := drain(answer.Body)
	require.Equal(t, io.EOF, err)
	require.True(t, whole == got, "%d bytes", len(got)) //nolint:testifylint // a message of a megabyte helps nobody
	require.NoError(t, answer.Body.Close())
	s.nothingOpen(t)
}

func TestAPanicOfTheUpstreamIsContained(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		steps []step
		want  string
	}{
		{"at the first byte", []step{{panics: "boom"}}, ""},
		{"after an event", []step{{data: "data: a\n\n"}, {panics: "boom"}}, "data: a\n\n"},
		{"in an event, after a while", []step{{data: "data: a"}, {wait: 20 * time.Second, panics: "boom"}}, "data: a\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer, trace, s := stream(t, t.Context(), events(tt.steps...))
				got, err := drain(answer.Body)
				require.Equal(t, io.ErrUnexpectedEOF, err)
				assert.Equal(t, tt.want+errorEventOf(relay.ErrInterrupted), got)
				require.ErrorContains(t, trace.Broken, "boom", "the log has the rest")
				require.NoError(t, answer.Body.Close())
				s.nothingOpen(t)
			})
		})
	}
}

func TestAPanicBeforeALateHeadWasLookedAtIsContained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r := events(step{panics: "boom"})
		r.wait = 20 * time.Second
		answer, trace, s := stream(t, ctx, r)
		time.Sleep(r.wait)
		synctest.Wait()
		got, err := drain(answer.Body)
		require.Equal(t, io.ErrUnexpectedEOF, err)
		assert.Equal(t, comment+errorEventOf(relay.ErrInterrupted), got)
		require.ErrorContains(t, trace.Broken, "boom")
		require.NoError(t, answer.Body.Close())
		s.nothingOpen(t)
	})
}

func TestAPanicBeforeTheHeadIsAnInternalError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: map[string]reply{"one": {panics: "boom"}}}
		answer, err := relay.NewRelay(tableOf("one"), s, keepalive).Execute(t.Context(), input(streamed))
		require.ErrorContains(t, err, "boom")
		assert.Equal(t, fault.Internal, fault.KindOf(err))
		assert.Nil(t, answer)
	})
}

func TestAPanicWhileTheBodyIsClosedIsContained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := upstream(func(context.Context, ports.Call) (ports.Reply, error) {
			return ports.Reply{
				Status: 200, Header: exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}}, Length: -1,
				Body: panicky{strings.NewReader("data: a\n\n")},
			}, nil
		})
		answer, err := relay.NewRelay(tableOf("one"), up, keepalive).Execute(t.Context(), input(streamed))
		require.NoError(t, err)
		got, err := drain(answer.Body)
		require.Equal(t, io.EOF, err)
		assert.Equal(t, "data: a\n\n", got)
		require.NoError(t, answer.Body.Close())
	})
}

type panicky struct{ io.Reader }

func (panicky) Close() error { panic("boom") }

// A stream may be closed at any time. The bubble of synctest checks that no goroutine is left.
func TestCloseLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	hang := step{hang: true}
	tests := []struct {
		name  string
		reply reply
		reads int
	}{
		{"before the first byte came", events(hang), 0},
		{"before the first byte was read", events(step{data: "data: a\n\n"}, hang), 0},
		{"while more has come than was read", events(step{data: "data: a\n\n"}, step{data: "data: b\n\n"}, step{data: "data: c\n\n"}), 1},
		{"while the provider is silent", events(step{data: "data: a\n\n"}, hang), 1},
		{"while the provider will say more", events(step{data: "data: a\n\n"}, step{wait: time.Hour, data: "data: b\n\n"}), 1},
		{"when the provider is through", events(step{data: "data: a\n\n"}), 1},
		{"when all was read", events(step{data: "data: a\n\n"}), 2},
		{"when it broke off", events(step{data: "data: a\n\n", err: io.ErrUnexpectedEOF}), 3},
		{"before the head came", reply{wait: time.Hour}, 0},
		{"before the head came, after comments", reply{wait: time.Hour}, 3},
		{"when a late head came and was not looked at", reply{wait: 20 * time.Second, media: "text/event-stream", length: -1, steps: []step{hang}}, 1},
		{"when a late refusal came and was not looked at", reply{wait: 20 * time.Second, status: 400, media: "text/html", length: -1, steps: []step{hang}}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer, _, s := stream(t, t.Context(), tt.reply)
				p := make([]byte, 1000)
				for range tt.reads {
					_, _ = answer.Body.Read(p)
				}
				if tt.reply.wait < time.Hour {
					time.Sleep(tt.reply.wait) // the pump goes as far as it can
				}
				synctest.Wait()
				closing := time.Now()
				require.NoError(t, answer.Body.Close())
				require.NoError(t, answer.Body.Close(), "twice")
				assert.Zero(t, time.Since(closing))
				s.nothingOpen(t)
			})
		})
	}
}

func TestTheEndOfTheContextEndsAStream(t *testing.T) {
	t.Parallel()
	draining := fault.New(fault.Unavailable, "shutting_down", "The server is shutting down.")
	tests := []struct {
		name  string
		reply reply
		want  string
	}{
		{"between two events", events(step{data: "data: a\n\n"}, step{hang: true}), "data: a\n\n"},
		{"in an event", events(step{data: "data: a"}, step{hang: true}), "data: a\n\n"},
		{"before the head came", reply{wait: time.Hour}, comment},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				answer, trace, s := stream(t, ctx, tt.reply)
				time.AfterFunc(10*time.Second, func() { cancel(draining) })
				got, err := drain(answer.Body)
				require.Equal(t, io.ErrUnexpectedEOF, err)
				// The provider's body may tell of it first, in its own words.
				begin, event, _ := strings.Cut(got, "data: {\"error\"")
				assert.Equal(t, tt.want, begin)
				assert.NotEmpty(t, event)
				require.Error(t, trace.Broken)
				require.NoError(t, answer.Body.Close())
				s.nothingOpen(t)
			})
		})
	}
}

// Why a stream ended is not left to chance: that the call was ended comes before what the provider's body says of it.
func TestAStreamThatIsEndedByTheRelayIsNotTheProvidersFault(t *testing.T) {
	t.Parallel()
	draining := fault.New(fault.Unavailable, "shutting_down", "The server is shutting down.")
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			answer, trace, _ := stream(t, ctx, events(step{data: "data: a\n\n"}, step{hang: true}))
			p := make([]byte, 1000)
			_, err := answer.Body.Read(p)
			require.NoError(t, err)
			cancel(draining)
			synctest.Wait() // the provider's body has broken off by now
			_, err = drain(answer.Body)
			require.Equal(t, io.ErrUnexpectedEOF, err)
			require.ErrorIs(t, trace.Broken, draining)
			require.NoError(t, answer.Body.Close())
		})
	}
}

func TestStreamsShareNoBuffer(t *testing.T) {
	t.Parallel()
	const streams, rounds = 100, 3
	var wg sync.WaitGroup
	for i := range streams {
		wg.Go(func() {
			for round := range rounds {
				var whole strings.Builder
				for n := range 60 {
					fmt.Fprintf(&whole, "data: %d-%d-%d %s\n\n", i, round, n, strings.Repeat(string(rune('a'+i%26)), 300))
				}
				answer, _, s := stream(t, t.Context(), events(pieces(rand.New(rand.NewPCG(uint64(i), uint64(round))), whole.String(), io.EOF)...))
				got, err := drain(answer.Body)
				assert.Equal(t, io.EOF, err)
				assert.Equal(t, whole.String(), got)
				_ = answer.Body.Close()
				s.nothingOpen(t)
			}
		})
	}
	wg.Wait()
}

func BenchmarkRelayStreamChunk(b *testing.B) {
	event := []byte("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n")
	header := exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}}
	up := upstream(func(context.Context, ports.Call) (ports.Reply, error) {
		return ports.Reply{Status: 200, Header: header, Length: -1, Body: io.NopCloser(endless(event))}, nil
	})
	answer, err := relay.NewRelay(tableOf("one"), up, keepalive).Execute(b.Context(), input(streamed))
	require.NoError(b, err)
	p := make([]byte, 4096)
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := answer.Body.Read(p); err != nil || !bytes.Equal(p[:n], event) {
			b.Fatal(err)
		}
	}
	require.NoError(b, answer.Body.Close())
}

// endless gives its bytes at every Read.
type endless []byte

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }

func BenchmarkRelayStream(b *testing.B) {
	whole := transcript(20, "\n")
	header := exchange.Header{{Name: "Content-Type", Value: "text/event-stream"}}
	up := upstream(func(context.Context, ports.Call) (ports.Reply, error) {
		return ports.Reply{Status: 200, Header: header, Length: -1, Body: io.NopCloser(strings.NewReader(whole))}, nil
	})
	table := routing.NewTable(routing.Tables{Providers: []*provider.Provider{{Name: "one"}}})
	use := relay.NewRelay(func() *routing.Table { return table }, up, keepalive)
	body := []byte(streamed)
	b.ReportAllocs()
	for b.Loop() {
		answer, err := use.Execute(b.Context(), relay.Input{Endpoint: exchange.ChatCompletions, Body: body, ErrorEvent: errorEvent, Trace: new(relay.Trace)})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, answer.Body); err != nil || n != int64(len(whole)) {
			b.Fatal(err)
		}
		_ = answer.Body.Close()
	}
}
