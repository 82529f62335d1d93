package credential_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/domain/credential"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const opaque, token = credential.Opaque, credential.Token
	auth := func(lines ...string) credential.Headers { return credential.Headers{Authorization: lines} }
	accessKey := func(lines ...string) credential.Headers { return credential.Headers{AccessKey: lines} }
	apiKey := func(lines ...string) credential.Headers { return credential.Headers{APIKey: lines} }
	longest := strings.Repeat("k", credential.MaxLength)
	tests := []struct {
		name    string
		headers credential.Headers
		want    credential.Credential
	}{
		{"Bearer and a key", auth("Bearer your-secret-access-key"), credential.Credential{Kind: opaque, Secret: "your-secret-access-key"}},
		{"bearer in lower case", auth("bearer K"), credential.Credential{Kind: opaque, Secret: "K"}},
		{"BEARER in upper case", auth("BEARER K"), credential.Credential{Kind: opaque, Secret: "K"}},
		{"bEaReR in any case", auth("bEaReR K"), credential.Credential{Kind: opaque, Secret: "K"}},
		{"the case of the key stays", auth("Bearer KeY"), credential.Credential{Kind: opaque, Secret: "KeY"}},
		{"only one space belongs to the scheme", auth("Bearer  K"), credential.Credential{Kind: opaque, Secret: " K"}},
		{"a space inside", auth("Bearer K K"), credential.Credential{Kind: opaque, Secret: "K K"}},
		{"a key that looks like a scheme", auth("Bearer Bearer"), credential.Credential{Kind: opaque, Secret: "Bearer"}},
		{"a key without a scheme in X-Access-Key", accessKey("K"), credential.Credential{Kind: opaque, Secret: "K"}},
		{"X-Access-Key has no scheme", accessKey("Bearer K"), credential.Credential{Kind: opaque, Secret: "Bearer K"}},
		{"a key in x-api-key", apiKey("K"), credential.Credential{Kind: opaque, Secret: "K"}},
		{"every character that can be seen", accessKey("!\"#$%&'()*+,-/:;<=>?@[\\]^_`{|}~"), credential.Credential{Kind: opaque, Secret: "!\"#$%&'()*+,-/:;<=>?@[\\]^_`{|}~"}},

		{"Authorization comes before the others", credential.Headers{Authorization: []string{"Bearer A"}, AccessKey: []string{"B"}, APIKey: []string{"C"}}, credential.Credential{Kind: opaque, Secret: "A"}},
		{"X-Access-Key comes before x-api-key", credential.Headers{AccessKey: []string{"B"}, APIKey: []string{"C"}}, credential.Credential{Kind: opaque, Secret: "B"}},
		{"Basic counts as absent", credential.Headers{Authorization: []string{"Basic YWxpY2U6cHc="}, AccessKey: []string{"B"}}, credential.Credential{Kind: opaque, Secret: "B"}},
		{"Digest counts as absent", credential.Headers{Authorization: []string{`Digest username="alice"`}, APIKey: []string{"C"}}, credential.Credential{Kind: opaque, Secret: "C"}},
		{"a scheme that begins with Bearer counts as absent", credential.Headers{Authorization: []string{"BearerX A"}, AccessKey: []string{"B"}}, credential.Credential{Kind: opaque, Secret: "B"}},
		{"an empty Authorization falls through", credential.Headers{Authorization: []string{""}, AccessKey: []string{"B"}}, credential.Credential{Kind: opaque, Secret: "B"}},
		{"Bearer without a key falls through", credential.Headers{Authorization: []string{"Bearer"}, AccessKey: []string{"B"}}, credential.Credential{Kind: opaque, Secret: "B"}},
		{"Bearer with an empty key falls through", credential.Headers{Authorization: []string{"Bearer "}, AccessKey: []string{"B"}}, credential.Credential{Kind: opaque, Secret: "B"}},
		{"an empty X-Access-Key falls through", credential.Headers{AccessKey: []string{""}, APIKey: []string{"C"}}, credential.Credential{Kind: opaque, Secret: "C"}},

		{"exactly 8 KiB with a scheme", auth("Bearer " + longest), credential.Credential{Kind: opaque, Secret: longest}},
		{"exactly 8 KiB without one", accessKey(longest), credential.Credential{Kind: opaque, Secret: longest}},

		{"three parts are a token", auth("Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln"), credential.Credential{Kind: token, Secret: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}},
		{"three parts that are none", auth("Bearer a.b.c"), credential.Credential{Kind: token, Secret: "a.b.c"}},
		{"a token without a signature", auth("Bearer eyJhbGciOiJub25lIn0.e30."), credential.Credential{Kind: token, Secret: "eyJhbGciOiJub25lIn0.e30."}},
		{"three empty parts", auth("Bearer .."), credential.Credential{Kind: token, Secret: ".."}},
		{"two parts that begin like a token", auth("Bearer eyJhbGciOiJIUzI1NiJ9.e30"), credential.Credential{Kind: token, Secret: "eyJhbGciOiJIUzI1NiJ9.e30"}},
		{"five parts that begin like a token", auth("Bearer eyJ.a.b.c.d"), credential.Credential{Kind: token, Secret: "eyJ.a.b.c.d"}},
		{"the beginning of a token alone", auth("Bearer eyJhbGciOiJIUzI1NiJ9"), credential.Credential{Kind: opaque, Secret: "eyJhbGciOiJIUzI1NiJ9"}},
		{"two parts", auth("Bearer key.1"), credential.Credential{Kind: opaque, Secret: "key.1"}},
		{"four parts", auth("Bearer a.b.c.d"), credential.Credential{Kind: opaque, Secret: "a.b.c.d"}},
		{"a token in X-Access-Key is a token", accessKey("eyJ.e30.c2ln"), credential.Credential{Kind: token, Secret: "eyJ.e30.c2ln"}},
		{"a token in x-api-key is a token", apiKey("eyJ.e30.c2ln"), credential.Credential{Kind: token, Secret: "eyJ.e30.c2ln"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := credential.Parse(tt.headers)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	missing, malformed := credential.ErrMissing, credential.ErrMalformed
	tooLong := strings.Repeat("k", credential.MaxLength+1)
	tests := []struct {
		name    string
		headers credential.Headers
		want    error
	}{
		{"no header", credential.Headers{}, missing},
		{"empty headers", credential.Headers{Authorization: []string{""}, AccessKey: []string{""}, APIKey: []string{""}}, missing},
		{"another scheme alone", credential.Headers{Authorization: []string{"Basic YWxpY2U6cHc="}}, missing},
		{"a key without a scheme", credential.Headers{Authorization: []string{"K"}}, missing},
		{"Bearer alone", credential.Headers{Authorization: []string{"Bearer"}}, missing},

		{"Authorization twice", credential.Headers{Authorization: []string{"Bearer A", "Bearer B"}}, malformed},
		{"Authorization twice, both the same", credential.Headers{Authorization: []string{"Bearer A", "Bearer A"}}, malformed},
		{"Authorization twice, one empty", credential.Headers{Authorization: []string{"", "Bearer A"}}, malformed},
		{"Authorization twice, one of another scheme", credential.Headers{Authorization: []string{"Basic A", "Bearer A"}}, malformed},
		{"X-Access-Key twice", credential.Headers{AccessKey: []string{"A", "B"}}, malformed},
		{"x-api-key twice", credential.Headers{APIKey: []string{"A", "B"}}, malformed},
		{"x-api-key twice beside a key that decides", credential.Headers{Authorization: []string{"Bearer A"}, APIKey: []string{"A", "A"}}, malformed},
		{"a tab for the space", credential.Headers{Authorization: []string{"Bearer\tA"}}, malformed},
		{"a tab in the key", credential.Headers{AccessKey: []string{"A\tB"}}, malformed},
		{"a NUL", credential.Headers{AccessKey: []string{"A\x00"}}, malformed},
		{"a carriage return", credential.Headers{Authorization: []string{"Bearer A\rB"}}, malformed},
		{"a line feed", credential.Headers{Authorization: []string{"Bearer A\nX-Access-Key: B"}}, malformed},
		{"a DEL", credential.Headers{APIKey: []string{"A\x7f"}}, malformed},
		{"the byte 0x80", credential.Headers{APIKey: []string{"A\x80"}}, malformed},
		{"a letter outside ASCII", credential.Headers{AccessKey: []string{"schlüssel"}}, malformed},
		{"a Kelvin sign in the scheme", credential.Headers{Authorization: []string{"\u212aearer A"}}, malformed},
		{"a no-break space", credential.Headers{Authorization: []string{"Bearer\u00a0A"}}, malformed},
		{"over 8 KiB with a scheme", credential.Headers{Authorization: []string{"Bearer " + tooLong}}, malformed},
		{"over 8 KiB in X-Access-Key", credential.Headers{AccessKey: []string{tooLong}}, malformed},
		{"over 8 KiB in x-api-key", credential.Headers{APIKey: []string{tooLong}}, malformed},
		{"far over 8 KiB", credential.Headers{APIKey: []string{strings.Repeat("k", 1<<20)}}, malformed},
		{"a bad one does not fall through", credential.Headers{Authorization: []string{"Bearer A\x01"}, AccessKey: []string{"B"}}, malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := credential.Parse(tt.headers)
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, credential.Credential{}, got)
		})
	}
}

