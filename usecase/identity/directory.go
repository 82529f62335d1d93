package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"monorelay/domain/account"
	"monorelay/ports"
)

// How old a snapshot of an account may be, and how many there are.
const (
	fresh  = time.Second            // then it is read again: with the time that takes, another replica's change counts within two seconds
	stale  = 60 * time.Second       // while the store does not answer
	notice = 300 * time.Millisecond // how long the store may take while there is a stale answer
	crowd  = 10_000                 // how many accounts are kept before old ones are dropped
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

	mu      sync.Mutex
	reading *reading // the question to the store that is under way, if it counts still
}

// reading is one question to the store. What it found may be looked at once done is closed.
type reading struct {
	done    chan struct{}
	account *account.Account
	err     error
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
// fails with account.ErrNotFound, and with the store's error if nothing is known that is fresh enough. All who ask at one
// moment share one question to the store.
func (d *Directory) ByID(ctx context.Context, id account.ID) (*account.Account, error) {
	e := d.entry(id)
	if s := e.snapshot.Load(); s.recent(d.now()) {
		return s.account, nil
	}
	r := d.ask(ctx, id, e)
	select {
	case <-r.done:
		return r.account, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ask returns the question under way, or begins one, which does not end with whoever was the first to ask.
func (d *Directory) ask(ctx context.Context, id account.ID, e *entry) *reading {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reading != nil {
		return e.reading
	}
	r := &reading{done: make(chan struct{})}
	known := e.snapshot.Load()
	if known.recent(d.now()) { // another question was answered since
		r.account = known.account
		close(r.done)
		return r
	}
	e.reading = r
	go d.read(context.WithoutCancel(ctx), id, e, r, known)
	return r
}

// read asks the store, and keeps the answer unless the account was changed since.
func (d *Directory) read(ctx context.Context, id account.ID, e *entry, r *reading, known *snapshot) {
	defer close(r.done)
	defer func() {
		if p := recover(); p != nil {
			r.account, r.err = nil, fmt.Errorf("panic while an account was read: %v", p)
			d.Forget(id)
		}
	}()
	now := d.now()
	usable := known != nil && within(now, known.readAt, stale)
	if usable {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, notice)
		defer cancel()
	}
	r.account, r.err = d.accounts.ByID(ctx, id)

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reading != r { // Forget was called: what is known, and what was read, may be what was before the change
		return
	}
	e.reading = nil
	switch {
	case r.err == nil:
		e.snapshot.Store(&snapshot{account: r.account, readAt: now, askedAt: now})
	case errors.Is(r.err, account.ErrNotFound):
		d.drop(id)
	case usable:
		r.account, r.err = known.account, nil
		e.snapshot.Store(&snapshot{account: known.account, readAt: known.readAt, askedAt: d.now()})
	}
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
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reading = nil
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
