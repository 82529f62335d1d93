package bootstrap

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheDemo(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "monorelay")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	text, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "monorelay").CombinedOutput()
	require.NoError(t, err, "%s", text)
	for _, tt := range []struct {
		name    string
		signals bool // needs them, between processes
		test    func(*testing.T, demoBinary)
	}{
		{"holds, and leaves nothing behind", false, demoHolds},
		{"cleans up when it is interrupted", true, demoIsInterrupted},
		{"cleans up when nobody reads it", true, demoIsNotRead},
		{"stays until it is interrupted", true, demoStays},
		{"takes no arguments", false, demoTakesNoArguments},
		{"says when it has no folder", true, demoHasNoFolder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.signals && runtime.GOOS == "windows" {
				t.Skip("needs a Unix")
			}
			tt.test(t, demoBinary(binary))
		})
	}
}

// demoBinary is the path of the program.
type demoBinary string

// command returns the command in a folder whose configuration is broken, and the folder that it has for temporary files.
func (b demoBinary) command(t *testing.T, args ...string) (c *exec.Cmd, temp string) {
	t.Helper()
	folder := t.TempDir()
	temp = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.yml"), []byte("server: [broken"), 0o600))
	c = exec.CommandContext(t.Context(), string(b), append([]string{"demo"}, args...)...)
	c.Dir = folder
	c.Env = append(os.Environ(), "TMPDIR="+temp, "TMP="+temp, "TEMP="+temp, "MONORELAY_SERVER_PORT=none", "MONORELAY_NONSENSE=1",
		"MONORELAY_AUTH_REGISTRATION=closed", "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1")
	return c, temp
}

func requireEmptyFolder(t *testing.T, folder string) {
	t.Helper()
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left)
}

func demoHolds(t *testing.T, binary demoBinary) {
	t.Helper()
	c, temp := binary.command(t)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	stdout, err := c.Output()
	require.NoError(t, err, "%s\n%s", stdout, &stderr)
	assert.Empty(t, stderr.String())
	requireEmptyFolder(t, temp)
	_, err = os.Stat(filepath.Join(c.Dir, "data"))
	require.ErrorIs(t, err, os.ErrNotExist)

	out := string(stdout)
	for i, s := range demoSteps() {
		assert.Regexp(t, `(?m)^ +`+regexp.QuoteMeta(strings.TrimSpace(demoHeadline(i, s))+"\n"), out)
		assert.Contains(t, out, "✓ "+s.proves)
	}
	for _, code := range []string{
		"missing_credentials", "token_expired", "invalid_token", "invalid_access_key", "access_key_disabled", "account_inactive",
	} {
		assert.Contains(t, out, `"code": "`+code+`"`)
	}
	assert.Contains(t, out, "\n  ✓ ")
	assert.Contains(t, out, "monorelay serve")
	assert.NotContains(t, out, "✗")
	assert.NotContains(t, out, "\x1b", "no colours outside a terminal")
	assert.NotRegexp(t, `[A-Z2-7]{20}`, out, "an access key")
	assert.NotRegexp(t, `eyJ[\w-]{10}`, out, "a token")
	for line := range strings.Lines(out) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), demoWidth, line)
		assert.Equal(t, strings.TrimRight(line, " \n"), strings.TrimSuffix(line, "\n"))
	}
}

func demoHeadline(i int, s demoStep) string {
	var out bytes.Buffer
	newDemoPrinter(&out).request(i+1, s, "", "", "")
	return strings.Split(out.String(), "\n")[1]
}

func demoIsInterrupted(t *testing.T, binary demoBinary) {
	t.Helper()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			c, temp := binary.command(t)
			var stderr bytes.Buffer
			c.Stderr = &stderr
			lines := startDemo(t, c)
			lines.until(t, "and the rest as it comes")
			require.NoError(t, c.Process.Signal(signal))
			lines.rest()
			require.Error(t, c.Wait())
			assert.Equal(t, 1, c.ProcessState.ExitCode())
			assert.Equal(t, "monorelay: the demo was interrupted in step 7 of 17\n", stderr.String())
			requireEmptyFolder(t, temp)
		})
	}
}

func demoIsNotRead(t *testing.T, binary demoBinary) {
	t.Helper()
	c, temp := binary.command(t)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, in, err := os.Pipe()
	require.NoError(t, err)
	c.Stdout = in
	require.NoError(t, c.Start())
	require.NoError(t, in.Close())
	require.NoError(t, out.Close())
	require.Error(t, c.Wait())
	assert.Equal(t, 1, c.ProcessState.ExitCode())
	assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
	requireEmptyFolder(t, temp)
}