func TestAccessPolicyMatches(t *testing.T) {
	t.Parallel()
	const key, token = "your-secret-access-key", "my.access.key"
	tests := []struct {
		name      string
		key       string
		enabled   bool
		presented string
		want      bool
	}{
		{"the key", key, true, key, true},
		{"the key while it is off", key, false, key, false},
		{"the key in upper case", key, true, "YOUR-SECRET-ACCESS-KEY", false},
		{"one character less", key, true, "your-secret-access-ke", false},
		{"one character more", key, true, "your-secret-access-keyy", false},
		{"another first character", key, true, "Your-secret-access-key", false},
		{"another last character", key, true, "your-secret-access-kez", false},
		{"a space in front", key, true, " " + key, false},
		{"a space behind", key, true, key + " ", false},
		{"something else", key, true, "x", false},
		{"a token", key, true, "a.b.c", false},
		{"a key that looks like a token", token, true, token, true},
		{"another token than the key that looks like one", token, true, "my.access.kez", false},
		{"a key that looks like a token while it is off", token, false, token, false},
		{"no key is configured", "", true, key, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			presented, err := credential.Parse(credential.Headers{AccessKey: []string{tt.presented}})
			require.NoError(t, err)
			assert.Equal(t, tt.want, credential.NewAccessPolicy(tt.key, tt.enabled).Matches(presented))
		})
	}
}

