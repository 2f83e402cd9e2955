package outbox

import (
	"testing"

	"go.uber.org/goleak"
)

// Packages of the coordinator, which clienttest brings along, start goroutines when they are loaded.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }
