package config

import (
	"regexp"
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
