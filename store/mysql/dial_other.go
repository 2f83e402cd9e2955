//go:build !linux

package mysql

import "syscall"

// boundArrival does nothing where the system has no such bound.
func boundArrival(string, string, syscall.RawConn) error { return nil }
