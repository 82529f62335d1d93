package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var answers = []string{
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0000\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
	"HTTP/1.0 200 OK\r\n\r\nto the end",
	"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
	"HTTP/1.1 101 Switching Protocols\r\n\r\n",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
	"HTTP/1.1 200\r\nRetry-After:\t7 \r\nX-Request-Id: r\r\nContent-Length:0\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
	"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
	"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\n{}",
}

// FuzzResponse holds the reader to net/http's: where both read an answer, they read the same. And it makes no difference
// in which parts an answer comes.
func FuzzResponse(f *testing.F) {
	for _, a := range answers {
		f.Add([]byte(a), uint16(len(a)/2), byte(7))
	}
	f.Fuzz(func(t *testing.T, answer []byte, cut uint16, size byte) {
		whole := outcomeOf(4096, answer)

		at := int(cut) % (len(answer) + 1)
		assert.Equal(t, forget(whole), forget(outcomeOf(int(size)+1, answer[:at], answer[at:])), "cut at %d", at)
		if len(answer) < 4<<10 {
			bytewise := make([][]byte, len(answer))
			for i := range answer {
				bytewise[i] = answer[i : i+1]
			}
			assert.Equal(t, forget(whole), forget(outcomeOf(int(size)+1, bytewise...)), "byte by byte")
		}

		theirs, body, ok, theirEnd := readByNetHTTP(answer)
		if !ok || whole.Fault != "" {
			return
		}
		require.Equal(t, theirs, whole.Status)
		switch {
		case theirEnd == nil && whole.Whole:
			require.Equal(t, body, whole.Body)
		case theirEnd == nil:
			require.True(t, whole.Malformed, "an answer that is whole to net/http breaks off")
			require.True(t, strings.HasPrefix(body, whole.Body))
		case whole.Whole:
			require.NotErrorIs(t, theirEnd, io.ErrUnexpectedEOF, "an answer that breaks off to net/http is whole")
			require.True(t, strings.HasPrefix(whole.Body, body))
		default:
			require.True(t, strings.HasPrefix(body, whole.Body) || strings.HasPrefix(whole.Body, body))
		}
	})
}

// forget leaves out what may depend on when bytes come: what follows the answer spoils the connection only if it is there.
func forget(o outcome) outcome {
	o.Kept = false
	return o
}

func readByNetHTTP(answer []byte) (status int, body string, ok bool, end error) {
	r := bufio.NewReader(bytes.NewReader(answer))
	for {
		response, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost})
		if err != nil {
			return 0, "", false, nil
		}
		if response.StatusCode < 200 {
			continue
		}
		read, err := io.ReadAll(response.Body)
		return response.StatusCode, string(read), true, err
	}
}

// FuzzChunks holds the frame of chunks to two rules: it gives the same however the bytes are cut, and it never ends well
// without its last chunk.
func FuzzChunks(f *testing.F) {
	for _, a := range answers {
		if _, body, found := strings.Cut(a, "chunked\r\n\r\n"); found {
			f.Add([]byte(body), uint16(3))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		at := int(cut) % (len(body) + 1)
		data, taken, end := unchunk(body)
		cutData, cutTaken, cutEnd := unchunk(body[:at], body[at:])
		assert.Equal(t, data, cutData)
		assert.Equal(t, taken, cutTaken)
		assert.Equal(t, end, cutEnd)
		if end == nil {
			require.True(t, bytes.HasSuffix(body[:taken], []byte("\r\n\r\n")))
			require.LessOrEqual(t, len(data), taken-5)
		}
	})
}

var errNoEnd = errors.New("no end")

// unchunk takes the frame from parts, and returns the data, how many bytes the body took, and why it has no end.
func unchunk(parts ...[]byte) (data string, taken int, err error) {
	var c chunks
	for _, part := range parts {
		for len(part) > 0 {
			if c.state == afterAll {
				return data, taken, nil
			}
			var n int
			if c.state == inData {
				n = int(min(int64(len(part)), c.left))
				data += string(part[:n])
				c.took(n)
			} else if n, err = c.frame(part); err != nil {
				return data, taken + n, err
			}
			taken += n
			part = part[n:]
		}
	}
	if c.state != afterAll {
		return data, taken, errNoEnd
	}
	return data, taken, nil
}
