package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore/random"
	planner "github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/sim/check"
)

// Sagas that the coordinator runs itself: definitions, those who start runs, and the people that they wait for.

// shelf has the definitions of a world. Nodes read them when they need them.
type shelf struct {
	sagas []offer
	// of has the planner of each, by name, as it is without defects.
	of map[string]*planner.Program
}

type offer struct {
	name     string
	deadline time.Duration
	patient  bool
}

// compose composes the definitions of the world.
func (w *World) compose(r *rand.Rand) {
	w.shelf.of = make(map[string]*planner.Program)
	for i := range 1 + r.IntN(4) {
		s := random.New(r, fmt.Sprintf("saga-%d", i))
		all := make(map[string]*definition.Definition)
		def := parseSaga(s, all)
		program, err := planner.Compile(def, func(name string, _ int) (*definition.Definition, error) {
			return all[name], nil
		})
		if err != nil {
			panic("sim: " + err.Error())
		}
		w.shelf.of[s.Name] = program
		one := offer{name: s.Name, deadline: def.Deadline, patient: def.OnDeadline == definition.DeadlineForward}
		if one.deadline == 0 {
			one.deadline = 24 * time.Hour
		}
		w.shelf.sagas = append(w.shelf.sagas, one)
		for line := range lines(s) {
			w.note("definition", 0, int64(i), line)
		}
	}
}

// lines goes through the texts of a definition and its parts.
func lines(s random.Saga) func(func(string) bool) {
	return func(yield func(string) bool) {
		yield(s.Text)
		for _, sub := range s.Subs {
			yield(sub.Text)
		}
	}
}

func parseSaga(s random.Saga, all map[string]*definition.Definition) *definition.Definition {
	for _, sub := range s.Subs {
		parseSaga(sub, all)
	}
	def, findings := definition.Parse([]byte(s.Text))
	if definition.Broken(findings) {
		panic(fmt.Sprintf("sim: %+v in\n%s", findings, s.Text))
	}
	all[s.Name] = def
	return def
}

// library implements [orchestrator.Sagas] for one life of a node: what it has not read yet it does not know.
type library struct {
	n    *node
	read map[edition]bool
}

// edition is a version of a definition. All that are published of one say the same.
type edition struct {
	name    string
	version uint32
}

func editionOf(run *txn.SagaRun) edition { return edition{run.Definition, run.Version} }

// sagas returns what a coordinator of the node has read of the definitions: nothing.
func (n *node) sagas() orchestrator.Sagas {
	if len(n.w.shelf.sagas) == 0 {
		return nil
	}
	return &library{n: n, read: make(map[edition]bool)}
}

// Planner implements [txn.Planners].
func (l *library) Planner(run *txn.SagaRun) txn.Planner {
	if !l.read[editionOf(run)] {
		return nil
	}
	program := l.n.w.shelf.of[run.Definition]
	if l.n.w.mutation.plans() {
		return &spoiled{Program: program, w: l.n.w, n: l.n}
	}
	return program
}

// Load implements [orchestrator.Sagas].
func (l *library) Load(run *txn.SagaRun, done func(error)) {
	n, w := l.n, l.n.w
	switch {
	case l.read[editionOf(run)]:
		done(nil)
		return
	case w.shelf.of[run.Definition] == nil:
		done(orchestrator.ErrNoDocument)
		return
	}
	one := editionOf(run)
	n.after(w.about(time.Millisecond), func() {
		if w.trouble(w.plan.storeFault) {
			w.note("definition was not read", 0, int64(n.epoch), run.Definition)
			done(errUnread)
			return
		}
		l.read[one] = true
		done(nil)
	})
}

var errUnread = errors.New("the definition was not read")

// startRun starts a run: once, or with a number that was reserved, and then perhaps again and at several nodes.
func (c *client) startRun() {
	w := c.w
	def := w.shelf.sagas[w.rng.IntN(len(w.shelf.sagas))]
	c.startAs(orchestrator.SagaRequest{
		BeginRequest: orchestrator.BeginRequest{
			Application: sagaApp, Group: sagaGroup, Name: def.name, Timeout: def.deadline, Data: random.Input(w.rng),
		},
		Run: txn.SagaRun{Definition: def.name, Version: 1},
	}, w.chance(0.5), 0)
}

func (c *client) startAs(req orchestrator.SagaRequest, reserved bool, tries int) {
	w := c.w
	k := &call{w: w, op: check.OpBegin, session: c.session, id: req.ID}
	k.ask = func(_ *node, co *orchestrator.Coordinator, reply func(check.Answer)) {
		if reserved && req.ID == 0 {
			id, err := co.ReserveID()
			if err != nil {
				reply(answered(nil, err))
				return
			}
			req.ID = id
		}
		co.StartSaga(req, func(g *txn.Global, err error) { reply(answered(g, err)) })
	}
	k.recv = func(a check.Answer) {
		switch {
		case a.Class == check.OK:
			w.known = append(w.known, a.ID)
			w.isSaga[a.ID] = true
			c.id = a.ID
			c.lookAgain(w.rng.IntN(3))
		case req.ID != 0 && tries < keyRetries:
			w.moveOn(c.session)
			w.after(w.about(100*time.Millisecond), func() { c.startAs(req, reserved, tries+1) })
		default:
			c.end()
		}
	}
	k.send(reserved)
}

