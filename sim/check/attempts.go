package check

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// attemptCheckers are about how often participants are asked.
func attemptCheckers() []Checker {
	return []Checker{
		{"I24", "Retry discipline: an action is not attempted again before the documented schedule allows it.",
			each(disciplined)},
		{"I24/order", "Attempts at an action are numbered one after the other; only who cannot know of one makes it again.",
			each(numbered)},
	}
}

// course is all attempts at one action, in order, and what was told of their ends.
type course struct {
	x        *Index
	s        *Story
	branch   int64
	op       txn.Outcome
	attempts []*Attempt
	ends     map[uint32][]*Reply // by the attempt that they name, 0 if they name none
	retries  []window
}

// window is when a request of a person to try it again may have been carried out: asked from a node, and never if it
// is not over.
type window struct {
	epoch       int
	asked, over Seq
}

// OpOfAttempt is the operation by which attempts are numbered: that of the command, or 0 where a client's saga engine
// is asked to go on, one thing after the other, or the sender of a message what has become of it.
func OpOfAttempt(cmd *txn.Command) txn.Outcome {
	if cmd.BranchID == txn.SagaBranchID && cmd.Data != "" {
		return 0
	}
	return cmd.Op
}

// courses returns the actions of a transaction.
func (s *Story) courses(x *Index) []*course {
	type action struct {
		branch int64
		op     txn.Outcome
	}
	found := map[action]*course{}
	var out []*course
	for _, a := range s.Attempts {
		k := action{a.Command.BranchID, OpOfAttempt(&a.Command)}
		c := found[k]
		if c == nil {
			c = &course{x: x, s: s, branch: k.branch, op: k.op, ends: map[uint32][]*Reply{}, retries: s.retries(k.branch)}
			found[k] = c
			out = append(out, c)
		}
		c.attempts = append(c.attempts, a)
	}
	for _, r := range s.Replies {
		if c := found[action{r.Branch, r.Op}]; c != nil {
			c.ends[r.Attempt] = append(c.ends[r.Attempt], r)
		}
	}
	return out
}

func disciplined(x *Index, s *Story, fail func(string, ...any)) {
	for _, c := range s.courses(x) {
		for i, a := range c.attempts {
			before := c.before(i)
			if len(before) == 0 || c.excused(before[0], a) {
				continue
			}
			from := c.allowed(before[0], a)
			for _, other := range before[1:] {
				from = min(from, c.allowed(other, a))
			}
			if at := min(a.Now, a.Command.Until.Add(-x.End.Pace.awaits(&a.Command))); at < from {
				fail("branch %d was asked to %s for the %d. time at %d, %d ms too soon after %d", c.branch, a.Command.Op,
					a.Command.Attempt, a.Seq, from-at, before[0].Seq)
			}
		}
	}
}

// before returns the attempts that the one at i may follow, the newest first: the last one with a smaller number, and
// those of the same number by the same coordinator, which may take the end of one for that of another. Of several
// coordinators each may have made one, and not know yet that the numbers have begun anew; if a person had it tried
// again since then, that counts only as long as its answer is awaited.
func (c *course) before(i int) (out []*Attempt) {
	several, number := c.x.several(), c.attempts[i].Command.Attempt
	for _, a := range slices.Backward(c.attempts[:i]) {
		n := a.Command.Attempt
		switch {
		case n >= number:
			continue
		case len(out) == 0, several && n > out[0].Command.Attempt:
			out = append(out, a)
			continue
		}
		again, same := c.retried(a, out[0]), n == out[0].Command.Attempt
		switch {
		case several:
			if same && (!again || a.Command.Until >= out[0].Now) {
				out = append(out, a)
			}
		case again || n < out[0].Command.Attempt:
			return out
		case same && a.By == out[0].By:
			out = append(out, a)
		}
	}
	return out
}

// several reports whether more than one coordinator was at work at once.
func (x *Index) several() bool { return x.End.Cluster || x.End.SecondNode }

// excused reports whether the second of two attempts need not keep its distance: a person has asked for it, it asks for
// something else, or the clock was set in between.
func (c *course) excused(a, b *Attempt) bool {
	for _, at := range c.x.Jumps {
		if at > a.Seq && at < b.Seq {
			return true
		}
	}
	return c.branch == txn.SagaBranchID && a.Command.Data != b.Command.Data || c.retried(a, b)
}

