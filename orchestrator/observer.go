package orchestrator

import (
	"errors"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Observer is told what is done for transactions, for traces and numbers; nothing follows from it. Its methods are
// called on the path of every transaction, by any goroutine: they may be called concurrently, return at once, and call
// nothing of the coordinator.
type Observer interface {
	// Tracing reports whether Trace, HandOn and the steps of single transactions are wanted; if not, only the steps that
	// [Step] calls numbers are observed. It is asked once.
	Tracing() bool

	// Trace returns the traceparent that a transaction keeps from its begin on, given the one that its client sent, or
	// "" if it sent none.
	Trace(xid txn.XID, given string) string

	// HandOn returns the traceparent for those who learn of the transaction, of which trace is kept: for the participant
	// that is asked by an attempt at a branch, or with attempt 0 for the readers of its messages. The latter depends on
	// the arguments alone, so that copies of a message are the same wherever they were made.
	HandOn(xid txn.XID, trace string, branch int64, attempt uint32) string

	// Observe takes a step that has ended. What it points to must not be changed.
	Observe(s Step)
}

// StepKind says what was done.
type StepKind uint8

// The kinds of steps. Those marked as numbers are observed even if nothing is traced.
const (
	StepBegin    StepKind = 1 + iota // a transaction was begun
	StepRegister                     // a branch has joined, or was refused
	StepDecide                       // the outcome was decided; numbers
	StepWrite                        // a change was made durable, or was not; numbers
	StepDrive                        // a decision was read from the log, and what is due was sent
	StepAttempt                      // an attempt at a branch's phase two has ended; numbers
	StepLockWait                     // a registration has waited for a row; numbers
	StepDue                          // the sweeper found something to do; numbers
	StepStuck                        // the transaction needs a person from now on
	StepEnd                          // the transaction has ended; numbers
	stepKinds
)

// String returns a name in lower case.
func (k StepKind) String() string {
	names := [stepKinds]string{
		"none", "begin", "register", "decide", "write", "drive", "attempt", "lock wait", "due", "stuck", "end",
	}
	if k < stepKinds {
		return names[k]
	}
	return "invalid"
}

// Step is one thing that was done for a transaction. From and To are by this machine's clock; From is zero where only
// the moment is known.
type Step struct {
	Kind StepKind
	// Within is the step that a StepWrite is part of, 0 for none: StepBegin, StepRegister, StepDecide or StepAttempt.
	Within StepKind
	XID    txn.XID
	// Trace is the transaction's; see [Observer.Trace].
	Trace string
	// Link is another traceparent that came with the request, or "".
	Link string
	// Global is the state after the step. It is nil for StepLockWait, and after an error.
	Global *txn.Global
	// BranchID is 0 where the step is not about a branch; Branch is nil there, and where it did not join.
	BranchID int64
	Branch   *txn.Branch
	// Reply is how an attempt ended.
	Reply txn.Reply
	// Late is how long after its due time the sweeper came.
	Late time.Duration
	// Row and Holder are what was waited for.
	Row      txn.Row
	Holder   txn.XID
	From, To time.Time
	Err      error
}

// stamp is a point in time for a number, 0 if nobody wants one. It is nanoseconds since 1970.
func (c *Coordinator) stamp() int64 {
	if c.observer == nil {
		return 0
	}
	return time.Now().UnixNano()
}

// traceStamp is a point in time for a trace, 0 if nothing is traced.
func (c *Coordinator) traceStamp() int64 {
	if !c.tracing {
		return 0
	}
	return time.Now().UnixNano()
}

// moment is the time of a stamp.
func moment(stamp int64) time.Time {
	if stamp == 0 {
		return time.Time{}
	}
	return time.Unix(0, stamp)
}

// traceOf returns the traceparent that a new transaction keeps.
func (c *Coordinator) traceOf(xid txn.XID, given string) string {
	if !c.tracing {
		return given
	}
	return c.observer.Trace(xid, given)
}

// handOn returns the traceparent for the readers of g's messages.
func (c *Coordinator) handOn(g *txn.Global) string {
	if !c.tracing || g.Trace == "" {
		return g.Trace
	}
	return c.observer.HandOn(g.XID, g.Trace, 0, 0)
}

// tell observes a step of g that has ended now.
func (c *Coordinator) tell(kind StepKind, g *txn.Global, from int64) {
	c.observer.Observe(Step{Kind: kind, XID: g.XID, Trace: g.Trace, Global: g, From: moment(from), To: time.Now()})
}

// observeBegun tells of a transaction that was begun, and of the branches that it was begun with.
func (c *Coordinator) observeBegun(g *txn.Global, from int64) {
	if !c.tracing {
		return
	}
	c.tell(StepBegin, g, from)
	for _, b := range g.Branches {
		c.observer.Observe(Step{
			Kind: StepRegister, XID: g.XID, Trace: g.Trace, Global: g, BranchID: b.ID, Branch: b, From: moment(from),
			To: time.Now(),
		})
	}
}

// observe tells what a change was, which is carried out now.
func (c *Coordinator) observe(e *entry, req request, eff txn.Effects) {
	if c.observer == nil {
		return
	}
	g := eff.Next
	s := Step{XID: g.XID, Trace: g.Trace, Global: g, From: moment(req.at), To: time.Now()}
	switch ev := attemptEnd(req.ev).(type) {
	case txn.Register:
		c.observeJoined(g, eff.Touched, s, []txn.Register{ev})
	case txn.Enlist:
		c.observeJoined(g, eff.Touched, s, ev.Branches)
	case txn.Wake:
		if req.late > 0 {
			late := s
			late.Kind, late.Late = StepDue, time.Duration(req.late)*time.Millisecond
			c.observer.Observe(late)
		}
	case txn.Reply:
		a := s
		a.Kind, a.BranchID, a.Reply = StepAttempt, ev.BranchID, ev
		a.Branch, _ = g.Branch(ev.BranchID)
		a.From, a.To = moment(e.answered(ev.BranchID, ev.Attempt)), moment(req.at)
		c.observer.Observe(a)
	}
	if eff.Decided {
		s.Kind = StepDecide
		c.observer.Observe(s)
	}
	if eff.Ended {
		s.Kind = StepEnd
		c.observer.Observe(s)
	}
}

// observeJoined tells of the branches that a change has added: the touched ones, which are among those asked for.
func (c *Coordinator) observeJoined(g *txn.Global, touched []int, s Step, all []txn.Register) {
	if !c.tracing {
		return
	}
	s.Kind = StepRegister
	for _, i := range touched {
		s.Branch, s.BranchID, s.Link = g.Branches[i], g.Branches[i].ID, ""
		for j := range all {
			if all[j].BranchID == s.BranchID && all[j].Trace != g.Trace {
				s.Link = all[j].Trace
			}
		}
		c.observer.Observe(s)
	}
}

// observeWrite tells how a durable write has ended, and of a request that came to nothing by it.
func (c *Coordinator) observeWrite(req request, eff txn.Effects, err error) {
	if c.observer == nil {
		return
	}
	g := eff.Next
	s := Step{
		Kind: StepWrite, XID: g.XID, Trace: g.Trace, Global: g, From: moment(req.wrote), To: time.Now(), Err: err,
	}
	if err != nil && triedAgain(err) {
		s.Trace = "" // it is tried again, or is waited for, and that is told
	}
	switch ev := attemptEnd(req.ev).(type) {
	case txn.Register:
		s.Within, s.BranchID = StepRegister, ev.BranchID
	case txn.Enlist:
		if len(ev.Branches) == 1 {
			s.Within, s.BranchID = StepRegister, ev.Branches[0].BranchID
		}
	case txn.Reply:
		s.Within, s.BranchID, s.Reply = StepAttempt, ev.BranchID, ev
	}
	if eff.Decided {
		s.Within = StepDecide
	}
	c.observer.Observe(s)
	if err != nil && s.Trace != "" && c.tracing && (s.Within == StepRegister || s.Within == StepDecide) {
		s.Kind, s.Within, s.From = s.Within, 0, moment(req.at)
		c.observer.Observe(s)
	}
}

// triedAgain reports whether a write is tried again, or waited for, that has failed so.
func triedAgain(err error) bool {
	var locked *LockedError
	return errors.Is(err, ErrConflict) || errors.As(err, &locked)
}

// observeWait tells how a wait for a row has ended.
func (c *Coordinator) observeWait(w *rowWait, conflict *LockedError, err error) {
	if c.observer == nil {
		return
	}
	s := Step{
		Kind: StepLockWait, BranchID: w.ev.BranchID, Row: conflict.Row, Holder: conflict.Holder, From: moment(w.stamp),
		To: time.Now(), Err: err,
	}
	sh := c.shard(w.id)
	sh.mu.Lock()
	if e := sh.entries[w.id]; e != nil && e.g != nil {
		s.XID, s.Trace = e.g.XID, e.g.Trace
	}
	sh.mu.Unlock()
	c.observer.Observe(s)
}

// asked is an attempt whose end is awaited.
type asked struct {
	branch  int64
	attempt uint32
	at      int64 // stamp
}

// asks notes that a command is handed over. The caller holds e's busy mark.
func (e *entry) asks(branch int64, attempt uint32, at int64) {
	for i := range e.asked {
		if e.asked[i].branch == branch {
			e.asked[i] = asked{branch, attempt, at}
			return
		}
	}
	e.asked = append(e.asked, asked{branch, attempt, at})
}

// answered returns when the command was handed over whose answer has come, 0 if that is not known, and forgets it. The
// caller holds e's busy mark.
func (e *entry) answered(branch int64, attempt uint32) (at int64) {
	for i := range e.asked {
		if e.asked[i].branch == branch && e.asked[i].attempt == attempt {
			at = e.asked[i].at
			last := len(e.asked) - 1
			e.asked[i] = e.asked[last]
			e.asked = e.asked[:last]
			return at
		}
	}
	return 0
}
