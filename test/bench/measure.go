//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// The figures, by what they measure.
const (
	rps64       = "requests/s, 64 connections"
	rps256      = "requests/s, 256 connections"
	cpuRequest  = "CPU a request"
	lat200p50   = "latency at 200 requests/s, p50"
	lat200p99   = "latency at 200 requests/s, p99"
	lat1000p50  = "latency at 1,000 requests/s, p50"
	lat1000p99  = "latency at 1,000 requests/s, p99"
	firstP50    = "time to first byte, 200 streams, p50"
	firstP99    = "time to first byte, 200 streams, p99"
	cpuChunk    = "CPU a chunk"
	memStream   = "memory, each of 2,000 open streams"
	memIdle     = "memory, idle"
	memLoad     = "memory, under load at 64 connections"
	closeMid    = "upstream closed after the client left, mid-stream"
	closeSilent = "upstream closed after the client left, silent stream"
	closePlain  = "upstream closed after the client left, plain call"
	startTime   = "start to first answer, empty SQLite"
	binarySize  = "binary"
)

// lab is what is measured, and where the figures go.
type lab struct {
	plan        plan
	report      *report
	upstream    *contestant
	contestants []*contestant
	relay       *contestant
	program     string
	dir         string
	token       string
}

// measure makes all measurements that the plan wants, and ends every process that it started.
func measure(ctx context.Context, p plan, r *report) (err error) {
	if err := raiseDescriptors(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "monorelay-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l := &lab{plan: p, report: r, dir: dir}
	say("building the relay")
	if l.program, err = buildRelay(ctx, dir); err != nil {
		return err
	}
	upstream, process, err := startUpstream(ctx)
	if err != nil {
		return err
	}
	defer process.stop()
	l.upstream, l.contestants = upstream, []*contestant{upstream}
	defer func() {
		for _, c := range l.contestants {
			if c.process != nil {
				c.process.stop()
			}
		}
	}()
	if err := l.assemble(ctx); err != nil {
		return err
	}
	return l.run(ctx)
}

// assemble starts nginx and the relay.
func (l *lab) assemble(ctx context.Context) error {
	switch nginx, version, err := newNginx(ctx, l.dir, l.upstream.address, l.plan.install); {
	case errors.Is(err, errNoNginx):
		say("going on without nginx: %v", err)
	case err != nil:
		return err
	default:
		l.report.Machine.Nginx = version
		l.contestants = append(l.contestants, nginx)
		if err := nginx.restart(ctx); err != nil {
			return err
		}
	}
	var err error
	if l.relay, err = newRelay(l.program, filepath.Join(l.dir, "relay"), l.upstream.address); err != nil {
		return err
	}
	l.contestants = append(l.contestants, l.relay)
	if err := l.relay.restart(ctx); err != nil {
		return err
	}
	if l.token, err = register(ctx, l.relay.address); err != nil {
		return err
	}
	return l.relay.restart(ctx) // so that nothing of the hashed password is left in its memory
}

func (l *lab) run(ctx context.Context) error {
	if l.plan.wants("memory") {
		if err := l.memory(ctx); err != nil {
			return err
		}
	}
	for _, c := range l.contestants { // connections to the upstream, caches, the heap's size
		if _, err := l.perform(ctx, c, job{Kind: closedLoop, Connections: 64, For: min(l.plan.Slot, 500*time.Millisecond)}); err != nil {
			return err
		}
	}
	for i := range l.plan.Rounds {
		say("round %d of %d, load average %s", i+1, l.plan.Rounds, loadAverage())
		for _, step := range l.steps() {
			for j := range l.contestants { // another one begins each round
				if err := step(ctx, l.contestants[(i+j)%len(l.contestants)]); err != nil {
					return err
				}
			}
		}
	}
	if l.plan.wants("hangup") {
		for _, c := range l.contestants {
			if err := l.hangups(ctx, c); err != nil {
				return err
			}
		}
	}
	if l.plan.wants("start") {
		if err := l.starts(ctx); err != nil {
			return err
		}
	}
	if l.plan.wants("size") {
		return l.size(ctx)
	}
	return nil
}

// steps are the measurements of a round.
func (l *lab) steps() []func(context.Context, *contestant) error {
	var steps []func(context.Context, *contestant) error
	if l.plan.wants("throughput") {
		steps = append(steps,
			func(ctx context.Context, c *contestant) error { return l.throughput(ctx, c, 64, rps64, cpuRequest) },
			func(ctx context.Context, c *contestant) error { return l.throughput(ctx, c, 256, rps256, "") })
	}
	if l.plan.wants("latency") {
		steps = append(steps,
			func(ctx context.Context, c *contestant) error { return l.latency(ctx, c, 200, lat200p50, lat200p99) },
			func(ctx context.Context, c *contestant) error { return l.latency(ctx, c, 1000, lat1000p50, lat1000p99) })
	}
	if l.plan.wants("streams") {
		steps = append(steps, l.firstByte, l.chunks)
	}
	return steps
}

// perform has a client do the job at c, and counts what went wrong.
func (l *lab) perform(ctx context.Context, c *contestant, j job) (outcome, error) {
	j.Address, j.Token = c.address, l.token
	o, err := perform(ctx, j)
	if err != nil {
		return o, fmt.Errorf("%s, %s: %w", c.name, j.Kind, err)
	}
	l.report.count(c, o)
	return o, nil
}

// performCounted is perform, and returns the time that c's process computed meanwhile.
func (l *lab) performCounted(ctx context.Context, c *contestant, j job) (outcome, time.Duration, error) {
	if c.process == nil {
		o, err := l.perform(ctx, c, j)
		return o, 0, err
	}
	before, err := c.process.cpu()
	if err != nil {
		return outcome{}, 0, err
	}
	o, err := l.perform(ctx, c, j)
	if err != nil {
		return o, 0, err
	}
	after, err := c.process.cpu()
	return o, after - before, err
}

func (l *lab) throughput(ctx context.Context, c *contestant, connections int, rate, cpu string) error {
	o, spent, err := l.performCounted(ctx, c, job{Kind: closedLoop, Connections: connections, For: l.plan.Slot})
	if err != nil {
		return err
	}
	l.report.add(rate, c, float64(o.Counted)/o.Seconds)
	if cpu != "" && c.process != nil && o.Answers > 0 {
		l.report.add(cpu, c, spent.Seconds()*1e6/float64(o.Answers))
	}
	return nil
}

func (l *lab) latency(ctx context.Context, c *contestant, rate int, p50, p99 string) error {
	o, err := l.perform(ctx, c, job{Kind: openLoop, Connections: 64, Rate: rate, For: l.plan.Slot})
	if err != nil {
		return err
	}
	l.report.add(p50, c, o.P50)
	l.report.add(p99, c, o.P99)
	return nil
}

// firstByte has 200 streams open at any moment, of a second each.
func (l *lab) firstByte(ctx context.Context, c *contestant) error {
	o, err := l.perform(ctx, c, job{Kind: streams, Connections: 200, Events: 21, Every: 50 * time.Millisecond, For: l.plan.Slot * 3 / 2})
	if err != nil {
		return err
	}
	l.report.add(firstP50, c, o.P50/1e3)
	l.report.add(firstP99, c, o.P99/1e3)
	return nil
}

// chunks sends 10,000 events a second, each by itself: faster ones would be read two at a time, and look cheap.
func (l *lab) chunks(ctx context.Context, c *contestant) error {
	const events = 51
	o, spent, err := l.performCounted(ctx, c, job{Kind: streams, Connections: 100, Events: events, Every: 10 * time.Millisecond, For: l.plan.Slot})
	if err != nil {
		return err
	}
	if c.process != nil && o.Answers > 0 {
		l.report.add(cpuChunk, c, spent.Seconds()*1e6/float64(o.Answers*events))
	}
	return nil
}

// memory looks at processes that are fresh each time.
func (l *lab) memory(ctx context.Context) error {
	for _, c := range l.contestants {
		if c.process == nil {
			continue
		}
		say("memory of %s", c.name)
		idle, err := l.idle(ctx, c)
		if err != nil {
			return err
		}
		l.report.add(memIdle, c, idle/1024)
		peak, err := l.peak(ctx, c)
		if err != nil {
			return err
		}
		l.report.add(memLoad, c, peak/1024)
		if idle, err = l.idle(ctx, c); err != nil {
			return err
		}
		const count = 2000
		open, err := l.openStreams(ctx, c, count)
		if err != nil {
			return err
		}
		l.report.add(memStream, c, (open-idle)/count)
		if err := c.restart(ctx); err != nil {
			return err
		}
	}
	return nil
}

// idle starts c anew and returns its memory, in KiB, when it has answered once.
func (l *lab) idle(ctx context.Context, c *contestant) (float64, error) {
	if err := c.restart(ctx); err != nil {
		return 0, err
	}
	if err := askOnce(c.address, request(l.token, task{mode: modePlain})); err != nil {
		return 0, err
	}
	time.Sleep(500 * time.Millisecond)
	return c.process.memory()
}

// peak returns the most memory that c has under load.
func (l *lab) peak(ctx context.Context, c *contestant) (most float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := l.perform(ctx, c, job{Kind: closedLoop, Connections: 64, For: l.plan.Slot * 3 / 2})
		result <- err
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-result:
			return most, err
		case <-tick.C:
			now, err := c.process.memory()
			if err != nil {
				cancel()
				return 0, errors.Join(err, <-result)
			}
			most = max(most, now)
		}
	}
}

