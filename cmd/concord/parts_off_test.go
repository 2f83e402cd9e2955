//go:build !parts

package main

import "testing"

// runTests runs the tests that need nothing but this program.
func runTests(m *testing.M) int { return m.Run() }