// retried reports whether a person may have had it tried again between two attempts.
func (c *course) retried(a, b *Attempt) bool {
	return slices.ContainsFunc(c.retries, func(w window) bool {
		if w.over != 0 {
			return w.asked < b.Seq && w.over > a.Seq
		}
		// Nobody has said how it ended. Who was asked may do it as long as it lives.
		return w.asked < b.Seq && (w.asked > a.Seq || w.epoch == a.By || c.x.several())
	})
}

// retries returns the requests to try a branch again that were not refused.
func (s *Story) retries(branch int64) (out []window) {
	for _, o := range s.Operations {
		if o.Action != txn.ActionRetry || o.Branch != 0 && o.Branch != branch {
			continue
		}
		w := window{epoch: o.Epoch, asked: o.Seq}
		a := s.answer(o)
		if a != nil {
			w.over = a.Seq
		}
		if a == nil || a.Class == OK || a.Class == Unknown {
			out = append(out, w)
		}
	}
	return out
}

// answer returns how an operation has ended, nil if nobody has said.
func (s *Story) answer(o *Operation) *Answer {
	for _, a := range s.Answers {
		same := a.Op == OpOf(o.Action) && a.Branch == o.Branch && a.Epoch == o.Epoch && a.Notice == o.Notice
		if same && a.Asked < o.Seq && a.Seq > o.Seq {
			return a
		}
	}
	return nil
}

// allowed returns when attempt b may follow attempt a: when the answer to a was awaited for long enough, or when enough
// time has passed since its end was told. What was told to who makes b, and is stored, it has to know.
func (c *course) allowed(a, b *Attempt) txn.Millis {
	p, cmd := &c.x.End.Pace, &a.Command
	awaited := min(cmd.Until, a.Now.Add(p.awaits(cmd)))
	if cmd.Step != "" {
		awaited = awaited.Add(p.unanswered(c, a))
	}
	awaited = awaited.Add(-c.clocks(a.By, b))
	told, known := txn.Millis(math.MaxInt64), false
	if a.Err {
		told = a.Now.Add(p.delay(c, a, txn.ResultUnreachable) - c.clocks(a.By, b))
	}
	for _, r := range c.told(a, b) {
		told = min(told, r.Now.Add(p.after(c, a, r)-c.clocks(r.Epoch, b)))
		// Of a step who waits for the answer may have given it up first.
		first := cmd.Step == "" || r.Now.Add(clockError) < cmd.Until
		known = known || first && r.Epoch == b.By && r.Second == b.Second && c.stored(r, cmd.Attempt, b)
	}
	if known {
		return told
	}
	return min(told, awaited)
}

// clocks is by how much the clock of another node may differ from that of who makes attempt b.
func (c *course) clocks(by int, b *Attempt) time.Duration {
	if by == b.By {
		return 0
	}
	return c.x.clocks()
}

// told returns what was told of the end of attempt a before attempt b. What names no attempt may have waited for its
// turn when a was made, and is taken for the end of a then.
func (c *course) told(a, b *Attempt) (out []*Reply) {
	before := Seq(0)
	if i := c.index(a); i > 0 {
		before = c.attempts[i-1].Seq
	}
	for _, r := range c.ends[0] {
		if r.Seq > before && r.Seq < b.Seq {
			out = append(out, r)
		}
	}
	for _, r := range c.ends[a.Command.Attempt] {
		if r.Seq > a.Seq && r.Seq < b.Seq {
			out = append(out, r)
		}
	}
	return out
}

func (c *course) index(a *Attempt) int {
	i, _ := slices.BinarySearchFunc(c.attempts, a.Seq, func(b *Attempt, seq Seq) int { return cmp.Compare(b.Seq, seq) })
	return i
}

