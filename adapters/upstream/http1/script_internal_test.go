package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"monorelay/domain/exchange"
	"monorelay/ports"
)

// scripted is a connection that gives the parts it was made of, one with each Read, and then its end.
type scripted struct {
	net.Conn

	parts [][]byte
}

func (s *scripted) Read(p []byte) (int, error) {
	for len(s.parts) > 0 && len(s.parts[0]) == 0 {
		s.parts = s.parts[1:]
	}
	if len(s.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.parts[0])
	s.parts[0] = s.parts[0][n:]
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error)      { return len(p), nil }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// outcome is what comes of an answer.
type outcome struct {
	Fault     string // the code of the error, if there was no answer
	Status    int
	Header    exchange.Header
	Length    int64
	OpenEnded bool
	Body      string
	Whole     bool
	Malformed bool // what follows Body is no body of HTTP
	Kept      bool // the connection is kept
}

// outcomeOf reads an answer that comes in parts, into a buffer of size bytes.
func outcomeOf(size int, parts ...[]byte) outcome {
	copied := make([][]byte, len(parts))
	copy(copied, parts)
	c := New(nil, nil)
	defer c.Close()
	s := &scripted{parts: copied}
	k := &conn{Conn: s, socket: s}
	request := &Request{Method: "POST", Scheme: "http", Host: "h", Path: "/", Timeout: time.Minute}
	reply, err := c.exchange(context.Background(), k, request, now().Add(time.Minute))
	if err != nil {
		for _, f := range []error{ports.ErrBadAnswer, ports.ErrUnreachable} {
			if errors.Is(err, f) {
				return outcome{Fault: f.Error()}
			}
		}
		return outcome{Fault: err.Error()}
	}
	o := outcome{Status: reply.Status, Header: reply.Header, Length: reply.Length, OpenEnded: reply.OpenEnded}
	buffer := make([]byte, size)
	for err == nil {
		var n int
		n, err = reply.Body.Read(buffer)
		o.Body += string(buffer[:n])
	}
	o.Whole = err == io.EOF //nolint:errorlint // nothing else says so
	_, o.Malformed = errors.AsType[malformed](err)
	o.Kept = len(c.idle[place{}]) == 1
	return o
}
