//go:build !parts

package rockettx_test

import (
	"testing"

	"go.uber.org/goleak"
)

// With a broker the library's consumers leave goroutines behind when they are shut down.
func TestMain(m *testing.M) {
	// getty and gost keep a timer wheel for the life of the process, and a cache of the library a goroutine.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