// attend has people answer the runs that wait for them: by and by as long as there is trouble, and everything after it.
func (w *World) attend() {
	switch since := w.now - w.healedAt; {
	case !w.healed || since < 2*operatorPatience:
		w.after(w.upTo(3*time.Second), w.attend)
	case since < 2*operatorPatience+2*time.Hour && w.logs.End.ClockJumped:
		w.after(time.Minute, w.attend)
	default:
		return
	}
	n := w.nodes[0]
	if n.dead {
		return
	}
	for _, id := range n.store.live {
		g := n.store.global(id)
		if g.Saga == nil || g.Status != txn.Active || !w.healed && w.chance(0.7) {
			continue
		}
		for _, b := range g.Branches {
			if b.Kind == txn.StepSignal && b.State == txn.Registered && b.Step.Seq == 0 {
				w.signal(id, b)
			}
		}
	}
}

// signal gives a run what a step of it waits for, sometimes twice, or says no.
func (w *World) signal(id int64, b *txn.Branch) {
	ev := txn.Signal{Step: b.Step.Name, Data: fmt.Sprintf(`{"v":%d}`, w.rng.IntN(5)), Actor: "somebody"}
	if !b.Approval() {
		ev.Name = b.Resource
	}
	ev.Refuse = w.trouble(0.2)
	k := &call{w: w, op: check.OpSignal, session: operatorSession, id: id, recv: func(check.Answer) {}}
	k.ask = func(_ *node, co *orchestrator.Coordinator, reply func(check.Answer)) {
		co.Signal(id, ev, func(g *txn.Global, err error) { reply(answered(g, err)) })
	}
	k.send(true)
}

// operateRun has an operator do something to a run that has not ended: cancel it, have it tried again, or have a step
// count as done.
func (w *World) operateRun() {
	n := w.nodes[0]
	if n.dead || len(n.store.live) == 0 {
		return
	}
	id := n.store.live[w.rng.IntN(len(n.store.live))]
	g := n.store.global(id)
	if g.Saga == nil {
		return
	}
	op := operation{id: id, second: w.plan.secondNode && w.chance(0.5)}
	switch w.rng.IntN(5) {
	case 4:
		w.move(id, 1+uint32(w.rng.IntN(3)))
		return
	case 0:
		op.Action = txn.ActionRetry
		if len(g.Branches) > 0 && w.chance(0.5) {
			op.BranchID = g.Branches[w.rng.IntN(len(g.Branches))].ID
		}
	case 1, 2:
		if len(g.Branches) == 0 || g.Status != txn.Active {
			return
		}
		op.Action, op.BranchID = txn.ActionSkip, g.Branches[w.rng.IntN(len(g.Branches))].ID
	default:
		op.Action = txn.ActionRollback
	}
	w.consider(op)
}

// move has a run go on by another version of its definition.
func (w *World) move(id int64, version uint32) {
	k := &call{w: w, op: check.OpMove, session: operatorSession, id: id, recv: func(check.Answer) {}}
	k.ask = func(_ *node, co *orchestrator.Coordinator, reply func(check.Answer)) {
		co.MoveSaga(id, version, func(*txn.Global, txn.Millis) (txn.Move, error) {
			return txn.Move{Version: version, Actor: "operator"}, nil
		}, func(g *txn.Global, err error) { reply(answered(g, err)) })
	}
	k.send(true)
}

// replan asks the planner again about a state of a saga that was stored: it has said what follows, and stays with that,
// whenever it is asked, by what the record says alone.
func (w *World) replan(g *txn.Global, seq check.Seq) {
	if g.Saga == nil || g.Status != txn.Active || g.Stuck != 0 || g.Version < 2 || w.shelf.of[g.Saga.Definition] == nil {
		return
	}
	if len(g.Branches) == 0 {
		return // it has begun and nothing more
	}
	program := w.plannerOf(g.Saga)
	for _, later := range []time.Duration{0, time.Minute} {
		now := g.BeganAt.Add(later)
		next := program.Next(g, now)
		if len(next.Start) > 0 || next.Decide != 0 && !g.Expired(now) {
			text := "it would decide: " + next.Decide.String() + ", " + next.Text
			if len(next.Start) > 0 {
				text = "it would begin " + next.Start[0].Name
			}
			w.logs.Replans = append(w.logs.Replans, check.Replan{Seq: seq, ID: g.XID.ID, Text: text})
			return
		}
	}
}

// plannerOf returns the planner that the nodes use.
func (w *World) plannerOf(run *txn.SagaRun) txn.Planner {
	l := library{n: w.nodes[0], read: map[edition]bool{editionOf(run): true}}
	return l.Planner(run)
}

// outputs notes what follows from the final records of sagas.
func (w *World) outputs(e *check.End) {
	e.Outputs, e.Patient = make(map[int64]string), make(map[int64]bool)
	for _, g := range e.Records {
		if g.Saga == nil {
			continue
		}
		for _, s := range w.shelf.sagas {
			e.Patient[g.XID.ID] = e.Patient[g.XID.ID] || s.name == g.Saga.Definition && s.patient
		}
		if g.Status.Outcome() != txn.Commit {
			continue
		}
		before := *g
		before.Status = txn.Active
		before.Branches = nil
		for _, b := range g.Branches {
			nb := *b
			if nb.State == txn.Finished && nb.Step != nil && nb.Step.Seq > 0 {
				nb.State = txn.PhaseOneDone // as it was before the decision
			}
			before.Branches = append(before.Branches, &nb)
		}
		next := w.shelf.of[g.Saga.Definition].Next(&before, g.BeganAt)
		e.Outputs[g.XID.ID] = next.Text
		if next.Decide != txn.Commit {
			e.Outputs[g.XID.ID] = "no commit, but " + next.Decide.String() + " " + next.Text
		}
	}
}
