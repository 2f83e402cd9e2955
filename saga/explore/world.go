package explore

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
)

// world is one run on one path.
type world struct {
	x        *explorer
	rules    txn.Rules
	g        *txn.Global
	now      txn.Millis
	asked    []txn.Command // not answered yet
	answers  map[string]int
	late     int  // how steps under way answer after the decision, from 1; 0: not chosen yet
	overdue  bool // the deadline was let pass
	spent    int  // how many things have gone wrong
	last     *txn.Reply
	timeline []Event
}

// planners has the planner of the one definition.
type planners struct{ one txn.Planner }

func (p *planners) Planner(*txn.SagaRun) txn.Planner { return p.one }

// Choose implements [plan.Oracle].
func (w *world) Choose(what string, n int) int {
	if took, known := w.answers[what]; known {
		return took
	}
	took := w.x.choose(n, func(s *script) int { return s.choice(what, n) })
	w.answers[what] = took
	w.tell("", "%s", answerText(what, took, n))
	return took
}

func (w *world) tell(step, format string, args ...any) {
	w.timeline = append(w.timeline, Event{Step: step, Text: fmt.Sprintf(format, args...)})
}

// begin makes the world in which nothing has happened.
func (x *explorer) begin() *world {
	return &world{x: x, now: 1_700_000_000_000, answers: map[string]int{}}
}

// clone returns a copy that goes its own way.
func (w *world) clone() *world {
	c := *w
	c.asked, c.answers, c.timeline = slices.Clone(w.asked), maps.Clone(w.answers), slices.Clip(w.timeline)
	c.rules = txn.DefaultRules()
	c.rules.Planners = &planners{w.x.program.Abstract(&c)}
	c.rules.Retry.Attempts = 1 // all attempts of a step are one here
	return &c
}

// start begins the saga.
func (w *world) start() {
	deadline := w.x.def.Deadline
	if deadline == 0 {
		deadline = 24 * time.Hour
	}
	w.apply(txn.Begin{
		XID: txn.XID{Prefix: "explore", ID: 1}, Name: w.x.def.Name, Timeout: deadline,
		Saga: &txn.SagaRun{Definition: w.x.def.Name, Version: 1},
	})
	w.apply(txn.Wake{})
}

// path goes on from a state to an end, to a state that was seen before, or to where it does not go on.
func (x *explorer) path(from *world) {
	w := from.clone()
	defer func() { x.end = w.timeline }()
	for range eventsMax {
		x.states++
		if !w.settled() {
			x.marks = append(x.marks, mark{w, x.at})
			w = w.clone()
		}
		if w.g == nil {
			w.start()
			continue
		}
		if w.g.Status.Ended() || w.g.Stuck == txn.StuckRefused {
			x.paths++
			w.judge()
			return
		}
		if x.at == len(x.choices) && x.script == nil && !w.settled() {
			key := w.key()
			if x.seen[key] {
				return
			}
			x.seen[key] = true
		}
		if !w.happen() {
			x.paths++
			x.fail(w, "", "it stands still, and nothing will ever happen")
			return
		}
	}
	x.fail(w, "", fmt.Sprintf("it does not end within %d events", eventsMax))
}

// apply applies an event, and what the decision log does with a decision.
func (w *world) apply(ev txn.Event) {
	eff, err := w.rules.Apply(w.g, ev, w.now)
	if err != nil || eff.Next == nil {
		return
	}
	w.crash(ev, eff)
	w.g = eff.Next
	w.asked = append(w.asked, eff.Commands...)
	if eff.Decided {
		w.tell("", "decided: %s, %s", w.g.Status.Outcome(), w.g.Cause)
	}
	if eff.Decided && !eff.Ended {
		w.apply(txn.Wake{}) // by the decision log
	}
}

// happen lets one thing happen. It returns false if nothing can.
func (w *world) happen() bool {
	if w.g.Status == txn.Active && !w.overdue && w.x.def.Deadline > 0 && w.passes() {
		w.overdue = true
		w.tell("", deadlinePasses)
		w.now = max(w.now, w.g.Deadline())
		w.apply(txn.Wake{})
		return true
	}
	w.asked = slices.DeleteFunc(w.asked, func(c txn.Command) bool {
		b, _ := w.g.Branch(c.BranchID)
		return c.Attempt < b.Attempts && c.Op == txn.Forward && w.g.Status == txn.Active // a newer one is under way
	})
	if len(w.asked) > 0 {
		cmd := w.asked[0]
		w.asked = w.asked[1:]
		w.answer(cmd)
		return true
	}
	if w.signal() {
		return true
	}
	if w.g.DueAt == 0 {
		return false
	}
	w.now = max(w.now+1, w.g.DueAt)
	w.apply(txn.Wake{})
	return true
}

// What is said of the deadline, and of a compensation.
const (
	deadlinePasses = "the deadline passes"
	compensated    = "compensated"
)

// passes chooses whether the deadline passes now.
func (w *world) passes() bool {
	return w.trouble(2, func(s *script) int {
		if s.overdue() {
			return 1
		}
		return 0
	}) == 1
}

// The answers to a step.
var forward = [...]struct {
	text   string
	result txn.Result
}{
	{"done", txn.ResultDone},
	{"refused", txn.ResultRefused},
	{"lost: nobody knows whether it has run", txn.ResultNoAnswer},
}

// answers are their texts.
func answers() []string {
	out := make([]string, len(forward))
	for i, f := range forward {
		out[i] = f.text
	}
	return out
}

