package explore_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets the heap, which is small, grow to five times what is in use instead of twice, before it is collected:
// the mutants and what is explored are garbage at once, and collecting it was a third of the tests' processor time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
