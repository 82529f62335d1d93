package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

// The lines of the documentation of local authentication, to the letter but for the host.
const (
	docConfig = `server:
  access_key: "your-secret-access-key"
  access_key_enabled: true
`
	docKeyOff = `server:
  access_key_enabled: false
`
	docBearer = `curl https://your-domain/v1/chat/completions \
  -H "Authorization: Bearer your-secret-access-key" \
  -H "Content-Type: application/json" \
  -d '{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}'`

	docHeader = `curl https://your-domain/v1/chat/completions \
  -H "X-Access-Key: your-secret-access-key" \
  -H "Content-Type: application/json" \
  -d '{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}'`

	docRegister = `curl -X POST https://your-domain/api/auth/register \
  -H "Content-Type: application/json" \
  -d '{
    "username": "alice",
    "email": "alice@example.com",
    "password": "securepassword123"
  }'`

	docLogin = `curl -X POST https://your-domain/api/auth/login \
  -H "Content-Type: application/json" \
  -d '{
    "username": "alice",
    "password": "securepassword123"
  }'`

	docToken = `curl https://your-domain/v1/chat/completions \
  -H "Authorization: Bearer TOKEN" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "Hello"}]
  }'`
)

func TestTheDocumentedExamplesWorkToTheLetter(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, docConfig)
	p.Canary("securepassword123")

	registered := shell(t, p, docRegister)
	isSignedIn(t, registered)
	isSignedIn(t, shell(t, p, docLogin))
	for name, line := range map[string]string{
		"a bearer":     docBearer,
		"X-Access-Key": docHeader,
		"a token":      strings.ReplaceAll(docToken, "TOKEN", registered.Text("access_token")),
	} {
		answer := shell(t, p, line)
		assert.Equal(t, 200, answer.Status, name)
		assert.Equal(t, "chat.completion", answer.Text("object"), name)
		assert.Equal(t, "gpt-4o", answer.Text("model"), name)
		assert.Equal(t, "Hello", answer.Text("choices.0.message.content"), name)
	}
	assert.Contains(t, p.Stderr(), "easily guessed", "a weak access key is accepted with a warning")
}

func TestTheDocumentedSwitchLeavesAccountsAlone(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, docKeyOff)
	p.Canary("securepassword123")
	refused := shell(t, p, docBearer)
	assert.Equal(t, 401, refused.Status)
	assert.Equal(t, "access_key_disabled", refused.Text("error.code"))
	assert.Equal(t, "access_key_disabled", shell(t, p, docHeader).Text("error.code"))

	registered := shell(t, p, docRegister)
	isSignedIn(t, registered)
	answer := shell(t, p, strings.ReplaceAll(docToken, "TOKEN", registered.Text("access_token")))
	assert.Equal(t, 200, answer.Status)
	assert.Contains(t, p.Stdout(), "The access key is switched off")
}

// isSignedIn checks that an answer is the documented one.
func isSignedIn(t *testing.T, a fixture.Answer) {
	t.Helper()
	require.Equal(t, 200, a.Status, a.Body)
	assert.Equal(t, "application/json", a.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	assert.Subset(t, a.Names(""), []string{"access_token", "expires_in", "token_type", "user"})
	assert.Subset(t, a.Names("user"), []string{"email", "id", "is_admin", "username"})
	for path, want := range map[string]string{
		"token_type": "bearer", "expires_in": "86400",
		"user.id": "1", "user.username": "alice", "user.email": "alice@example.com", "user.is_admin": "true", "user.is_super_admin": "true",
	} {
		assert.Equal(t, want, a.Text(path), path)
	}
	assert.NotContains(t, a.Body, "password")
	assert.NotContains(t, a.Body, "argon2")

	token := strings.Split(a.Text("access_token"), ".")
	require.Len(t, token, 3)
	var head struct{ Alg, Typ string }
	var claims struct {
		Iss, Sub, Jti, Type, Sid string
		Iat, Exp                 int64
		Ver                      *int64
	}
	unpack(t, token[0], &head)
	unpack(t, token[1], &claims)
	assert.Equal(t, "HS256", head.Alg)
	assert.Equal(t, int64(86400), claims.Exp-claims.Iat)
	assert.Equal(t, "1", claims.Sub)
	assert.Equal(t, "monorelay", claims.Iss)
	assert.Equal(t, "access", claims.Type)
	assert.NotEmpty(t, claims.Jti)
	assert.NotEmpty(t, claims.Sid)
	assert.NotNil(t, claims.Ver)
}

func unpack(t *testing.T, part string, to any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, to))
}

var (
	curlURL    = regexp.MustCompile(`https?://[^/\s]+(/\S+)`)
	curlHeader = regexp.MustCompile(`-H "([^"]*)"`)
	curlData   = regexp.MustCompile(`(?s)-d '([^']*)'`)
)

// shell runs a curl line as a person would paste it, in the process's folder. Options that a person would have in ~/.curlrc
// make curl print what is to be checked. Where there is no curl, the request that the line stands for is sent without it.
func shell(t *testing.T, p *fixture.Process, line string) fixture.Answer {
	t.Helper()
	line = strings.ReplaceAll(line, "https://your-domain", p.URL)
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("this machine has no curl: the line is read, and its request sent, by the test")
		var fields []string
		for _, found := range curlHeader.FindAllStringSubmatch(line, -1) {
			fields = append(fields, found[1])
		}
		return p.Do(t, "POST", curlURL.FindStringSubmatch(line)[1], curlData.FindStringSubmatch(line)[1], fields...)
	}
	home := t.TempDir()
	head := filepath.Join(home, "head")
	require.NoError(t, os.WriteFile(filepath.Join(home, ".curlrc"), []byte("silent\nshow-error\nmax-time = 60\nnoproxy = *\ndump-header = \""+filepath.ToSlash(head)+"\"\n"), 0o600))
	c := exec.Command("sh", "-c", line)
	c.Dir, c.Env = p.Dir, []string{"PATH=" + os.Getenv("PATH"), "CURL_HOME=" + home, "HOME=" + home}
	body, err := c.Output()
	require.NoError(t, err, line)
	text, err := os.ReadFile(head)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\r\n")
	answer := fixture.Answer{Header: http.Header{}, Body: string(body)}
	for i, l := range lines {
		if i == 0 {
			require.Regexp(t, `^HTTP/1.1 \d{3}`, l)
			answer.Status = int(l[9]-'0')*100 + int(l[10]-'0')*10 + int(l[11]-'0')
			continue
		}
		name, value, _ := strings.Cut(l, ": ")
		answer.Header.Add(name, value)
	}
	path := curlURL.FindStringSubmatch(line)[1]
	p.Saw(path, answer.Status, string(text)+answer.Body)
	return answer
}