// answer answers a command.
func (w *world) answer(cmd txn.Command) {
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone}
	if cmd.Op == txn.Forward {
		way := 0
		switch b, _ := w.g.Branch(cmd.BranchID); {
		case w.g.Status != txn.Active && (w.late == 0 || w.x.script != nil):
			way = w.choose(cmd.Step, answers()...)
			w.late = way + 1
		case w.g.Status != txn.Active:
			way = w.late - 1
		case b.Attempts > 1: // it was lost, and there is no way but forward: it is tried until it answers
			way = w.choose(cmd.Step, answers()[:2]...)
		default:
			way = w.choose(cmd.Step, answers()...)
		}
		r.Result = forward[way].result
		w.tell(cmd.Step, "%s", forward[way].text)
	} else {
		w.tell(cmd.Step, compensated)
	}
	w.apply(r)
	w.apply(r) // delivered twice
	if w.last != nil {
		w.apply(*w.last) // and once more, late
	}
	w.last = &r
}

// signal gives, refuses or withholds the oldest signal that is waited for.
func (w *world) signal() bool {
	i := slices.IndexFunc(w.g.Branches, func(b *txn.Branch) bool {
		return b.Kind == txn.StepSignal && b.State == txn.Registered
	})
	if i < 0 || w.g.Status != txn.Active {
		return false
	}
	b := w.g.Branches[i]
	ways := []string{"the signal comes", "the signal is a no", "the signal does not come in time"}
	if b.Step.Until == 0 {
		ways = ways[:2]
	}
	way := w.choose(b.Step.Name, ways...)
	w.tell(b.Step.Name, "%s", ways[way])
	switch way {
	case 0:
		w.apply(txn.Signal{Step: b.Step.Name})
	case 1:
		w.apply(txn.Signal{Step: b.Step.Name, Refuse: true})
	default:
		w.now = max(w.now, b.Step.Until)
		w.apply(txn.Wake{})
	}
	return true
}

// choose chooses how a step goes on.
func (w *world) choose(step string, ways ...string) int {
	return w.trouble(len(ways), func(s *script) int { return s.way(step, ways) })
}

// trouble chooses one of n ways, of which all but the first are trouble.
func (w *world) trouble(n int, script func(*script) int) int {
	if w.x.budget != unbounded && w.spent >= w.x.budget {
		return 0
	}
	way := w.x.choose(n, script)
	if way > 0 {
		w.spent++
	}
	return way
}

// settled reports whether there is nothing to choose any more: what is left is to undo.
func (w *world) settled() bool {
	return w.g != nil && w.g.Status == txn.RollingBack && w.g.Stuck == 0 &&
		!slices.ContainsFunc(w.asked, func(c txn.Command) bool { return c.Op == txn.Forward })
}

// judge looks at an end.
func (w *world) judge() {
	if w.g.Stuck == txn.StuckRefused {
		for _, b := range w.g.Branches {
			switch {
			case b.State == txn.Refused:
				w.x.fail(w, b.Step.Name, b.Failure)
				return
			case w.g.Status == txn.Active && (b.State == txn.PhaseOneFailed || b.Step.GaveUp):
				w.x.fail(w, b.Step.Name, "it fails after the pivot, from where there is no way back")
				return
			}
		}
		w.x.fail(w, "", w.g.Saga.Failure+", and after the pivot there is no way back")
		return
	}
	if w.g.Status == txn.Committed {
		return
	}
	for _, b := range w.g.Branches {
		ran := b.Step.Seq > 0 || b.Step.GaveUp || b.State == txn.Finished && b.Step.Tries > 0 && !b.Step.Undo
		if ran && !b.Step.Undo && w.changes(b) {
			w.x.fail(w, b.Step.Name, "it may have run, and is not compensated")
			return
		}
	}
}

// changes reports whether a step changes something.
func (w *world) changes(b *txn.Branch) bool {
	if b.Kind == txn.StepTimer || b.Kind == txn.StepSignal {
		return false
	}
	s := w.x.program.StepOf(b.Step.Name)
	return s != nil && !s.ReadOnly && (s.Kind != definition.KindCall || s.Call.Method != "GET")
}

// fail notes a path that ends badly, unless a shorter one ends so.
func (x *explorer) fail(w *world, step, text string) {
	key := step + "\x00" + text
	if old, known := x.failures[key]; known && len(old.Timeline) <= len(w.timeline) {
		return
	}
	x.failures[key] = Failure{Step: step, Text: text, Timeline: slices.Clone(w.timeline)}
}

// key is all that the future depends on.
func (w *world) key() [32]byte {
	b := make([]byte, 0, 64+32*len(w.g.Branches))
	number := func(n int) { b = binary.AppendUvarint(b, uint64(n)) }
	flags := func(all ...bool) {
		for _, f := range all {
			if b = append(b, 0); f {
				b[len(b)-1] = 1
			}
		}
	}
	text := func(s string) { b = append(append(b, s...), 0) }
	number(int(w.g.Status))
	number(int(w.g.Stuck))
	number(w.late)
	flags(w.overdue, w.g.Expired(w.now))
	if w.x.budget != unbounded {
		number(w.spent)
	}
	number(len(w.g.Branches))
	for _, br := range w.g.Branches {
		s := br.Step
		text(s.Name)
		number(int(br.State))
		number(int(s.Seq))
		number(int(min(br.Attempts, 2)))
		flags(s.GaveUp, br.InFlightUntil > 0, s.Until > w.now)
	}
	for _, c := range w.asked {
		text(c.Step)
		number(int(c.Op))
	}
	text("")
	for _, what := range slices.Sorted(maps.Keys(w.answers)) {
		text(what)
		number(w.answers[what])
	}
	return sha256.Sum256(b)
}
