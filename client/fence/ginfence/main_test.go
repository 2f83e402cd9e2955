package ginfence_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// getty and gost keep a timer wheel for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
