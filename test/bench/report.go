//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// figures holds what was measured, in the order of the rounds: by figure, then by contestant.
type figures map[string]map[string][]float64

// report is all that came out of a run.
type report struct {
	Began      time.Time     `json:"began"`
	Took       time.Duration `json:"took"`
	Plan       plan          `json:"plan"`
	Machine    machine       `json:"machine"`
	LoadAfter  string        `json:"load_after"`
	Figures    figures       `json:"figures"`
	Cgo        bool          `json:"cgo"`
	Answers    int64         `json:"answers"`
	Wrong      int64         `json:"wrong"`
	FirstWrong string        `json:"first_wrong,omitempty"`

	mu sync.Mutex
}

func (r *report) add(figure string, c *contestant, value float64) {
	if r.Figures[figure] == nil {
		r.Figures[figure] = map[string][]float64{}
	}
	r.Figures[figure][c.name] = append(r.Figures[figure][c.name], value)
}

func (r *report) count(c *contestant, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Answers += o.Answers
	if o.Wrong > 0 && r.Wrong == 0 {
		r.FirstWrong = c.name + ": " + o.FirstWrong
	}
	r.Wrong += o.Wrong
}

// goal says what a figure is to reach.
type goal struct {
	figure  string
	unit    string
	decimal int
	against basis
	bound   float64
	atLeast bool // the bound is a floor, not a ceiling
}

// basis is what the bound is for.
type basis uint8

const (
	itself     basis = iota // the relay's own figure
	ratio                   // relay / nginx
	difference              // relay - nginx
)

var goals = []goal{
	{figure: rps64, against: ratio, bound: 0.5, atLeast: true},
	{figure: rps256, against: ratio, bound: 0.45, atLeast: true},
	{figure: cpuRequest, unit: "µs", decimal: 1, against: ratio, bound: 2},
	{figure: lat200p50, unit: "µs", against: difference, bound: 150},
	{figure: lat200p99, unit: "µs", against: difference, bound: 500},
	{figure: lat1000p50, unit: "µs", against: difference, bound: 150},
	{figure: lat1000p99, unit: "µs", against: difference, bound: 500},
	{figure: firstP50, unit: "ms", decimal: 2, against: difference, bound: 0.2},
	{figure: firstP99, unit: "ms", decimal: 2, against: difference, bound: 1},
	{figure: cpuChunk, unit: "µs", decimal: 1, against: ratio, bound: 1.6},
	{figure: memStream, unit: "KiB", decimal: 1, bound: 32},
	{figure: memIdle, unit: "MiB", decimal: 1, bound: 25},
	{figure: memLoad, unit: "MiB", decimal: 1, bound: 64},
	{figure: closeMid, unit: "ms", decimal: 1, bound: 150},
	{figure: closeSilent, unit: "ms", decimal: 1, bound: 150},
	{figure: closePlain, unit: "ms", decimal: 1, bound: 150},
	{figure: startTime, unit: "s", decimal: 3, bound: 0.3},
	{figure: binarySize, unit: "MB", decimal: 1, bound: 40},
}

func (r *report) print(w io.Writer) error {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%d cores (%s), Linux %s, %s, nginx %s.\n", m.Cores, m.CPU, m.Kernel, m.Go, m.Nginx)
	fmt.Fprintf(&b, "%s, %d rounds of %v, %v in all. Load average %s before, %s after. %s answers, %d of them wrong.\n\n",
		r.Began.UTC().Format("2006-01-02 15:04 UTC"), r.Plan.Rounds, r.Plan.Slot, r.Took.Round(time.Second), m.Load, r.LoadAfter,
		thousands(float64(r.Answers), 0), r.Wrong)
	b.WriteString("Medians, with the least and the most of the rounds in brackets. Ratios and differences are of the relay to nginx, in\n" +
		"the same round.\n\n")
	b.WriteString("| what | to reach | bare | nginx | relay | relay to nginx | |\n|---|---|---|---|---|---|---|\n")
	for _, g := range goals {
		all := r.Figures[g.figure]
		if len(all) == 0 {
			continue
		}
		compared, verdict := g.judge(all)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", g.figure, g.text(),
			g.cell(all[bare]), g.cell(all[nginxName]), g.cell(all[relayName]), compared, verdict)
	}
	if len(r.Figures[binarySize]) > 0 {
		verdict := "held"
		if r.Cgo {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| cgo | none | – | – | %t | | %s |\n", r.Cgo, verdict)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text says what the goal is.
func (g goal) text() string {
	most := "at most "
	if g.atLeast {
		most = "at least "
	}
	bound := strconv.FormatFloat(g.bound, 'f', -1, 64)
	switch g.against {
	case ratio:
		return most + bound + " of nginx"
	case difference:
		return "nginx + " + bound + " " + g.unit
	case itself:
	}
	return most + bound + " " + g.unit
}

func (g goal) cell(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	text := thousands(median(values), g.decimal)
	if strings.HasPrefix(g.figure, "upstream closed") && median(values) >= float64(hangupLimit.Milliseconds()) {
		text = "over " + text
	}
	if g.unit != "" {
		text += " " + g.unit
	}
	if len(values) > 1 {
		text += fmt.Sprintf(" (%s–%s)", thousands(slices.Min(values), g.decimal), thousands(slices.Max(values), g.decimal))
	}
	return text
}

// judge compares the relay to nginx, and says whether the goal is held.
func (g goal) judge(all map[string][]float64) (compared, verdict string) {
	relay, nginx := all[relayName], all[nginxName]
	rounds := min(len(relay), len(nginx))
	var pairs []float64
	for i := range rounds {
		if g.against == difference {
			pairs = append(pairs, relay[i]-nginx[i])
		} else if nginx[i] > 0 {
			pairs = append(pairs, relay[i]/nginx[i])
		}
	}
	value := median(relay)
	if g.against != itself {
		if len(pairs) == 0 {
			return "–", "nothing to compare with"
		}
		value = median(pairs)
		compared = g.comparison(value)
		if len(pairs) > 1 {
			compared += fmt.Sprintf(" (%s–%s)", g.signed(slices.Min(pairs)), g.signed(slices.Max(pairs)))
		}
	}
	off := g.bound - value
	if g.atLeast {
		off = -off
	}
	by := thousands(math.Abs(off), g.decimal) + " " + g.unit
	if g.against != difference {
		by = thousands(math.Abs(off/g.bound)*100, 0) + " %"
	}
	if off < 0 {
		return compared, "**missed** by " + by
	}
	return compared, "held, " + by + " to spare"
}

func (g goal) comparison(value float64) string {
	if g.against == difference {
		return g.signed(value) + " " + g.unit
	}
	return "× " + g.signed(value)
}

func (g goal) signed(value float64) string {
	if g.against != difference {
		return strconv.FormatFloat(value, 'f', 2, 64)
	}
	sign := "+"
	if value < 0 {
		sign = "−"
	}
	return sign + thousands(math.Abs(value), g.decimal)
}

// thousands writes a number with commas.
func thousands(value float64, decimals int) string {
	text := strconv.FormatFloat(value, 'f', decimals, 64)
	whole, fraction, found := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		return whole + "." + fraction
	}
	return whole
}

func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
