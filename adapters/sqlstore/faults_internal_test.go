package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"monorelay/domain/account"
	"monorelay/domain/fault"
	"monorelay/domain/throttle"
	"monorelay/test/fixture"
)

func TestMySQLVerdict(t *testing.T) {
	t.Parallel()
	tests := map[verdict][]error{
		conflict: {&mysql.MySQLError{Number: 1213}, &mysql.MySQLError{Number: 1205}, fmt.Errorf("commit: %w", &mysql.MySQLError{Number: 1213})},
		outage: {
			&mysql.MySQLError{Number: 1040}, &mysql.MySQLError{Number: 1290}, &mysql.MySQLError{Number: 1053}, &mysql.MySQLError{Number: 1021},
			&mysql.MySQLError{Number: 1114}, &mysql.MySQLError{Number: 1045}, driver.ErrBadConn, mysql.ErrInvalidConn, io.EOF, io.ErrUnexpectedEOF,
			&net.OpError{Op: "dial", Err: errors.New("refused")}, &net.DNSError{Err: "no such host"},
		},
		unknown: {&mysql.MySQLError{Number: 1064}, &mysql.MySQLError{Number: 1146}, &mysql.MySQLError{Number: 1062}, errors.New("boom"), nil},
	}
	for want, errs := range tests {
		for _, err := range errs {
			assert.Equal(t, want, mysqlVerdict(err), "%v", err)
		}
	}
}

func TestMySQLViolated(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"Duplicate entry 'alice' for key 'username_key'":                              "username_key",
		"Duplicate entry 'alice' for key 'accounts.username_key'":                     "username_key",
		"Duplicate entry 'username_key' for key 'email_key'":                          "email_key",
		"Duplicate entry 'x' for key 'username_key'@example.com' for key 'email_key'": "email_key",
	} {
		assert.Equal(t, want, mysqlViolated(&mysql.MySQLError{Number: 1062, Message: message}), message)
	}
	assert.Empty(t, mysqlViolated(&mysql.MySQLError{Number: 1064, Message: "near 'username_key'"}))
	assert.Empty(t, mysqlViolated(nil))
}

func TestADeadlockIsTriedAgainAFewTimes(t *testing.T) {
	t.Parallel()
	db := openTest(t, fixture.SQLite(t))
	db.engine.verdict = mysqlVerdict
	deadlock := &mysql.MySQLError{Number: 1213, Message: "Deadlock found"}

	tries := 0
	require.NoError(t, db.do(t.Context(), "test", func(context.Context) error {
		if tries++; tries < 5 {
			return fmt.Errorf("commit: %w", deadlock)
		}
		return nil
	}))
	assert.Equal(t, 5, tries)

	tries = 0
	err := db.do(t.Context(), "test", func(context.Context) error {
		tries++
		return deadlock
	})
	assert.Equal(t, maxTries, tries)
	assert.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.ErrorIs(t, err, deadlock)
}

func TestAMistakeOfOursIsNoOutage(t *testing.T) {
	t.Parallel()
	for _, url := range []string{fixture.SQLite(t), fixture.MySQL(t)} {
		_, err := NewAccountStore(openTest(t, url)).Founded(t.Context()) // not migrated
		require.Error(t, err)
		assert.Equal(t, fault.Internal, fault.KindOf(err), "%v", err)
	}
}

// SQLite refuses to grow the file, as it does when the disk is full, or to write at all.
func TestAFullOrReadOnlyDiskIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, pragma := range map[string]struct{ set, reset string }{
		"full":      {"PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000"},
		"read-only": {"PRAGMA query_only = 1", "PRAGMA query_only = 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openTest(t, fixture.SQLite(t))
			require.NoError(t, db.Migrate(t.Context()))
			accounts, attempts := NewAccountStore(db), NewAttemptStore(db)
			_, err := db.write.ExecContext(t.Context(), pragma.set)
			require.NoError(t, err)

			var failed error
			stored := 0
			for i := 0; failed == nil && i < 1000; i++ {
				failed = attempts.Change(t.Context(), []string{strconv.Itoa(i)}, func(records []throttle.Record) error {
					records[0] = records[0].Failed(time.Now())
					return nil
				})
				if failed == nil {
					stored++
				}
			}
			require.Error(t, failed)
			assert.Equal(t, fault.Unavailable, fault.KindOf(failed), "%v", failed)
			_, err = accounts.Founded(t.Context())
			require.NoError(t, err)

			_, err = db.write.ExecContext(t.Context(), pragma.reset)
			require.NoError(t, err)
			name, err := account.ParseUsername("alice")
			require.NoError(t, err)
			_, err = accounts.Add(t.Context(), account.Open(name, account.Email{}, "hash", time.Now()), func(bool) error { return nil })
			require.NoError(t, err)
			n, err := db.read.NewSelect().Model((*attemptRow)(nil)).Count(t.Context())
			require.NoError(t, err)
			assert.EqualValues(t, stored, n)
		})
	}
}

func TestSettingsOfConnections(t *testing.T) {
	t.Parallel()
	db := openTest(t, fixture.SQLite(t))
	for query, want := range map[string]string{"PRAGMA journal_mode": "wal", "PRAGMA synchronous": "2", "PRAGMA foreign_keys": "1", "PRAGMA query_only": "0"} {
		var got string
		require.NoError(t, db.write.QueryRowContext(t.Context(), query).Scan(&got))
		assert.Equal(t, want, got, query)
	}
	var queryOnly string
	require.NoError(t, db.read.QueryRowContext(t.Context(), "PRAGMA query_only").Scan(&queryOnly))
	assert.Equal(t, "1", queryOnly)

	db = openTest(t, fixture.MySQL(t))
	for variable, want := range map[string]string{
		"time_zone": "+00:00", "collation_connection": "utf8mb4_bin", "sql_mode": "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", "innodb_lock_wait_timeout": "2",
	} {
		var got string
		require.NoError(t, db.write.QueryRowContext(t.Context(), "SELECT @@"+variable).Scan(&got))
		assert.Equal(t, want, got, variable)
	}
}

// Sign-in must not get slower with every account.
func TestByLoginReadsOneRow(t *testing.T) {
	t.Parallel()
	db := openTest(t, fixture.MySQL(t))
	require.NoError(t, db.Migrate(t.Context()))
	for i := range 50 {
		name, err := account.ParseUsername(fmt.Sprintf("alice%d", i))
		require.NoError(t, err)
		address, err := account.ParseEmail(fmt.Sprintf("alice%d@example.com", i))
		require.NoError(t, err)
		_, err = NewAccountStore(db).Add(t.Context(), account.Open(name, address, "hash", time.Now()), func(bool) error { return nil })
		require.NoError(t, err)
	}
	for column, key := range map[string]string{"username_key": "alice7", "email_key": "alice7@example.com"} {
		query := db.read.NewSelect().Model((*accountRow)(nil)).Where("? = ?", bun.Ident(column), key).String()
		plan := map[string]any{}
		require.NoError(t, db.read.NewRaw("EXPLAIN "+query).Scan(t.Context(), &plan))
		assert.Contains(t, fmt.Sprint(plan["type"]), "const", column)
		assert.Contains(t, fmt.Sprint(plan["key"]), column)
	}
}

func openTest(t *testing.T, url string) *DB {
	t.Helper()
	db, closeDB, err := Open(t.Context(), Config{URL: url, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	require.NoError(t, err)
	t.Cleanup(closeDB)
	return db
}
