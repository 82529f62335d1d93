package bootstrap

import (
	"fmt"
	"sync/atomic"

	"monorelay/adapters/password"
	"monorelay/bootstrap/config"
	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/provider"
	"monorelay/domain/routing"
	"monorelay/ports"
)

// Live is what a reload changes in one step. Requests under way go on with what they began with.
type Live struct {
	current atomic.Pointer[settings]
	mistake atomic.Pointer[string] // what was wrong with the last reload, if anything was
}

// settings is one configuration in the domain's words.
type settings struct {
	access       credential.AccessPolicy
	registration account.Registration
	table        *routing.Table
}

// NewLive returns the settings of the process's configuration.
func NewLive(p *Process) (*Live, error) {
	l := new(Live)
	return l, l.apply(p.Config, p.Secrets)
}

func (l *Live) apply(c config.Config, s Secrets) error {
	table, err := newTable(c)
	if err != nil {
		return err
	}
	l.current.Store(&settings{
		access:       credential.NewAccessPolicy(s.AccessKey, c.Server.AccessKeyEnabled),
		registration: account.NewRegistration(c.Auth.Registration == "open", passwordPolicy(c), c.Auth.SetupToken.Reveal()),
		table:        table,
	})
	return nil
}

func passwordPolicy(c config.Config) account.PasswordPolicy {
	if c.Auth.PasswordPolicy == "strict" {
		return account.PasswordPolicy{IsCommon: password.IsCommon}
	}
	return account.PasswordPolicy{}
}

// NewAccessPolicy returns the policy for the access key.
func NewAccessPolicy(l *Live) ports.AccessPolicy {
	return func() credential.AccessPolicy { return l.current.Load().access }
}

// NewRegistration returns the policy for new accounts.
func NewRegistration(l *Live) ports.Registration {
	return func() account.Registration { return l.current.Load().registration }
}

// NewRoutingTable returns the table of models and providers.
func NewRoutingTable(l *Live) ports.RoutingTable {
	return func() *routing.Table { return l.current.Load().table }
}

// NewConfigMistake returns what was wrong with the last reload.
func NewConfigMistake(l *Live) ports.ConfigMistake {
	return func() string {
		if m := l.mistake.Load(); m != nil {
			return *m
		}
		return ""
	}
}

// newTable puts the configured providers and rules into the domain's words.
func newTable(c config.Config) (*routing.Table, error) {
	t := routing.Tables{Aliases: map[string][]string{}}
	for _, p := range c.Providers {
		if !p.Enabled || p.Type == config.TypeAnthropic {
			continue // ignored names the latter in a warning
		}
		made, err := newProvider(p)
		if err != nil {
			return nil, fmt.Errorf("provider %s: %w", p.Name, err)
		}
		t.Providers = append(t.Providers, made)
	}
	for _, a := range c.Routing.Aliases {
		t.Aliases[a.Name] = a.Targets
	}
	for _, o := range c.Routing.Overrides {
		t.Overrides = append(t.Overrides, routing.Rule{Pattern: o.Pattern, Target: o.Model})
	}
	for _, m := range c.Routing.ProviderMapping {
		t.Mapping = append(t.Mapping, routing.Rule{Pattern: m.Pattern, Target: m.Provider})
	}
	return routing.NewTable(t), nil
}

func newProvider(p config.Provider) (*provider.Provider, error) {
	out := &provider.Provider{
		Name: p.Name, Dialect: provider.OpenAI, Timeout: p.Timeout, AllowPrivate: p.AllowPrivate,
		Models: provider.NewFilter(p.Include, p.Exclude),
	}
	for _, h := range p.Headers {
		out.Headers = append(out.Headers, provider.Header{Name: h.Name, Value: h.Value})
	}
	if p.Type == config.TypeEcho {
		out.Dialect = provider.Echo
		return out, nil
	}
	var err error
	if out.Base, err = provider.ParseBase(p.BaseURL); err != nil {
		return nil, err
	}
	if keys := enabledKeys(p); len(keys) > 0 {
		out.Key = provider.NewSecret(keys[0].Key.Reveal())
	}
	return out, nil
}

func enabledKeys(p config.Provider) []config.Key {
	var out []config.Key
	for _, k := range p.Keys {
		if k.Enabled {
			out = append(out, k)
		}
	}
	return out
}

// unused names, one sentence each, what the configuration asks for and this version does not do yet.
func unused(c config.Config) []string {
	var out []string
	say := func(asked bool, format string, args ...any) {
		if asked {
			out = append(out, fmt.Sprintf(format, args...)+" is not used by this version")
		}
	}
	for _, p := range c.Providers {
		if !p.Enabled {
			continue
		}
		say(p.Type == config.TypeAnthropic, "providers.%s: a provider of type anthropic", p.Name)
		say(len(enabledKeys(p)) > 1, "providers.%s.keys: what follows the first enabled key", p.Name)
		say(len(p.Params) > 0, "providers.%s.params", p.Name)
		say(p.SystemPrompt != "", "providers.%s.system_prompt", p.Name)
	}
	r := c.Routing
	say(r.Complexity.Enabled, "model_routing.complexity")
	say(r.Cascade.Enabled, "model_routing.cascade")
	say(r.PayloadTransformation.Enabled, "model_routing.payload_transformation")
	say(r.GlobalParams.Enabled, "model_routing.global_params")
	say(len(r.ModelParams) > 0, "model_routing.model_params")
	say(len(c.ToolCalling.UnsupportedModels) > 0, "tool_calling.unsupported_models")
	say(c.Logging.Bodies, "logging.bodies")
	say(c.Redis.URL.Reveal() != "", "redis.url")
	say(c.Auth.Registration == "invite", "auth.registration: invite counts as closed, an invitation")
	return out
}
