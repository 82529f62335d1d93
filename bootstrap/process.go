package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"monorelay/adapters/rest"
	"monorelay/adapters/sqlstore"
	"monorelay/adapters/token"
	"monorelay/adapters/upstream/echo"
	"monorelay/bootstrap/config"
	"monorelay/domain/session"
	"monorelay/usecase/relay"
)

// Process is what a command knows before its parts are put together.
type Process struct {
	ConfigPath string // empty if there is no file
	Config     config.Config
	Secrets    Secrets
	Log        *slog.Logger
	Address    net.Addr // where the server listens, if it does
	EchoPace   time.Duration
}

// databaseWait is how long a database server may take to answer when the program starts.
const databaseWait = 30 * time.Second

// OpenDatabase opens the configured database and brings its schema up to date, unless the operator does that himself.
func OpenDatabase(ctx context.Context, p *Process) (*sqlstore.DB, func(), error) {
	db, closeDB, err := sqlstore.Open(ctx, sqlstore.Config{URL: p.Config.DatabaseURL(), Wait: databaseWait, Logger: p.Log})
	if err != nil {
		return nil, nil, err
	}
	if p.Config.Database.Migrate {
		err = db.Migrate(ctx)
	} else {
		err = requireMigrated(ctx, db)
	}
	if err != nil {
		closeDB()
		return nil, nil, err
	}
	return db, closeDB, nil
}

// requireMigrated refuses a schema that is behind the program.
func requireMigrated(ctx context.Context, db *sqlstore.DB) error {
	migrations, err := db.Status(ctx)
	if err != nil {
		return err
	}
	for _, m := range migrations {
		if m.AppliedAt.IsZero() {
			return errors.New("the database's schema is behind this program: run monorelay migrate up, or set database.migrate: true")
		}
	}
	return nil
}

// NewLogger returns the process's logger.
func NewLogger(p *Process) *slog.Logger { return p.Log }

// NewTokenSecret returns what signs tokens.
func NewTokenSecret(p *Process) token.Secret { return p.Secrets.JWT }

// NewTokenTTL returns how long tokens live.
func NewTokenTTL(p *Process) session.TTL { return session.TTL(p.Config.Auth.AccessTokenTTL) }

// NewKeepalive returns how long a stream may be silent.
func NewKeepalive(p *Process) relay.Keepalive {
	return relay.Keepalive(p.Config.Server.StreamKeepalive)
}

// NewEchoPace returns how long the built-in provider thinks about a word.
func NewEchoPace(p *Process) echo.Pace { return echo.Pace(p.EchoPace) }

// NewEdgeConfig returns what the operator says about the HTTP edge.
func NewEdgeConfig(p *Process) rest.Config {
	s := p.Config.Server
	return rest.Config{
		BodyLimit: s.BodyLimit, CORSOrigins: s.CORSOrigins, TrustedProxies: s.TrustedProxies,
		MaxConnections: maxConnections(),
	}
}

// NewAbout returns what the server says of itself.
func NewAbout(p *Process) rest.About {
	v, _ := Version()
	return rest.About{Version: v, BaseURL: baseURL(p)}
}

// baseURL is what a client of OpenAI's API is given as its base URL.
func baseURL(p *Process) string {
	port := ""
	if tcp, ok := p.Address.(*net.TCPAddr); ok {
		port = strconv.Itoa(tcp.Port)
	}
	public := strings.TrimRight(p.Config.Server.PublicHost, "/")
	switch u, err := url.Parse(public); {
	case public == "":
		host := p.Config.Server.Host
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		return "http://" + net.JoinHostPort(host, port) + "/v1"
	case err == nil && u.Host != "":
		return strings.TrimSuffix(public, "/v1") + "/v1"
	}
	if _, _, err := net.SplitHostPort(public); err == nil {
		return "http://" + public + "/v1"
	}
	return "http://" + net.JoinHostPort(strings.Trim(public, "[]"), port) + "/v1"
}

// findConfig returns the file that a command was told to read, or config.yml if there is one.
func findConfig(told string) string {
	const usual = "config.yml"
	if told != "" {
		return told
	}
	if _, err := os.Stat(usual); err == nil {
		return usual
	}
	return ""
}

// listen opens the server's socket.
func listen(ctx context.Context, c config.Server) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return nil, fmt.Errorf("can't listen on %s port %d (choose others with --host and --port): %w", c.Host, c.Port, unwrapped(err))
	}
	return ln, nil
}

// unwrapped leaves the address out of a network error, which the message has already.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Err
	}
	return err
}