func TestAccessPolicyNeverMatchesNothing(t *testing.T) {
	t.Parallel()
	policies := map[string]credential.AccessPolicy{
		"the zero policy":            {},
		"an empty key":               credential.NewAccessPolicy("", true),
		"an empty key, switched off": credential.NewAccessPolicy("", false),
		"a key":                      credential.NewAccessPolicy("K", true),
	}
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []credential.Kind{credential.None, credential.Opaque, credential.Token} {
				assert.False(t, policy.Matches(credential.Credential{Kind: kind}))
			}
		})
	}
}

func TestAccessPolicyRefusal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		policy  credential.AccessPolicy
		enabled bool
		want    error
	}{
		{"a key that is on", credential.NewAccessPolicy("K", true), true, credential.ErrWrongKey},
		{"a key that is off", credential.NewAccessPolicy("K", false), false, credential.ErrKeyDisabled},
		{"no key", credential.NewAccessPolicy("", true), false, credential.ErrKeyDisabled},
		{"the zero policy", credential.AccessPolicy{}, false, credential.ErrKeyDisabled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.enabled, tt.policy.Enabled())
			require.ErrorIs(t, tt.policy.Refusal(), tt.want)
		})
	}
}

func TestPrincipal(t *testing.T) {
	t.Parallel()
	bob := account.Restore(account.Snapshot{ID: 2, Username: "Bob", Role: account.Admin, Active: true})
	tests := []struct {
		name      string
		principal credential.Principal
		account   *account.Account
		label     string
		may       error
	}{
		{"the service", credential.Service(), nil, "service", account.ErrAdminRequired},
		{"the zero principal is the service", credential.Principal{}, nil, "service", account.ErrAdminRequired},
		{"an account", credential.Of(bob), bob, "Bob", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Same(t, tt.account, tt.principal.Account())
			assert.Equal(t, tt.label, tt.principal.Label())
			require.ErrorIs(t, tt.principal.Actor().MayAdminister(), tt.may)
		})
	}
}

