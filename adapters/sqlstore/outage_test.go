package sqlstore_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/adapters/sqlstore"
	"monorelay/domain/account"
	"monorelay/domain/fault"
	"monorelay/domain/throttle"
	"monorelay/ports"
	"monorelay/test/fixture"
)

func TestAServerThatIsGoneIsUnavailable(t *testing.T) {
	t.Parallel()
	url, proxy := proxied(t, fixture.MySQL(t))
	db := migrated(t, url)
	requireWorks(t, db)

	proxy.stop()
	for name, call := range everyCall(db) {
		requireUnavailable(t, call(t.Context()), name)
	}
	proxy.start()
	start := time.Now()
	require.NoError(t, db.Ping(t.Context()))
	t.Logf("%v until it answers again", time.Since(start))
	requireWorks(t, db)
}

func TestAServerThatIsStoppedIsUnavailableInTime(t *testing.T) {
	t.Parallel()
	url, proxy := proxied(t, fixture.MySQL(t))
	db := migrated(t, url)
	requireWorks(t, db)

	before := runtime.NumGoroutine()
	proxy.freeze()
	var wg sync.WaitGroup
	for range 10 { // so that there are more than the pool has connections
		for name, call := range everyCall(db) {
			wg.Go(func() {
				start := time.Now()
				err := call(t.Context())
				assert.Equal(t, fault.Unavailable, fault.KindOf(err), "%s: %v", name, err)
				assert.Less(t, time.Since(start), 6*time.Second, name)
			})
		}
	}
	start := time.Now()
	wg.Wait()
	t.Logf("100 calls took %v; goroutines %d, then %d", time.Since(start), before, runtime.NumGoroutine())

	proxy.thaw()
	require.Eventually(t, func() bool { return db.Ping(t.Context()) == nil }, 10*time.Second, 50*time.Millisecond)
	requireWorks(t, db)
}

func TestALockThatIsHeldIsUnavailableInTime(t *testing.T) {
	t.Parallel()
	url := fixture.MySQL(t)
	db := migrated(t, url)
	accounts := sqlstore.NewAccountStore(db)
	a := addAccount(t, accounts, "alice")

	tx, err := raw(t, url).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "UPDATE accounts SET version = 7")
	require.NoError(t, err)

	start := time.Now()
	_, err = accounts.Update(t.Context(), a.ID(), resetPassword)
	requireUnavailable(t, err, "Update")
	assert.Less(t, time.Since(start), 6*time.Second)
	_, err = accounts.ByID(t.Context(), a.ID())
	require.NoError(t, err, "readers don't wait for writers")

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	start = time.Now()
	_, err = accounts.Update(ctx, a.ID(), resetPassword)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, fault.Canceled, fault.KindOf(err))
	assert.Less(t, time.Since(start), 2*time.Second)

	require.NoError(t, tx.Commit())
	got, err := accounts.Update(t.Context(), a.ID(), resetPassword)
	require.NoError(t, err)
	assert.EqualValues(t, 8, got.Version())
}

func TestAFileThatAnotherProcessHoldsIsUnavailableInTime(t *testing.T) {
	t.Parallel()
	url := fixture.SQLite(t)
	accounts := sqlstore.NewAccountStore(migrated(t, url))
	a := addAccount(t, accounts, "alice")
	other, err := raw(t, url).Conn(t.Context())
	require.NoError(t, err)
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)

	start := time.Now()
	_, err = accounts.Update(t.Context(), a.ID(), resetPassword)
	requireUnavailable(t, err, "Update")
	assert.Less(t, time.Since(start), 6*time.Second)
	_, err = accounts.ByID(t.Context(), a.ID())
	require.NoError(t, err, "readers don't wait for writers")

	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	_, err = accounts.Update(t.Context(), a.ID(), resetPassword)
	require.NoError(t, err)
}

// The connection breaks after every number of bytes that the server or the store sends within an Update.
func TestAConnectionThatBreaksAnywhereLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, sender := range []sender{fromServer, fromStore} {
		t.Run(string(sender), func(t *testing.T) {
			t.Parallel()
			url, proxy := proxied(t, fixture.MySQL(t))
			db := migrated(t, url)
			accounts := sqlstore.NewAccountStore(db)
			a := addAccount(t, accounts, "alice")
			direct := sqlstore.NewAccountStore(open(t, proxy.direct))

			version, before, after := int64(0), 0, 0
			for bytes, broke := 0, true; broke; bytes++ {
				require.NoError(t, db.Ping(t.Context()))
				proxy.breakAfter(sender, bytes)
				_, err := accounts.Update(t.Context(), a.ID(), resetPassword)
				broke = proxy.mend()

				got, readErr := direct.ByID(t.Context(), a.ID())
				require.NoError(t, readErr)
				switch stored := got.Version() == version+1; {
				case err == nil:
					require.True(t, stored, "after %d bytes", bytes)
				case stored:
					after++
				default:
					before++
					require.Equal(t, version, got.Version(), "after %d bytes", bytes)
				}
				if err != nil {
					requireUnavailable(t, err, fmt.Sprintf("Update, broken after %d bytes", bytes))
				}
				version = got.Version()
			}
			t.Logf("%d breaks before the commit, %d after", before, after)
			assert.Positive(t, before)
		})
	}
}

