package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"

	"monorelay/domain/fault"
)

var (
	errUnavailable = fault.New(fault.Unavailable, "database_unavailable", "The database does not answer. Try again shortly.").After(2 * time.Second)
	errCanceled    = fault.New(fault.Canceled, "canceled", "The call was ended before its answer came.")
)

const (
	// patience is how long a store works on one call, all its statements and tries together.
	patience = 5 * time.Second
	maxTries = 20
)

// verdict is what an error of the driver means for the caller.
type verdict int

const (
	unknown  verdict = iota
	conflict         // another transaction was in the way: try again
	outage           // the database can't do it now
)

// errRaced is a conflict that a store noticed by itself.
var errRaced = errors.New("another transaction was faster")

// finalError carries an error that the store must return as it is.
type finalError struct{ error }

// do runs f under a deadline, and puts its error into the words of the ports.
func (db *DB) do(ctx context.Context, step string, f func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := db.retry(limited, f)
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[finalError](err); ok {
		return f.error
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return errCanceled.Because(fmt.Errorf("%s: %w", step, ctx.Err()))
	case limited.Err() != nil:
		return errUnavailable.Because(fmt.Errorf("%s: %w: %w", step, limited.Err(), err))
	case db.engine.verdict(err) != unknown, errors.Is(err, errRaced), errors.Is(err, context.DeadlineExceeded):
		return errUnavailable.Because(fmt.Errorf("%s: %w", step, err))
	}
	return fmt.Errorf("%s: %w", step, err)
}

// retry runs f, and again, a few times, if another transaction was in its way.
func (db *DB) retry(ctx context.Context, f func(context.Context) error) error {
	pause := 2 * time.Millisecond
	for try := 1; ; try++ {
		err := f(ctx)
		again := err != nil && (errors.Is(err, errRaced) || db.engine.verdict(err) == conflict)
		if !again || try == maxTries || !sleep(ctx, rand.N(pause)) { //nolint:gosec // no secret, but a pause
			return err
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// inTx is do in a transaction.
func (db *DB) inTx(ctx context.Context, step string, f func(context.Context, bun.Tx) error) error {
	return db.do(ctx, step, func(ctx context.Context) error { return db.write.RunInTx(ctx, db.engine.options, f) })
}

// lock makes a query within a transaction keep others from the rows that it returns.
func (db *DB) lock(q *bun.SelectQuery) *bun.SelectQuery {
	if db.engine.rowLocks {
		return q.For("UPDATE")
	}
	return q
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
