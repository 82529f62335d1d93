package memory

import (
	"context"
	"maps"
	"sync"
	"time"

	"monorelay/domain/throttle"
	"monorelay/ports"
)

var _ ports.AttemptStore = (*AttemptStore)(nil)

// AttemptStore is a ports.AttemptStore in memory.
type AttemptStore struct {
	mu      sync.Mutex
	records map[string]throttle.Record
}

// NewAttemptStore returns an empty store.
func NewAttemptStore() *AttemptStore { return &AttemptStore{records: map[string]throttle.Record{}} }

// Change implements ports.AttemptStore.
func (s *AttemptStore) Change(ctx context.Context, keys []string, change func([]throttle.Record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	records := make([]throttle.Record, len(keys))
	for i, key := range keys {
		records[i] = s.records[key]
	}
	if err := change(records); err != nil {
		return err
	}
	for i, key := range keys {
		r := throttle.Record{Failures: records[i].Failures, Last: records[i].Last.UTC().Truncate(time.Microsecond)}
		if r == (throttle.Record{}) {
			delete(s.records, key)
			continue
		}
		s.records[key] = r
	}
	return nil
}

// Sweep implements ports.AttemptStore.
func (s *AttemptStore) Sweep(ctx context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	maps.DeleteFunc(s.records, func(_ string, r throttle.Record) bool { return r.Last.Before(before) })
	return nil
}
