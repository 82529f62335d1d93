package http1

import (
	"os"
	"testing"

	"monorelay/test/fixture"
)

func TestMain(m *testing.M) { os.Exit(fixture.Run(m)) }
