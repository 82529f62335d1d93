// Package system gives the time and fresh identities.
package system

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"monorelay/ports"
)

// NewClock returns the machine's clock.
func NewClock() ports.Clock {
	return func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
}

// poolRandom makes one system call do for many UUIDs, in the whole process.
var poolRandom = sync.OnceFunc(uuid.EnableRandPool)

// NewIDs returns a source of UUIDs of version 7.
func NewIDs() ports.NewID {
	poolRandom()
	return func() string { return uuid.Must(uuid.NewV7()).String() }
}
