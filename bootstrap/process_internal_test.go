package bootstrap

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/bootstrap/config"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ host, public, want string }{
		{"127.0.0.1", "", "http://127.0.0.1:8787/v1"},
		{"0.0.0.0", "", "http://127.0.0.1:8787/v1"},
		{"::", "", "http://127.0.0.1:8787/v1"},
		{"::1", "", "http://[::1]:8787/v1"},
		{"relay.local", "", "http://relay.local:8787/v1"},
		{"0.0.0.0", "relay.example.com", "http://relay.example.com:8787/v1"},
		{"0.0.0.0", "relay.example.com:80", "http://relay.example.com:80/v1"},
		{"0.0.0.0", "https://relay.example.com", "https://relay.example.com/v1"},
		{"0.0.0.0", "https://relay.example.com/", "https://relay.example.com/v1"},
		{"0.0.0.0", "https://example.com/relay/v1", "https://example.com/relay/v1"},
		{"0.0.0.0", "2001:db8::1", "http://[2001:db8::1]:8787/v1"},
	}
	for _, tt := range tests {
		p := &Process{Address: &net.TCPAddr{Port: 8787}}
		p.Config.Server.Host, p.Config.Server.PublicHost = tt.host, tt.public
		assert.Equal(t, tt.want, baseURL(p), tt)
	}
}

func TestNeedRestartNamesWhatAReloadLeaves(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*config.Config)
		want   []string
	}{
		{"nothing", func(*config.Config) {}, nil},
		{"the access key", func(c *config.Config) { c.Server.AccessKey = "another" }, nil},
		{"the access key's switch", func(c *config.Config) { c.Server.AccessKeyEnabled = false }, nil},
		{"registration", func(c *config.Config) { c.Auth.Registration, c.Auth.SetupToken = "closed", "token" }, nil},
		{"providers and routing", func(c *config.Config) { c.Providers, c.Routing.Overrides = nil, []config.Override{{}} }, nil},
		{"the port", func(c *config.Config) { c.Server.Port, c.Server.LogFormat = 1, "json" }, []string{"server.log_format", "server.port"}},
		{"the tokens' life", func(c *config.Config) { c.Auth.AccessTokenTTL = time.Hour }, []string{"auth.access_token_ttl"}},
		{"the database", func(c *config.Config) { c.Database.URL = "mysql://h/d" }, []string{"database.url"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old, next := config.Default(), config.Default()
			tt.change(&next)
			assert.Equal(t, tt.want, needRestart(old, next))
		})
	}
}

func TestUnusedNamesWhatIsAskedForInVain(t *testing.T) {
	t.Parallel()
	assert.Empty(t, unused(config.Default()))
	c, _, err := config.Parse("config.yml", []byte(`
auth: { registration: invite }
providers:
  a: { base_url: "https://api.example.com/v1", keys: [{ key: k1 }, { key: k2 }], params: { x: 1 }, system_prompt: hi }
  b: { provider_type: anthropic, base_url: "https://anthropic.example.com", keys: [{ key: k }] }
  c: { enabled: false, provider_type: anthropic }
model_routing: { cascade: { enabled: true, models: [m] }, complexity: { enabled: true, simple: m, moderate: m, complex: m } }
logging: { bodies: true }
`), func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	text := strings.Join(unused(c), "\n")
	for _, want := range []string{"providers.a.keys", "providers.a.params", "providers.a.system_prompt", "providers.b", "complexity", "cascade", "logging.bodies", "invite"} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "providers.c")
}

// pipe returns a log queue whose lines nobody reads until read is called, which reads as far as the text it is given.
func pipe(t *testing.T) (q *logQueue, read func(until string) string) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	q = newLogQueue(w)
	require.NoError(t, r.SetReadDeadline(time.Now().Add(20*time.Second)))
	return q, func(until string) string {
		var all strings.Builder
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			all.WriteString(line)
			if strings.Contains(line, until) {
				return all.String()
			}
		}
	}
}

func TestTheLogNeverWaitsForItsReader(t *testing.T) {
	t.Parallel()
	q, read := pipe(t)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	const lines = 20_000 // twenty megabytes, into a pipe of 64 KiB and a queue of eight
	began := time.Now()
	for range lines {
		n, err := q.Write(line)
		require.NoError(t, err)
		require.Equal(t, len(line), n)
	}
	assert.Less(t, time.Since(began), 2*time.Second)
	text := read(" log lines were dropped: nobody read them in time")
	assert.Less(t, strings.Count(text, "\n"), lines)
	for l := range strings.Lines(text) {
		require.True(t, strings.HasPrefix(l, "xxxx") && len(l) == 1024 || strings.Contains(l, "dropped"), "a line was torn")
	}
}

func TestTheLogIsWrittenToItsEnd(t *testing.T) {
	t.Parallel()
	q, read := pipe(t)
	for range 99 {
		_, _ = q.Write([]byte("line\n"))
	}
	_, _ = q.Write([]byte("last\n"))
	q.close()
	assert.Equal(t, 99, strings.Count(read("last"), "line\n"))
}

func TestAFileThatIsJustBeingWrittenIsNotReloaded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yml")
	r := reloader{app: &App{process: &Process{ConfigPath: path}}}
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, _, err := r.load()
	require.ErrorContains(t, err, "the file is empty")

	require.NoError(t, os.WriteFile(path, []byte("auth: { registration: closed }\n"), 0o600))
	c, _, err := r.load()
	require.NoError(t, err)
	assert.Equal(t, "closed", c.Auth.Registration)
}
