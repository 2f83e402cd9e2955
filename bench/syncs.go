package main

import (
	"bufio"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// syncCount is how often the server asked the disk to be durable, for how many transactions.
type syncCount struct {
	Seconds      float64 `json:"seconds,omitempty"`
	Syncs        int64   `json:"syncs,omitempty"`
	Transactions int64   `json:"transactions,omitempty"`
	PerTx        float64 `json:"perTransaction,omitempty"`
}

// syncTime is short: the counters of perf make each switch of threads dearer, so they run after the measured window.
const syncTime = time.Second

// countSyncs counts the server's fsync and fdatasync calls with perf, while the load goes on. It returns zeros where
// perf is missing or not allowed.
func (b *bench) countSyncs(ctx context.Context) syncCount {
	path, err := exec.LookPath("perf")
	if err != nil || b.server == nil {
		return syncCount{}
	}
	before, began := b.fleet.total().Answered, b.fleet.clock.now()
	const events = "syscalls:sys_enter_fdatasync,syscalls:sys_enter_fsync"
	out, err := exec.CommandContext(ctx, path, "stat", "-x,", "-e", events,
		"-p", strconv.Itoa(b.server.pid()), "--timeout", strconv.FormatInt(syncTime.Milliseconds(), 10)).CombinedOutput()
	if err != nil {
		return syncCount{}
	}
	c := syncCount{
		Seconds:      time.Duration(b.fleet.clock.now() - began).Seconds(),
		Syncs:        parsePerf(string(out)),
		Transactions: b.fleet.total().Answered - before,
	}
	if c.Transactions > 0 {
		c.PerTx = float64(c.Syncs) / float64(c.Transactions)
	}
	return c
}

// parsePerf adds up the counts in the output of perf stat -x, ("12345,,syscalls:sys_enter_fdatasync,...").
func parsePerf(text string) int64 {
	var total int64
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		count, rest, ok := strings.Cut(lines.Text(), ",")
		if !ok || !strings.Contains(rest, "sync") {
			continue
		}
		if n, err := strconv.ParseInt(count, 10, 64); err == nil {
			total += n
		}
	}
	return total
}