func demoStays(t *testing.T, binary demoBinary) {
	t.Helper()
	c, temp := binary.command(t, "--stay")
	lines := startDemo(t, c)
	lines.until(t, "until Ctrl-C")
	root := lines.until(t, "URL ")
	key := lines.until(t, "Access key ")
	lines.until(t, "-d '")

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(root), "URL"))+"/models", nil)
	require.NoError(t, err)
	r.Header.Set("X-Access-Key", strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(key), "Access key")))
	answer, err := new(http.Client).Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusOK, answer.StatusCode)

	require.NoError(t, c.Process.Signal(os.Interrupt))
	lines.rest()
	require.NoError(t, c.Wait())
	requireEmptyFolder(t, temp)
}

func demoTakesNoArguments(t *testing.T, binary demoBinary) {
	t.Helper()
	c, temp := binary.command(t, "now")
	text, err := c.CombinedOutput()
	require.Error(t, err)
	assert.Equal(t, 2, c.ProcessState.ExitCode())
	assert.Equal(t, "monorelay: \"now\" is one argument too many (monorelay demo --help)\n", string(text))
	requireEmptyFolder(t, temp)
}

func demoHasNoFolder(t *testing.T, binary demoBinary) {
	t.Helper()
	c, temp := binary.command(t)
	c.Env = append(c.Env, "TMPDIR="+filepath.Join(temp, "absent"))
	text, err := c.CombinedOutput()
	require.Error(t, err)
	assert.Equal(t, 1, c.ProcessState.ExitCode())
	assert.Regexp(t, `^monorelay: the demo needs a temporary folder[^\n]+\n$`, string(text))
}

type demoOutput struct{ *bufio.Reader }

func startDemo(t *testing.T, c *exec.Cmd) demoOutput {
	t.Helper()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	return demoOutput{bufio.NewReader(out)}
}

// until reads to the line that has text in it, and returns it.
func (p demoOutput) until(t *testing.T, text string) string {
	t.Helper()
	for {
		line, err := p.ReadString('\n')
		require.NoError(t, err, "the output ends before %q", text)
		if strings.Contains(line, text) {
			return line
		}
	}
}

func (p demoOutput) rest() { _, _ = io.Copy(io.Discard, p) }

