package relay_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/domain/routing"
	"monorelay/ports"
	"monorelay/usecase/relay"
)

const since = 946684800 // when the bubble of synctest begins, in Unix seconds

// tableWith returns a table of these providers.
func tableWith(aliases map[string][]string, providers ...*provider.Provider) ports.RoutingTable {
	table := routing.NewTable(routing.Tables{Providers: providers, Aliases: aliases})
	return func() *routing.Table { return table }
}

func ids(models []relay.Model) string {
	out := make([]string, len(models))
	for i, m := range models {
		out[i] = m.ID
	}
	return strings.Join(out, " ")
}

func TestModelsListsAliasesNamedAndOwnOnesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: map[string]reply{
			"open": says(200, `{"object":"list","data":[
				{"id":"gpt-4o","created":1715367049,"owned_by":"system"},
				{"id":"O3","owned_by":""},
				{"id":"o1-preview","created":1},
				{"id":""},
				{"id":"zero","created":0},{"id":"before","created":-5},{"id":"exact","created":1.7e9},{"id":"null","created":null},
				{"id":"gpt-4o"},
				{"id":"fast"}
			]}`),
			"pattern": says(200, `{"data":[{"id":"llama3"},{"id":"llama-guard"},{"id":"mistral"}]}`),
			"closed":  says(200, `{"data":[{"id":"never"}]}`),
			"claude":  says(200, `{"data":[{"id":"never"}]}`),
		}}
		models := relay.NewModels(tableWith(map[string][]string{"quick": {"o3"}, "fast": {"gpt-4o"}},
			&provider.Provider{Name: "open", Models: provider.NewFilter(nil, []string{"*-preview"})},
			&provider.Provider{Name: "pattern", Models: provider.NewFilter([]string{"o3", "llama*", "Special"}, []string{"llama-guard"})},
			&provider.Provider{Name: "closed", Models: provider.NewFilter([]string{"gpt-4o", "b", "a", "x"}, []string{"x"})},
			&provider.Provider{Name: "claude", Dialect: provider.Anthropic},
		), s, time.Now)
		time.Sleep(time.Hour)

		assert.Equal(t, []relay.Model{
			{ID: "fast", Created: since, OwnedBy: "monorelay"},
			{ID: "quick", Created: since, OwnedBy: "monorelay"},
			{ID: "gpt-4o", Created: 1715367049, OwnedBy: "system"},
			{ID: "O3", Created: since, OwnedBy: "open"},
			{ID: "zero", Created: since, OwnedBy: "open"},
			{ID: "before", Created: since, OwnedBy: "open"},
			{ID: "exact", Created: 1_700_000_000, OwnedBy: "open"},
			{ID: "null", Created: since, OwnedBy: "open"},
			{ID: "o3", Created: since, OwnedBy: "pattern"},
			{ID: "Special", Created: since, OwnedBy: "pattern"},
			{ID: "llama3", Created: since, OwnedBy: "pattern"},
			{ID: "b", Created: since, OwnedBy: "closed"},
			{ID: "a", Created: since, OwnedBy: "closed"},
		}, models.Execute(t.Context()))
		assert.ElementsMatch(t, []string{"open", "pattern"}, s.called(), "only where the configuration leaves it open")
		for _, call := range s.calls {
			assert.Equal(t, exchange.Models, call.Endpoint)
			assert.Empty(t, call.Header)
			assert.Nil(t, call.Body)
		}
		s.nothingOpen(t)
	})
}

func TestModelsOfNobody(t *testing.T) {
	t.Parallel()
	assert.Empty(t, relay.NewModels(tableWith(nil), new(script), time.Now).Execute(t.Context()))
}

func TestAnOwnListIsBelievedForTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: map[string]reply{"one": says(200, `{"data":[{"id":"a"}]}`)}}
		models := relay.NewModels(tableOf("one"), s, time.Now)
		assert.Equal(t, "a", ids(models.Execute(t.Context())))
		s.replies["one"] = says(200, `{"data":[{"id":"b"}]}`)
		time.Sleep(10*time.Minute - time.Nanosecond)
		assert.Equal(t, "a", ids(models.Execute(t.Context())))
		assert.Len(t, s.called(), 1)
		time.Sleep(time.Nanosecond)
		assert.Equal(t, "b", ids(models.Execute(t.Context())))
		assert.Len(t, s.called(), 2)
	})
}

