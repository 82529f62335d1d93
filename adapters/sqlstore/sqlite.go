package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	maxFileReaders = 4
	// busyWait is how long a statement waits for other processes; a transaction then tries again.
	busyWait          = time.Second
	migrationBusyWait = 2 * time.Minute
)

// openSQLite opens one connection that writes, so that writers queue up in this process, and others that can't.
func openSQLite(ctx context.Context, cfg Config) (*DB, func(), error) {
	path, err := createFile(strings.TrimPrefix(cfg.URL, "sqlite://"))
	if err != nil {
		return nil, nil, fmt.Errorf("database file: %w", err)
	}
	write, err := sqlitePool(path, busyWait, "journal_mode(WAL)")
	if err != nil {
		return nil, nil, fmt.Errorf("database file %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	read, err := sqlitePool(path, busyWait, "query_only(1)")
	if err != nil {
		_ = write.Close()
		return nil, nil, fmt.Errorf("database file %s: %w", path, err)
	}
	read.SetMaxOpenConns(maxFileReaders)
	read.SetMaxIdleConns(maxFileReaders)

	db := &DB{
		write: bun.NewDB(write, sqlitedialect.New()), read: bun.NewDB(read, sqlitedialect.New()), logger: cfg.Logger,
		engine: engine{
			folder:   "sqlite",
			dialect:  goose.DialectSQLite3,
			verdict:  sqliteVerdict,
			violated: sqliteViolated,
			migrator: func() (*sql.DB, error) {
				pool, err := sqlitePool(path, migrationBusyWait, "journal_mode(WAL)")
				if err == nil {
					pool.SetMaxOpenConns(1)
				}
				return pool, err
			},
			exclusively: sqliteExclusively,
		},
	}
	// Another process may be turning the same new file to WAL.
	err = db.retry(ctx, write.PingContext)
	if err == nil {
		err = db.retry(ctx, read.PingContext)
	}
	if err != nil {
		db.close()
		return nil, nil, fmt.Errorf("database file %s: %w", path, err)
	}
	return db, db.close, nil
}

// createFile makes the file, if it is not there, readable by its owner only; SQLite's other files take after it.
func createFile(name string) (string, error) {
	if name == "" || strings.ContainsAny(name, "?#\x00") {
		return "", errors.New("the database URL must name a file and nothing else, as in sqlite://data/monorelay.db")
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // whoever runs the server chose the path
	if err != nil {
		return "", err
	}
	return path, file.Close()
}

func sqlitePool(path string, wait time.Duration, pragma string) (*sql.DB, error) {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive's letter
	}
	query := url.Values{
		"_txlock":    {"immediate"},
		"_timezone":  {"UTC"},
		"_defensive": {"1"},
		"_dqs":       {"0"},
		"_error_rc":  {"1"},
		"_pragma":    {fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()), "foreign_keys(1)", "synchronous(FULL)", pragma},
	}
	connector, err := sqlite.NewConnector((&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func sqliteVerdict(err error) verdict {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		if errors.Is(err, sql.ErrTxDone) || errors.Is(err, sql.ErrConnDone) {
			return outage
		}
		return unknown
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return conflict
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT:
		return outage
	}
	return unknown
}

// sqliteViolated reads "constraint failed: UNIQUE constraint failed: accounts.email_key (2067)".
func sqliteViolated(err error) string {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok || (e.Code() != sqlite3.SQLITE_CONSTRAINT_UNIQUE && e.Code() != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY) {
		return ""
	}
	_, column, _ := strings.Cut(e.Error(), "UNIQUE constraint failed: ")
	column, _, _ = strings.Cut(column, " ")
	return column[strings.LastIndexByte(column, '.')+1:]
}

// sqliteExclusively runs f within one transaction of the migrator's only connection: all of it happens, or nothing.
func sqliteExclusively(ctx context.Context, migrator *sql.DB, f func() error) error {
	if _, err := migrator.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := f(); err != nil {
		_, _ = migrator.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	_, err := migrator.ExecContext(ctx, "COMMIT")
	return err
}
