package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"monorelay/bootstrap/config"
)

func TestMistakesSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	const provider = "providers:\n  up:\n    base_url: https://up.test/v1\n    keys: [{key: k1}]\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{
			"an unknown key hints at the nearest", "server:\n  prot: 1\n",
			[]string{`config.yml:2:3: server.prot: unknown key; did you mean "port"?`},
		},
		{
			"a key spelled with dashes and capitals hints at the right one", "server: {Access-Key: x}\n",
			[]string{`config.yml:1:10: server.Access-Key: unknown key; did you mean "access_key"?`},
		},
		{
			"an unknown key with nothing near has no hint", "colour: red\n",
			[]string{"config.yml:1:1: colour: unknown key"},
		},
		{
			"a misspelled key is not reported as missing too", "providers: {up: {baseurl: 'http://x.test', keys: [{key: k}]}}\n",
			[]string{`config.yml:1:18: providers.up.baseurl: unknown key; did you mean "base_url"?`},
		},
		{
			"a value in the place of a key is not shown", "server: {access_key:hunter2secret}\n",
			[]string{"config.yml:1:10: server: has a key that is not known; its name is not shown, it may be a value"},
		},
		{
			"a misspelled key does not hide a mistake in the right one", "server: {jwt_secert: x, jwt_secret: y}\n",
			[]string{
				`config.yml:1:10: server.jwt_secert: unknown key; did you mean "jwt_secret"?`,
				"config.yml:1:37: server.jwt_secret: must have at least 32 bytes; leave it empty to have one made",
			},
		},
		{
			"a lone word in braces is not shown", "providers: {e: {provider_type: echo, keys: [{sesame}]}}\n",
			[]string{"config.yml:1:46: providers.e.keys[0]: has a key that is not known; its name is not shown, it may be a value"},
		},
		{
			"nothing in a list of mappings", "providers: {e: {provider_type: echo, keys: [null]}}\n",
			[]string{"config.yml:1:45: providers.e.keys[0]: want a mapping, got nothing"},
		},
		{
			"a scalar in a list of mappings, and for one", "providers: {e: {provider_type: echo, keys: [k], headers: x}}\n",
			[]string{
				"config.yml:1:45: providers.e.keys[0]: want a mapping, got text",
				"config.yml:1:58: providers.e.headers: want a mapping, got text",
			},
		},
		{
			"a mapping for a list of mappings, and for an alias", "providers: {e: {provider_type: echo, keys: {}}}\nmodel_routing: {aliases: {a: {}}}\n",
			[]string{
				"config.yml:1:44: providers.e.keys: want a list, got a mapping",
				"config.yml:2:30: model_routing.aliases.a: want text or a list of texts, got a mapping",
			},
		},
		{
			"a negative size", "server: {body_limit: -5MiB}\n",
			[]string{"config.yml:1:22: server.body_limit: must be between 1 and 1TiB"},
		},
		{
			"an access key that no server takes", "server: {access_key: " + strings.Repeat("a", 8193) + "}\n",
			[]string{"config.yml:1:22: server.access_key: must not be longer than 8 KiB"},
		},
		{
			"an entry that stands twice, with a name of any kind", "prices: {a b: {}, a b: {}}\n",
			[]string{"config.yml:1:19: prices: has a key that stands twice; the first is in line 1"},
		},
		{
			"text for a whole number", "server:\n  port: many\n",
			[]string{"config.yml:2:9: server.port: want a whole number, got text"},
		},
		{
			"a fraction for a whole number", "server: {port: 80.5}\n",
			[]string{"config.yml:1:16: server.port: want a whole number, got a number"},
		},
		{
			"a list for a scalar", "server: {port: [80]}\n",
			[]string{"config.yml:1:16: server.port: want a whole number, got a list"},
		},
		{
			"a scalar for a mapping", "server: 80\n",
			[]string{"config.yml:1:9: server: want a mapping, got a whole number"},
		},
		{
			"a scalar for a list", "server: {cors_origins: '*'}\n",
			[]string{"config.yml:1:24: server.cors_origins: want a list, got text"},
		},
		{
			"nothing in a list", "tool_calling: {unsupported_models: [a, null]}\n",
			[]string{"config.yml:1:40: tool_calling.unsupported_models[1]: want text, got nothing"},
		},
		{
			"a port out of range", "server: {port: 65536}\n",
			[]string{"config.yml:1:16: server.port: must be between 1 and 65535, or 0 for any free port"},
		},
		{
			"a negative port", "server: {port: -1}\n",
			[]string{"config.yml:1:16: server.port: must be between 1 and 65535, or 0 for any free port"},
		},
		{
			"a number no integer holds", "providers: {e: {provider_type: echo, keys: [{quota_limit: 99999999999999999999}]}}\n",
			[]string{"config.yml:1:59: providers.e.keys[0].quota_limit: is too large"},
		},
		{
			"a negative number", "providers: {e: {provider_type: echo, keys: [{quota_limit: -5}]}}\n",
			[]string{"config.yml:1:59: providers.e.keys[0].quota_limit: must not be negative"},
		},
		{
			"an infinite number", "prices: {m: {input: .inf, output: .NaN, cached_input: 1e999}}\n",
			[]string{
				"config.yml:1:21: prices.m.input: must be a finite number",
				"config.yml:1:35: prices.m.output: must be a finite number",
				"config.yml:1:55: prices.m.cached_input: must be between 0 and 1000000",
			},
		},
		{
			"yes and off for truth values", "server: {access_key_enabled: yes}\nlogging: {bodies: Off}\n",
			[]string{
				`config.yml:1:30: server.access_key_enabled: want true or false; did you mean "true"?`,
				`config.yml:2:19: logging.bodies: want true or false; did you mean "false"?`,
			},
		},
		{
			"text for a truth value", "logging: {bodies: maybe}\n",
			[]string{"config.yml:1:19: logging.bodies: want true or false, got text"},
		},
		{
			"a duration without unit", "server: {shutdown_grace: 30}\n",
			[]string{"config.yml:1:26: server.shutdown_grace: want a duration such as 30s or 24h, got a whole number"},
		},
		{
			"durations out of bounds", "server: {shutdown_grace: -1s, stream_keepalive: 0s}\nauth: {access_token_ttl: 0s}\n",
			[]string{
				"config.yml:1:26: server.shutdown_grace: must be between 0 and 24h",
				"config.yml:1:49: server.stream_keepalive: must be between 1ms and 24h",
				"config.yml:2:26: auth.access_token_ttl: must be between 1s and 87600h",
			},
		},
		{
			"seconds that no duration holds", provider + "    timeout: 1e300\n    rate_limit_cooldown: -1\n",
			[]string{
				"config.yml:5:14: providers.up.timeout: must be between 1ms and 24h",
				"config.yml:6:26: providers.up.rate_limit_cooldown: must be between 0 and 8760h",
			},
		},
		{
			"sizes", "server: {body_limit: 32 parsecs}\n",
			[]string{"config.yml:1:22: server.body_limit: want a size such as 32MiB"},
		},
		{
			"a size that overflows", "server: {body_limit: 99999999999TiB}\n",
			[]string{"config.yml:1:22: server.body_limit: must be between 1 and 1TiB"},
		},
		{
			"a size that wraps around to one that is allowed", "server: {body_limit: 16777217TiB}\n",
			[]string{"config.yml:1:22: server.body_limit: must be between 1 and 1TiB"},
		},
		{
			"an alias that has no anchor", "server: {host: *here}\n",
			[]string{"config.yml:1:16: is not valid YAML: an alias without its anchor; quote a text that begins with *"},
		},
		{
			"a size of nothing", "server: {body_limit: 0}\n",
			[]string{"config.yml:1:22: server.body_limit: must be between 1 and 1TiB"},
		},
		{
			"a word out of a list hints at the nearest", "key_selection: {strategy: least_busy}\n",
			[]string{"config.yml:1:27: key_selection.strategy: must be one of round-robin, random, weighted, least-busy, affinity; did you mean \"least-busy\"?"},
		},
		{
			"a log level that is none", "server: {log_level: loud}\n",
			[]string{"config.yml:1:21: server.log_level: want debug, info, warn or error"},
		},
		{
			"what is of another kind than text", "server: {log_level: [loud], body_limit: 1.5, shutdown_grace: true, trusted_proxies: [8]}\n" +
				"providers: {e: {provider_type: echo, keys: [{expires_at: {}, rate_limit_rps: fast}]}}\n",
			[]string{
				"config.yml:1:21: server.log_level: want debug, info, warn or error, got a list",
				"config.yml:1:41: server.body_limit: want a size such as 32MiB, got a number",
				"config.yml:1:62: server.shutdown_grace: want a duration such as 30s or 24h, got true or false",
				"config.yml:1:86: server.trusted_proxies[0]: want an address range such as 10.0.0.0/8, got a whole number",
				"config.yml:2:58: providers.e.keys[0].expires_at: want a time such as 2030-12-31T23:59:59Z, got a mapping",
				"config.yml:2:78: providers.e.keys[0].rate_limit_rps: want a number, got text",
			},
		},
		{
			"a duration that is none", "server: {shutdown_grace: soon}\n",
			[]string{"config.yml:1:26: server.shutdown_grace: want a duration such as 30s or 24h"},
		},
		{
			"a time and an address range that are none", "server: {trusted_proxies: [10.0.0.0/33]}\n" +
				"providers: {e: {provider_type: echo, keys: [{expires_at: tomorrow}]}}\n",
			[]string{
				"config.yml:1:28: server.trusted_proxies[0]: want an address range such as 10.0.0.0/8",
				"config.yml:2:58: providers.e.keys[0].expires_at: want a time such as 2030-12-31T23:59:59Z",
			},
		},
		{
			"all mistakes at once, in the order of the file", "server:\n  prot: 1\n  port: x\ncolour: {}\nserver2: 1\n",
			[]string{
				`config.yml:2:3: server.prot: unknown key; did you mean "port"?`,
				"config.yml:3:9: server.port: want a whole number, got text",
				"config.yml:4:1: colour: unknown key",
				`config.yml:5:1: server2: unknown key; did you mean "server"?`,
			},
		},
		{
			"a key that stands twice", "server:\n  port: 1\n  host: h\n  port: 2\n",
			[]string{"config.yml:4:3: server.port: stands twice; the first is in line 2"},
		},
		{
			"a provider that stands twice", provider + "  up:\n    provider_type: echo\n",
			[]string{"config.yml:5:3: providers.up: stands twice; the first is in line 2"},
		},
		{
			"a key that is no text", "? [1, 2]\n: 3\n",
			[]string{"config.yml:1:3: has a key that is not plain text"},
		},
		{
			"several documents", "server: {port: 1}\n---\nserver: {port: 2}\n",
			[]string{"config.yml:2:1: a second YAML document begins here; only one is read"},
		},
		{
			"a file that is no mapping", "- server\n",
			[]string{"config.yml:1:1: want a mapping at the top, got a list"},
		},
		{
			"a file that is one word", "server\n",
			[]string{"config.yml:1:1: want a mapping at the top, got text"},
		},
		{
			"broken YAML", "server:\n  port: 1: 2\n",
			[]string{"config.yml:2:10: is not valid YAML: mapping values are not allowed in this context"},
		},
		{
			"a list that is never closed", "server: {port: [1\n",
			[]string{"config.yml:2:1: is not valid YAML: did not find expected ',' or ']' while parsing a flow sequence"},
		},
		{
			"a file of another encoding", "server:\n  host: caf\xe9\n",
			[]string{"config.yml:2:12: is not UTF-8 text"},
		},
		{
			"a NUL", "server:\n  host: \x00\n",
			[]string{"config.yml:2:9: has a control character here"},
		},
		{
			"a tag of another program", "server: {host: !!python/object:os.system x}\n",
			[]string{"config.yml:1:16: has a YAML tag that is not known here; quote a text that begins with !"},
		},
		{
			"a provider without an address", "providers:\n  up:\n    keys: [{key: k}]\n",
			[]string{"config.yml:2:3: providers.up.base_url: must be set: an http or https URL such as https://api.openai.com/v1"},
		},
		{
			"a provider without anything", "providers: {up: }\n",
			[]string{
				"config.yml:1:13: providers.up.base_url: must be set: an http or https URL such as https://api.openai.com/v1",
				"config.yml:1:13: providers.up.keys: needs an enabled key; or set enabled: false",
			},
		},
		{
			"a provider without a key", "providers:\n  up:\n    base_url: https://up.test/v1\n",
			[]string{"config.yml:2:3: providers.up.keys: needs an enabled key; or set enabled: false"},
		},
		{
			"a provider whose keys are all disabled", "providers:\n  up:\n    base_url: https://up.test/v1\n    keys: [{key: k, enabled: false}]\n",
			[]string{"config.yml:4:5: providers.up.keys: needs an enabled key; or set enabled: false"},
		},
		{
			"a provider with neither a right address nor a key", "providers:\n  up:\n    base_url: ftp://up.test\n",
			[]string{
				"config.yml:2:3: providers.up.keys: needs an enabled key; or set enabled: false",
				"config.yml:3:15: providers.up.base_url: must be an http or https URL such as https://api.openai.com/v1",
			},
		},
		{
			"a provider on this machine with a wrong address needs no key",
			"providers: {a: {base_url: 'ftp://localhost'}, b: {base_url: 'localhost:11434/v1'}, c: {base_url: 'http://10.0.0.1?x'}}\n",
			[]string{
				"config.yml:1:27: providers.a.base_url: must be an http or https URL such as https://api.openai.com/v1",
				"config.yml:1:61: providers.b.base_url: must be an http or https URL such as https://api.openai.com/v1",
				"config.yml:1:98: providers.c.base_url: must not have a query or a fragment",
			},
		},
		{
			"an address that can't be known may be of this machine", "providers: {up: {base_url: '${NOT_SET}'}}\n",
			[]string{
				"config.yml:1:28: providers.up.base_url: the environment variable NOT_SET is not set; set it, or write ${NOT_SET:-default}",
			},
		},
		{
			"providers and aliases that differ in case only",
			"providers:\n  up: {provider_type: echo}\n  UP: {enabled: false}\nmodel_routing: {aliases: {a: x, b: y, A: z}}\n",
			[]string{
				"config.yml:3:3: providers.UP: stands twice; the case of a provider's name makes no difference",
				"config.yml:4:42: model_routing.aliases.A: stands twice; the case of an alias makes no difference",
			},
		},
		{
			"a key without a key", "providers:\n  up:\n    base_url: https://up.test/v1\n    keys: [{label: k}]\n",
			[]string{"config.yml:4:12: providers.up.keys[0].key: must be set; or set enabled: false"},
		},
		{
			"a key that no header can carry", "providers:\n  up:\n    base_url: https://up.test/v1\n    keys: [{key: \"abc\\n\"}]\n",
			[]string{"config.yml:4:18: providers.up.keys[0].key: has a control character or a space at an end, which no request can carry"},
		},
		{
			"an anthropic provider on this machine needs a key", "providers: {up: {provider_type: anthropic, base_url: 'http://localhost:1'}}\n",
			[]string{"config.yml:1:13: providers.up.keys: needs an enabled key; or set enabled: false"},
		},
		{
			"a provider's name with a space", "providers:\n  my up: {provider_type: echo}\n",
			[]string{`config.yml:2:3: providers["my up"]: a provider's name has 1 to 64 of letters, digits and . _ -`},
		},
		{
			"a mapping to no provider hints at the nearest", provider + "model_routing: {provider_mapping: {'gpt-*': pu}}\n",
			[]string{`config.yml:5:45: model_routing.provider_mapping["gpt-*"]: there is no provider of that name; did you mean "up"?`},
		},
		{
			"aliases that go round", "model_routing:\n  aliases:\n    a: b\n    b: [x, C]\n    c: A\n    d: a\n    e: e\n",
			[]string{
				`config.yml:3:8: model_routing.aliases.a: leads back to itself: "a" -> "b" -> "c" -> "a"`,
				`config.yml:7:8: model_routing.aliases.e: leads back to itself: "e" -> "e"`,
			},
		},
		{
			"an alias for nothing", "model_routing: {aliases: {a: [], b: ''}}\n",
			[]string{
				"config.yml:1:27: model_routing.aliases.a: must name a model, or several",
				"config.yml:1:37: model_routing.aliases.b: must name a model, or several",
			},
		},
		{
			"complexity routing without models", "model_routing: {complexity: {enabled: true, simple: s}}\n",
			[]string{
				"config.yml:1:17: model_routing.complexity.complex: must name a model while complexity routing is enabled",
				"config.yml:1:17: model_routing.complexity.moderate: must name a model while complexity routing is enabled",
			},
		},
		{
			"params that JSON has no word for", "model_routing: {global_params: {params: {a: {b: [.nan]}}}}\n",
			[]string{"config.yml:1:50: model_routing.global_params.params.a.b[0]: must be a finite number"},
		},
		{
			"an empty host", "server: {host: ''}\n",
			[]string{"config.yml:1:16: server.host: must be an IP address or a host name, without port; 0.0.0.0 listens on every address"},
		},
		{
			"a JWT secret that is short", "server: {jwt_secret: 0123456789abcdef0123456789abcde}\n",
			[]string{"config.yml:1:22: server.jwt_secret: must have at least 32 bytes; leave it empty to have one made"},
		},
		{
			"a JWT secret out of a manual", "server: {jwt_secret: please-CHANGE_ME-please-0123456789abcdef}\n",
			[]string{"config.yml:1:22: server.jwt_secret: comes from an example, so anyone can forge tokens; leave it empty to have one made"},
		},
		{
			"an access key that no client can send", "server: {access_key: \"0123456789abcdef\\n\"}\n",
			[]string{"config.yml:1:22: server.access_key: has a control character or a space at an end, which no client could send"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, mistakes(t, tt.text))
		})
	}
}

