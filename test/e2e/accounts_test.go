package e2e_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

// elsewhere is how long a change may take to count on another replica.
const elsewhere = 2 * time.Second

func TestWhatEndsATokenEndsItOnEveryReplica(t *testing.T) {
	t.Parallel()
	config := sharing(fixture.MySQL(t))
	here, there := fixture.Start(t, config), fixture.Start(t, config)
	alice := register(t, here, "alice")
	refused := func(p *fixture.Process, who person) string {
		return p.Do(t, "POST", chatPath, plain, who.bearer()).Text("error.code")
	}
	// diesAs checks that a token that both replicas know is dead, as the code says.
	diesAs := func(who person, code string) {
		t.Helper()
		changed := time.Now()
		assert.Equal(t, code, refused(here, who), "at once on the replica that made the change")
		eventually(t, elsewhere-time.Since(changed), "the token dies on the other replica: "+code, func() bool { return refused(there, who) == code })
		assert.Equal(t, code, refused(here, who), "and stays dead")
	}
	newBob := func() person {
		t.Helper()
		bob := register(t, here, "bob")
		for _, p := range []*fixture.Process{here, there} {
			require.Empty(t, refused(p, bob))
		}
		return bob
	}

	bob := newBob()
	list := there.Do(t, "GET", "/api/users", "", alice.bearer())
	assert.Equal(t, "alice", list.Text("users.0.username"))
	assert.Equal(t, "bob", list.Text("users.1.username"))
	assert.Equal(t, []string{"created_at", "email", "id", "is_active", "is_admin", "is_super_admin", "username"}, list.Names("users.1"))
	assert.Equal(t, "bob", there.Do(t, "GET", bob.path(), "", alice.bearer()).Text("username"))

	require.Equal(t, 200, here.Do(t, "PATCH", bob.path(), `{"is_active":false}`, alice.bearer()).Status)
	diesAs(bob, "account_inactive")
	isError(t, tryLogin(t, there, "bob", bob.password), 401, "account_inactive")
	isError(t, tryLogin(t, there, "bob", secret("wrong")), 401, "invalid_credentials")
	require.Equal(t, 200, here.Do(t, "PUT", bob.path(), `{"is_active":true}`, alice.bearer()).Status)
	diesAs(bob, "invalid_token")
	again := login(t, there, "bob", bob.password)
	assert.Empty(t, refused(here, again))

	a := here.Do(t, "DELETE", bob.path(), "", alice.bearer())
	assert.Equal(t, 204, a.Status)
	assert.Empty(t, a.Body)
	diesAs(again, "invalid_token")
	second := newBob()
	assert.NotEqual(t, bob.id, second.id, "an id is never given twice")
	for _, old := range []person{bob, again} {
		assert.Equal(t, "invalid_token", refused(here, old), "another account of the same name is not logged in by an old token")
		assert.Equal(t, "invalid_token", refused(there, old))
	}
}

func TestARoleCountsOnEveryReplica(t *testing.T) {
	t.Parallel()
	config := sharing(fixture.MySQL(t))
	here, there := fixture.Start(t, config), fixture.Start(t, config)
	alice, bob := register(t, here, "alice"), register(t, here, "bob")
	status := func(p *fixture.Process) int { return p.Do(t, "GET", "/api/users", "", bob.bearer()).Status }
	require.Equal(t, []int{403, 403}, []int{status(here), status(there)})
	for _, step := range []struct {
		body string
		want int
	}{{`{"is_admin":true}`, 200}, {`{"is_admin":false}`, 403}} {
		changed := time.Now()
		require.Equal(t, 200, here.Do(t, "PATCH", bob.path(), step.body, alice.bearer()).Status)
		assert.Equal(t, step.want, status(here), "at once, with the same token")
		eventually(t, elsewhere-time.Since(changed), "the role counts on the other replica", func() bool { return status(there) == step.want })
	}
}

