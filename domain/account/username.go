package account

import (
	"strings"

	"monorelay/domain/fault"
)

// ErrBadUsername is the answer to a name outside the allowed form.
var ErrBadUsername = fault.New(fault.Invalid, "invalid_username",
	"A username has 3 to 50 characters: letters a to z, digits, '.', '_' and '-'.").At("username")

// Username is the name of an account, spelled as its owner spelled it. The zero value is no name.
//
// The letters are those of ASCII: what NFKC and case folding would merge, and what only looks alike in another
// script, can't be written at all.
type Username struct{ s string }

// ParseUsername accepts 3 to 50 of letters, digits, '.', '_' and '-'.
func ParseUsername(s string) (Username, error) {
	if len(s) < 3 || len(s) > 50 {
		return Username{}, ErrBadUsername
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return Username{}, ErrBadUsername
		}
	}
	return Username{s}, nil
}

func (u Username) String() string { return u.s }

// Key returns the form in which no two accounts may have the same name.
func (u Username) Key() string { return strings.ToLower(u.s) }
