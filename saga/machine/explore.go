package machine

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/statelang"
)

// The bounds of an exploration.
const (
	statesMax = 5_000
	// eventsMax bounds one path, failuresMax the ends that are reported.
	eventsMax   = 400
	failuresMax = 20
	// choicesMax bounds the choices of one path, workMax the branches that are looked at in all.
	choicesMax = 200
	workMax    = 200_000
)

// UnknownEnd is a way on which a machine ends with status UN: somebody has to see to it.
type UnknownEnd struct {
	// State is the one that broke it off, "" if none did; Text says why.
	State, Text string
	Timeline    []explore.Event
}

// Explore runs a machine through every outcome of every service with the real planner and core: each status that its
// rules can give, each class of exceptions that the machine names, one that it does not, and those of the network; each
// way of each choice, and loops over none, one and two items. Retries are taken once per entry.
//
// Failures are ends at which something cannot be undone, and standstills. That a machine ends with status UN is no
// failure, since Seata's machines may, but worth a warning.
func Explore(p *Program) (explore.Report, []UnknownEnd) {
	x := &explorer{
		seen: map[[32]byte]bool{}, failures: map[string]explore.Failure{}, unknown: map[string]UnknownEnd{}, program: p,
	}
	x.exhaustive = true
	w := &trial{x: x, now: 1_700_000_000_000, answers: map[string]int{}}
	x.happen(w, txn.Begin{
		XID: txn.XID{Prefix: "explore", ID: 1}, Name: p.machine.Name, Timeout: 365 * 24 * time.Hour,
		Saga: &txn.SagaRun{Definition: p.machine.Name, Version: 1},
	})
	r := explore.Report{States: len(x.seen), Paths: x.paths, Exhaustive: x.exhaustive}
	for _, key := range sortedKeys(x.failures) {
		r.Failures = append(r.Failures, x.failures[key])
	}
	slices.SortStableFunc(r.Failures, func(a, b explore.Failure) int {
		return cmp.Compare(len(a.Timeline), len(b.Timeline))
	})
	var unknown []UnknownEnd
	for _, key := range sortedKeys(x.unknown) {
		unknown = append(unknown, x.unknown[key])
	}
	return r, unknown
}

// explorer goes through all paths, one after the other.
type explorer struct {
	program    *Program
	seen       map[[32]byte]bool
	failures   map[string]explore.Failure
	unknown    map[string]UnknownEnd
	paths      int
	work       int
	exhaustive bool
}

// trial is a run on a path. Copies go their own way.
type trial struct {
	x        *explorer
	g        *txn.Global
	now      txn.Millis
	asked    []txn.Command
	answers  map[string]int
	timeline []explore.Event
}

// question is the oracle of one event: what it does not know yet, it notes.
type question struct {
	answers map[string]int
	what    string
	ways    int
}

// Choose implements [Oracle].
func (q *question) Choose(what string, n int) int {
	if took, known := q.answers[what]; known {
		return took
	}
	if q.what == "" {
		q.what, q.ways = what, n
	}
	return 0
}

// asOne is the planners of one definition.
type asOne struct{ p *Program }

// Planner implements [txn.Planners].
func (o *asOne) Planner(*txn.SagaRun) txn.Planner { return o.p }

// happen lets an event happen, in each way that depends on a choice of the machine, and goes on from there.
func (x *explorer) happen(w *trial, ev txn.Event) {
	if len(w.answers) > choicesMax || x.work > workMax {
		x.exhaustive = false
		return
	}
	q := &question{answers: w.answers}
	rules := txn.DefaultRules()
	rules.Planners = &asOne{x.program.Abstract(q)}
	eff, err := rules.Apply(w.g, ev, w.now)
	for err == nil && eff.Next != nil && eff.Decided && !eff.Ended {
		more, failed := rules.Apply(eff.Next, txn.Wake{}, w.now)
		if err = failed; err != nil || more.Next == nil {
			break
		}
		more.Commands = append(eff.Commands, more.Commands...)
		eff = more
	}
	if q.what != "" {
		for took := range q.ways {
			c := *w
			c.answers = maps.Clone(w.answers)
			c.answers[q.what] = took
			c.tell("", "%s: %s", q.what, x.way(q.what, took, q.ways))
			x.happen(&c, ev)
		}
		return
	}
	c := *w
	if err == nil && eff.Next != nil {
		c.g = eff.Next
		c.asked = append(slices.Clip(w.asked), eff.Commands...)
	}
	x.goOn(&c)
}

