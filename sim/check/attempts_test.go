package check

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

const triedOne, triedBranch = 70, 71

// tried is the good run with a participant that fails, and is done at the second attempt.
func tried() *run {
	r := good()
	r.End.Pace = pace()
	r.answer(OpBegin, triedOne, 0, 0)
	r.register(triedOne, txn.Branch{ID: triedBranch, Kind: txn.HTTP, Resource: "http://p"})
	r.decide(triedOne, txn.Committing, txn.CauseRequested, false)
	r.ask(1, 1000)
	r.hear(1, 1010, txn.ResultFailed)
	r.ask(2, 1170)
	r.command(triedOne, triedBranch, txn.Commit)
	r.deed(Deed{ID: triedOne, Branch: triedBranch, Kind: txn.HTTP, Action: Confirm, Effect: true})
	r.end(triedOne, txn.Committed, false)
	r.End.Committed++
	return r
}

func badlyTried() map[string][]func(r *run) {
	return map[string][]func(r *run){
		"I24": {
			func(r *run) { r.Attempts[1].Now-- },
			func(r *run) { r.Attempts[1].Command.Until-- }, // it was wanted sooner than it was given
			func(r *run) { r.Replies[0].Result = txn.ResultUnreachable },
		},
		"I24/order": {
			func(r *run) { r.Attempts[1].Command.Attempt = 1 },
			func(r *run) { r.Attempts[1].Command.Attempt = 3 },
		},
	}
}

func pace() Pace {
	return Pace{
		First: 200 * time.Millisecond, Max: 4 * time.Second, Unreachable: time.Second, Slow: 20 * time.Second, Budget: 9,
		Answer: 4 * time.Second, Slack: 5 * time.Second, Report: 6 * time.Second,
	}
}

// ask makes an attempt at the branch that is tried.
func (r *run) ask(number uint32, at txn.Millis) *Attempt {
	r.Attempts = append(r.Attempts, Attempt{Seq: r.next(), Now: at, By: 1, Command: txn.Command{
		XID: txn.XID{ID: triedOne}, BranchID: triedBranch, Op: txn.Commit, Attempt: number, Until: at + 4000,
	}})
	return &r.Attempts[len(r.Attempts)-1]
}

// hear has the coordinator told of the end of an attempt.
func (r *run) hear(number uint32, at txn.Millis, result txn.Result) *Reply {
	r.Replies = append(r.Replies, Reply{
		Seq: r.next(), At: time.Duration(at) * time.Millisecond, Now: at, Epoch: 1, ID: triedOne, Branch: triedBranch,
		Op: txn.Commit, Attempt: number, Result: result,
	})
	return &r.Replies[len(r.Replies)-1]
}

// fails makes an attempt that fails at once, and leaves the next one to be made from a time on at the earliest.
func (r *run) fails(number uint32, at txn.Millis) {
	r.ask(number, at)
	r.hear(number, at, txn.ResultFailed)
}

// keep stores what is known of the branch.
func (r *run) keep(b txn.Branch) *Write {
	b.ID = triedBranch
	r.write(triedOne, func(g *txn.Global, _ *Write) { g.Status, g.Branches = txn.Committing, []*txn.Branch{&b} })
	return r.Writes[len(r.Writes)-1]
}

// retry has a person ask to have a branch, or all, tried again, and be answered.
func (r *run) retry(branch int64, class Class) {
	asked := r.next()
	r.Operations = append(r.Operations, Operation{
		Seq: r.next(), Epoch: 1, ID: triedOne, Branch: branch, Action: txn.ActionRetry, Notice: "n",
	})
	if class != 0 {
		r.Answers = append(r.Answers, Answer{
			Asked: asked, Seq: r.next(), Epoch: 1, Op: OpRetry, ID: triedOne, Branch: branch, Class: class, Notice: "n",
		})
	}
}

// calls has all attempts be such calls.
func (r *run) calls(c txn.Call) {
	for i := range r.Attempts {
		cmd := &r.Attempts[i].Command
		cmd.Call = &c
		if c.Timeout > 0 && c.Reply == "" {
			cmd.Until = r.Attempts[i].Now.Add(c.Timeout + 5*time.Second)
		}
	}
}

