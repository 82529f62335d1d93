package account_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
)

func TestParseEmail(t *testing.T) {
	t.Parallel()
	bad := account.ErrBadEmail
	longDomain := strings.Repeat(strings.Repeat("d", 61)+".", 4) + "example" // 255 bytes
	tests := []struct {
		name, text string
		want       error
	}{
		{"an address", "alice@example.com", nil},
		{"capitals", "Alice@Example.COM", nil},
		{"a tag", "alice+relay@example.com", nil},
		{"every sign that a name may have", "!#$%&'*+-/=?^_`{|}~@example.com", nil},
		{"dots in the name", "a.l.i.c.e@example.com", nil},
		{"one letter each", "a@b.c", nil},
		{"a domain with digits and hyphens", "bob@mail-2.3com.example", nil},
		{"an international domain as it is on the wire", "bob@xn--bcher-kva.example", nil},
		{"a name of 64 bytes", strings.Repeat("a", 64) + "@example.com", nil},
		{"a label of 63 bytes", "bob@" + strings.Repeat("d", 63) + ".com", nil},
		{"254 bytes", strings.Repeat("a", 64) + "@" + longDomain[:189], nil},

		{"nothing", "", bad},
		{"no at", "alice.example.com", bad},
		{"no name", "@example.com", bad},
		{"no domain", "alice@", bad},
		{"two ats", "alice@bob@example.com", bad},
		{"a domain without a dot", "alice@localhost", bad},
		{"a dot in front of the name", ".alice@example.com", bad},
		{"a dot behind the name", "alice.@example.com", bad},
		{"two dots in the name", "a..lice@example.com", bad},
		{"a dot in front of the domain", "alice@.example.com", bad},
		{"a dot behind the domain", "alice@example.com.", bad},
		{"two dots in the domain", "alice@example..com", bad},
		{"a hyphen in front of a label", "alice@-example.com", bad},
		{"a hyphen behind a label", "alice@example-.com", bad},
		{"an underscore in the domain", "alice@ex_ample.com", bad},
		{"a name of 65 bytes", strings.Repeat("a", 65) + "@example.com", bad},
		{"a label of 64 bytes", "bob@" + strings.Repeat("d", 64) + ".com", bad},
		{"255 bytes", strings.Repeat("a", 64) + "@" + longDomain[:190], bad},
		{"a domain of 254 bytes", "@" + longDomain[:254], bad},
		{"a space", "alice @example.com", bad},
		{"a space in front", " alice@example.com", bad},
		{"a line's end", "alice@example.com\n", bad},
		{"a header of its own", "alice@example.com\r\nBcc: bob@example.com", bad},
		{"a NUL", "ali\x00ce@example.com", bad},
		{"a quoted name", `"alice"@example.com`, bad},
		{"a name and an address", "Alice <alice@example.com>", bad},
		{"a comment", "alice(home)@example.com", bad},
		{"an address literal", "alice@[127.0.0.1]", bad},
		{"a zero-width space", "ali\u200bce@example.com", bad},
		{"a Cyrillic letter that looks alike", "\u0430lice@example.com", bad},
		{"a Cyrillic letter in the domain", "alice@ex\u0430mple.com", bad},
		{"a full-width at", "alice\uff20example.com", bad},
		{"a Kelvin sign in the domain", "alice@\u212aexample.com", bad},
		{"bytes that are no text", "ali\xffce@example.com", bad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := account.ParseEmail(tt.text)
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				assert.Equal(t, account.Email{}, e)
				return
			}
			assert.Equal(t, tt.text, e.String(), "it is spelled as its owner spelled it")
			assert.Equal(t, strings.ToLower(tt.text), e.Key())
		})
	}
}
