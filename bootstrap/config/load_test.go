package config_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"monorelay/bootstrap/config"
)

// env is an environment that holds these pairs and nothing else.
func env(pairs ...string) func(string) (string, bool) {
	vars := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		vars[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, set := vars[name]
		return value, set
	}
}

// parsed parses a text that has no mistake.
func parsed(t *testing.T, text string, pairs ...string) config.Config {
	t.Helper()
	c, _, err := config.Parse("config.yml", []byte(text), env(pairs...))
	require.NoError(t, err)
	return c
}

// mistakes parses a text and returns the lines of its mistakes.
func mistakes(t *testing.T, text string, pairs ...string) []string {
	t.Helper()
	c, _, err := config.Parse("config.yml", []byte(text), env(pairs...))
	if err == nil {
		return nil
	}
	require.Equal(t, config.Config{}, c, "a wrong configuration is not returned")
	var mistakes config.Mistakes
	require.ErrorAs(t, err, &mistakes)
	return strings.Split(err.Error(), "\n")
}

func lines(warnings []config.Warning) []string {
	var out []string
	for _, w := range warnings {
		out = append(out, w.String())
	}
	return out
}

func TestDefaultIsWhatTheManualSays(t *testing.T) {
	t.Parallel()
	want := config.Config{
		Server: config.Server{
			Host: "127.0.0.1", Port: 8787, AccessKeyEnabled: true, DataDir: "./data", BodyLimit: 32 << 20,
			ShutdownGrace: 30 * time.Second, LogFormat: "auto", StreamKeepalive: 15 * time.Second,
		},
		Auth: config.Auth{
			Registration: "open", PasswordPolicy: "basic",
			AccessTokenTTL: 24 * time.Hour, RefreshTokenTTL: 168 * time.Hour,
		},
		Database: config.Database{Migrate: true},
		Providers: []config.Provider{{
			Name: "echo", Enabled: true, Type: "echo", RateLimitCooldown: time.Minute, Timeout: 2 * time.Minute,
			Retry: config.Retry{
				Enabled: true, MaxRetries: 3, RetryOnStatus: []int{429, 500, 502, 503, 504},
				BackoffFactor: 1.5, BackoffMax: time.Minute,
			},
		}},
		Routing: config.Routing{
			Cascade:      config.Cascade{MaxRetries: 2},
			GlobalParams: config.GlobalParams{Mode: "default"},
		},
		KeySelection: config.KeySelection{Strategy: "round-robin"},
		ToolCalling:  config.ToolCalling{AutoDowngrade: true},
		Logging:      config.Logging{Enabled: true, MaxAgeDays: 30, ContentPreviewLength: 200},
		Metrics:      config.Metrics{Listen: "127.0.0.1:9787"},
		Usage:        config.Usage{Sync: "group"},
	}
	require.Equal(t, want, config.Default())
	for _, text := range []string{"", "# nothing\n", "---\n", "null\n", "server:\nproviders: ~\n", "\ufeff"} {
		require.Equal(t, want, parsed(t, text), "%q", text)
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	config.Default().Providers[0].Retry.RetryOnStatus[0] = 1
	require.Equal(t, 429, config.Default().Providers[0].Retry.RetryOnStatus[0])
}

func TestTheEmbeddedDatabaseLivesInTheDataDirectory(t *testing.T) {
	t.Parallel()
	require.Equal(t, "sqlite://data/monorelay.db", config.Default().DatabaseURL())
	require.Equal(t, "sqlite:///var/lib/relay/monorelay.db", parsed(t, "server: {data_dir: /var/lib/relay/}").DatabaseURL())
	require.Equal(t, "mysql://u:p@db/relay", parsed(t, `database: {url: "mysql://u:p@db/relay"}`).DatabaseURL())
}

func TestEveryKeyOfTheManualIsRead(t *testing.T) {
	t.Parallel()
	c, warnings, err := config.Load("testdata/full.yml", env("OPENROUTER_KEY", "sk-or-v1-0123456789abcdef"))
	require.NoError(t, err)
	require.Empty(t, lines(warnings))
	require.Equal(t, config.Config{
		Server: config.Server{
			Host: "::1", Port: 0, AccessKey: "0123456789abcdef0123456789abcdef",
			JWTSecret: "fedcba9876543210fedcba9876543210", DataDir: "/srv/relay", PublicHost: "https://relay.test",
			CORSOrigins: []string{"https://app.test:8443", "http://localhost:3000"},
			TrustedProxies: []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("fd00::/8"),
			},
			BodyLimit: 512 << 10, ShutdownGrace: 90 * time.Second, LogLevel: slog.LevelWarn, LogFormat: "json",
			StreamKeepalive: 5 * time.Second,
		},
		Auth: config.Auth{
			Registration: "invite", SetupToken: "setup-token-value", PasswordPolicy: "strict",
			AccessTokenTTL: time.Hour, RefreshTokenTTL: 48 * time.Hour,
		},
		Database: config.Database{URL: "mysql://relay:p%40ss@db.test:3306/monorelay?tls=true"},
		Providers: []config.Provider{
			{
				Name: "openrouter", Enabled: true, Type: "openai", BaseURL: "https://openrouter.ai/api/v1",
				Keys: []config.Key{{
					Key: "sk-or-v1-0123456789abcdef", Label: "main", Weight: 3, Enabled: true, RateLimitRPS: 2.5,
					QuotaLimit: 1000, ExpiresAt: time.Date(2030, 12, 31, 22, 59, 59, 0, time.UTC),
					Windows: config.Windows{FiveHours: 5, Day: 10, Week: 70},
				}},
				Headers:           []config.Header{{Name: "X-Title", Value: "MonoRelay"}, {Name: "A-First", Value: "no, second"}},
				RateLimitCooldown: 45 * time.Second, Timeout: 90 * time.Second, AllowPrivate: true,
				Include: []string{"gpt-*"}, Exclude: []string{"*-preview", "*-beta"},
				Params: map[string]any{
					"temperature": 0.5, "top_k": int64(40), "stream": true, "stop": []any{"END", nil},
					"metadata": map[string]any{"source": "relay", "version": "1", "since": "2024-01-01"},
				},
				SystemPrompt: "Be brief.",
				Retry: config.Retry{
					Enabled: false, MaxRetries: 1, RetryOnStatus: []int{503}, BackoffFactor: 2, BackoffMax: 1500 * time.Millisecond,
				},
				CostPerMInput: 0.15, CostPerMOutput: 0.6,
			},
			{
				Name: "a-first", Enabled: true, Type: "echo", RateLimitCooldown: time.Minute, Timeout: 2 * time.Minute,
				Retry: config.Default().Providers[0].Retry,
			},
		},
		Routing: config.Routing{
			Aliases: []config.Alias{
				{Name: "quick", Targets: []string{"openai/gpt-4o-mini"}}, {Name: "best", Targets: []string{"quick", "gpt-4o"}},
			},
			ProviderMapping: []config.Mapping{{Pattern: "z-*", Provider: "a-first"}, {Pattern: "*", Provider: "openrouter"}},
			Overrides:       []config.Override{{Pattern: "gpt-4", Model: "gpt-4o"}, {Pattern: "a", Model: "b"}},
			Complexity:      config.Complexity{Enabled: true, Simple: "s", Moderate: "m", Complex: "c"},
			Cascade:         config.Cascade{Enabled: true, Models: []string{"m1", "m2"}, MaxRetries: 4},
			PayloadTransformation: config.PayloadTransformation{Enabled: true, Rules: []config.PayloadRule{{
				Models:         []string{"gpt-4o-*"},
				InjectParams:   map[string]any{"user": "relay"},
				OverrideParams: map[string]any{"thinking.budget_tokens": int64(1024)},
			}}},
			GlobalParams: config.GlobalParams{
				Enabled: true, Mode: "override", Params: map[string]any{"seed": int64(7)}, SystemPrompt: "Hello.",
			},
			ModelParams: []config.ModelParams{{Pattern: "claude-*", Params: map[string]any{"top_p": 0.9}, SystemPrompt: "Hi."}},
		},
		KeySelection: config.KeySelection{Strategy: "least-busy"},
		ToolCalling:  config.ToolCalling{UnsupportedModels: []string{"llama-*"}},
		Logging:      config.Logging{Bodies: true, MaxAgeDays: 7, ContentPreviewLength: 80},
		Metrics:      config.Metrics{},
		Redis:        config.Redis{URL: "rediss://:pw@cache.test:6380/1"},
		Usage:        config.Usage{Sync: "always"},
		Prices: map[string]config.Price{
			"openai/gpt-4o": {Input: 2.5, Output: 10, CachedInput: 1.25},
			"own model":     {Input: 1, Output: 2, CachedInput: 1},
			"free-cache":    {Input: 1, Output: 2, CachedInput: 0},
		},
	}, c)
}

