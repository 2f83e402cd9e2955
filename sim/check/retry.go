package check

import (
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// retryCheckers are about when participants are asked again.
func retryCheckers() []Checker {
	return []Checker{
		{"RetryAfter", "A participant that says when it wants to be asked again is not asked sooner, up to the slow pace, " +
			"and not much later than that pace.", each(retryAfter)},
	}
}

const (
	// slowSpread is by how much the slow pace is spread.
	slowSpread = 1.2
	// askedWithin is how long after it is due somebody is asked where there is no trouble.
	askedWithin = 30 * time.Second
	// storedWithin is how long a write is certainly waited for.
	storedWithin = time.Second
)

func retryAfter(x *Index, s *Story, fail func(string, ...any)) {
	if x.End.ClockJumped || x.End.SecondNode {
		return
	}
	type attempt struct {
		branch int64
		number uint32
	}
	seen := map[attempt]bool{}
	for _, r := range s.Replies {
		a := attempt{r.Branch, r.Attempt}
		if seen[a] {
			continue // the first one counts, also where two nodes have made the same attempt
		}
		seen[a] = true
		if r.After == 0 || !s.heeded(r) {
			continue
		}
		next := s.sentAfter(r, r.Attempt+1)
		if next == nil || s.askedFor(txn.ActionRetry, r.Branch, next.Seq) {
			continue
		}
		wanted := r.Now.Add(min(r.After, x.End.Pace.Slow) - x.clocks())
		// Another node may have what it knew before the reply, and ask once more by that.
		if next.By == r.Epoch && next.Command.Attempt == r.Attempt+1 && next.Now < wanted {
			fail("branch %d said at %d that it wants to be asked after %v, and was asked at %d, %d ms too soon", r.Branch,
				r.Seq, r.After, next.Seq, wanted-next.Now)
		}
		latest := max(r.At+time.Duration(slowSpread*float64(x.End.Pace.Slow)), x.End.HealedAt) + askedWithin
		if !x.End.TopicOnly && next.At > latest {
			fail("branch %d said at %d that it wants to be asked after %v, and was asked at %d, %v too late", r.Branch, r.Seq,
				r.After, next.Seq, next.At-latest)
		}
	}
}

// clocks is by how much the clocks of two nodes may differ.
func (x *Index) clocks() time.Duration {
	if x.End.Cluster {
		return clockError
	}
	return 0
}

// heeded reports whether what follows from a reply was stored by who got it: the attempt is over, and the next one is
// planned. What was lost before that, nobody remembers, and the same attempt is made again. What was stored late may
// have been given up before, and then it is not known either.
func (s *Story) heeded(r *Reply) bool {
	again := s.sentAfter(r, 0)
	for _, w := range s.Writes {
		if again != nil && again.Given < w.Seq {
			return false
		}
		if w.Seq < r.Seq || w.Epoch != r.Epoch || w.DurableAt > r.At+storedWithin {
			continue
		}
		if b, _ := w.Global.Branch(r.Branch); b != nil && b.Attempts == r.Attempt && b.InFlightUntil == 0 && b.NextAt != 0 {
			return true
		}
	}
	return false
}

// sentAfter returns the first command for a branch that was given after a reply, with a number from one on, or nil.
func (s *Story) sentAfter(r *Reply, from uint32) *Sent {
	for _, sent := range [][]*Sent{s.Sent, s.Asked} {
		for _, c := range sent {
			if c.Command.BranchID == r.Branch && c.Given > r.Seq && c.Command.Attempt >= from {
				return c
			}
		}
	}
	return nil
}
