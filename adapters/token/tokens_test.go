package token_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/adapters/token"
	"monorelay/domain/session"
	"monorelay/ports"
	"monorelay/test/contract"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	contract.Tokens(t, func(t *testing.T, now ports.Clock) ports.Tokens {
		t.Helper()
		tokens, err := token.New(fmt.Appendf(nil, "%032d", opened.Add(1)), now)
		require.NoError(t, err)
		return tokens
	})
}

func TestNewRefusesAShortSecret(t *testing.T) {
	t.Parallel()
	for length := range 64 {
		tokens, err := token.New(bytes.Repeat([]byte("s"), length), time.Now)
		if length < token.MinSecret {
			require.Error(t, err, length)
			assert.Nil(t, tokens)
			assert.NotContains(t, err.Error(), "ss", "the secret shows")
		} else {
			require.NoError(t, err, length)
		}
	}
}

const (
	goodHeader = `{"alg":"HS256","typ":"JWT"}`
	day        = 24 * 60 * 60
)

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	now    = time.Unix(1764000000, 0).UTC()
)

func open(tb testing.TB) *token.Tokens {
	tb.Helper()
	tokens, err := token.New(secret, func() time.Time { return now })
	require.NoError(tb, err)
	return tokens
}

// payload returns that of a good token, with some claims changed: "name":json, or "name": for none. Others are put
// behind.
func payload(changes ...string) string {
	claims := []string{
		`"iss":"monorelay"`, `"sub":"42"`, fmt.Sprintf(`"exp":%d`, now.Unix()+day), fmt.Sprintf(`"iat":%d`, now.Unix()), `"jti":"i"`, `"type":"access"`, `"sid":"s"`, `"ver":7`,
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, ":")
		replaced := false
		for i, claim := range claims {
			if strings.HasPrefix(claim, name+":") {
				claims[i], replaced = change, true
				if value == "" {
					claims = append(claims[:i], claims[i+1:]...)
				}
				break
			}
		}
		if !replaced {
			claims = append(claims, change)
		}
	}
	return "{" + strings.Join(claims, ",") + "}"
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// sign returns a token by the rules of RFC 7515, whatever its header says.
func sign(algorithm func() hash.Hash, key []byte, header, payload string) string {
	text := encode(header) + "." + encode(payload)
	mac := hmac.New(algorithm, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func signed(header, payload string) string { return sign(sha256.New, secret, header, payload) }

func TestVerifyTakesATokenThatIsSignedByHand(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"as it is":                 signed(goodHeader, payload()),
		"fields in another order":  signed(`{"typ":"JWT","alg":"HS256"}`, payload()),
		"space between":            signed(" {\n \"alg\" : \"HS256\", \"typ\" : \"JWT\" } ", strings.ReplaceAll(payload(), ",", " , ")),
		"a claim that nobody asks": signed(goodHeader, payload(`"role":"super_admin"`)),
		"a clock that is ahead":    signed(goodHeader, payload(fmt.Sprintf(`"iat":%d`, now.Unix()+3))),
		"not before, and it is":    signed(goodHeader, payload(fmt.Sprintf(`"nbf":%d`, now.Unix()))),
		"numbers in quotes":        signed(goodHeader, payload(fmt.Sprintf(`"exp":"%d"`, now.Unix()+day))),
		"fractions of a second":    signed(goodHeader, payload(fmt.Sprintf(`"exp":%d.9`, now.Unix()+day))),
		"a key id":                 signed(`{"alg":"HS256","typ":"JWT","kid":"../../dev/null"}`, payload()),
	} {
		got, err := open(t).Verify(raw)
		require.NoError(t, err, name)
		assert.EqualValues(t, 42, got.Account, name)
		assert.EqualValues(t, 7, got.Version, name)
		assert.Equal(t, "s", got.Session, name)
		assert.Equal(t, "i", got.ID, name)
		assert.Equal(t, now.Add(day*time.Second), got.ExpiresAt, name)
	}
}

func TestVerifyRefusesOtherHeaders(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"no object": `"JWT"`, "null": `null`, "a list": `[]`, "empty": `{}`, "nothing": ``, "two values": goodHeader + goodHeader,
		"no algorithm": `{"typ":"JWT"}`, "an algorithm that is null": `{"alg":null,"typ":"JWT"}`, "an algorithm that is a number": `{"alg":256,"typ":"JWT"}`,
		"an algorithm that is a list": `{"alg":["HS256"],"typ":"JWT"}`, "an algorithm in lower case": `{"alg":"hs256","typ":"JWT"}`, "an algorithm with a space": `{"alg":"HS256 ","typ":"JWT"}`,
		"no type": `{"alg":"HS256"}`, "a type that is null": `{"alg":"HS256","typ":null}`, "a type that is a list": `{"alg":"HS256","typ":["JWT"]}`,
		"a type in lower case": `{"alg":"HS256","typ":"jwt"}`, "a refresh token's type": `{"alg":"HS256","typ":"refresh+jwt"}`, "an access token's type": `{"alg":"HS256","typ":"at+jwt"}`,
		"an identity token's type": `{"alg":"HS256","typ":"id_token"}`,
		"a critical extension":     `{"alg":"HS256","typ":"JWT","crit":["exp"]}`, "an empty list of critical extensions": `{"alg":"HS256","typ":"JWT","crit":[]}`,
		"critical extensions that are null": `{"alg":"HS256","typ":"JWT","crit":null}`, "an unencoded payload": `{"alg":"HS256","typ":"JWT","b64":false,"crit":["b64"]}`,
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "RS256", "RS384", "PS256", "ES256", "EdDSA", "HS384", "HS512", "HS1", "", "dir"} {
		tests["algorithm "+alg] = `{"alg":"` + alg + `","typ":"JWT"}`
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := signed(header, payload())
			unsigned := raw[:strings.LastIndex(raw, ".")+1]
			for _, raw := range []string{
				raw, unsigned, strings.TrimSuffix(unsigned, "."),
				sign(sha512.New384, secret, header, payload()), sign(sha512.New, secret, header, payload()), sign(sha256.New, nil, header, payload()),
			} {
				got, err := open(t).Verify(raw)
				require.ErrorIs(t, err, session.ErrInvalid)
				assert.Zero(t, got)
			}
		})
	}
}

