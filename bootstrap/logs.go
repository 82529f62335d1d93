package bootstrap

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"monorelay/bootstrap/config"
)

// newLogger returns the process's logger: text for a person at a terminal, JSON for everything else.
func newLogger(c config.Server, out *logQueue) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "text" || c.LogFormat == "auto" && out.terminal {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}

// Bounds of the queue.
const (
	flushInterval = 50 * time.Millisecond
	queueLimit    = 8 << 20 // bytes
)

// logQueue takes log lines without ever waiting for whoever reads them: one goroutine writes, many lines at a time. When
// the reader is stuck, lines are dropped once the queue is full, and counted.
type logQueue struct {
	terminal bool
	out      io.Writer

	mu      sync.Mutex
	pending bytes.Buffer
	dropped int
	wake    chan struct{}
	flushed chan struct{} // closed when all is written, after close
	closed  bool
}

// newLogQueue returns a queue before out.
func newLogQueue(out *os.File) *logQueue {
	q := &logQueue{
		terminal: term.IsTerminal(int(out.Fd())),
		out:      out, wake: make(chan struct{}, 1), flushed: make(chan struct{}),
	}
	go q.run()
	return q
}

// Write takes one line.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if q.pending.Len()+len(line) > queueLimit {
		q.dropped++
	} else {
		q.pending.Write(line)
	}
	q.mu.Unlock()
	q.signal()
	return len(line), nil
}

func (q *logQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *logQueue) run() {
	defer close(q.flushed)
	var batch bytes.Buffer
	for range q.wake {
		for {
			q.mu.Lock()
			batch.Reset()
			q.pending, batch = batch, q.pending
			if q.dropped > 0 {
				fmt.Fprintf(&batch, "%d log lines were dropped: nobody read them in time\n", q.dropped)
				q.dropped = 0
			}
			closed := q.closed
			q.mu.Unlock()
			if batch.Len() == 0 {
				if closed {
					return
				}
				break
			}
			_, _ = q.out.Write(batch.Bytes()) // where a log can't be written, there is nobody to tell
			if !closed {
				time.Sleep(flushInterval) // so that a busy server writes often enough, and not each line
			}
		}
	}
}

// close writes what is left, for a second at most.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
	select {
	case <-q.flushed:
	case <-time.After(time.Second):
	}
}