func TestAddressesAreChecked(t *testing.T) {
	t.Parallel()
	base := func(url string) string {
		return "providers:\n  up:\n    keys: [{key: k}]\n    base_url: '" + url + "'\n"
	}
	tests := []struct {
		path       string
		text       func(value string) string
		good, evil []string
	}{
		{
			path: "providers.up.base_url", text: base,
			good: []string{
				"https://up.test", "http://10.0.0.1:8080/v1/", "http://[::1]:1", "HTTPS://up.test/v1", "http://up_1:80",
			},
			evil: []string{
				"ftp://up.test", "up.test/v1", "https://", "https:///v1", "https://u:hunter2@up.test", "https://up.test?key=hunter2",
				"https://up.test/#hunter2", "https://up.test:99999", "https://up.test:x", "https://up test", "//up.test", "https://up.test/a b",
				"https://up.test?", "https://up.test#", "https://%zz", "mailto:a@b.test",
			},
		},
		{
			path: "database.url", text: func(v string) string { return "database: {url: '" + v + "'}\n" },
			good: []string{
				"sqlite://data/x.db", "sqlite:///var/x.db", "sqlite://:memory:", "mysql://u:p@db:3306/relay", "mysql://db/relay?tls=false",
				"mariadb://db/relay?tls=true", "mysql://db/relay?tls=skip-verify", "mysql://db/relay?tls=preferred", "mysql://db/relay?", "mysql://u:p%23%40@[::1]:3306/relay",
			},
			evil: []string{
				"postgres://u:hunter2@db/relay", "sqlite://", "sqlite:x.db", "data/x.db", "mysql://u:hunter2@/relay", "mysql://u:hunter2@db",
				"mysql://u:hunter2@db/", "mysql://u:hunter2@db/a/b", "mysql://u:hunter2#x@db/relay", "mysql://u:hunter2@db:port/relay",
				"mysql://u:hunter2/x@db/relay", "mysql://u:%zzhunter2@db/relay", "u:hunter2@tcp(db)/relay", "mysql://u:hunter2@db/relay#x",
				"sqlite://x.db?mode=hunter2", "sqlite://x.db#hunter2", "mysql://db/relay?tls=hunter2", "mysql://db/relay?tls=", "mysql://db/relay?TLS=true",
				"mysql://db/relay?charset=hunter2", "mysql://db/relay?tls=true&x=hunter2", "mysql://db/relay?tls=true&tls=true",
				"mysql://db/relay?tls=true;x", "mysql://db/relay?tls=%zz", "mysql://u:p@db/hunter2@x",
			},
		},
		{
			path: "redis.url", text: func(v string) string { return "redis: {url: '" + v + "'}\n" },
			good: []string{"redis://cache:6379", "rediss://:pw@cache:6379/1", ""},
			evil: []string{"http://cache", "redis://", "cache:6379", "redis://:hunter2%zz@cache"},
		},
		{
			path: "metrics.listen", text: func(v string) string { return "metrics: {listen: '" + v + "'}\n" },
			good: []string{"", ":9787", "127.0.0.1:0", "[::1]:9787", "localhost:9787"},
			evil: []string{"9787", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:http", "::1:9787x", "a b:1"},
		},
		{
			path: "server.cors_origins[0]", text: func(v string) string { return "server: {cors_origins: ['" + v + "']}\n" },
			good: []string{"*", "https://app.test", "http://localhost:3000", "http://[::1]:3000"},
			evil: []string{"", "app.test", "https://app.test/", "https://app.test/x", "https://*", "null", "https://u@app.test", "ftp://app.test"},
		},
		{
			path: "server.public_host", text: func(v string) string { return "server: {public_host: '" + v + "'}\n" },
			good: []string{"", "relay.test", "relay.test:8443", "https://relay.test/base", "192.0.2.1", "::1", "http://[::1]:80"},
			evil: []string{"relay test", "ftp://relay.test", "https://u:hunter2@relay.test", "https://relay.test?x", "/", "https://"},
		},
		{
			path: "server.host", text: func(v string) string { return "server: {host: '" + v + "'}\n" },
			good: []string{"0.0.0.0", "::", "localhost", "relay.test"},
			evil: []string{"", "localhost:80", "http://localhost", "[::1]", "a b", "-x"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			for _, value := range tt.good {
				require.Empty(t, mistakes(t, tt.text(value)), value)
			}
			for _, value := range tt.evil {
				got := mistakes(t, tt.text(value))
				require.Len(t, got, 1, value)
				require.Contains(t, got[0], ": "+tt.path+": ", value)
				require.NotContains(t, got[0], "hunter2")
			}
		})
	}
}

func TestProvidersOnThisMachineNeedNoKey(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]int{
		"localhost": 0, "ollama.localhost": 0, "LOCALHOST": 0, "127.0.0.1": 0, "[::1]": 0, "192.168.1.2": 0, "10.0.0.1": 0,
		"172.16.0.1": 0, "[fd00::1]": 0, "[::ffff:10.0.0.1]": 0,
		"8.8.8.8": 1, "localhost.evil.test": 1, "up.test": 1, "172.32.0.1": 1,
	} {
		require.Len(t, mistakes(t, "providers: {up: {base_url: 'http://"+host+":11434/v1'}}"), want, host)
	}
}

