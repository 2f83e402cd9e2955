package sim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// packLog is the decision log of one node: it follows section 4 of the design with everything left out that is not
// about outcomes. It implements [orchestrator.DecisionLog].
type packLog struct {
	n      *node
	queue  []*decision
	flying int
	serial int
	stored map[orchestrator.PackID]bool // what this node has stored: for a mutation
}

// decision is a change that waits to be recorded.
type decision struct {
	ch   *orchestrator.Change
	done func(error)
}

// pack is decisions that travel together.
type pack struct {
	l         *packLog
	id        orchestrator.PackID
	decisions []*decision
	epoch     int // of the store's write
	half      fate
	store     fate
}

// fate is what is known of a half of the work.
type fate uint8

const (
	open  fate = iota
	yes        // done
	no         // certainly not done
	maybe      // nobody knows
)

// The bounds of packs: small, so that runs meet them.
const (
	packMax   = 4
	flyingMax = 3
)

// Record implements [orchestrator.DecisionLog].
func (l *packLog) Record(ch *orchestrator.Change, done func(error)) {
	g := ch.Global
	outcome := g.Status.Outcome()
	ch.Topic = "concord-" + outcome.String()
	ch.Event = fmt.Appendf(nil, "%s %s %s %d", g.XID, outcome, g.Cause, g.DecidedAt)
	l.queue = append(l.queue, &decision{ch, done})
	l.n.after(0, l.pump)
}

