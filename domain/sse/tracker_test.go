package sse_test

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/sse"
)

func TestTracker(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text        string
		between, complete bool
		breakWith         string
	}{
		{"before the first byte", "", true, false, ""},
		{"in a line", "data: a", false, false, "\n\n"},
		{"between two lines of an event", "event: x\n", false, false, "\n"},
		{"after an event", "data: a\n\n", true, false, ""},
		{"after a comment and its blank line", ": wait\n\n", true, false, ""},
		{"after an event with CR LF", "data: a\r\n\r\n", true, false, ""},
		{"after half of a CR LF", "data: a\r\n\r", false, false, "\n"},
		{"after an event with CR", "data: a\r\rd", false, false, "\n\n"},
		{"after the end of OpenAI's streams", "data: {}\n\ndata: [DONE]\n\n", true, true, ""},
		{"the end without a space", "data:[DONE]\n\n", true, true, ""},
		{"the end without its line's end", "data: [DONE]", false, true, "\n\n"},
		{"after the end of Anthropic's streams", "event: message_stop\ndata: {}\n\n", true, true, ""},
		{"a text that holds the mark", "data: say [DONE]\n\ndata: [DONE]!\n\n", true, false, ""},
		{"a long line that begins with the mark", "data: [DONE]" + strings.Repeat(" ", 2000) + "\n", false, false, "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tr sse.Tracker
			tr.Feed([]byte(tt.text))
			assert.Equal(t, tt.between, tr.Between(), "between")
			assert.Equal(t, tt.complete, tr.Complete(), "complete")
			assert.Equal(t, tt.breakWith, tr.Break())
		})
	}
}

// FuzzTracker holds the tracker to two rules: how the bytes are cut up changes nothing, and it agrees with a reader that
// takes the stream line by line.
func FuzzTracker(f *testing.F) {
	f.Add([]byte("data: {\"a\":1}\n\n: c\n\ndata: [DONE]\n\n"), uint8(3))
	f.Add([]byte("event: message_stop\r\ndata: {}\r\n\r\n"), uint8(1))
	f.Add([]byte("data: a\rdata: b\r\rdata: [DONE]\r"), uint8(2))
	f.Fuzz(func(t *testing.T, raw []byte, step uint8) {
		var whole, cut sse.Tracker
		whole.Feed(raw)
		for rest := raw; len(rest) > 0; {
			n := min(int(step%7)+1, len(rest))
			cut.Feed(rest[:n])
			rest = rest[n:]
		}
		require.Equal(t, whole.Between(), cut.Between())
		require.Equal(t, whole.Complete(), cut.Complete())
		require.Equal(t, whole.Break(), cut.Break())

		text := strings.ReplaceAll(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\r", "\n")
		complete := false
		lines := bufio.NewScanner(strings.NewReader(text))
		lines.Buffer(nil, len(text)+1)
		for lines.Scan() {
			switch lines.Text() {
			case "data: [DONE]", "data:[DONE]", "event: message_stop", "event:message_stop":
				complete = true
			}
		}
		require.Equal(t, complete, whole.Complete())
		between := text == "" || text == "\n" || strings.HasSuffix(text, "\n\n") || strings.Trim(text, "\n") == ""
		require.Equal(t, between && !bytes.HasSuffix(raw, []byte("\r")), whole.Between())
	})
}

func BenchmarkTracker(b *testing.B) {
	event := []byte("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n")
	var t sse.Tracker
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		t.Feed(event)
	}
}
