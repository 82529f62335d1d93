package account_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
)

func TestParseUsername(t *testing.T) {
	t.Parallel()
	bad := account.ErrBadUsername
	tests := []struct {
		name, text string
		want       error
	}{
		{"a name", "alice", nil},
		{"every kind of character", "Bob.B_o-b99", nil},
		{"digits only", "123", nil},
		{"signs only", "._-", nil},
		{"three characters", "bob", nil},
		{"fifty characters", strings.Repeat("a", 50), nil},
		{"nothing", "", bad},
		{"two characters", "bo", bad},
		{"fifty-one characters", strings.Repeat("a", 51), bad},
		{"a space inside", "alice bob", bad},
		{"a space behind", "alice ", bad},
		{"a line's end", "alice\n", bad},
		{"a NUL", "ali\x00ce", bad},
		{"a DEL", "ali\x7fce", bad},
		{"a zero-width space", "ali\u200bce", bad},
		{"a zero-width joiner", "ali\u200dce", bad},
		{"a mark that turns the direction of writing", "\u202ealice", bad},
		{"a byte order mark", "\ufeffalice", bad},
		{"a Cyrillic letter that looks alike", "\u0430lice", bad},
		{"a full-width letter, which NFKC makes an ordinary one", "\uff41lice", bad},
		{"a Kelvin sign, which folds to k", "mi\u212ae", bad},
		{"a long s, which folds to s", "bo\u017f", bad},
		{"an umlaut", "älice", bad},
		{"an accent on its own", "alice\u0301", bad},
		{"Chinese", "爱丽丝爱丽丝", bad},
		{"bytes that are no text", "ali\xffce", bad},
		{"an e-mail address", "alice@example.com", bad},
		{"a path", "../alice", bad},
		{"a pattern", "ali%", bad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := account.ParseUsername(tt.text)
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				assert.Equal(t, account.Username{}, u)
				return
			}
			assert.Equal(t, tt.text, u.String(), "it is spelled as its owner spelled it")
			assert.Equal(t, strings.ToLower(tt.text), u.Key())
		})
	}
}

func TestUsernamesThatDifferInCaseHaveOneKey(t *testing.T) {
	t.Parallel()
	assert.Equal(t, name(t, "alice").Key(), name(t, "ALiCE").Key())
	assert.NotEqual(t, name(t, "alice").Key(), name(t, "a.lice").Key())
}
