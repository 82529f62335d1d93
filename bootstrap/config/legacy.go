package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// legacyKeys are those that the Python program had and that have no meaning here, by shape of path.
var legacyKeys = map[string]bool{
	"sync":                            true,
	"sso":                             true,
	"server.turnstile_enabled":        true,
	"server.turnstile_site_key":       true,
	"server.turnstile_secret_key":     true,
	"model_routing.enabled":           true,
	"model_routing.mode":              true,
	"logging.db_path":                 true,
	"providers.*.cloaking":            true,
	"providers.*.web_reverse":         true,
	"providers.*.test_model":          true,
	"providers.*.console_url":         true,
	"providers.*.remote_models_cache": true,
	"providers.*.keys.*.metadata":     true,
	"providers.*.keys.*.quota_used":   true,
}

// ignoredKey is a key of the old program, where it stands first and where else.
type ignoredKey struct {
	path  string
	at    source
	lines []int
}

func (d *decoder) ignore(at place, where source) {
	if known, met := d.ignored[at.shape]; met {
		known.lines = append(known.lines, where.line)
		return
	}
	d.ignored[at.shape] = &ignoredKey{path: at.path, at: where}
}

// nameIgnored warns of each ignored key once, however often it stands in the file.
func (d *decoder) nameIgnored() {
	for _, key := range d.ignored {
		text := "has no meaning here and is ignored"
		if len(key.lines) > 0 {
			slices.Sort(key.lines)
			text += "; so it is in " + plural(key.lines)
		}
		d.warn(key.at, key.path, text)
	}
}

// plural is "line 4", or "lines 4, 7 and 10 more".
func plural(lines []int) string {
	const shown = 5
	if len(lines) == 1 {
		return fmt.Sprintf("line %d", lines[0])
	}
	var parts []string
	for _, line := range lines[:min(shown, len(lines))] {
		parts = append(parts, strconv.Itoa(line))
	}
	text := "lines " + strings.Join(parts, ", ")
	if more := len(lines) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// hasNoCounterpart reports whether an entry is a provider of the old program's browser kind. It is
// left out, with a warning, and nobody looks at what else it says.
func (d *decoder) hasNoCounterpart(e entry, at place) bool {
	if at.shape != "providers.*" || unset(e.value) || follow(e.value).Kind != yaml.MappingNode {
		return false
	}
	fields := follow(e.value).Content
	for i := 0; i+1 < len(fields); i += 2 {
		if follow(fields[i]).Value == "provider_type" && follow(fields[i+1]).Value == "web_reverse" {
			d.dropped[e.name] = true
			d.warn(sourceOf(e.key), at.path, "the provider type web_reverse has no counterpart here; the provider is left out")
			return true
		}
	}
	return false
}

func (d *decoder) warn(at source, path, text string) {
	w := Warning{Path: path, Problem: text}
	if !at.env {
		w.File, w.Line, w.Column = d.file, at.line, at.column
	}
	d.warnings = append(d.warnings, w)
}
