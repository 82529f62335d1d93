package rest

import "golang.org/x/sys/unix"

// poller asks the kernel about many sockets in one call.
type poller struct {
	fds     []unix.PollFd
	entries []*watch
}

func (p *poller) hungUp(watched map[*watch]struct{}) (gone []*watch) {
	p.fds, p.entries = p.fds[:0], p.entries[:0]
	for entry := range watched {
		p.fds = append(p.fds, unix.PollFd{Fd: int32(entry.fd), Events: unix.POLLRDHUP}) //nolint:gosec // a descriptor is small
		p.entries = append(p.entries, entry)
	}
	if n, err := unix.Poll(p.fds, 0); err != nil || n == 0 {
		return nil // after a signal, the next sweep asks again
	}
	for i := range p.fds {
		if p.fds[i].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0 {
			gone = append(gone, p.entries[i])
		}
	}
	return gone
}
