package bootstrap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// demoStep is a request of the demo, with what its answer must be. Where its texts say {name}, they mean what is known
// under that name: from the start, or from the answer to an earlier step.
type demoStep struct {
	part, note string // a heading before the step, and what it says
	title      string
	pause      time.Duration // since the step before, at least
	method     string
	path       string // or a whole URL, for a relay that is not the first
	header     string
	body       string
	show       []string // the members of the answer that are printed, if not all
	checks     []demoCheck
	learn      []demoLesson
	proves     string
}

// demoCheck is something that an answer must have: of is "status", "header NAME", one of the stream's values, or the path
// of a member of the body.
type demoCheck struct {
	of      string
	want    string
	pattern bool // want is a regular expression
}

// demoLesson keeps a member of an answer under a name, for later steps.
type demoLesson struct {
	name string
	path string
	as   func(string) string // what is made of it, if anything
}

// fields names the fields of the header that the step checks.
func (s demoStep) fields() []string {
	var names []string
	for _, c := range s.checks {
		if name, ok := strings.CutPrefix(c.of, "header "); ok {
			names = append(names, name)
		}
	}
	return names
}

// demoWalk goes through steps.
type demoWalk struct {
	print  *demoPrinter
	client *http.Client
	known  map[string]string
	held   int
	missed []string
}

// newDemoWalk returns a walk that knows where the relay is ("relay"), and whatever else the steps name.
func newDemoWalk(p *demoPrinter, known map[string]string) *demoWalk {
	return &demoWalk{print: p, known: known, client: &http.Client{
		Transport:     &http.Transport{}, // with no proxy of the environment's
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w *demoWalk) close() { w.client.CloseIdleConnections() }

// run takes the steps in turn. A check that does not hold is printed, and the walk goes on; the error tells in the end.
func (w *demoWalk) run(ctx context.Context, steps []demoStep) error {
	all := 0
	for _, s := range steps {
		all += len(s.checks)
	}
	for i, s := range steps {
		err := w.step(ctx, i+1, s)
		switch {
		case w.print.err != nil:
			return w.print.err
		case ctx.Err() != nil:
			return fmt.Errorf("the demo was interrupted in step %d of %d", i+1, len(steps))
		case err != nil:
			return fmt.Errorf("the demo can't go on after step %d, %s: %w", i+1, s.title, err)
		}
	}
	if len(w.missed) > 0 {
		w.print.unsummary(len(w.missed), all)
		return fmt.Errorf("the demo failed: %d of %d checks did not hold (%s)", len(w.missed), all, strings.Join(w.missed, ", "))
	}
	return nil
}

func (w *demoWalk) step(ctx context.Context, number int, s demoStep) error {
	if s.part != "" {
		w.print.part(s.part, w.fill(s.note))
	}
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience+s.pause)
	defer cancel()
	target, body := w.fill(s.path), w.fill(s.body)
	header := w.fill(s.header)
	w.print.request(number, s, target, header, body)
	if s.pause > 0 {
		select {
		case <-time.After(s.pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a, err := w.ask(ctx, s, target, header, body)
	if err != nil {
		return err
	}
	if w.judge(number, s, a) {
		w.print.held(s.proves)
	}
	return w.learn(s, a)
}

// fill puts what is known into a text.
func (w *demoWalk) fill(text string) string {
	for name, value := range w.known {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

func (w *demoWalk) judge(number int, s demoStep, a *demoAnswer) bool {
	all := true
	for _, c := range s.checks {
		came, there := a.value(c.of)
		if there && c.holds(came) {
			w.held++
			continue
		}
		all = false
		w.missed = append(w.missed, fmt.Sprintf("step %d: %s", number, c.of))
		w.print.failed(c, came, there)
	}
	return all
}

func (c demoCheck) holds(came string) bool {
	if c.pattern {
		return regexp.MustCompile(c.want).MatchString(came)
	}
	return came == c.want
}

func (w *demoWalk) learn(s demoStep, a *demoAnswer) error {
	for _, l := range s.learn {
		value, there := a.value(l.path)
		if !there {
			return fmt.Errorf("the answer has no %s, which later steps need", l.path)
		}
		if l.as != nil {
			value = l.as(value)
		}
		w.known[l.name] = value
	}
	return nil
}

// demoAnswer is what came of a request.
type demoAnswer struct {
	status int
	header http.Header
	body   []byte
	json   *demoJSON // nil if the body is none
	stream *demoStream
}

// demoStream is what came of a stream of events.
type demoStream struct {
	text        strings.Builder
	words       int
	first, last time.Duration // when a word came
	end         string        // the last event, if it was no JSON
}

// value returns what a check is about.
func (a *demoAnswer) value(of string) (string, bool) {
	if of == "status" {
		return strconv.Itoa(a.status), true
	}
	if name, ok := strings.CutPrefix(of, "header "); ok {
		values := a.header.Values(name)
		return strings.Join(values, " and "), len(values) > 0
	}
	if name, ok := strings.CutPrefix(of, "stream "); ok {
		if a.stream == nil {
			return "", false
		}
		return a.stream.value(name)
	}
	if a.json == nil {
		return "", false
	}
	return a.json.at(of)
}

func (s *demoStream) value(name string) (string, bool) {
	switch name {
	case "text":
		return s.text.String(), true
	case "words":
		return strconv.Itoa(s.words), true
	case "end":
		return s.end, s.end != ""
	case "arrival": // a busy machine may delay words, and not bring all at once
		if s.last-s.first < 2*demoPace {
			return "all at once", true
		}
		return "one by one", true
	}
	return "", false
}

// ask sends a request, and prints the answer: a stream as it comes, all else whole.
func (w *demoWalk) ask(ctx context.Context, s demoStep, target, header, body string) (*demoAnswer, error) {
	if strings.HasPrefix(target, "/") {
		target = w.known["relay"] + target
	}
	r, err := http.NewRequestWithContext(ctx, s.method, target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		r.Header.Set(name, value)
	}
	began := time.Now()
	response, err := w.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // all of it is read, or the walk ends
	a := &demoAnswer{status: response.StatusCode, header: response.Header}
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && media == "text/event-stream" {
		w.print.head(s, a, ", and the rest as it comes")
		a.stream, err = w.follow(response.Body, began)
		return a, err
	}
	const longest = 1 << 20
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, longest)); err != nil {
		return nil, err
	}
	if v, err := parseDemoJSON(a.body); err == nil {
		a.json = v
	}
	w.print.head(s, a, fmt.Sprintf(", after %.1f ms", float64(time.Since(began).Microseconds())/1000))
	w.print.body(s, a)
	return a, nil
}

// follow prints the words of a stream as they come.
func (w *demoWalk) follow(body io.Reader, began time.Time) (*demoStream, error) {
	s := new(demoStream)
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		s.end = ""
		v, err := parseDemoJSON([]byte(data))
		if err != nil {
			s.end = data
			w.print.word(time.Since(began), data)
			continue
		}
		word, ok := v.at("choices.0.delta.content")
		if !ok || word == "" {
			continue
		}
		s.last = time.Since(began)
		if s.words == 0 {
			s.first = s.last
		}
		s.words++
		s.text.WriteString(word)
		w.print.word(s.last, word)
	}
	return s, lines.Err()
}
