package memory_test

import (
	"testing"

	"monorelay/adapters/memory"
	"monorelay/ports"
	"monorelay/test/contract"
)

func TestAccountStore(t *testing.T) {
	t.Parallel()
	contract.AccountStore(t, func(*testing.T) ports.AccountStore { return memory.NewAccountStore() })
}

func TestAttemptStore(t *testing.T) {
	t.Parallel()
	contract.AttemptStore(t, func(*testing.T) ports.AttemptStore { return memory.NewAttemptStore() })
}
