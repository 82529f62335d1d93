package config_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"monorelay/bootstrap/config"
)

// FuzzParse holds the loader to what a reload relies on, whatever the file and the environment hold.
func FuzzParse(f *testing.F) {
	const canary = "hunter2-canary-hunter2"
	for _, file := range []string{"testdata/full.yml", "testdata/legacy.yml"} {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text, "SERVER_PORT", "9000")
	}
	f.Fuzz(func(t *testing.T, text []byte, variable, value string) {
		lookupEnv := func(name string) (string, bool) {
			switch name {
			case "SECRET":
				return canary, true
			case "MONORELAY_" + variable:
				return value, true
			}
			return "", false
		}
		environ := []string{"MONORELAY_" + variable + "=" + value, "MONORELAY_SERVER_" + variable + "=" + canary}
		c, warnings, err := config.Parse("config.yml", text, lookupEnv, environ...)
		again, warningsAgain, errAgain := config.Parse("config.yml", text, lookupEnv, environ...)
		require.Equal(t, c, again)
		require.Equal(t, warnings, warningsAgain)
		require.Equal(t, err, errAgain)

		for _, w := range warnings {
			require.NotContains(t, w.String(), canary)
		}
		if err == nil {
			requireConsistent(t, c)
			return
		}
		require.NotContains(t, err.Error(), canary)
		mistakes, ok := errors.AsType[config.Mistakes](err)
		require.True(t, ok)
		require.NotEmpty(t, mistakes)
		for _, m := range mistakes {
			require.NotEmpty(t, m.Problem)
			if m.File == "" {
				require.Equal(t, "MONORELAY_"+variable, config.Variable(m.Path))
				continue
			}
			require.Equal(t, "config.yml", m.File)
			require.Positive(t, m.Line)
			require.Positive(t, m.Column)
			require.LessOrEqual(t, m.Line, strings.Count(strings.ReplaceAll(string(text), "\r", "\n"), "\n")+
				strings.Count(string(text), "\u2028")+strings.Count(string(text), "\u2029")+strings.Count(string(text), "\u0085")+2)
		}
	})
}

// requireConsistent checks what the rest of the program takes for granted.
func requireConsistent(t *testing.T, c config.Config) {
	t.Helper()
	require.GreaterOrEqual(t, c.Server.Port, 0)
	require.LessOrEqual(t, c.Server.Port, 65535)
	require.Positive(t, c.Server.BodyLimit)
	require.Positive(t, c.Server.StreamKeepalive)
	require.NotEmpty(t, c.Server.Host)
	if secret := c.Server.JWTSecret.Reveal(); secret != "" {
		require.GreaterOrEqual(t, len(secret), 32)
	}
	var names []string
	for _, p := range c.Providers {
		require.NotContains(t, names, p.Name)
		names = append(names, p.Name)
		require.Contains(t, []string{"openai", "anthropic", "echo"}, p.Type)
		require.Positive(t, p.Timeout)
		require.GreaterOrEqual(t, p.RateLimitCooldown.Seconds(), 0.0)
		if p.Enabled && p.Type != "echo" {
			require.Regexp(t, "^(?i)https?://", p.BaseURL)
		}
		for _, k := range p.Keys {
			require.GreaterOrEqual(t, k.Weight, 0)
			require.False(t, p.Enabled && p.Type != "echo" && k.Enabled && k.Key == "")
		}
	}
	for _, m := range c.Routing.ProviderMapping {
		require.True(t, slices.Contains(names, m.Provider))
	}
}