// turn is one way in which attempts may follow each other.
type turn struct {
	name string
	// earliest is when the last attempt may be made: one millisecond sooner is too soon.
	earliest txn.Millis
	// until makes the attempts before it; last changes it.
	until func(r *run)
	last  func(a *Attempt)
	// then is what happens after it in the log.
	then func(r *run)
}

// turnsOfBudgets are after nine attempts, of which the last is at 90 s, if nothing else is said: then the usual delay
// is 3.2 s at least, and the slow pace 16 s.
func turnsOfBudgets() []turn {
	own := func(r *run) { r.calls(txn.Call{Attempts: 9}) }
	twice := func(first, second bool) func(r *run) {
		return func(r *run) {
			spend(2, txn.ResultFailed)(r)
			r.ask(3, 30_000).Err = first
			r.ask(3, 35_000).Err = second
			for n := range txn.Millis(6) {
				r.spend(uint32(n+4), txn.ResultFailed)
			}
		}
	}
	away := func(r *run) { spend(8, txn.ResultUnreachable)(r); r.spend(9, txn.ResultFailed) }
	return []turn{
		{name: "budget spent", earliest: 106_000, until: spend(9, txn.ResultFailed)},
		{name: "budget spared", earliest: 93_200, until: spend(9, txn.ResultOngoing)},
		{name: "still at it", earliest: 93_200, until: func(r *run) {
			spend(8, txn.ResultFailed)(r)
			r.spend(9, txn.ResultFailed)
			r.Replies[8].Result = txn.ResultOngoing
		}},
		{name: "budget of its own", earliest: 46_000, until: spend(3, txn.ResultFailed),
			then: func(r *run) { r.calls(txn.Call{Attempts: 3}) }},
		{name: "still at it, budget spent", earliest: 40_640, until: func(r *run) {
			spend(2, txn.ResultFailed)(r)
			r.ask(3, 40_000)
			r.hear(3, 40_000, txn.ResultOngoing)
		}, then: func(r *run) { r.calls(txn.Call{Attempts: 2}) }},
		{name: "larger budget", earliest: 93_200, until: spend(9, txn.ResultFailed),
			then: func(r *run) { r.calls(txn.Call{Attempts: 10}) }},
		{name: "a person gave a new one", earliest: 93_200, until: func(r *run) {
			spend(5, txn.ResultFailed)(r)
			r.retry(0, OK)
			for n := range txn.Millis(4) {
				r.spend(uint32(n+6), txn.ResultFailed)
			}
		}},
		{name: "nobody there", earliest: 106_000, until: away},
		{name: "nobody there, own budget", earliest: 93_200, until: away, then: own},
		{name: "messages that may not be out", earliest: 93_200, until: spend(9, txn.ResultFailed),
			then: func(r *run) { r.calls(txn.Call{Attempts: 9, Reply: "t"}) }},
		{name: "one was made again", earliest: 93_200, until: twice(false, true), then: own},
		{name: "one was made again, and came there", earliest: 93_200, until: twice(true, false), then: own},
		{name: "one was made that no longer counts", earliest: 83_200, until: func(r *run) {
			r.End.Cluster = true
			spend(7, txn.ResultFailed)(r)
			r.ask(13, 75_000)
			r.spend(8, txn.ResultFailed)
		}},
	}
}

