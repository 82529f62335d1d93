//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// job is one measurement, which a client process of its own makes.
type job struct {
	Kind        string
	Address     string
	Token       string
	Connections int
	Rate        int // requests a second
	For         time.Duration
	Events      int
	Every       time.Duration
	Mode        string // what the upstream does when it is left
}

// The kinds of job.
const (
	closedLoop = "closed loop" // each connection asks again as soon as it is answered
	openLoop   = "open loop"   // requests leave at fixed times, whatever became of those before
	streams    = "streams"     // each connection takes one stream after the other
	holdOpen   = "hold open"   // streams stay open until standard input ends
	leave      = "leave"       // each connection is closed in the middle of its request
)

// outcome is what came of a job.
type outcome struct {
	Answers    int64
	Wrong      int64
	FirstWrong string
	Counted    int64   // answers after the warm-up
	Seconds    float64 // that those took
	P50, P99   float64 // microseconds
	Left       map[string]int64
}

// answerTimeout is how long an answer may take.
const answerTimeout = 10 * time.Second

// runClient does the job that it reads from in, and writes the outcome to out.
func runClient(in io.Reader, out io.Writer) error {
	debug.SetGCPercent(-1) // a client lives for seconds, and makes little garbage
	debug.SetMemoryLimit(512 << 20)
	runtime.GOMAXPROCS(max(2, runtime.NumCPU()))
	decoder := json.NewDecoder(in)
	var j job
	if err := decoder.Decode(&j); err != nil {
		return err
	}
	l := &load{job: j}
	switch j.Kind {
	case closedLoop:
		l.closedLoop()
	case openLoop:
		l.openLoop()
	case streams:
		l.streams()
	case leave:
		l.leave()
	case holdOpen:
		defer l.holdOpen()()
	default:
		return fmt.Errorf("unknown job %q", j.Kind)
	}
	if err := json.NewEncoder(out).Encode(l.outcome()); err != nil {
		return err
	}
	if j.Kind == holdOpen {
		_, _ = io.Copy(io.Discard, in)
	}
	return nil
}

// load is a job under way.
type load struct {
	job     job
	answers atomic.Int64
	mu      sync.Mutex // guards what follows
	wrong   int64
	first   string
	times   [][]uint32 // nanoseconds, by connection
	seconds float64
	left    map[string]int64
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong++; l.wrong == 1 {
		l.first = err.Error()
	}
}

func (l *load) keep(times []uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, times)
}

func (l *load) outcome() outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := outcome{Answers: l.answers.Load(), Wrong: l.wrong, FirstWrong: l.first, Seconds: l.seconds, Left: l.left}
	var all []uint32
	for _, times := range l.times {
		all = append(all, times...)
	}
	o.Counted = int64(len(all))
	o.P50, o.P99 = quantile(all, 0.5)/1e3, quantile(all, 0.99)/1e3
	return o
}

// each runs one function for every connection, and waits for all.
func (l *load) each(do func(i int, c *connection) error) {
	var all sync.WaitGroup
	for i := range l.job.Connections {
		all.Go(func() {
			c, err := dial(l.job.Address)
			if err != nil {
				l.fail(err)
				return
			}
			defer closeQuietly(c)
			if err := do(i, c); err != nil {
				l.fail(err)
			}
		})
	}
	all.Wait()
}

// closedLoop counts after a tenth of the time, when all connections are open.
func (l *load) closedLoop() {
	ask := request(l.job.Token, task{mode: modePlain})
	start := time.Now().Add(l.job.For / 10)
	end := start.Add(l.job.For)
	l.each(func(_ int, c *connection) error {
		times := make([]uint32, 0, 1<<13)
		defer func() { l.keep(times) }()
		before := time.Now()
		for before.Before(end) {
			if err := c.plain(ask); err != nil {
				return err
			}
			l.answers.Add(1)
			now := time.Now()
			if now.After(start) && !now.After(end) {
				times = append(times, nanoseconds(now.Sub(before)))
			}
			before = now
		}
		return nil
	})
	l.seconds = l.job.For.Seconds()
}

// openLoop sends from one thread of its own, whose sleep the kernel ends to the microsecond; Go's timers would be late
// by up to a millisecond. A request counts from when it was to leave.
func (l *load) openLoop() {
	ask := request(l.job.Token, task{mode: modePlain})
	idle := make(chan *pending, l.job.Connections)
	done := make(chan struct{})
	var all sync.WaitGroup
	for range l.job.Connections {
		c, err := dial(l.job.Address)
		if err != nil {
			l.fail(err)
			continue
		}
		defer closeQuietly(c)
		if err := c.plain(ask); err != nil { // opens the way to the upstream
			l.fail(err)
			continue
		}
		p := &pending{connection: c, sent: make(chan time.Time, 1)}
		idle <- p
		all.Go(func() { l.receive(p, idle, done) })
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		l.send(ask, idle)
	}()
	<-sent
	close(done)
	all.Wait()
	l.seconds = l.job.For.Seconds()
}

