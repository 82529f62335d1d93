package config

import (
	"cmp"
	"fmt"
	"strings"
)

// Mistake is one thing that is wrong, and where. Problem never quotes what a value holds: it may be a
// secret, put where none belongs.
type Mistake struct {
	// File is empty for an environment variable.
	File string
	// Variable is an environment variable that stands for no key; empty for everything else.
	Variable string
	// Line and Column count from 1; zero where the file could not be read at all.
	Line, Column int
	// Path is the key with its parents: providers.openrouter.keys[0].weight. Empty for the file as a whole.
	Path    string
	Problem string
}

// String is the line an operator reads.
func (m Mistake) String() string {
	var parts []string
	switch {
	case m.Variable != "":
		parts = append(parts, m.Variable)
	case m.File == "":
		parts = append(parts, Variable(m.Path))
	case m.Line == 0:
		parts = append(parts, m.File)
	default:
		parts = append(parts, fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Column))
	}
	if m.Path != "" {
		parts = append(parts, m.Path)
	}
	return strings.Join(append(parts, m.Problem), ": ")
}

// Mistakes are all that is wrong with a configuration, in file order, the environment's last.
type Mistakes []Mistake //nolint:errname // it reads as what it is: a list that happens to be returned as an error

// Error has one line for each mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.String()
	}
	return strings.Join(lines, "\n")
}

// before orders mistakes as they stand in the file, those of the environment last and by name.
func before(a, b Mistake) int {
	if (a.File == "") != (b.File == "") {
		if a.File == "" {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Variable, b.Variable))
}

// Warning is something that is accepted but should be known; its fields are those of a Mistake.
type Warning Mistake

// String is the line an operator reads.
func (w Warning) String() string { return Mistake(w).String() }