// demoServer is a server that gives one answer to everything.
func demoServer(t *testing.T, header http.Header, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// walkDemo goes through steps at one server.
func walkDemo(t *testing.T, root string, steps ...demoStep) (out string, w *demoWalk, err error) {
	t.Helper()
	var text bytes.Buffer
	w = newDemoWalk(newDemoPrinter(&text), map[string]string{"relay": root, "strict": root, "access key": "an-access-key"})
	defer w.close()
	err = w.run(t.Context(), steps)
	return text.String(), w, err
}

func TestOneCheckThatDoesNotHoldFailsTheDemo(t *testing.T) {
	t.Parallel()
	const secret = "eyJhbGciOiJub25l.eyJzdWIiOiIxIn0abcdef.c2lnbmF0dXJl"
	right := demoStep{
		title: "A refusal", method: "GET", path: "/v1/models", checks: refused("missing_credentials", "Authorization: Bearer <token>"),
		proves: "It is refused.",
	}
	challenge := http.Header{"Www-Authenticate": {`Bearer realm="monorelay"`}}
	root := demoServer(t, challenge, 401, `{"error":{"message":"Add Authorization: Bearer <token>.","type":"authentication_error","param":null,"code":"missing_credentials"},"t":"`+secret+`"}`)
	out, w, err := walkDemo(t, root, right)
	require.NoError(t, err)
	assert.Equal(t, len(right.checks), w.held)
	assert.Contains(t, out, "✓ It is refused.")

	for i, original := range right.checks {
		broken := right
		broken.checks = append([]demoCheck(nil), right.checks...)
		broken.checks[i] = is(original.of, "something else")
		out, w, err := walkDemo(t, root, broken, right)
		require.EqualError(t, err, "the demo failed: 1 of 10 checks did not hold (step 1: "+original.of+")")
		assert.Equal(t, 9, w.held)
		assert.Regexp(t, `✗ `+regexp.QuoteMeta(original.of)+`\n +expected +something else\n +came +\S`, out)
		assert.Equal(t, 1, strings.Count(out, "✓ It is refused."), "the broken step has no check mark, and the next one is taken")
		assert.NotContains(t, out, secret)
	}
}

func TestEveryStepFailsAtAServerThatIsNoRelay(t *testing.T) {
	t.Parallel()
	for _, server := range []struct {
		name   string
		status int
		kind   string
		body   string
	}{
		{"empty", 200, "application/json", ""},
		{"an object without members", 200, "application/json", "{}"},
		{"a list", 401, "application/json", "[]"},
		{"not JSON", 500, "text/html", "<html>\x1b[2J</html>"},
		{"no events", 200, "text/event-stream", ": nothing\n\n"},
		{"events of another kind", 200, "text/event-stream", "data: {}\n\ndata: 1\n\n"},
	} {
		root := demoServer(t, http.Header{"Content-Type": {server.kind}}, server.status, server.body)
		for _, s := range demoSteps() {
			t.Run(server.name+"/"+s.title, func(t *testing.T) {
				t.Parallel()
				s.pause = 0
				out, _, err := walkDemo(t, root, s)
				require.Error(t, err)
				assert.NotContains(t, err.Error(), "\n")
				assert.NotContains(t, out, "✓")
				assert.NotContains(t, out, "\x1b")
				assert.Contains(t, out, "✗")
			})
		}
	}
}

func TestAStreamThatComesAllAtOnceFails(t *testing.T) {
	t.Parallel()
	var events strings.Builder
	for word := range strings.SplitAfterSeq(demoSpoken, " ") {
		events.WriteString(`data: {"choices":[{"delta":{"content":"` + word + `"}}]}` + "\n\n")
	}
	s := relaySteps()[3]
	out, _, err := walkDemo(t, demoServer(t, http.Header{"Content-Type": {"text/event-stream"}}, 200, events.String()+"data: [DONE]\n\n"), s)
	require.EqualError(t, err, "the demo failed: 1 of 6 checks did not hold (step 1: stream arrival)")
	assert.Contains(t, out, "all at once")

	_, _, err = walkDemo(t, demoServer(t, http.Header{"Content-Type": {"text/event-stream"}}, 200, events.String()), s)
	require.ErrorContains(t, err, "step 1: stream end")
}

func TestTheDemoEndsWhenItCanNotGoOn(t *testing.T) {
	t.Parallel()
	steps := demoSteps()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	_, _, err := walkDemo(t, gone.URL, steps...)
	require.ErrorContains(t, err, "the demo can't go on after step 1, Register the first account: ")
	assert.NotContains(t, err.Error(), "\n")

	_, _, err = walkDemo(t, demoServer(t, nil, 200, "{}"), steps...)
	require.EqualError(t, err, "the demo can't go on after step 2, Log in: the answer has no access_token, which later steps need")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := newDemoWalk(newDemoPrinter(io.Discard), map[string]string{"relay": gone.URL})
	require.EqualError(t, w.run(ctx, steps), "the demo was interrupted in step 1 of 17")
}

func TestAForgedTokenNamesAnotherAccount(t *testing.T) {
	t.Parallel()
	const token = "eyJh.eyJpc3MiOiJtb25vcmVsYXkiLCJzdWIiOiIyIiwidmVyIjowfQ.c2ln" // {"iss":"monorelay","sub":"2","ver":0}
	assert.Equal(t, "eyJh.eyJpc3MiOiJtb25vcmVsYXkiLCJzdWIiOiIxIiwidmVyIjowfQ.c2ln", impersonate(token))
	assert.Equal(t, "no token", impersonate("no token"))
}

func TestSecretsAreShortenedWhereverTheyArePrinted(t *testing.T) {
	t.Parallel()
	const key, refresh = "AAAABBBBCCCCDDDDEEEEFFFF", "rt_0123456789abcdefghij"
	var out bytes.Buffer
	p := newDemoPrinter(&out)
	p.keep(key)
	p.field("X-Access-Key: " + key)
	v, err := parseDemoJSON([]byte(`{"refresh_token":"` + refresh + `","n":{"key":"see ` + key + `"}}`))
	require.NoError(t, err)
	p.json(v)
	p.failed(is("key", "x"), key, true)
	p.word(time.Second, key)
	assert.NotContains(t, out.String(), key)
	assert.NotContains(t, out.String(), refresh)
	assert.Contains(t, out.String(), "AAAA…FFFF")
	assert.Contains(t, out.String(), "rt_0…ghij")
}

func TestJSONIsPrintedAsItCame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in, want string
	}{
		{"short", `{"is_active":false}`, `{ "is_active": false }`},
		{"empty", `{"a":{},"b":[],"c":null}`, `{ "a": {}, "b": [], "c": null }`},
		{"numbers keep their spelling", `{"n":1.50e3}`, `{ "n": 1.50e3 }`},
		{"texts are not escaped for HTML", `{"n":"<a> & \"b\""}`, `{ "n": "<a> & \"b\"" }`},
		{
			"long objects are broken, and what fits in them is not",
			`{"z":"1234567890123456789012345678901234567890","a":{"b":[1,2,{"c":3}]}}`,
			"{\n  \"z\": \"1234567890123456789012345678901234567890\",\n  \"a\": { \"b\": [1, 2, { \"c\": 3 }] }\n}",
		},
		{
			"long texts are broken between words",
			`{"m":"The quick brown fox jumps over the lazy dog and runs on and on"}`,
			"{\n  \"m\": \"The quick brown fox jumps over the lazy dog and runs on\n        and on\"\n}",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := parseDemoJSON([]byte(tt.in))
			require.NoError(t, err)
			assert.Equal(t, tt.want, strings.Join(v.pretty(64), "\n"))
		})
	}
	for _, in := range []string{"", "{", `{"a"}`, "{}{}", "[1,]", "data"} {
		_, err := parseDemoJSON([]byte(in))
		require.Error(t, err, in)
	}
}