// TestRoles sends every change under every role to an account of every role.
func TestRoles(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, "server: { access_key: "+secret("access")+" }\n")
	super, admin, user := register(t, p, "alice"), register(t, p, "admin"), register(t, p, "user")
	otherAdmin, otherUser := register(t, p, "admin2"), register(t, p, "user2")
	for _, a := range []person{admin, otherAdmin} {
		require.Equal(t, 200, p.Do(t, "PATCH", a.path(), `{"is_admin":true}`, super.bearer()).Status)
	}
	callers := map[string]string{
		"nobody": "X-Nothing: nothing", "the access key": p.Key(), "a user": user.bearer(), "an admin": admin.bearer(), "the super admin": super.bearer(),
	}
	targets := map[string]person{"a user": otherUser, "an admin": otherAdmin, "himself": {}, "the super admin": super, "no one": {id: 1 << 40}}
	changes := []struct {
		method, body string
		takes        bool // something away, which nobody may do to the super admin
	}{
		{"PATCH", `{"is_active":true}`, false},
		{"PATCH", `{"is_active":false}`, true},
		{"PATCH", `{"is_admin":true}`, false},
		{"PATCH", `{"is_admin":false}`, true},
		{"PUT", `{"is_active":true}`, false},
		{"PUT", `{"is_active":false,"is_admin":false}`, true},
		{"DELETE", "", true},
	}
	restore := func(who string, target person) person {
		t.Helper()
		if p.Do(t, "GET", target.path(), "", super.bearer()).Status == 404 {
			target = register(t, p, target.name)
		}
		is := who == "an admin"
		require.Equal(t, 200, p.Do(t, "PATCH", target.path(), fmt.Sprintf(`{"is_active":true,"is_admin":%t}`, is), super.bearer()).Status)
		return target
	}
	for caller, field := range callers {
		for who, target := range targets {
			if who == "himself" {
				target = map[string]person{"a user": user, "an admin": admin, "the super admin": super}[caller]
				if target.name == "" {
					continue
				}
			}
			gate, gateCode := 0, ""
			switch caller {
			case "nobody":
				gate, gateCode = 401, "missing_credentials"
			case "the access key":
				gate, gateCode = 403, "user_required"
			case "a user":
				gate, gateCode = 403, "admin_required"
			}
			for _, path := range []string{"/api/users", target.path()} {
				a := p.Do(t, "GET", path, "", field)
				switch {
				case gate != 0:
					isError(t, a, gate, gateCode)
				case who == "no one" && path != "/api/users":
					isError(t, a, 404, "user_not_found")
				default:
					assert.Equal(t, 200, a.Status)
				}
			}
			for _, change := range changes {
				name := fmt.Sprintf("%s: %s %s of %s", caller, change.method, change.body, who)
				a := p.Do(t, change.method, target.path(), change.body, field)
				status, code := 200, ""
				if change.method == "DELETE" {
					status = 204
				}
				isSuper := target.id == super.id
				switch {
				case gate != 0:
					status, code = gate, gateCode
				case who == "no one":
					status, code = 404, "user_not_found"
				case caller == "an admin" && who != "a user":
					status, code = 403, "admin_protected"
				case isSuper && change.takes:
					status, code = 403, "super_admin_protected"
				}
				assert.Equal(t, status, a.Status, name+a.Body)
				assert.Equal(t, code, a.Text("error.code"), name)
				if status < 300 && !isSuper {
					target = restore(who, target)
					targets[who] = target
				}
			}
		}
	}
	isError(t, p.Do(t, "GET", "/api/users", "", bearer(user.token)), 403, "admin_required")
	list := p.Do(t, "GET", "/api/users?limit=200", "", super.bearer())
	supers := 0
	for i := range 10 {
		if list.Text("users."+strconv.Itoa(i)+".is_super_admin") == "true" {
			supers++
		}
	}
	assert.Equal(t, 1, supers)
}

func TestWhatCanNotBeSaidOfAnAccount(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, "server: { access_key: "+secret("access")+" }\n")
	alice, bob := register(t, p, "alice"), register(t, p, "bob")
	for _, body := range []string{
		`{"is_super_admin":true}`, `{"role":2}`, `{"id":1}`, `{"password_hash":"x"}`, `{"IS_ADMIN":true}`, `{"is_admin":true,"is_admin":true}`,
		`[{"is_admin":true}]`, `{"is_admin":1}`, `{"is_admin":"true"}`, `{}`, `null`, `{"is_active":null}`, `{"is_admin":true}x`,
	} {
		a := p.Do(t, "PATCH", bob.path(), body, alice.bearer())
		assert.Equal(t, 400, a.Status, body)
		assert.Equal(t, "invalid_request_error", a.Text("error.type"), body)
	}
	for _, body := range []string{
		`{"username":"user1","email":"user1@example.com","password":"` + secret("pw") + `","is_admin":true}`,
		`{"username":"user1","email":"user1@example.com","password":"` + secret("pw") + `","IS_ADMIN":true}`,
		`{"Username":"user1","email":"user1@example.com","password":"` + secret("pw") + `"}`,
		`{"username":"user1","username":"user2","email":"user1@example.com","password":"` + secret("pw") + `"}`,
		`{"username":"user1","email":"user1@example.com"}`, `{"username":["user1"],"email":"user1@example.com","password":"` + secret("pw") + `"}`,
		`{"username":"user 1","email":"user1@example.com","password":"` + secret("pw") + `"}`,
		`{"username":"user1","email":"user1","password":"` + secret("pw") + `"}`, `{"username":"user1","email":"user1@example.com","password":"1234567"}`,
	} {
		a := p.Do(t, "POST", "/api/auth/register", body)
		assert.Equal(t, 400, a.Status, body)
		assert.NotEmpty(t, a.Text("error.param"), body)
	}
	isError(t, p.Do(t, "POST", "/api/auth/register", `{"username":"BOB","email":"x@example.com","password":"`+secret("pw")+`"}`), 409, "username_taken")
	isError(t, p.Do(t, "POST", "/api/auth/register", `{"username":"bob2","email":"BOB@example.com","password":"`+secret("pw")+`"}`), 409, "email_taken")
	list := p.Do(t, "GET", "/api/users", "", alice.bearer())
	assert.Equal(t, "false", list.Text("users.1.is_admin"))
	assert.Empty(t, list.Text("users.2.id"))
}

func TestNothingTellsWhetherThereIsAnAccount(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, "server: { access_key: "+secret("access")+" }\n")
	register(t, p, "alice")
	wrong := tryLogin(t, p, "alice", secret("wrong"))
	unknown := tryLogin(t, p, "nobody", secret("wrong"))
	isError(t, wrong, 401, "invalid_credentials")
	isError(t, unknown, 401, "invalid_credentials")
	for _, name := range []string{"X-Request-Id", "Date"} {
		wrong.Header.Del(name)
		unknown.Header.Del(name)
	}
	assert.Equal(t, wrong.Header, unknown.Header)
	assert.Equal(t, wrong.Text("error"), unknown.Text("error"))
	// A few failures are free; then it says how long to wait.
	var last fixture.Answer
	for range 8 {
		if last = tryLogin(t, p, "alice", secret("wrong")); last.Status == 429 {
			break
		}
	}
	isError(t, last, 429, "too_many_attempts")
}
