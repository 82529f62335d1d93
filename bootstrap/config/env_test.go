package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"monorelay/bootstrap/config"
)

func TestTheEnvironmentIsPutIntoScalars(t *testing.T) {
	t.Parallel()
	vars := []string{
		"NAME", "relay", "PORT", "9000", "ON", "false", "EMPTY", "", "INJECT", "x, evil: y\n  port: 1", "NESTED", "${NAME}",
		"LIMIT", "64MiB", "RATIO", "0.5",
	}
	t.Run("into text", func(t *testing.T) {
		t.Parallel()
		for in, want := range map[string]string{
			"${NAME}": "relay", "a-${NAME}-b": "a-relay-b", "${NAME}${NAME}": "relayrelay", "${NOT_SET:-d}": "d", "${EMPTY:-d}": "d",
			"${NAME:-d}": "relay", "${NOT_SET:-}": "", "${EMPTY}": "", "$NAME": "$NAME", "$${NAME}": "${NAME}", "$$${NAME}": "$${NAME}",
			"a$${b}${NAME}": "a${b}relay", "${NESTED}": "${NAME}", "${NOT_SET:-a:-b}": "a:-b", "$": "$", "}": "}", "{}": "{}",
			"${INJECT}": "x, evil: y\n  port: 1",
		} {
			c := parsed(t, "providers: {e: {provider_type: echo, system_prompt: '"+in+"'}}", vars...)
			require.Equal(t, want, c.Providers[0].SystemPrompt, in)
		}
	})
	t.Run("into other types, with or without quotes", func(t *testing.T) {
		t.Parallel()
		c := parsed(t, `
server: {port: "${PORT:-1}", body_limit: '${LIMIT}', access_key_enabled: "${ON}", cors_origins: ["http://${NAME}:${PORT}"]}
model_routing:
  global_params:
    params: {a: "${PORT}", b: '${NAME}'}
  model_params:
    - params:
        whole: ${PORT}
        ratio: ${RATIO}
        truth: ${ON}
        text: ${NAME}
        list: ${INJECT}
        literal: $${NAME}
`, vars...)
		require.Equal(t, 9000, c.Server.Port)
		require.EqualValues(t, 64<<20, c.Server.BodyLimit)
		require.False(t, c.Server.AccessKeyEnabled)
		require.Equal(t, []string{"http://relay:9000"}, c.Server.CORSOrigins)
		require.Equal(t, map[string]any{"a": "9000", "b": "relay"}, c.Routing.GlobalParams.Params)
		require.Equal(t, map[string]any{
			"whole": int64(9000), "ratio": 0.5, "truth": false, "text": "relay", "list": "x, evil: y\n  port: 1", "literal": "${NAME}",
		}, c.Routing.ModelParams[0].Params)
	})
	t.Run("an undefined variable is named", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []string{
			"config.yml:1:16: server.port: the environment variable NOT_SET is not set; set it, or write ${NOT_SET:-default}",
		}, mistakes(t, "server: {port: '${NOT_SET}'}"))
	})
	t.Run("what is no variable is refused", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []string{
			"config.yml:1:16: server.host: has ${ without }; write $${ for a literal ${",
			"config.yml:1:36: server.data_dir: has ${…} without a variable's name in it; write $${ for a literal ${",
			"config.yml:1:56: server.public_host: has ${…} inside the default of another, which is not expanded",
		}, mistakes(t, "server: {host: '${NAME', data_dir: '${}', public_host: '${A:-${B}}'}"))
	})
	t.Run("keys of mappings stay as they are", func(t *testing.T) {
		t.Parallel()
		c := parsed(t, "model_routing: {model_overrides: {'${NAME}': x}}", vars...)
		require.Equal(t, []config.Override{{Pattern: "${NAME}", Model: "x"}}, c.Routing.Overrides)
	})
}

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	t.Parallel()
	text := `
server: {port: "${NOT_SET}", host: localhost, cors_origins: ["https://a.test"], access_key: 0123456789abcdef, log_level: debug}
providers:
  open-router.v2:
    enabled: false
    base_url: https://a.test
    keys: [{key: k}]
  e: {provider_type: echo}
`
	c := parsed(t, text,
		"MONORELAY_SERVER_PORT", "9000",
		"MONORELAY_SERVER_ACCESS_KEY", "",
		"MONORELAY_SERVER_LOG_LEVEL", "",
		"MONORELAY_SERVER_DATA_DIR", "/d/${NOT_EXPANDED}",
		"MONORELAY_SERVER_CORS_ORIGINS", "https://b.test, http://c.test:1,",
		"MONORELAY_SERVER_TRUSTED_PROXIES", "10.0.0.0/8,::1",
		"MONORELAY_KEY_SELECTION_STRATEGY", "affinity",
		"MONORELAY_MODEL_ROUTING_CASCADE_MAX_RETRIES", "5",
		"MONORELAY_AUTH_ACCESS_TOKEN_TTL", "2h",
		"MONORELAY_DATABASE_URL", "mysql://db/relay",
		"MONORELAY_PROVIDERS_OPEN_ROUTER_V2_ENABLED", "true",
		"MONORELAY_PROVIDERS_OPEN_ROUTER_V2_BASE_URL", "https://b.test",
		"MONORELAY_PROVIDERS_OPEN_ROUTER_V2_RETRY_MAX_RETRIES", "9",
		"MONORELAY_PROVIDERS_OPEN_ROUTER_V2_MODELS_INCLUDE", "a*,b*",
	)
	require.Equal(t, 9000, c.Server.Port)
	require.Equal(t, "localhost", c.Server.Host)
	require.Empty(t, c.Server.AccessKey.Reveal(), "an empty variable is an empty text")
	require.Equal(t, "DEBUG", c.Server.LogLevel.String(), "an empty variable is no log level")
	require.Equal(t, "/d/${NOT_EXPANDED}", c.Server.DataDir)
	require.Equal(t, []string{"https://b.test", "http://c.test:1"}, c.Server.CORSOrigins)
	require.Len(t, c.Server.TrustedProxies, 2)
	require.Equal(t, "affinity", c.KeySelection.Strategy)
	require.Equal(t, 5, c.Routing.Cascade.MaxRetries)
	require.Equal(t, 2*time.Hour, c.Auth.AccessTokenTTL)
	require.Equal(t, "mysql://db/relay", c.DatabaseURL())
	require.True(t, c.Providers[0].Enabled)
	require.Equal(t, "https://b.test", c.Providers[0].BaseURL)
	require.Equal(t, 9, c.Providers[0].Retry.MaxRetries)
	require.Equal(t, []string{"a*", "b*"}, c.Providers[0].Include)
	require.True(t, c.Providers[1].Enabled)
}

