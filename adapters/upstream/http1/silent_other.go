//go:build !unix

package http1

// isSilent would report whether a socket is open and has nothing to read. Here it can't tell: an idle connection is never
// used again, since a request that meets its end can't be sent again.
func isSilent(uintptr) bool { return false }
