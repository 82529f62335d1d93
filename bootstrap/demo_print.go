package bootstrap

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"monorelay/bootstrap/config"
)

const (
	demoWidth  = 96
	demoGutter = "     "
)

// ANSI styles.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// demoPrinter writes the demo down for a person. It keeps the first error of its output.
type demoPrinter struct {
	out     io.Writer
	colour  bool
	secrets []string
	err     error
}

// newDemoPrinter returns a printer that uses colours on a terminal, unless NO_COLOR is set (no-color.org).
func newDemoPrinter(out io.Writer) *demoPrinter {
	p := &demoPrinter{out: out}
	if file, ok := out.(*os.File); ok {
		terminal := term.IsTerminal(int(file.Fd()))
		p.colour = terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return p
}

// keep makes a secret one that is shortened wherever it would be printed.
func (p *demoPrinter) keep(secret string) { p.secrets = append(p.secrets, secret) }

// demoToken is what access tokens look like, which the printer is not told of beforehand.
var demoToken = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)

func (p *demoPrinter) masked(text string) string {
	for _, s := range p.secrets {
		text = strings.ReplaceAll(text, s, config.Secret(s).String())
	}
	return demoToken.ReplaceAllStringFunc(text, func(s string) string { return config.Secret(s).String() })
}

// maskedField masks the text of a JSON member, and every token whatever it looks like.
func (p *demoPrinter) maskedField(name, text string) string {
	if strings.HasSuffix(name, "_token") {
		return config.Secret(text).String()
	}
	return p.masked(printable(text))
}

func (p *demoPrinter) paint(style, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (p *demoPrinter) line(format string, args ...any) {
	if p.err != nil {
		return
	}
	if _, err := fmt.Fprintf(p.out, format+"\n", args...); err != nil {
		p.err = fmt.Errorf("the demo can't be printed: %w", err)
	}
}

// paragraph writes text, set in by indent and broken between words.
func (p *demoPrinter) paragraph(indent, text string) {
	for _, l := range wrapWords(indent, text, len(indent), demoWidth) {
		p.line("%s", l)
	}
}

func (p *demoPrinter) title(root string) {
	p.line("")
	p.line("%s", p.paint(bold, "  MonoRelay, shown by itself"))
	p.line("")
	p.paragraph("  ", "A relay runs at "+root+" now, with an empty database and the built-in echo provider, which "+
		"answers with what it is asked. The demo talks to it over HTTP, as any client would.")
}

func (p *demoPrinter) part(heading, text string) {
	p.line("")
	rule := strings.Repeat("─", demoWidth-len("  -- ")-len(heading)-1)
	p.line("  %s %s %s", p.paint(dim, "──"), p.paint(bold, heading), p.paint(dim, rule))
	if text != "" {
		p.paragraph("  ", text)
	}
}

func (p *demoPrinter) request(number int, s demoStep, target string, header, body string) {
	p.line("")
	p.line("%s", p.paint(bold, fmt.Sprintf(" %2d  %s", number, s.title)))
	p.line("")
	p.line("   %s %s %s", p.paint(cyan, "→"), p.paint(bold, s.method), target)
	if header != "" {
		p.field(header)
	}
	if body != "" {
		p.field("Content-Type: application/json")
	}
	if v, err := parseDemoJSON([]byte(body)); err == nil {
		p.json(v)
	}
}

// field writes one field of a header.
func (p *demoPrinter) field(text string) {
	name, _, _ := strings.Cut(text, ":")
	for i, l := range wrapWords(demoGutter, p.masked(printable(text)), len(demoGutter)+2, demoWidth) {
		if i == 0 {
			l = strings.Replace(l, name+":", p.paint(cyan, name+":"), 1)
		}
		p.line("%s", l)
	}
}

var jsonKey = regexp.MustCompile(`"[a-z_]+":`)

func (p *demoPrinter) json(v *demoJSON) {
	for _, l := range v.mapTexts("", p.maskedField).pretty(demoWidth - len(demoGutter)) {
		if p.colour {
			l = jsonKey.ReplaceAllStringFunc(l, func(key string) string { return p.paint(cyan, key) })
		}
		p.line("%s%s", demoGutter, l)
	}
}

// head writes an answer's status, and those of its header's fields that the step checks.
func (p *demoPrinter) head(s demoStep, a *demoAnswer, note string) {
	style := green
	if a.status >= http.StatusBadRequest {
		style = yellow
	}
	status := strings.TrimSpace(fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)))
	p.line("   %s %s%s", p.paint(style, "←"), p.paint(style, status), p.paint(dim, note))
	for _, name := range s.fields() {
		for _, value := range a.header.Values(name) {
			p.field(name + ": " + value)
		}
	}
}

