package account_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
)

func TestPasswordPolicy(t *testing.T) {
	t.Parallel()
	basic := account.PasswordPolicy{}
	strict := account.PasswordPolicy{IsCommon: func(lower string) bool { return lower == "password123" }}
	length, weak := account.ErrPasswordLength, account.ErrPasswordCommon
	tests := []struct {
		name, password string
		policy         account.PasswordPolicy
		want           error
	}{
		{"the password of the examples", "securepassword123", basic, nil},
		{"nothing", "", basic, length},
		{"seven characters", "1234567", basic, length},
		{"eight characters", "12345678", basic, nil},
		{"256 characters", strings.Repeat("a", 256), basic, nil},
		{"257 characters", strings.Repeat("a", 257), basic, length},
		{"seven characters of four bytes each", strings.Repeat("😀", 7), basic, length},
		{"eight characters of four bytes each", strings.Repeat("😀", 8), basic, nil},
		{"256 characters of four bytes each", strings.Repeat("😀", 256), basic, nil},
		{"257 characters of four bytes each", strings.Repeat("😀", 257), basic, length},
		{"two emoji, which have eight bytes", "😀😀", basic, length},
		{"eight spaces", "        ", basic, nil},
		{"a NUL inside", "secure\x00password", basic, nil},
		{"Cyrillic", "пароль123", basic, nil},
		{"a common one", "password123", basic, nil},
		{"the username", "alice.relay", basic, nil},

		{"a good one, strictly", "correct horse battery", strict, nil},
		{"a short one, strictly", "1234567", strict, length},
		{"a common one, strictly", "password123", strict, weak},
		{"a common one in capitals, strictly", "PassWord123", strict, weak},
		{"a common one and one more letter, strictly", "password1234", strict, nil},
		{"the username, strictly", "alice.relay", strict, weak},
		{"the username in capitals, strictly", "ALICE.relay", strict, weak},
		{"the e-mail address, strictly", "Alice-at-home@Example.com", strict, weak},
		{"the name in the e-mail address, strictly", "alice-AT-home", strict, weak},
		{"the username and more, strictly", "alice.relay!", strict, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := tt.policy.Check(tt.password, name(t, "Alice.Relay"), email(t, "Alice-at-home@example.com"))
			require.ErrorIs(t, err, tt.want)
			if tt.want == nil {
				assert.Equal(t, tt.password, p.Reveal())
			} else {
				assert.Empty(t, p.Reveal())
			}
		})
	}
}

func TestPresentedPasswordAsksForNothing(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a", "password123", strings.Repeat("a", 1000)} {
		assert.Equal(t, s, account.PresentedPassword(s).Reveal())
	}
}

func TestPasswordDoesNotPrint(t *testing.T) {
	t.Parallel()
	const secret = "correct horse battery"
	p := account.PresentedPassword(secret)
	holder := struct{ P account.Password }{p}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{p, &p, holder, &holder, []account.Password{p}} {
			printed := fmt.Sprintf(verb, value)
			assert.NotContains(t, printed, secret, verb)
			assert.NotContains(t, printed, fmt.Sprintf("%x", secret), verb)
		}
	}

	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("sign in", "password", p, "holder", holder, "list", []account.Password{p})
	}
	assert.Contains(t, log.String(), `"password":"[password]"`)
	assert.NotContains(t, log.String(), secret)
}
