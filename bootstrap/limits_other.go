//go:build !unix

package bootstrap

// maxConnections returns no limit where the system sets none.
func maxConnections() int64 { return 0 }
