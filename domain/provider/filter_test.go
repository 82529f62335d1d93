package provider_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"monorelay/domain/provider"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pattern, text string
		want                bool
	}{
		{"a name is itself", "gpt-4o", "gpt-4o", true},
		{"a name is not its beginning", "gpt-4", "gpt-4o", false},
		{"a name is not its end", "4o", "gpt-4o", false},
		{"a name is not part of it", "pt-4", "gpt-4o", false},
		{"case does not count in the name", "gpt-4o", "GPT-4o", true},
		{"case does not count in the pattern", "GPT-*", "gpt-4o", true},
		{"a star at the end", "gpt-*", "gpt-4o-mini", true},
		{"a star stands for nothing too", "gpt-4o*", "gpt-4o", true},
		{"a star in front", "*-mini", "gpt-4o-mini", true},
		{"a star in the middle", "gpt-*-mini", "gpt-4o-mini", true},
		{"a star takes slashes", "*gpt-4o", "openrouter/openai/gpt-4o", true},
		{"a slash stands for itself", "openai/*", "openai/gpt-4o", true},
		{"another slash", "openai/*", "openai-gpt-4o", false},
		{"a star alone takes everything", "*", "a/b:c@d", true},
		{"a star alone takes nothing at all", "*", "", true},
		{"two stars are one", "**", "openai/gpt-4o", true},
		{"two stars around", "**gpt**", "openai/gpt-4o", true},
		{"a star has to go back", "*ab", "aab", true},
		{"two stars have to go back", "*a*ab", "aacaab", true},
		{"the first star may not take all", "a*b*c", "abcbc", true},
		{"a star does not take what comes after it twice", "ab*ba", "aba", false},
		{"the end must fit", "*-mini", "gpt-4o-mini-2024", false},
		{"a question mark is one character", "gpt-?", "gpt-4", true},
		{"a question mark is not none", "gpt-?", "gpt-", false},
		{"a question mark is not two", "gpt-?", "gpt-4o", false},
		{"a question mark is one character in any script", "mod?le-??", "modèle-大的", true},
		{"a question mark is no byte", "mod??le", "modèle", false},
		{"a question mark behind a star", "*?le", "modèle", true},
		{"a question mark is one byte of what is no text", "a?b", "a\xffb", true},
		{"an empty pattern", "", "gpt-4o", false},
		{"an empty pattern and an empty name", "", "", true},
		{"a name and nothing", "gpt-4o", "", false},
		{"a dot is no pattern", "gpt.4", "gpt-4", false},
		{"brackets are no pattern", "gpt-[45]", "gpt-4", false},
		{"brackets stand for themselves", "gpt-[45]", "gpt-[45]", true},
		{"a backslash stands for itself", `gpt\*`, `gpt\4`, true},
		{"letters outside ASCII", "modèle-*", "MODÈLE-1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, provider.Match(tt.pattern, tt.text))
		})
	}
}

func TestMatchStaysFastOnLongPatterns(t *testing.T) {
	t.Parallel()
	pattern := strings.Repeat("*a", 500) + "b" // a matcher that tries every way would never come to an end
	name := strings.Repeat("a", 10_000)
	began := time.Now()
	assert.False(t, provider.Match(pattern, name))
	assert.False(t, provider.Match(strings.Repeat("*", 10_000)+"b", name))
	assert.True(t, provider.Match(pattern, name+"b"))
	assert.Less(t, time.Since(began), 5*time.Second)
}

func TestFilter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		include, exclude []string
		takes, refuses   []string
		named            []string
		open             bool
	}{
		{"no lists take any model", nil, nil, []string{"gpt-4o", "a/b", ""}, nil, nil, true},
		{"names", []string{"gpt-4o", "O3"}, nil, []string{"gpt-4o", "GPT-4O", "o3"}, []string{"gpt-4o-mini", "gpt-4", "xgpt-4o", ""}, []string{"gpt-4o", "O3"}, false},
		{"a pattern", []string{"gpt-*"}, nil, []string{"gpt-4o", "GPT-4"}, []string{"o3", "agpt-4"}, nil, true},
		{"names and a pattern", []string{"o3", "gpt-?"}, nil, []string{"o3", "gpt-4"}, []string{"gpt-4o"}, []string{"o3"}, true},
		{"what is excluded", nil, []string{"*-preview", "O3"}, []string{"gpt-4o"}, []string{"o1-preview", "O1-PREVIEW", "o3"}, nil, true},
		{"excluded beats included", []string{"gpt-4o"}, []string{"gpt-*"}, nil, []string{"gpt-4o"}, []string{"gpt-4o"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := provider.NewFilter(tt.include, tt.exclude)
			for _, model := range tt.takes {
				assert.True(t, f.Takes(model), "takes %q", model)
			}
			for _, model := range tt.refuses {
				assert.False(t, f.Takes(model), "refuses %q", model)
			}
			assert.Equal(t, tt.named, f.Named())
			assert.Equal(t, tt.open, f.Open())
		})
	}
}