// No field of the header chooses the key: whatever it says, the signature is ours or the token is none.
func TestTheHeaderDoesNotChooseTheKey(t *testing.T) {
	t.Parallel()
	for _, field := range []string{
		`"kid":"../../dev/null"`, `"kid":"/dev/null"`, `"kid":"' UNION SELECT 'secret' -- "`, `"kid":"http://127.0.0.1:1/"`, `"kid":"` + strings.Repeat("k", 4<<10) + `"`,
		`"kid":{"a":1}`, `"kid":null`, `"jku":"http://127.0.0.1:1/jwks"`, `"x5u":"http://127.0.0.1:1/cert"`, `"x5c":["MIIB"]`, `"x5t":"x"`,
		`"jwk":{"kty":"oct","k":"` + encode("theirs") + `"}`,
	} {
		header := `{"alg":"HS256","typ":"JWT",` + field + `}`
		for _, key := range [][]byte{nil, []byte("theirs"), []byte("secret"), {0}, make([]byte, 32), []byte(goodHeader)} {
			_, err := open(t).Verify(sign(sha256.New, key, header, payload()))
			require.ErrorIs(t, err, session.ErrInvalid, header)
		}
	}
}

func TestVerifyRefusesOtherClaims(t *testing.T) {
	t.Parallel()
	seconds := func(name string, delta int64) string {
		return strconv.Quote(name) + ":" + strconv.FormatInt(now.Unix()+delta, 10)
	}
	tests := []struct {
		change string
		want   error
	}{
		{`"exp":`, session.ErrInvalid},
		{`"exp":null`, session.ErrInvalid},
		{`"exp":"never"`, session.ErrInvalid},
		{`"exp":{}`, session.ErrInvalid},
		{`"exp":[1]`, session.ErrInvalid},
		{`"exp":true`, session.ErrInvalid},
		{`"exp":1e400`, session.ErrInvalid},
		{`"exp":NaN`, session.ErrInvalid},
		{`"exp":0`, session.ErrExpired},
		{`"exp":-1`, session.ErrExpired},
		{`"exp":-1e15`, session.ErrExpired},
		{seconds("exp", 0), session.ErrExpired},
		{seconds("exp", -1), session.ErrExpired},
		{seconds("exp", -day), session.ErrExpired},
		{seconds("exp", 0) + ".5", session.ErrExpired},
		{`"iat":`, session.ErrInvalid},
		{`"iat":null`, session.ErrInvalid},
		{`"iat":"x"`, session.ErrInvalid},
		{seconds("iat", 600), session.ErrInvalid},
		{seconds("iat", 31), session.ErrInvalid},
		{seconds("nbf", 600), session.ErrInvalid},
		{seconds("nbf", 31), session.ErrInvalid},
		{`"nbf":"x"`, session.ErrInvalid},
		{`"iss":`, session.ErrInvalid},
		{`"iss":null`, session.ErrInvalid},
		{`"iss":""`, session.ErrInvalid},
		{`"iss":"MonoRelay"`, session.ErrInvalid},
		{`"iss":"monorelay "`, session.ErrInvalid},
		{`"iss":["monorelay"]`, session.ErrInvalid},
		{`"aud":"another"`, session.ErrInvalid},
		{`"aud":["monorelay","another"]`, session.ErrInvalid},
		{`"aud":7`, session.ErrInvalid},
		{`"type":`, session.ErrInvalid},
		{`"type":null`, session.ErrInvalid},
		{`"type":"refresh"`, session.ErrInvalid},
		{`"type":"ACCESS"`, session.ErrInvalid},
		{`"type":"access "`, session.ErrInvalid},
		{`"type":["access"]`, session.ErrInvalid},
		{`"type":["access","refresh"]`, session.ErrInvalid},
		{`"sub":`, session.ErrInvalid},
		{`"sub":null`, session.ErrInvalid},
		{`"sub":""`, session.ErrInvalid},
		{`"sub":42`, session.ErrInvalid},
		{`"sub":"0"`, session.ErrInvalid},
		{`"sub":"-1"`, session.ErrInvalid},
		{`"sub":"-0"`, session.ErrInvalid},
		{`"sub":"+1"`, session.ErrInvalid},
		{`"sub":"01"`, session.ErrInvalid},
		{`"sub":"1 "`, session.ErrInvalid},
		{`"sub":" 1"`, session.ErrInvalid},
		{`"sub":"1e3"`, session.ErrInvalid},
		{`"sub":"0x1"`, session.ErrInvalid},
		{`"sub":"1_0"`, session.ErrInvalid},
		{`"sub":"1.0"`, session.ErrInvalid},
		{`"sub":"١"`, session.ErrInvalid},
		{`"sub":"9223372036854775808"`, session.ErrInvalid},
		{`"sub":"99999999999999999999999999"`, session.ErrInvalid},
		{`"sub":"alice"`, session.ErrInvalid},
		{`"sub":["1"]`, session.ErrInvalid},
		{`"ver":`, session.ErrInvalid},
		{`"ver":null`, session.ErrInvalid},
		{`"ver":"7"`, session.ErrInvalid},
		{`"ver":7.5`, session.ErrInvalid},
		{`"ver":1e30`, session.ErrInvalid},
		{`"ver":9223372036854775808`, session.ErrInvalid},
		{`"jti":`, session.ErrInvalid},
		{`"jti":""`, session.ErrInvalid},
		{`"jti":7`, session.ErrInvalid},
		{`"sid":`, session.ErrInvalid},
		{`"sid":""`, session.ErrInvalid},
		{`"sid":null`, session.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.change, func(t *testing.T) {
			t.Parallel()
			got, err := open(t).Verify(signed(goodHeader, payload(tt.change)))
			require.ErrorIs(t, err, tt.want)
			assert.Zero(t, got)
			if errors.Is(tt.want, session.ErrInvalid) && !strings.HasPrefix(tt.change, `"exp"`) {
				_, err = open(t).Verify(signed(goodHeader, payload(tt.change, seconds("exp", -1))))
				require.ErrorIs(t, err, session.ErrInvalid, "it is none of ours, so its age does not count")
			}
		})
	}
	for name, text := range map[string]string{"no object": `"x"`, "a list": `[]`, "null": `null`, "empty": `{}`, "nothing": ``, "two objects": payload() + payload(), "cut": payload()[:50], "not UTF-8": "\xff"} {
		_, err := open(t).Verify(signed(goodHeader, text))
		require.ErrorIs(t, err, session.ErrInvalid, name)
	}
}

