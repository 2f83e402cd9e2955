package config

import (
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Rules returns the settings that the pure core takes.
func (c *Config) Rules() txn.Rules {
	return txn.Rules{
		BranchesMax: c.Limits.BranchesMax,
		Retry: txn.RetryPolicy{
			First:       c.Retry.First,
			Max:         c.Retry.Max,
			Unreachable: c.Retry.Unreachable,
			Attempts:    uint32(c.Retry.Attempts),
			SlowDelay:   c.Retry.SlowDelay,
			Answer:      c.Retry.Answer,
			Report:      c.Retry.Report,
			Reports:     uint32(c.Retry.Reports),
			Grace:       c.Retry.Grace,
			XANotFound:  c.Retry.XANotFound,
		},
	}
}

// Runtime returns the settings that the runtime takes; what is not a setting keeps the runtime's own default. There 0
// means the default and less than 0 means none; here 0 means none.
func (c *Config) Runtime() orchestrator.Limits {
	l := orchestrator.DefaultLimits()
	l.LiveMax = int64(c.Limits.LiveMax)
	l.CachedMax = c.Limits.CachedMax
	l.EndWait = orNone(c.Limits.EndWait)
	l.LockWait = orNone(c.Limits.LockWait)
	l.LockWaitersMax = orNone(c.Limits.LockWaitersMax)
	l.RowsMax = c.Limits.LockRowsMax
	l.LockKeyBytesMax = int(c.Limits.LockKeyBytesMax)
	l.DataBytesMax = int(c.Limits.DataBytesMax)
	l.TimeoutMax = c.Limits.TimeoutMax
	l.SweepEvery = c.Limits.Sweep
	return l
}

func orNone[T ~int | ~int64](value T) T {
	if value == 0 {
		return -1
	}
	return value
}
