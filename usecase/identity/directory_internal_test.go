package identity

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/adapters/memory"
	"monorelay/domain/account"
	"monorelay/ports"
)

// everybody is a store in which every ID is somebody's.
type everybody struct{ ports.AccountStore }

func (everybody) ByID(_ context.Context, id account.ID) (*account.Account, error) {
	return account.Restore(account.Snapshot{ID: id, Active: true}), nil
}

// unwell is a store that does not answer.
type unwell struct{ ports.AccountStore }

func (unwell) ByID(context.Context, account.ID) (*account.Account, error) {
	return nil, errors.New("no answer")
}

func TestDirectoryIsBounded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		store ports.AccountStore
		ask   func(*testing.T, *Directory, account.ID)
	}{
		{"of people who make requests", everybody{}, func(t *testing.T, d *Directory, id account.ID) {
			t.Helper()
			a, err := d.ByID(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, id, a.ID())
		}},
		{"of people who are not there", memory.NewAccountStore(), func(t *testing.T, d *Directory, id account.ID) {
			t.Helper()
			_, err := d.ByID(t.Context(), id)
			require.ErrorIs(t, err, account.ErrNotFound)
		}},
		{"of people of whom the store says nothing", unwell{}, func(t *testing.T, d *Directory, id account.ID) {
			t.Helper()
			_, err := d.ByID(t.Context(), id)
			require.Error(t, err)
		}},
		{"of people who are forgotten", everybody{}, func(t *testing.T, d *Directory, id account.ID) {
			t.Helper()
			d.Forget(id)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := NewDirectory(tt.store, func() time.Time { return time.Unix(1<<30, 0) })
			for id := range account.ID(2*crowd + 100) {
				tt.ask(t, d, id+1)
				require.LessOrEqual(t, len(d.entries), crowd)
			}
		})
	}
}

func TestSweepKeepsWhatIsOfUse(t *testing.T) {
	t.Parallel()
	now := time.Unix(1<<30, 0)
	d := NewDirectory(everybody{}, func() time.Time { return now })
	for id := range account.ID(crowd - 1) {
		_, err := d.ByID(t.Context(), id+1)
		require.NoError(t, err)
	}
	now = now.Add(stale)
	_, err := d.ByID(t.Context(), crowd)
	require.NoError(t, err)
	_, err = d.ByID(t.Context(), crowd+1)
	require.NoError(t, err)
	assert.Len(t, d.entries, 2, "the last two; what was too old went")
}
