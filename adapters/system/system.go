// Package system gives the time and fresh identities.
package system

import (
	"time"

	"github.com/google/uuid"

	"monorelay/ports"
)

// NewClock returns the machine's clock.
func NewClock() ports.Clock {
	return func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
}

// NewIDs returns a source of UUIDs of version 7.
func NewIDs() ports.NewID {
	uuid.EnableRandPool() // one system call for many
	return func() string { return uuid.Must(uuid.NewV7()).String() }
}