// way describes what was chosen.
func (x *explorer) way(what string, took, ways int) string {
	if strings.HasPrefix(what, "items of ") {
		return fmt.Sprint((took + 1) % ways)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(what, "choice of "), "(")
	if s := x.program.machine.State(name); s != nil && took < len(s.Choices) {
		return "to " + s.Choices[took].Next.Name
	} else if s != nil {
		return "to " + s.Default.Name
	}
	return fmt.Sprintf("the %d. of %d ways", took+1, ways)
}

// tell adds to the timeline, which other paths share up to here.
func (w *trial) tell(step, format string, args ...any) {
	w.timeline = append(slices.Clip(w.timeline), explore.Event{Step: step, Text: fmt.Sprintf(format, args...)})
}

// goOn lets happen what can happen next.
func (x *explorer) goOn(w *trial) {
	key := w.key()
	switch {
	case x.seen[key]:
		return
	case len(x.seen) >= statesMax, x.work > workMax, len(w.timeline) > eventsMax, len(x.failures) >= failuresMax:
		x.exhaustive = false
		return
	}
	x.seen[key] = true
	x.work += len(w.g.Branches)
	switch {
	case w.g.Status.Ended() || w.g.Stuck == txn.StuckRefused:
		x.paths++
		x.judge(w)
	case len(w.asked) > 0:
		x.answer(w)
	case len(w.g.Branches) == 0: // it has not begun
		x.happen(w, txn.Wake{})
	case w.g.DueAt == 0 || w.g.DueAt >= w.g.Deadline():
		x.paths++
		x.fail(w, "", "it stands still, and nothing will ever happen")
	default:
		w.now = max(w.now+1, w.g.DueAt)
		x.happen(w, txn.Wake{})
	}
}

// answer has the service that was asked first answer in each way.
func (x *explorer) answer(w *trial) {
	cmd := w.asked[0]
	w.asked = w.asked[1:]
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone, Code: 200}
	f, _, err := x.program.Abstract(&question{answers: w.answers}).look(w.g, w.now)
	at := (*place)(nil)
	if err == nil {
		at = f.places[cmd.Step]
	}
	if cmd.Op != txn.Forward || at == nil {
		c := *w
		c.tell(cmd.Step, "compensated")
		r.Answer = `"SU"`
		x.happen(&c, r)
		return
	}
	if strings.Contains(cmd.Step, "(4)") {
		x.exhaustive = false // a cycle that was followed thrice
		return
	}
	// What fails comes first: it ends soon, so that a limit cuts off the far end of a long machine.
	for _, class := range throws(at.in.state) {
		c := *w
		c.tell(cmd.Step, "throws %s", class)
		r.Answer = keep(&thrown{Exception: class})
		x.happen(&c, r)
	}
	for _, status := range returns(at.in.state) {
		c := *w
		c.tell(cmd.Step, "returns, and is %s", status)
		r.Answer = `"` + status + `"`
		x.happen(&c, r)
	}
}

// judge looks at an end.
func (x *explorer) judge(w *trial) {
	if w.g.Stuck != txn.StuckRefused {
		return
	}
	for _, b := range w.g.Branches {
		if b.State == txn.Refused {
			x.fail(w, b.Step.Name, b.Failure)
			return
		}
	}
	f, _, err := x.program.Abstract(&question{answers: w.answers}).look(w.g, w.now)
	if err != nil || f.statuses.Forward != statelang.Unknown {
		x.fail(w, "", w.g.Saga.Failure)
		return
	}
	end := UnknownEnd{Text: w.g.Saga.Failure, Timeline: w.timeline}
	if f.broke != nil && f.broke.by != nil {
		name, _ := f.broke.by.StateName()
		end.State = name
	}
	if old, known := x.unknown[end.State]; !known || len(old.Timeline) > len(end.Timeline) {
		x.unknown[end.State] = end
	}
}

// fail notes a path that ends badly, unless a shorter one ends so.
func (x *explorer) fail(w *trial, step, text string) {
	key := step + "\x00" + text
	if old, known := x.failures[key]; !known || len(old.Timeline) > len(w.timeline) {
		x.failures[key] = explore.Failure{Step: step, Text: text, Timeline: w.timeline}
	}
}

// key is all that the future depends on.
func (w *trial) key() [32]byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d|", w.g.Status, w.g.Stuck)
	for _, br := range w.g.Branches {
		s := br.Step
		fmt.Fprintf(&b, "%q %d %d %t %q %t|", s.Name, br.State, s.Seq, s.GaveUp, s.Answer, br.InFlightUntil > 0)
	}
	for _, c := range w.asked {
		fmt.Fprintf(&b, "%q %d|", c.Step, c.Op)
	}
	for _, what := range sortedKeys(w.answers) {
		fmt.Fprintf(&b, "%q=%d|", what, w.answers[what])
	}
	return sha256.Sum256([]byte(b.String()))
}
