// Package config reads config.yml and the environment into one plain value, Config, that the rest of
// the program is wired from. It owns what the keys are called, what they may hold and what they are
// when nobody set them; it must not know who uses them.
//
// The struct tree below is the schema: its tags are all that the walker (decode.go) knows.
//
//	yaml     the key in the file; "a.b" reaches into a section that has no struct of its own,
//	         "*" is the key an element of a mapping stands under, "." that element's whole value
//	default  the value when nobody set it, written as in the file (lists with commas)
//	min, max the bounds, written as in the file; a number without min must not be negative
//	says     what to answer to a value out of bounds, where "between min and max" would mislead
//	enum     the values allowed, separated by "|"
//	unit     "bytes" for sizes; "seconds" where a plain number is taken as seconds
//	single   a lone text is taken as a list of one
//
// Checks that need more than one value are in check.go.
package config

import (
	"log/slog"
	"net/netip"
	"path"
	"path/filepath"
	"reflect"
	"time"
)

// Config is everything an operator can set. It shares nothing with any other Config, so that a reload
// can swap it in one step; who holds one must not change it.
type Config struct {
	Server       Server       `yaml:"server"`
	Auth         Auth         `yaml:"auth"`
	Database     Database     `yaml:"database"`
	Providers    []Provider   `yaml:"providers"`
	Routing      Routing      `yaml:"model_routing"`
	KeySelection KeySelection `yaml:"key_selection"`
	ToolCalling  ToolCalling  `yaml:"tool_calling"`
	Logging      Logging      `yaml:"logging"`
	Metrics      Metrics      `yaml:"metrics"`
	Redis        Redis        `yaml:"redis"`
	Usage        Usage        `yaml:"usage"`
	// Prices by model name, over the built-in table.
	Prices map[string]Price `yaml:"prices"`
}

// Server is how the relay listens and how it is reached.
type Server struct {
	Host string `yaml:"host" default:"127.0.0.1"`
	// Port 0 asks the system for a free one.
	Port             int      `yaml:"port" default:"8787" max:"65535" says:"must be between 1 and 65535, or 0 for any free port"`
	AccessKey        Secret   `yaml:"access_key"`
	AccessKeyEnabled bool     `yaml:"access_key_enabled" default:"true"`
	JWTSecret        Secret   `yaml:"jwt_secret"`
	DataDir          string   `yaml:"data_dir" default:"./data"`
	PublicHost       string   `yaml:"public_host"`
	CORSOrigins      []string `yaml:"cors_origins"`
	// TrustedProxies are masked; a bare address in the file is a prefix of one address here.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	// BodyLimit is in bytes.
	BodyLimit       int64         `yaml:"body_limit" default:"32MiB" unit:"bytes" min:"1" max:"1TiB"`
	ShutdownGrace   time.Duration `yaml:"shutdown_grace" default:"30s" max:"24h"`
	LogLevel        slog.Level    `yaml:"log_level" default:"info"`
	LogFormat       string        `yaml:"log_format" default:"auto" enum:"auto|text|json"`
	StreamKeepalive time.Duration `yaml:"stream_keepalive" default:"15s" min:"1ms" max:"24h"`
}

// Auth is how accounts come to be and how long their tokens live.
type Auth struct {
	Registration    string        `yaml:"registration" default:"open" enum:"open|invite|closed"`
	SetupToken      Secret        `yaml:"setup_token"`
	PasswordPolicy  string        `yaml:"password_policy" default:"basic" enum:"basic|strict"`
	AccessTokenTTL  time.Duration `yaml:"access_token_ttl" default:"24h" min:"1s" max:"87600h"`
	RefreshTokenTTL time.Duration `yaml:"refresh_token_ttl" default:"168h" min:"1s" max:"87600h"`
}

// Database is where accounts, sessions and usage are kept.
type Database struct {
	// URL is empty unless set: Config.DatabaseURL knows where the embedded database then lives.
	URL     Secret `yaml:"url"`
	Migrate bool   `yaml:"migrate" default:"true"`
}

