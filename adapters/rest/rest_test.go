package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"monorelay/adapters/memory"
	"monorelay/adapters/rest"
	"monorelay/adapters/system"
	"monorelay/adapters/token"
	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/domain/routing"
	"monorelay/ports"
	"monorelay/usecase/identity"
	"monorelay/usecase/relay"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp keeps the first for the life of the process, and the second until ten seconds after a server's end.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

const accessKey = "canary-access-key-0123456789"

// plainHasher stores passwords in the clear, since the edge has nothing to do with how they are stored.
type plainHasher struct{}

func (plainHasher) Hash(_ context.Context, p account.Password) (string, error) {
	return "plain:" + p.Reveal(), nil
}

func (plainHasher) Verify(_ context.Context, hash string, p account.Password) (match, weak bool, err error) {
	return hash == "plain:"+p.Reveal(), false, nil
}

// upstream is a provider that answers as a test tells it to.
type upstream func(context.Context, ports.Call) (ports.Reply, error)

func (u upstream) Call(ctx context.Context, call ports.Call) (ports.Reply, error) {
	return u(ctx, call)
}

func answering(status int, contentType, body string) upstream {
	return func(context.Context, ports.Call) (ports.Reply, error) {
		return ports.Reply{
			Status: status, Header: exchange.Header{{Name: "Content-Type", Value: contentType}},
			Length: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

// edge is a server over stores in memory.
type edge struct {
	url      string
	address  string
	accounts *memory.AccountStore
	log      *lockedBuffer
	stop     func() error
}

type options struct {
	config   rest.Config
	upstream upstream
	disabled bool // the access key
	grace    time.Duration
}

func start(t *testing.T, o options) *edge {
	t.Helper()
	if o.upstream == nil {
		o.upstream = answering(200, "application/json", `{"ok":true}`)
	}
	if o.config.BodyLimit == 0 {
		o.config.BodyLimit = 4 << 20
	}
	log := new(lockedBuffer)
	logger := slog.New(slog.NewJSONHandler(log, nil))
	now, newID := system.NewClock(), system.NewIDs()
	accounts := new(memory.AccountStore)
	tokens, err := token.New(bytes.Repeat([]byte("s"), token.MinSecret), now)
	require.NoError(t, err)
	access := func() credential.AccessPolicy { return credential.NewAccessPolicy(accessKey, !o.disabled) }
	registration := func() account.Registration {
		return account.NewRegistration(true, account.PasswordPolicy{}, "")
	}
	table := routing.NewTable(routing.Tables{Providers: []*provider.Provider{{Name: "mock", Timeout: time.Minute}}})
	routes := func() *routing.Table { return table }
	normalize := func(s string) string { return s }

	directory := identity.NewDirectory(accounts, now)
	signIn := identity.NewSignIn(tokens, newID, now, 24*60*60*1e9)
	gate := rest.NewGate(identity.NewAuthenticate(access, tokens, directory, now))
	lifetime := rest.NewLifetime()
	outer := rest.NewEdge(o.config, logger, newID)
	server := rest.NewServer(o.config, logger, lifetime, outer,
		rest.NewSystem(rest.About{Version: "test", BaseURL: "http://relay.example/v1"}, lifetime, accounts, access, registration, routes, func() string { return "" }),
		rest.NewAccounts(gate,
			identity.NewRegister(accounts, registration, plainHasher{}, normalize, signIn, now),
			identity.NewLogin(accounts, new(memory.AttemptStore), plainHasher{}, normalize, signIn, now)),
		rest.NewUsers(gate, accounts, identity.NewChangeAccount(accounts, directory), identity.NewDeleteAccount(accounts, directory)),
		rest.NewRelays(o.config, gate, outer, lifetime, relay.NewRelay(routes, o.upstream, relay.Keepalive(time.Minute)), relay.NewModels(routes, o.upstream, now)),
	)

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln, o.grace) }()
	e := &edge{url: "http://" + ln.Addr().String(), address: ln.Addr().String(), accounts: accounts, log: log}
	e.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		require.NoError(t, e.stop())
	})
	return e
}

// lockedBuffer takes the log of many goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// answer is a response that was read whole.
type answer struct {
	*http.Response
	body string
}

func (e *edge) do(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, e.url+path, strings.NewReader(body))
	require.NoError(t, err)
	if method != http.MethodGet {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response, string(text)}
}

// fault is what the answer's error says.
func (a answer) fault(t *testing.T) (code, param, kind string) {
	t.Helper()
	var body struct {
		Error struct {
			Message, Type, Code string
			Param               *string
		}
		RequestID string `json:"request_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
	require.NotEmpty(t, body.Error.Message)
	require.Equal(t, a.Header.Get("X-Request-Id"), body.RequestID)
	if body.Error.Param != nil {
		param = *body.Error.Param
	}
	return body.Error.Code, param, body.Error.Type
}

// register opens an account and returns its token.
func (e *edge) register(t *testing.T, name string) (bearer string, id int64) {
	t.Helper()
	a := e.do(t, "POST", "/api/auth/register", `{"username":"`+name+`","email":"`+name+`@example.com","password":"securepassword123"}`)
	require.Equal(t, 200, a.StatusCode, a.body)
	var body struct {
		AccessToken string `json:"access_token"`
		User        struct{ ID int64 }
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &body))
	return "Bearer " + body.AccessToken, body.User.ID
}
