package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"monorelay/bootstrap/config"
)

const (
	demoPace  = 60 * time.Millisecond // of a word in the demo's stream
	demoGrace = 2 * time.Second       // for what is under way when the demo ends
)

func newDemoCommand(inject Injectors) *cobra.Command {
	var stay bool
	c := &cobra.Command{
		Use: "demo", Short: "Show what the server does, by doing it", Args: noArguments,
		Long: "Show what the server does, by doing it. The demo starts a relay on a free port of this machine, with an empty\n" +
			"database in a temporary folder and the built-in echo provider, and asks it over HTTP as any client would: to\n" +
			"register and log in, for a chat with a token and with the access key, for a stream, and for each of the six\n" +
			"ways to be answered 401. Every request and every answer is printed, with secrets shortened, and checked.\n\n" +
			"It takes a few seconds, needs no network and no configuration, reads none, and leaves nothing behind. The exit\n" +
			"status is 0 only if every check held.",
		Example: "  monorelay demo\n  monorelay demo --stay",
		RunE: func(c *cobra.Command, _ []string) error {
			signal.Ignore(syscall.SIGPIPE) // or the end of monorelay demo | head would leave the folder behind
			ctx := c.Context()
			if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
				var stop context.CancelFunc
				ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
				defer stop()
			}
			return demo(ctx, inject, c.OutOrStdout(), stay)
		},
	}
	c.Flags().BoolVar(&stay, "stay", false, "keep the relay running after the last step, until Ctrl-C")
	return c
}

// demo runs the relays that the steps ask, and the steps. All that it writes is in one folder, which it removes.
func demo(ctx context.Context, inject Injectors, out io.Writer, stay bool) (err error) {
	began := time.Now()
	folder, err := os.MkdirTemp("", "monorelay-demo-")
	if err != nil {
		return fmt.Errorf("the demo needs a temporary folder (TMPDIR says where): %w", err)
	}
	defer func() {
		if left := os.RemoveAll(folder); left != nil {
			err = errors.Join(err, fmt.Errorf("the demo's folder could not be removed: %w", left))
		}
	}()
	logFile, err := os.Create(filepath.Join(folder, "relay.log")) //nolint:gosec // in the folder made above
	if err != nil {
		return fmt.Errorf("the demo's folder can't be written to: %w", err)
	}
	defer func() { _ = logFile.Close() }() // and removed

	cfg := config.Default()
	cfg.Server.Port, cfg.Server.DataDir, cfg.Server.ShutdownGrace = 0, filepath.Join(folder, "data"), demoGrace
	logs := newLogQueue(logFile)
	defer logs.close()
	log := newLogger(cfg.Server, logs)

	first, err := startDemoRelay(ctx, inject, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, first.stop()) }()
	// What the first relay's configuration rules out is shown by another one, over the same database.
	cfg.Server.AccessKeyEnabled, cfg.Auth.AccessTokenTTL = false, demoShortTTL
	strict, err := startDemoRelay(ctx, inject, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, strict.stop()) }()

	p := newDemoPrinter(out)
	p.keep(first.accessKey)
	p.title(first.root)
	w := newDemoWalk(p, map[string]string{"relay": first.root, "strict": strict.root, "access key": first.accessKey})
	defer w.close()
	steps := demoSteps()
	if err := w.run(ctx, steps); err != nil {
		return err
	}
	p.summary(len(steps), w.held, time.Since(began))
	if !stay {
		p.next()
		return p.err
	}
	if err := strict.stop(); err != nil {
		return err
	}
	if p.staying(first, logFile.Name()); p.err != nil {
		return p.err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-first.ended:
		return errors.New("the relay has ended by itself")
	}
}

// demoRelay is a relay that runs in this process.
type demoRelay struct {
	root      string // its URL, to which paths are added
	accessKey string
	ended     chan struct{} // closed when it has
	stop      func() error
}

func startDemoRelay(ctx context.Context, inject Injectors, cfg config.Config, log *slog.Logger) (*demoRelay, error) {
	var listener net.ListenConfig
	ln, err := listener.Listen(ctx, "tcp", net.JoinHostPort(cfg.Server.Host, "0"))
	if err != nil {
		return nil, fmt.Errorf("can't listen on %s: %w", cfg.Server.Host, unwrapped(err))
	}
	p := &Process{Config: cfg, Log: log, Address: ln.Addr(), EchoPace: demoPace}
	if p.Secrets, err = LoadSecrets(cfg); err != nil {
		_ = ln.Close()
		return nil, err
	}
	app, closeAll, err := inject.Server(ctx, p)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	// The relay lives until the last request is answered, also when the demo is interrupted.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &demoRelay{root: strings.TrimSuffix(baseURL(p), "/v1"), accessKey: p.Secrets.AccessKey, ended: make(chan struct{})}
	var failure error
	go func() {
		defer close(r.ended)
		failure = app.Run(running, ln)
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		<-r.ended
		closeAll()
		return failure
	})
	return r, nil
}
