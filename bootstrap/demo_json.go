package bootstrap

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// demoJSON is a JSON value as it came: its members in their order, its numbers as they were spelled.
type demoJSON struct {
	open    json.Delim // of an object or a list, else 0
	members []demoMember
	text    string // of a string, or a literal
	quoted  bool
}

type demoMember struct {
	name  string // empty in a list
	value *demoJSON
}

func parseDemoJSON(text []byte) (*demoJSON, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readDemoJSON(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

func readDemoJSON(d *json.Decoder) (*demoJSON, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		v := &demoJSON{open: t}
		for d.More() {
			var m demoMember
			if t == '{' {
				name, err := d.Token()
				if err != nil {
					return nil, err
				}
				m.name, _ = name.(string)
			}
			if m.value, err = readDemoJSON(d); err != nil {
				return nil, err
			}
			v.members = append(v.members, m)
		}
		_, err := d.Token()
		return v, err
	case string:
		return &demoJSON{text: t, quoted: true}, nil
	case json.Number:
		return &demoJSON{text: t.String()}, nil
	case bool:
		return &demoJSON{text: strconv.FormatBool(t)}, nil
	}
	return &demoJSON{text: "null"}, nil
}

// at returns the text at a path like choices.0.message.content.
func (v *demoJSON) at(path string) (string, bool) {
	for name := range strings.SplitSeq(path, ".") {
		if v = v.member(name); v == nil {
			return "", false
		}
	}
	if v.open != 0 {
		return v.line(), true
	}
	return v.text, true
}

func (v *demoJSON) member(name string) *demoJSON {
	if v == nil {
		return nil
	}
	for i, m := range v.members {
		if v.open == '{' && m.name == name || v.open == '[' && strconv.Itoa(i) == name {
			return m.value
		}
	}
	return nil
}

// only returns the object with those of its members, or the whole value if no names are given.
func (v *demoJSON) only(names []string) *demoJSON {
	if len(names) == 0 || v.open != '{' {
		return v
	}
	out := &demoJSON{open: v.open}
	for _, name := range names {
		if m := v.member(name); m != nil {
			out.members = append(out.members, demoMember{name, m})
		}
	}
	if len(out.members) < len(v.members) {
		out.members = append(out.members, demoMember{value: &demoJSON{text: "…"}})
	}
	return out
}

// mapTexts returns the value with what f makes of its texts and of the names that they have.
func (v *demoJSON) mapTexts(name string, f func(name, text string) string) *demoJSON {
	out := *v
	if v.quoted {
		out.text = f(name, v.text)
	}
	out.members = make([]demoMember, len(v.members))
	for i, m := range v.members {
		out.members[i] = demoMember{m.name, m.value.mapTexts(m.name, f)}
	}
	return &out
}

// line is the value on one line.
func (v *demoJSON) line() string {
	if v.open == 0 {
		return v.scalar()
	}
	parts := make([]string, len(v.members))
	for i, m := range v.members {
		parts[i] = m.key() + m.value.line()
	}
	inside := strings.Join(parts, ", ")
	switch {
	case v.open == '[':
		return "[" + inside + "]"
	case inside == "":
		return "{}"
	}
	return "{ " + inside + " }"
}

func (v *demoJSON) scalar() string {
	if !v.quoted {
		return v.text
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.text); err != nil {
		return strconv.Quote(v.text)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func (m demoMember) key() string {
	if m.name == "" {
		return ""
	}
	return `"` + m.name + `": `
}

// pretty sets the value in lines of at most width characters: what fits stands on one line, and a long text is broken
// between words.
func (v *demoJSON) pretty(width int) []string {
	const short = 48 // an answer on one line is read at a glance up to this
	return v.layout("", "", "", width, short)
}

func (v *demoJSON) layout(indent, key, comma string, width, oneLine int) []string {
	if line := indent + key + v.line() + comma; utf8.RuneCountInString(line) <= oneLine || len(v.members) == 0 && v.open != 0 {
		return []string{line}
	}
	if v.open == 0 {
		return wrapWords(indent+key, v.scalar()+comma, len(indent+key)+1, width)
	}
	closing := "}"
	if v.open == '[' {
		closing = "]"
	}
	lines := []string{indent + key + v.open.String()}
	for i, m := range v.members {
		after := ","
		if i == len(v.members)-1 {
			after = ""
		}
		lines = append(lines, m.value.layout(indent+"  ", m.key(), after, width, width)...)
	}
	return append(lines, indent+closing+comma)
}

// wrapWords breaks first+text between words, and sets the lines after the first in by hang.
func wrapWords(first, text string, hang, width int) []string {
	var lines []string
	line, empty := first, true
	for word := range strings.SplitSeq(text, " ") {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line, empty = strings.Repeat(" ", hang), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	return append(lines, line)
}