func TestAMistakeInTheEnvironmentNamesTheVariable(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"config.yml:1:1: colour: unknown key",
		"MONORELAY_MODEL_ROUTING_COMPLEXITY_ENABLED: model_routing.complexity.enabled: want true or false; did you mean \"true\"?",
		"MONORELAY_PROVIDERS_A_B_TIMEOUT: providers.a-b.timeout: want a number of seconds or a duration such as 30s",
		"MONORELAY_PROVIDERS_A_B_TIMEOUT: providers.a.b.timeout: is ambiguous: the variable also stands for providers.a-b.timeout",
		"MONORELAY_SERVER_CORS_ORIGINS: server.cors_origins: must be \"*\" or an origin such as https://app.example.com, without a path",
		"MONORELAY_SERVER_JWT_SECRET: server.jwt_secret: must have at least 32 bytes; leave it empty to have one made",
		"MONORELAY_SERVER_PORT: server.port: want a whole number",
		"MONORELAY_SERVER_TRUSTED_PROXIES: server.trusted_proxies: want an address range such as 10.0.0.0/8",
	}, mistakes(t, "colour: 1\nproviders: {a-b: {provider_type: echo}, a.b: {provider_type: echo}}\n",
		"MONORELAY_SERVER_PORT", "many",
		"MONORELAY_SERVER_CORS_ORIGINS", "*,nonsense",
		"MONORELAY_SERVER_JWT_SECRET", "hunter2",
		"MONORELAY_SERVER_TRUSTED_PROXIES", "::1,x",
		"MONORELAY_MODEL_ROUTING_COMPLEXITY_ENABLED", "yes",
		"MONORELAY_PROVIDERS_A_B_TIMEOUT", "soon",
	))
}

func TestAMistakeInTheFileHidesNoneInTheEnvironment(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"config.yml:1:9: server: want a mapping, got a whole number",
		"MONORELAY_SERVER_JWT_SECRET: server.jwt_secret: must have at least 32 bytes; leave it empty to have one made",
	}, mistakes(t, "server: 1\n", "MONORELAY_SERVER_JWT_SECRET", "hunter2"))
}

func TestAnEmptyVariableIsNotBlamedForTheFile(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		`config.yml:1:26: server.cors_origins[0]: must be "*" or an origin such as https://app.example.com, without a path`,
	}, mistakes(t, "server: {cors_origins: [ nonsense ]}\n", "MONORELAY_SERVER_CORS_ORIGINS", ""))
}

func TestVariablesListsWhatHasAFixedPath(t *testing.T) {
	t.Parallel()
	all := config.Variables()
	require.Subset(t, all, []string{
		"MONORELAY_SERVER_PORT", "MONORELAY_SERVER_CORS_ORIGINS", "MONORELAY_DATABASE_URL", "MONORELAY_SERVER_JWT_SECRET",
		"MONORELAY_KEY_SELECTION_STRATEGY", "MONORELAY_MODEL_ROUTING_GLOBAL_PARAMS_SYSTEM_PROMPT", "MONORELAY_USAGE_SYNC",
	})
	require.NotContains(t, all, "MONORELAY_PROVIDERS")
	require.NotContains(t, all, "MONORELAY_MODEL_ROUTING_ALIASES")
	require.NotContains(t, all, "MONORELAY_PRICES")

	asked := map[string]bool{}
	_, _, err := config.Parse("config.yml", nil, func(name string) (string, bool) {
		asked[name] = true
		return "", false
	})
	require.NoError(t, err)
	for _, name := range all {
		require.True(t, asked[name], "%s is listed but not read", name)
	}
	require.Len(t, asked, len(all), "every variable that is read is listed")
}