// openStreams returns c's memory, in KiB, while so many streams are open, which get an event a second.
func (l *lab) openStreams(ctx context.Context, c *contestant, count int) (float64, error) {
	o, release, err := performHolding(ctx, job{
		Kind: holdOpen, Address: c.address, Token: l.token, Connections: count, Every: time.Second, For: l.plan.Slot,
	})
	if err != nil {
		return 0, err
	}
	defer release()
	l.report.count(c, o)
	if o.Answers != int64(count) {
		say("%s: %d of %d streams are open", c.name, o.Answers, count)
	}
	var samples []float64
	for range 10 {
		time.Sleep(max(l.plan.Slot, time.Second) / 10)
		now, err := c.process.memory()
		if err != nil {
			return 0, err
		}
		samples = append(samples, now)
	}
	return median(samples[5:]), nil
}

// hangupLimit is how long the upstream's end is waited for.
const hangupLimit = 3 * time.Second

// hangups measures how long the upstream goes on working after a client has left, the worst of a hundred.
func (l *lab) hangups(ctx context.Context, c *contestant) error {
	for _, phase := range []struct {
		figure, mode string
		every        time.Duration
	}{
		{closeMid, modeHold, 20 * time.Millisecond},
		{closeSilent, modeHold, 0},
		{closePlain, modeWait, 0},
	} {
		say("%s: %s", c.name, phase.figure)
		if _, err := closedAt(ctx, l.upstream.address); err != nil { // forget what was before
			return err
		}
		o, err := l.perform(ctx, c, job{Kind: leave, Connections: 100, Mode: phase.mode, Every: phase.every, For: l.plan.Slot / 2})
		if err != nil {
			return err
		}
		worst, err := l.worstClose(ctx, o.Left)
		if err != nil {
			return err
		}
		l.report.add(phase.figure, c, float64(worst.Microseconds())/1e3)
	}
	return nil
}

