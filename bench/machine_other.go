//go:build !linux

package main

import (
	"errors"
	"time"
)

func fileSystem(string) string { return "unknown file system" }

func ownCPU() time.Duration { return 0 }

func pin(int, int) error { return errors.New("pinning needs Linux") }
