// Package arch holds the repository to its own shape.
package arch_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "monorelay/"

// may lists, for each ring, the rings that it may import; "*" admits other modules.
var may = map[string][]string{
	"domain":    {"domain"},
	"ports":     {"domain", "ports"},
	"usecase":   {"domain", "ports", "usecase"},
	"adapters":  {"domain", "ports", "usecase", "adapters", "*"},
	"bootstrap": {"domain", "ports", "usecase", "adapters", "bootstrap", "*"},
	".":         {"bootstrap", "*"},
}

// only lists the folders that alone import a module, tests aside.
var only = map[string][]string{
	"github.com/gofiber/":            {"adapters/rest"},
	"github.com/valyala/fasthttp":    {"adapters/rest"},
	"github.com/uptrace/bun":         {"adapters/sqlstore"},
	"github.com/go-sql-driver/":      {"adapters/sqlstore"},
	"modernc.org/sqlite":             {"adapters/sqlstore"},
	"github.com/pressly/goose":       {"adapters/sqlstore"},
	"github.com/golang-jwt/":         {"adapters/token"},
	"github.com/google/wire":         {"bootstrap", "."},
	"github.com/spf13/":              {"bootstrap"},
	"go.yaml.in/":                    {"bootstrap/config"},
	"github.com/stretchr/testify":    {},
	"github.com/go-json-experiment/": {"adapters/rest"},
	"golang.org/x/crypto":            {"adapters/password"},
	"monorelay/test":                 {},
	"github.com/openai/openai-go":    {},
	"github.com/fsnotify/":           {"bootstrap"},
	"github.com/google/uuid":         {"adapters/system"},
	"monorelay/adapters/upstream/":   {"adapters/upstream", "bootstrap"},
	"monorelay/adapters/memory":      {},
	"monorelay/bootstrap/config":     {"bootstrap"},
	"monorelay/adapters/sqlstore/":   {"adapters/sqlstore"},
	"monorelay/adapters/rest":        {"bootstrap", "."},
	"monorelay/adapters/token":       {"bootstrap", "."},
	"monorelay/adapters/password":    {"bootstrap", "."},
	"monorelay/adapters/system":      {"bootstrap", "."},
	"monorelay/adapters/sqlstore":    {"bootstrap", "."},

	"monorelay/adapters/upstream/http1": {"adapters/upstream/openai"},
}

// not lists, for each of the inner rings, what of the standard library it has no business with.
var not = map[string][]string{
	"domain":  {"net/http", "database/sql", "os", "log", "context"},
	"usecase": {"net/http", "database/sql", "os", "log"},
	"ports":   {"net/http", "database/sql", "os", "log"},
}

// top lists the folders that hold Go code.
var top = []string{"domain", "usecase", "ports", "adapters", "bootstrap", "test", "tools", "."}

// It reads the files itself, and not through "go list": go test keeps a result until a file that the test opened changes.
func TestDependencyRule(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	eachFile(t, func(name string, imports []string) {
		dir := path.Dir(name)
		ring, _, _ := strings.Cut(dir, "/")
		seen[ring] = true
		assert.Contains(t, top, ring, "%s is Go code in a place that holds none", name)
		if ring == "test" || ring == "tools" || strings.HasSuffix(name, "_test.go") || name == "wire_gen.go" {
			return
		}
		for _, imp := range imports {
			for _, problem := range judge(dir, imp) {
				assert.Fail(t, problem)
			}
		}
	})
	for _, ring := range []string{"domain", "usecase", "ports", "adapters", "bootstrap"} {
		assert.True(t, seen[ring], "no file was found in %s: the test looks in the wrong place", ring)
	}
}

// A rule that can't fail is none: each kind of breach is seen.
func TestTheRuleSeesBreaches(t *testing.T) {
	t.Parallel()
	for _, breach := range []struct{ dir, imp string }{
		{"domain/account", "monorelay/ports"},
		{"domain/account", "golang.org/x/text/unicode/norm"},
		{"domain/account", "net/http"},
		{"domain/account", "log/slog/internal"},
		{"ports", "monorelay/usecase/relay"},
		{"usecase/identity", "monorelay/adapters/token"},
		{"usecase/identity", "database/sql"},
		{"adapters/memory", "monorelay/bootstrap"},
		{"adapters/rest", "monorelay/adapters/sqlstore"},
		{"adapters/rest", "github.com/uptrace/bun"},
		{"adapters/sqlstore", "github.com/gofiber/fiber/v2"},
		{"bootstrap", "github.com/golang-jwt/jwt/v5"},
		{"bootstrap", "github.com/stretchr/testify/assert"},
		{"bootstrap", "monorelay/test/fixture"},
	} {
		assert.NotEmpty(t, judge(breach.dir, breach.imp), "%s may import %s", breach.dir, breach.imp)
	}
}

// judge returns what is wrong with a package in dir importing imp.
func judge(dir, imp string) (problems []string) {
	ring, _, _ := strings.Cut(dir, "/")
	ours, isOurs := strings.CutPrefix(imp, module)
	first, _, _ := strings.Cut(imp, "/")
	target, _, _ := strings.Cut(ours, "/")
	switch {
	case isOurs && !slices.Contains(may[ring], target):
		problems = append(problems, dir+" imports "+imp+": the ring "+ring+" does not know the ring "+target)
	case !isOurs && strings.Contains(first, ".") && !slices.Contains(may[ring], "*"):
		problems = append(problems, dir+" imports "+imp+": the ring "+ring+" knows the standard library only")
	}
	for _, banned := range not[ring] {
		if imp == banned || strings.HasPrefix(imp, banned+"/") && imp != "log/slog" {
			problems = append(problems, dir+" imports "+imp+", which is no business of the ring "+ring)
		}
	}
	owner, rule := "", []string(nil)
	for prefix, dirs := range only {
		if strings.HasPrefix(imp, prefix) && len(prefix) > len(owner) {
			owner, rule = prefix, dirs
		}
	}
	if owner != "" && !slices.Contains(rule, dir) && !strings.HasPrefix(imp, module+dir) {
		problems = append(problems, dir+" imports "+imp+", which is for "+strings.Join(rule, ", "))
	}
	return problems
}

func eachFile(t *testing.T, f func(name string, imports []string)) {
	t.Helper()
	root := os.DirFS("../..")
	require.NoError(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		require.NoError(t, err)
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		require.NoError(t, err)
		var imports []string
		for _, spec := range file.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			imports = append(imports, imp)
		}
		f(name, imports)
		return nil
	}))
}
