package config

import (
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// shape is how a field is written in the file.
type shape int

const (
	scalar  shape = iota
	section       // a mapping with known keys
	list          // a list of scalars
	rows          // a list of sections
	keyed         // a mapping whose order matters: a slice of structs with a "*" field
	table         // a mapping to sections, whose order does not matter
	free          // a mapping with keys and values of any kind
)

// field is one key of the file, read from the tags of the struct that holds it (config.go).
type field struct {
	name string
	// index of the field in its struct; -1 for a section that fills fields of its parent's struct.
	index int
	shape shape
	rule  rule
	// sub is the fields of a section, or of each element of rows, keyed and table.
	sub []field
}

// rule is what a scalar, or each scalar of a list, may hold.
type rule struct {
	def, min, max, says, unit string
	enum                      []string
	single                    bool
}

// in returns where the field's value is in its parent's struct.
func (f *field) in(parent reflect.Value) reflect.Value {
	if f.index < 0 {
		return parent
	}
	return parent.Field(f.index)
}

var schema = describe(reflect.TypeFor[Config]())

// describe reads the tags of a struct. It panics at a type the walker can't fill: a mistake in
// config.go, which no test run survives.
func describe(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		f := field{name: sf.Tag.Get("yaml"), index: i, rule: ruleOf(sf.Tag)}
		f.shape, f.sub = shapeOf(sf.Type)
		outer, inner, nested := strings.Cut(f.name, ".")
		if !nested || f.name == "." {
			fields = append(fields, f)
			continue
		}
		f.name = inner
		if s := find(fields, outer); s != nil {
			s.sub = append(s.sub, f)
		} else {
			fields = append(fields, field{name: outer, index: -1, shape: section, sub: []field{f}})
		}
	}
	return fields
}

func ruleOf(tag reflect.StructTag) rule {
	r := rule{
		def: tag.Get("default"), min: tag.Get("min"), max: tag.Get("max"), says: tag.Get("says"),
		unit: tag.Get("unit"), single: tag.Get("single") != "",
	}
	if enum := tag.Get("enum"); enum != "" {
		r.enum = strings.Split(enum, "|")
	}
	return r
}

func shapeOf(t reflect.Type) (shape, []field) {
	switch {
	case isScalar(t):
		return scalar, nil
	case t.Kind() == reflect.Struct:
		return section, describe(t)
	case t == reflect.TypeFor[map[string]any]():
		return free, nil
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
		return table, describe(t.Elem())
	case t.Kind() == reflect.Slice && isScalar(t.Elem()):
		return list, nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		sub := describe(t.Elem())
		if find(sub, "*") != nil {
			return keyed, sub
		}
		return rows, sub
	}
	panic("config: no way to read a " + t.String())
}

func isScalar(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[slog.Level]():
		return true
	}
	switch t.Kind() { //nolint:exhaustive // the kinds that parse knows
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return false
}

// find returns the field of a name, or nil.
func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// names returns the keys that the file may use, without the marks for a mapping's own keys.
func names(fields []field) []string {
	var known []string
	for _, f := range fields {
		if f.name != "*" && f.name != "." {
			known = append(known, f.name)
		}
	}
	return known
}

// reset puts the defaults into a struct. It panics at a default that breaks its own rule.
func reset(v reflect.Value, fields []field) {
	for _, f := range fields {
		switch {
		case f.shape == section:
			reset(f.in(v), f.sub)
		case f.rule.def == "":
		case f.shape == list:
			for text := range strings.SplitSeq(f.rule.def, ",") {
				item := reflect.New(f.in(v).Type().Elem()).Elem()
				mustParse(text, item, f.rule)
				f.in(v).Set(reflect.Append(f.in(v), item))
			}
		default:
			mustParse(f.rule.def, f.in(v), f.rule)
		}
	}
}

func mustParse(text string, v reflect.Value, r rule) {
	if flaw := parse(text, v, r); flaw != nil {
		panic("config: default " + text + ": " + flaw.want + flaw.says)
	}
}
