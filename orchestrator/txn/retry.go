package txn

import "time"

// RetryPolicy spaces the attempts at a branch.
type RetryPolicy struct {
	// First is the delay after the first failure; each further one doubles it, up to Max.
	First, Max time.Duration
	// Unreachable is the delay after an attempt for which nobody could be asked. It costs nothing to ask again, and
	// clients come back within seconds, so it does not grow, except fivefold after 60 attempts.
	Unreachable time.Duration
	// Attempts is the budget; when it is spent the transaction is stuck and goes on at SlowDelay. 0 is no budget.
	Attempts uint32
	// SlowDelay is the pace after the budget.
	SlowDelay time.Duration
	// Answer is how long an answer to a command is waited for.
	Answer time.Duration
	// Report is how long a participant that was reached by a message has to report back, where the branch asks for that
	// ([AckReport]), before the message is published again; Reports is after how many messages without a report the
	// transaction is stuck. It goes on at the same pace. 0 is never stuck.
	Report  time.Duration
	Reports uint32
	// Grace is the due time that a decision stores for itself: how long the decision log has to deliver it before the
	// sweeper does.
	Grace time.Duration
	// XANotFound is the least time after the deadline from which an XA branch that its database does not know counts
	// as done. Seata server.xaerNotaRetryTimeout.
	XANotFound time.Duration
}

// DefaultRetryPolicy is what the documentation promises.
func DefaultRetryPolicy() RetryPolicy {
	return RetryPolicy{
		First:       500 * time.Millisecond,
		Max:         30 * time.Second,
		Unreachable: time.Second,
		Attempts:    500,
		SlowDelay:   5 * time.Minute,
		Answer:      15 * time.Second,
		Report:      10 * time.Minute,
		Reports:     6,
		Grace:       10 * time.Second,
		XANotFound:  60 * time.Second,
	}
}

// jitterDefault is by how many percent of it a delay may differ: 20 more or 20 less.
const jitterDefault = 40

// delay returns the time to wait after the last attempt at b ended with result: the nominal one and its jitter, chosen
// by the branch and the attempt, so that branches that failed together do not come back together.
func (p RetryPolicy) delay(b *Branch, result Result) time.Duration {
	d, attempt := p.of(b).First, b.Attempts
	switch {
	case result == ResultUnreachable:
		d = p.Unreachable
		if attempt > 60 {
			d *= 5
		}
	case result != ResultOngoing && p.usedUp(b):
		d = p.SlowDelay
	default:
		most := p.of(b).Max
		for i := uint32(1); i < attempt && d < most; i++ {
			d *= 2
		}
		d = min(d, most)
	}
	spread := jitterDefault / 100.0
	if b.Call != nil && b.Call.Jitter != 0 {
		spread = float64(b.Call.Jitter) / 100
	}
	return d + time.Duration((jitter(b.ID, attempt)-0.5)*spread*float64(d))
}

// jitter maps its arguments to [0,1). SplitMix64 finaliser: each input bit changes each output bit with probability ½.
func jitter(branch int64, attempt uint32) float64 {
	z := uint64(branch) + uint64(attempt)*0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}
