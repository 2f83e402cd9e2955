//go:build !parts

package rocketmq

import (
	"testing"

	"go.uber.org/goleak"
)

// A cache that the library makes when the program starts has a goroutine.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"))
}