// Only what we sign gets so far, and the same reader reads it everywhere: the last of two claims counts.
func TestTheLastOfTwoClaimsCounts(t *testing.T) {
	t.Parallel()
	got, err := open(t).Verify(signed(goodHeader, strings.Replace(payload(), "{", `{"sub":"1",`, 1)))
	require.NoError(t, err)
	assert.EqualValues(t, 42, got.Account)
	_, err = open(t).Verify(signed(goodHeader, strings.TrimSuffix(payload(), "}")+`,"type":"refresh"}`))
	require.ErrorIs(t, err, session.ErrInvalid)
}

func TestASignatureHasOneForm(t *testing.T) {
	t.Parallel()
	good := signed(goodHeader, payload())
	dot := strings.LastIndex(good, ".")
	text, signature := good[:dot+1], good[dot+1:]
	bytesOfIt, err := base64.RawURLEncoding.DecodeString(signature)
	require.NoError(t, err)
	for name, raw := range map[string]string{
		"none":                    text,
		"no dot":                  good[:dot],
		"a newline in it":         text + signature[:10] + "\n" + signature[10:],
		"a newline before it":     text + "\n" + signature,
		"a newline behind it":     good + "\n",
		"a carriage return":       text + signature[:10] + "\r" + signature[10:],
		"a newline in the header": "\n" + good,
		"a space behind it":       good + " ",
		"padding":                 good + "=",
		"the other alphabet":      text + base64.RawStdEncoding.EncodeToString([]byte{0xff, 0xef, 0xbe}) + signature[4:],
		"half of it":              text + signature[:len(signature)/2],
		"twice":                   good + signature,
		"hexadecimal":             text + hex.EncodeToString(bytesOfIt),
		"a fourth part":           good + "." + signature,
		"a fifth part":            good + ".." + signature,
		"zeros":                   text + base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
		"of the payload alone":    text + strings.Split(sign(sha256.New, secret, "", payload()), ".")[2],
		"of no key":               sign(sha256.New, nil, goodHeader, payload()),
		"of a short key":          sign(sha256.New, secret[:31], goodHeader, payload()),
		"of a long key":           sign(sha256.New, append(bytes.Clone(secret), 'x'), goodHeader, payload()),
		"of an encoded key":       sign(sha256.New, []byte(encode(string(secret))), goodHeader, payload()),
		"of SHA-384":              sign(sha512.New384, secret, goodHeader, payload()),
		"of SHA-512, cut":         sign(sha512.New512_256, secret, goodHeader, payload()),
	} {
		_, err := open(t).Verify(raw)
		require.ErrorIs(t, err, session.ErrInvalid, name)
	}
}