// Provider is one upstream, with its keys and what is forced into its requests.
type Provider struct {
	Name    string `yaml:"*"`
	Enabled bool   `yaml:"enabled" default:"true"`
	// Type is openai, anthropic or echo.
	Type              string         `yaml:"provider_type" enum:"openai|anthropic|echo|api"`
	BaseURL           string         `yaml:"base_url"`
	Keys              []Key          `yaml:"keys"`
	Headers           []Header       `yaml:"headers"`
	RateLimitCooldown time.Duration  `yaml:"rate_limit_cooldown" default:"60s" unit:"seconds" max:"8760h"`
	Timeout           time.Duration  `yaml:"timeout" default:"120s" unit:"seconds" min:"1ms" max:"24h"`
	AllowPrivate      bool           `yaml:"allow_private" default:"false"`
	Include           []string       `yaml:"models.include"`
	Exclude           []string       `yaml:"models.exclude"`
	Params            map[string]any `yaml:"params"`
	SystemPrompt      string         `yaml:"system_prompt"`
	Retry             Retry          `yaml:"retry"`
	// CostPerMInput and CostPerMOutput are USD per million tokens.
	CostPerMInput  float64 `yaml:"cost_per_m_input" max:"1000000"`
	CostPerMOutput float64 `yaml:"cost_per_m_output" max:"1000000"`
}

// Key is one credential of a provider. Zero limits mean no limit.
type Key struct {
	Key     Secret `yaml:"key"`
	Label   string `yaml:"label" default:"default"`
	Weight  int    `yaml:"weight" default:"1" max:"1000000"`
	Enabled bool   `yaml:"enabled" default:"true"`
	// RateLimitRPS is requests per second.
	RateLimitRPS float64 `yaml:"rate_limit_rps" max:"1000000"`
	// QuotaLimit is requests in the key's whole life.
	QuotaLimit int64 `yaml:"quota_limit"`
	// ExpiresAt is UTC; zero if the key does not expire.
	ExpiresAt time.Time `yaml:"expires_at"`
	Windows   Windows   `yaml:"usage_window_limits"`
}

// Windows are the most requests a key may make in a sliding window; zero means no limit.
type Windows struct {
	FiveHours int64 `yaml:"window_5h"`
	Day       int64 `yaml:"window_1d"`
	Week      int64 `yaml:"window_7d"`
}

// Header is sent with every request to a provider.
type Header struct {
	Name  string `yaml:"*"`
	Value string `yaml:"."`
}

// Retry is how often and how patiently one provider is tried again.
type Retry struct {
	Enabled       bool          `yaml:"enabled" default:"true"`
	MaxRetries    int           `yaml:"max_retries" default:"3" max:"100"`
	RetryOnStatus []int         `yaml:"retry_on_status" default:"429,500,502,503,504" min:"400" max:"599"`
	BackoffFactor float64       `yaml:"backoff_factor" default:"1.5" max:"100"`
	BackoffMax    time.Duration `yaml:"backoff_max" default:"60s" unit:"seconds" max:"24h"`
}

// Routing is which provider and model serve a request for a model.
type Routing struct {
	// Aliases have no cycles.
	Aliases []Alias `yaml:"aliases"`
	// ProviderMapping names only providers that exist, enabled or not; the first match decides.
	ProviderMapping       []Mapping             `yaml:"provider_mapping"`
	Overrides             []Override            `yaml:"model_overrides"`
	Complexity            Complexity            `yaml:"complexity"`
	Cascade               Cascade               `yaml:"cascade"`
	PayloadTransformation PayloadTransformation `yaml:"payload_transformation"`
	GlobalParams          GlobalParams          `yaml:"global_params"`
	ModelParams           []ModelParams         `yaml:"model_params"`
}

// Alias is another name for a model, or for several that are tried in order.
type Alias struct {
	Name    string   `yaml:"*"`
	Targets []string `yaml:"." single:"true"`
}

// Mapping sends the models that match a glob pattern to a provider.
type Mapping struct {
	Pattern  string `yaml:"*"`
	Provider string `yaml:"."`
}

// Override replaces the models that match a glob pattern by another one.
type Override struct {
	Pattern string `yaml:"*"`
	Model   string `yaml:"."`
}

