//go:build unix && !linux

package rest

import "golang.org/x/sys/unix"

// poller looks at the sockets one by one, where poll knows no POLLRDHUP. A client that has sent part of another request
// before it hung up is not noticed.
type poller struct{}

func (*poller) hungUp(watched map[*watch]struct{}) (gone []*watch) {
	var one [1]byte
	for entry := range watched {
		n, _, err := unix.Recvfrom(entry.fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if n == 0 && err == nil || err == unix.ECONNRESET || err == unix.EPIPE {
			gone = append(gone, entry)
		}
	}
	return gone
}
