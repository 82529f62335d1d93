package config

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// decoder walks the file along the schema and fills a Config. It never stops at a mistake: what is
// wrong keeps its default, and the walk goes on.
type decoder struct {
	file      string
	lookupEnv func(string) (string, bool)

	// where is the origin of everything that was set, by path.
	where map[string]source
	// faulty are the paths that have a mistake already, so that no second one follows from it.
	faulty map[string]bool
	// asked are the environment variables that stand for a key.
	asked map[string]bool
	// overridden are the environment variables that were used, with the path each stands for.
	overridden map[string]string
	// ignored are the keys of the old program that were met, by shape of path.
	ignored map[string]*ignoredKey
	// dropped are the providers that were left out.
	dropped map[string]bool
	// unused counts the switched-off sections around the walker: a variable that is undefined does no
	// harm in there.
	unused int

	mistakes Mistakes
	warnings []Warning
}

func newDecoder(file string, lookupEnv func(string) (string, bool)) *decoder {
	d := &decoder{
		file: file, lookupEnv: lookupEnv,
		where: map[string]source{}, faulty: map[string]bool{}, asked: map[string]bool{}, overridden: map[string]string{},
		ignored: map[string]*ignoredKey{}, dropped: map[string]bool{},
	}
	d.where[""] = source{line: 1, column: 1, env: file == ""}
	return d
}

// source is where a value was set: in the file, or in the environment.
type source struct {
	line, column int
	env          bool
}

func sourceOf(n *yaml.Node) source { return source{line: max(1, n.Line), column: max(1, n.Column)} }

// place is where the walker is.
type place struct {
	// path is for people: providers.openrouter.keys[0].weight.
	path string
	// shape is path without names and numbers: providers.*.keys.*.weight.
	shape string
	// fixed is whether an environment variable can set what is here.
	fixed bool
}

func (p place) key(name string) place {
	return place{path: join(p.path, name), shape: join(p.shape, name), fixed: p.fixed}
}

// named is the place of an entry whose key the operator chose.
func (p place) named(name string, fixed bool) place {
	if !simple.MatchString(name) {
		return place{path: p.path + "[" + strconv.Quote(name) + "]", shape: p.shape + ".*"}
	}
	return place{path: join(p.path, name), shape: p.shape + ".*", fixed: fixed && p.fixed}
}

func (p place) index(i int) place {
	return place{path: p.path + "[" + strconv.Itoa(i) + "]", shape: p.shape + ".*"}
}

var simple = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// report notes a mistake.
func (d *decoder) report(at source, path, problem string) {
	d.faulty[path] = true
	m := Mistake{Path: path, Problem: problem}
	if !at.env {
		m.File, m.Line, m.Column = d.file, at.line, at.column
	}
	d.mistakes = append(d.mistakes, m)
}

// value fills v from a node, nil if the file doesn't have it, and from the environment.
func (d *decoder) value(n *yaml.Node, v reflect.Value, f *field, at place) {
	switch f.shape {
	case section:
		d.mapping(n, v, f.sub, at)
	case list:
		d.list(n, v, f.rule, at)
	case rows:
		d.rows(n, v, f.sub, at)
	case keyed:
		d.keyed(n, v, f.sub, at)
	case table:
		d.table(n, v, f.sub, at)
	case free:
		if params := d.params(n, at); len(params) > 0 {
			v.Set(reflect.ValueOf(params))
		}
	case scalar:
		d.scalar(n, v, f.rule, at)
	}
}

// mapping fills a struct. A key "enabled" is read before the others: what is switched off may use
// variables that are not defined.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, fields []field, at place) {
	if n == nil && !at.fixed {
		return
	}
	values := map[string]*yaml.Node{}
	for _, e := range d.entries(n, at) {
		if find(fields, e.name) == nil || e.name == "*" || e.name == "." {
			d.unknown(e, fields, at)
			continue
		}
		values[e.name] = e.value
	}
	if f := find(fields, "enabled"); f != nil {
		d.value(values["enabled"], f.in(v), f, at.key("enabled"))
		if !f.in(v).Bool() {
			d.unused++
			defer func() { d.unused-- }()
		}
	}
	for i := range fields {
		if f := &fields[i]; f.name != "*" && f.name != "." && f.name != "enabled" {
			d.value(values[f.name], f.in(v), f, at.key(f.name))
		}
	}
}

// unknown reports a key that no field has, unless the old program had it.
func (d *decoder) unknown(e entry, fields []field, at place) {
	path := at.key(e.name)
	if legacyKeys[path.shape] {
		d.ignore(path, sourceOf(e.key))
		return
	}
	known := names(fields)
	near := nearest(e.name, known)
	switch {
	case near != "":
		if meant := at.key(near).path; d.where[meant] == (source{}) {
			d.faulty[meant] = true
		}
	case unset(e.value) || len(e.name) > longestKey || !keyLike.MatchString(e.name):
		// It may not have been meant as a key: {my-secret} for {key: my-secret}.
		d.report(sourceOf(e.key), at.path, "has a key that is not known; its name is not shown, it may be a value")
		return
	}
	d.report(sourceOf(e.key), path.path, "unknown key"+hint(e.name, known))
}

