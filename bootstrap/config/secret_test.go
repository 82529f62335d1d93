package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"monorelay/bootstrap/config"
)

func TestASecretNeverPrints(t *testing.T) {
	t.Parallel()
	const long, short = "abcd-MIDDLE-OF-IT-wxyz", "MIDDLE-OF-IT-15"
	for _, secret := range []config.Secret{long, short} {
		c := config.Config{Server: config.Server{AccessKey: secret}, Providers: []config.Provider{{Keys: []config.Key{{Key: secret}}}}}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).Info("m", "secret", secret, "config", c)
		}
		asJSON, err := json.Marshal(map[string]any{"secret": secret, "config": c})
		require.NoError(t, err)
		asYAML, err := yaml.Dump(c.Server)
		require.NoError(t, err)
		var printed strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%t"} {
			fmt.Fprintf(&printed, verb+verb+verb, secret, c, &c)
		}
		fmt.Fprintln(&printed, secret, []config.Secret{secret}, struct{ S config.Secret }{secret})
		all := log.String() + string(asJSON) + string(asYAML) + printed.String()
		require.NotContains(t, all, "MIDDLE")
		require.NotContains(t, strings.ToLower(all), fmt.Sprintf("%x", "MIDDLE"))
	}
	require.Equal(t, "abcd…wxyz", config.Secret(long).String())
	require.Equal(t, "[secret]", config.Secret(short).String())
	require.Equal(t, "[secret]", config.Secret("").String())
	require.Equal(t, long, config.Secret(long).Reveal())
}
