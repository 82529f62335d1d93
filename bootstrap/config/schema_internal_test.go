package config

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// A bound that does not parse would silently bind nothing.
func TestEveryBoundIsAValueOfItsField(t *testing.T) {
	t.Parallel()
	var walk func(t *testing.T, typ reflect.Type, fields []field)
	walk = func(t *testing.T, typ reflect.Type, fields []field) {
		t.Helper()
		for _, f := range fields {
			sub := typ
			if f.index >= 0 {
				sub = typ.Field(f.index).Type
			}
			switch f.shape {
			case section:
				walk(t, sub, f.sub)
			case rows, keyed, table:
				walk(t, sub.Elem(), f.sub)
			case list:
				sub = sub.Elem()
				fallthrough
			case scalar:
				for _, bound := range []string{f.rule.min, f.rule.max} {
					if bound != "" {
						require.Nil(t, parse(bound, reflect.New(sub).Elem(), f.rule), "%s: %s", f.name, bound)
					}
				}
			case free:
			}
		}
	}
	walk(t, reflect.TypeFor[Config](), schema)
}

// A hint that points at a key which is not near misleads more than no hint.
func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"host", "port", "access_key", "access_key_enabled", "url"}
	for name, want := range map[string]string{
		"prot": "port", "Port": "port", "ports": "port", "prt": "port", "acess_key": "access_key", "access-key": "access_key",
		"accessKey": "access_key", "accesskeyenabled": "access_key_enabled", "uri": "url",
		"": "", "x": "", "sport_host": "", "key": "", "zzzz": "", "a_very_long_name_that_nobody_could_ever_have_meant_as_one_of_the_known_keys": "",
	} {
		require.Equal(t, want, nearest(name, known), name)
	}
	require.Equal(t, 3, distance("kitten", "sitting"))
	require.Equal(t, 1, distance("ab", "ba"))
	require.Equal(t, 4, distance("", "port"))
}

// The parser's messages may quote the file.
func TestQuotedPartsOfMessagesAreHidden(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"did not find expected ',' or ']'":     "did not find expected ',' or ']'",
		"found character '%' that is not":      "found character '%' that is not",
		"cannot construct !!str `hunter2` as":  "cannot construct !!str '…' as",
		"key \"hunter2\" and 'hunter3' of 'a'": "key '…' and '…' of 'a'",
	} {
		require.Equal(t, want, quoted.ReplaceAllStringFunc(message, maskQuoted))
	}
}