func everyCall(db *sqlstore.DB) map[string]func(context.Context) error {
	accounts, attempts := sqlstore.NewAccountStore(db), sqlstore.NewAttemptStore(db)
	alice := account.Open(account.Username{}, account.Email{}, "", time.Now())
	return map[string]func(context.Context) error{
		"Ping": db.Ping,
		"Add": func(ctx context.Context) error {
			_, err := accounts.Add(ctx, alice, func(bool) error { return nil })
			return err
		},
		"Founded": func(ctx context.Context) error { _, err := accounts.Founded(ctx); return err },
		"ByID":    func(ctx context.Context) error { _, err := accounts.ByID(ctx, 1); return err },
		"ByLogin": func(ctx context.Context) error { _, err := accounts.ByLogin(ctx, "alice"); return err },
		"List": func(ctx context.Context) error {
			_, err := accounts.List(ctx, ports.AccountFilter{Limit: 1})
			return err
		},
		"Update": func(ctx context.Context) error { _, err := accounts.Update(ctx, 1, resetPassword); return err },
		"Delete": func(ctx context.Context) error {
			return accounts.Delete(ctx, 1, func(*account.Account) error { return nil })
		},
		"Change": func(ctx context.Context) error {
			return attempts.Change(ctx, []string{"alice"}, func([]throttle.Record) error { return nil })
		},
		"Sweep": func(ctx context.Context) error { return attempts.Sweep(ctx, time.Now()) },
	}
}

func requireUnavailable(t *testing.T, err error, call string) {
	t.Helper()
	require.Error(t, err, call)
	f := fault.Of(err)
	require.NotNil(t, f, "%s: %v", call, err)
	require.Equal(t, fault.Unavailable, f.Kind, "%s: %v", call, err)
	require.Equal(t, "database_unavailable", f.Code)
	require.Equal(t, 2*time.Second, f.RetryAfter)
}

func addAccount(t *testing.T, accounts *sqlstore.AccountStore, name string) *account.Account {
	t.Helper()
	username, err := account.ParseUsername(name)
	require.NoError(t, err)
	a, err := accounts.Add(t.Context(), account.Open(username, account.Email{}, "hash", time.Now()), func(bool) error { return nil })
	require.NoError(t, err)
	return a
}

func resetPassword(a *account.Account) error { return a.ResetPassword(account.Operator(), "other") }

// proxy stands between a store and its server, and fails on request.
type proxy struct {
	direct string // the URL past the proxy
	server string
	listen string

	mu       sync.Mutex
	cond     *sync.Cond
	listener net.Listener
	conns    map[net.Conn]bool
	frozen   bool
	sender   sender
	budget   int // bytes from the sender until its connection breaks, -1 for no end
	broke    bool
}

type sender string

const (
	fromServer sender = "server"
	fromStore  sender = "store"
)

// proxied returns the URL of a database behind a proxy.
func proxied(t *testing.T, database string) (string, *proxy) {
	t.Helper()
	u, err := parse(database)
	require.NoError(t, err)
	p := &proxy{direct: database, server: u.Host, listen: "127.0.0.1:0", conns: map[net.Conn]bool{}, budget: -1}
	p.cond = sync.NewCond(&p.mu)
	p.start()
	p.listen = p.listener.Addr().String()
	t.Cleanup(func() {
		p.stop()
		p.thaw()
	})
	u.Host = p.listen
	return u.String(), p
}

func (p *proxy) start() {
	listener, err := net.Listen("tcp", p.listen)
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	p.listener = listener
	p.mu.Unlock()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	go p.carry(server, client, fromStore)
	p.carry(client, server, fromServer)
}

func (p *proxy) carry(to, from net.Conn, sender sender) {
	defer func() {
		p.mu.Lock()
		delete(p.conns, to)
		delete(p.conns, from)
		p.mu.Unlock()
		_ = to.Close()
		_ = from.Close()
	}()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.frozen {
			p.cond.Wait()
		}
		if sender == p.sender && p.budget >= 0 {
			if n > p.budget {
				n, err, p.broke = p.budget, io.EOF, true
			}
			p.budget -= n
		}
		p.mu.Unlock()
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// stop is a server that is killed: its port is closed and its connections are gone.
func (p *proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// freeze is a server that is stopped: its port takes connections, and nothing comes.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = false
	p.cond.Broadcast()
}

// breakAfter breaks connections when the sender has sent that many bytes more.
func (p *proxy) breakAfter(sender sender, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sender, p.budget, p.broke = sender, bytes, false
}

// mend ends breakAfter, and reports whether a connection broke.
func (p *proxy) mend() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget = -1
	return p.broke
}
