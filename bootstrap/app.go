package bootstrap

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"monorelay/adapters/rest"
	"monorelay/domain/throttle"
	"monorelay/ports"
)

// App is the server with all its parts.
type App struct {
	process  *Process
	live     *Live
	server   *rest.Server
	attempts ports.AttemptStore
	now      ports.Clock
}

// NewApp returns the server.
func NewApp(p *Process, live *Live, server *rest.Server, attempts ports.AttemptStore, now ports.Clock) *App {
	return &App{process: p, live: live, server: server, attempts: attempts, now: now}
}

// Memory is dear on a small machine and cheap on a server: the collector runs less often than by default, which gives a
// seventh of the throughput, as long as the heap stays under the limit.
const (
	collectorPercent = 400
	collectorLimit   = 1 << 30 // bytes
)

// Run serves on ln until ctx ends, and then until what is under way has ended.
func (a *App) Run(ctx context.Context, ln net.Listener) error {
	debug.SetGCPercent(collectorPercent)
	debug.SetMemoryLimit(collectorLimit)
	housekeeping, stop := context.WithCancel(ctx)
	defer stop()
	go a.sweep(housekeeping)
	stopWatch, err := watchConfig(housekeeping, a)
	if err != nil {
		return fmt.Errorf("the configuration can't be watched for changes: %w", err)
	}
	defer stopWatch()
	return a.server.Serve(ctx, ln, a.process.Config.Server.ShutdownGrace)
}

// sweep removes what is remembered of failures to sign in, once it does not count any more.
func (a *App) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := a.attempts.Sweep(ctx, a.now().Add(-throttle.Forgotten)); err != nil {
				a.process.Log.WarnContext(ctx, "old failures to sign in were not removed", slog.Any("err", err))
			}
		}
	}
}
