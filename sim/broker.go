package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// broker is a simulated RocketMQ: half messages, their ends, questions about those that have none, and a topic that is
// delivered at least once. Ends are one-way and may be lost; a restart may forget them, and may lose a half message
// that was acknowledged.
type broker struct {
	w      *World
	down   bool
	halves []*half
	// ended is what the broker remembers of ends, newest last: a restart may forget the last of them.
	ended []*half
	// undelivered counts messages that no consumer has acknowledged.
	undelivered int
}

// half is a pack of decisions in one half message.
type half struct {
	id     orchestrator.PackID
	events []published
	at     time.Duration
}

// published is a decision as it travels.
type published struct {
	pack    orchestrator.PackID // in which it was decided
	id      int64
	outcome txn.Outcome
	text    string
}

// message is a pack that consumers can see.
type message struct {
	b      *broker
	id     orchestrator.PackID
	events []published
	acked  bool
}

// How long half messages wait until the broker asks, and how often it looks.
const (
	checkAfter = 2 * time.Second
	checkEvery = time.Second
	// invisibleFor is how long a message that was not acknowledged is not delivered again.
	invisibleFor = 4 * time.Second
)

var errBroker = errors.New("the broker did not answer in time")

func newBroker(w *World) *broker {
	b := &broker{w: w}
	w.after(checkEvery, b.checkBack)
	return b
}

// outage stops the broker for a while. What it has acknowledged is mostly still there when it comes back.
func (b *broker) outage(d time.Duration) {
	w := b.w
	if w.healed || b.down {
		return
	}
	w.note("broker stops, ms", 0, d.Milliseconds(), "")
	b.down = true
	w.after(d, func() {
		w.note("broker starts", 0, 0, "")
		b.down = false
		if w.plan.forgetful {
			b.forget()
		}
	})
}

// forget loses the ends that came last, so that half messages are asked about again, and a half message.
func (b *broker) forget() {
	w := b.w
	for _, h := range b.ended[max(0, len(b.ended)-w.rng.IntN(4)):] {
		w.note("end forgotten", 0, 0, string(h.id))
		h.at = w.now
		b.halves = append(b.halves, h)
	}
	b.ended = nil
	if len(b.halves) > 0 && w.chance(0.6) {
		i := w.rng.IntN(len(b.halves))
		w.note("half message lost", 0, 0, string(b.halves[i].id))
		b.halves = slices.Delete(b.halves, i, i+1)
	}
}

// reaches reports whether the node and the broker can talk.
func (b *broker) reaches(n *node) bool { return !b.down && !n.member.p.cut[toBroker] }

// send sends a half message. done gets an error if it is not known to be stored; it may be, all the same.
func (b *broker) send(n *node, id orchestrator.PackID, events []published, done func(error)) {
	w := b.w
	if !n.boundaryFor("before a half message is sent", func() { b.send(n, id, events, done) }) {
		return
	}
	over := false
	end := func(err error) {
		if !over {
			over = true
			n.boundary("after a half message is sent")
			if !n.dead {
				done(err)
			}
		}
	}
	n.after(time.Second, func() { end(errBroker) })
	if !b.reaches(n) || w.trouble(w.plan.loss/2) {
		return
	}
	w.after(w.about(w.plan.delay/2), func() {
		if !b.reaches(n) {
			return
		}
		w.logs.Halves = append(w.logs.Halves, check.HalfMessage{
			Seq: w.note("half message stored", 0, int64(len(events)), string(id)), Pack: string(id),
		})
		b.halves = append(b.halves, &half{id: id, events: events, at: w.now})
		if !w.trouble(w.plan.halfTimeout) {
			n.after(w.about(w.plan.delay/2), func() { end(nil) })
		}
	})
}

// end ends a half message. Nobody answers.
func (b *broker) end(n *node, id orchestrator.PackID, commit bool) {
	w := b.w
	if !n.boundaryFor("before a half message is ended", func() { b.end(n, id, commit) }) {
		return
	}
	if !b.reaches(n) || w.trouble(w.plan.lostEnds) {
		return
	}
	w.after(w.about(w.plan.delay/2), func() {
		if !b.reaches(n) {
			return
		}
		i := slices.IndexFunc(b.halves, func(h *half) bool { return h.id == id })
		if i < 0 {
			return
		}
		h := b.halves[i]
		b.halves = slices.Delete(b.halves, i, i+1)
		b.ended = append(b.ended, h)
		if commit {
			b.visible(h)
		}
	})
	n.boundary("after a half message is ended")
}

