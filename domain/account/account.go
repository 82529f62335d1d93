// Package account holds the account aggregate and the rules it keeps: who may sign in, and who may change whom.
package account

import (
	"time"

	"monorelay/domain/fault"
)

// Errors that the rules of an account can produce.
var (
	ErrNotFound       = fault.New(fault.NotFound, "user_not_found", "There is no such user.")
	ErrInactive       = fault.New(fault.Unauthenticated, "account_inactive", "This account is inactive. Contact the administrator.")
	ErrAdminRequired  = fault.New(fault.Forbidden, "admin_required", "Only an administrator may do this.")
	ErrProtectedAdmin = fault.New(fault.Forbidden, "admin_protected", "Only the super administrator may change an administrator's account.")
	ErrProtectedSuper = fault.New(fault.Forbidden, "super_admin_protected", "The super administrator can't be demoted, deactivated or deleted.")
	ErrUsernameTaken  = fault.New(fault.Conflict, "username_taken", "This username is taken. Choose another one.").At("username")
	ErrEmailTaken     = fault.New(fault.Conflict, "email_taken", "An account with this e-mail address exists.").At("email")
	ErrBadCredentials = fault.New(fault.Unauthenticated, "invalid_credentials", "The username or the password is wrong.")
)

// ID identifies an account. The store gives it, and never gives it twice. The zero ID is no account.
type ID int64

// Role is what an account may do beyond its own affairs.
type Role uint8

// The roles, each with all the rights of the ones before it. There is exactly one super administrator.
const (
	User Role = iota
	Admin
	SuperAdmin
)

// Account is a person or a program that may use the relay.
type Account struct {
	id           ID
	username     Username
	email        Email
	passwordHash string
	role         Role
	active       bool
	version      int64
	createdAt    time.Time
}

// Open starts an active account of an ordinary user. It has no ID until a store gives it one.
func Open(username Username, email Email, passwordHash string, at time.Time) *Account {
	return &Account{username: username, email: email, passwordHash: passwordHash, active: true, createdAt: at.UTC()}
}

// Found makes a the super administrator. It is for the store, which alone knows that a is the first account ever.
func (a *Account) Found() { a.role = SuperAdmin }

// Actor is somebody who asks for a change to an account.
type Actor struct {
	id       ID
	role     Role
	operator bool
}

// Operator is the person at the server's shell, who stands above all roles.
func Operator() Actor { return Actor{operator: true} }

// Actor returns a as somebody who asks for changes.
func (a *Account) Actor() Actor { return Actor{id: a.id, role: a.role} }

// MayAdminister reports, as an error, why the actor may not look after other people's accounts.
func (by Actor) MayAdminister() error {
	if by.operator || by.role >= Admin {
		return nil
	}
	return ErrAdminRequired
}

// mayTouch holds the rule on roles: an administrator changes users, the super administrator everybody.
func (by Actor) mayTouch(a *Account) error {
	if err := by.MayAdminister(); err != nil {
		return err
	}
	if !by.operator && by.role < SuperAdmin && a.role >= Admin {
		return ErrProtectedAdmin
	}
	return nil
}

// Activate lets the account sign in again.
func (a *Account) Activate(by Actor) error {
	if err := by.mayTouch(a); err != nil {
		return err
	}
	a.active = true
	return nil
}

// Deactivate bars the account from use, and ends every token that it has: they stay dead if it is activated again.
func (a *Account) Deactivate(by Actor) error {
	if err := a.mayLose(by); err != nil {
		return err
	}
	if a.active {
		a.active = false
		a.version++
	}
	return nil
}

// Promote makes the account an administrator.
func (a *Account) Promote(by Actor) error {
	if err := by.mayTouch(a); err != nil {
		return err
	}
	a.role = max(a.role, Admin)
	return nil
}

// Demote makes the account an ordinary user.
func (a *Account) Demote(by Actor) error {
	if err := a.mayLose(by); err != nil {
		return err
	}
	a.role = User
	return nil
}

// MayDelete reports, as an error, why the actor may not delete the account.
func (a *Account) MayDelete(by Actor) error { return a.mayLose(by) }

// mayLose is the rule for every change that takes something away.
func (a *Account) mayLose(by Actor) error {
	if err := by.mayTouch(a); err != nil {
		return err
	}
	if a.role == SuperAdmin {
		return ErrProtectedSuper
	}
	return nil
}

// ResetPassword gives the account another password, and ends every token that it has.
func (a *Account) ResetPassword(by Actor, hash string) error {
	if err := by.mayTouch(a); err != nil {
		return err
	}
	a.passwordHash = hash
	a.version++
	return nil
}

// Rehash replaces the stored form of the same password by a stronger one. Tokens live on.
func (a *Account) Rehash(hash string) { a.passwordHash = hash }

// MaySignIn reports, as an error, why the account may not be used.
func (a *Account) MaySignIn() error {
	if !a.active {
		return ErrInactive
	}
	return nil
}

// ID returns the account's identity, zero before it is stored.
func (a *Account) ID() ID { return a.id }

// Username returns the account's name.
func (a *Account) Username() Username { return a.username }

// Email returns the account's address.
func (a *Account) Email() Email { return a.email }

// PasswordHash returns the stored form of the password. It leaves the process for the store only.
func (a *Account) PasswordHash() string { return a.passwordHash }

// Role returns what the account may do.
func (a *Account) Role() Role { return a.role }

// Active reports whether the account may be used.
func (a *Account) Active() bool { return a.active }

// Version counts the times that all tokens of the account were ended. A token of another version is dead.
func (a *Account) Version() int64 { return a.version }

// CreatedAt returns when the account was opened, in UTC.
func (a *Account) CreatedAt() time.Time { return a.createdAt }

// Snapshot is the stored form of an Account: what a store writes and reads, and nothing else does.
type Snapshot struct {
	ID           ID
	Username     string
	Email        string
	PasswordHash string
	Role         Role
	Active       bool
	Version      int64
	CreatedAt    time.Time
}

// Snapshot returns a's stored form.
func (a *Account) Snapshot() Snapshot {
	return Snapshot{a.id, a.username.s, a.email.s, a.passwordHash, a.role, a.active, a.version, a.createdAt}
}

// Restore rebuilds an account from its stored form. It trusts s: it is for stores and tests, never a constructor.
func Restore(s Snapshot) *Account {
	return &Account{s.ID, Username{s.Username}, Email{s.Email}, s.PasswordHash, s.Role, s.Active, s.Version, s.CreatedAt}
}
