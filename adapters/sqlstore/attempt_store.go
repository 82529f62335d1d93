package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"monorelay/domain/throttle"
	"monorelay/ports"
)

var _ ports.AttemptStore = (*AttemptStore)(nil)

// sweepBatch is how many records one statement removes.
const sweepBatch = 1000

type attemptRow struct {
	bun.BaseModel `bun:"table:login_attempts,alias:l"`

	Key      string    `bun:"attempt_key,pk"`
	Failures int       `bun:"failures"`
	LastAt   time.Time `bun:"last_at"`
}

func newAttemptRow(key string, r throttle.Record) *attemptRow {
	return &attemptRow{Key: key, Failures: r.Failures, LastAt: r.Last}
}

func (r *attemptRow) record() throttle.Record {
	return throttle.Record{Failures: r.Failures, Last: r.LastAt.UTC()}
}

// attemptKey hashes a key. People type anything into the field for the name: text of any length, and their passwords.
func attemptKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// AttemptStore is a ports.AttemptStore in a database.
type AttemptStore struct{ db *DB }

// NewAttemptStore returns a store in db, whose schema must be migrated.
func NewAttemptStore(db *DB) *AttemptStore { return &AttemptStore{db} }

// Change implements ports.AttemptStore.
func (s *AttemptStore) Change(ctx context.Context, keys []string, change func([]throttle.Record) error) error {
	hashed := make([]string, len(keys))
	for i, key := range keys {
		hashed[i] = attemptKey(key)
	}
	return s.db.inTx(ctx, "change login attempts", func(ctx context.Context, tx bun.Tx) error {
		var rows []*attemptRow
		if err := s.db.lock(tx.NewSelect().Model(&rows).Where("attempt_key IN (?)", bun.List(hashed))).Scan(ctx); err != nil {
			return err
		}
		stored := map[string]throttle.Record{}
		for _, row := range rows {
			stored[row.Key] = row.record()
		}
		records := make([]throttle.Record, len(keys))
		for i, key := range hashed {
			records[i] = stored[key]
		}
		if err := change(records); err != nil {
			return finalError{err}
		}
		wanted := map[string]throttle.Record{}
		for i, key := range hashed {
			r := records[i]
			wanted[key] = throttle.Record{Failures: r.Failures, Last: r.Last.UTC().Truncate(time.Microsecond)}
		}
		return s.store(ctx, tx, stored, wanted)
	})
}

// store writes what differs. It goes through the keys in one order, so that two transactions don't wait for each other.
func (s *AttemptStore) store(ctx context.Context, tx bun.Tx, stored, wanted map[string]throttle.Record) error {
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		before, was := stored[key]
		after := wanted[key]
		row := newAttemptRow(key, after)
		var err error
		switch {
		case after == before: // as it was, or none as there was none
		case after == throttle.Record{}:
			_, err = tx.NewDelete().Model(row).WherePK().Exec(ctx)
		case was:
			_, err = tx.NewUpdate().Model(row).WherePK().Exec(ctx)
		default:
			_, err = tx.NewInsert().Model(row).Exec(ctx)
			if s.db.engine.violated(err) != "" {
				return errRaced
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Sweep implements ports.AttemptStore.
func (s *AttemptStore) Sweep(ctx context.Context, before time.Time) error {
	for {
		var keys []string
		err := s.db.do(ctx, "look for old login attempts", func(ctx context.Context) error {
			return s.db.read.NewSelect().Model((*attemptRow)(nil)).Column("attempt_key").
				Where("last_at < ?", before).Limit(sweepBatch).Scan(ctx, &keys)
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		err = s.db.inTx(ctx, "remove old login attempts", func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewDelete().Model((*attemptRow)(nil)).
				Where("attempt_key IN (?)", bun.List(keys)).Where("last_at < ?", before).Exec(ctx)
			return err
		})
		if err != nil || len(keys) < sweepBatch {
			return err
		}
	}
}
