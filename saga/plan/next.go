package plan

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
)

// state is where a step stands.
type state uint8

const (
	pending state = iota
	running
	done
	refused // for good; what follows says OnRefused
	skipped
)

// seen is what is known of a step.
type seen struct {
	state  state
	why    string // of refused
	output any
	chosen string // the case of a choice
}

// walk is one look at a saga, or at a sub-saga of it.
type walk struct {
	*Program
	run     *txn.SagaRun
	g       *txn.Global
	now     txn.Millis
	prefix  string
	input   any
	memo    *memo
	saga    map[string]any // as expressions see it; nil: not made yet
	seen    []seen
	steps   map[string]any // as expressions see them
	at      *step          // whose expressions look, nil: those of the saga
	start   []txn.NewStep
	later   int    // branches of items whose turn has not come
	waiting bool   // something is under way, or was just begun
	failure string // why the saga cannot go on, "" if it can
	trace   *Trace // nil: nobody asks
}

// Next implements [txn.Planner].
func (p *Program) Next(g *txn.Global, now txn.Millis) txn.Next {
	if g.Expired(now) && p.def.OnDeadline != definition.DeadlineForward && !g.Pivoted() {
		return txn.Next{Decide: txn.Rollback, Text: "the deadline has passed", Timeout: true}
	}
	var next txn.Next
	kept := p.remember(g, func(m *memo) {
		w, err := p.begin(m, g, now)
		if err != nil {
			next = txn.Next{Decide: txn.Rollback, Text: err.Error()}
			return
		}
		next = w.next()
		p.give(w)
	})
	next.Memo = kept
	return next
}

// next is what follows from a whole saga.
func (w *walk) next() txn.Next {
	output := w.all()
	switch {
	case w.failure != "":
		return txn.Next{Decide: txn.Rollback, Text: w.failure}
	case w.waiting:
		return txn.Next{Start: w.start, Later: w.later}
	}
	text, err := encode(output)
	if err == nil {
		err = fits("output", len(text), limits.PayloadBytesMax)
	} else {
		err = fmt.Errorf("output: %w", err)
	}
	if err != nil {
		w.trace.breaks(w, nil, err.Error())
		return txn.Next{Decide: txn.Rollback, Text: err.Error()}
	}
	return txn.Next{Decide: txn.Commit, Text: text}
}

// all looks at every step, begins what can be begun, and returns the output if all have ended.
func (w *walk) all() any {
	if n := len(w.def.Steps); cap(w.seen) >= n {
		w.seen = w.seen[:n]
		clear(w.seen)
	} else {
		w.seen = make([]seen, n)
	}
	w.steps = map[string]any{}
	for _, i := range w.order {
		if w.stopped() {
			return nil
		}
		s := w.Program.steps[i]
		w.at = s
		w.seen[i] = w.look(i, s)
		if s.read && w.oracle == nil { // else no expression looks
			w.show(s, w.seen[i])
		}
		w.trace.choose(w.prefix+s.ID, w.seen[i].chosen)
		switch w.seen[i].state {
		case refused:
			if !s.fails() {
				break
			}
			w.trace.breaks(w, s, w.seen[i].why)
			if w.failure == "" {
				w.failure = "step " + w.prefix + s.ID + ": " + w.seen[i].why
			}
		case pending, running:
			w.waiting = true
		}
	}
	if w.at = nil; w.waiting || w.failure != "" || w.output == nil || w.oracle != nil {
		return nil
	}
	output, err := w.output.Eval(w.variables(nil))
	if err != nil {
		w.failure = w.prefix + "output: " + err.Error()
		w.trace.breaks(w, nil, w.failure)
	}
	return output
}

// fails reports whether the saga cannot go on when the step is refused. So it is with each sub-saga: what it has done
// already can only be undone together with the rest.
func (s *step) fails() bool {
	on := s.OnRefused.Action
	return s.sub != nil || on != definition.RefusedContinue && on != definition.RefusedCatch
}

// Without implements [txn.Planner].
func (p *Program) Without(b *txn.Branch) bool {
	s := p.stepOf(b.Step.Name)
	return s != nil && !s.fails()
}

// show makes a step visible to the expressions of those behind it.
func (w *walk) show(s *step, at seen) {
	names := [...]string{pending: "pending", running: "running", done: "done", refused: "refused", skipped: "skipped"}
	v := map[string]any{"status": names[at.state], "output": at.output}
	if at.chosen != "" {
		v["case"] = at.chosen
	}
	if at.why != "" {
		v["error"] = at.why
	}
	w.steps[s.ID] = v
}

