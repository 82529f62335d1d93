//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// contestant is one of those that are measured in turn.
type contestant struct {
	name    string
	address string
	process *process // nil for the bare upstream, whose costs are nobody's
	workers int      // the processes that it starts itself
	launch  func(context.Context) (*process, error)
}

// The contestants' names.
const (
	bare      = "bare"
	nginxName = "nginx"
	relayName = "relay"
)

// restart ends the contestant's process and starts a new one.
func (c *contestant) restart(ctx context.Context) error {
	if c.process != nil {
		c.process.stop()
	}
	p, err := c.launch(ctx)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	c.process = p
	if err := c.await(ctx); err != nil {
		return err
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := p.adopt(); err != nil {
			return err
		}
		if len(p.pids) == 1+c.workers {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has %d workers in the place of %d", c.name, len(p.pids)-1, c.workers)
		}
	}
}

// await returns when the contestant takes connections.
func (c *contestant) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		conn, err := net.DialTimeout("tcp", c.address, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w", c.name, err)
		case <-c.process.ended:
			return fmt.Errorf("%s has ended", c.name)
		case <-time.After(time.Millisecond):
		}
	}
}

// startUpstream starts the upstream in a process of its own.
func startUpstream(ctx context.Context) (*contestant, *process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := command(ctx, self, roleUpstream)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	if err != nil {
		p.stop()
		return nil, nil, fmt.Errorf("the upstream does not start: %w", err)
	}
	return &contestant{name: bare, address: strings.TrimSpace(line)}, p, nil
}

const nginxConfig = `daemon off;
%s
worker_processes %[5]d;
worker_rlimit_nofile 16384;
pid %[2]s/nginx.pid;
error_log %[2]s/nginx.log;
events { worker_connections 8192; }
http {
	access_log off;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	keepalive_requests 1000000000;
	upstream provider {
		server %[3]s;
		keepalive 512;
		keepalive_requests 1000000000;
	}
	server {
		listen %[4]s backlog=4096;
		location / {
			proxy_pass http://provider;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffering off;
		}
	}
}
`

// errNoNginx is why a run goes on without nginx.
var errNoNginx = errors.New("nginx is not here, and can't be had")

// newNginx returns nginx in front of the upstream, and its version.
func newNginx(ctx context.Context, dir, upstream string, install bool) (*contestant, string, error) {
	program, err := findNginx(ctx, install)
	if err != nil {
		return nil, "", err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // the workers' usual user may not enter the folder
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, user, dir, upstream, address, runtime.NumCPU()), 0o600); err != nil {
		return nil, "", err
	}
	version, err := exec.CommandContext(ctx, program, "-v").CombinedOutput()
	if err != nil {
		return nil, "", err
	}
	c := &contestant{name: nginxName, address: address, workers: runtime.NumCPU()}
	c.launch = func(ctx context.Context) (*process, error) {
		cmd := command(ctx, program, "-p", dir, "-c", file, "-e", filepath.Join(dir, "nginx.log"))
		cmd.Stderr = os.Stderr
		return start(cmd)
	}
	_, number, _ := strings.Cut(strings.TrimSpace(string(version)), "/")
	return c, number, nil
}

func findNginx(ctx context.Context, install bool) (string, error) {
	look := func() string {
		for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
			if program, err := exec.LookPath(name); err == nil {
				return program
			}
		}
		return ""
	}
	if program := look(); program != "" {
		return program, nil
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil || os.Getuid() != 0 || !install {
		return "", errNoNginx
	}
	say("installing nginx")
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	for _, args := range [][]string{{"update"}, {"install", "--yes", "--no-install-recommends", "nginx"}} {
		cmd := command(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=900"}, args...)...)
		cmd.Env = append(cmd.Env, "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return "", errors.Join(errNoNginx, err)
		}
	}
	if program := look(); program != "" {
		return program, nil
	}
	return "", errNoNginx
}

// accessKey lets a client in where there is no account yet.
const accessKey = "bench-access-key-0123456789"

const relayConfig = `server: { access_key: %q, data_dir: %q, log_format: json }
database: { url: "sqlite://%s/monorelay.db" }
providers:
  upstream:
    provider_type: openai
    base_url: http://%s/v1
    keys: [ { key: sk-bench-0123456789abcdef, label: main } ]
model_routing:
  aliases: { %s: %s }
  provider_mapping: { "bench-*": upstream }
logging: { enabled: true }
`

// buildRelay builds the relay as a release is built, and returns the program.
func buildRelay(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "monorelay").Output()
	if err != nil {
		return "", fmt.Errorf("run this in the repository: %w", err)
	}
	program := filepath.Join(dir, "monorelay")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", program, ".")
	cmd.Dir, cmd.Stderr = strings.TrimSpace(string(root)), os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return program, cmd.Run()
}

// newRelay returns the relay in front of the upstream, with its data and its log in dir.
func newRelay(program, dir, upstream string) (*contestant, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.yml")
	text := fmt.Appendf(nil, relayConfig, accessKey, dir, dir, upstream, modelAlias, modelName)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	c := &contestant{name: relayName, address: address}
	c.launch = func(ctx context.Context) (*process, error) {
		log, err := os.OpenFile(filepath.Join(dir, "relay.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		defer closeQuietly(log) // the process has it for itself then
		cmd := command(ctx, program, "serve", "--config", file, "--port", port)
		cmd.Dir, cmd.Stderr = dir, log
		return start(cmd)
	}
	return c, nil
}

// register opens an account at the relay, and returns its token.
func register(ctx context.Context, address string) (string, error) {
	body := strings.NewReader(`{"username":"alice","email":"alice@example.com","password":"securepassword123"}`)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/auth/register", body)
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer closeQuietly(response.Body)
	var signedIn struct {
		AccessToken string `json:"access_token"`
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, &signedIn); err != nil || signedIn.AccessToken == "" {
		return "", fmt.Errorf("the relay did not register an account: %d %s", response.StatusCode, bytes.TrimSpace(text))
	}
	return signedIn.AccessToken, nil
}

// closedAt asks the upstream when its callers left.
func closedAt(ctx context.Context, address string) (map[string]int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+closedPath, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer closeQuietly(response.Body)
	var closed map[string]int64
	return closed, json.NewDecoder(response.Body).Decode(&closed)
}

// exchange writes the job and reads what came of it.
func exchange(in io.Writer, out io.Reader, j job, o *outcome) error {
	if err := json.NewEncoder(in).Encode(j); err != nil {
		return err
	}
	return json.NewDecoder(out).Decode(o)
}

// hasCgo reports whether a program was linked with C.
func hasCgo(ctx context.Context, program string) (bool, error) {
	text, err := exec.CommandContext(ctx, "go", "version", "-m", program).Output()
	return strings.Contains(string(text), "CGO_ENABLED=1"), err
}