const longestKey = 32

var keyLike = regexp.MustCompile(`^[A-Za-z]+([_-][A-Za-z0-9]+)*$`)

// list fills a slice of scalars.
func (d *decoder) list(n *yaml.Node, v reflect.Value, r rule, at place) {
	if text, set := d.override(at, false); set {
		d.fromVariable(text, v, r, at)
		return
	}
	if unset(n) {
		return
	}
	items := []*yaml.Node{n}
	lone := r.single && follow(n).Kind == yaml.ScalarNode
	if !lone {
		var ok bool
		if items, ok = d.items(n, at, r.single); !ok {
			return
		}
	}
	out := reflect.Zero(v.Type())
	for i, item := range items {
		spot := at
		if !lone {
			spot = at.index(i)
			d.where[spot.path] = sourceOf(item)
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if unset(item) {
			d.report(sourceOf(item), spot.path, "want "+wants(elem.Type(), r)+", got nothing")
			continue
		}
		if d.scalar(item, elem, r, spot) {
			out = reflect.Append(out, elem)
		}
	}
	v.Set(out)
}

// fromVariable fills a slice of scalars from a comma-separated environment variable.
func (d *decoder) fromVariable(text string, v reflect.Value, r rule, at place) {
	out := reflect.Zero(v.Type())
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if flaw := parse(part, elem, r); flaw != nil {
			d.report(source{env: true}, at.path, flaw.in(""))
			return
		}
		out = reflect.Append(out, elem)
	}
	v.Set(out)
}

// rows fills a slice of structs from a list of mappings.
func (d *decoder) rows(n *yaml.Node, v reflect.Value, fields []field, at place) {
	if unset(n) {
		return
	}
	items, ok := d.items(n, at, false)
	if !ok {
		return
	}
	out := reflect.Zero(v.Type())
	for i, item := range items {
		spot := at.index(i)
		d.where[spot.path] = sourceOf(item)
		elem := reflect.New(v.Type().Elem()).Elem()
		reset(elem, fields)
		if unset(item) {
			d.report(sourceOf(item), spot.path, "want a mapping, got nothing")
		}
		d.mapping(item, elem, fields, spot)
		out = reflect.Append(out, elem)
	}
	v.Set(out)
}

// keyed fills a slice of structs from a mapping, in the order of the file.
func (d *decoder) keyed(n *yaml.Node, v reflect.Value, fields []field, at place) {
	if unset(n) {
		return
	}
	name, whole := find(fields, "*"), find(fields, ".")
	out := reflect.Zero(v.Type())
	for _, e := range d.entries(n, at) {
		spot := at.named(e.name, whole == nil)
		if d.hasNoCounterpart(e, spot) {
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		reset(elem, fields)
		name.in(elem).SetString(e.name)
		switch {
		case whole == nil:
			d.mapping(e.value, elem, fields, spot)
		case unset(e.value):
			continue
		default:
			d.value(e.value, whole.in(elem), whole, spot)
		}
		out = reflect.Append(out, elem)
	}
	v.Set(out)
}

// table fills a map of structs.
func (d *decoder) table(n *yaml.Node, v reflect.Value, fields []field, at place) {
	for _, e := range d.entries(n, at) {
		elem := reflect.New(v.Type().Elem()).Elem()
		reset(elem, fields)
		d.mapping(e.value, elem, fields, at.named(e.name, false))
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(e.name), elem)
	}
}

// params reads a mapping of anything, as it goes into a JSON body.
func (d *decoder) params(n *yaml.Node, at place) map[string]any {
	params := map[string]any{}
	for _, e := range d.entries(n, at) {
		params[e.name] = d.anything(e.value, at.named(e.name, false))
	}
	return params
}

func (d *decoder) anything(n *yaml.Node, at place) any {
	n = follow(n)
	switch {
	case unset(n):
		return nil
	case n.Kind == yaml.MappingNode:
		return d.params(n, at)
	case n.Kind == yaml.SequenceNode:
		values := make([]any, len(n.Content))
		for i, item := range n.Content {
			values[i] = d.anything(item, at.index(i))
		}
		return values
	}
	text, ok := d.expanded(n, at)
	switch {
	case !ok:
		return nil
	case n.ShortTag() == "!!str" && (n.Style&quotedStyle != 0 || text == n.Value), n.ShortTag() == "!!timestamp":
		return text
	}
	if text != n.Value {
		return plainValue(text)
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return text
	}
	switch value := value.(type) {
	case int:
		return int64(value)
	case uint64:
		return float64(value)
	case float64:
		if math.IsInf(value, 0) || math.IsNaN(value) {
			d.report(sourceOf(n), at.path, "must be a finite number")
			return nil
		}
		return value
	case int64, bool:
		return value
	}
	return text
}

const quotedStyle = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle |
	yaml.TaggedStyle

// plainValue is the JSON value that a variable's text stands for where the file has no quotes: a
// number, a truth value, or else the text. It can't bring in a list or a mapping.
func plainValue(text string) any {
	switch kindOf(text) {
	case "true or false":
		return text == "true"
	case "a whole number":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case "a number":
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	}
	return text
}

