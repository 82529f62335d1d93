package config

import (
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand puts the environment into a text: ${NAME}, ${NAME:-default} (used when NAME is unset or
// empty, as in a shell), and $${ for a literal ${. What comes in is not expanded again. undefined
// names the first variable that is unset and has no default; problem is what is wrong with the text.
func expand(text string, lookupEnv func(string) (string, bool)) (expanded, undefined, problem string) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			return out.String(), undefined, ""
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(literal + "${")
			text = after
			continue
		}
		out.WriteString(before)
		inside, rest, closed := strings.Cut(after, "}")
		if !closed {
			return "", "", "has ${ without }; write $${ for a literal ${"
		}
		name, def, hasDefault := strings.Cut(inside, ":-")
		if !variable.MatchString(name) {
			return "", "", "has ${…} without a variable's name in it; write $${ for a literal ${"
		}
		if strings.Contains(def, "${") {
			return "", "", "has ${…} inside the default of another, which is not expanded"
		}
		value, set := lookupEnv(name)
		switch {
		case hasDefault && value == "":
			value = def
		case !set && undefined == "":
			undefined = name
		}
		out.WriteString(value)
		text = rest
	}
}
