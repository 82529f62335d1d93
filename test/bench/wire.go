//go:build linux

package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"
	"time"
)

// What client and upstream agree on. The request says in its field "user" what the upstream is to do, which every
// contestant passes on.

// task is what one request asks of the upstream.
type task struct {
	mode   string
	events int           // of a stream, with the one that ends it
	every  time.Duration // between two events
	id     string        // under which the upstream remembers when it was left
}

// The modes.
const (
	modePlain  = "plain"  // a whole answer
	modeStream = "stream" // so many events, and an end
	modeHold   = "hold"   // one event, then one after each interval, or none if there is no interval, until the client leaves
	modeWait   = "wait"   // nothing at all, until the client leaves
)

const taskMark = `"user":"bench `

func (t task) String() string {
	return fmt.Sprintf("%s %d %s %s", t.mode, t.events, t.every, t.id)
}

// taskOf reads the task out of a request's body.
func taskOf(body []byte) (task, bool) {
	_, rest, found := bytes.Cut(body, []byte(taskMark))
	text, _, ended := bytes.Cut(rest, []byte{'"'})
	if !found || !ended {
		return task{}, false
	}
	if string(text) == modePlain {
		return task{mode: modePlain}, true
	}
	var t task
	var every string
	if _, err := fmt.Sscan(string(text), &t.mode, &t.events, &every, &t.id); err != nil {
		return task{}, false
	}
	var err error
	t.every, err = time.ParseDuration(every)
	return t, err == nil
}

// Names of models: the client asks for the alias, and the relay for what that stands for.
const (
	modelAlias = "bench"
	modelName  = "bench-large"
)

// request returns the bytes of a request. All contestants get the same.
func request(token string, t task) []byte {
	user, stream := t.String(), true
	switch t.mode {
	case modePlain:
		user, stream = modePlain, false
	case modeWait:
		stream = false
	}
	body := fmt.Sprintf(`{"model":"%s","stream":%t,"temperature":0.7,"max_tokens":256,"messages":[{"role":"system",`+
		`"content":"You are a helpful assistant."},{"role":"user","content":"Name three rivers, and say of each in one `+
		`sentence where it rises and into which sea it flows."}],%s%s"}`, modelAlias, stream, taskMark, user)
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"+
		"Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", token, len(body), body)
}

// answerLength is that of a plain answer's body, in bytes.
const answerLength = 656

// answer is the body of a plain answer.
var answer = func() string {
	const head = `{"id":"chatcmpl-Bench0123456789","object":"chat.completion","created":1700000000,"model":"bench-large",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"`
	const tail = `","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":42,"completion_tokens":88,` +
		`"total_tokens":130,"prompt_tokens_details":{"cached_tokens":0}},"system_fingerprint":"fp_0123456789"}`
	const prose = "The Rhine rises in the Swiss Alps and flows into the North Sea. "
	text := strings.Repeat(prose, 10)
	return head + text[:answerLength-len(head)-len(tail)] + tail
}()

// The events of a stream.
const (
	event = `data: {"id":"chatcmpl-Bench0123456789","object":"chat.completion.chunk","created":1700000000,"model":"bench-large",` +
		`"choices":[{"index":0,"delta":{"content":" river"},"finish_reason":null}]}` + "\n\n"
	lastEvent = "data: [DONE]\n\n"
)

// streamLength is the length of a whole stream of so many events.
func streamLength(events int) int { return (events-1)*len(event) + len(lastEvent) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// streamSum is the checksum of a whole stream of so many events.
func streamSum(events int) uint32 {
	return crc32.Checksum([]byte(strings.Repeat(event, events-1)+lastEvent), castagnoli)
}

// headerValue returns the value of a header line if it has this lower-case name.
func headerValue(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || line[0]|0x20 != name[0] || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

// number reads a number that is not negative; -1 is none.
func number(text []byte, base int) int {
	n := 0
	for _, c := range text {
		digit := 99
		switch {
		case '0' <= c && c <= '9':
			digit = int(c - '0')
		case 'a' <= c && c <= 'f':
			digit = int(c-'a') + 10
		case 'A' <= c && c <= 'F':
			digit = int(c-'A') + 10
		}
		if digit >= base || n > 1<<30 {
			return -1
		}
		n = n*base + digit
	}
	if len(text) == 0 {
		return -1
	}
	return n
}