// pending is a connection on which one request at a time is under way.
type pending struct {
	*connection
	sent chan time.Time
}

func (l *load) send(ask []byte, idle <-chan *pending) {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // a nanosecond; without it sleeps are longer, not wrong
	gap := time.Second / time.Duration(l.job.Rate)
	count := int(l.job.For / gap)
	begin := time.Now().Add(10 * time.Millisecond)
	for i := range count {
		due := begin.Add(time.Duration(i) * gap)
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			ts := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&ts, nil) // the loop looks at the clock again
		}
		select {
		case p := <-idle:
			if err := p.send(ask); err != nil {
				l.fail(err)
				continue
			}
			p.sent <- due
		case <-time.After(answerTimeout):
			l.fail(errors.New("no connection came free"))
			return
		}
	}
}

func (l *load) receive(p *pending, idle chan<- *pending, done <-chan struct{}) {
	var times []uint32
	defer func() { l.keep(times) }()
	for {
		var due time.Time
		select {
		case due = <-p.sent:
		case <-done:
			select { // the last one may have left together with the end
			case due = <-p.sent:
			default:
				return
			}
		}
		if err := p.answer(); err != nil {
			l.fail(err)
			return
		}
		l.answers.Add(1)
		times = append(times, nanoseconds(time.Since(due)))
		idle <- p
	}
}

// streams begins a stream on each connection, evenly spread over the time that one takes, and when it is over the next.
func (l *load) streams() {
	j := l.job
	ask := request(j.Token, task{mode: modeStream, events: j.Events, every: j.Every, id: "-"})
	sum := streamSum(j.Events)
	length := time.Duration(j.Events-1) * j.Every
	start := time.Now()
	end := start.Add(j.For)
	l.each(func(i int, c *connection) error {
		var times []uint32
		defer func() { l.keep(times) }()
		time.Sleep(time.Until(start.Add(length * time.Duration(i) / time.Duration(j.Connections))))
		for time.Now().Before(end) {
			began := time.Now()
			first, err := c.stream(ask, j.Events, sum)
			if err != nil {
				return err
			}
			l.answers.Add(1)
			times = append(times, nanoseconds(first.Sub(began)))
		}
		return nil
	})
	l.seconds = time.Since(start).Seconds()
}

// holdOpen opens streams, and returns when each has had its first event. release closes them.
func (l *load) holdOpen() (release func()) {
	ask := request(l.job.Token, task{mode: modeHold, every: l.job.Every, id: "-"})
	var mu sync.Mutex
	var open []net.Conn
	gate := make(chan struct{}, 32) // so many are opened at once
	var all sync.WaitGroup
	for range l.job.Connections {
		all.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			c, err := dial(l.job.Address)
			if err == nil {
				err = c.begin(ask)
			}
			if err != nil {
				l.fail(err)
				return
			}
			l.answers.Add(1)
			mu.Lock()
			open = append(open, c.conn)
			mu.Unlock()
			go func() { _, _ = io.Copy(io.Discard, c.conn) }() // until it is closed
		})
	}
	all.Wait()
	return func() {
		for _, c := range open {
			closeQuietly(c)
		}
	}
}

// leave closes each connection at a moment of its own, and notes when.
func (l *load) leave() {
	l.left = map[string]int64{}
	l.each(func(i int, c *connection) error {
		id := l.job.Mode + strconv.Itoa(i) + "-" + strconv.FormatUint(rand.Uint64(), 36)
		ask := request(l.job.Token, task{mode: l.job.Mode, every: l.job.Every, id: id})
		if l.job.Mode == modeWait {
			if err := c.send(ask); err != nil {
				return err
			}
		} else if err := c.begin(ask); err != nil {
			return err
		}
		// Long enough for the request to be where it goes.
		at := time.Now().Add(200*time.Millisecond + rand.N(l.job.For))
		if err := c.conn.SetReadDeadline(at); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, c.conn); !isTimeout(err) {
			return fmt.Errorf("the connection ended before it was left: %w", err)
		}
		l.answers.Add(1)
		now := time.Now().UnixNano()
		closeQuietly(c)
		l.mu.Lock()
		l.left[id] = now
		l.mu.Unlock()
		return nil
	})
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func nanoseconds(d time.Duration) uint32 { return uint32(min(max(d, 0), 1<<32-1)) }

