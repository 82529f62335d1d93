package e2e_test

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/test/fixture"
)

// TestAFloodOfPasswords measures what it does to memory and to everybody else.
func TestAFloodOfPasswords(t *testing.T) { //nolint:paralleltest // it measures
	const (
		crowd = 500
		times = 3
	)
	p, _ := relayTo(t, parts{})
	alice := register(t, p, "alice")
	password := secret("password")
	p.Canary(password)
	var next atomic.Int64
	for _, flood := range []struct {
		name string
		send func() fixture.Answer
		full map[int]string // what who is too many is told
	}{
		{"of logins", func() fixture.Answer {
			return p.Do(t, "POST", "/api/auth/login", `{"username":"alice","password":"`+alice.password+`"}`)
		}, map[int]string{503: "busy", 429: "too_many_attempts"}},
		{"of registrations", func() fixture.Answer {
			name := "user-" + strconv.FormatInt(next.Add(1), 10)
			return p.Do(t, "POST", "/api/auth/register", `{"username":"`+name+`","email":"`+name+`@example.com","password":"`+password+`"}`)
		}, map[int]string{503: "busy"}},
	} {
		t.Run(flood.name, func(t *testing.T) {
			p.ResetPeak()
			before := p.Memory()
			others := observe(t, p)
			var mu sync.Mutex
			count := map[int]int{}
			var refused []time.Duration
			var all sync.WaitGroup
			ready := make(chan struct{})
			for range crowd {
				all.Go(func() {
					<-ready
					for range times {
						began := time.Now()
						a := flood.send()
						took := time.Since(began)
						mu.Lock()
						if count[a.Status]++; a.Status != 200 {
							refused = append(refused, took)
							isError(t, a, a.Status, flood.full[a.Status])
						}
						mu.Unlock()
					}
				})
			}
			close(ready)
			all.Wait()
			health, relayed := others()

			assert.Positive(t, count[200])
			require.NotEmpty(t, refused)
			require.NotEmpty(t, relayed)
			require.NotEmpty(t, health)
			// How long it takes is told and not judged: the test takes half of the machine's time itself.
			t.Logf("%v; nine in ten refused within %v, of %d /health within %v (the worst %v), relayed within %v",
				count, most(refused), len(health), most(health), health[len(health)-1].Round(time.Millisecond), most(relayed))
			if peak := p.Peak(); peak > 0 {
				assert.Less(t, peak>>20, before>>20+2*19+64)
				t.Logf("%d MiB at the most, after %d", peak>>20, before>>20)
			}
		})
	}
}

// most returns what nine in ten are within. It sorts them.
func most(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)*9/10].Round(time.Millisecond)
}

// observe asks for /health and for an answer of the relay, over and over, and returns what ends that, and how long each
// took.
func observe(t *testing.T, p *fixture.Process) (end func() (health, relayed []time.Duration)) {
	t.Helper()
	var health, relayed []time.Duration
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			began := time.Now()
			if a := p.Do(t, "GET", "/health", ""); assert.Equal(t, 200, a.Status) {
				health = append(health, time.Since(began))
			}
			began = time.Now()
			if a := p.Do(t, "POST", chatPath, plain, p.Key()); assert.Equal(t, 200, a.Status) {
				relayed = append(relayed, time.Since(began))
			}
		}
	}()
	return func() (_, _ []time.Duration) {
		close(stop)
		<-stopped
		return health, relayed
	}
}
