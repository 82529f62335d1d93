package e2e_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

const (
	crowd  = 100
	rounds = 3
)

func TestOneOfAHundredFoundersIsTheFirst(t *testing.T) {
	t.Parallel()
	for round := range rounds {
		t.Run(fmt.Sprintf("SQLite %d", round), func(t *testing.T) {
			t.Parallel()
			found(t, fixture.Start(t, "server: { log_level: info }\n"))
		})
	}
	for round := range rounds {
		t.Run(fmt.Sprintf("MySQL %d", round), func(t *testing.T) {
			t.Parallel()
			found(t, fixture.Start(t, sharing(fixture.MySQL(t))))
		})
	}
	for round := range rounds {
		t.Run(fmt.Sprintf("two processes on MySQL %d", round), func(t *testing.T) {
			t.Parallel()
			config := sharing(fixture.MySQL(t))
			// Started at the same instant, so that their migrations race too.
			one, other := fixture.Launch(t, fixture.Options{Config: config}), fixture.Launch(t, fixture.Options{Config: config})
			one.Await(t)
			other.Await(t)
			found(t, one, other)
		})
	}
}

// sharing returns the configuration of replicas that share a database.
func sharing(url string) string {
	return "server:\n  access_key: " + secret("access") + "\n  jwt_secret: " + secret("jwt") + secret("jwt") + "\ndatabase:\n  url: " + url + "\n"
}

// found registers a crowd at once, and sees to it that all have an account, and one of them is the super administrator.
func found(t *testing.T, processes ...*fixture.Process) {
	t.Helper()
	password := secret("password")
	people := make([]person, crowd)
	ready := make(chan struct{})
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			<-ready
			people[i] = registerAs(t, processes[i%len(processes)], "user-"+strconv.Itoa(i), password)
		})
	}
	close(ready)
	all.Wait()

	var super person
	ids := map[int64]bool{}
	for _, p := range people {
		ids[p.id] = true
		assert.Equal(t, p.super, p.admin, p.name)
		if p.super {
			assert.Empty(t, super.name, "a second super administrator: %s", p.name)
			super = p
		}
	}
	assert.Len(t, ids, crowd, "every account has an id of its own")
	require.NotEmpty(t, super.name, "nobody is the super administrator")
	for _, p := range processes {
		list := p.Do(t, "GET", "/api/users?limit=200", "", super.bearer())
		require.Equal(t, 200, list.Status, list.Body)
		supers, admins, count := 0, 0, 0
		for ; list.Text("users."+strconv.Itoa(count)) != ""; count++ {
			at := "users." + strconv.Itoa(count) + "."
			if list.Text(at+"is_super_admin") == "true" {
				supers++
				assert.Equal(t, strconv.FormatInt(super.id, 10), list.Text(at+"id"))
			}
			if list.Text(at+"is_admin") == "true" {
				admins++
			}
		}
		assert.Equal(t, []int{crowd, 1, 1}, []int{count, supers, admins}, "accounts, super administrators, administrators")
	}
}

func TestOneOfAHundredWithTheSameNameGetsIt(t *testing.T) {
	t.Parallel()
	p := fixture.Start(t, sharing(fixture.MySQL(t)))
	register(t, p, "alice")
	password := secret("password")
	p.Canary(password)
	codes := make([]string, crowd/2)
	var all sync.WaitGroup
	for i := range codes {
		all.Go(func() {
			a := patiently(t, func() fixture.Answer {
				return p.Do(t, "POST", "/api/auth/register", fmt.Sprintf(`{"username":"bob","email":"bob%d@example.com","password":"%s"}`, i, password))
			})
			codes[i] = fmt.Sprint(a.Status, a.Text("error.code"))
		})
	}
	all.Wait()
	count := map[string]int{}
	for _, code := range codes {
		count[code]++
	}
	assert.Equal(t, map[string]int{"200": 1, "409username_taken": len(codes) - 1}, count)
}

func TestTheFirstAccountNeedsTheSetupToken(t *testing.T) {
	t.Parallel()
	token := secret("setup")
	p := fixture.Start(t, "auth:\n  setup_token: "+token+"\n  registration: closed\n")
	p.Canary("securepassword123")
	const body = `{"username":"alice","email":"alice@example.com","password":"securepassword123"}`
	assert.Equal(t, `{"initialized":false,"needs_setup":true}`, p.Do(t, "GET", "/api/setup/status", "").Body)
	isError(t, p.Do(t, "POST", "/api/auth/register", body), 403, "invalid_setup_token")
	isError(t, p.Do(t, "POST", "/api/auth/register", body, "X-Setup-Token: "+secret("setup")), 403, "invalid_setup_token")
	assert.Equal(t, "true", p.Do(t, "POST", "/api/auth/register", body, "X-Setup-Token: "+token).Text("user.is_super_admin"))
	assert.Equal(t, `{"initialized":true,"needs_setup":false}`, p.Do(t, "GET", "/api/setup/status", "").Body)
	const another = `{"username":"bob","email":"bob@example.com","password":"securepassword123"}`
	isError(t, p.Do(t, "POST", "/api/auth/register", another, "X-Setup-Token: "+token), 403, "registration_closed")
}
