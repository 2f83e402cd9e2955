package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// machineLine says on what was measured: without it no absolute number means anything.
func machineLine(dir string) string {
	model, kernel := "unknown CPU", runtime.GOOS
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.SplitSeq(string(text), "\n") {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel += " " + strings.TrimSpace(string(text))
	}
	memory := ""
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		memory = fmt.Sprintf(", %.0f GiB", float64(parseField(text, "MemTotal:"))/(1<<20))
	}
	line := fmt.Sprintf("%d cores %s%s, %s, %s, data on %s", runtime.NumCPU(), model, memory, kernel,
		runtime.Version(), fileSystem(dir))
	if p50, p99, err := syncTimes(dir); err == nil {
		line += fmt.Sprintf(", fsync of 4 KiB p50 %s p99 %s", p50.Round(time.Microsecond), p99.Round(time.Microsecond))
	}
	return line
}

const (
	quietTime  = 2 * time.Second
	quietCores = 0.2
)

// awaitQuiet waits until the machine was all but idle for a moment, or until limit.
func awaitQuiet(ctx context.Context, limit time.Duration) error {
	for until := time.Now().Add(limit); time.Now().Before(until); {
		before := readMachineCPU()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(quietTime):
		}
		if busy := readMachineCPU().busy - before.busy; busy.Seconds() < quietCores*quietTime.Seconds() {
			return nil
		}
	}
	return nil
}

// syncTimes measures what the disk takes to make 4 KiB durable.
func syncTimes(dir string) (p50, p99 time.Duration, err error) {
	file, err := os.Create(filepath.Join(dir, "sync-probe"))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _, _ = file.Close(), os.Remove(file.Name()) }() // a probe leaves nothing that matters
	block := make([]byte, 4096)
	times := make([]time.Duration, 0, 300)
	for range cap(times) {
		began := time.Now()
		if _, err := file.Write(block); err != nil {
			return 0, 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)*99/100], nil
}
