//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program under way, with the children that it had when it was started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	pids  []int
}

// command returns a program that ends with this one, and sees nothing of this one's environment that could change how
// it runs.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func start(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{}), pids: []int{cmd.Process.Pid}}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	return p, nil
}

// stop ends the process, by force if it takes its time.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// adopt takes the process's children into account.
func (p *process) adopt() error {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	p.pids = p.pids[:1]
	self := strconv.Itoa(p.pids[0])
	for _, path := range paths {
		fields, err := statFields(path)
		if err != nil || fields[1] != self { // some have ended in between
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return err
		}
		p.pids = append(p.pids, pid)
	}
	return nil
}

// statFields returns the fields of a stat file that follow the program's name: the state, the parent, and so on.
func statFields(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("%s is not what it should be", path)
	}
	return fields, nil
}

// cpu is the time that the process has computed so far, in user and kernel mode. The kernel counts it in hundredths of a
// second.
func (p *process) cpu() (time.Duration, error) {
	var ticks int64
	for _, pid := range p.pids {
		fields, err := statFields(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		for _, field := range fields[11:13] {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// memory is the process's resident set, in KiB.
func (p *process) memory() (float64, error) {
	total := 0
	for _, pid := range p.pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, rest, found := strings.Cut(string(text), "VmRSS:")
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			return 0, errors.New("a process has no VmRSS")
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			return 0, err
		}
		total += n
	}
	return float64(total), nil
}

// freeAddress returns an address that nobody listens on at the moment.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer closeQuietly(ln)
	return ln.Addr().String(), nil
}

// raiseDescriptors lets this process and its children open as many sockets as thousands of streams need.
func raiseDescriptors() error {
	const wanted, needed = 16_384, 6_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = min(wanted, limit.Max)
	if limit.Cur < needed {
		return fmt.Errorf("may open %d files and needs %d: raise the hard limit (ulimit -Hn)", limit.Cur, needed)
	}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// machine is where the figures come from.
type machine struct {
	Cores  int    `json:"cores"`
	CPU    string `json:"cpu"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Nginx  string `json:"nginx"`
	Load   string `json:"load"` // before
}

func describeMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Load: loadAverage(), CPU: "unknown", Nginx: "none"}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(text), "model name"); found {
			line, _, _ := strings.Cut(rest, "\n")
			m.CPU = strings.Trim(line, "\t :")
		}
	}
	return m
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// perform has a client process do the job.
func perform(ctx context.Context, j job) (outcome, error) {
	o, release, err := performHolding(ctx, j)
	if err == nil {
		release()
	}
	return o, err
}

// performHolding is perform for a job that goes on until release.
func performHolding(ctx context.Context, j job) (o outcome, release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, j.For+time.Minute)
	self, err := os.Executable()
	if err != nil {
		cancel()
		return o, nil, err
	}
	cmd := command(ctx, self, roleClient)
	cmd.Stderr = os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		cancel()
		return o, nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return o, nil, err
	}
	release = func() {
		closeQuietly(in)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		cancel()
	}
	if err := exchange(in, out, j, &o); err != nil {
		release()
		return o, nil, fmt.Errorf("the client failed: %w", err)
	}
	return o, release, nil
}