// connection speaks as much HTTP/1.1 as the answers here need, which costs a fraction of what net/http does.
type connection struct {
	address string
	conn    net.Conn
	r       *bufio.Reader
	ending  bool // the server said that it will close
	until   time.Time
}

func dial(address string) (*connection, error) {
	conn, err := net.DialTimeout("tcp", address, answerTimeout)
	if err != nil {
		return nil, err
	}
	return &connection{address: address, conn: conn, r: bufio.NewReaderSize(conn, 4<<10)}, nil
}

// Close closes the connection.
func (c *connection) Close() error { return c.conn.Close() }

func (c *connection) send(ask []byte) error {
	if c.ending {
		closeQuietly(c)
		next, err := dial(c.address)
		if err != nil {
			return err
		}
		*c = *next
	}
	if now := time.Now(); c.until.Sub(now) < answerTimeout { // seldom moved, since it costs
		c.until = now.Add(2 * answerTimeout)
		if err := c.conn.SetDeadline(c.until); err != nil {
			return err
		}
	}
	_, err := c.conn.Write(ask)
	return err
}

// plain asks for a whole answer and checks it.
func (c *connection) plain(ask []byte) error {
	if err := c.send(ask); err != nil {
		return err
	}
	return c.answer()
}

// answer reads a whole answer, and checks that it is the one that the upstream gave.
func (c *connection) answer() error {
	length, err := c.head()
	if err != nil {
		return err
	}
	if length != answerLength {
		return fmt.Errorf("the answer has a length of %d in the place of %d", length, answerLength)
	}
	body, err := c.r.Peek(length)
	if err != nil {
		return err
	}
	if string(body) != answer {
		return errors.New("the answer is not the upstream's")
	}
	_, err = c.r.Discard(length)
	return err
}

// head reads the head of an answer, and returns the length of its body, or -1 if that comes in chunks.
func (c *connection) head() (length int, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || string(line[:9]) != "HTTP/1.1 " {
		return 0, fmt.Errorf("not an answer: %q", line)
	}
	status := number(line[9:12], 10)
	length, chunked := -1, false
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= len("\r\n") {
			break
		}
		switch line[0] | 0x20 {
		case 'c':
			if value, ok := headerValue(line, "content-length"); ok {
				length = number(value, 10)
			} else if value, ok := headerValue(line, "connection"); ok {
				c.ending = string(value) == "close"
			}
		case 't':
			if value, ok := headerValue(line, "transfer-encoding"); ok {
				chunked = string(value) == "chunked"
			}
		}
	}
	if status != 200 {
		text, _ := c.r.Peek(min(max(length, 0), 300))
		return 0, fmt.Errorf("status %d: %s", status, text)
	}
	if chunked == (length >= 0) {
		return 0, errors.New("the answer has no length, or two")
	}
	return length, nil
}

// begin asks for a stream and takes its first event.
func (c *connection) begin(ask []byte) error {
	if err := c.send(ask); err != nil {
		return err
	}
	length, err := c.head()
	if err != nil {
		return err
	}
	if length >= 0 {
		return errors.New("the answer is no stream")
	}
	n, err := c.chunk()
	if err == nil && n < len(event) {
		return errors.New("the first event did not come whole")
	}
	return err
}

// stream asks for a stream, checks it to its end and returns when its first byte came.
func (c *connection) stream(ask []byte, events int, sum uint32) (first time.Time, err error) {
	if err := c.send(ask); err != nil {
		return first, err
	}
	length, err := c.head()
	if err != nil {
		return first, err
	}
	if length >= 0 {
		return first, errors.New("the answer is no stream")
	}
	var got uint32
	total := 0
	for {
		n, err := c.chunk()
		if err != nil {
			return first, err
		}
		if first.IsZero() {
			first = time.Now()
		}
		total += n
		for left := n; left > 0; {
			part, err := c.r.Peek(min(left, c.r.Size()))
			if err != nil {
				return first, err
			}
			got = crc32.Update(got, castagnoli, part)
			left -= len(part)
			if _, err := c.r.Discard(len(part)); err != nil {
				return first, err
			}
		}
		if line, err := c.r.ReadSlice('\n'); err != nil {
			return first, err
		} else if len(line) != len("\r\n") {
			return first, errors.New("a chunk does not end where it should")
		}
		if n == 0 {
			break
		}
	}
	if total != streamLength(events) || got != sum {
		return first, fmt.Errorf("a stream of %d bytes in the place of %d, or with other bytes", total, streamLength(events))
	}
	return first, nil
}

// chunk reads the length of the next chunk.
func (c *connection) chunk() (int, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) > 2 {
		line = line[:len(line)-2]
	}
	n := number(line, 16)
	if n < 0 {
		return 0, fmt.Errorf("not a chunk: %q", line)
	}
	return n, nil
}
