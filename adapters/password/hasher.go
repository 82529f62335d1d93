// Package password stores passwords as argon2id (RFC 9106), and reads the forms in which they were stored before.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"monorelay/domain/account"
	"monorelay/ports"
)

var _ ports.PasswordHasher = (*Hasher)(nil)

// waiting is how many calls may wait for each one that runs. With some 40 ms a hash, the last one waits half a second.
const waiting = 12

// Hasher is a ports.PasswordHasher. One hash runs on each core at most, and takes 19 MiB while it does.
type Hasher struct {
	strength params
	running  chan struct{} // a place for each that may run
	admitted chan struct{} // a place for each that may run or wait
	unknown  string        // the stored form of a password that nobody has
}

// NewHasher returns a hasher of the strength that OWASP's Password Storage Cheat Sheet names as the least: 19 MiB, two
// passes, one lane.
func NewHasher() (*Hasher, error) {
	return newHasher(params{memory: 19 << 10, passes: 2, lanes: 1})
}

func newHasher(strength params) (*Hasher, error) {
	cores := runtime.GOMAXPROCS(0)
	h := &Hasher{
		strength: strength,
		running:  make(chan struct{}, cores),
		admitted: make(chan struct{}, cores*(1+waiting)),
	}
	nobodys := make([]byte, saltLength+digestLength)
	if _, err := rand.Read(nobodys); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	h.unknown = stored{params: strength, salt: nobodys[:saltLength], digest: nobodys[saltLength:]}.String()
	return h, nil
}

// NormalizeNFC is a ports.NormalizePassword.
func NormalizeNFC(s string) string { return norm.NFC.String(s) }

// NewNormalizer returns NormalizeNFC.
func NewNormalizer() ports.NormalizePassword { return NormalizeNFC }

// Hash implements ports.PasswordHasher.
func (h *Hasher) Hash(ctx context.Context, p account.Password) (string, error) {
	release, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("read random salt: %w", err)
	}
	return stored{params: h.strength, salt: salt, digest: h.strength.digest(p, salt, digestLength)}.String(), nil
}

// Verify implements ports.PasswordHasher.
func (h *Hasher) Verify(ctx context.Context, hash string, p account.Password) (match, weak bool, err error) {
	nobody := hash == ""
	if nobody {
		hash = h.unknown
	}
	release, err := h.enter(ctx)
	if err != nil {
		return false, false, err
	}
	defer release()
	if old, isOld := parseLegacy(hash); isOld {
		return old.matches(p), true, nil
	}
	s, err := parsePHC(hash)
	if err != nil {
		return false, false, err
	}
	digest := s.params.digest(p, s.salt, len(s.digest))
	match = subtle.ConstantTimeCompare(digest, s.digest) == 1 && !nobody
	return match, s.params.weakerThan(h.strength), nil
}

// enter waits for a place to run in, unless too many wait already.
func (h *Hasher) enter(ctx context.Context) (release func(), err error) {
	select {
	case h.admitted <- struct{}{}:
	default:
		return nil, ports.ErrHasherBusy.After(retryAfter)
	}
	select {
	case h.running <- struct{}{}:
		return h.leave, nil
	case <-ctx.Done():
		<-h.admitted
		return nil, ports.ErrHasherBusy.After(retryAfter).Because(context.Cause(ctx))
	}
}

// leave gives the place back. What a hash took is collected at once, which costs a small part of the hash: the collector
// would set its next goal by it, and let the heap grow to several times as much. The last one to leave gives the memory
// back to the system.
func (h *Hasher) leave() {
	if len(h.admitted) == 1 {
		debug.FreeOSMemory()
	} else {
		runtime.GC() // before the next one begins
	}
	<-h.running
	<-h.admitted
}

func (p params) digest(password account.Password, salt []byte, length int) []byte {
	return argon2.IDKey([]byte(password.Reveal()), salt, p.passes, p.memory, p.lanes, uint32(length)) //nolint:gosec // parsePHC bounds it
}