func TestAVariableThatSetsNothingIsAWarning(t *testing.T) {
	t.Parallel()
	const file = "providers: {open-router: {base_url: 'https://a.test', keys: [{key: k}]}, off: {enabled: false}}\n"
	for name, want := range map[string]string{
		"MONORELAY_SERVER_PROT":                    "; did you mean MONORELAY_SERVER_PORT?",
		"MONORELAY_SERVER_port":                    "; did you mean MONORELAY_SERVER_PORT?",
		"MONORELAY_SERVER_":                        "",
		"MONORELAY_SERVER_COLOUR":                  "",
		"MONORELAY_MODEL_ROUTING_CASCADE_RETRIES":  "; did you mean MONORELAY_MODEL_ROUTING_CASCADE_MAX_RETRIES?",
		"MONORELAY_KEY_SELECTION_STRATEGIE":        "; did you mean MONORELAY_KEY_SELECTION_STRATEGY?",
		"MONORELAY_PRICES_GPT_INPUT":               "",
		"MONORELAY_PROVIDERS_OPEN_ROUTER_BAS_URL":  "; did you mean MONORELAY_PROVIDERS_OPEN_ROUTER_BASE_URL?",
		"MONORELAY_PROVIDERS_OPEN-ROUTER_BASE_URL": "; did you mean MONORELAY_PROVIDERS_OPEN_ROUTER_BASE_URL?",
		"MONORELAY_PROVIDERS_OPENROUTER_BASE_URL":  "; did you mean MONORELAY_PROVIDERS_OPEN_ROUTER_BASE_URL?",
		"MONORELAY_PROVIDERS_X_BASE_URL":           "; providers and their keys are added in the file",
		"MONORELAY_PROVIDERS_OPEN_ROUTER_KEYS_KEY": "; providers and their keys are added in the file",
	} {
		_, warnings, err := config.Parse("config.yml", []byte(file), env(), name+"=hunter2")
		require.NoError(t, err)
		require.Equal(t, []string{name + ": stands for no key, and so sets nothing" + want}, lines(warnings))
	}
	_, warnings, err := config.Parse("config.yml", []byte(file), env("MONORELAY_SERVER_PORT", "1"),
		"MONORELAY_SERVER_PORT=1", "MONORELAY_SERVER_HOST=", "MONORELAY_PROVIDERS_OPEN_ROUTER_BASE_URL=https://b.test",
		"MONORELAY_PROVIDERS_OFF_ENABLED=false", "MONORELAY_TEST_MYSQL_DSN=x", "MONORELAY_PUBLISH=x", "MONORELAY_SUBNET=x",
		"MONORELAY_JWT_SECRET=x", "MONORELAY_ACCESS_KEY=x", "MONORELAY_SETUP_TOKEN=x", "MONORELAY_VERSION=x", "MONORELAY_", "SERVER_PROT=1", "=C:=x",
		"XMONORELAY_SERVER_PROT=1", "")
	require.NoError(t, err)
	require.Empty(t, lines(warnings), "what sets a key, or belongs to others")
}

func TestAVariableThatSetsNothingIsNamedBesideTheMistakes(t *testing.T) {
	t.Parallel()
	_, warnings, err := config.Parse("config.yml", []byte("providers: {up: {keys: [{key: k, metadata: x}]}}\n"), env(),
		"MONORELAY_SERVER_PROT=1", "MONORELAY_PROVIDERS_UP_BAS_URL=x")
	require.EqualError(t, err,
		"config.yml:1:13: providers.up.base_url: must be set: an http or https URL such as https://api.openai.com/v1")
	require.Equal(t, []string{
		"config.yml:1:34: providers.up.keys[0].metadata: has no meaning here and is ignored",
		"MONORELAY_PROVIDERS_UP_BAS_URL: stands for no key, and so sets nothing; did you mean MONORELAY_PROVIDERS_UP_BASE_URL?",
		"MONORELAY_SERVER_PROT: stands for no key, and so sets nothing; did you mean MONORELAY_SERVER_PORT?",
	}, lines(warnings))

	_, warnings, err = config.Load("", env(), "MONORELAY_PROVIDERS_ECHO_TIMEOUT=5")
	require.NoError(t, err)
	require.Len(t, warnings, 1, "the built-in provider stands in no file")
	_, warnings, err = config.Load("testdata/full.yml", env("OPENROUTER_KEY", "k"), "MONORELAY_PROVIDERS_A_FIRST_TIMEOUT=5", "MONORELAY_USAGE_X=5")
	require.NoError(t, err)
	require.Len(t, warnings, 1)
}
