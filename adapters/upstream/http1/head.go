package http1

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"strings"
	"sync"

	"monorelay/domain/exchange"
)

const (
	headLimit    = 256 << 10 // bytes of all heads of one answer, interim ones too
	fieldLimit   = 500       // fields of one head
	interimLimit = 64        // interim answers of one answer
	bufferSize   = 4 << 10   // bytes
	scratchLimit = 8 << 10   // bytes of a scratch buffer that is kept for another answer
)

// malformed is why an answer can't be read. It quotes nothing of it.
type malformed string

func (m malformed) Error() string { return "the answer is no HTTP/1.1: " + string(m) }

const (
	errStatusLine   = malformed("its first line is no status line")
	errStatus       = malformed("its status is none that ends an exchange")
	errHeadEnds     = malformed("its head breaks off")
	errHeadTooLong  = malformed("its head is too long")
	errFields       = malformed("its head has too many fields")
	errInterims     = malformed("it has too many interim answers")
	errLineEnd      = malformed("a line of its head does not end in CRLF, or has CR or NUL in it")
	errAnswerField  = malformed("a line of its head is no header field")
	errLength       = malformed("its Content-Length is no length")
	errLengths      = malformed("it has two lengths")
	errCoding       = malformed("its transfer coding is not known")
	errCodingTooOld = malformed("it has a transfer coding, which its version does not know")
)

// head is the head of an answer, as far as it matters.
type head struct {
	status int
	header exchange.Header // what goes to the client, under its names
	length int64           // Content-Length, or -1
	coded  bool            // whether the body comes in chunks
	keep   bool            // whether the other side keeps the connection
	minor  byte            // of the version: '0' or '1'
}

// isBodyless reports whether no body follows an answer to this method, whatever the fields say.
func (h *head) isBodyless(method string) bool {
	return h.status == 204 || h.status == 304 || method == "HEAD"
}

// reader reads one answer. It is kept for others, but without a connection.
type reader struct {
	*bufio.Reader

	left   int    // bytes that the heads may still take
	line   []byte // a line that is longer than the buffer
	name   []byte // the canonical form of a field's name
	values []byte // of the fields that are kept, one after the other
	kept   []kept
}

// kept is a field that goes to the client. Its value ends at end in the reader's values.
type kept struct {
	name string
	end  int
}

var readers = sync.Pool{New: func() any { return &reader{Reader: bufio.NewReaderSize(nil, bufferSize)} }}

func newReader(from io.Reader) *reader {
	r := readers.Get().(*reader) //nolint:forcetypeassert // nothing else is in it
	r.Reset(from)
	r.left = headLimit
	return r
}

func (r *reader) free() {
	r.Reset(nil)
	r.line, r.name, r.values = fit(r.line), fit(r.name), fit(r.values)
	clear(r.kept)
	readers.Put(r)
}

func fit(scratch []byte) []byte {
	if cap(scratch) > scratchLimit {
		return nil
	}
	return scratch[:0]
}

// head reads the head of one answer, which may be an interim one.
func (r *reader) head() (head, error) {
	h := head{length: -1, keep: true}
	line, err := r.readLine()
	if err != nil {
		return h, err
	}
	if err := h.parseStatusLine(line); err != nil {
		return h, err
	}
	r.values, r.kept = r.values[:0], r.kept[:0]
	for n := 0; ; n++ {
		line, err := r.readLine()
		if err != nil {
			return h, err
		}
		if len(line) == 0 {
			break
		}
		if n == fieldLimit {
			return h, errFields
		}
		if err := r.field(&h, line); err != nil {
			return h, err
		}
	}
	h.header = r.header()
	if h.minor == '0' {
		h.keep = false
		if h.coded {
			return h, errCodingTooOld
		}
	}
	if h.coded && h.length >= 0 { // somebody on the way may have gone by the length: RFC 9112, 6.1
		h.length, h.keep = -1, false
	}
	return h, nil
}

// readLine returns the next line without its end, until the next call.
func (r *reader) readLine() ([]byte, error) {
	part, err := r.ReadSlice('\n')
	line := part
	if err == bufio.ErrBufferFull { //nolint:errorlint // is returned as it is
		r.line = r.line[:0]
		for {
			if len(r.line)+len(part) > r.left {
				return nil, errHeadTooLong
			}
			r.line = append(r.line, part...)
			if err != bufio.ErrBufferFull { //nolint:errorlint // is returned as it is
				break
			}
			part, err = r.ReadSlice('\n')
		}
		line = r.line
	}
	r.left -= len(line)
	switch {
	case r.left < 0:
		return nil, errHeadTooLong
	case err == io.EOF && r.left < headLimit: //nolint:errorlint // is as the connection gave it
		return nil, errHeadEnds
	case err != nil:
		return nil, err
	}
	end := len(line) - 2
	if end < 0 || line[end] != '\r' || bytes.IndexByte(line[:end], '\r') >= 0 || bytes.IndexByte(line[:end], 0) >= 0 {
		return nil, errLineEnd
	}
	return line[:end], nil
}

