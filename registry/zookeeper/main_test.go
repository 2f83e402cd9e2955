package zookeeper

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(childAddress); address != "" {
		child(address)
		return
	}
	stop := startParts()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		stop()
		os.Exit(code)
	}))
}

// childAddress is the environment variable that makes this binary a node, for tests that kill one.
const childAddress = "TEST_REGISTRY_ADDRESS"
