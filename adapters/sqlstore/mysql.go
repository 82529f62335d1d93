package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
)

// Bounds of the pool of connections to a server.
const (
	maxServerConns   = 25
	serverConnAge    = 30 * time.Minute // so that a load balancer's changes are noticed
	serverConnIdle   = 5 * time.Minute
	serverDial       = 5 * time.Second
	migrationLockMax = 2 * time.Minute
)

func openMySQL(ctx context.Context, cfg Config) (*DB, func(), error) {
	target, err := parseMySQL(cfg.URL)
	if err != nil {
		return nil, nil, err
	}
	connector, err := mysql.NewConnector(target)
	if err != nil {
		return nil, nil, fmt.Errorf("database at %s: %w", target.Addr, err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(maxServerConns)
	pool.SetMaxIdleConns(maxServerConns)
	pool.SetConnMaxLifetime(serverConnAge)
	pool.SetConnMaxIdleTime(serverConnIdle)
	// The dialect asks the server for its version at once, and guesses if there is no answer.
	if err := awaitAnswer(ctx, cfg, pool, target.Addr); err != nil {
		_ = pool.Close()
		return nil, nil, err
	}
	bunDB := bun.NewDB(pool, mysqldialect.New(mysqldialect.WithTimeLocation("UTC")))
	db := &DB{write: bunDB, read: bunDB, logger: cfg.Logger, engine: engine{
		folder:      "mysql",
		dialect:     goose.DialectMySQL,
		options:     &sql.TxOptions{Isolation: sql.LevelReadCommitted}, // locks no gaps, so that fewer deadlock
		rowLocks:    true,
		verdict:     mysqlVerdict,
		violated:    mysqlViolated,
		migrator:    func() (*sql.DB, error) { return mysqlMigrator(target) },
		exclusively: mysqlExclusively,
	}}
	return db, db.close, nil
}

// parseMySQL reads a URL. Its errors show no part of it, as any part may belong to a password that was not encoded.
func parseMySQL(text string) (*mysql.Config, error) {
	u, err := url.Parse(text)
	if err != nil || strings.Contains(text, "#") {
		return nil, errors.New("the database URL is not well-formed: special characters in the password must be percent-encoded")
	}
	name := strings.TrimPrefix(u.Path, "/")
	if u.Hostname() == "" || name == "" || strings.ContainsAny(name, "/@") {
		return nil, errors.New("the database URL must name a host and a database, as in mysql://user:password@host:3306/monorelay")
	}
	target := mysql.NewConfig()
	target.Net = "tcp"
	target.Addr = net.JoinHostPort(u.Hostname(), orDefault(u.Port(), "3306"))
	target.DBName = name
	target.User = u.User.Username()
	target.Passwd, _ = u.User.Password()

	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("the parameters of the database URL can't be read")
	}
	for key, values := range query {
		if key != "tls" || len(values) != 1 || !slices.Contains([]string{"true", "false", "skip-verify", "preferred"}, values[0]) {
			return nil, errors.New("the database URL may have one parameter: tls, which is true, false, skip-verify or preferred")
		}
		target.TLSConfig = values[0]
	}

	target.ParseTime = true
	target.Loc = time.UTC
	target.Collation = "utf8mb4_bin"
	target.ClientFoundRows = true
	target.RejectReadOnly = true // after a failover the old primary's connections are given up
	target.Timeout = serverDial
	target.ReadTimeout = patience
	target.WriteTimeout = patience
	target.Logger = &mysql.NopLogger{} // what it would print is in the errors
	target.Params = map[string]string{
		"time_zone": "'+00:00'",
		// Bun writes values into the statements, and escapes them for a server in this mode.
		"sql_mode":                 "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
		"innodb_lock_wait_timeout": "2", // seconds
	}
	return target, nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// awaitAnswer waits until the server answers, cfg.Wait at most.
func awaitAnswer(ctx context.Context, cfg Config, pool *sql.DB, address string) error {
	waiting, stop := context.WithTimeout(ctx, cfg.Wait)
	defer stop()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 3*time.Second) {
		err := pingOnce(ctx, pool)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("database at %s does not answer: %w", address, ctx.Err())
		case hasNumber(err, mysqlRefusals):
			return fmt.Errorf("database at %s refuses: %w", address, err)
		case waiting.Err() != nil:
			return fmt.Errorf("database at %s does not answer: %w", address, err)
		}
		cfg.Logger.WarnContext(ctx, "database does not answer yet", "address", address, "retry_ms", pause.Milliseconds(), "err", err)
		sleep(waiting, pause)
	}
}

