package http1

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"monorelay/domain/exchange"
)

// Request is a request to a provider. Do only reads it, and Body also after Do has returned.
type Request struct {
	Method  string
	Scheme  string // http or https
	Host    string // with a port, if it is not the scheme's own
	Path    string // not escaped yet
	Agent   string // the User-Agent
	Header  exchange.Header
	Body    []byte
	Timeout time.Duration // how long the provider may send nothing
}

// Mistakes in a request. They quote nothing of it, since a field can hold a key.
var (
	errMethod = errors.New("not an HTTP method")
	errScheme = errors.New("not an http or https URL")
	errHost   = errors.New("a host that HTTP can't carry as it is (an international name needs its xn-- form)")
	errField  = errors.New("a header field that HTTP can't carry as it is")
)

// reserved are the fields that Do sets itself, or that belong to the connection. Whoever sets them sets nothing.
var reserved = map[string]bool{
	"Host": true, "User-Agent": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Keep-Alive": true,
	"Proxy-Connection": true, "Te": true, "Trailer": true, "Upgrade": true, "Expect": true,
}

// check makes sure that nothing in the request can pass for more than it is, such as a value for another field.
func (r *Request) check() error {
	switch {
	case !isToken(r.Method):
		return errMethod
	case r.Scheme != "http" && r.Scheme != "https":
		return errScheme
	case !isHost(r.Host):
		return errHost
	case !isValue(r.Agent):
		return errField
	}
	for _, f := range r.Header {
		if !isToken(f.Name) || !isValue(f.Value) {
			return errField
		}
	}
	return nil
}

// appendHead appends the request's head. A POST says its length also if that is none.
func (r *Request) appendHead(b []byte) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = appendTarget(b, r.Path)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	if r.Agent != "" {
		b = append(b, "\r\nUser-Agent: "...)
		b = append(b, strings.Trim(r.Agent, " \t")...)
	}
	if len(r.Body) > 0 || r.Method == "POST" { //nolint:usestdlibvars // net/http is not linked in for a word
		b = append(b, "\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
	}
	for _, f := range r.Header {
		if reserved[f.Name] {
			continue
		}
		b = append(b, "\r\n"...)
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, strings.Trim(f.Value, " \t")...)
	}
	return append(b, "\r\n\r\n"...)
}

// appendTarget appends path, in which what is no plain character of a path is escaped.
func appendTarget(b []byte, path string) []byte {
	if !strings.HasPrefix(path, "/") {
		b = append(b, '/')
	}
	for i := range len(path) {
		if classes[path[i]]&plain == 0 {
			return append(b, (&url.URL{Path: path}).EscapedPath()...)
		}
	}
	return append(b, path...)
}

// Classes of bytes.
const (
	tokenChar uint8 = 1 << iota // of a method or a field's name: RFC 9110, 5.6.2
	hostChar                    // of a host and a port, also of an IPv6 address
	plain                       // of a path, where it needs no escape
)

// classes has the classes of each byte.
var classes = func() (c [256]uint8) {
	for b := range 256 {
		letter := 'a' <= b|0x20 && b|0x20 <= 'z' && b < 0x80
		if letter || '0' <= b && b <= '9' {
			c[b] = tokenChar | hostChar | plain
		}
	}
	mark := func(bytes string, class uint8) {
		for i := range len(bytes) {
			c[bytes[i]] |= class
		}
	}
	mark("!#$%&'*+-.^_`|~", tokenChar)
	mark("-._~:[]", hostChar)
	mark("/-._~", plain)
	return c
}()

func isToken(s string) bool { return consistsOf(s, tokenChar) }
func isHost(s string) bool  { return consistsOf(s, hostChar) }

func consistsOf(s string, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return s != ""
}

// isValue reports whether s has no control character other than a tab.
func isValue(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}
