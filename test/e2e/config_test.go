package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

// command runs the program in a folder with this configuration.
func command(t *testing.T, config string, args ...string) fixture.Outcome {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o600))
	return fixture.Command(t, dir, "", nil, args...)
}

func TestCheckNamesEveryMistake(t *testing.T) {
	t.Parallel()
	hidden := secret("hidden")
	config := `server:
  port: 70000
  acess_key: ` + hidden + `
  jwt_secret: short
  body_limit: much
providers:
  one:
    base_url: ftp://example.com
    keys: [{ key: "", wieght: 2 }]
model_routing:
  aliases: { a: b, b: a }
  provider_mapping: { "gpt-*": oen }
`
	o := command(t, config, "check")
	assert.Equal(t, 1, o.Code)
	assert.Empty(t, o.Stdout)
	for _, line := range []string{
		`config.yml:2:9: server.port: must be between 1 and 65535`,
		`config.yml:3:3: server.acess_key: `, `did you mean "access_key"?`,
		`config.yml:4:15: server.jwt_secret: must have at least 32 bytes`,
		`config.yml:5:15: server.body_limit: `,
		`config.yml:8:15: providers.one.base_url: must be an http or https URL`,
		`config.yml:9:19: providers.one.keys[0].key: must be set`,
		`config.yml:9:23: providers.one.keys[0].wieght: `, `did you mean "weight"?`,
		`config.yml:11:17: model_routing.aliases.a: leads back to itself`,
		`config.yml:12:32: model_routing.provider_mapping`, `did you mean "one"?`,
	} {
		assert.Contains(t, o.Stderr, line)
	}
	assert.NotContains(t, o.Stderr, hidden)
	assert.NotContains(t, o.Stderr, "short;")

	broken := command(t, "server:\n  port: 1\n :bad\n", "check")
	assert.Equal(t, 1, broken.Code)
	assert.Regexp(t, `^config\.yml:\d+:\d+: .+\n$`, broken.Stderr)

	fine := command(t, "server: { port: 8080 }\n", "check")
	assert.Equal(t, fixture.Outcome{Code: 0, Stdout: "config.yml is fine\n"}, fine)
	missing := command(t, "", "check", "--config", "nowhere.yml")
	assert.Equal(t, fixture.Outcome{Code: 1, Stderr: "nowhere.yml: no such file\n"}, missing)
	nothing := fixture.Command(t, t.TempDir(), "", nil, "check")
	assert.Equal(t, 0, nothing.Code)
	environment := fixture.Command(t, t.TempDir(), "", []string{"MONORELAY_SERVER_PORT=x"}, "check")
	assert.Equal(t, 1, environment.Code)
	assert.Contains(t, environment.Stderr, "MONORELAY_SERVER_PORT: server.port: ")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		code int
	}{
		{nil, 2},
		{[]string{"--help"}, 0},
		{[]string{"serve", "--help"}, 0},
		{[]string{"user", "create", "--help"}, 0},
		{[]string{"version"}, 0},
		{[]string{"srve"}, 2},
		{[]string{"serve", "--prot", "1"}, 2},
		{[]string{"serve", "x"}, 2},
		{[]string{"check", "x"}, 2},
		{[]string{"migrate"}, 2},
		{[]string{"migrate", "sideways"}, 2},
		{[]string{"serve", "--port", "abc"}, 2},
		{[]string{"serve", "--config", "nowhere.yml"}, 1},
	} {
		o := fixture.Command(t, t.TempDir(), "", nil, tt.args...)
		assert.Equal(t, tt.code, o.Code, "%v: %s", tt.args, o.Stderr)
		if tt.code == 0 {
			assert.NotEmpty(t, o.Stdout, tt.args)
			assert.Empty(t, o.Stderr, tt.args)
		} else {
			assert.Empty(t, o.Stdout, tt.args)
			assert.Regexp(t, `^[^\n]+\n$`, o.Stderr, "%v", tt.args)
		}
	}
}

func TestServeRefusesToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	hidden := secret("hidden")
	at, found := strings.CutPrefix(fixture.MySQL(t), "mysql://")
	require.True(t, found)
	_, at, found = strings.Cut(at, "@")
	require.True(t, found)
	for name, tt := range map[string]struct {
		config string
		args   []string
		says   string
	}{
		"a broken file":                            {"server: { prot: 1 }\n", nil, `config.yml:1:11: server.prot: `},
		"a port that is taken":                     {"server: {}\n", []string{"--port", port}, "can't listen on 127.0.0.1 port " + port},
		"a weak secret":                            {"server: { jwt_secret: hidden-jwt }\n", nil, "server.jwt_secret: must have at least 32 bytes"},
		"an example's secret":                      {"server: { jwt_secret: change-me-change-me-change-me-change-me-hidden }\n", nil, "server.jwt_secret: comes from an example"},
		"a data folder that can't be":              {"server: { data_dir: /proc/none/data }\n", []string{"--port", "0"}, "server.data_dir"},
		"a data folder in a file":                  {"server: { data_dir: config.yml/data }\n", []string{"--port", "0"}, "server.data_dir"},
		"a database file in no folder that can be": {"server: { access_key: " + hidden + ", jwt_secret: " + hidden + hidden + " }\ndatabase: { url: 'sqlite://config.yml/x.db' }\n", []string{"--port", "0"}, "database"},
		"a wrong password":                         {"server: { access_key: " + hidden + " }\ndatabase: { url: 'mysql://alice:" + hidden + "@" + at + "' }\n", []string{"--port", "0"}, "refuses"},
		"a database that is not there":             {"database: { url: 'mysql://" + "root@" + strings.Split(at, "/")[0] + "/no_such_database' }\n", []string{"--port", "0"}, "refuses"},
	} {
		t.Run(name, func(t *testing.T) {
			o := command(t, tt.config, append([]string{"serve"}, tt.args...)...)
			assert.Equal(t, 1, o.Code)
			assert.Empty(t, o.Stdout)
			assert.Contains(t, o.Stderr, tt.says)
			assert.Regexp(t, `^[^\n]+\n$`, o.Stderr, "one line")
			assert.NotContains(t, o.Stderr, "hidden-")
			assert.NotContains(t, o.Stderr, "-hidden")
		})
	}
}

