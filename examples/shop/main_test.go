package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	leaks := goleak.IgnoreCurrent() // goroutines that libraries start before any test
	code := m.Run()
	_ = os.RemoveAll(scratch())
	if err := goleak.Find(leaks, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// scratch is a folder of this test process, which is removed at its end.
func scratch() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("concord-shop-test-%d", os.Getpid()))
}