func TestForcedHeaders(t *testing.T) {
	t.Parallel()
	text := func(header string) string {
		return "providers: {e: {provider_type: echo, headers: {" + header + "}}}\n"
	}
	for _, good := range []string{"X-Title: a", "x_y: 'a, b'", `X-A: "caf\u00e9"`, "X-Empty: ''", `X-Tab: "a\tb"`, "X-Null: null"} {
		require.Empty(t, mistakes(t, text(good)), good)
	}
	for _, evil := range []string{
		"Host: a", "content-length: 1", "Authorization: hunter2", "Connection: close", "Keep-Alive: 1", "TE: x", "Trailer: x",
		"Transfer-Encoding: x", "upgrade: x", "Proxy-Authorization: hunter2", "Proxy-Connection: x", "Proxy-Authenticate: x",
		"'X Title': a", "'X:': a", "'': a", `X-A: "hunter2\r\nEvil: 1"`, `X-A: "\u007f"`, "X-A: 'hunter2 '", "X-A: 1, x-a: 2",
	} {
		got := mistakes(t, text(evil))
		require.Len(t, got, 1, evil)
		require.Contains(t, got[0], ": providers.e.headers", evil)
		require.NotContains(t, got[0], "hunter2")
	}
}

func TestADisabledProviderMayBeUnfinished(t *testing.T) {
	t.Parallel()
	c := parsed(t, `
providers:
  up: {enabled: false, base_url: "${NOT_SET}/v1", timeout: "${NOT_SET}", keys: [{key: "${NOT_SET}", label: x}]}
  down: {enabled: "${SWITCH:-false}"}
  e: {provider_type: echo, keys: [{enabled: false, key: "${NOT_SET}"}]}
model_routing: {provider_mapping: {"*": up}}
`)
	require.Len(t, c.Providers, 3)
	require.False(t, c.Providers[0].Enabled)
	require.False(t, c.Providers[1].Enabled)

	require.Equal(t, []string{
		"config.yml:1:43: providers.up.timeout: want a number of seconds or a duration such as 30s",
	}, mistakes(t, "providers: {up: {enabled: false, timeout: soon}}"), "but not wrong")
}