func TestALongTokenIsReadOrRefusedByItsSignature(t *testing.T) {
	t.Parallel()
	for _, size := range []int{3 << 10, 5 << 10, 8 << 10} {
		good := signed(goodHeader, payload(`"fill":"`+strings.Repeat("x", size*3/4-400)+`"`))
		require.InDelta(t, size, len(good), 300)
		_, err := open(t).Verify(good)
		require.NoError(t, err)
		_, err = open(t).Verify(good[:len(good)-5] + "AAAAA")
		require.ErrorIs(t, err, session.ErrInvalid)
	}
	deep := signed(goodHeader, payload(`"fill":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)))
	_, err := open(t).Verify(deep)
	require.ErrorIs(t, err, session.ErrInvalid)
}

func TestIssueSaysThis(t *testing.T) {
	t.Parallel()
	raw, err := open(t).Issue(session.Claims{Account: 42, Version: 7, Session: "s", ID: "i", IssuedAt: now, ExpiresAt: now.Add(day * time.Second)})
	require.NoError(t, err)
	parts := strings.Split(raw, ".")
	require.Len(t, parts, 3)
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	assert.JSONEq(t, goodHeader, string(header))
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	assert.JSONEq(t, payload(), string(claims), "and nothing of the account but its number")
}

// FuzzVerify holds Verify to this: it never panics, and takes nothing but what carries our signature in its one form.
func FuzzVerify(f *testing.F) {
	good := signed(goodHeader, payload())
	for _, raw := range []string{
		"", ".", "..", "a.b.c", good, good + ".", good[:len(good)-1], good + "=", good[:40] + "\n" + good[40:], strings.ToUpper(good),
		signed(`{"alg":"none","typ":"JWT"}`, payload()), signed(`{"alg":"HS256","typ":"JWT","crit":["exp"]}`, payload()), sign(sha512.New, secret, `{"alg":"HS512","typ":"JWT"}`, payload()),
		sign(sha256.New, nil, goodHeader, payload()), signed(goodHeader, payload(`"exp":1e400`)), signed(goodHeader, payload(`"exp":0`)), signed(goodHeader, payload(`"sub":"01"`)),
		signed(goodHeader, `{"sub":"1","sub":"2"}`), signed(goodHeader, "\xff"), signed(`null`, `null`),
	} {
		f.Add(raw)
	}
	tokens := open(f)
	f.Fuzz(func(t *testing.T, raw string) {
		for range 2 { // the second time it may be known
			claims, err := tokens.Verify(raw)
			if err != nil {
				assert.Zero(t, claims)
				require.True(t, errors.Is(err, session.ErrInvalid) || errors.Is(err, session.ErrExpired), "%v", err)
				continue
			}
			dot := strings.LastIndexByte(raw, '.')
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(raw[:dot]))
			require.Equal(t, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), raw[dot+1:])
			assert.Positive(t, claims.Account)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	raw := signed(goodHeader, payload())
	b.Run("first time", func(b *testing.B) {
		b.ReportAllocs()
		tokens := open(b)
		texts := make([]string, 100_000) // more than are remembered
		for i := range texts {
			texts[i] = signed(goodHeader, payload(`"jti":"`+strconv.Itoa(i)+`"`))
		}
		for i := 0; b.Loop(); i++ {
			if _, err := tokens.Verify(texts[i%len(texts)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		tokens := open(b)
		for b.Loop() {
			if _, err := tokens.Verify(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("forged", func(b *testing.B) {
		b.ReportAllocs()
		tokens, forged := open(b), raw[:len(raw)-5]+"AAAAA"
		for b.Loop() {
			if _, err := tokens.Verify(forged); err == nil {
				b.Fatal("it was taken")
			}
		}
	})
}