// Complexity picks a model by how hard a request looks.
type Complexity struct {
	Enabled  bool   `yaml:"enabled" default:"false"`
	Simple   string `yaml:"simple"`
	Moderate string `yaml:"moderate"`
	Complex  string `yaml:"complex"`
}

// Cascade lists the models that are tried when every other choice failed.
type Cascade struct {
	Enabled    bool     `yaml:"enabled" default:"false"`
	Models     []string `yaml:"models"`
	MaxRetries int      `yaml:"max_retries" default:"2" max:"100"`
}

// PayloadTransformation changes request bodies by model.
type PayloadTransformation struct {
	Enabled bool          `yaml:"enabled" default:"false"`
	Rules   []PayloadRule `yaml:"rules"`
}

// PayloadRule adds (inject) or replaces (override) fields in the requests of models that match a glob
// pattern. Dotted keys reach into nested objects.
type PayloadRule struct {
	Models         []string       `yaml:"models"`
	InjectParams   map[string]any `yaml:"inject_params"`
	OverrideParams map[string]any `yaml:"override_params"`
}

// GlobalParams go into every request body.
type GlobalParams struct {
	Enabled bool `yaml:"enabled" default:"false"`
	// Mode says which side wins where the client's request has the field too: "default" leaves the
	// client's value, "override" replaces it.
	Mode         string         `yaml:"mode" default:"default" enum:"default|override"`
	Params       map[string]any `yaml:"params"`
	SystemPrompt string         `yaml:"system_prompt"`
}

// ModelParams go into the request bodies of the models that match a glob pattern.
type ModelParams struct {
	Pattern      string         `yaml:"model_pattern"`
	Params       map[string]any `yaml:"params"`
	SystemPrompt string         `yaml:"system_prompt"`
}

// KeySelection is how a provider's next key is picked.
type KeySelection struct {
	Strategy string `yaml:"strategy" default:"round-robin" enum:"round-robin|random|weighted|least-busy|affinity"`
}

// ToolCalling is what happens to tools when a model can't use them.
type ToolCalling struct {
	AutoDowngrade     bool     `yaml:"auto_downgrade" default:"true"`
	UnsupportedModels []string `yaml:"unsupported_models"`
}

// Logging is what the request log keeps, and how long.
type Logging struct {
	Enabled    bool `yaml:"enabled" default:"true"`
	Bodies     bool `yaml:"bodies" default:"false"`
	MaxAgeDays int  `yaml:"max_age_days" default:"30" max:"36500"`
	// ContentPreviewLength is in characters.
	ContentPreviewLength int `yaml:"content_preview_length" default:"200" max:"1000000"`
}

// Metrics is where Prometheus finds the metrics; no address, no listener.
type Metrics struct {
	Listen string `yaml:"listen" default:"127.0.0.1:9787"`
}

// Redis is what replicas share limits, cooldowns and revocations through; empty: they share nothing.
type Redis struct {
	URL Secret `yaml:"url"`
}

// Usage is how usage records reach the disk: synced in groups, or each before the answer ends.
type Usage struct {
	Sync string `yaml:"sync" default:"group" enum:"group|always"`
}

// Price is USD per million tokens.
type Price struct {
	Input  float64 `yaml:"input" max:"1000000"`
	Output float64 `yaml:"output" max:"1000000"`
	// CachedInput is Input where the file doesn't say.
	CachedInput float64 `yaml:"cached_input" max:"1000000"`
}

// Default returns the configuration of an empty file and an empty environment. Its one provider is
// the built-in echo, so that a fresh installation answers its first request.
func Default() Config {
	var c Config
	reset(reflect.ValueOf(&c).Elem(), schema)
	echo := Provider{Name: "echo", Type: TypeEcho}
	reset(reflect.ValueOf(&echo).Elem(), describe(reflect.TypeFor[Provider]()))
	echo.Type = TypeEcho
	c.Providers = []Provider{echo}
	return c
}

// DatabaseURL returns where the database is: the URL that was set, or the embedded database under the
// data directory.
func (c Config) DatabaseURL() string {
	if c.Database.URL != "" {
		return c.Database.URL.Reveal()
	}
	return "sqlite://" + path.Join(filepath.ToSlash(c.Server.DataDir), "monorelay.db")
}
