package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var index = regexp.MustCompile(`\[\d+\]$`)

// Variable returns the environment variable that sets the key at a path: MONORELAY_SERVER_PORT for
// server.port.
func Variable(path string) string {
	path = index.ReplaceAllString(path, "")
	return "MONORELAY_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

// Variables lists the environment variables that set a key, in the order of the file: all but those
// of providers, whose names depend on the providers'.
func Variables() []string { return variables(nil, "", schema) }

func variables(found []string, path string, fields []field) []string {
	for _, f := range fields {
		switch f.shape {
		case section:
			found = variables(found, path+f.name+".", f.sub)
		case scalar, list:
			found = append(found, Variable(path+f.name))
		case rows, keyed, table, free: // no fixed path
		}
	}
	return found
}

// override returns what the environment sets the key at a place to; an empty variable sets it only
// where empty is a value. A variable that stands for two keys (providers a-b and a.b) is a mistake.
func (d *decoder) override(at place, emptyCounts bool) (string, bool) {
	if !at.fixed {
		return "", false
	}
	name := Variable(at.path)
	d.asked[name] = true
	text, set := d.lookupEnv(name)
	if !set || text == "" && !emptyCounts {
		return "", false
	}
	if other, taken := d.overridden[name]; taken && other != at.path {
		d.report(source{env: true}, at.path, "is ambiguous: the variable also stands for "+other)
		return "", false
	}
	d.overridden[name] = at.path
	d.where[at.path] = source{env: true}
	return text, true
}

// unknownVariables warns of each variable in an environment that looks like a key's and is none's.
func (d *decoder) unknownVariables(environ []string, providers []Provider) {
	var prefixes []string
	for _, p := range providers {
		prefixes = append(prefixes, Variable("providers."+p.Name+"."))
	}
	for _, f := range schema {
		prefixes = append(prefixes, Variable(f.name+"."))
	}
	asked := slices.Sorted(maps.Keys(d.asked))
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		i := slices.IndexFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if i < 0 || d.asked[name] {
			continue
		}
		problem := "stands for no key, and so sets nothing" + advice(name, prefixes[i], asked)
		d.warnings = append(d.warnings, Warning{Variable: name, Problem: problem})
	}
}

// advice names the variable that was meant. The prefix that all share makes none nearer, nor do the last
// words of a provider's variable: those of all providers end alike.
func advice(name, prefix string, asked []string) string {
	rest, tail := strings.TrimPrefix(name, prefix), ""
	known := between(prefix, "", asked)
	for i := range rest {
		if prefix != Variable("providers.") || rest[i] != '_' {
			continue
		}
		if alike := between(prefix, rest[i:], asked); len(alike) > 0 {
			known, tail = alike, rest[i:]
			break
		}
	}
	switch near := nearest(strings.TrimSuffix(rest, tail), known); {
	case near != "":
		return "; did you mean " + prefix + near + tail + "?"
	case strings.HasPrefix(prefix, Variable("providers.")):
		return "; providers and their keys are added in the file"
	}
	return ""
}

// between returns what stands between a prefix and a suffix in the names that have both.
func between(prefix, suffix string, names []string) []string {
	var found []string
	for _, name := range names {
		if middle, ok := strings.CutPrefix(name, prefix); ok && strings.HasSuffix(middle, suffix) {
			found = append(found, strings.TrimSuffix(middle, suffix))
		}
	}
	return found
}
