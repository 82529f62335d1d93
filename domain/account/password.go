package account

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"monorelay/domain/fault"
)

// Errors of a password that is not good enough.
var (
	ErrPasswordLength = fault.New(fault.Invalid, "invalid_password", "A password has at least 8 and at most 256 characters.").At("password")
	ErrPasswordCommon = fault.New(fault.Invalid, "weak_password", "This password is one of the commonest, or your own name. Choose another one.").At("password")
)

// Password is a password in the clear, on its way to the hasher. It does not print.
type Password struct{ s string }

// PasswordPolicy says what a new password must be beyond 8 to 256 characters. The zero value asks for no more.
type PasswordPolicy struct {
	// IsCommon reports whether everybody would guess the password, given in lower case. Nil asks for no such check.
	IsCommon func(string) bool
}

// Check accepts a new password, which must be in Unicode's normal form C: characters are counted in that form.
func (p PasswordPolicy) Check(password string, username Username, email Email) (Password, error) {
	if n := utf8.RuneCountInString(password); n < 8 || n > 256 {
		return Password{}, ErrPasswordLength
	}
	if p.IsCommon != nil {
		lower := strings.ToLower(password)
		local, _, _ := strings.Cut(email.Key(), "@")
		if lower == username.Key() || lower == email.Key() || lower == local || p.IsCommon(lower) {
			return Password{}, ErrPasswordCommon
		}
	}
	return Password{password}, nil
}

// PresentedPassword takes a password as somebody presents it who wants to sign in: nothing is asked of it.
func PresentedPassword(s string) Password { return Password{s} }

// Reveal returns the password itself, for the hasher.
func (p Password) Reveal() string { return p.s }

// Format keeps the password out of everything that fmt prints.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[password]") }

// LogValue keeps the password out of logs.
func (p Password) LogValue() slog.Value { return slog.StringValue("[password]") }