func TestAFileOfThePythonProgramLoads(t *testing.T) {
	t.Parallel()
	c, warnings, err := config.Load("testdata/legacy.yml", env())
	require.NoError(t, err)
	require.Equal(t, []string{
		"testdata/legacy.yml:5:15: server.access_key: is short or comes from an example, and so is easily guessed; make one with: openssl rand -hex 32",
		"testdata/legacy.yml:19:9: providers.openrouter.keys[0].quota_used: has no meaning here and is ignored; so it is in line 29",
		"testdata/legacy.yml:20:9: providers.openrouter.keys[0].metadata: has no meaning here and is ignored; so it is in line 30",
		"testdata/legacy.yml:34:5: providers.openrouter.cloaking: has no meaning here and is ignored",
		"testdata/legacy.yml:36:5: providers.openrouter.test_model: has no meaning here and is ignored",
		"testdata/legacy.yml:37:5: providers.openrouter.console_url: has no meaning here and is ignored",
		"testdata/legacy.yml:52:5: providers.nvidia.web_reverse: has no meaning here and is ignored",
		"testdata/legacy.yml:69:3: providers.chatgpt_web: the provider type web_reverse has no counterpart here; the provider is left out",
		"testdata/legacy.yml:81:3: model_routing.enabled: has no meaning here and is ignored",
		"testdata/legacy.yml:82:3: model_routing.mode: has no meaning here and is ignored",
		`testdata/legacy.yml:93:18: model_routing.provider_mapping["chatgpt-*"]: names a provider that is left out; the mapping is left out too`,
		"testdata/legacy.yml:126:3: logging.db_path: has no meaning here and is ignored",
		"testdata/legacy.yml:130:1: sync: has no meaning here and is ignored",
		"testdata/legacy.yml:134:1: sso: has no meaning here and is ignored",
	}, lines(warnings))

	require.Equal(t, "0.0.0.0", c.Server.Host)
	require.Equal(t, slog.LevelInfo, c.Server.LogLevel)
	require.Equal(t, []string{"*"}, c.Server.CORSOrigins)
	var providers []string
	for _, p := range c.Providers {
		providers = append(providers, fmt.Sprintf("%s %s %t", p.Name, p.Type, p.Enabled))
	}
	require.Equal(t, []string{
		"openrouter openai true", "nvidia openai true", "openai openai false", "anthropic anthropic false",
	}, providers)
	require.Equal(t, config.Key{
		Key: "sk-or-v1-your-openrouter-key", Label: "main", Weight: 2, Enabled: true,
		Windows: config.Windows{FiveHours: 1000, Day: 5000, Week: 20000},
	}, c.Providers[0].Keys[0])
	require.Equal(t, []config.Mapping{
		{Pattern: "gpt-*", Provider: "openrouter"},
		{Pattern: "claude-*", Provider: "anthropic"},
		{Pattern: "llama-*", Provider: "nvidia"},
	}, c.Routing.ProviderMapping)
	require.Empty(t, c.Routing.PayloadTransformation.Rules)
	require.Empty(t, c.Routing.Overrides)
}

