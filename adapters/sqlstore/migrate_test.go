package sqlstore_test

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"monorelay/adapters/sqlstore"
	"monorelay/domain/account"
)

func TestMigrateByManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, database string) {
		t.Helper()
		start := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				db, closeDB, err := sqlstore.Open(t.Context(), config(t, database))
				if assert.NoError(t, err) {
					defer closeDB()
					assert.NoError(t, db.Migrate(t.Context()))
				}
			})
		}
		wg.Wait()
		t.Logf("4 processes took %v", time.Since(start))

		assert.Equal(t, 4, number(t, database, "SELECT COUNT(*) FROM goose_db_version"), "each version and zero, once")
		requireWorks(t, open(t, database))
	})
}

func TestMigrateDownAndUpAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, database string) {
		t.Helper()
		db := open(t, database)
		pending := status(t, db)
		require.Len(t, pending, 3)
		for _, m := range pending {
			assert.Zero(t, m.AppliedAt, m.Name)
		}
		for range 2 {
			require.NoError(t, db.Migrate(t.Context()))
			for i, m := range status(t, db) {
				assert.EqualValues(t, i+1, m.Version)
				assert.WithinDuration(t, time.Now(), m.AppliedAt, time.Minute, m.Name)
			}
			requireWorks(t, db)
			for left := 2; left >= 0; left-- {
				require.NoError(t, db.Down(t.Context()))
				for i, m := range status(t, db) {
					assert.Equal(t, i < left, !m.AppliedAt.IsZero(), m.Name)
				}
			}
			require.NoError(t, db.Down(t.Context()), "of nothing")
		}
	})
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, database string) {
		t.Helper()
		db := migrated(t, database)
		exec(t, database, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (7, TRUE)")

		const says = "schema version 7 is newer than this program's 3; run a newer monorelay"
		require.ErrorContains(t, db.Migrate(t.Context()), says)
		require.ErrorContains(t, db.Down(t.Context()), says)
		_, err := db.Status(t.Context())
		require.ErrorContains(t, err, says)
		requireWorks(t, db)
	})
}

// A process can be killed between any two statements. On MySQL each takes effect at once.
func TestMigrateResumes(t *testing.T) {
	t.Parallel()
	states := map[string][]string{
		"after goose's table":      {"DELETE FROM goose_db_version", "DROP TABLE accounts", "DROP TABLE founding", "DROP TABLE login_attempts"},
		"after the first table":    {"DELETE FROM goose_db_version WHERE version_id > 0", "DROP TABLE founding", "DROP TABLE login_attempts"},
		"after the first version":  {"DELETE FROM goose_db_version WHERE version_id > 1", "DROP TABLE founding", "DROP TABLE login_attempts"},
		"after the second table":   {"DELETE FROM goose_db_version WHERE version_id > 1", "DROP TABLE login_attempts"},
		"after the third table":    {"DELETE FROM goose_db_version WHERE version_id > 2"},
		"on the way down":          {"DROP TABLE login_attempts"},
		"before anything happened": {"DROP TABLE goose_db_version", "DROP TABLE accounts", "DROP TABLE founding", "DROP TABLE login_attempts"},
	}
	for name, statements := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := engines["MySQL"](t)
			db := migrated(t, database)
			for _, statement := range statements {
				exec(t, database, statement)
			}
			if name == "on the way down" {
				require.NoError(t, db.Down(t.Context()))
			}
			require.NoError(t, db.Migrate(t.Context()))
			requireWorks(t, db)
			assert.Equal(t, 4, number(t, database, "SELECT COUNT(*) FROM goose_db_version"))
		})
	}
}

// The lock of a process that dies goes with its connection.
func TestMigrateWaitsForAnotherProcess(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, database string) {
		t.Helper()
		db := open(t, database)
		pool := raw(t, database)
		other, err := pool.Conn(t.Context())
		require.NoError(t, err)
		if strings.HasPrefix(database, "sqlite") {
			_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		} else {
			_, err = other.ExecContext(t.Context(), "DO GET_LOCK(CONCAT('monorelay.', LEFT(SHA2(DATABASE(), 256), 32)), 1)")
		}
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, db.Migrate(ctx), context.DeadlineExceeded)

		time.AfterFunc(300*time.Millisecond, func() {
			_ = other.Close()
			_ = pool.Close()
		})
		start := time.Now()
		require.NoError(t, db.Migrate(t.Context()))
		t.Logf("waited %v", time.Since(start))
		assert.Greater(t, time.Since(start), 250*time.Millisecond)
		assert.Less(t, time.Since(start), 5*time.Second)
		requireWorks(t, db)
	})
}

func onEach(t *testing.T, f func(t *testing.T, database string)) {
	t.Helper()
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, database(t))
		})
	}
}

func status(t *testing.T, db *sqlstore.DB) []sqlstore.Migration {
	t.Helper()
	list, err := db.Status(t.Context())
	require.NoError(t, err)
	return list
}

// requireWorks uses all of the schema.
func requireWorks(t *testing.T, db *sqlstore.DB) {
	t.Helper()
	accounts := sqlstore.NewAccountStore(db)
	name, err := account.ParseUsername("alice")
	require.NoError(t, err)
	a, err := accounts.Add(t.Context(), account.Open(name, account.Email{}, "hash", time.Now()), func(bool) error { return nil })
	require.NoError(t, err)
	require.NoError(t, accounts.Delete(t.Context(), a.ID(), func(*account.Account) error { return nil }))
	require.NoError(t, sqlstore.NewAttemptStore(db).Sweep(t.Context(), time.Now()))
}

func parse(database string) (*url.URL, error) { return url.Parse(database) }

// raw opens a database without the package under test.
func raw(t *testing.T, database string) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", strings.TrimPrefix(database, "sqlite://")
	if u, err := parse(database); err == nil && u.Scheme == "mysql" {
		password, _ := u.User.Password()
		driver, dsn = "mysql", u.User.Username()+":"+password+"@tcp("+u.Host+")"+u.Path
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t *testing.T, database, statement string) {
	t.Helper()
	_, err := raw(t, database).ExecContext(context.WithoutCancel(t.Context()), statement)
	require.NoError(t, err, statement)
}

func number(t *testing.T, database, query string) int {
	t.Helper()
	var n int
	require.NoError(t, raw(t, database).QueryRowContext(t.Context(), query).Scan(&n))
	return n
}
