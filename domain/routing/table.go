// Package routing decides which providers serve a model. It is one pure function over the operator's tables.
package routing

import (
	"fmt"
	"slices"
	"strings"

	"monorelay/domain/fault"
	"monorelay/domain/provider"
)

// ErrNoModel is the answer to a model that nobody serves.
var ErrNoModel = fault.New(fault.NotFound, "model_not_found", "No provider serves this model.").At("model")

// Rule sends every model that Pattern takes to Target, which is a provider or another model.
type Rule struct{ Pattern, Target string }

// Tables is what the operator configured, in file order.
type Tables struct {
	Providers []*provider.Provider // the enabled ones
	Aliases   map[string][]string  // a client's name for a model: the models it stands for, in order of preference
	Overrides []Rule               // model to model
	Mapping   []Rule               // model to provider
}

// Table resolves models. It does not change once made, and may be used by many goroutines.
type Table struct {
	tables    Tables
	providers map[string]*provider.Provider
	aliases   map[string][]string
}

// NewTable returns the table over t, which it keeps.
func NewTable(t Tables) *Table {
	table := &Table{
		tables:    t,
		providers: make(map[string]*provider.Provider, len(t.Providers)),
		aliases:   make(map[string][]string, len(t.Aliases)),
	}
	for _, p := range t.Providers {
		table.providers[strings.ToLower(p.Name)] = p
	}
	for name, targets := range t.Aliases {
		table.aliases[strings.ToLower(name)] = targets
	}
	return table
}

// Providers returns the enabled providers in file order.
func (t *Table) Providers() []*provider.Provider { return t.tables.Providers }

// AliasNames returns the names that the operator gave to models, sorted.
func (t *Table) AliasNames() []string {
	names := make([]string, 0, len(t.tables.Aliases))
	for name := range t.tables.Aliases {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Candidate is one way to serve a request: a provider, and the model as it is called there.
type Candidate struct {
	Provider *provider.Provider
	Model    string
}

// Resolve returns who serves the model, in the order in which they are to be tried. It fails with ErrNoModel, and then
// names what the model may have been meant to be.
func (t *Table) Resolve(model string) ([]Candidate, error) {
	var out []Candidate
	name, at, chosen := cutLast(model, "@")
	if chosen && t.providers[strings.ToLower(at)] == nil {
		return nil, t.unknown(model, fmt.Sprintf("There is no provider %q, or it is disabled.", at))
	}
	for _, target := range t.expand(name) {
		if chosen {
			if target != name { // the client's choice of a provider stands above an alias's
				target, _, _ = cutLast(target, "@")
			}
			out = add(out, Candidate{Provider: t.providers[strings.ToLower(at)], Model: t.override(target)})
			continue
		}
		if name, at, found := cutLast(target, "@"); found {
			if p := t.providers[strings.ToLower(at)]; p != nil {
				out = add(out, Candidate{Provider: p, Model: t.override(name)})
			}
			continue
		}
		upstream := t.override(target)
		for _, rule := range t.tables.Mapping {
			if p := t.providers[strings.ToLower(rule.Target)]; p != nil && provider.Match(rule.Pattern, upstream) {
				out = add(out, Candidate{Provider: p, Model: upstream})
				break
			}
		}
		for _, p := range t.tables.Providers {
			if p.Models.Takes(upstream) {
				out = add(out, Candidate{Provider: p, Model: upstream})
			}
		}
	}
	if len(out) == 0 {
		return nil, t.unknown(model, ErrNoModel.Detail)
	}
	return out, nil
}

// expand follows aliases until what is left is none. The configuration holds no cycle, and if it did, each alias is
// followed once.
func (t *Table) expand(model string) []string {
	if t.aliases[strings.ToLower(model)] == nil {
		return []string{model}
	}
	var out []string
	seen := map[string]bool{}
	var follow func(name string)
	follow = func(name string) {
		key := strings.ToLower(name)
		targets, isAlias := t.aliases[key]
		if !isAlias {
			out = append(out, name)
			return
		}
		if seen[key] {
			return
		}
		seen[key] = true
		for _, target := range targets {
			follow(target)
		}
	}
	follow(model)
	return out
}

// override returns the model that the first override puts in the place of model, or model.
func (t *Table) override(model string) string {
	for _, rule := range t.tables.Overrides {
		if provider.Match(rule.Pattern, model) {
			return rule.Target
		}
	}
	return model
}

func add(list []Candidate, c Candidate) []Candidate {
	if slices.Contains(list, c) {
		return list
	}
	return append(list, c)
}

// cutLast splits model@provider. An empty half makes it no such pair.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i <= 0 || i == len(s)-len(sep) {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
