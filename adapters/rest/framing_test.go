package rest_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func newRequest(t *testing.T, e *edge, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+"/v1/chat/completions", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+accessKey)
	request.Header.Set("Content-Type", "application/json")
	return request
}

// raw sends bytes and returns the answers that come, until the server closes or falls silent.
func raw(t *testing.T, e *edge, text string) (answers []*http.Response, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", e.address)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(700*time.Millisecond)))
	_, _ = io.WriteString(conn, text) // the server may have heard enough before the end
	in := bufio.NewReader(conn)
	for {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			var timeout net.Error
			return answers, !errors.As(err, &timeout) || !timeout.Timeout()
		}
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		if response.StatusCode == http.StatusContinue {
			continue
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
		answers = append(answers, response)
	}
}

func TestFraming(t *testing.T) {
	t.Parallel()
	const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + accessKey + "\r\nContent-Type: application/json\r\n"
	sized := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(chat), chat)
	tests := []struct {
		name, text string
		status     int
	}{
		{"a plain request", head + sized, 200},
		{"a chunked request", head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(chat), chat), 200},
		{"Expect: 100-continue", head + "Expect: 100-continue\r\n" + sized, 200},
		{"a length and a transfer coding, with a request smuggled in", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"an unknown transfer coding", head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
		{"two transfer codings", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400},
		{"two lengths", head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400},
		{"a list of lengths", head + "Content-Length: 3, 3\r\n\r\nabc", 400},
		{"a negative length", head + "Content-Length: -3\r\n\r\nabc", 400},
		{"a length beyond numbers", head + "Content-Length: 99999999999999999999999\r\n\r\nabc", 400},
		{"a bad chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 400},
		{"a chunk extension with a line feed", head + "Transfer-Encoding: chunked\r\n\r\n5;a\nabc\r\n0\r\n\r\n", 400},
		{"a NUL in a field", head + "X-A: a\x00b\r\n" + sized, 400},
		{"a bare CR in a field", head + "X-A: a\rb\r\n" + sized, 400},
		{"two hosts", head + "Host: y\r\n" + sized, 400},
		{"no host", strings.Replace(head, "Host: x\r\n", "", 1) + sized, 400},
		{"two Authorization fields", head + "Authorization: Bearer " + accessKey + "\r\n" + sized, 400},
		{"a credential of 9 KiB", strings.Replace(head, accessKey, strings.Repeat("a", 9<<10), 1) + sized, 400},
		{"a head of 20 KiB", head + "X-A: " + strings.Repeat("a", 20<<10) + "\r\n" + sized, 431},
		{"a body over the limit, asked for first", head + "Expect: 100-continue\r\nContent-Length: 10000000000\r\n\r\n", 413},
		{"a body over the limit", head + "Content-Length: 10000000\r\n\r\n" + strings.Repeat(" ", 16<<10), 413},
		{"a body over the limit of /api", "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2500000\r\n\r\n" + strings.Repeat(" ", 16<<10), 413},
		{"a chunked body over the limit of /api", "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n300000\r\n" + strings.Repeat(" ", 3<<20) + "\r\n0\r\n\r\n", 413},
		{"a packed body", head + "Content-Encoding: gzip\r\n" + sized, 415},
		{"a body of another type", strings.Replace(head, "application/json", "application/jsonx", 1) + sized, 415},
		{"a body of no type", strings.Replace(head, "Content-Type: application/json\r\n", "", 1) + sized, 415},
		{"no HTTP at all", "\x16\x03\x01\x02\x00\r\n\r\n", 400},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"PROPFIND", "PROPFIND /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"a method in lower case", "get /health HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"a method that the path does not take", "DELETE /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		{"a path in another case", "GET /HEALTH HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"a trailing slash", "GET /health/ HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"a path that climbs", "GET /v1/../api/users HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"a path in escapes", "GET /%61pi/users HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"two slashes", "GET //api/users HTTP/1.1\r\nHost: x\r\n\r\n", 404},
	}
	e := start(t, options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answers, closed := raw(t, e, tt.text)
			require.Len(t, answers, 1, "exactly one answer")
			a := answers[0]
			assert.Equal(t, tt.status, a.StatusCode)
			assert.NotEmpty(t, a.Header.Get("X-Request-Id"))
			assert.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
			if tt.status == 400 && !strings.Contains(tt.text, "Authorization: Bearer a") || tt.status == 413 {
				assert.True(t, closed || tt.name == "two Authorization fields", "the rest of the connection can't be trusted")
			}
			if tt.status == 405 {
				assert.NotEmpty(t, a.Header.Get("Allow"))
			}
			if tt.status >= 400 {
				body, err := io.ReadAll(a.Body)
				require.NoError(t, err)
				answer{a, string(body)}.fault(t)
			}
		})
	}
	t.Run("three requests in one packet have three answers", func(t *testing.T) {
		t.Parallel()
		answers, _ := raw(t, e, strings.Repeat("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 3))
		assert.Len(t, answers, 3)
	})
}

func TestBodiesUnderAPI(t *testing.T) {
	t.Parallel()
	e := start(t, options{})
	tests := []struct{ name, body, code, param string }{
		{"nothing", "", "invalid_json", ""},
		{"no field", "{}", "missing_field", "username"},
		{"an array", "[]", "invalid_json", ""},
		{"null", "null", "missing_field", "username"},
		{"a number for a text", `{"username":1}`, "wrong_type", "username"},
		{"an object for a text", `{"username":{}}`, "wrong_type", "username"},
		{"null for a text", `{"username":null}`, "missing_field", "username"},
		{"a field twice", `{"username":"bob","username":"bob"}`, "ambiguous_field", "username"},
		{"a field in another case", `{"Username":"bob"}`, "unknown_field", "Username"},
		{"a role", `{"username":"bob","is_admin":true}`, "unknown_field", "is_admin"},
		{"bad UTF-8", "{\"username\":\"\xff\"}", "invalid_json", ""},
		{"half a surrogate pair", `{"username":"\ud800"}`, "invalid_json", ""},
		{"something behind it", `{} x`, "invalid_json", ""},
		{"fifty thousand levels", strings.Repeat("[", 50_000), "invalid_json", ""},
		{"a short password", `{"username":"bob","email":"bob@example.com","password":"1234567"}`, "invalid_password", "password"},
		{"a password without end", `{"username":"bob","email":"bob@example.com","password":"` + strings.Repeat("x", 60_000) + `"}`, "invalid_password", "password"},
		{"a name with a space", `{"username":"bo b","email":"bob@example.com","password":"12345678"}`, "invalid_username", "username"},
		{"no address", `{"username":"bob","email":"bob","password":"12345678"}`, "invalid_email", "email"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := e.do(t, "POST", "/api/auth/register", tt.body)
			assert.Equal(t, 400, a.StatusCode)
			code, param, kind := a.fault(t)
			assert.Equal(t, tt.code, code)
			assert.Equal(t, tt.param, param)
			assert.Equal(t, "invalid_request_error", kind)
		})
	}
}

// A client that sends all of its body before it listens must still read why it was refused.
func TestATooLargeBodyIsToldSo(t *testing.T) {
	t.Parallel()
	e := start(t, options{})
	for path, size := range map[string]int{"/v1/chat/completions": 5 << 20, "/api/auth/login": 3 << 20} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+path, strings.NewReader(strings.Repeat(" ", size)))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+accessKey)
		request.Header.Set("Content-Type", "application/json")
		var text bytes.Buffer
		conn, err := net.Dial("tcp", e.address)
		require.NoError(t, err)
		require.NoError(t, request.Write(conn), "the server must hear the client out")
		response, err := http.ReadResponse(bufio.NewReader(conn), request)
		require.NoError(t, err)
		_, err = text.ReadFrom(response.Body)
		require.NoError(t, err)
		assert.Equal(t, 413, response.StatusCode)
		assert.Contains(t, text.String(), "request_too_large")
		_, _ = response.Body.Close(), conn.Close()
	}
}
