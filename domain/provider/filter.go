package provider

import (
	"strings"
	"unicode/utf8"
)

// Filter says which models a provider is used for.
type Filter struct {
	include, exclude []string // in lower case
	named            []string // the entries of the include list that are no patterns, as they were written
}

// NewFilter returns a filter over glob patterns. An empty include list takes any model.
func NewFilter(include, exclude []string) Filter {
	f := Filter{include: lower(include), exclude: lower(exclude)}
	for _, p := range include {
		if !strings.ContainsAny(p, "*?") {
			f.named = append(f.named, p)
		}
	}
	return f
}

func lower(patterns []string) []string {
	out := make([]string, len(patterns))
	for i, p := range patterns {
		out[i] = strings.ToLower(p)
	}
	return out
}

// Takes reports whether the model is on the include list, or that is empty, and not on the exclude list. Case does not
// count.
func (f Filter) Takes(model string) bool {
	model = strings.ToLower(model)
	return (len(f.include) == 0 || matchesAny(f.include, model)) && !matchesAny(f.exclude, model)
}

func matchesAny(patterns []string, model string) bool {
	for _, p := range patterns {
		if glob(p, model) {
			return true
		}
	}
	return false
}

// Match reports whether the glob pattern takes all of s, whatever the case: '*' stands for any run of characters, also
// none and also with slashes in it, '?' for one. Everything else stands for itself.
func Match(pattern, s string) bool { return glob(strings.ToLower(pattern), strings.ToLower(s)) }

// glob goes back to the last star only, so its time is bounded by the product of the lengths.
func glob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			i += width(s[i:])
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark += width(s[mark:])
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// width is the length of the first character of s, in bytes.
func width(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// Named returns the models that the include list names one by one, leaving patterns out.
func (f Filter) Named() []string { return f.named }

// Open reports whether the include list leaves open which models there are: it is empty, or holds a pattern.
func (f Filter) Open() bool { return len(f.include) == 0 || len(f.named) < len(f.include) }
