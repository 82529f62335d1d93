package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Bounds of a file. They are far above what a relay needs, and low enough that a hostile or broken
// file costs a reload nothing to speak of.
const (
	maxBytes  = 1 << 20
	maxValues = 100_000 // aliases expanded
	maxDepth  = 64
)

// Load returns the configuration in the file at path (empty: no file, the defaults only) under what
// the environment sets, and what an operator should know about it. A wrong configuration is Mistakes,
// all of them at once. Of the variables in environ, as os.Environ lists them, those that look like a
// key's and set nothing are warned about.
func Load(path string, lookupEnv func(string) (string, bool), environ ...string) (Config, []Warning, error) {
	if path == "" {
		return Parse("", nil, lookupEnv, environ...)
	}
	text, problem := read(path)
	if problem != "" {
		return Config{}, nil, Mistakes{{File: path, Problem: problem}}
	}
	return Parse(path, text, lookupEnv, environ...)
}

func read(path string) (text []byte, problem string) {
	// A pipe would be waited for, perhaps for ever.
	if info, err := os.Stat(path); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil, "is no regular file"
	}
	file, err := os.Open(path) //nolint:gosec // the operator's own choice of file
	if err != nil {
		return nil, unreadable(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, "is a directory, not a configuration file"
	}
	text, err = io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, unreadable(err)
	}
	return text, ""
}

func unreadable(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "no such file"
	}
	// The path is in the message already.
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return "can't be read: " + err.Error()
}

// Parse is Load for the text of a file; name is what messages call it. An empty name and text are no
// file at all.
func Parse(name string, text []byte, lookupEnv func(string) (string, bool), environ ...string) (Config, []Warning, error) {
	d := newDecoder(name, lookupEnv)
	if name == "" && len(text) > 0 {
		d.file = "config.yml"
	}
	root := d.document(text)
	if len(d.mistakes) > 0 {
		return Config{}, nil, d.mistakes
	}
	c := Default()
	d.mapping(root, reflect.ValueOf(&c).Elem(), schema, place{fixed: true})
	d.normalise(&c)
	d.check(&c)
	d.nameIgnored()
	d.unknownVariables(environ, c.Providers)
	slices.SortStableFunc(d.warnings, func(a, b Warning) int { return before(Mistake(a), Mistake(b)) })
	if len(d.mistakes) > 0 {
		slices.SortStableFunc(d.mistakes, before)
		return Config{}, d.warnings, slices.Compact(d.mistakes)
	}
	return c, d.warnings, nil
}

// document returns the root mapping of a text, or nil if there is none. It leaves a mistake for
// anything that the walker could not cope with.
func (d *decoder) document(text []byte) *yaml.Node {
	if len(text) > maxBytes {
		d.report(source{line: 1, column: 1}, "", "is larger than 1 MiB")
		return nil
	}
	if at, problem := unprintable(text); problem != "" {
		d.report(at, "", problem)
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		d.syntax(err)
		return nil
	}
	var root *yaml.Node
	for count := 0; ; count++ {
		var doc yaml.Node
		if err := loader.Load(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			d.syntax(err)
			return nil
		}
		if count == 1 {
			d.report(sourceOf(&doc), "", "a second YAML document begins here; only one is read")
			return nil
		}
		if len(doc.Content) > 0 {
			root = doc.Content[0]
		}
	}
	if unset(root) {
		return nil
	}
	budget := maxValues
	if !d.sane(root, 0, &budget) {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		d.report(sourceOf(root), "", "want a mapping at the top, got "+kindOfNode(root))
		return nil
	}
	return root
}

// syntax reports what the YAML parser did not understand.
func (d *decoder) syntax(err error) {
	at, message := source{line: 1, column: 1}, "the text"
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		at = source{line: max(1, e.Mark.Line), column: max(1, e.Mark.Column)}
		message = e.Message
		if e.ContextMsg != "" {
			message += " " + e.ContextMsg
		}
	}
	if anchored.MatchString(message) {
		// The parser's own message quotes the value, and it may be a secret that begins with *.
		d.report(at, "", "is not valid YAML: an alias without its anchor; quote a text that begins with *")
		return
	}
	d.report(at, "", "is not valid YAML: "+quoted.ReplaceAllStringFunc(message, maskQuoted))
}

var (
	anchored = regexp.MustCompile(`\banchor\b`)
	quoted   = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`")
)

// maskQuoted leaves the punctuation that the parser expected, and hides anything that may be a value.
func maskQuoted(s string) string {
	if utf8.RuneCountInString(s) <= len("','") {
		return s
	}
	return "'…'"
}

// unprintable finds the first character that YAML does not allow; the parser does not say where it is.
func unprintable(text []byte) (at source, problem string) {
	at = source{line: 1, column: 1}
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return at, "is not UTF-8 text"
		case r == '\n':
			at = source{line: at.line + 1}
		case r < ' ' && r != '\t' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return at, "has a control character here"
		}
		at.column++
		rest = rest[size:]
	}
	return at, ""
}

// sane reports whether a tree can be walked: neither too deep nor too large with its aliases
// expanded, and without tags that ask for types of other programs.
func (d *decoder) sane(n *yaml.Node, depth int, budget *int) bool {
	if *budget--; *budget < 0 {
		d.report(sourceOf(n), "", "has more than 100,000 values with its aliases expanded")
		return false
	}
	if depth > maxDepth {
		d.report(sourceOf(n), "", "is nested more than 64 levels deep, or an alias holds itself")
		return false
	}
	if n.Kind == yaml.AliasNode {
		return d.sane(n.Alias, depth+1, budget)
	}
	if !tags[n.ShortTag()] {
		d.report(sourceOf(n), "", "has a YAML tag that is not known here; quote a text that begins with !")
		return false
	}
	for _, child := range n.Content {
		if !d.sane(child, depth+1, budget) {
			return false
		}
	}
	return true
}

var tags = map[string]bool{
	"!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!null": true,
	"!!map": true, "!!seq": true, "!!timestamp": true, "!!merge": true,
}
