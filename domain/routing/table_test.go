package routing_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/fault"
	"monorelay/domain/provider"
	"monorelay/domain/routing"
)

// tables is a configuration in which every rule has something to say.
func tables() routing.Tables {
	return routing.Tables{
		Providers: []*provider.Provider{
			{Name: "openrouter", Models: provider.NewFilter([]string{"openai/*", "gpt-4o", "gpt-4o-mini", "o3"}, []string{"*-preview"})},
			{Name: "Azure", Models: provider.NewFilter([]string{"gpt-4o", "gpt-4o-mini"}, nil)},
			{Name: "local", Models: provider.NewFilter([]string{"llama3", "@cf/llama3"}, nil)},
		},
		Aliases: map[string][]string{
			"fast":     {"gpt-4o-mini"},
			"Quick":    {"fast"},
			"best":     {"o3", "Quick", "llama3"},
			"twice":    {"gpt-4o", "GPT-4o", "gpt-4o", "fast", "Quick"},
			"local-8b": {"llama3@local"},
			"pinned":   {"gpt-4o@azure", "o3@disabled", "gpt-4o"},
			"gone":     {"gpt-4o@disabled"},
			"circle":   {"Circle-B"},
			"circle-b": {"CIRCLE", "llama3"},
			"itself":   {"itself"},
		},
		Overrides: []routing.Rule{
			{Pattern: "gpt-4", Target: "gpt-4o"},
			{Pattern: "gpt-4-*", Target: "gpt-4o-mini"},
			{Pattern: "gpt-4-turbo", Target: "never"},
			{Pattern: "chain", Target: "gpt-4"},
			{Pattern: "to-alias", Target: "fast"},
		},
		Mapping: []routing.Rule{
			{Pattern: "gpt-*", Target: "disabled"},
			{Pattern: "GPT-*", Target: "azure"},
			{Pattern: "gpt-*", Target: "openrouter"},
			{Pattern: "special-*", Target: "LOCAL"},
			{Pattern: "nowhere-*", Target: "disabled"},
		},
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, model, want string }{
		// 1. model@provider
		{"a provider by name", "gpt-4o@azure", "Azure:gpt-4o"},
		{"a provider by name in another case", "gpt-4o@OpenRouter", "openrouter:gpt-4o"},
		{"a provider by name takes any model", "anything@local", "local:anything"},
		{"a provider by name takes what its list excludes", "openai/o1-preview@openrouter", "openrouter:openai/o1-preview"},
		{"an alias at a provider", "fast@azure", "Azure:gpt-4o-mini"},
		{"a list at a provider", "best@azure", "Azure:o3 Azure:gpt-4o-mini Azure:llama3"},
		{"an alias that names another provider: the client's choice stands above", "local-8b@openrouter", "openrouter:llama3"},
		{"a list of which some name a provider", "pinned@openrouter", "openrouter:gpt-4o openrouter:o3"},
		{"an override at a provider", "gpt-4@openrouter", "openrouter:gpt-4o"},
		{"the last at counts", "@cf/llama3@local", "local:@cf/llama3"},
		{"a version behind an at is part of the name", "claude-3-5-sonnet@20240620@azure", "Azure:claude-3-5-sonnet@20240620"},
		{"an at in front is part of the name", "@cf/llama3", "local:@cf/llama3"},

		// 2. aliases
		{"an alias", "fast", "Azure:gpt-4o-mini openrouter:gpt-4o-mini"},
		{"an alias in another case", "FAST", "Azure:gpt-4o-mini openrouter:gpt-4o-mini"},
		{"an alias of an alias", "quick", "Azure:gpt-4o-mini openrouter:gpt-4o-mini"},
		{"a list, in its order", "best", "openrouter:o3 Azure:gpt-4o-mini openrouter:gpt-4o-mini local:llama3"},
		{"one model in a list twice", "twice", "Azure:gpt-4o openrouter:gpt-4o Azure:GPT-4o openrouter:GPT-4o Azure:gpt-4o-mini openrouter:gpt-4o-mini"},
		{"an alias that names the provider", "local-8b", "local:llama3"},
		{"an alias that names a provider that is not enabled, and others", "pinned", "Azure:gpt-4o openrouter:gpt-4o"},
		{"a circle of aliases comes to an end", "circle", "local:llama3"},
		{"a circle in another case", "Circle-B", "local:llama3"},
		{"a name is no alias for beginning like one", "o3", "openrouter:o3"},

		// 3. overrides
		{"an override", "gpt-4", "Azure:gpt-4o openrouter:gpt-4o"},
		{"an override in another case", "GPT-4", "Azure:gpt-4o openrouter:gpt-4o"},
		{"an override is followed once", "chain", "Azure:gpt-4"},
		{"the first override that fits", "gpt-4-turbo", "Azure:gpt-4o-mini openrouter:gpt-4o-mini"},

		// 5. mapping, then include lists
		{"the mapping comes before the order of the file", "gpt-4o", "Azure:gpt-4o openrouter:gpt-4o"},
		{"the mapping takes what no include list names", "gpt-5", "Azure:gpt-5"},
		{"a mapping to a provider in another case", "special-1", "local:special-1"},
		{"no mapping: the order of the file", "o3", "openrouter:o3"},
		{"a pattern of an include list", "openai/gpt-5", "openrouter:openai/gpt-5"},
		{"an include list in another case, and the spelling stays", "LLaMa3", "local:LLaMa3"},
	}
	table := routing.NewTable(tables())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := table.Resolve(tt.model)
			require.NoError(t, err)
			assert.Equal(t, tt.want, spell(got))
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, model string
		near        string
	}{
		{"an unknown model", "claude-opus", ""},
		{"an unknown provider", "gpt-4o@nobody", ""},
		{"a provider that is not enabled", "fast@disabled", ""},
		{"a provider by part of its name", "llama3@loca", "llama3@local"},
		{"an alias that leads to a provider that is not enabled", "gone", ""},
		{"a mapping to a provider that is not enabled", "nowhere-1", ""},
		{"what the exclude list names", "openai/o1-preview", ""},
		{"an excluded model in another case", "OPENAI/O1-PREVIEW", ""},
		{"part of a name", "llama", "llama3"},
		{"more than a name", "llama33", "llama3"},
		{"an override does not lead to an alias", "to-alias", ""},
		{"an at behind is part of the name", "llama3@", "llama3"},
		{"an at alone", "@", ""},
		{"a circle that leads nowhere", "itself", ""},
		{"nothing", "", ""},
		{"a slip of the finger in an alias", "fsat", "fast"},
		{"another case in the slip", "BSET", "best"},
		{"a name without end", strings.Repeat("gpt-4o", 1000)[1:], ""},
	}
	table := routing.NewTable(tables())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := table.Resolve(tt.model)
			require.ErrorIs(t, err, routing.ErrNoModel)
			assert.Empty(t, got)
			assert.Equal(t, fault.NotFound, fault.KindOf(err))
			assert.Equal(t, "model", fault.Of(err).Param)
			assert.Contains(t, fault.Of(err).Detail, tt.near)
		})
	}
}

