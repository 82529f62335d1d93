package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
	"monorelay/domain/session"
)

func TestStart(t *testing.T) {
	t.Parallel()
	alice := account.Restore(account.Snapshot{ID: 7, Username: "alice", Active: true, Version: 3})
	second := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	tests := []struct {
		name    string
		now     time.Time
		ttl     time.Duration
		issued  time.Time
		expires time.Time
	}{
		{"a day", second, 24 * time.Hour, second, second.Add(24 * time.Hour)},
		{"the last microsecond of a second", second.Add(999_999 * time.Microsecond), 24 * time.Hour, second, second.Add(24 * time.Hour)},
		{"another zone", second.In(time.FixedZone("", -8*3600)), time.Hour, second, second.Add(time.Hour)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := session.Start(alice, "session", "token", tt.now, session.TTL(tt.ttl))
			assert.Equal(t, session.Claims{
				Account: 7, Version: 3, Session: "session", ID: "token", IssuedAt: tt.issued, ExpiresAt: tt.expires,
			}, got)
			require.NoError(t, got.Admit(alice, tt.now))
		})
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	whose := account.Snapshot{ID: 7, Username: "alice", Active: true, Version: 3}
	other := func(change func(*account.Snapshot)) account.Snapshot {
		s := whose
		change(&s)
		return s
	}
	claims := session.Start(account.Restore(whose), "session", "token", now, session.TTL(time.Hour))
	tests := []struct {
		name    string
		account account.Snapshot
		at      time.Time
		want    error
	}{
		{"at once", whose, now, nil},
		{"in the last moment", whose, now.Add(time.Hour - time.Microsecond), nil},
		{"when it expires", whose, now.Add(time.Hour), session.ErrExpired},
		{"long after", whose, now.Add(1000 * time.Hour), session.ErrExpired},
		{"an inactive account", other(func(s *account.Snapshot) { s.Active = false }), now, account.ErrInactive},
		{"an inactive account whose tokens were ended", other(func(s *account.Snapshot) { s.Active = false; s.Version++ }), now, account.ErrInactive},
		{"an account whose tokens were ended", other(func(s *account.Snapshot) { s.Version++ }), now, session.ErrInvalid},
		{"an account of a lower version", other(func(s *account.Snapshot) { s.Version-- }), now, session.ErrInvalid},
		{"somebody else's account", other(func(s *account.Snapshot) { s.ID = 8 }), now, session.ErrInvalid},
		{"an expired token of somebody else's", other(func(s *account.Snapshot) { s.ID = 8 }), now.Add(time.Hour), session.ErrInvalid},
		{"another role", other(func(s *account.Snapshot) { s.Role = account.SuperAdmin }), now, nil},
		{"another password hash", other(func(s *account.Snapshot) { s.PasswordHash = "stronger" }), now, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, claims.Admit(account.Restore(tt.account), tt.at), tt.want)
		})
	}
}
