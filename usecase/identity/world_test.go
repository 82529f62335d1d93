package identity_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"monorelay/adapters/memory"
	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/fault"
	"monorelay/domain/session"
	"monorelay/domain/throttle"
	"monorelay/ports"
	"monorelay/usecase/identity"
)

var (
	began = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

	errDown = fault.New(fault.Unavailable, "store_unavailable", "The store does not answer.")
)

const (
	password = "securepassword123"
	lifetime = session.TTL(24 * time.Hour)
)

// world is what a use case stands on in these tests: real stores in memory, and a clock that stands still until it is
// moved.
type world struct {
	clock        *clock
	store        *memory.AccountStore // without what accounts puts in front of it
	accounts     *accounts
	attempts     *attempts
	hasher       *hasher
	tokens       *tokens
	directory    *identity.Directory
	registration account.Registration
	access       credential.AccessPolicy
	ids          int
}

func newWorld() *world {
	w := &world{
		clock:        &clock{at: began},
		store:        memory.NewAccountStore(),
		attempts:     &attempts{AttemptStore: memory.NewAttemptStore()},
		hasher:       &hasher{},
		tokens:       &tokens{issued: map[string]session.Claims{}},
		registration: account.NewRegistration(true, account.PasswordPolicy{}, ""),
		access:       credential.NewAccessPolicy("your-secret-access-key", true),
	}
	w.tokens.now = w.clock.now
	w.accounts = &accounts{AccountStore: w.store}
	w.directory = identity.NewDirectory(w.accounts, w.clock.now)
	return w
}

func (w *world) signIn() *identity.SignIn {
	var mu sync.Mutex
	return identity.NewSignIn(w.tokens, func() string {
		mu.Lock()
		defer mu.Unlock()
		w.ids++
		return "id-" + strconv.Itoa(w.ids)
	}, w.clock.now, lifetime)
}

func (w *world) policy() account.Registration { return w.registration }

func (w *world) register() *identity.Register {
	return identity.NewRegister(w.accounts, w.policy, w.hasher, normalize, w.signIn(), w.clock.now)
}

func (w *world) login() *identity.Login {
	return identity.NewLogin(w.accounts, w.attempts, w.hasher, normalize, w.signIn(), w.clock.now)
}

func (w *world) authenticate() *identity.Authenticate {
	return identity.NewAuthenticate(func() credential.AccessPolicy { return w.access }, w.tokens, w.directory, w.clock.now)
}

func (w *world) create() *identity.CreateAccount {
	return identity.NewCreateAccount(w.accounts, w.policy, w.hasher, normalize, w.clock.now)
}

func (w *world) change() *identity.ChangeAccount {
	return identity.NewChangeAccount(w.accounts, w.directory)
}

func (w *world) remove() *identity.DeleteAccount {
	return identity.NewDeleteAccount(w.accounts, w.directory)
}

func (w *world) reset() *identity.ResetPassword {
	return identity.NewResetPassword(w.accounts, w.directory, w.hasher, normalize, w.policy)
}

// has adds an account with the password of the tests. The first one is the super administrator.
func (w *world) has(t *testing.T, name string) *account.Account {
	t.Helper()
	username, err := account.ParseUsername(name)
	require.NoError(t, err)
	email, err := account.ParseEmail(name + "@example.com")
	require.NoError(t, err)
	a, err := w.store.Add(t.Context(), account.Open(username, email, "strong:"+password, began), func(bool) error { return nil })
	require.NoError(t, err)
	return a
}

// update changes a stored account behind the back of the use cases, as another replica would.
func (w *world) update(t *testing.T, id account.ID, change func(*account.Account) error) {
	t.Helper()
	_, err := w.store.Update(t.Context(), id, change)
	require.NoError(t, err)
}

// stored returns an account as the store has it.
func (w *world) stored(t *testing.T, id account.ID) *account.Account {
	t.Helper()
	a, err := w.store.ByID(t.Context(), id)
	require.NoError(t, err)
	return a
}

// normalize stands for Unicode's normal form C: it puts an e and its accent together.
func normalize(s string) string { return strings.ReplaceAll(s, "e\u0301", "\u00e9") }

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// accounts is the store in memory with a fault, a delay or a surprise in front of a call.
type accounts struct {
	ports.AccountStore
	before func(ctx context.Context, call string) error
	after  func(call string)

	mu    sync.Mutex
	reads int // calls of ByID
}

func (s *accounts) call(ctx context.Context, name string) error {
	s.mu.Lock()
	if name == "ByID" {
		s.reads++
	}
	before := s.before
	s.mu.Unlock()
	if before != nil {
		return before(ctx, name)
	}
	return nil
}