func TestNearMissesAreFew(t *testing.T) {
	t.Parallel()
	table := routing.NewTable(routing.Tables{
		Providers: []*provider.Provider{{Name: "openrouter", Models: provider.NewFilter([]string{"model-d", "model-b", "model-a", "model-c"}, nil)}},
		Aliases:   map[string][]string{"model-b": {"model-a"}},
	})
	_, err := table.Resolve("model-x")
	require.ErrorIs(t, err, routing.ErrNoModel)
	assert.Equal(t, "No provider serves this model. Near to it: model-a, model-b, model-c.", fault.Of(err).Detail)

	_, err = table.Resolve("something else")
	assert.Equal(t, routing.ErrNoModel, fault.Of(err), "nothing is near")
}

func TestANameIsNotNearToItself(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"gone", "GONE"} {
		_, err := routing.NewTable(tables()).Resolve(model)
		require.ErrorIs(t, err, routing.ErrNoModel)
		assert.NotContains(t, fault.Of(err).Detail, "gone")
	}
}

func TestTheNearestNameIsNamed(t *testing.T) {
	t.Parallel()
	table := routing.NewTable(routing.Tables{Providers: []*provider.Provider{
		{Name: "openrouter", Models: provider.NewFilter([]string{"claude-3-5-haiku", "claude-3-5-opus1", "claude-3-5-piano", "claude-3-5-sonnet"}, nil)},
	}})
	_, err := table.Resolve("claude-3-5-sonne")
	require.ErrorIs(t, err, routing.ErrNoModel)
	assert.Contains(t, fault.Of(err).Detail, "claude-3-5-sonnet")
}

