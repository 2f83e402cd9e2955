package explore

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// world is one run on one path.
type world struct {
	x        *explorer
	rules    txn.Rules
	g        *txn.Global
	now      txn.Millis
	asked    []txn.Command // not answered yet
	answers  []uint16      // of the oracle, from 1, by the number of the question; 0: not asked yet
	late     int           // how steps under way answer after the decision, from 1; 0: not chosen yet
	overdue  bool          // the deadline was let pass
	spent    int           // how many things have gone wrong
	endless  bool          // it is in a cycle that was gone through often enough
	last     *txn.Reply
	timeline []Event
}

// planners has the planner of the one definition.
type planners struct{ one txn.Planner }

func (p *planners) Planner(*txn.SagaRun) txn.Planner { return p.one }

// Choose implements [Oracle].
func (w *world) Choose(what string, n int) int {
	number := w.x.number(what)
	if number < len(w.answers) && w.answers[number] > 0 {
		return int(w.answers[number]) - 1
	}
	if w.x.script == nil && w.x.of.Endless(what) {
		w.endless = true
		return 0
	}
	took := w.x.choose(n, func(s *script) int { return s.choice(w.x.of, what, n) })
	for len(w.answers) <= number {
		w.answers = append(w.answers, 0)
	}
	w.answers[number] = uint16(took + 1)
	w.tell("", "%s", w.x.of.Word(what, took, n))
	return took
}

func (w *world) tell(step, format string, args ...any) {
	w.timeline = append(w.timeline, Event{Step: step, Text: fmt.Sprintf(format, args...)})
}

// begin makes the world in which nothing has happened.
func (x *explorer) begin() *world {
	return &world{x: x, now: 1_700_000_000_000, rules: x.rules}
}

// clone returns a copy that goes its own way until the next copy is made. What it appends to lists may lie behind the
// end of those that it was copied from: these are looked at again, but none of the copies that were made before.
func (w *world) clone() *world {
	c := *w
	c.answers = slices.Clone(w.answers)
	w.x.now = &c
	return &c
}

// work is how much there is to do at the next event, in steps and branches that are looked at. It is what takes time:
// the core goes through the branches, and the planner, up to the decision, through the steps; both several times.
func (w *world) work() int {
	n := stateWork
	if w.g != nil {
		n += len(w.g.Branches)
	}
	if w.g == nil || w.g.Status == txn.Active {
		n += len(w.answers) + lookWork*w.x.size
	}
	return n
}

// What there is to do whatever the size, and for each step when the planner looks.
const (
	stateWork = 16
	lookWork  = 4
)

// start begins the saga.
func (w *world) start() {
	w.apply(w.x.of.Begin())
	w.apply(txn.Wake{})
}

// path goes on from a state to an end, to a state that was seen before, or to where it does not go on.
func (x *explorer) path(from *world) {
	w, back := from.clone(), false
	defer func() { x.end = w.timeline }()
	for range eventsMax {
		x.states++
		settled := w.settled() || w.fixed()
		if x.work += w.work(); !settled {
			x.marks = append(x.marks, mark{w, x.at})
			w = w.clone()
		}
		switch {
		case w.endless:
			x.cycles = true
			return
		case w.g == nil:
			w.start()
			continue
		case w.g.Status.Ended() || w.g.Stuck == txn.StuckRefused:
			if w.freed() {
				continue
			}
			x.paths++
			w.judge()
			return
		case x.at == len(x.choices) && x.script == nil && !back:
			key := w.key()
			if x.seen[key] && settled {
				x.paths++ // its end was reached before
			}
			if x.seen[key] {
				return
			}
			x.seen[key] = true
		}
		back = settled
		if !w.happen() {
			x.paths++
			x.fail(w, Verdict{Text: "it stands still, and nothing will ever happen"})
			return
		}
	}
	x.fail(w, Verdict{Text: fmt.Sprintf("it does not end within %d events", eventsMax)})
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
	if w.interrupted() {
		return true
	}
	outdated := func(c txn.Command) bool {
		b, _ := w.g.Branch(c.BranchID)
		return c.Attempt < b.Attempts && c.Op == txn.Forward && w.g.Status == txn.Active // a newer one is under way
	}
	if slices.ContainsFunc(w.asked, outdated) {
		w.asked = slices.DeleteFunc(slices.Clone(w.asked), outdated)
	}
	if len(w.asked) > 0 {
		cmd := w.asked[0]
		w.asked = w.asked[1:]
		w.answer(cmd)
		return true
	}
	if w.signal() {
		return true
	}
	if w.g.DueAt == 0 || w.g.Status == txn.Active && !slices.ContainsFunc(w.g.Branches, underWay) {
		return false // nothing but the deadline would end it
	}
	w.now = max(w.now+1, w.g.DueAt)
	w.apply(txn.Wake{})
	return true
}

// underWay reports whether a step is to be done, or tried again.
func underWay(b *txn.Branch) bool {
	return (b.State == txn.Registered || b.State == txn.Published) && !b.Step.GaveUp
}