func (l *lab) worstClose(ctx context.Context, left map[string]int64) (worst time.Duration, err error) {
	deadline := time.Now().Add(hangupLimit)
	for {
		closed, err := closedAt(ctx, l.upstream.address)
		if err != nil {
			return 0, err
		}
		for id, at := range closed {
			if since, found := left[id]; found {
				worst = max(worst, time.Duration(at-since))
				delete(left, id)
			}
		}
		if len(left) == 0 {
			return worst, nil
		}
		if time.Now().After(deadline) {
			return hangupLimit, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// starts measures a start with no data at all, so that it includes the making of the database, the keys and the tables.
func (l *lab) starts(ctx context.Context) error {
	say("%d starts", l.plan.Starts)
	ask := request(accessKey, task{mode: modePlain})
	for i := range l.plan.Starts {
		c, err := newRelay(l.program, filepath.Join(l.dir, "start"+strconv.Itoa(i)), l.upstream.address)
		if err != nil {
			return err
		}
		began := time.Now()
		if c.process, err = c.launch(ctx); err != nil {
			return err
		}
		err = c.await(ctx)
		if err == nil {
			err = askOnce(c.address, ask)
		}
		took := time.Since(began)
		c.process.stop()
		if err != nil {
			return err
		}
		l.report.add(startTime, c, took.Seconds())
	}
	return nil
}

// askOnce asks on a connection of its own.
func askOnce(address string, ask []byte) error {
	c, err := dial(address)
	if err != nil {
		return err
	}
	defer closeQuietly(c)
	return c.plain(ask)
}

func (l *lab) size(ctx context.Context) error {
	info, err := os.Stat(l.program)
	if err != nil {
		return err
	}
	l.report.add(binarySize, l.relay, float64(info.Size())/1e6)
	l.report.Cgo, err = hasCgo(ctx, l.program)
	return err
}

// quantile returns the value that the share q of values does not exceed. It sorts them.
func quantile(values []uint32, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return float64(values[min(int(q*float64(len(values))), len(values)-1)])
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
