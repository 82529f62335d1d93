package http1

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"monorelay/domain/exchange"
	"monorelay/ports"
)

func TestAnswersThatAreRead(t *testing.T) {
	t.Parallel()
	field := func(name, value string) exchange.Header { return exchange.Header{{Name: name, Value: value}} }
	tests := []struct {
		name, answer string
		want         outcome
	}{
		{"a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", outcome{Status: 200, Length: 2, Body: "ok", Whole: true, Kept: true}},
		{"no words after the status", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", outcome{Status: 200, Whole: true, Kept: true}},
		{"no space after the status", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", outcome{Status: 200, Whole: true, Kept: true}},
		{"words beyond ASCII", "HTTP/1.1 500 schön\xff\r\nContent-Length: 0\r\n\r\n", outcome{Status: 500, Whole: true, Kept: true}},
		{"a status that nobody knows", "HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", outcome{Status: 999, Whole: true, Kept: true}},
		{"a body that ends with the connection", "HTTP/1.1 200 OK\r\n\r\nok", outcome{Status: 200, Length: -1, OpenEnded: true, Body: "ok", Whole: true}},
		{"no body at all", "HTTP/1.1 204 No Content\r\n\r\n", outcome{Status: 204, Whole: true, Kept: true}},
		{"not modified, with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", outcome{Status: 304, Whole: true}},
		{"no content, in chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", outcome{Status: 204, Whole: true}},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", outcome{Status: 200, Length: 2, Body: "ok", Whole: true}},
		{"a close", "HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close\r\nContent-Length: 2\r\n\r\nok", outcome{Status: 200, Length: 2, Body: "ok", Whole: true}},
		{"one length twice", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nCONTENT-LENGTH:\t002 \r\n\r\nok", outcome{Status: 200, Length: 2, Body: "ok", Whole: true, Kept: true}},
		{"more than the body", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", outcome{Status: 200, Length: 2, Body: "ok", Whole: true}},
		{"less than the body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", outcome{Status: 200, Length: 3, Body: "ok"}},
		{"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Type: a\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", outcome{Status: 200, Length: 2, Body: "ok", Whole: true, Kept: true}},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked \r\n\r\n2\r\nok\r\n0\r\n\r\n", outcome{Status: 200, Length: -1, Body: "ok", Whole: true, Kept: true}},
		{"chunks of any size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000001\r\no\r\nA\r\n0123456789\r\na \t;x=\"\xff\"\r\n0123456789\r\n000\r\n\r\n", outcome{Status: 200, Length: -1, Body: "o01234567890123456789", Whole: true, Kept: true}},
		{"chunks and a length", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", outcome{Status: 200, Length: -1, Body: "ok", Whole: true}},
		{"a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Type: a\r\nX-Sum:\r\n\r\n", outcome{Status: 200, Length: -1, Body: "ok", Whole: true, Kept: true}},
		{"more than the chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1", outcome{Status: 200, Length: -1, Body: "ok", Whole: true}},
		{
			"the fields that may cross, in their order",
			"HTTP/1.1 200 OK\r\nX-REQUEST-ID: 1\r\nSet-Cookie: a=b\r\nx-ratelimit-own: \t 7 8\t\r\nopenai-organization: acme\r\ncontent-type:text/plain\r\nX-Unknown: x\r\nOpenai-Version:\r\nContent-Length: 0\r\nContent-Type: text/html\r\n\r\n",
			outcome{Status: 200, Whole: true, Kept: true, Header: exchange.Header{
				{Name: "X-Upstream-Request-Id", Value: "1"},
				{Name: "X-Ratelimit-Own", Value: "7 8"},
				{Name: "Content-Type", Value: "text/plain"},
				{Name: "Openai-Version", Value: ""},
				{Name: "Content-Type", Value: "text/html"},
			}},
		},
		{"a long field", "HTTP/1.1 200 OK\r\nRetry-After: " + strings.Repeat("7", 200<<10) + "\r\nContent-Length: 0\r\n\r\n", outcome{Status: 200, Whole: true, Kept: true, Header: field("Retry-After", strings.Repeat("7", 200<<10))}},
		{"a long name", "HTTP/1.1 200 OK\r\nopenai-" + strings.Repeat("X", 9000) + ": 1\r\nContent-Length: 0\r\n\r\n", outcome{Status: 200, Whole: true, Kept: true, Header: field("Openai-X"+strings.Repeat("x", 8999), "1")}},
		{"many fields", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + strings.Repeat("X-A: b\r\n", fieldLimit-1) + "\r\n", outcome{Status: 200, Whole: true, Kept: true}},
		{"bytes beyond ASCII in a value", "HTTP/1.1 200 OK\r\nRetry-After: \xff\r\nContent-Length: 0\r\n\r\n", outcome{Status: 200, Whole: true, Kept: true, Header: field("Retry-After", "\xff")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, outcomeOf(4096, []byte(tt.answer)))
		})
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := map[string]string{
		"nothing":                   "\r\n\r\n",
		"a line before":             "\r\nHTTP/1.1 200 OK\r\n\r\n",
		"another version":           "HTTP/2.0 200 OK\r\n\r\n",
		"another minor version":     "HTTP/1.2 200 OK\r\n\r\n",
		"a version of two digits":   "HTTP/1.10 200 OK\r\n\r\n",
		"small letters":             "http/1.1 200 OK\r\n\r\n",
		"two spaces":                "HTTP/1.1  200 OK\r\n\r\n",
		"a tab":                     "HTTP/1.1\t200 OK\r\n\r\n",
		"a status of two digits":    "HTTP/1.1 20 OK\r\n\r\n",
		"a status of two digits -":  "HTTP/1.1 20\r\n\r\n",
		"a status of four digits":   "HTTP/1.1 2000\r\n\r\n",
		"a status with a sign":      "HTTP/1.1 +20 OK\r\n\r\n",
		"a status below all":        "HTTP/1.1 099 OK\r\n\r\n",
		"another protocol":          "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"LF after the status":       "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
		"CR in the status line":     "HTTP/1.1 200 O\rK\r\n\r\n",
		"NUL in the status line":    "HTTP/1.1 200 O\x00K\r\n\r\n",
		"LF after a field":          ok + "Content-Length: 0\n\r\n",
		"LF at the end":             ok + "Content-Length: 0\r\n\n",
		"CR in a value":             ok + "X: a\rb\r\n\r\n",
		"two CR":                    ok + "X: a\r\r\n\r\n",
		"NUL in a value":            ok + "X: a\x00b\r\n\r\n",
		"a folded line":             ok + "X: a\r\n b\r\n\r\n",
		"a line folded with a tab":  ok + "X: a\r\n\tb\r\n\r\n",
		"a fold at the beginning":   ok + " X: a\r\n\r\n",
		"no colon":                  ok + "X\r\n\r\n",
		"no name":                   ok + ": a\r\n\r\n",
		"a space before the colon":  ok + "Content-Length : 0\r\n\r\n",
		"a space in a name":         ok + "X Y: 0\r\n\r\n",
		"a byte beyond ASCII":       ok + "X\xff: 0\r\n\r\n",
		"a length of two":           ok + "Content-Length: 2, 2\r\n\r\nok",
		"a length with a sign":      ok + "Content-Length: +2\r\n\r\nok",
		"a length in hexadecimal":   ok + "Content-Length: 0x2\r\n\r\nok",
		"no length":                 ok + "Content-Length: \r\n\r\n",
		"a length beyond all":       ok + "Content-Length: 9223372036854775808\r\n\r\n",
		"a length way beyond all":   ok + "Content-Length: 99999999999999999999999999\r\n\r\n",
		"two lengths":               ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nok",
		"identity":                  ok + "Transfer-Encoding: identity\r\n\r\n",
		"gzip":                      ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"chunked twice":             ok + "Transfer-Encoding: chunked, chunked\r\n\r\n",
		"chunked twice, apart":      ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"no coding":                 ok + "Transfer-Encoding: \r\n\r\n",
		"a coding with a VT":        ok + "Transfer-Encoding: \vchunked\r\n\r\n",
		"chunks of HTTP/1.0":        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"too many fields":           ok + strings.Repeat("X: a\r\n", fieldLimit+1) + "\r\n",
		"too long a head":           ok + strings.Repeat("X: "+strings.Repeat("a", 1<<10)+"\r\n", 256) + "\r\n",
		"too long a field":          ok + "X: " + strings.Repeat("a", headLimit) + "\r\n\r\n",
		"too long interim answers":  strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("a", 8<<10)+"\r\n\r\n", 32) + ok + "\r\n",
		"too many interim answers":  strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", interimLimit) + ok + "\r\n",
		"a bad interim answer":      "HTTP/1.1 100 Continue\r\nContent-Length: x\r\n\r\n" + ok + "\r\n",
		"no end of the head":        ok + "Content-Length: 0\r\n",
		"no end of the status line": "HTTP/1.1 200 OK",
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, outcome{Fault: ports.ErrBadAnswer.Code}, outcomeOf(4096, []byte(answer)))
		})
	}
	assert.Equal(t, outcome{Fault: ports.ErrUnreachable.Code}, outcomeOf(4096), "nothing came")
}

func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"no size":                       "\r\nok\r\n0\r\n\r\n",
		"a size with a sign":            "+2\r\nok\r\n0\r\n\r\n",
		"a size with 0x":                "0x2\r\nok\r\n0\r\n\r\n",
		"a space before the size":       " 2\r\nok\r\n0\r\n\r\n",
		"a size of letters":             "xyz\r\n",
		"a size after a space":          "2 2\r\nok\r\n0\r\n\r\n",
		"a size beyond all":             "8000000000000000\r\nok",
		"a size way beyond all":         "fffffffffffffffff\r\nok",
		"a size of many digits":         "00000000000000002\r\nok\r\n0\r\n\r\n",
		"LF after the size":             "2\nok\r\n0\r\n\r\n",
		"CR in the size's line":         "2\r2\r\nok\r\n0\r\n\r\n",
		"LF in an extension":            "2;a\nb\r\nok\r\n0\r\n\r\n",
		"NUL in an extension":           "2;\x00\r\nok\r\n0\r\n\r\n",
		"CR in an extension":            "2;a\rb\r\nok\r\n0\r\n\r\n",
		"an extension that is too long": "2;" + strings.Repeat("a", sizeLineLimit) + "\r\nok\r\n0\r\n\r\n",
		"more frame than data":          strings.Repeat("1;"+strings.Repeat("a", 1<<10)+"\r\nx\r\n", 100),
		"no CR after the data":          "2\r\nok\n0\r\n\r\n",
		"more data than the size says":  "2\r\nokay\r\n0\r\n\r\n",
		"no LF after the data":          "2\r\nok\r0\r\n\r\n",
		"a trailer without a colon":     "0\r\nX\r\n\r\n",
		"a trailer without a name":      "0\r\n: a\r\n\r\n",
		"a folded trailer":              "0\r\nX: a\r\n b\r\n\r\n",
		"LF in a trailer":               "0\r\nX: a\n\r\n",
		"NUL in a trailer":              "0\r\nX: \x00\r\n\r\n",
		"CR in a trailer":               "0\r\nX: a\rb\r\n\r\n",
		"LF at the end":                 "0\r\n\n",
		"no LF at the end":              "0\r\n\rx",
		"a trailer that is too long":    "0\r\n" + strings.Repeat("X: "+strings.Repeat("a", 1<<10)+"\r\n", 65) + "\r\n",
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := outcomeOf(4096, []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"+body))
			assert.True(t, got.Malformed, "%+v", got)
			assert.False(t, got.Whole)
			assert.False(t, got.Kept)
			assert.True(t, strings.HasPrefix(got.Body, "abc"), "what came before is delivered")
		})
	}
}

func TestManySmallChunksAreNoExcess(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("1\r\nx\r\n", 50_000)
	got := outcomeOf(4096, []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+body+"0\r\n\r\n"))
	assert.True(t, got.Whole)
	assert.Len(t, got.Body, 50_000)
}