// scalar fills v and reports whether it did.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, r rule, at place) bool {
	if text, set := d.override(at, isText(v, r)); set {
		if flaw := parse(text, v, r); flaw != nil {
			d.report(source{env: true}, at.path, flaw.in(""))
			return false
		}
		return true
	}
	if unset(n) {
		return false
	}
	n = follow(n)
	if n.Kind != yaml.ScalarNode {
		d.report(sourceOf(n), at.path, "want "+wants(v.Type(), r)+", got "+kindOfNode(n))
		return false
	}
	text, ok := d.expanded(n, at)
	if !ok {
		return false
	}
	if flaw := parse(text, v, r); flaw != nil {
		d.report(sourceOf(n), at.path, flaw.in(kindOf(text)))
		return false
	}
	return true
}

// isText reports whether an empty environment variable is a value: for free text it is.
func isText(v reflect.Value, r rule) bool {
	return v.Kind() == reflect.String && len(r.enum) == 0
}

// in tells the flaw of a value of a kind; no kind, if it came from the environment, where all is text.
func (f *flaw) in(kind string) string {
	switch {
	case f.says != "":
		return f.says
	case kind == "", kind == "text" && f.worded:
		return "want " + f.want
	default:
		return "want " + f.want + ", got " + kind
	}
}

// expanded returns the text of a scalar with the environment put in; not ok if it counts as not set.
func (d *decoder) expanded(n *yaml.Node, at place) (text string, ok bool) {
	text, undefined, problem := expand(n.Value, d.lookupEnv)
	switch {
	case problem != "":
		d.report(sourceOf(n), at.path, problem)
		return "", false
	case undefined == "":
		return text, true
	case d.unused == 0:
		d.report(sourceOf(n), at.path, fmt.Sprintf(
			"the environment variable %s is not set; set it, or write ${%[1]s:-default}", undefined))
	}
	return "", false
}

// entry is one key of a mapping with its value.
type entry struct {
	name       string
	key, value *yaml.Node
}

// entries returns what is in a mapping, in the order of the file, those that it merges (<<) last.
func (d *decoder) entries(n *yaml.Node, at place) []entry {
	if unset(n) {
		return nil
	}
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		d.report(sourceOf(n), at.path, "want a mapping, got "+kindOfNode(n))
		return nil
	}
	var own, merged []entry
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := follow(n.Content[i]), n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null":
			d.report(sourceOf(key), at.path, "has a key that is not plain text")
			continue
		case key.ShortTag() == "!!merge":
			merged = append(merged, d.merge(value, at)...)
			continue
		}
		if line, twice := first[key.Value]; twice {
			d.twice(key, line, at)
			continue
		}
		first[key.Value] = key.Line
		own = append(own, entry{name: key.Value, key: n.Content[i], value: value})
	}
	for _, e := range merged {
		if _, set := first[e.name]; !set {
			first[e.name] = e.key.Line
			own = append(own, e)
		}
	}
	for _, e := range own {
		d.where[at.key(e.name).path] = sourceOf(e.spot())
		d.where[at.named(e.name, false).path] = sourceOf(e.spot())
	}
	return own
}

// spot is the node that a message about an entry points at: a scalar itself, or else the key, which
// stands above what it holds.
func (e entry) spot() *yaml.Node {
	if unset(e.value) || follow(e.value).Kind != yaml.ScalarNode {
		return e.key
	}
	return e.value
}

func (d *decoder) twice(key *yaml.Node, line int, at place) {
	problem := fmt.Sprintf("stands twice; the first is in line %d", line)
	if !simple.MatchString(key.Value) || len(key.Value) > longestKey {
		d.report(sourceOf(key), at.path, "has a key that "+problem)
		return
	}
	d.report(sourceOf(key), at.key(key.Value).path, problem)
}

// merge returns the entries that a YAML merge key (<<) brings in: those of a mapping, or of a list of
// mappings of which the earlier ones win.
func (d *decoder) merge(n *yaml.Node, at place) []entry {
	if follow(n).Kind != yaml.SequenceNode {
		return d.entries(n, at)
	}
	var all []entry
	for _, item := range follow(n).Content {
		all = append(all, d.entries(item, at)...)
	}
	return all
}

// items returns what is in a list.
func (d *decoder) items(n *yaml.Node, at place, single bool) (nodes []*yaml.Node, ok bool) {
	n = follow(n)
	if n.Kind == yaml.SequenceNode {
		return n.Content, true
	}
	want := "want a list"
	if single {
		want = "want text or a list of texts"
	}
	d.report(sourceOf(n), at.path, want+", got "+kindOfNode(n))
	return nil, false
}

// unset reports whether a node says nothing: it is not there, or null.
func unset(n *yaml.Node) bool {
	return n == nil || follow(n).Kind == yaml.ScalarNode && follow(n).ShortTag() == "!!null"
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func kindOfNode(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		return "a mapping"
	}
	if n.Kind == yaml.SequenceNode {
		return "a list"
	}
	return kindOf(n.Value)
}