// interrupted lets something come from outside, perhaps.
func (w *world) interrupted() bool {
	late, free := w.x.of.Outside()
	switch {
	case w.g.Status != txn.Active || !late && !free || w.spared():
		return false
	case late && !w.overdue && w.comes(deadlinePasses):
		w.overdue = true
		w.tell("", deadlinePasses)
		g := *w.g // it may have begun as long ago: what is under way may still be answered
		g.BeganAt = min(g.BeganAt, w.now.Add(-g.Timeout))
		w.g = &g
		w.apply(txn.Wake{})
		return true
	case free && w.cancels() && w.comes(personCancels):
		w.tell("", personCancels)
		w.apply(cancel())
		return true
	}
	return false
}

// cancel is what a person does.
func cancel() txn.Event { return txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator} }

// cancels reports whether a person may cancel it now.
func (w *world) cancels() bool {
	_, err := w.rules.Apply(w.g, cancel(), w.now)
	return err == nil
}

// comes chooses whether something comes from outside now.
func (w *world) comes(what string) bool {
	return w.trouble(2, func(s *script) int { return s.comes(what) }) == 1
}

// freed has a person who has to see to it cancel it, perhaps.
func (w *world) freed() bool {
	if _, free := w.x.of.Outside(); !free || w.g.Status != txn.Active || !w.cancels() ||
		w.x.choose(2, func(s *script) int { return s.comes(personCancels) }) == 0 {
		return false
	}
	w.tell("", "it waits for a person: %s", w.g.Saga.Failure)
	w.tell("", personCancels)
	w.apply(cancel())
	return true
}

// answer answers a command.
func (w *world) answer(cmd txn.Command) {
	if w.x.script == nil && w.x.of.Endless(cmd.Step) {
		w.endless = true
		return
	}
	if b, _ := w.g.Branch(cmd.BranchID); cmd.Op == txn.Forward && b.State == txn.Finished && w.g.Status != txn.Active {
		return // nothing undoes it, so the coordinator is done with it: what it answers changes nothing
	}
	ways, way := w.x.of.Answers(w.g, w.x, cmd), 0
	switch {
	case cmd.Op != txn.Forward:
	case w.g.Status != txn.Active && w.late > 0 && w.x.script == nil:
		way = min(w.late, len(ways)) - 1
	default:
		texts := make([]string, len(ways))
		for i, a := range ways {
			texts[i] = a.Text
		}
		if way = w.choose(cmd.Step, texts...); w.g.Status != txn.Active {
			w.late = way + 1
		}
	}
	r := ways[way].Reply
	r.BranchID, r.Op, r.Attempt = cmd.BranchID, cmd.Op, cmd.Attempt
	w.tell(cmd.Step, "%s", ways[way].Text)
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
	if n > 1 && w.spared() {
		return 0
	}
	way := w.x.choose(n, script)
	if way > 0 {
		w.spent++
	}
	return way
}

// spared reports whether nothing more may go wrong. It is asked where something could.
func (w *world) spared() bool {
	spared := w.x.budget != unbounded && w.spent >= w.x.budget
	w.x.spared = w.x.spared || spared
	return spared
}

// settled reports whether there is nothing to choose any more: what is left is to undo.
func (w *world) settled() bool {
	return w.g != nil && w.g.Status == txn.RollingBack && w.g.Stuck == 0 &&
		!slices.ContainsFunc(w.asked, func(c txn.Command) bool { return c.Op == txn.Forward })
}

// fixed reports whether what is left to come, answers that come after the decision, has been chosen already.
func (w *world) fixed() bool {
	chosen := w.late > 0 || w.x.budget != unbounded && w.spent >= w.x.budget
	return w.g != nil && w.g.Status == txn.RollingBack && w.g.Stuck == 0 && chosen && w.x.script == nil
}

// judge looks at an end.
func (w *world) judge() {
	if v := w.x.of.Judge(w.g, w.x); v.Text != "" {
		w.x.fail(w, v)
	}
}

// fail notes a path that ends badly, unless a shorter one ends so.
func (x *explorer) fail(w *world, v Verdict) {
	all, key := x.failures, v.Step+"\x00"+v.Text
	if v.Unsure {
		all, key = x.unsure, v.Step
	}
	if old, known := all[key]; known && len(old.Timeline) <= len(w.timeline) {
		return
	}
	all[key] = Failure{Step: v.Step, Text: v.Text, Timeline: slices.Clone(w.timeline)}
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
	flags(w.overdue && w.g.Status == txn.Active, w.g.Expired(w.now))
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
		number(int(min(s.Tries, 2)))
		text(s.Answer)
		flags(s.GaveUp, br.InFlightUntil > 0, s.Until > w.now)
	}
	for _, c := range w.asked {
		text(c.Step)
		number(int(c.Op))
	}
	text("")
	for _, answer := range w.answers {
		b = binary.LittleEndian.AppendUint16(b, answer)
	}
	return sha256.Sum256(b)
}
