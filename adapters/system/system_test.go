package system_test

import (
	"testing"

	"monorelay/adapters/system"
	"monorelay/test/contract"
)

func TestClock(t *testing.T) {
	t.Parallel()
	contract.Clock(t, system.NewClock())
}

func TestNewID(t *testing.T) {
	t.Parallel()
	contract.NewID(t, system.NewIDs())
}

func BenchmarkNewID(b *testing.B) {
	newID := system.NewIDs()
	b.ReportAllocs()
	for b.Loop() {
		newID()
	}
}