// look finds out where a step stands, and begins it if it is its turn.
func (w *walk) look(i int, s *step) seen {
	switch ended, taken := w.predecessors(i); {
	case !ended:
		return seen{state: pending}
	case !taken:
		return seen{state: skipped}
	}
	if s.when != nil {
		ok, err := w.holds("condition of "+w.prefix+s.ID, s.when, func() map[string]any { return w.variables(nil) })
		if err != nil {
			return seen{state: refused, why: err.Error()}
		}
		if !ok {
			return seen{state: skipped}
		}
	}
	if s.ForEach != nil {
		return w.loop(s)
	}
	return w.one(s, w.prefix+s.ID, nil)
}

// predecessors reports whether all predecessors of a step have ended, and whether one of them leads here.
func (w *walk) predecessors(i int) (ended, taken bool) {
	if len(w.edges[i]) == 0 {
		return true, true
	}
	for _, e := range w.edges[i] {
		j := w.index[e.Step]
		at, from := w.seen[j], w.Program.steps[j]
		switch at.state {
		case pending, running:
			return false, false
		case done:
			taken = taken || !e.Refused && (e.Case == "" || e.Case == at.chosen)
		case refused:
			taken = taken || from.OnRefused.Action == definition.RefusedContinue && !e.Refused && e.Case == "" ||
				from.OnRefused.Action == definition.RefusedCatch && e.Refused
		}
	}
	return true, taken
}

// loop looks at a step that runs once for each item of a list.
func (w *walk) loop(s *step) seen {
	items, err := w.list(s)
	if err != nil {
		return seen{state: refused, why: err.Error()}
	}
	most, parallel := s.ForEach.Max, s.ForEach.Parallel
	if most == 0 {
		most = limits.LoopItemsMax
	}
	if parallel == 0 {
		parallel = definition.ParallelDefault
	}
	if len(items) > most {
		return seen{state: refused, why: fmt.Sprintf("the list has %d items; %d are the most", len(items), most)}
	}
	as, index := loopNames(s.ForEach)
	outputs, under, why := w.pastItems(s), 0, ""
	past := len(outputs)
	first := past // of those that are not known to be done without a gap
	for n := past; n < len(items); n++ {
		if w.stopped() {
			break
		}
		item, name := items[n], itemName(w.prefix+s.ID, n)
		if under >= parallel || why != "" && w.branch(name) == nil {
			if why == "" {
				w.later += (len(items) - n) * s.branches()
			}
			break // nothing is begun after a refusal, but what is under way ends first
		}
		switch at := w.one(s, name, map[string]any{as: item, index: n}); at.state {
		case refused:
			if why == "" {
				why = "item " + strconv.Itoa(n) + ": " + at.why
			}
		case done:
			if outputs = append(outputs, at.output); first == n {
				first++
			}
		default:
			under++
		}
	}
	w.pass(s, outputs[:min(first, len(outputs)):min(first, len(outputs))], past)
	switch {
	case why != "" && (under == 0 || s.fails()):
		return seen{state: refused, why: why}
	case under > 0:
		return seen{state: running}
	}
	return seen{state: done, output: outputs}
}

// itemName is that of an item of a loop.
func itemName(loop string, n int) string { return loop + "[" + strconv.Itoa(n) + "]" }

// branches is how many branches a step, or an item of it, is sure to become: of a sub-saga those of the steps that it
// begins with.
func (s *step) branches() int {
	if s.sub == nil {
		return 1
	}
	n := 0
	for i, inner := range s.sub.steps {
		if len(s.sub.edges[i]) == 0 && inner.when == nil && inner.ForEach == nil {
			n += inner.branches()
		}
	}
	return n
}

// one looks at a step, or at one item of it, and begins it if it has not begun.
func (w *walk) one(s *step, name string, item map[string]any) seen {
	switch s.Kind {
	case definition.KindChoice:
		return w.choose(s, item)
	case definition.KindSubSaga:
		return w.child(s, name, item)
	}
	b := w.branch(name)
	if b == nil {
		return w.launch(s, name, item, 0)
	}
	w.trace.reach(b)
	turn := 1
	for s.Repeat != nil {
		next := w.branch(name + "#" + strconv.Itoa(turn+1))
		if next == nil {
			break
		}
		b, turn = next, turn+1
		w.trace.reach(b)
	}
	switch {
	case b.State == txn.PhaseOneFailed || b.Step.GaveUp:
		return seen{state: refused, why: b.Failure}
	case b.Step.Seq == 0:
		return seen{state: running}
	}
	if output, known := w.memo.ends[b.Step]; known && w.keeps() {
		return seen{state: done, output: output}
	}
	if !s.read && s.until == nil && s.output == nil {
		return seen{state: done}
	}
	answer := w.answer(b, turn)
	if s.until != nil {
		what := "end of " + name + " at turn " + strconv.Itoa(turn)
		enough, err := w.holds(what, s.until, func() map[string]any { return w.variables(item, answer) })
		switch {
		case err != nil:
			return seen{state: refused, why: err.Error()}
		case enough || w.oracle != nil && turn >= abstractTurns && s.Repeat.Max != turn:
		case s.Repeat.Max > 0 && turn >= s.Repeat.Max:
			return seen{state: refused, why: fmt.Sprintf("not so after %d turns", turn)}
		default:
			return w.launch(s, name+"#"+strconv.Itoa(turn+1), item, s.Repeat.Every)
		}
	}
	output := answer["body"]
	if s.output != nil && w.oracle == nil {
		var err error
		if output, err = s.output.Eval(w.variables(item, answer)); err != nil {
			return seen{state: refused, why: "output: " + err.Error()}
		}
	}
	w.keep(b, output)
	return seen{state: done, output: output}
}