func (s *accounts) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// fail makes every call of one of these names fail.
func (s *accounts) fail(names ...string) {
	s.intercept(func(_ context.Context, call string) error {
		if slices.Contains(names, call) {
			return errDown
		}
		return nil
	})
}

func (s *accounts) intercept(before func(context.Context, string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

func (s *accounts) Add(ctx context.Context, a *account.Account, admit func(bool) error) (*account.Account, error) {
	if err := s.call(ctx, "Add"); err != nil {
		return nil, err
	}
	return s.AccountStore.Add(ctx, a, admit)
}

func (s *accounts) Founded(ctx context.Context) (bool, error) {
	if err := s.call(ctx, "Founded"); err != nil {
		return false, err
	}
	return s.AccountStore.Founded(ctx)
}

func (s *accounts) ByID(ctx context.Context, id account.ID) (*account.Account, error) {
	if err := s.call(ctx, "ByID"); err != nil {
		return nil, err
	}
	a, err := s.AccountStore.ByID(ctx, id)
	if s.after != nil {
		s.after("ByID")
	}
	return a, err
}

func (s *accounts) ByLogin(ctx context.Context, login string) (*account.Account, error) {
	if err := s.call(ctx, "ByLogin"); err != nil {
		return nil, err
	}
	return s.AccountStore.ByLogin(ctx, login)
}

func (s *accounts) Update(ctx context.Context, id account.ID, change func(*account.Account) error) (*account.Account, error) {
	if err := s.call(ctx, "Update"); err != nil {
		return nil, err
	}
	return s.AccountStore.Update(ctx, id, change)
}

func (s *accounts) Delete(ctx context.Context, id account.ID, may func(*account.Account) error) error {
	if err := s.call(ctx, "Delete"); err != nil {
		return err
	}
	return s.AccountStore.Delete(ctx, id, may)
}

// attempts is the store in memory, of which the n-th call may fail.
type attempts struct {
	ports.AttemptStore
	failAt int // counted from 1

	mu    sync.Mutex
	calls int
}

func (s *attempts) Change(ctx context.Context, keys []string, change func([]throttle.Record) error) error {
	s.mu.Lock()
	s.calls++
	failing := s.calls == s.failAt
	s.mu.Unlock()
	if failing {
		return errDown
	}
	return s.AttemptStore.Change(ctx, keys, change)
}

// hasher is a ports.PasswordHasher without the work: what it stores is strong:PASSWORD, and weak:PASSWORD is a weaker form.
type hasher struct {
	err    error
	during func() // called while a password is hashed or verified

	mu       sync.Mutex
	hashed   []string
	verified []string // the stored forms
}

func (h *hasher) Hash(_ context.Context, p account.Password) (string, error) {
	h.mu.Lock()
	h.hashed = append(h.hashed, p.Reveal())
	h.mu.Unlock()
	if h.during != nil {
		h.during()
	}
	return "strong:" + p.Reveal(), h.err
}

func (h *hasher) Verify(_ context.Context, hash string, p account.Password) (match, weak bool, err error) {
	h.mu.Lock()
	h.verified = append(h.verified, hash)
	h.mu.Unlock()
	if h.during != nil {
		h.during()
	}
	if h.err != nil {
		return false, false, h.err
	}
	form, stored, _ := strings.Cut(hash, ":")
	return hash != "" && stored == p.Reveal(), form == "weak", nil
}

// tokens is a ports.Tokens that remembers what it issued.
type tokens struct {
	now ports.Clock
	err error

	mu     sync.Mutex
	issued map[string]session.Claims
}

func (s *tokens) Issue(c session.Claims) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := "eyJ." + c.ID + ".signature"
	s.issued[token] = c
	return token, s.err
}

func (s *tokens) Verify(token string) (session.Claims, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.issued[token]
	if !known {
		return session.Claims{}, session.ErrInvalid
	}
	if !s.now().Before(c.ExpiresAt) {
		return session.Claims{}, session.ErrExpired
	}
	return c, nil
}

// tokenOf returns a token of the account as it is now.
func (w *world) tokenOf(t *testing.T, a *account.Account) string {
	t.Helper()
	token, err := w.tokens.Issue(session.Start(a, "session", "token-"+strconv.Itoa(len(w.tokens.issued)), w.clock.now(), lifetime))
	require.NoError(t, err)
	return token
}

func bearer(token string) credential.Headers {
	return credential.Headers{Authorization: []string{"Bearer " + token}}
}