func TestAnIgnoredKeyIsNamedOnceHoweverOftenItStands(t *testing.T) {
	t.Parallel()
	warned := func(text string) []string {
		_, warnings, err := config.Parse("config.yml", []byte(text), env())
		require.NoError(t, err)
		return lines(warnings)
	}
	text := "providers:\n  e:\n    provider_type: echo\n    keys:\n" + strings.Repeat("    - {quota_used: 1}\n", 3)
	require.Equal(t, []string{
		"config.yml:5:8: providers.e.keys[0].quota_used: has no meaning here and is ignored; so it is in lines 6, 7",
	}, warned(text))
	require.Equal(t, []string{
		"config.yml:5:8: providers.e.keys[0].quota_used: has no meaning here and is ignored; so it is in lines 6, 7, 8, 9, 10 and 2 more",
	}, warned(text+strings.Repeat("    - {quota_used: 1}\n", 5)))
}

func TestTheProviderTypeFollowsTheAddress(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"base_url: https://api.anthropic.com":                                "anthropic",
		"base_url: https://API.anthropic.com/v1":                             "anthropic",
		"{provider_type: api, base_url: https://api.anthropic.com}":          "anthropic",
		"{provider_type: openai, base_url: https://api.anthropic.com/v1}":    "openai",
		"{provider_type: api, base_url: https://openrouter.ai/api/v1}":       "openai",
		"base_url: https://openrouter.ai/api/v1":                             "openai",
		"base_url: https://api.anthropic.com.evil.test":                      "openai",
		"{provider_type: anthropic, base_url: https://openrouter.ai/api/v1}": "anthropic",
	} {
		c := parsed(t, "providers:\n  p:\n    <<: "+strings.ReplaceAll(flow(lines), "\n", " ")+"\n    keys: [{key: k}]\n")
		require.Equal(t, want, c.Providers[0].Type, lines)
	}
}

func flow(text string) string {
	if strings.HasPrefix(text, "{") {
		return text
	}
	return "{" + text + "}"
}

func TestAFileThatCannotBeReadIsOneClearLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, _, err := config.Load(filepath.Join(dir, "none.yml"), env())
	require.EqualError(t, err, filepath.Join(dir, "none.yml")+": no such file")
	_, _, err = config.Load(dir, env())
	require.EqualError(t, err, dir+": is a directory, not a configuration file")
	_, _, err = config.Load(filepath.Join(dir, "none.yml", "config.yml"), env())
	require.EqualError(t, err, filepath.Join(dir, "none.yml", "config.yml")+": no such file")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	_, _, err = config.Load(filepath.Join(dir, "file", "config.yml"), env())
	require.EqualError(t, err, filepath.Join(dir, "file", "config.yml")+": can't be read: not a directory")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "big"), make([]byte, 5<<20), 0o600))
	_, _, err = config.Load(filepath.Join(dir, "big"), env())
	require.EqualError(t, err, filepath.Join(dir, "big")+":1:1: is larger than 1 MiB")
}

func TestWithoutAFileTheEnvironmentStillCounts(t *testing.T) {
	t.Parallel()
	c, warnings, err := config.Load("", env("MONORELAY_SERVER_PORT", "9000"))
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, 9000, c.Server.Port)
	require.Equal(t, "echo", c.Providers[0].Type)
}