// checkBack asks any node about each half message that should have an end by now.
func (b *broker) checkBack() {
	w := b.w
	w.after(checkEvery, b.checkBack)
	if b.down {
		return
	}
	for _, h := range slices.Clone(b.halves) {
		n := w.cluster.anyNode()
		if h.at+checkAfter > w.now || n.dead || !b.reaches(n) {
			continue
		}
		w.after(w.about(w.plan.delay/2), func() { n.run(func() { b.answer(n, h.id) }) })
	}
}

// answer is what a node says about a half message.
func (b *broker) answer(n *node, id orchestrator.PackID) {
	w := b.w
	if !n.boundaryFor("before a check-back is answered", func() { b.answer(n, id) }) {
		return
	}
	stored, err := n.member.handle.FencePack(context.Background(), id)
	if w.mutation == FromMemory {
		stored, err = n.member.log.stored[id], nil
	}
	word := "commit"
	switch {
	case err != nil:
		word = "unknown"
	case !stored:
		word = "rollback"
	}
	w.logs.CheckBacks = append(w.logs.CheckBacks, check.CheckBack{
		Seq: w.note("check-back answered", 0, int64(n.epoch), string(id)+" "+word), Pack: string(id), Stored: stored,
		Unknown: err != nil,
	})
	if err == nil {
		b.end(n, id, stored)
	}
}

// visible gives a pack to consumers.
func (b *broker) visible(h *half) {
	w := b.w
	for _, e := range h.events {
		w.publish(e.id, e.outcome, e.text)
		if w.mutation == TwoDecisions && w.chance(0.2) {
			w.publish(e.id, txn.Commit+txn.Rollback-e.outcome, e.text+" changed")
		}
	}
	b.undelivered++
	m := &message{b: b, id: h.id, events: h.events}
	m.deliver()
	if w.trouble(w.plan.dup) {
		w.after(w.upTo(5*time.Second), m.deliver)
	}
}

// deliver gives a message to the consumer on any node, again and again until one of them acknowledges it.
func (m *message) deliver() {
	b, w := m.b, m.b.w
	n := w.cluster.anyNode()
	switch {
	case n.dead || !n.member.joined || !b.reaches(n) || w.plan.consumerOff && !w.healed:
		w.after(w.about(time.Second), func() {
			if !m.acked {
				m.deliver()
			}
		})
		return
	case !m.acked:
		w.after(invisibleFor, func() {
			if !m.acked {
				m.deliver()
			}
		})
	}
	w.after(w.about(w.plan.delay/2), func() { n.run(func() { m.handle(n) }) })
}

// handle has a node's consumer wake every transaction of a message, and acknowledge when all were handed over.
func (m *message) handle(n *node) {
	w := m.b.w
	n.boundary("before a decision is delivered")
	if n.dead {
		return
	}
	w.note("message delivered", 0, int64(len(m.events)), string(m.id))
	left, failed := len(m.events), false
	for _, e := range m.events {
		if n.dead {
			return
		}
		n.c.Wake(e.id, func(err error) {
			failed = failed || err != nil
			if left--; left == 0 && !failed && !n.dead {
				m.ack(n)
			}
		})
	}
}

// ack acknowledges a message, and has its entries of the outbox removed.
func (m *message) ack(n *node) {
	b, w := m.b, m.b.w
	if !n.boundaryFor("before a message is acknowledged", func() { m.ack(n) }) {
		return
	}
	whole := true
	for _, e := range m.events {
		whole = whole && e.pack == m.id
	}
	if whole {
		n.member.handle.ClearOutbox(m.id, nil)
	} else {
		for _, e := range m.events {
			n.member.handle.ClearOutbox(e.pack, []int64{e.id})
		}
	}
	if !b.reaches(n) || w.trouble(w.plan.loss) {
		return
	}
	w.after(w.about(w.plan.delay/2), func() {
		if !m.acked && b.reaches(n) {
			m.acked = true
			b.undelivered--
		}
	})
}