// Consume implements [orchestrator.DecisionLog]. The simulation delivers by events instead.
func (l *packLog) Consume(ctx context.Context, _ func(context.Context, int64) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// pump sends the next packs.
func (l *packLog) pump() {
	for l.flying < flyingMax && len(l.queue) > 0 && !l.n.dead {
		p := &pack{l: l, id: l.nextID()}
		var rest []*decision
		for _, d := range l.queue {
			if len(p.decisions) < packMax && d.ch.Topic == l.queue[0].ch.Topic {
				p.decisions = append(p.decisions, d)
			} else {
				rest = append(rest, d)
			}
		}
		l.queue = rest
		l.flying++
		p.send()
	}
}

// nextID makes an id that no pack ever has again.
func (l *packLog) nextID() orchestrator.PackID {
	l.serial++
	return orchestrator.PackID(strconv.Itoa(l.n.epoch) + "-" + strconv.Itoa(l.serial))
}

// send starts both halves of the work, or the message alone where no decision may be made without it.
func (p *pack) send() {
	n := p.l.n
	p.l.note(p.id, "pack sent")
	n.w.cluster.broker.send(n, p.id, p.events(), func(err error) {
		p.half = yes
		if err != nil {
			p.half = maybe
		}
		switch {
		case !n.w.plan.halfFirst || n.w.mutation == AtOnce:
			p.halfOver()
		case err != nil:
			p.store = no
			p.over(orchestrator.ErrUnavailable)
		default:
			p.apply()
		}
	})
	if (!n.w.plan.halfFirst || n.w.mutation == AtOnce) && !n.dead {
		p.apply()
	}
}

func (l *packLog) note(id orchestrator.PackID, what string) {
	l.n.w.note(what, 0, int64(l.n.epoch), string(id))
}

func (p *pack) events() []published {
	var out []published
	for _, d := range p.decisions {
		g := d.ch.Global
		out = append(out, published{p.id, g.XID.ID, g.Status.Outcome(), string(d.ch.Event)})
	}
	return out
}

// apply writes the pack to the store.
func (p *pack) apply() {
	changes := make([]*orchestrator.Change, len(p.decisions))
	for i, d := range p.decisions {
		changes[i] = d.ch
	}
	p.epoch = p.l.n.epoch
	p.l.n.member.handle.ApplyPack(p.id, changes, p.applied)
}

// applied takes the end of the store's write.
func (p *pack) applied(errs []error, err error) {
	l := p.l
	switch {
	case err == nil:
		p.store = yes
		l.stored[p.id] = true
		p.over(nil)
		if l.n.w.mutation == EarlyClear {
			l.n.member.handle.ClearOutbox(p.id, nil)
		}
	case errors.Is(err, orchestrator.ErrPackRefused):
		l.note(p.id, "pack refused")
		// The losers are told, the others go again in another pack.
		p.store = no
		var again []*decision
		for i, d := range p.decisions {
			if errs[i] == nil {
				again = append(again, d)
			}
		}
		l.queue = append(again, l.queue...)
		losers := p.decisions
		p.decisions = nil
		p.over(nil)
		for i, d := range losers {
			if errs[i] != nil && !l.n.dead {
				d.done(errs[i])
			}
		}
	case errors.Is(err, orchestrator.ErrPackAborted):
		p.store = no
		l.queue = append(p.decisions, l.queue...)
		p.decisions = nil
		p.over(nil)
	case errors.Is(err, orchestrator.ErrUnavailable), errors.Is(err, orchestrator.ErrNotMember):
		p.store = no
		if errors.Is(err, orchestrator.ErrNotMember) && l.n.member.joined && l.n.epoch == p.epoch {
			l.n.member.lose("a pack was refused")
		}
		p.over(err)
	default:
		l.note(p.id, "pack of unknown outcome")
		p.store = maybe
		p.over(err)
	}
}

// over answers everybody, ends the message if that can be done, and makes room for the next pack.
func (p *pack) over(err error) {
	l := p.l
	l.flying--
	p.end()
	for _, d := range p.decisions {
		if l.n.dead {
			return
		}
		d.done(err)
	}
	p.driveAtOnce()
	if !l.n.dead {
		l.n.after(0, l.pump)
	}
}

// halfOver takes the end of the half message when the store was not waiting for it.
func (p *pack) halfOver() {
	p.end()
	p.driveAtOnce()
}

// end ends the message as soon as both halves are known.
func (p *pack) end() {
	n := p.l.n
	if p.half != yes || p.store == open || p.store == maybe || n.dead {
		return
	}
	n.w.cluster.broker.end(n, p.id, p.store == yes)
}

// driveAtOnce has the deciding node begin phase two while the message does not get through.
func (p *pack) driveAtOnce() {
	if p.half != maybe || p.store != yes {
		return
	}
	p.l.note(p.id, "pack driven without its message")
	for _, d := range p.decisions {
		if p.l.n.dead {
			return
		}
		p.l.n.c.Wake(d.ch.Global.XID.ID, nil)
	}
}

// unreadAfter is how old a decision is whose message should have been read, unreadClaim for how long one node has it.
const (
	unreadAfter = 3 * time.Second
	unreadClaim = 5 * time.Second
)

// republish records entries of the outbox again that nobody seems to have read.
func (l *packLog) republish() {
	n, w := l.n, l.n.w
	h := n.member.handle
	if !n.member.joined || !w.cluster.broker.reaches(n) {
		return
	}
	entries, err := h.Unread(context.Background(), nodeClock{n}.Now().Add(-unreadAfter), unreadClaim, packMax)
	if err != nil || len(entries) == 0 {
		return
	}
	id := l.nextID()
	var ids []int64
	var events []published
	for _, e := range entries {
		outcome := txn.Commit
		if e.Topic != entries[0].Topic {
			continue // the claim ends, and then it is its turn
		}
		if e.Topic != "concord-"+txn.Commit.String() {
			outcome = txn.Rollback
		}
		ids = append(ids, e.ID)
		events = append(events, published{e.Pack, e.ID, outcome, string(e.Event)})
	}
	w.note("pack again", ids[0], int64(len(ids)), string(id))
	w.cluster.broker.send(n, id, events, func(err error) {
		if err != nil {
			return
		}
		err = h.Repack(context.Background(), id, ids)
		switch {
		case err == nil:
			l.stored[id] = true
			w.cluster.broker.end(n, id, true)
		case errors.Is(err, orchestrator.ErrPackAborted), errors.Is(err, orchestrator.ErrNotMember):
			w.cluster.broker.end(n, id, false)
		}
	})
}