func TestAliasBombsAreBounded(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("model_routing:\n  global_params:\n    params:\n      a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		last := "*a" + string(rune('0'+(i-1)%10))
		bomb.WriteString("      a" + string(rune('0'+i%10)) + strings.Repeat("_", i/10) + ": &a" + string(rune('0'+i%10)) +
			" [" + strings.Repeat(last+", ", 9) + last + "]\n")
	}
	got := mistakes(t, bomb.String())
	require.Len(t, got, 1)
	require.Contains(t, got[0], "has more than 100,000 values with its aliases expanded")

	got = mistakes(t, "server: &s\n  host: [*s]\n")
	require.Len(t, got, 1)
	require.Contains(t, got[0], "is nested more than 64 levels deep, or an alias holds itself")

	got = mistakes(t, strings.Repeat("[", 5000))
	require.Len(t, got, 1)
	got = mistakes(t, "a: "+strings.Repeat("[", 5000)+strings.Repeat("]", 5000))
	require.Len(t, got, 1)
	require.Contains(t, got[0], "is nested more than 64 levels deep")
}

func TestAliasesAndMergeKeysWork(t *testing.T) {
	t.Parallel()
	c := parsed(t, `
providers:
  a: &a {base_url: "https://a.test/v1", timeout: 5, keys: &keys [{key: k}]}
  b: {<<: *a, timeout: 7}
  c: {<<: [{timeout: 9}, *a], keys: *keys}
`)
	require.Len(t, c.Providers, 3)
	for i, seconds := range []float64{5, 7, 9} {
		require.Equal(t, "https://a.test/v1", c.Providers[i].BaseURL)
		require.InDelta(t, seconds, c.Providers[i].Timeout.Seconds(), 0)
		require.Len(t, c.Providers[i].Keys, 1)
	}
	require.Equal(t, []string{
		`config.yml:1:25: providers.a.tmeout: unknown key; did you mean "timeout"?`,
		`config.yml:1:25: providers.b.tmeout: unknown key; did you mean "timeout"?`,
	}, mistakes(t, "providers: {e: &e {<<: {tmeout: 1}, provider_type: echo}, a: *e, b: *e}")[0:2])
}