func pingOnce(ctx context.Context, pool *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return pool.PingContext(ctx)
}

// Numbers of errors, as MySQL and MariaDB have them in common, or one of them alone.
var (
	mysqlRefusals  = []uint16{1044, 1045, 1049, 1698}
	mysqlConflicts = []uint16{
		1205, // lock wait timeout
		1213, // deadlock
		1020, // record has changed (MariaDB with innodb_snapshot_isolation)
	}
	mysqlOutages = []uint16{
		1021, 1026, 1030, 1114, // disk full, write error, storage engine, table full
		1037, 1038, 1041, 1135, // out of memory, of threads
		1040, 1203, 1226, // too many connections
		1053, 1077, 1079, 1152, 1927, 3169, // shutdown, connection killed
		1129, 1130, // host blocked
		1158, 1159, 1160, 1161, // network
		1180, 1206, 1637, // commit failed, too many locks, too many transactions
		1290, 1792, 1836, // read-only
		1317, 1969, 3024, // statement killed, or too slow
		1047, 1928, // cluster node not ready
	}
)

func mysqlVerdict(err error) verdict {
	switch {
	case hasNumber(err, mysqlConflicts):
		return conflict
	case hasNumber(err, mysqlRefusals), hasNumber(err, mysqlOutages):
		return outage
	}
	for _, broken := range []error{
		driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrBusyBuffer,
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, broken) {
			return outage
		}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return outage
	}
	return unknown
}

func hasNumber(err error, numbers []uint16) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && slices.Contains(numbers, e.Number)
}

// mysqlViolated reads the end of "Duplicate entry '…' for key 'accounts.email_key'", in MariaDB without the table. The
// entry is the user's, and may hold any column's name.
func mysqlViolated(err error) string {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok || e.Number != 1062 {
		return ""
	}
	message := strings.TrimSuffix(e.Message, "'")
	return message[strings.LastIndexAny(message, "'.")+1:]
}

func mysqlMigrator(target *mysql.Config) (*sql.DB, error) {
	patient := target.Clone()
	patient.ReadTimeout, patient.WriteTimeout = 0, 0
	patient.Params["innodb_lock_wait_timeout"] = "50"
	connector, err := mysql.NewConnector(patient)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// mysqlExclusively holds a named lock, which the server takes back as soon as its holder's connection ends.
func mysqlExclusively(ctx context.Context, migrator *sql.DB, f func() error) error {
	conn, err := migrator.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()

	const lock = "CONCAT('monorelay.', LEFT(SHA2(DATABASE(), 256), 32))" // 64 characters at most
	waiting, stop := context.WithTimeout(ctx, migrationLockMax)
	defer stop()
	for {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+lock+", 1)").Scan(&got); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		if got.Int64 == 1 {
			break
		}
		if waiting.Err() != nil {
			return errors.New("another process is at it")
		}
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		_, _ = conn.ExecContext(ctx, "DO RELEASE_LOCK("+lock+")")
	}()

	// A process that was killed right after it made goose's table left it empty, which goose takes for damage.
	_, err = conn.ExecContext(ctx, "INSERT INTO goose_db_version (version_id, is_applied)"+
		" SELECT 0, TRUE FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM goose_db_version)")
	if err != nil && !hasNumber(err, []uint16{1146}) { // there is no such table yet
		return err
	}
	return f()
}
