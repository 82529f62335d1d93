package rest

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// TestEveryRouteIsDocumented holds the routes and docs/openapi.yaml to each other, in both directions.
func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/openapi.yaml")
	require.NoError(t, err)
	var document struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(text, &document))
	var documented []string
	for path, operations := range document.Paths {
		for method := range operations {
			if method != "parameters" {
				documented = append(documented, strings.ToUpper(method)+" "+path)
			}
		}
	}

	app := fiber.New()
	gate := NewGate(nil)
	(&System{}).routes(app)
	(&Accounts{gate: gate}).routes(app)
	(&Users{gate: gate}).routes(app)
	(&Relays{gate: gate}).routes(app)
	parameter := regexp.MustCompile(`:(\w+)`)
	var mounted []string
	for _, route := range app.GetRoutes(true) {
		if route.Method == fiber.MethodHead {
			continue // comes with GET
		}
		path := parameter.ReplaceAllString(route.Path, "{$1}")
		path = strings.Replace(path, "/v1/models/*", "/v1/models/{model}", 1)
		mounted = append(mounted, route.Method+" "+path)
	}
	assert.ElementsMatch(t, documented, mounted)
}
