// Command composecheck loads a compose file the way Docker Compose does and holds it to this project's rules:
// only the proxy is published, images are pinned, no container keeps privileges, relays have the time to end their
// streams, and no secret has a default. It also reads the Dockerfile and the .env.example beside the compose file.
//
//	composecheck docker-compose.yml
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const (
	proxy     = "proxy"
	relays    = "relay-" // what the names of relay services begin with
	stopGrace = 40 * time.Second
)

// secrets must be given by the operator.
var secrets = []string{"MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD", "MONORELAY_JWT_SECRET", "MONORELAY_ACCESS_KEY"}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: composecheck FILE")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "composecheck: %s:\n%v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	given := map[string]string{}
	for _, name := range secrets {
		given[name] = "composecheck-" + strings.ToLower(name)
	}
	project, err := load(ctx, file, given)
	if err != nil {
		return err
	}
	errs := []error{checkNoDefault(ctx, file, given)}
	for _, name := range slices.Sorted(maps.Keys(project.Services)) {
		for _, fault := range faults(project.Services[name]) {
			errs = append(errs, fmt.Errorf("service %s: %s", name, fault))
		}
	}
	if len(project.Services[proxy].Ports) == 0 {
		errs = append(errs, fmt.Errorf("service %s: publishes no port", proxy))
	}
	dir := filepath.Dir(file)
	errs = append(errs, checkDockerfile(filepath.Join(dir, "Dockerfile")), checkExample(filepath.Join(dir, ".env.example")))
	return errors.Join(errs...)
}

func load(ctx context.Context, file string, env map[string]string) (*types.Project, error) {
	var vars []string
	for name, value := range env {
		vars = append(vars, name+"="+value)
	}
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("monorelay"), cli.WithEnv(vars))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// checkNoDefault loads the file with each secret left out and empty; both must be refused by name.
func checkNoDefault(ctx context.Context, file string, given map[string]string) error {
	var errs []error
	for _, name := range secrets {
		without := maps.Clone(given)
		delete(without, name)
		empty := maps.Clone(given)
		empty[name] = ""
		for how, env := range map[string]map[string]string{"unset": without, "empty": empty} {
			if _, err := load(ctx, file, env); err == nil || !strings.Contains(err.Error(), name) {
				errs = append(errs, fmt.Errorf("%s %s must be refused by name, and the answer is: %v", name, how, err)) //nolint:errorlint // nil is one of the answers
			}
		}
	}
	return errors.Join(errs...)
}

// faults lists what is wrong with a service.
func faults(s types.ServiceConfig) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	if !pinned(s.Image) {
		say("image %q has no pinned tag", s.Image)
	}
	if s.Name != proxy && len(s.Ports) > 0 {
		say("publishes a port; only %s may", proxy)
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" {
			say("publishes port %s on %q by default, not on 127.0.0.1", port.Published, port.HostIP)
		}
	}
	if s.Privileged || s.NetworkMode == "host" || s.Pid == "host" || s.Ipc == "host" || len(s.CapAdd) > 0 {
		say("takes privileges")
	}
	if !slices.Contains(s.CapDrop, "ALL") {
		say("cap_drop lacks ALL")
	}
	if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		say("security_opt lacks no-new-privileges:true")
	}
	if s.ReadOnly && slices.ContainsFunc(s.Configs, func(c types.ServiceConfigObjConfig) bool { return c.Source != "" }) {
		say("is read_only and has a config, which Compose can't copy into it")
	}
	for _, v := range s.Volumes {
		if strings.Contains(v.Source, "docker.sock") {
			say("mounts the Docker socket")
		}
	}
	if !strings.HasPrefix(s.Name, relays) {
		return found
	}
	if !s.ReadOnly {
		say("is not read_only")
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < stopGrace {
		say("stop_grace_period is under %s", stopGrace)
	}
	if s.DependsOn["mysql"].Condition != types.ServiceConditionHealthy {
		say("does not wait for a healthy mysql")
	}
	return found
}

// pinned reports whether an image has a tag that doesn't move from one release to the next.
func pinned(image string) bool {
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, ok := strings.Cut(name, ":")
	return ok && tag != "" && tag != "latest"
}

var (
	fromLine = regexp.MustCompile(`(?mi)^FROM\s+(?:--platform=\S+\s+)?(\S+)`)
	userLine = regexp.MustCompile(`(?mi)^USER\s+(\S+)`)
	envLine  = regexp.MustCompile(`^([A-Z_]+)=(.*)$`)
)

func checkDockerfile(file string) error {
	text, err := os.ReadFile(file) //nolint:gosec // the file that the caller named
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range fromLine.FindAllSubmatch(text, -1) {
		if image := string(m[1]); !pinned(image) {
			errs = append(errs, fmt.Errorf("%s: image %q has no pinned tag", file, image))
		}
	}
	users := userLine.FindAllSubmatch(text, -1)
	if len(users) == 0 || bytes.HasPrefix(users[len(users)-1][1], []byte("0")) || bytes.HasPrefix(users[len(users)-1][1], []byte("root")) {
		errs = append(errs, fmt.Errorf("%s: runs as root", file))
	}
	return errors.Join(errs...)
}

// checkExample: the file names every secret and has a value for nothing.
func checkExample(file string) error {
	text, err := os.ReadFile(file) //nolint:gosec // the file that the caller named
	if err != nil {
		return err
	}
	var errs []error
	var names []string
	for line := range strings.Lines(string(text)) {
		m := envLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		names = append(names, m[1])
		if m[2] != "" {
			errs = append(errs, fmt.Errorf("%s: %s has a value", file, m[1]))
		}
	}
	for _, name := range secrets {
		if !slices.Contains(names, name) {
			errs = append(errs, fmt.Errorf("%s: %s is missing", file, name))
		}
	}
	return errors.Join(errs...)
}
