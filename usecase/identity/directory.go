package identity

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"monorelay/domain/account"
	"monorelay/ports"
)

// How old a snapshot of an account may be.
const (
	fresh  = time.Second      // then it is read again: with the time that takes, another replica's change counts within two seconds
	stale  = 60 * time.Second // while the store does not answer
	crowd  = 10_000           // how many snapshots are kept before old ones are dropped
	notice = 300 * time.Millisecond
)

// Directory knows the accounts that make requests, so that not every request asks the store. Changes made through this
// process count at once.
type Directory struct {
	accounts ports.AccountStore
	now      ports.Clock

	mu      sync.RWMutex
	entries map[account.ID]*entry
}

// entry is what is known of one account.
type entry struct {
	snapshot atomic.Pointer[snapshot]
	changes  atomic.Int64 // counts the calls of Forget
	reading  sync.Mutex   // held by the one that asks the store
}

type snapshot struct {
	account *account.Account
	readAt  time.Time // when the store said so
	askedAt time.Time // when it was last asked, with or without an answer
}

// NewDirectory returns an empty directory over the store.
func NewDirectory(accounts ports.AccountStore, now ports.Clock) *Directory {
	return &Directory{accounts: accounts, now: now, entries: map[account.ID]*entry{}}
}

// ByID returns the account as it was at most a second ago, or at most a minute ago while the store does not answer. It
// fails with account.ErrNotFound, and with the store's error if nothing is known that is fresh enough.
func (d *Directory) ByID(ctx context.Context, id account.ID) (*account.Account, error) {
	e := d.entry(id)
	if s := e.snapshot.Load(); s.recent(d.now()) {
		return s.account, nil
	}
	e.reading.Lock()
	defer e.reading.Unlock()
	known := e.snapshot.Load()
	if known.recent(d.now()) {
		return known.account, nil
	}
	return d.ask(ctx, id, e, known)
}

func (d *Directory) ask(ctx context.Context, id account.ID, e *entry, known *snapshot) (*account.Account, error) {
	now := d.now()
	usable := known != nil && within(now, known.readAt, stale)
	asking := context.WithoutCancel(ctx) // others wait for the same answer
	if usable {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(asking, notice)
		defer cancel()
	}
	changes := e.changes.Load()
	a, err := d.accounts.ByID(asking, id)
	switch {
	case err == nil:
		if e.changes.Load() == changes {
			e.snapshot.Store(&snapshot{account: a, readAt: now, askedAt: now})
		}
		return a, nil
	case errors.Is(err, account.ErrNotFound):
		d.drop(id)
		return nil, err
	case usable && e.changes.Load() == changes:
		e.snapshot.Store(&snapshot{account: known.account, readAt: known.readAt, askedAt: d.now()})
		return known.account, nil
	}
	return nil, err
}

// recent reports whether there is no need to ask the store now.
func (s *snapshot) recent(now time.Time) bool {
	return s != nil && within(now, s.askedAt, fresh) && within(now, s.readAt, stale)
}

// within reports whether t is in the past of now, by less than d. A clock that was set back makes nothing fresh.
func within(now, t time.Time, d time.Duration) bool {
	age := now.Sub(t)
	return 0 <= age && age < d
}

// Forget makes the next question about the account go to the store. Whoever changes an account calls it afterwards.
func (d *Directory) Forget(id account.ID) {
	e := d.entry(id)
	e.changes.Add(1)
	e.snapshot.Store(nil)
}

func (d *Directory) entry(id account.ID) *entry {
	d.mu.RLock()
	e := d.entries[id]
	d.mu.RUnlock()
	if e != nil {
		return e
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if e = d.entries[id]; e == nil {
		if len(d.entries) >= crowd {
			d.sweep()
		}
		e = new(entry)
		d.entries[id] = e
	}
	return e
}

func (d *Directory) drop(id account.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.entries, id)
}

// sweep drops what is too old to be used, and if that is nothing, everything: it is read again when needed.
func (d *Directory) sweep() {
	now := d.now()
	for id, e := range d.entries {
		if s := e.snapshot.Load(); s == nil || !within(now, s.readAt, stale) {
			delete(d.entries, id)
		}
	}
	if len(d.entries) >= crowd {
		clear(d.entries)
	}
}