// FuzzParse holds Parse to its promises for any headers: never more than one credential, never a long one, never one from
// a header that came twice, and nothing but its own header decides what it is.
func FuzzParse(f *testing.F) {
	f.Add("Bearer K", "", "", uint8(0b001))
	f.Add("Basic YWxpY2U6cHc=", "K", "L", uint8(0b111))
	f.Add("Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "K", "", uint8(0b1_011))
	f.Add("Bearer\tK", "\x80", "K\n", uint8(0b111))
	f.Fuzz(func(t *testing.T, authorization, accessKey, apiKey string, which uint8) {
		// Bits 0 to 2 say which header is there, bits 3 to 5 which one comes twice.
		lines := func(bit int, value string) []string {
			var out []string
			if which&(1<<bit) != 0 {
				out = append(out, value)
			}
			if which&(8<<bit) != 0 {
				out = append(out, value)
			}
			return out
		}
		h := credential.Headers{Authorization: lines(0, authorization), AccessKey: lines(1, accessKey), APIKey: lines(2, apiKey)}
		before := credential.Headers{Authorization: slices.Clone(h.Authorization), AccessKey: slices.Clone(h.AccessKey), APIKey: slices.Clone(h.APIKey)}
		got, err := credential.Parse(h)
		require.Equal(t, before, h, "the headers are only read")

		doubled := len(h.Authorization) > 1 || len(h.AccessKey) > 1 || len(h.APIKey) > 1
		if doubled {
			require.ErrorIs(t, err, credential.ErrMalformed)
		}
		if err != nil {
			require.Equal(t, credential.Credential{}, got)
			require.True(t, err == credential.ErrMissing || err == credential.ErrMalformed) //nolint:errorlint // one of these two, and no copy
			return
		}

		require.NotEqual(t, credential.None, got.Kind)
		require.NotEmpty(t, got.Secret)
		require.LessOrEqual(t, len(got.Secret), credential.MaxLength)
		for i := range len(got.Secret) {
			require.True(t, ' ' <= got.Secret[i] && got.Secret[i] <= '~')
		}

		// The credential is that of one header, and what stands in the ones behind it changes nothing.
		var alone credential.Headers
		others := h
		bearer := strings.HasSuffix(authorization, got.Secret) && len(authorization) == len("bearer ")+len(got.Secret) && strings.EqualFold(authorization[:7], "bearer ")
		switch {
		case len(h.Authorization) > 0 && bearer:
			alone.Authorization = h.Authorization
			others.AccessKey, others.APIKey = []string{"other"}, []string{"other\x00"}
		case len(h.AccessKey) > 0 && got.Secret == accessKey:
			alone.AccessKey = h.AccessKey
			others.APIKey = []string{"other\x00"}
		default:
			require.NotEmpty(t, h.APIKey)
			require.Equal(t, apiKey, got.Secret)
			alone.APIKey = h.APIKey
		}
		for _, same := range []credential.Headers{alone, others} {
			again, err := credential.Parse(same)
			require.NoError(t, err)
			require.Equal(t, got, again)
		}
		others.APIKey = []string{"a", "a"}
		_, err = credential.Parse(others)
		require.ErrorIs(t, err, credential.ErrMalformed)
	})
}

func BenchmarkParse(b *testing.B) {
	h := credential.Headers{Authorization: []string{"Bearer " + strings.Repeat("k", 200)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := credential.Parse(h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccessPolicyMatches(b *testing.B) {
	p := credential.NewAccessPolicy("your-secret-access-key", true)
	c := credential.Credential{Kind: credential.Opaque, Secret: "your-secret-access-key"}
	b.ReportAllocs()
	for b.Loop() {
		if !p.Matches(c) {
			b.Fatal("no match")
		}
	}
}
