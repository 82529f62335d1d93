package ports

import (
	"context"

	"monorelay/domain/account"
	"monorelay/domain/fault"
)

// ErrHasherBusy is what a PasswordHasher returns when too many wait already.
var ErrHasherBusy = fault.New(fault.Unavailable, "busy", "Too many people sign in at this moment. Try again shortly.")

// PasswordHasher turns passwords into what may be stored. Its calls are slow on purpose, a bounded number runs at a time,
// and one that would wait behind too many others returns ErrHasherBusy at once.
type PasswordHasher interface {
	// Hash returns the stored form of the password: salted, so that no two are equal, and with all that Verify needs.
	Hash(ctx context.Context, p account.Password) (string, error)

	// Verify reports whether the password is the one whose stored form is hash, and whether that form is weaker than
	// what Hash makes now. With an empty hash it says no, after the same time. A form that it can't read is an error.
	Verify(ctx context.Context, hash string, p account.Password) (match, weak bool, err error)
}

// NormalizePassword returns the text in Unicode's normal form C, so that one password is the same from every keyboard.
type NormalizePassword func(string) string