func turns() []turn {
	steps := func(r *run) {
		for i := range r.Attempts {
			r.Attempts[i].Command.Step = "book"
		}
	}
	return []turn{
		{name: "first failure", earliest: 1160, until: func(r *run) { r.fails(1, 1000) }},
		{name: "second failure", earliest: 2320, until: func(r *run) { r.fails(1, 1000); r.fails(2, 2000) }},
		{name: "longest delay", earliest: 63_200, until: func(r *run) {
			for n := range txn.Millis(6) {
				r.fails(uint32(n+1), (n+1)*10_000)
			}
		}},
		{name: "no answer", earliest: 5000, until: func(r *run) { r.ask(1, 1000) }},
		{name: "no answer to a step", earliest: 5160, until: func(r *run) { r.ask(1, 1000) }, then: steps},
		{name: "no answer to a call", earliest: 7000, until: func(r *run) { r.ask(1, 1000) },
			then: func(r *run) { r.calls(txn.Call{Timeout: time.Second}) }},
		{name: "nobody there", earliest: 1800, until: func(r *run) { r.ask(1, 1000).Err = true }},
		{name: "told that nobody is there", earliest: 2000, until: func(r *run) {
			r.ask(1, 1000)
			r.hear(1, 1200, txn.ResultUnreachable)
		}},
		{name: "nobody there for long", earliest: 105_000, until: func(r *run) {
			r.ask(60, 1000)
			r.ask(61, 101_000)
			r.hear(61, 101_000, txn.ResultUnreachable)
		}},
		{name: "own delays", earliest: 1150, until: func(r *run) { r.fails(1, 1000) },
			then: func(r *run) { r.calls(txn.Call{First: 300 * time.Millisecond, Jitter: 100}) }},
		{name: "own longest delay", earliest: 2080, until: func(r *run) { r.fails(1, 1000); r.fails(2, 2000) },
			then: func(r *run) { r.calls(txn.Call{First: 100 * time.Millisecond, Max: 100 * time.Millisecond}) }},
		{name: "message that is out", earliest: 7100, until: func(r *run) {
			r.ask(1, 1000)
			r.hear(1, 1100, txn.ResultPublished)
			r.keep(txn.Branch{Attempts: 1, State: txn.Published})
		}},
		{name: "message that is out, of a step", earliest: 7260, until: func(r *run) {
			r.ask(1, 1000)
			r.hear(1, 1100, txn.ResultPublished)
			r.keep(txn.Branch{Attempts: 1, State: txn.Published})
		}, then: steps},
		{name: "message that is out, and its own time", earliest: 3100, until: func(r *run) {
			r.ask(1, 1000)
			r.hear(1, 1100, txn.ResultPublished)
			r.keep(txn.Branch{Attempts: 1, State: txn.Published})
		}, then: func(r *run) { r.calls(txn.Call{Timeout: 2 * time.Second, Reply: "t"}) }},
		{name: "answer that it goes on", earliest: 7100, until: func(r *run) {
			r.ask(1, 1000)
			r.hear(1, 1100, txn.ResultOngoing).Read = true
			r.keep(txn.Branch{Attempts: 1, State: txn.Published})
		}},
		{name: "message that may not be out", earliest: 54_800, until: func(r *run) {
			for n := range txn.Millis(4) {
				r.fails(uint32(n+1), (n+1)*10_000)
			}
			r.ask(5, 50_000)
		}, then: func(r *run) { steps(r); r.calls(txn.Call{Reply: "t"}) }},
		{name: "another node knows", earliest: 1160, until: func(r *run) { r.fails(1, 1000) },
			last: func(a *Attempt) { a.By = 2 }},
		{name: "node of a cluster", earliest: 1160, until: func(r *run) { r.End.Cluster = true; r.fails(1, 1000) }},
		{name: "another node of a cluster", earliest: 1060, until: func(r *run) { r.End.Cluster = true; r.fails(1, 1000) },
			last: func(a *Attempt) { a.By = 2 }},
		{name: "the clock was set before", earliest: 1160, until: func(r *run) {
			r.Jumps = []Seq{r.next()}
			r.fails(1, 1000)
		}},
		{name: "a person asked before", earliest: 1160, until: func(r *run) { r.retry(0, OK); r.fails(1, 1000) }},
		{name: "a person was refused", earliest: 1160, until: func(r *run) { r.fails(1, 1000); r.retry(0, Illegal) }},
		{name: "a person asked for another", earliest: 1160, until: func(r *run) { r.fails(1, 1000); r.retry(3, OK) }},
		{name: "an engine is asked the same", earliest: 1160, until: func(r *run) { r.fails(1, 1000) },
			then: func(r *run) { pursue(r, "forward", "forward") }},
	}
}

// spend makes so many attempts, ten seconds apart, which end in a way, and are known to.
func spend(n uint32, result txn.Result) func(r *run) {
	return func(r *run) {
		for i := range n {
			r.spend(i+1, result)
		}
	}
}

