package identity

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"monorelay/domain/account"
	"monorelay/domain/throttle"
	"monorelay/ports"
)

// Login signs in whoever knows an account's password.
type Login struct {
	accounts  ports.AccountStore
	attempts  ports.AttemptStore
	hasher    ports.PasswordHasher
	normalize ports.NormalizePassword
	sign      *SignIn
	now       ports.Clock

	mu       sync.Mutex
	underWay map[string]int // how many tries of an account from a network wait for their verdict
}

// NewLogin returns the use case over its ports.
func NewLogin(accounts ports.AccountStore, attempts ports.AttemptStore, hasher ports.PasswordHasher, normalize ports.NormalizePassword, sign *SignIn, now ports.Clock) *Login {
	return &Login{accounts: accounts, attempts: attempts, hasher: hasher, normalize: normalize, sign: sign, now: now, underWay: map[string]int{}}
}

// LoginInput is what a person gives, and where he sits.
type LoginInput struct {
	Login    string // the username or the e-mail address
	Password string
	Network  string // where the request comes from: an address, or the network of one
}

// Execute signs in. It fails with account.ErrBadCredentials, which does not tell whether there is such an account, with
// account.ErrInactive after the right password only, and with throttle.ErrTooMany while too many failures are fresh.
func (u *Login) Execute(ctx context.Context, in LoginInput) (SignedIn, error) {
	a, err := u.accounts.ByLogin(ctx, in.Login)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return SignedIn{}, err
	}
	keys := attemptKeys(a, in)
	failed, done, err := u.mayTry(ctx, keys)
	if err != nil {
		return SignedIn{}, err
	}
	defer done()

	hash := "" // takes the same time, and matches nothing
	if a != nil {
		hash = a.PasswordHash()
	}
	password := account.PresentedPassword(u.normalize(in.Password))
	match, weak, err := u.hasher.Verify(ctx, hash, password)
	if err != nil {
		return SignedIn{}, fmt.Errorf("verify password: %w", err)
	}
	if !match {
		if err := u.attempts.Change(ctx, keys, func(records []throttle.Record) error {
			for i := range records {
				records[i] = records[i].Failed(u.now())
			}
			return nil
		}); err != nil {
			return SignedIn{}, err
		}
		return SignedIn{}, account.ErrBadCredentials
	}
	if err := a.MaySignIn(); err != nil {
		return SignedIn{}, err
	}
	if failed {
		// The network's record is cleared as well, or one person's slips would slow down everybody behind his address. Who
		// has an account can clear it so between his guesses at others: each of those accounts still has its own record.
		if err := u.attempts.Change(ctx, keys, func(records []throttle.Record) error {
			clear(records)
			return nil
		}); err != nil {
			return SignedIn{}, err
		}
	}
	if weak {
		if a, err = u.rehash(ctx, a, password); err != nil {
			return SignedIn{}, err
		}
	}
	return u.sign.in(a)
}

// mayTry fails with throttle.ErrTooMany if a failure is too fresh, and reports whether there were any. A try that is under
// way counts as a failure until done is called, or guesses made at one moment would all be free.
func (u *Login) mayTry(ctx context.Context, keys []string) (failed bool, done func(), err error) {
	var ofAccount throttle.Record
	err = u.attempts.Change(ctx, keys, func(records []throttle.Record) error {
		failed = false
		for _, r := range records {
			failed = failed || r.Failures > 0
		}
		now := u.now()
		if wait := max(records[0].Wait(now), records[1].Wait(now), records[2].WaitForAll(now)); wait > 0 {
			return throttle.ErrTooMany.After(wait)
		}
		ofAccount = records[0]
		return nil
	})
	if err != nil {
		return false, nil, err
	}
	key := keys[0]
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := u.underWay[key]; n > 0 && ofAccount.Failures+n > throttle.Free {
		return false, nil, throttle.ErrTooMany.After(throttle.FirstDelay)
	}
	u.underWay[key]++
	return failed, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.underWay[key]--; u.underWay[key] == 0 {
			delete(u.underWay, key)
		}
	}, nil
}

// rehash stores a stronger form of the password. If it was changed in the meantime, it was the wrong one; if the account
// was deactivated, it is inactive.
func (u *Login) rehash(ctx context.Context, a *account.Account, password account.Password) (*account.Account, error) {
	stronger, err := u.hasher.Hash(ctx, password)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	old := a.PasswordHash()
	return u.accounts.Update(ctx, a.ID(), func(a *account.Account) error {
		if a.PasswordHash() != old {
			return account.ErrBadCredentials
		}
		if err := a.MaySignIn(); err != nil {
			return err
		}
		a.Rehash(stronger)
		return nil
	})
}

// attemptKeys names the records of a try: the account as tried from this network, so that nobody can lock its owner out
// from elsewhere with a few tries; the network itself, which may try many accounts; and the account as tried from
// everywhere.
func attemptKeys(a *account.Account, in LoginInput) []string {
	who := "name:" + strings.ToLower(in.Login[:min(len(in.Login), 100)])
	if a != nil {
		who = "id:" + strconv.FormatInt(int64(a.ID()), 10) // the same for its name and its address
	}
	return []string{"login/" + who + "/" + in.Network, "login/" + in.Network, "login/" + who}
}
