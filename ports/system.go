package ports

import "time"

// Clock tells the time in UTC, cut to microseconds, which is what every store keeps.
type Clock func() time.Time

// NewID returns a UUID of version 7 (RFC 9562), never given before. Those of one process sort by age, to the millisecond.
type NewID func() string
