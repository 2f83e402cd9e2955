package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// decisionLog delivers what the outbox holds to the living coordinator: late, in any order, sometimes twice, and again
// after a crash from where the consumer's durable offset stands.
type decisionLog struct {
	w *World
}

// nodeLog implements [orchestrator.DecisionLog] for one incarnation.
type nodeLog struct{ n *node }

// Record implements [orchestrator.DecisionLog]: the outbox entry is written with the decision.
func (l nodeLog) Record(ch *orchestrator.Change, done func(error)) {
	g := ch.Global
	outcome := g.Status.Outcome()
	ch.Topic = "concord-" + outcome.String()
	ch.Event = fmt.Appendf(nil, "%s %s %s %d", g.XID, outcome, g.Cause, g.DecidedAt)
	l.n.store.Apply(ch, done)
}

// Consume implements [orchestrator.DecisionLog]. The simulation delivers by events instead.
func (l nodeLog) Consume(ctx context.Context, _ func(context.Context, int64) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// visible takes an entry that is durable now.
func (l *decisionLog) visible(n *node, at int) {
	w := l.w
	e := w.disk.outbox[at]
	w.publish(e.id, e.outcome, e.event)
	if w.mutation == TwoDecisions && w.chance(0.2) {
		w.publish(e.id, txn.Commit+txn.Rollback-e.outcome, e.event+" changed")
	}
	if !n.dead {
		l.deliver(n, at)
	}
}

func (w *World) publish(id int64, outcome txn.Outcome, event string) {
	w.logs.Published = append(w.logs.Published, check.Published{
		Seq: w.note("published", id, 0, outcome.String()), ID: id, Outcome: outcome, Event: event,
	})
}

// deliver plans the delivery of one entry.
func (l *decisionLog) deliver(n *node, at int) {
	w := l.w
	for len(n.acks) <= at {
		n.acks = append(n.acks, false)
	}
	w.after(w.about(w.plan.delay), func() { l.handle(n, at) })
	if w.trouble(w.plan.dup) {
		w.after(w.upTo(5*time.Second), func() { l.handle(n, at) })
	}
}

// handle gives one entry to the coordinator.
func (l *decisionLog) handle(n *node, at int) {
	w := l.w
	switch {
	case n.dead:
		return
	case w.plan.consumerOff && !w.healed:
		w.after(time.Second, func() { l.handle(n, at) })
		return
	}
	n.boundary("before a decision is delivered")
	if n.dead {
		return
	}
	id := w.disk.outbox[at].id
	w.note("decision delivered", id, int64(at), "")
	n.c.Wake(id, func(err error) {
		if n.dead {
			return
		}
		if err != nil {
			w.note("decision comes again", id, int64(at), err.Error())
			w.after(time.Second, func() { l.handle(n, at) })
			return
		}
		n.acks[at] = true
		n.boundary("after a decision is delivered")
		w.after(w.upTo(500*time.Millisecond), func() { l.commitOffset(n) })
	})
}

// commitOffset makes the consumer's position durable.
func (l *decisionLog) commitOffset(n *node) {
	if n.dead {
		return
	}
	d := l.w.disk
	for d.offset < len(n.acks) && n.acks[d.offset] {
		d.offset++
	}
}

// redeliver delivers everything from the durable offset on.
func (l *decisionLog) redeliver(n *node) {
	for at := l.w.disk.offset; at < len(l.w.disk.outbox); at++ {
		l.deliver(n, at)
	}
}

// crashed notes whose commands were handed over and forgotten: with the sweeper off, nobody sends them again. These are
// the decisions behind the durable offset, and those whose stored state says that a participant has been asked.
func (l *decisionLog) crashed() {
	w := l.w
	if !w.plan.sweeperOff {
		return
	}
	if w.logs.End.Excused == nil {
		w.logs.End.Excused = make(map[int64]bool)
	}
	for _, e := range w.disk.outbox[:w.disk.offset] {
		w.logs.End.Excused[e.id] = true
	}
	for _, id := range w.disk.ids {
		g, err := w.disk.records[id].decode()
		if err != nil {
			panic("sim: " + err.Error())
		}
		for _, b := range g.Branches {
			if b.InFlightUntil != 0 {
				w.logs.End.Excused[id] = true
			}
		}
	}
}
