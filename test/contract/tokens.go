package contract

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/session"
	"monorelay/ports"
)

// Tokens exercises a ports.Tokens. open must return one that tells the time by now and shares its secret with no other.
func Tokens(t *testing.T, open func(t *testing.T, now ports.Clock) ports.Tokens) {
	t.Helper()
	readingTokens(t, open)
	expiringTokens(t, open)
	refusingTokens(t, open)
}

func readingTokens(t *testing.T, open func(t *testing.T, now ports.Clock) ports.Tokens) {
	t.Helper()

	t.Run("Verify returns what Issue was told to say", func(t *testing.T) {
		t.Parallel()
		tokens := open(t, at(noon))
		for _, want := range []session.Claims{
			newClaims("1"),
			{Account: 1, Version: 0, Session: "s", ID: "i", IssuedAt: second(noon), ExpiresAt: second(noon).Add(time.Second)},
			{Account: 1<<63 - 1, Version: 1<<63 - 1, Session: `"\<>&é` + "\x00\u2028", ID: strings.Repeat("é", 1000), IssuedAt: time.Unix(0, 0).UTC(), ExpiresAt: second(noon).AddDate(100, 0, 0)},
			{Account: 1<<53 + 1, Version: 1<<53 + 1, Session: "s", ID: "i", IssuedAt: second(noon), ExpiresAt: second(noon).Add(time.Hour)},
		} {
			token := issue(t, tokens, want)
			for range 2 { // the second time it may be known
				got, err := tokens.Verify(token)
				require.NoError(t, err)
				assert.Equal(t, want, got)
			}
		}
	})

	t.Run("tokens are never equal, since their IDs are not", func(t *testing.T) {
		t.Parallel()
		tokens := open(t, at(noon))
		const n = 10_000
		seen := make(map[string]bool, n)
		for i := range n {
			seen[issue(t, tokens, newClaims(strconv.Itoa(i)))] = true
		}
		assert.Len(t, seen, n)
	})

	t.Run("concurrent calls answer each for its own token", func(t *testing.T) {
		t.Parallel()
		tokens := open(t, at(noon))
		concurrently(20, func(i int) {
			for j := range 50 {
				want := newClaims(fmt.Sprint(i, j%10))
				token, err := tokens.Issue(want)
				if err == nil {
					var got session.Claims
					got, err = tokens.Verify(token)
					assert.Equal(t, want, got)
				}
				assert.NoError(t, err)
			}
		})
	})

	t.Run("Verify keeps nothing of the memory that a token is borrowed from", func(t *testing.T) {
		t.Parallel()
		tokens := open(t, at(noon))
		first, second := issue(t, tokens, newClaims("1")), issue(t, tokens, newClaims("2"))
		require.Len(t, second, len(first))
		buffer := []byte(first)
		got, err := tokens.Verify(borrowed(buffer))
		require.NoError(t, err)
		copy(buffer, second) // the next request
		assert.Equal(t, newClaims("1"), got)
		got, err = tokens.Verify(borrowed(buffer))
		require.NoError(t, err)
		assert.Equal(t, newClaims("2"), got)
		copy(buffer, strings.Repeat("x", len(buffer)))
		_, err = tokens.Verify(borrowed(buffer))
		require.ErrorIs(t, err, session.ErrInvalid)
		got, err = tokens.Verify(first)
		require.NoError(t, err)
		assert.Equal(t, newClaims("1"), got)
	})
}

func expiringTokens(t *testing.T, open func(t *testing.T, now ports.Clock) ports.Tokens) {
	t.Helper()

	t.Run("a token that is past its time is ErrExpired, at its end to the microsecond", func(t *testing.T) {
		t.Parallel()
		claims := newClaims("1")
		now := claims.IssuedAt
		tokens := open(t, func() time.Time { return now })
		token := issue(t, tokens, claims)
		for after, want := range map[time.Duration]error{
			-time.Microsecond: nil, 0: session.ErrExpired, time.Microsecond: session.ErrExpired, 3 * time.Second: session.ErrExpired,
			time.Minute: session.ErrExpired, 100 * 365 * 24 * time.Hour: session.ErrExpired,
		} {
			now = claims.ExpiresAt.Add(after)
			_, err := tokens.Verify(token)
			require.ErrorIs(t, err, want, "%v after its end", after)
		}
	})

	t.Run("a token that was verified before is ErrExpired too when it is past its time", func(t *testing.T) {
		t.Parallel()
		claims := newClaims("1")
		now := claims.IssuedAt
		tokens := open(t, func() time.Time { return now })
		token := issue(t, tokens, claims)
		for range 3 {
			_, err := tokens.Verify(token)
			require.NoError(t, err)
		}
		for _, after := range []time.Duration{0, time.Microsecond, time.Hour} {
			now = claims.ExpiresAt.Add(after)
			got, err := tokens.Verify(token)
			require.ErrorIs(t, err, session.ErrExpired)
			assert.Zero(t, got)
		}
	})

	t.Run("a token that is issued later is ErrInvalid", func(t *testing.T) {
		t.Parallel()
		claims := newClaims("1")
		tokens := open(t, at(claims.IssuedAt.Add(-10*time.Minute)))
		got, err := tokens.Verify(issue(t, tokens, claims))
		require.ErrorIs(t, err, session.ErrInvalid)
		assert.Zero(t, got)
	})
}

