package rest

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// sweepInterval is how often the sockets of requests under way are looked at. It bounds how long a provider works for a
// client that is gone.
const sweepInterval = 50 * time.Millisecond

// watcher notices clients that hang up while they wait. fasthttp does not tell: it reads a connection only between
// requests, and a write fails only after the first one to a dead peer. A client that closes its sending side alone is
// taken for gone, as net/http takes it.
//
// One goroutine looks at all sockets at once, so that a request which is over soon costs two short locks and no system
// call.
type watcher struct {
	mu      sync.Mutex
	watched map[*watch]struct{}
	running bool
	poll    poller
}

// watch is one socket under way.
type watch struct {
	fd   int
	gone func()
}

func newWatcher() *watcher { return &watcher{watched: map[*watch]struct{}{}} }

// watch calls gone, once, when the peer of conn hangs up. stop must be called before the server may close conn, whose
// descriptor may then mean another socket: when it returns, gone is not running and will not be called. gone must not
// block, and not call stop.
func (w *watcher) watch(conn net.Conn, gone func()) (stop func()) {
	fd := descriptor(conn)
	if fd < 0 {
		return func() {}
	}
	entry := &watch{fd: fd, gone: gone}
	w.mu.Lock()
	w.watched[entry] = struct{}{}
	if !w.running {
		w.running = true
		go w.run()
	}
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		delete(w.watched, entry)
		w.mu.Unlock()
	}
}

// run sweeps until there is nothing to watch, so that an idle server sleeps.
func (w *watcher) run() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for range ticker.C {
		if !w.sweep() {
			return
		}
	}
}

func (w *watcher) sweep() (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.watched) == 0 {
		w.running = false
		return false
	}
	for _, entry := range w.poll.hungUp(w.watched) {
		delete(w.watched, entry)
		entry.gone()
	}
	return true
}

// descriptor returns the number of the connection's socket, or -1 if it has none.
func descriptor(conn net.Conn) int {
	if c, counted := conn.(*countedConn); counted {
		return c.fd
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return -1
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1
	}
	fd := -1
	if err := raw.Control(func(f uintptr) { fd = int(f) }); err != nil {
		return -1
	}
	return fd
}
