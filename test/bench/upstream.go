//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// closedPath is where the upstream tells which of its callers have left, and when.
const closedPath = "/bench/closed"

// upstream is a provider that costs as little as can be: prepared bytes, one write for each answer or event.
type upstream struct {
	mu     sync.Mutex
	closed map[string]int64 // Unix nanoseconds
}

// serveUpstream listens on a free port, which it prints, and serves until the process is ended.
func serveUpstream(out io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, ln.Addr()); err != nil {
		return err
	}
	u := &upstream{closed: map[string]int64{}}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go u.serve(conn)
	}
}

const jsonHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req_bench\r\nContent-Length: "

var (
	plainAnswer = fmt.Appendf(nil, "%s%d\r\n\r\n%s", jsonHead, len(answer), answer)
	streamHead  = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n" +
		"X-Request-Id: req_bench\r\nTransfer-Encoding: chunked\r\n\r\n")
	firstChunk = slices.Concat(streamHead, eventChunk)
	eventChunk = fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
	lastChunk  = fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(lastEvent), lastEvent)
)

func (u *upstream) serve(conn net.Conn) {
	defer closeQuietly(conn)
	r := bufio.NewReaderSize(conn, 8<<10)
	for {
		question, body, err := readRequest(r)
		if err != nil {
			return
		}
		if question {
			err = u.tell(conn)
		} else if t, ok := taskOf(body); ok {
			err = u.do(conn, r, t)
		} else {
			_, err = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		}
		if err != nil {
			return
		}
	}
}

// readRequest returns the body of the next request, good until the next read, or that it asks who has left.
func readRequest(r *bufio.Reader) (question bool, body []byte, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return false, nil, err
		}
		if first {
			question = string(line[:min(len(line), len("GET "+closedPath))]) == "GET "+closedPath
		}
		if len(line) <= len("\r\n") {
			break
		}
		if value, ok := headerValue(line, "content-length"); ok {
			if length = number(value, 10); length < 0 {
				return false, nil, errors.New("bad length")
			}
		}
	}
	if body, err = r.Peek(length); err != nil {
		return false, nil, err
	}
	_, err = r.Discard(length)
	return question, body, err
}

func (u *upstream) do(conn net.Conn, r io.Reader, t task) error {
	switch t.mode {
	case modePlain:
		_, err := conn.Write(plainAnswer)
		return err
	case modeStream:
		return stream(conn, t)
	case modeHold, modeWait:
		return u.linger(conn, r, t)
	}
	return fmt.Errorf("unknown mode %s", t.mode)
}

// stream sends the head with the first event, and each following one in its own time.
func stream(conn net.Conn, t task) error {
	began := time.Now()
	next := firstChunk
	for i := 1; i < t.events; i++ {
		if _, err := conn.Write(next); err != nil {
			return err
		}
		if t.every > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * t.every)))
		}
		next = eventChunk
	}
	_, err := conn.Write(lastChunk)
	return err
}

// linger goes on until the client leaves, and remembers when that was.
func (u *upstream) linger(conn net.Conn, r io.Reader, t task) error {
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = io.Copy(io.Discard, r) // ends when the connection does, in whatever way
		u.mu.Lock()
		u.closed[t.id] = time.Now().UnixNano()
		u.mu.Unlock()
	}()
	defer func() { <-left }()
	defer closeQuietly(conn)
	if t.mode == modeWait {
		<-left
		return io.EOF
	}
	if _, err := conn.Write(firstChunk); err != nil {
		return err
	}
	if t.every <= 0 {
		<-left
		return io.EOF
	}
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		select {
		case <-left:
			return io.EOF
		case <-tick.C:
			if _, err := conn.Write(eventChunk); err != nil {
				<-left
				return err
			}
		}
	}
}

// tell answers who has left since it was last asked.
func (u *upstream) tell(conn io.Writer) error {
	u.mu.Lock()
	text, err := json.Marshal(u.closed)
	clear(u.closed)
	u.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "%s%d\r\n\r\n%s", jsonHead, len(text), text)
	return err
}
