package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

// TestTheShellLooksAfterAccounts changes accounts behind the back of a running server.
func TestTheShellLooksAfterAccounts(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, "server: { access_key: "+secret("access")+" }\n")
	passwords := map[string]string{"alice": secret("password"), "bob": secret("password"), "new": secret("password")}
	for _, password := range passwords {
		p.Canary(password)
	}
	run := func(stdin string, args ...string) string {
		t.Helper()
		o := p.Run(t, stdin, append([]string{"user"}, args...)...)
		require.Equal(t, 0, o.Code, o.Stderr)
		assert.Empty(t, o.Stderr)
		p.Saw("monorelay user", 0, o.Stdout+o.Stderr)
		return o.Stdout
	}
	assert.Equal(t, "created alice (id 1, super admin)\n", run(passwords["alice"]+"\n", "create", "alice", "--email", "alice@example.com"))
	assert.Equal(t, "created bob (id 2, user)\n", run(passwords["bob"], "create", "bob", "--email", "bob@example.com"))
	assert.Equal(t, "created admin (id 3, admin)\n", run(secret("password")+"\r\n", "create", "admin", "--email", "admin@example.com", "--admin"))
	alice, bob := login(t, p, "alice", passwords["alice"]), login(t, p, "bob@example.com", passwords["bob"])
	assert.True(t, alice.super)
	code := func(who person) string { return p.Do(t, "GET", "/api/auth/me", "", who.bearer()).Text("error.code") }
	becomes := func(who person, want string) {
		t.Helper()
		eventually(t, elsewhere, "the running server notices: "+want, func() bool { return code(who) == want })
	}
	require.Empty(t, code(bob))

	list := run("", "list")
	assert.Regexp(t, `^ID +USERNAME +E-MAIL +ROLE +STATE +CREATED\n1 +alice +alice@example.com +super admin +active +.*\n2 +bob +bob@example.com +user +active +.*\n3 +admin .*admin +active.*\n$`, list)
	assert.Equal(t, 2, strings.Count(run("", "list", "--search", "bob@"), "\n"))

	assert.Equal(t, "bob is now inactive, user\n", run("", "deactivate", "bob"))
	becomes(bob, "account_inactive")
	assert.Equal(t, "bob is now active, user\n", run("", "activate", "BOB@example.com"))
	becomes(bob, "invalid_token")
	bob = login(t, p, "bob", passwords["bob"])

	assert.Equal(t, "bob is now active, admin\n", run("", "promote", "bob"))
	eventually(t, elsewhere, "the promotion counts", func() bool { return p.Do(t, "GET", "/api/users", "", bob.bearer()).Status == 200 })
	assert.Equal(t, "bob is now active, user\n", run("", "demote", "bob"))
	eventually(t, elsewhere, "the demotion counts", func() bool { return p.Do(t, "GET", "/api/users", "", bob.bearer()).Status == 403 })

	assert.Equal(t, "bob has a new password, and must log in again\n", run(passwords["new"]+"\n", "passwd", "bob"))
	becomes(bob, "invalid_token")
	isError(t, tryLogin(t, p, "bob", passwords["bob"]), 401, "invalid_credentials")
	bob = login(t, p, "bob", passwords["new"])

	assert.Equal(t, "deleted bob\n", run("", "delete", "bob"))
	becomes(bob, "invalid_token")
	assert.Equal(t, "alice has a new password, and must log in again\n", run(passwords["new"]+"\n", "passwd", "alice"), "the way back in for the super admin")
	becomes(alice, "invalid_token")
	assert.True(t, login(t, p, "alice", passwords["new"]).super)
}

func TestWhatTheShellRefuses(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, "server: { access_key: "+secret("access")+" }\n")
	register(t, p, "alice")
	password := secret("password")
	p.Canary(password)
	tests := []struct {
		name  string
		stdin string
		args  []string
		code  int
		says  string
	}{
		{"an unknown user", "", []string{"user", "deactivate", "bob"}, 1, `there is no user "bob"`},
		{"a password for an unknown user", password, []string{"user", "passwd", "bob"}, 1, `there is no user "bob"`},
		{"a taken name", password, []string{"user", "create", "Alice", "--email", "bob@example.com"}, 1, "taken"},
		{"a taken address", password, []string{"user", "create", "bob", "--email", "ALICE@example.com"}, 1, "e-mail address"},
		{"a bad name", password, []string{"user", "create", "b b", "--email", "bob@example.com"}, 1, "3 to 50 characters"},
		{"a bad address", password, []string{"user", "create", "bob", "--email", "bob"}, 1, "not an e-mail address"},
		{"a short password", "1234567", []string{"user", "create", "bob", "--email", "bob@example.com"}, 1, "at least 8"},
		{"no password", "", []string{"user", "create", "bob", "--email", "bob@example.com"}, 1, "give the password"},
		{"a short new password", "1234567\n", []string{"user", "passwd", "alice"}, 1, "at least 8"},
		{"to demote the super admin", "", []string{"user", "demote", "alice"}, 1, "super administrator can't be"},
		{"to deactivate the super admin", "", []string{"user", "deactivate", "alice"}, 1, "super administrator can't be"},
		{"to delete the super admin", "", []string{"user", "delete", "alice"}, 1, "super administrator can't be"},
		{"no address", password, []string{"user", "create", "bob"}, 2, "--email"},
		{"no name", password, []string{"user", "create", "--email", "bob@example.com"}, 2, "say one user"},
		{"two names", "", []string{"user", "delete", "alice", "bob"}, 2, "say one user"},
		{"nothing to do", "", []string{"user"}, 2, "say what to do"},
		{"an unknown command", "", []string{"user", "deactivat"}, 2, "did you mean"},
		{"an unknown flag", "", []string{"user", "list", "--sarch", "x"}, 2, "unknown flag"},
		{"an argument too many", "", []string{"user", "list", "alice"}, 2, "one argument too many"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := p.Run(t, tt.stdin, tt.args...)
			assert.Equal(t, tt.code, o.Code)
			assert.Empty(t, o.Stdout)
			assert.Contains(t, o.Stderr, tt.says)
			assert.Regexp(t, `^monorelay: [^\n]+\n$`, o.Stderr, "one line")
			p.Saw("monorelay user", 1, o.Stdout+o.Stderr)
		})
	}
	assert.Equal(t, 2, strings.Count(p.Run(t, "", "user", "list").Stdout, "\n"), "nothing was changed")
}