// spend makes one of them.
func (r *run) spend(number uint32, result txn.Result) {
	at := txn.Millis(number) * 10_000
	r.ask(number, at)
	r.hear(number, at, result)
	r.keep(txn.Branch{Attempts: number, NextAt: 1}).DurableAt = time.Duration(at) * time.Millisecond
}

// pursue has the attempts be questions to a client's saga engine.
func pursue(r *run, what ...string) {
	for i := range r.Attempts {
		cmd := &r.Attempts[i].Command
		cmd.BranchID, cmd.Data = txn.SagaBranchID, what[i]
	}
	for i := range r.Replies {
		r.Replies[i].Branch, r.Replies[i].Op = txn.SagaBranchID, 0
	}
}

func TestTheScheduleIsHeldToTheMillisecond(t *testing.T) {
	t.Parallel()
	for _, turn := range append(turns(), turnsOfBudgets()...) {
		for _, soon := range []txn.Millis{0, 1} {
			r := &run{state: map[int64]*txn.Global{}}
			r.End.Pace = pace()
			turn.until(r)
			a := r.ask(r.Attempts[len(r.Attempts)-1].Command.Attempt+1, turn.earliest-soon)
			if turn.last != nil {
				turn.last(a)
			}
			if turn.then != nil {
				turn.then(r)
			}
			if found := of("I24", r); (len(found) > 0) != (soon > 0) {
				t.Errorf("%s, %d ms too soon: %v", turn.name, soon, found)
			}
		}
	}
}

// of returns what one checker finds.
func of(name string, r *run) []Violation {
	for _, c := range attemptCheckers() {
		if c.Name == name {
			return c.Check(NewIndex(&r.Logs))
		}
	}
	panic("no such checker")
}

// TestWhoIsExcused: the same attempts, too soon, with what excuses them.
func TestWhoIsExcused(t *testing.T) {
	t.Parallel()
	for name, excuse := range map[string]func(r *run){
		"":                          func(*run) {},
		"a person":                  func(r *run) { r.retry(triedBranch, OK) },
		"a person, for all":         func(r *run) { r.retry(0, Unknown) },
		"a person, not answered":    func(r *run) { r.retry(0, 0) },
		"the clock":                 func(r *run) { r.Jumps = []Seq{r.next()} },
		"an engine is asked to end": func(r *run) { r.Jumps = nil },
	} {
		r := &run{state: map[int64]*txn.Global{}}
		r.End.Pace = pace()
		r.fails(1, 1000)
		excuse(r)
		r.ask(2, 1001)
		if name == "an engine is asked to end" {
			pursue(r, "forward", "compensate")
		}
		if found := of("I24", r); (len(found) > 0) != (name == "") {
			t.Errorf("%q: %v", name, found)
		}
	}
}

// TestWhoKnowsOfAnEndGoesByIt: that an answer is awaited no more excuses only who has not stored what it was.
func TestWhoKnowsOfAnEndGoesByIt(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(r *run, w *Write){
		"":                       nil,
		"it was not told":        func(r *run, _ *Write) { r.Replies[8].Epoch = 2 },
		"it came to nothing":     func(_ *run, w *Write) { w.Durable = 0 },
		"it was stored too late": func(_ *run, w *Write) { w.DurableAt += 2 * time.Second },
		"another knows it":       func(r *run, w *Write) { r.Replies[8].Epoch, w.Epoch = 2, 2 },
		"another has stored it":  func(_ *run, w *Write) { w.Epoch = 2 },
		"it was over before":     func(r *run, _ *Write) { r.Writes[7].Global.Branches[0].Attempts = 9 },
		"it was refused": func(r *run, w *Write) {
			r.Refusals = []Sight{{Seq: w.Seq, Epoch: 1, ID: triedOne}}
			w.Seq++
		},
	} {
		r := &run{state: map[int64]*txn.Global{}}
		r.End.Pace = pace()
		spend(9, txn.ResultFailed)(r)
		r.next()
		r.ask(10, 94_000) // when the answer to the ninth would not be awaited any more
		if forget != nil {
			forget(r, r.Writes[8])
		}
		if found := of("I24", r); (len(found) > 0) != (forget == nil) {
			t.Errorf("%q: %v", name, found)
		}
	}
}