func refusingTokens(t *testing.T, open func(t *testing.T, now ports.Clock) ports.Tokens) {
	t.Helper()

	t.Run("a token that another one signed is ErrInvalid, also when it has expired", func(t *testing.T) {
		t.Parallel()
		ours, theirs := open(t, at(noon)), open(t, at(noon))
		_, err := ours.Verify(issue(t, theirs, newClaims("1")))
		require.ErrorIs(t, err, session.ErrInvalid)

		ours = open(t, at(noon.AddDate(1, 0, 0)))
		_, err = ours.Verify(issue(t, theirs, newClaims("1")))
		require.ErrorIs(t, err, session.ErrInvalid)
	})

	t.Run("a token that lacks a claim is ErrInvalid", func(t *testing.T) {
		t.Parallel()
		tokens := open(t, at(noon))
		for name, lose := range map[string]func(*session.Claims){
			"account": func(c *session.Claims) { c.Account = 0 },
			"session": func(c *session.Claims) { c.Session = "" },
			"id":      func(c *session.Claims) { c.ID = "" },
		} {
			claims := newClaims("1")
			lose(&claims)
			_, err := tokens.Verify(issue(t, tokens, claims))
			require.ErrorIs(t, err, session.ErrInvalid, name)
		}
	})

	t.Run("what is no token is ErrInvalid", func(t *testing.T) {
		t.Parallel()
		tokens := open(t, at(noon))
		good := issue(t, tokens, newClaims("1"))
		for _, garbage := range append(hostile(), "", ".", "..", "...", "a.b.c", strings.Repeat(".", 8<<10), strings.Repeat("a", 5<<10), strings.Repeat("a.", 4<<10), good+".", "."+good, good+good, good+"a") {
			got, err := tokens.Verify(garbage)
			require.ErrorIs(t, err, session.ErrInvalid, "%.60q", garbage)
			assert.Zero(t, got)
		}
	})

	t.Run("a token of which any character is another one or missing is ErrInvalid", func(t *testing.T) {
		t.Parallel()
		tokens := open(t, at(noon))
		good := issue(t, tokens, newClaims("1"))
		_, err := tokens.Verify(good) // so that it is known
		require.NoError(t, err)
		for i := range good {
			for _, other := range []string{"", "A", "B", "_", ".", "=", "\n", "\x00", "é", good[i:i+1] + "\n"} {
				if changed := good[:i] + other + good[i+1:]; changed != good {
					_, err := tokens.Verify(changed)
					require.ErrorIs(t, err, session.ErrInvalid, "%q in the place of character %d", other, i)
				}
			}
		}
		last := len(good) - 1
		for c := range byte(128) {
			if c != good[last] {
				_, err := tokens.Verify(good[:last] + string(rune(c)))
				require.ErrorIs(t, err, session.ErrInvalid, "%q at the end", c)
			}
		}
		_, err = tokens.Verify(good)
		require.NoError(t, err)
	})
}

func newClaims(id string) session.Claims {
	return session.Claims{Account: 42, Version: 7, Session: "session-1", ID: id, IssuedAt: second(noon), ExpiresAt: second(noon).Add(24 * time.Hour)}
}

func issue(t *testing.T, tokens ports.Tokens, claims session.Claims) string {
	t.Helper()
	token, err := tokens.Issue(claims)
	require.NoError(t, err)
	return token
}

// at returns a clock that stands.
func at(now time.Time) ports.Clock { return func() time.Time { return now } }

func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// borrowed returns a string over b itself, as a server does that reads a request without copying.
func borrowed(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
