package relay

import (
	"context"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// textBytesMax is how much of what a participant said is brought back.
const textBytesMax = 4096

// bringBack queues the end of an attempt for the node that wants to know it.
func (r *Relay) bringBack(from origin, seq uint64, id int64, reply txn.Reply) {
	if len(reply.Text) > textBytesMax {
		reply.Text = strings.Clone(reply.Text[:textBytesMax])
	}
	e := ending{instance: from.instance, seq: seq, id: id, reply: reply}
	p := r.peers.get(from.node)
	if p == nil {
		r.keepConfirmations([]ending{e})
		return
	}
	start, ok := p.endings.add(e, r.limits.EndingsMax, r.limits.EndingBytesMax)
	switch {
	case !ok:
		r.keepConfirmations([]ending{e})
	case start && !r.work.start(func(ctx context.Context) { r.sendEndings(ctx, p) }):
		r.keepConfirmations(p.endings.close()) // the relay has ended
	}
}

// sendEndings makes calls until no end is left for the node.
func (r *Relay) sendEndings(ctx context.Context, p *peer) {
	var body []byte
	for {
		batch := p.endings.take(r.limits.BatchMax, r.limits.BatchBytesMax)
		if batch == nil {
			return
		}
		body = appendEndings(body[:0], r.self, batch)
		_, _, err := r.call(ctx, p.id, pathReplies, body)
		if err != nil {
			signal(r.look) // it may have come back elsewhere
			r.stats.retried.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(r.limits.RetryAfter):
				_, _, err = r.call(ctx, p.id, pathReplies, body)
			}
		}
		if err != nil {
			r.isDown(p, err)
			r.keepConfirmations(append(batch, p.endings.takeAll()...))
			continue
		}
		r.isUp(p)
		r.stats.broughtBack.Add(int64(len(batch)))
	}
}

// keepConfirmations gives ends that their origin cannot be told to the coordinator of this node. Only confirmations are
// worth it: they are true whatever the attempt. What else the origin does not hear of it finds out by its time limit,
// and if it is gone by the stored due time.
func (r *Relay) keepConfirmations(batch []ending) {
	for i := range batch {
		if batch[i].reply.Result == txn.ResultDone {
			r.stats.kept.Add(1)
			r.reply(batch[i].id, batch[i].reply)
		} else {
			r.stats.dropped.Add(1)
		}
	}
}

// broughtHome takes an end that another node has brought back.
func (r *Relay) broughtHome(e *ending) {
	if e.instance == r.instance && r.pending.takeFor(e) != nil {
		r.stats.ended.Add(1)
		r.reply(e.id, e.reply)
		return
	}
	// Told before, or too late, or asked for by an earlier process of this node.
	r.stats.late.Add(1)
	if e.reply.Result == txn.ResultDone {
		r.reply(e.id, e.reply)
	}
}