func TestAProviderThatDoesNotAnswerIsLeftOutAndAskedAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		reply reply
	}{
		{"no answer", reply{err: ports.ErrUnreachable}},
		{"a refusal", says(401, `{"data":[{"id":"never"}]}`)},
		{"an error of its own", says(500, `{"data":[{"id":"never"}]}`)},
		{"a redirect", says(302, `{"data":[{"id":"never"}]}`)},
		{"no JSON", says(200, `<html>`)},
		{"nothing", says(200, ``)},
		{"JSON that breaks off", reply{length: -1, steps: []step{{data: `{"data":[{"id":"never"}`, err: io.ErrUnexpectedEOF}}}},
		{"another type", says(200, `{"data":"never"}`)},
		{"no answer within five seconds", reply{wait: time.Hour}},
		{"an answer that does not end within five seconds", reply{length: -1, steps: []step{{data: `{"data":[{"id":"never"}`}, {hang: true}}}},
		{"an answer without end", reply{length: -1, steps: []step{{data: `{"data":[{"id":"` + strings.Repeat("x", 9<<20) + `"}]}`}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{replies: map[string]reply{"one": tt.reply, "two": says(200, `{"data":[{"id":"b"}]}`)}}
				models := relay.NewModels(tableOf("one", "two"), s, time.Now)
				began := time.Now()
				assert.Equal(t, "b", ids(models.Execute(t.Context())))
				assert.LessOrEqual(t, time.Since(began), 5*time.Second)
				s.nothingOpen(t)

				s.replies["one"] = says(200, `{"data":[{"id":"a"}]}`)
				time.Sleep(30*time.Second - time.Nanosecond)
				assert.Equal(t, "b", ids(models.Execute(t.Context())))
				assert.Len(t, s.called(), 2)
				time.Sleep(time.Nanosecond)
				assert.Equal(t, "a b", ids(models.Execute(t.Context())))
				assert.Len(t, s.called(), 3)
			})
		})
	}
}

func TestAnOwnListOutlivesAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: map[string]reply{"one": says(200, `{"data":[{"id":"a"}]}`)}}
		models := relay.NewModels(tableOf("one"), s, time.Now)
		assert.Equal(t, "a", ids(models.Execute(t.Context())))
		s.replies["one"] = reply{err: ports.ErrUnreachable}
		time.Sleep(10 * time.Minute)
		assert.Equal(t, "a", ids(models.Execute(t.Context())))
		assert.Equal(t, "a", ids(models.Execute(t.Context())))
		assert.Len(t, s.called(), 2)
		time.Sleep(30 * time.Second)
		assert.Equal(t, "a", ids(models.Execute(t.Context())))
		assert.Len(t, s.called(), 3)
	})
}

func TestProvidersAreAskedAllAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := says(200, `{"data":[{"id":"a"}]}`), says(200, `{"data":[{"id":"b"}]}`)
		one.wait, two.wait = 3*time.Second, 2*time.Second
		s := &script{replies: map[string]reply{"one": one, "two": two}}
		began := time.Now()
		assert.Equal(t, "a b", ids(relay.NewModels(tableOf("one", "two"), s, time.Now).Execute(t.Context())))
		assert.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestManyWhoAskForModelsShareOneQuestion(t *testing.T) {
	t.Parallel()
	const callers = 30
	var asking sync.WaitGroup
	asking.Add(callers)
	var asked atomic.Int64
	s := &script{replies: map[string]reply{"one": says(200, `{"data":[{"id":"a"}]}`)}}
	up := upstream(func(ctx context.Context, call ports.Call) (ports.Reply, error) {
		asked.Add(1)
		asking.Wait()
		time.Sleep(20 * time.Millisecond) // or they would only be about to ask
		return s.Call(ctx, call)
	})
	models := relay.NewModels(tableOf("one"), up, time.Now)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			asking.Done()
			assert.Equal(t, "a", ids(models.Execute(t.Context())))
		})
	}
	wg.Wait()
	assert.Equal(t, int64(1), asked.Load())
}

func TestACallerWhoLeavesSpoilsTheListForNobody(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &script{replies: map[string]reply{"one": says(200, `{"data":[{"id":"a"}]}`)}}
	assert.Equal(t, "a", ids(relay.NewModels(tableOf("one"), s, time.Now).Execute(ctx)))
}

func TestModelsFollowsTheTableInForce(t *testing.T) {
	t.Parallel()
	s := &script{replies: map[string]reply{"one": says(200, `{"data":[{"id":"a"}]}`), "two": says(200, `{"data":[{"id":"b"}]}`)}}
	table := tableOf("one")
	models := relay.NewModels(func() *routing.Table { return table() }, s, time.Now)
	assert.Equal(t, "a", ids(models.Execute(t.Context())))
	table = tableOf("two")
	assert.Equal(t, "b", ids(models.Execute(t.Context())))
	table = tableOf("one") // another provider of the same name, perhaps with another key
	assert.Equal(t, "a", ids(models.Execute(t.Context())))
	assert.Equal(t, []string{"one", "two", "one"}, s.called())
}

func TestAClockThatIsSetBackMakesNoListFresh(t *testing.T) {
	t.Parallel()
	s := &script{replies: map[string]reply{"one": says(200, `{"data":[{"id":"a"}]}`)}}
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	models := relay.NewModels(tableOf("one"), s, func() time.Time { return at })
	require.Equal(t, "a", ids(models.Execute(t.Context())))
	at = at.Add(-time.Hour)
	require.Equal(t, "a", ids(models.Execute(t.Context())))
	assert.Len(t, s.called(), 2)
}

// Requests that work with different tables do not disturb each other.
func TestModelsMayBeUsedByMany(t *testing.T) {
	t.Parallel()
	s := &script{replies: map[string]reply{"one": says(200, `{"data":[{"id":"a"}]}`), "two": says(200, `{"data":[{"id":"a"}]}`)}}
	tables := []ports.RoutingTable{tableOf("one"), tableOf("two")}
	var turn atomic.Int64
	models := relay.NewModels(func() *routing.Table { return tables[turn.Add(1)%2]() }, s, time.Now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				assert.Equal(t, "a", ids(models.Execute(t.Context())))
			}
		})
	}
	wg.Wait()
	s.nothingOpen(t)
}
