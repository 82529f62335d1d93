// Package sqlstore keeps what the relay must not forget in MySQL, MariaDB or SQLite, through Bun. It owns the schema and
// its migrations, and puts what goes wrong in a database into the words of the ports.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
)

// Config says which database to open. URL has one of the forms
//
//	sqlite://relative/path.db
//	sqlite:///absolute/path.db
//	mysql://user:password@host:3306/name?tls=true
//	mariadb://user:password@host:3306/name
//
// User and password are percent-encoded; tls may also be skip-verify or preferred. Wait is how long a server may take
// until it answers for the first time.
type Config struct {
	URL    string
	Wait   time.Duration
	Logger *slog.Logger
}

// DB is an open database. Stores share it.
type DB struct {
	// write runs all transactions, read the queries outside of them. A server has one pool for both.
	write, read *bun.DB
	engine      engine
	logger      *slog.Logger
}

// engine is what differs between the kinds of databases.
type engine struct {
	folder   string // of the migrations
	dialect  goose.Dialect
	options  *sql.TxOptions
	rowLocks bool // whether a transaction must lock the rows that it is going to change

	// verdict says what an error of the driver means, violated which unique column it is about.
	verdict  func(error) verdict
	violated func(error) string

	// migrator opens a handle of its own for migrations, which may take their time.
	migrator func() (*sql.DB, error)
	// exclusively runs f while no other process does so.
	exclusively func(ctx context.Context, migrator *sql.DB, f func() error) error
}

// Open opens the database, and creates the file of one that is a file. The schema is as it was: see Migrate. The function
// that it returns closes the database.
func Open(ctx context.Context, cfg Config) (*DB, func(), error) {
	scheme, _, _ := strings.Cut(cfg.URL, "://")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, cfg)
	case "mysql", "mariadb":
		return openMySQL(ctx, cfg)
	}
	return nil, nil, errors.New("the database URL must begin with sqlite://, mysql:// or mariadb://")
}

// Ping reports, as an error, why the database can't be used now.
func (db *DB) Ping(ctx context.Context) error {
	return db.do(ctx, "ping", func(ctx context.Context) error { return db.read.PingContext(ctx) })
}

func (db *DB) close() {
	_ = db.read.Close()
	_ = db.write.Close()
}
