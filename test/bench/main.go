//go:build linux

// Command bench measures the relay against nginx and the bare upstream, in turn and on one machine, and prints how far
// the relay is from what it is to reach. docs/benchmarks.md says how to read it.
//
// Upstream and load client are this program itself, in processes of their own, so that the kernel keeps the accounts
// apart. A figure that is missed is a result; a wrong answer is a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The roles in which the program starts itself.
const (
	roleUpstream = "upstream"
	roleClient   = "client"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == roleUpstream:
		err = serveUpstream(os.Stdout)
	case len(os.Args) == 2 && os.Args[1] == roleClient:
		err = runClient(os.Stdin, os.Stdout)
	default:
		err = run(os.Args[1:])
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan is what the command line asks for.
type plan struct {
	Rounds  int           `json:"rounds"`
	Slot    time.Duration `json:"slot"` // how long one measurement takes, about
	Starts  int           `json:"starts"`
	only    []string
	raw     string
	install bool
}

func (p plan) wants(group string) bool {
	return len(p.only) == 0 || slices.Contains(p.only, group)
}

// groups are what -only chooses from.
var groups = []string{"throughput", "latency", "streams", "memory", "hangup", "start", "size"}

func parsePlan(args []string) (plan, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "how often each measurement is made")
	seconds := flags.Float64("seconds", 2, "how long one measurement takes")
	quick := flags.Bool("quick", false, "two short rounds, in under a minute: to see that all works")
	only := flags.String("only", "", "measure these alone: "+strings.Join(groups, ","))
	raw := flags.String("raw", "", "write every single figure to this `file`, as JSON")
	install := flags.Bool("install", true, "install nginx where it is missing, if this is Debian and run by root")
	if err := flags.Parse(args); err != nil {
		return plan{}, err
	}
	p := plan{Rounds: *rounds, Slot: time.Duration(*seconds * float64(time.Second)), Starts: 10, raw: *raw, install: *install}
	if *quick {
		p.Rounds, p.Slot, p.Starts = 2, 400*time.Millisecond, 3
	}
	if flags.NArg() > 0 || p.Rounds < 1 || p.Rounds > 100 || p.Slot < 100*time.Millisecond || p.Slot > time.Minute {
		return plan{}, errors.New("wants 1 to 100 rounds of 0.1 to 60 seconds, and no other arguments")
	}
	if *only != "" {
		p.only = strings.Split(*only, ",")
	}
	for _, name := range p.only {
		if !slices.Contains(groups, name) {
			return plan{}, fmt.Errorf("-only %s: there is %s", name, strings.Join(groups, ", "))
		}
	}
	return p, nil
}

func run(args []string) error {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()

	r := &report{Began: time.Now(), Plan: p, Machine: describeMachine(), Figures: figures{}}
	err = measure(ctx, p, r)
	r.LoadAfter, r.Took = loadAverage(), time.Since(r.Began)
	if err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if p.raw != "" {
		if err := r.save(p.raw); err != nil {
			return err
		}
	}
	if r.Wrong > 0 {
		return fmt.Errorf("%d answers were wrong, the first one: %s", r.Wrong, r.FirstWrong)
	}
	return nil
}

// say tells the person who waits what goes on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// closeQuietly closes what was only read from, or is about to be thrown away.
func closeQuietly(c io.Closer) { _ = c.Close() }