func TestAnAliasThatLeadsNowhereIsNoModelAtAProvider(t *testing.T) {
	t.Parallel()
	given := tables()
	given.Aliases["empty"] = []string{}
	table := routing.NewTable(given)
	for _, model := range []string{"itself@local", "empty@local", "empty"} {
		got, err := table.Resolve(model)
		require.ErrorIs(t, err, routing.ErrNoModel, model)
		assert.Empty(t, got)
	}
}

func TestAnEmptyIncludeListTakesAnyModel(t *testing.T) {
	t.Parallel()
	table := routing.NewTable(routing.Tables{Providers: []*provider.Provider{
		{Name: "second", Models: provider.NewFilter(nil, []string{"gpt-*"})},
		{Name: "first"},
	}})
	got, err := table.Resolve("claude")
	require.NoError(t, err)
	assert.Equal(t, "second:claude first:claude", spell(got))
	got, err = table.Resolve("gpt-4o")
	require.NoError(t, err)
	assert.Equal(t, "first:gpt-4o", spell(got))
}

func TestATableWithoutProvidersServesNothing(t *testing.T) {
	t.Parallel()
	table := routing.NewTable(routing.Tables{Aliases: map[string][]string{"fast": {"gpt-4o"}}})
	for _, model := range []string{"gpt-4o", "fast", "gpt-4o@openrouter"} {
		_, err := table.Resolve(model)
		require.ErrorIs(t, err, routing.ErrNoModel)
	}
	assert.Empty(t, table.Providers())
}

func TestTableListsWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	given := tables()
	table := routing.NewTable(given)
	assert.Equal(t, given.Providers, table.Providers())
	assert.Equal(t, []string{"Quick", "best", "circle", "circle-b", "fast", "gone", "itself", "local-8b", "pinned", "twice"}, table.AliasNames())
}

// FuzzResolve holds Resolve to its promises for any name: it ends, gives candidates or an error and never both, each
// candidate once, and only enabled providers.
func FuzzResolve(f *testing.F) {
	for _, model := range []string{"gpt-4o", "best", "fast@azure", "circle", "@cf/llama3", "a@b@c", "\xff@local", "gpt-4-*", "K"} {
		f.Add(model)
	}
	given := tables()
	table := routing.NewTable(given)
	f.Fuzz(func(t *testing.T, model string) {
		got, err := table.Resolve(model)
		if err != nil {
			require.ErrorIs(t, err, routing.ErrNoModel)
			require.Empty(t, got)
			return
		}
		require.NotEmpty(t, got)
		for i, c := range got {
			require.Contains(t, given.Providers, c.Provider)
			require.NotContains(t, got[:i], c)
		}
		again, err := table.Resolve(model)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func BenchmarkResolve(b *testing.B) {
	table := routing.NewTable(tables())
	for _, model := range []string{"o3", "gpt-4o", "best", "gpt-4o@azure", "unknown"} {
		b.Run(model, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got, err := table.Resolve(model)
				if (err == nil) == (len(got) == 0) {
					b.Fatal(err)
				}
			}
		})
	}
}

// spell writes candidates as provider:model, in their order.
func spell(candidates []routing.Candidate) string {
	words := slices.Collect(func(yield func(string) bool) {
		for _, c := range candidates {
			if !yield(c.Provider.Name + ":" + c.Model) {
				return
			}
		}
	})
	return strings.Join(words, " ")
}