// stored reports whether what follows from a reply was stored by who got it, before attempt b.
func (c *course) stored(r *Reply, attempt uint32, b *Attempt) bool {
	if c.x.End.SecondNode {
		return false
	}
	at, _ := slices.BinarySearchFunc(c.s.Writes, r.Seq, func(w *Write, seq Seq) int { return cmp.Compare(w.Seq, seq) })
	over := func(w *Write) bool {
		s, _ := w.Global.Branch(c.branch)
		switch {
		case s == nil || s.Attempts != attempt:
			return false
		case r.waits():
			return s.State == txn.Published
		}
		return s.InFlightUntil == 0 && s.NextAt != 0
	}
	if at > 0 && over(c.s.Writes[at-1]) {
		return false // by something else
	}
	for _, w := range c.s.Writes[at:] {
		if w.Seq > b.Seq {
			return false
		}
		if over(w) && w.Epoch == r.Epoch && w.DurableAt <= r.At+storedWithin {
			return !c.refused(r.Epoch, r.Seq, w.Seq)
		}
	}
	return false
}

func numbered(x *Index, s *Story, fail func(string, ...any)) {
	if x.several() {
		return // each goes by what it has read
	}
	for _, c := range s.courses(x) {
		for i, a := range c.attempts {
			c.number(i, a, fail)
		}
	}
}

// number looks whether an attempt has the right number.
func (c *course) number(i int, a *Attempt, fail func(string, ...any)) {
	n, most := a.Command.Attempt, uint32(0)
	var again *Attempt
	for _, b := range c.attempts[:i] {
		if most = max(most, b.Command.Attempt); b.Command.Attempt >= n && !c.retried(b, a) {
			again = b
		}
	}
	if n > most+1 && n > c.storedNumber(a, a.Seq)+1 {
		fail("branch %d was asked to %s for the %d. time at %d, but %d times before", c.branch, a.Command.Op, n, a.Seq, most)
	}
	switch {
	case again == nil:
	case c.storedNumber(a, again.Seq) >= n && !c.anyRetry(a):
		fail("branch %d was asked to %s for the %d. time at %d and at %d, though the first is stored", c.branch,
			a.Command.Op, n, again.Seq, a.Seq)
	case again.By == a.By && !c.forgot(again, a):
		fail("branch %d was asked to %s for the %d. time at %d and at %d, by the same node", c.branch, a.Command.Op, n,
			again.Seq, a.Seq)
	}
}

// storedNumber is the greatest number of an attempt that who makes attempt a can read, of its own changes those before
// a time.
func (c *course) storedNumber(a *Attempt, before Seq) (n uint32) {
	for _, list := range [][]*Write{c.s.Writes, c.s.Lost} {
		for _, w := range list {
			if w.Epoch == a.By && w.Seq > before || w.Epoch != a.By && (w.Seq > a.Seq || w.Durable == 0) {
				continue
			}
			op := w.Global.Status.Outcome()
			if op == 0 && a.Command.Op == txn.Forward {
				op = txn.Forward
			}
			b, _ := w.Global.Branch(c.branch)
			if b != nil && op == c.op {
				n = max(n, b.Attempts)
			}
		}
	}
	return n
}

// anyRetry reports whether a person has had it tried again before: then the numbers may have begun anew.
func (c *course) anyRetry(a *Attempt) bool {
	return c.s.askedFor(txn.ActionRetry, c.branch, a.Seq) || c.s.askedFor(txn.ActionRetry, 0, a.Seq)
}

// refused reports whether a coordinator was told between two times that a change is not stored: then it reads again
// what is.
func (c *course) refused(by int, from, to Seq) bool {
	return c.seen(c.x.Refusals, by, from, to)
}

func (c *course) seen(sights []Sight, by int, from, to Seq) bool {
	return slices.ContainsFunc(sights, func(r Sight) bool {
		return r.ID == c.s.ID && r.Epoch == by && r.Seq > from && r.Seq < to
	})
}

// forgot reports whether who made attempt a need not remember it at b: what it has stored of it came to nothing, or it
// has read again what is stored when no answer was awaited any more. That a participant is done is not worth a write.
func (c *course) forgot(a, b *Attempt) bool {
	if c.refused(a.By, a.Seq, b.Seq) {
		return true
	}
	over := b.Now >= a.Command.Until
	for _, r := range c.ends[a.Command.Attempt] {
		done := r.Result == txn.ResultDone || r.Result == txn.ResultPublished && a.Command.Ack == txn.AckBroker ||
			r.Result == txn.ResultXANotFound && c.x.End.Pace.gone(c.s.Final, r.Now)
		over = over || done && r.Seq > a.Seq && r.Seq < b.Seq
	}
	return over && c.seen(c.x.Reads, a.By, a.Seq, b.Seq)
}