// choose takes a case.
func (w *walk) choose(s *step, item map[string]any) seen {
	if w.oracle != nil {
		n := w.oracle.Choose("case of "+w.prefix+s.ID, len(s.cases)+1)
		if n < len(s.cases) {
			return seen{state: done, chosen: s.Choice.Cases[n].Name}
		}
		return s.otherwise()
	}
	for i, c := range s.cases {
		ok, err := c.Bool(w.variables(item))
		if err != nil {
			return seen{state: refused, why: "case " + s.Choice.Cases[i].Name + ": " + err.Error()}
		}
		if ok {
			return seen{state: done, chosen: s.Choice.Cases[i].Name}
		}
	}
	return s.otherwise()
}

// otherwise is the case of a choice when no condition holds.
func (s *step) otherwise() seen {
	if s.Choice.Else == "" {
		return seen{state: refused, why: "no case fits"}
	}
	return seen{state: done, chosen: s.Choice.Else}
}

// answer is what the participant of a branch has answered, as expressions see it.
func (w *walk) answer(b *txn.Branch, turn int) map[string]any {
	return map[string]any{
		"status": int(b.Step.Code), "headers": headers(b.Step.Headers), "body": body(b.Step.Answer), "attempt": turn,
	}
}

// body reads an answer: JSON, or else text.
func body(answer string) any {
	if answer == "" {
		return nil
	}
	if v, err := expressions.Decode([]byte(answer)); err == nil {
		return v
	}
	return answer
}

// variables are what an expression sees.
func (w *walk) variables(more ...map[string]any) map[string]any {
	if w.readsSaga && w.saga == nil {
		w.saga = map[string]any{
			"id": w.g.XID.String(), "name": w.run.Definition, "key": w.run.Key,
			"startedAt": w.g.BeganAt.Time().Format(time.RFC3339Nano),
		}
	}
	steps := w.steps
	if w.at != nil && w.at.before != nil {
		steps = maps.Clone(steps)
		maps.DeleteFunc(steps, func(id string, _ any) bool { return !w.at.before[id] })
	}
	v := map[string]any{"input": w.input, "steps": steps, "saga": w.saga}
	for _, m := range more {
		for name, value := range m {
			v[name] = value
		}
	}
	return v
}

// launch begins a step.
func (w *walk) launch(s *step, name string, item map[string]any, wait time.Duration) seen {
	var n txn.NewStep
	var err error
	if w.oracle != nil {
		n = w.abstractStep(s)
	} else if n, err = w.newStep(s, item); err != nil {
		return seen{state: refused, why: err.Error()}
	}
	n.Name = name
	if wait > 0 {
		n.At = w.now.Add(wait)
	}
	w.start = append(w.start, n)
	return seen{state: running}
}

// newStep makes what a step is begun with.
func (w *walk) newStep(s *step, item map[string]any) (n txn.NewStep, err error) {
	v := w.variables(item)
	n.Undo, n.Pivot = s.undo != nil, s.Pivot
	switch s.Kind {
	case definition.KindCall:
		n.Kind = txn.StepCall
		n.Data, n.Call, err = s.forward.call(v, s.Timeout, s.Retry)
	case definition.KindMessage, definition.KindWorker:
		if n.Kind = txn.StepMessage; s.Kind == definition.KindWorker {
			n.Kind = txn.StepWorker
		}
		n.Resource = s.forward.name
		n.Data, n.Call, err = s.forward.send(v, s.Timeout, s.Retry)
	case definition.KindTimer:
		n.Kind = txn.StepTimer
		n.Until, err = w.until(s, v)
	case definition.KindSignal:
		n.Kind, n.Resource = txn.StepSignal, s.Signal.Name
		n.Until = w.within(s.Timeout)
	case definition.KindApproval:
		n.Kind, n.Resource = txn.StepSignal, s.ID
		n.Until = w.within(s.Timeout)
		n.Data, err = w.question(s, v)
	}
	return n, err
}

// encode writes a value as JSON, "" if it is nothing.
func encode(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := expressions.Encode(v)
	return string(text), err
}
