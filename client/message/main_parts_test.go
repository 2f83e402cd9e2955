//go:build parts

package message_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also that of the process that dies: see TestASenderIsKilledAtEachStep.
func TestMain(m *testing.M) {
	if steps := os.Getenv(diesAt); steps != "" {
		dieAt(steps)
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