// parseStatusLine reads a line such as "HTTP/1.1 200 OK". The words after the number may be missing, and the space before
// them too.
func (h *head) parseStatusLine(line []byte) error {
	const version = "HTTP/1."
	rest, found := bytes.CutPrefix(line, []byte(version))
	if !found || len(rest) < len("1 200") || rest[0] != '0' && rest[0] != '1' || rest[1] != ' ' {
		return errStatusLine
	}
	h.minor = rest[0]
	for _, digit := range rest[2:5] {
		if digit < '0' || digit > '9' {
			return errStatusLine
		}
		h.status = h.status*10 + int(digit-'0')
	}
	if len(rest) > 5 && rest[5] != ' ' {
		return errStatusLine
	}
	if h.status < 100 || h.status == 101 { // nobody asked for another protocol
		return errStatus
	}
	return nil
}

// field reads one field, and keeps it if it goes to the client.
func (r *reader) field(h *head, line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !r.canonical(line[:colon]) { // a line that goes on the one before begins with a space: no name does
		return errAnswerField
	}
	value := bytes.Trim(line[colon+1:], " \t")
	name, usual := usualNames[string(r.name)]
	if !usual {
		name = exchange.ForClient(string(r.name))
	}
	if name != "" {
		r.values = append(r.values, value...)
		r.kept = append(r.kept, kept{name, len(r.values)})
	}
	switch string(r.name) {
	case "Content-Length":
		length, ok := parseLength(value)
		if !ok {
			return errLength
		}
		if h.length >= 0 && h.length != length {
			return errLengths
		}
		h.length = length
	case "Transfer-Encoding":
		if h.coded || !bytes.EqualFold(value, []byte("chunked")) {
			return errCoding
		}
		h.coded = true
	case "Connection":
		for option := range bytes.SplitSeq(value, []byte(",")) {
			if bytes.EqualFold(bytes.Trim(option, " \t"), []byte("close")) {
				h.keep = false
			}
		}
	}
	return nil
}

// canonical puts the canonical form of a field's name into r.name, and reports whether it is a name.
func (r *reader) canonical(name []byte) bool {
	r.name = r.name[:0]
	first := true
	for _, b := range name {
		if classes[b]&tokenChar == 0 {
			return false
		}
		switch {
		case first && 'a' <= b && b <= 'z':
			b -= 'a' - 'A'
		case !first && 'A' <= b && b <= 'Z':
			b += 'a' - 'A'
		}
		first = b == '-'
		r.name = append(r.name, b)
	}
	return true
}

// header returns the fields that were kept. All values are parts of one string.
func (r *reader) header() exchange.Header {
	if len(r.kept) == 0 {
		return nil
	}
	values := string(r.values)
	out := make(exchange.Header, len(r.kept))
	begin := 0
	for i, k := range r.kept {
		out[i] = exchange.Field{Name: k.name, Value: values[begin:k.end]}
		begin = k.end
	}
	return out
}

// parseLength reads a Content-Length: digits and nothing else.
func parseLength(value []byte) (n int64, ok bool) {
	for _, digit := range value {
		if digit < '0' || digit > '9' || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + int64(digit-'0')
	}
	return n, len(value) > 0
}

// usualNames has, for each field that is usual, its name for the client, or nothing if it stays. It saves the string of
// its name.
var usualNames = func() map[string]string {
	names := map[string]string{}
	for name := range strings.FieldsSeq(`
		Access-Control-Allow-Origin Access-Control-Expose-Headers Alt-Svc Cache-Control Cf-Cache-Status Cf-Ray Connection
		Content-Encoding Content-Length Content-Type Date Keep-Alive Openai-Model Openai-Organization Openai-Processing-Ms
		Openai-Project Openai-Version Request-Id Retry-After Server Set-Cookie Strict-Transport-Security Transfer-Encoding
		Vary Via X-Accel-Buffering X-Content-Type-Options X-Envoy-Upstream-Service-Time X-Powered-By
		X-Ratelimit-Limit-Requests X-Ratelimit-Limit-Tokens X-Ratelimit-Remaining-Requests X-Ratelimit-Remaining-Tokens
		X-Ratelimit-Reset-Requests X-Ratelimit-Reset-Tokens X-Request-Id`) {
		names[name] = exchange.ForClient(name)
	}
	return names
}()
