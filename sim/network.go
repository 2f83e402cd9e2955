package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// call is one request of a client.
type call struct {
	w       *World
	op      check.Op
	session int
	id      int64
	second  bool // asked of another node
	// ask hands the request to a coordinator, whose answer goes to reply.
	ask func(n *node, c *orchestrator.Coordinator, reply func(check.Answer))
	// recv gets the answer, once; with a zero class if none came in time.
	recv     func(check.Answer)
	received bool
}

// rpcTimeout is how long clients wait for an answer.
const rpcTimeout = 12 * time.Second

// send sends a request over the network; it may be lost, doubled if repeating it is harmless, or meet no coordinator.
func (k *call) send(repeatable bool) {
	w := k.w
	w.after(rpcTimeout, func() { k.receive(check.Answer{}) })
	if w.trouble(w.plan.loss) {
		w.note("request lost", k.id, int64(k.session), k.op.String())
	} else {
		w.after(w.about(w.plan.delay), k.arrive)
	}
	if repeatable && w.trouble(w.plan.dup) {
		w.after(w.about(w.plan.delay)*2, k.arrive)
	}
}

// arrive hands the request to the coordinator.
func (k *call) arrive() {
	n := k.w.nodeFor(k.session)
	if !n.accepts() {
		k.w.moveOn(k.session)
		k.w.after(k.w.about(k.w.plan.delay), func() { k.receive(check.Answer{}) }) // connection refused
		return
	}
	n.run(func() { k.taken(n) })
}

// taken has the coordinator handle the request.
func (k *call) taken(n *node) {
	w := k.w
	session := n.session()
	n.boundary("before a request is taken")
	if n.dead {
		return
	}
	asked := w.note("request", k.id, int64(k.session), k.op.String())
	at := w.now
	w.calls++
	number := w.calls
	n.expected[number] = fmt.Sprintf("%s of %d, asked at %d", k.op, k.id, asked)
	c := n.c
	if k.second {
		c = n.other()
	}
	k.ask(n, c, func(a check.Answer) {
		n.boundary("before an answer")
		if n.dead {
			return
		}
		if _, waits := n.expected[number]; !waits {
			panic("sim: a request was answered twice")
		}
		delete(n.expected, number)
		a.Asked, a.Epoch, a.Session, a.Op, a.Second = asked, n.epoch, k.session, k.op, k.second
		a.At, a.Waited = w.now, w.now-at
		if a.ID == 0 {
			a.ID = k.id
		}
		if st := n.store.all[a.ID]; st != nil {
			a.Durable = st.durable
		}
		a.Seq = w.note("answer to "+k.op.String(), a.ID, a.Branch, a.Class.String()+" "+a.Status.String())
		w.logs.Answers = append(w.logs.Answers, a)
		n.boundary("after an answer")
		if !w.trouble(w.plan.loss) && session.open() {
			w.after(w.about(w.plan.delay), func() {
				if session.open() {
					k.receive(a)
				}
			})
		}
	})
	session.onClose(func() { k.receive(check.Answer{}) })
}

func (k *call) receive(a check.Answer) {
	if !k.received {
		k.received = true
		if a.Class == 0 && k.w.cluster != nil && k.w.chance(0.5) {
			k.w.moveOn(k.session)
		}
		k.recv(a)
	}
}

// other returns the second node, which shares the store with the first.
func (n *node) other() *orchestrator.Coordinator {
	if n.second == nil {
		n.second = n.coordinator("tc:8092")
		n.w.logs.End.SecondNode = true
	}
	return n.second
}

// answered describes the end of a request.
func answered(g *txn.Global, err error) check.Answer {
	a := check.Answer{Class: check.OK}
	var locked *orchestrator.LockedError
	var illegal *txn.IllegalEventError
	switch {
	case err == nil:
	case errors.As(err, &illegal):
		a.Class, a.Status, a.Cause = check.Illegal, illegal.Status, illegal.Cause
	case errors.As(err, &locked):
		a.Class, a.Row, a.Holder = check.Locked, locked.Row, locked.Holder.ID
		return a
	case errors.Is(err, orchestrator.ErrNotFound):
		a.Class = check.NotFound
	case errors.Is(err, orchestrator.ErrPlanChanged):
		a.Class = check.Illegal
	case errors.Is(err, orchestrator.ErrBusy), errors.Is(err, orchestrator.ErrReadOnly),
		errors.Is(err, orchestrator.ErrUnavailable), errors.Is(err, orchestrator.ErrNotMember):
		a.Class = check.Busy
		return a
	default:
		a.Class = check.Unknown
		return a
	}
	if g != nil {
		a.ID, a.Status, a.Cause, a.Stuck, a.Version = g.XID.ID, g.Status, g.Cause, g.Stuck, g.Version
	}
	return a
}

// decide asks for an outcome.
func (w *World) decide(session int, req orchestrator.DecideRequest, second bool, recv func(check.Answer)) {
	op := check.OpCommit
	if req.Outcome == txn.Rollback {
		op = check.OpRollback
	}
	k := &call{w: w, op: op, session: session, id: req.ID, second: second, recv: recv}
	k.ask = func(_ *node, c *orchestrator.Coordinator, reply func(check.Answer)) {
		c.Decide(req, func(g *txn.Global, err error) { reply(answered(g, err)) })
	}
	k.send(true)
}

// look asks for the state.
func (w *World) look(session int, id int64, recv func(check.Answer)) {
	k := &call{w: w, op: check.OpGet, session: session, id: id, recv: recv}
	k.ask = func(_ *node, c *orchestrator.Coordinator, reply func(check.Answer)) {
		c.Get(id, func(g *txn.Global, err error) { reply(answered(g, err)) })
	}
	k.send(true)
}

// register asks for a branch, as often as its key allows.
func (w *World) register(session int, req orchestrator.RegisterRequest, recv func(check.Answer)) {
	if req.Key != "" {
		w.registerKeyed(session, req, 0, recv)
		return
	}
	w.registerOnce(session, req, recv)
}

// registerOnce asks for a branch.
func (w *World) registerOnce(session int, req orchestrator.RegisterRequest, recv func(check.Answer)) {
	k := &call{w: w, op: check.OpRegister, session: session, id: req.ID, recv: recv}
	k.ask = func(_ *node, c *orchestrator.Coordinator, reply func(check.Answer)) {
		c.Register(req, func(branch int64, err error) {
			a := answered(nil, err)
			a.Branch, a.Rows, a.Key = branch, txn.LockCount(req.LockKey), req.Key
			reply(a)
		})
	}
	k.send(req.Key != "")
}

// report tells the state of phase one. Nobody waits for the answer.
func (w *World) report(session int, req orchestrator.ReportRequest) {
	k := &call{w: w, op: check.OpReport, session: session, id: req.ID, recv: func(check.Answer) {}}
	k.ask = func(_ *node, c *orchestrator.Coordinator, reply func(check.Answer)) {
		c.Report(req, func(err error) { reply(answered(nil, err)) })
	}
	k.send(true)
}
