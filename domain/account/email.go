package account

import (
	"strings"

	"monorelay/domain/fault"
)

// ErrBadEmail is the answer to what can't be an e-mail address.
var ErrBadEmail = fault.New(fault.Invalid, "invalid_email", "This is not an e-mail address, such as alice@example.com.").At("email")

// Limits of RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3, in octets.
const (
	maxEmailLocal = 64
	maxEmail      = 254
)

// Email is an e-mail address, spelled as its owner spelled it. The zero value is no address.
type Email struct{ s string }

// ParseEmail accepts an address that a mail server on the Internet could have: a dot-atom, and a domain name with a dot.
// Quoted names, address literals and other scripts than ASCII are refused.
func ParseEmail(s string) (Email, error) {
	local, domain, found := strings.Cut(s, "@")
	if !found || len(s) > maxEmail || len(local) > maxEmailLocal {
		return Email{}, ErrBadEmail
	}
	if !everyPart(local, isAtomText) || !everyPart(domain, isDomainLabel) || !strings.Contains(domain, ".") {
		return Email{}, ErrBadEmail
	}
	return Email{s}, nil
}

func everyPart(s string, good func(string) bool) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || !good(part) {
			return false
		}
	}
	return true
}

// isAtomText reports whether s consists of atext of RFC 5322, section 3.2.3.
func isAtomText(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) }) < 0
}

// isDomainLabel reports whether s is a label of RFC 1123, section 2.1.
func isDomainLabel(s string) bool {
	return len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }) < 0
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func (e Email) String() string { return e.s }

// Key returns the form in which no two accounts may have the same address.
func (e Email) Key() string { return strings.ToLower(e.s) }