func (p *demoPrinter) body(s demoStep, a *demoAnswer) {
	if a.json != nil {
		p.json(a.json.only(s.show))
		return
	}
	const enough = 400
	if text := p.masked(printable(string(a.body))); text != "" {
		p.paragraph(demoGutter, strings.ToValidUTF8(text[:min(len(text), enough)], "…"))
	}
}

// word writes a word of a stream that came just now.
func (p *demoPrinter) word(after time.Duration, text string) {
	p.line("%s%s  %s", demoGutter, p.paint(dim, fmt.Sprintf("%4d ms", after.Milliseconds())), strings.TrimRight(p.masked(printable(text)), " "))
}

func (p *demoPrinter) held(sentence string) {
	lines := wrapWords("", sentence, 0, demoWidth-len(demoGutter))
	p.line("   %s %s", p.paint(green, "✓"), lines[0])
	for _, l := range lines[1:] {
		p.line("%s%s", demoGutter, l)
	}
}

func (p *demoPrinter) failed(c demoCheck, came string, there bool) {
	p.line("   %s", p.paint(red, "✗ "+c.of))
	want := c.want
	if c.pattern {
		want = "like " + want
	}
	if !there {
		came = "nothing"
	}
	p.outcome("expected", want)
	p.outcome("came", came)
}

func (p *demoPrinter) outcome(name, text string) {
	first := fmt.Sprintf("%s  %-10s", demoGutter, name)
	for _, l := range wrapWords(first, p.masked(printable(text)), len(first), demoWidth) {
		p.line("%s", l)
	}
}

func (p *demoPrinter) summary(steps, held int, took time.Duration) {
	p.line("")
	p.line("  %s %s", p.paint(green, "✓"), p.paint(bold, fmt.Sprintf("%d checks held, in %d steps and %.1f s.", held, steps, took.Seconds())))
	p.line("")
}

func (p *demoPrinter) unsummary(missed, all int) {
	p.line("")
	p.line("  %s", p.paint(red, fmt.Sprintf("✗ %d of %d checks did not hold.", missed, all)))
	p.line("")
}

func (p *demoPrinter) next() {
	p.line("  What to do next:")
	for _, l := range [][2]string{
		{"a relay to keep", "monorelay serve"},
		{"a first question", `curl localhost:8787/v1/models -H "X-Access-Key: $(cat data/access_key)"`},
		{"all the rest", "README.md, and monorelay --help"},
	} {
		p.line("    %s  %s", p.paint(dim, fmt.Sprintf("%-16s", l[0])), p.paint(cyan, l[1]))
	}
	p.line("")
}

// staying tells how to reach the relay that goes on. Here the access key is shown whole: it can't be used otherwise.
func (p *demoPrinter) staying(r *demoRelay, logFile string) {
	p.line("  The relay stays until Ctrl-C, and then all that it has is gone:")
	p.line("")
	p.line("    URL         %s/v1", r.root)
	p.line("    Access key  %s", r.accessKey)
	p.line("    Account     alice, with the password %s", demoPassword)
	p.line("    Log         %s", logFile)
	p.line("")
	p.line("    curl %s/v1/chat/completions \\", r.root)
	p.line("      -H \"Authorization: Bearer %s\" \\", r.accessKey)
	p.line("      -H \"Content-Type: application/json\" \\")
	p.line("      -d '{\"model\": \"gpt-4o\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'")
	p.line("")
}

// printable leaves out what a terminal would take for a command.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
}
