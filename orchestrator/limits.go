package orchestrator

import (
	"cmp"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Limits are the bounds of the runtime. The zero value of a field means its default.
type Limits struct {
	// LiveMax is the greatest number of transactions that have not ended. Beyond it begins are refused.
	LiveMax int64
	// CachedMax is the number of live transactions kept in memory; others are read from the store when needed.
	// A transaction with two branches takes about 1.5 KB here, and the garbage collector looks at each: more than are
	// busy within a second or two only cost. Those that are not stored yet stay in any case, and so do, as long as an
	// answer is awaited, those of which the store does not know that somebody was asked.
	CachedMax int
	// QueuedMax is the greatest number of events that wait for one transaction.
	QueuedMax int
	// EndWait is how long the answer to a commit or rollback waits for phase two. Seata clients wait 15 to 30 s.
	EndWait time.Duration
	// LockWait is how long a registration waits for a row. It must stay below the clients' RPC limit (15 s). 0 is the
	// default; negative never waits.
	LockWait time.Duration
	// LockWaitersMax is the greatest number of registrations that wait for rows.
	LockWaitersMax int
	// RowsMax is the greatest number of rows in one branch's lock key.
	RowsMax int
	// LockKeyBytesMax, DataBytesMax, ResourceBytesMax and NameBytesMax bound texts that clients send; NameBytesMax is
	// for application, group, client and transaction name.
	LockKeyBytesMax, DataBytesMax, ResourceBytesMax, NameBytesMax int
	// CallBytesMax bounds the URLs and headers of a branch that is called by HTTP, together.
	CallBytesMax int
	// TimeoutMax is the longest timeout that is accepted; longer ones are cut to it, but not the deadlines of sagas.
	TimeoutMax time.Duration
	// SweepEvery is how often due transactions are looked for, SweepClaim for how long one is not looked at again.
	SweepEvery, SweepClaim time.Duration
	// SweepSlice is how many due transactions are taken at once.
	SweepSlice int
	// IDRange is how many ids are reserved at once.
	IDRange int64
}

// tuning is what may change while the coordinator runs.
type tuning struct {
	rules  txn.Rules
	limits Limits
}

// Tune replaces rules and limits; what is under way keeps those that it began with. Zero values are the defaults.
// SweepEvery is read once, by Run.
func (c *Coordinator) Tune(rules txn.Rules, limits Limits) {
	if rules == (txn.Rules{}) {
		rules = txn.DefaultRules()
	}
	rules.Planners = c.sagas
	c.tuned.Store(&tuning{rules, limits.withDefaults()})
}

func (c *Coordinator) limits() *Limits  { return &c.tuned.Load().limits }
func (c *Coordinator) rules() txn.Rules { return c.tuned.Load().rules }

// DefaultLimits is what the documentation promises.
func DefaultLimits() Limits {
	return Limits{
		LiveMax:          2_000_000,
		CachedMax:        50_000,
		QueuedMax:        4096,
		EndWait:          10 * time.Second,
		LockWait:         3 * time.Second,
		LockWaitersMax:   100_000,
		RowsMax:          1_000_000,
		LockKeyBytesMax:  8 << 20,
		DataBytesMax:     4 << 20,
		ResourceBytesMax: 4096,
		NameBytesMax:     1024,
		CallBytesMax:     16 << 10,
		TimeoutMax:       7 * 24 * time.Hour,
		SweepEvery:       100 * time.Millisecond,
		SweepClaim:       5 * time.Second,
		SweepSlice:       1000,
		IDRange:          1 << 22,
	}
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.LiveMax = cmp.Or(l.LiveMax, d.LiveMax)
	l.CachedMax = cmp.Or(l.CachedMax, d.CachedMax)
	l.QueuedMax = cmp.Or(l.QueuedMax, d.QueuedMax)
	l.EndWait = cmp.Or(l.EndWait, d.EndWait)
	l.LockWait = cmp.Or(l.LockWait, d.LockWait)
	l.LockWaitersMax = cmp.Or(l.LockWaitersMax, d.LockWaitersMax)
	l.RowsMax = cmp.Or(l.RowsMax, d.RowsMax)
	l.LockKeyBytesMax = cmp.Or(l.LockKeyBytesMax, d.LockKeyBytesMax)
	l.DataBytesMax = cmp.Or(l.DataBytesMax, d.DataBytesMax)
	l.ResourceBytesMax = cmp.Or(l.ResourceBytesMax, d.ResourceBytesMax)
	l.NameBytesMax = cmp.Or(l.NameBytesMax, d.NameBytesMax)
	l.CallBytesMax = cmp.Or(l.CallBytesMax, d.CallBytesMax)
	l.TimeoutMax = cmp.Or(l.TimeoutMax, d.TimeoutMax)
	l.SweepEvery = cmp.Or(l.SweepEvery, d.SweepEvery)
	l.SweepClaim = cmp.Or(l.SweepClaim, d.SweepClaim)
	l.SweepSlice = cmp.Or(l.SweepSlice, d.SweepSlice)
	l.IDRange = cmp.Or(l.IDRange, d.IDRange)
	return l
}
