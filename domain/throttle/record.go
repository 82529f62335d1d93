// Package throttle slows down who guesses: a few failures are free, then each costs a delay that doubles.
package throttle

import (
	"time"

	"monorelay/domain/fault"
)

// ErrTooMany is the answer to a try that comes before its time.
var ErrTooMany = fault.New(fault.Limited, "too_many_attempts", "Too many failed attempts. Wait, then try again.")

// The schedule: five failures are free, the sixth failure costs one second, the seventh two, and so on to a quarter of an hour. NIST SP 800-63B,
// section 5.2.2, asks for no more than 100 failures in a row; with this one they take a day.
const (
	Free       = 5
	FirstDelay = time.Second
	longest    = 15 * time.Minute
	freeForAll = 50
)

// Forgotten is how long a record counts after its last failure.
const Forgotten = 24 * time.Hour

// Record is the recent failures of one key. The zero value is none.
type Record struct {
	Failures int
	Last     time.Time
}

// Wait returns how long after now the next try may come. A clock that was set back makes nobody wait longer than the
// schedule says.
func (r Record) Wait(now time.Time) time.Duration { return r.wait(Free, now) }

// WaitForAll is Wait for the failures of one account from everywhere, of which more are free: its owner, who is somewhere
// else, is not to be locked out by a handful of them.
func (r Record) WaitForAll(now time.Time) time.Duration { return r.wait(freeForAll, now) }

func (r Record) wait(free int, now time.Time) time.Duration {
	if r.Failures <= free {
		return 0
	}
	delay := longest
	if n := r.Failures - free - 1; n < 10 {
		delay = min(FirstDelay<<n, longest)
	}
	return max(0, min(delay, r.Last.Add(delay).Sub(now)))
}

// Failed returns the record with one more failure, at now.
func (r Record) Failed(now time.Time) Record {
	if now.Sub(r.Last) > Forgotten {
		r.Failures = 0
	}
	return Record{Failures: r.Failures + 1, Last: now.UTC()}
}
