//go:build unix

package bootstrap

import "syscall"

// maxConnections returns how many clients may be connected at once: each may need a second descriptor, for its call to a
// provider, and some are left for the database and the files.
func maxConnections() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	descriptors := int64(limit.Cur)
	reserve := min(64, descriptors/4)
	return max(1, (descriptors-reserve)/2)
}
