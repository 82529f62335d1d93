package session

import "time"

// TTL is how long a new access token lives.
type TTL time.Duration
