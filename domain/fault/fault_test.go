package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/fault"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	taken := fault.New(fault.Conflict, "name_taken", "The name is taken.")
	down := fault.New(fault.Unavailable, "store_unavailable", "The store does not answer.")
	tests := []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"nothing", nil, fault.Internal},
		{"an error of somebody else's", errors.New("boom"), fault.Internal},
		{"a fault", taken, fault.Conflict},
		{"a fault that is wrapped", fmt.Errorf("add account: %w", taken), fault.Conflict},
		{"a fault that is joined to an error", errors.Join(errors.New("boom"), taken), fault.Conflict},
		{"a fault because of an error", taken.Because(errors.New("boom")), fault.Conflict},
		{"a fault because of another one: the outer one counts", down.Because(taken), fault.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, fault.KindOf(tt.err))
		})
	}
}

func TestOfFindsNothingInOtherErrors(t *testing.T) {
	t.Parallel()
	assert.Nil(t, fault.Of(nil))
	assert.Nil(t, fault.Of(errors.New("boom")))
}

func TestIsMatchesCopiesByTheirCode(t *testing.T) {
	t.Parallel()
	taken := fault.New(fault.Conflict, "name_taken", "The name is taken.")
	other := fault.New(fault.Conflict, "email_taken", "The name is taken.")
	boom := errors.New("boom")
	tests := []struct {
		name string
		err  error
	}{
		{"itself", taken},
		{"a copy with a cause", taken.Because(boom)},
		{"a copy with a field", taken.At("username")},
		{"a copy with a time", taken.After(time.Second)},
		{"a copy with another sentence", taken.Saying("Choose another name.")},
		{"a copy of a copy, wrapped", fmt.Errorf("register: %w", taken.At("username").Because(boom))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, tt.err, taken)
			require.NotErrorIs(t, tt.err, other)
			require.NotErrorIs(t, tt.err, errors.New("name_taken"))
		})
	}
}

func TestCopiesLeaveTheOriginalAlone(t *testing.T) {
	t.Parallel()
	original := fault.New(fault.Limited, "slow_down", "Wait.")
	boom := errors.New("boom")

	for _, change := range []func(*fault.Error) *fault.Error{
		func(e *fault.Error) *fault.Error { return e.Because(boom) },
		func(e *fault.Error) *fault.Error { return e.At("model") },
		func(e *fault.Error) *fault.Error { return e.After(time.Minute) },
		func(e *fault.Error) *fault.Error { return e.Saying("Wait a minute.") },
	} {
		assert.NotEqual(t, original, change(original))
		assert.Equal(t, fault.New(fault.Limited, "slow_down", "Wait."), original)
	}

	copied := original.Because(boom).At("model").After(time.Minute).Saying("Wait a minute.")
	assert.Equal(t, fault.Limited, copied.Kind)
	assert.Equal(t, "slow_down", copied.Code)
	assert.Equal(t, "model", copied.Param)
	assert.Equal(t, time.Minute, copied.RetryAfter)
	assert.Equal(t, "Wait a minute.", copied.Detail)
	require.ErrorIs(t, copied, boom)
}

func TestErrorNamesTheCodeAndTheCause(t *testing.T) {
	t.Parallel()
	taken := fault.New(fault.Conflict, "name_taken", "The name is taken.")
	require.EqualError(t, taken, "name_taken")
	require.EqualError(t, taken.Because(errors.New("boom")), "name_taken: boom")
	assert.NotContains(t, taken.Because(errors.New("boom")).Detail, "boom", "the cause is for the log only")
}
