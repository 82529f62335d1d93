package ports

import (
	"context"
	"time"

	"monorelay/domain/throttle"
)

// AttemptStore keeps the recent failures to sign in, by key, for all replicas together. A store that can't be reached
// answers with a fault of kind Unavailable, within seconds.
type AttemptStore interface {
	// Change loads the records of keys, zero for a key without one, calls change with them in the order of keys, and
	// stores what it made of them, as one atomic step: of concurrent changes none is lost. A record that is zero then is
	// removed. An error from change aborts the step and is returned as it is. Times keep their microseconds. change may
	// be called more than once and must do no I/O.
	Change(ctx context.Context, keys []string, change func([]throttle.Record) error) error

	// Sweep removes the records whose last failure is before the given time.
	Sweep(ctx context.Context, before time.Time) error
}
