package sqlstore_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"monorelay/adapters/sqlstore"
	"monorelay/ports"
	"monorelay/test/contract"
	"monorelay/test/fixture"
)

// engines are the databases that every test here runs on.
var engines = map[string]func(*testing.T) string{"SQLite": fixture.SQLite, "MySQL": fixture.MySQL}

func TestAccountStoreOnSQLite(t *testing.T) {
	t.Parallel()
	contract.AccountStore(t, accountStore(fixture.SQLite))
}

func TestAccountStoreOnMySQL(t *testing.T) {
	t.Parallel()
	contract.AccountStore(t, accountStore(fixture.MySQL))
}

func TestAttemptStoreOnSQLite(t *testing.T) {
	t.Parallel()
	contract.AttemptStore(t, attemptStore(fixture.SQLite))
}

func TestAttemptStoreOnMySQL(t *testing.T) {
	t.Parallel()
	contract.AttemptStore(t, attemptStore(fixture.MySQL))
}

func TestOneFounderAmongReplicas(t *testing.T) {
	t.Parallel()
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 3 {
				url := database(t)
				migrated(t, url)
				contract.OneFounder(t, sqlstore.NewAccountStore(open(t, url)), sqlstore.NewAccountStore(open(t, url)))
			}
		})
	}
}

func accountStore(database func(*testing.T) string) func(*testing.T) ports.AccountStore {
	return func(t *testing.T) ports.AccountStore {
		t.Helper()
		return sqlstore.NewAccountStore(migrated(t, database(t)))
	}
}

func attemptStore(database func(*testing.T) string) func(*testing.T) ports.AttemptStore {
	return func(t *testing.T) ports.AttemptStore {
		t.Helper()
		return sqlstore.NewAttemptStore(migrated(t, database(t)))
	}
}

func migrated(t *testing.T, url string) *sqlstore.DB {
	t.Helper()
	db := open(t, url)
	require.NoError(t, db.Migrate(t.Context()))
	return db
}

// open opens a database as another process would.
func open(t *testing.T, url string) *sqlstore.DB {
	t.Helper()
	db, closeDB, err := sqlstore.Open(t.Context(), config(t, url))
	require.NoError(t, err)
	t.Cleanup(closeDB)
	return db
}

func config(t *testing.T, url string) sqlstore.Config {
	t.Helper()
	return sqlstore.Config{URL: url, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}
