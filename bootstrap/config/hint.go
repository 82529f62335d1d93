package config

import (
	"slices"
	"strings"
)

// longestHint bounds the work of a comparison; no name here is longer.
const longestHint = 64

// hint returns `; did you mean "x"?` for the nearest of the known names, or nothing if none is near.
func hint(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return `; did you mean "` + near + `"?`
	}
	return ""
}

// nearest returns the known name that differs from name in the fewest places, or nothing if even that
// differs in more than a third of it. Case and the choice between - and _ don't count.
func nearest(name string, known []string) string {
	name = plain(name)
	if name == "" || len(name) > longestHint {
		return ""
	}
	best, least := "", longestHint
	for _, k := range known {
		if len(k) > longestHint {
			continue
		}
		d := distance(name, plain(k))
		if d < least && d <= max(1, max(len(name), len(k))/3) && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

func plain(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

// distance is Levenshtein's, with two neighbours swapped counted as one change: the commonest slip.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before = last
	}
	return row[len(b)]
}
