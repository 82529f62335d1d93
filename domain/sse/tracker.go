// Package sse follows a stream of server-sent events (WHATWG HTML, section 9.2) as its bytes pass by, so that the relay
// knows at every moment whether it stands between two events, and whether the stream has said that it is whole.
package sse

import "bytes"

// Tracker follows one stream. The zero value stands before its first byte.
type Tracker struct {
	line     [lineHead]byte // how the present line begins
	length   int            // the present line's length so far
	inEvent  bool           // the present event has a line already
	afterCR  bool           // the last byte was CR, so an LF belongs to it
	complete bool
}

// lineHead is how much of a line is kept: as much as the longest mark of an end, and one more to know a longer line.
const lineHead = len("event: message_stop") + 1

// The lines with which a stream says that it is whole: OpenAI's and Anthropic's.
var endMarks = [][]byte{[]byte("data: [DONE]"), []byte("data:[DONE]"), []byte("event: message_stop"), []byte("event:message_stop")}

// Feed takes the next bytes of the stream, cut anywhere.
func (t *Tracker) Feed(p []byte) {
	for len(p) > 0 {
		if t.afterCR {
			t.afterCR = false
			if p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			end = len(p)
		}
		if cr := bytes.IndexByte(p[:end], '\r'); cr >= 0 {
			end = cr
		}
		if t.length < lineHead {
			copy(t.line[t.length:], p[:end])
		}
		t.length += end
		if end == len(p) {
			return
		}
		t.afterCR = p[end] == '\r'
		t.endLine()
		p = p[end+1:]
	}
}

func (t *Tracker) endLine() {
	t.complete = t.complete || t.atEndMark()
	t.inEvent = t.length > 0
	t.length = 0
}

func (t *Tracker) atEndMark() bool {
	if t.length >= lineHead {
		return false
	}
	for _, mark := range endMarks {
		if bytes.Equal(t.line[:t.length], mark) {
			return true
		}
	}
	return false
}

// Between reports whether the stream stands between two events, so that something may be put there. It says no while a
// CR may still turn out to be half of a CR LF.
func (t *Tracker) Between() bool { return t.length == 0 && !t.inEvent && !t.afterCR }

// Complete reports whether the stream has had the mark of its end: data: [DONE], or event: message_stop.
func (t *Tracker) Complete() bool { return t.complete || t.atEndMark() }

// Break returns what must be put behind a stream that broke off here, so that an event can follow.
func (t *Tracker) Break() string {
	switch {
	case t.Between():
		return ""
	case t.length == 0:
		return "\n"
	default:
		return "\n\n"
	}
}
