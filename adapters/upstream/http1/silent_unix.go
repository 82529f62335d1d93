//go:build unix

package http1

import (
	"errors"
	"syscall"
)

// isSilent reports whether a socket is open and has nothing to read. It takes nothing from it.
func isSilent(fd uintptr) bool {
	var one [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if !errors.Is(err, syscall.EINTR) {
			return errors.Is(err, syscall.EAGAIN)
		}
	}
}
