package routing

import (
	"cmp"
	"slices"
	"strings"
)

// unknown returns ErrNoModel with a sentence that says why, and the names that are nearest to model, so that a slip of the
// finger is seen.
func (t *Table) unknown(model, why string) error {
	var near []string
	away := map[string]int{}
	for _, name := range t.known() {
		d := distance(strings.ToLower(model), strings.ToLower(name))
		if _, twice := away[name]; !twice && d > 0 && d <= 1+len(name)/4 {
			away[name] = d
			near = append(near, name)
		}
	}
	if len(near) == 0 {
		return ErrNoModel.Saying(why)
	}
	slices.SortFunc(near, func(a, b string) int { return cmp.Or(away[a]-away[b], strings.Compare(a, b)) })
	return ErrNoModel.Saying(why + " Near to it: " + strings.Join(near[:min(3, len(near))], ", ") + ".")
}

// known returns every name that a client could use and that the configuration spells out.
func (t *Table) known() []string {
	names := t.AliasNames()
	for _, p := range t.tables.Providers {
		names = append(names, p.Models.Named()...)
		for _, model := range p.Models.Named() {
			names = append(names, model+"@"+p.Name)
		}
	}
	return names
}

// distance is the number of single-character edits between a and b (Levenshtein). What is too long to be a model's name
// is far from everything.
func distance(a, b string) int {
	const tooLong = 100
	if len(a) > tooLong || len(b) > tooLong {
		return tooLong
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