func TestNoMessageShowsASecret(t *testing.T) {
	t.Parallel()
	const canary = "hunter2canary"
	for _, text := range []string{
		"server: {access_key: " + canary + "}",
		"server: {access_key: [" + canary + "]}",
		"server: {access_key: {" + canary + ": 1}}",
		"server: {access_key: *" + canary + "}",
		"server: {access_key: !" + canary + " x}",
		"server: {access_key: !!" + canary + " x}",
		"server: {access_key: !" + canary + "!x y}",
		"server: {access_key: '" + canary + "}",
		"server: {access_key: \"" + canary + "\\q\"}",
		"server: {access_key: %" + canary + "}",
		"server: {access_key: @" + canary + "}",
		"server: {access_key: &" + canary + " *" + canary + "}",
		"server: {access_key: a, access_key: " + canary + "}",
		"server: {access_key: \"" + canary + "\\0\"}",
		"server: {access_key: '${" + canary + "'}",
		"server: {access_key: '${" + canary + "$}'}",
		"server: {access_key:" + canary + "}",
		"server: {jwt_secret: " + canary + "}",
		"server: {jwt_secret: change-me-change-me-change-me-" + canary + "}",
		"server:\n  access_key: x\n " + canary + ": y\n",
		"server: " + canary,
		canary,
		"- " + canary,
		"auth: {setup_token: [" + canary + "]}",
		"database: {url: 'mysql://u:" + canary + "@h'}",
		"database: {url: 'mysql://u:" + canary + "%zz@h/x'}",
		"database: {url: '" + canary + "'}",
		"redis: {url: '" + canary + "'}",
		"providers: {up: {base_url: 'https://u:" + canary + "@x.test', keys: [{key: [" + canary + "]}]}}",
		"providers: {up: {base_url: 'https://x.test', keys: [" + canary + "]}}",
		"providers: {up: {base_url: 'https://x.test', keys: " + canary + "}}",
		"providers: {up: {base_url: 'https://x.test', keys: [{key: \"" + canary + "\\n\"}]}}",
		"providers: {e: {provider_type: echo, headers: {X-Key: \"" + canary + "\\n\"}}}",
		"model_routing: {provider_mapping: {a: " + canary + "}}",
		"server: {port: " + canary + ", log_level: " + canary + ", log_format: " + canary + ", trusted_proxies: [" + canary + "]}",
	} {
		_, warnings, err := config.Parse("config.yml", []byte(text), env())
		messages := strings.Join(lines(warnings), "\n")
		if err != nil {
			messages += err.Error()
		}
		require.NotEmpty(t, messages, text)
		require.NotContains(t, messages, canary, text)
	}
}

func TestAWeakAccessKeyIsAWarningOnly(t *testing.T) {
	t.Parallel()
	for key, weak := range map[string]bool{
		"your-secret-access-key": true, "change-me": true, "prisma-relay-change-me": true, "tiny7": true, "0123456789abcde": true,
		"0123456789abcdef": false, "": false,
	} {
		c, warnings, err := config.Parse("config.yml", []byte("server: {access_key: '"+key+"'}"), env())
		require.NoError(t, err, key)
		require.Equal(t, key, c.Server.AccessKey.Reveal())
		if !weak {
			require.Empty(t, warnings, key)
			continue
		}
		require.Len(t, warnings, 1, key)
		require.Equal(t, "server.access_key", warnings[0].Path)
		require.NotContains(t, warnings[0].String(), key)
	}
	_, warnings, err := config.Parse("", nil, env("MONORELAY_SERVER_ACCESS_KEY", "short-1"))
	require.NoError(t, err)
	require.Equal(t, []string{
		"MONORELAY_SERVER_ACCESS_KEY: server.access_key: is short or comes from an example, and so is easily guessed; make one with: openssl rand -hex 32",
	}, lines(warnings))
}