func TestNoConfigurationAtAll(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, "")
	assert.Contains(t, p.Stdout(), "MonoRelay listens on "+p.URL+"\nAccess key: "+p.AccessKey+"\n")
	answer := shell(t, p, printedCurl(t, p))
	assert.Equal(t, 200, answer.Status)
	assert.Equal(t, "Hello", answer.Text("choices.0.message.content"))
	for _, name := range []string{"access_key", "jwt_secret", "monorelay.db"} {
		info, err := os.Stat(filepath.Join(p.Dir, "data", name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	alice := register(t, p, "alice")
	assert.Equal(t, 0, p.Stop(t))

	again := fixture.Launch(t, fixture.Options{Dir: p.Dir})
	again.Await(t)
	assert.Equal(t, p.AccessKey, again.AccessKey)
	assert.NotContains(t, again.Stdout(), again.AccessKey, "the key is shown once")
	assert.Equal(t, 200, shell(t, again, printedCurl(t, again)).Status)
	assert.Equal(t, 200, again.Do(t, "GET", "/api/auth/me", "", alice.bearer()).Status, "tokens live on")
	events := again.Do(t, "POST", chatPath, strings.Replace(streamed, "ping", "one two", 1), again.Key())
	assert.Equal(t, "text/event-stream", events.Header.Get("Content-Type"))
	assert.True(t, strings.HasSuffix(events.Body, "data: [DONE]\n\n"))
}

var curlLine = regexp.MustCompile(`(?s)\n  (curl .*?)\n\n`)

func printedCurl(t *testing.T, p *fixture.Process) string {
	t.Helper()
	found := curlLine.FindStringSubmatch(p.Stdout())
	require.NotNil(t, found, p.Stdout())
	return found[1]
}

// TestTheConfigurationIsReloaded measures how soon it counts.
func TestTheConfigurationIsReloaded(t *testing.T) { //nolint:paralleltest // it measures
	u := fixture.NewUpstream(t)
	config := configuration(u, parts{})
	p := start(t, u, config)
	old := p.Key()
	streams, finish := underWay(t, p, u, 3)
	status := func(key string) int { return p.Do(t, "GET", "/v1/models", "", key).Status }
	require.Equal(t, 200, status(old))

	changed := configuration(u, parts{rest: "model_routing: { aliases: { fast: m } }\n"})
	p.Configure(t, changed)
	took := eventually(t, time.Second, "the new key counts", func() bool { return status(p.Key()) == 200 })
	assert.Equal(t, 401, status(old))
	t.Logf("the new key counted after %v", took.Round(time.Millisecond))

	for mistake, says := range map[string]string{
		changed + "nonsense: 1\n":                           "config.yml:8:1: nonsense: ",
		strings.Replace(changed, "server:", "server: [", 1): "config.yml:",
		changed + "auth: { access_token_ttl: never }\n":     "config.yml:8:27: auth.access_token_ttl: ",
	} {
		p.Configure(t, mistake)
		eventually(t, time.Second, "the mistake is named", func() bool {
			return strings.Contains(p.Do(t, "GET", "/health", "").Text("config_error"), says)
		})
		assert.Equal(t, 200, status(p.Key()), "the one before stays in force")
		assert.Equal(t, "ok", p.Do(t, "GET", "/health", "").Text("status"))
		assert.Equal(t, 200, p.Do(t, "GET", "/ready", "").Status)
	}
	eventually(t, time.Second, "the mistake is logged", func() bool { return strings.Contains(p.Stderr(), "8:1: nonsense") })
	require.NoError(t, os.Remove(filepath.Join(p.Dir, "config.yml")))
	eventually(t, time.Second, "the loss is named", func() bool {
		return strings.Contains(p.Do(t, "GET", "/health", "").Text("config_error"), "no such file")
	})

	p.Configure(t, changed)
	eventually(t, time.Second, "the mistake is forgotten", func() bool { return p.Do(t, "GET", "/health", "").Text("config_error") == "" })
	finish()
	for _, s := range streams {
		rest, err := s.rest()
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(rest, "data: [DONE]\n\n"), "a stream goes on")
	}

	// In place, as some editors write, and by a signal.
	last := configuration(u, parts{server: []string{"access_key_enabled: false"}})
	require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "config.yml"), []byte(last), 0o600))
	eventually(t, time.Second, "the switch counts", func() bool {
		return p.Do(t, "GET", "/v1/models", "", p.Key()).Text("error.code") == "access_key_disabled"
	})
	before := strings.Count(p.Stderr(), "the configuration was reloaded")
	p.Signal(t, syscall.SIGHUP)
	eventually(t, time.Second, "the signal is heard", func() bool {
		return strings.Count(p.Stderr(), "the configuration was reloaded") > before
	})
}
