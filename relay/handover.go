package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Why a command was not handed over. The texts end up in a transaction's history.
var errDown = errors.New("the node that has a session with the resource does not answer")

const queueText = "too many commands wait for the node that has a session with the resource"

// handOver queues a command for another node; local says why nobody was asked here.
func (r *Relay) handOver(cmd txn.Command, local error) error {
	v := r.view.Load()
	if r.stopping.Load() || len(v.addresses) == 0 {
		return local
	}
	node, avoided := v.route(&cmd, r.down, r.turn.Add(1))
	if node == "" && avoided {
		return errDown
	}
	seq, ok := r.pending.add(&cmd, r.now()+r.limits.AnswerLimit+r.limits.AnswerMargin, r.limits.PendingMax)
	if !ok {
		r.stats.overflows.Add(1)
		return fmt.Errorf("hand over a command: %w", orchestrator.ErrBusy)
	}
	h := handover{seq: seq, cmd: cmd}
	if node == "" {
		_, ok = r.missed.add(h, r.limits.CommandsMax, r.limits.CommandBytesMax)
		signal(r.look)
	} else {
		ok = r.enqueue(node, h)
	}
	if !ok && r.pending.take(seq) != nil {
		r.stats.overflows.Add(1)
		return errors.New(queueText)
	}
	return nil
}

// HandOver hands a task over to another node at which workers poll for it, as far as the directory said last. Once that
// node has accepted the task, it answers for it: its end comes back to nobody here. It never blocks. Errors:
// [orchestrator.ErrNobody] if there is no such node, others if it cannot be asked; then nothing was handed over.
func (r *Relay) HandOver(cmd txn.Command) error {
	if r.stopping.Load() || !r.valid() {
		return orchestrator.ErrNotMember
	}
	node, avoided := r.view.Load().route(&cmd, r.down, r.turn.Add(1))
	switch {
	case node == "" && avoided:
		return errDown
	case node == "":
		return orchestrator.ErrNobody
	}
	seq, ok := r.pending.add(&cmd, r.now()+r.limits.AnswerLimit+r.limits.AnswerMargin, r.limits.PendingMax)
	if !ok || !r.enqueue(node, handover{seq: seq, cmd: cmd}) && r.pending.take(seq) != nil {
		r.stats.overflows.Add(1)
		return fmt.Errorf("hand over a task: %w", orchestrator.ErrBusy)
	}
	return nil
}

// down reports whether a node did not answer a moment ago.
func (r *Relay) down(node string) bool {
	p := r.peers.find(node)
	return p != nil && p.down(r.now())
}

// enqueue puts a command into the queue of a node; false if that is full.
func (r *Relay) enqueue(node string, h handover) bool {
	p := r.peers.get(node)
	if p == nil {
		return false
	}
	start, ok := p.commands.add(h, r.limits.CommandsMax, r.limits.CommandBytesMax)
	if start {
		r.work.start(func(ctx context.Context) { r.sendCommands(ctx, p) }) // after the end nothing waits for it
	}
	return ok
}

// sendCommands makes calls until no command is left for the node.
func (r *Relay) sendCommands(ctx context.Context, p *peer) {
	var body []byte
	for {
		batch := p.commands.take(r.limits.BatchMax, r.limits.BatchBytesMax)
		if batch == nil {
			return
		}
		batch = slices.DeleteFunc(batch, func(h handover) bool { return !r.pending.has(h.seq) }) // waited too long
		switch {
		case len(batch) == 0:
		case !r.valid():
			r.stats.withheld.Add(int64(len(batch)))
			r.endAll(batch, txn.ResultNoAnswer, leaseText)
		default:
			body = appendCommands(body[:0], origin{r.self, r.instance}, batch)
			r.sendBatch(ctx, p, batch, body)
		}
		if cap(body) > r.limits.BatchBytesMax {
			body = nil
		}
	}
}

// sendBatch makes one call and does what follows from it.
func (r *Relay) sendBatch(ctx context.Context, p *peer, batch []handover, body []byte) {
	answer, reached, err := r.call(ctx, p.id, pathCommands, body)
	var verdicts []verdict
	if err == nil {
		verdicts, err = decodeVerdicts(answer, len(batch))
	}
	if err != nil {
		r.commandsFailed(p, batch, reached, err)
		return
	}
	r.isUp(p)
	for i, v := range verdicts {
		switch v.code {
		case accepted:
			r.stats.handedOver.Add(1)
			if batch[i].cmd.Kind == txn.StepWorker {
				r.pending.take(batch[i].seq) // its end is the other node's business
			}
			continue
		case nobody:
			signal(r.look) // what the directory says of it is old
		}
		r.stats.refused.Add(1)
		r.end(batch[i].seq, txn.ResultUnreachable, "node "+p.id+": "+v.text)
	}
}

// commandsFailed ends the attempts of a call that failed, and of all that wait for the same node: they may find another
// one when they come again.
func (r *Relay) commandsFailed(p *peer, batch []handover, reached bool, err error) {
	r.isDown(p, err)
	result := txn.ResultUnreachable
	if reached {
		result = txn.ResultNoAnswer
	}
	rest := p.commands.takeAll()
	r.stats.failed.Add(int64(len(batch) + len(rest)))
	text := "node " + p.id + " cannot be asked: " + err.Error()
	r.endAll(batch, result, text)
	r.endAll(rest, txn.ResultUnreachable, text)
}

func (r *Relay) endAll(batch []handover, result txn.Result, text string) {
	for i := range batch {
		r.end(batch[i].seq, result, text)
	}
}

// isDown notes that a node does not answer.
func (r *Relay) isDown(p *peer, err error) {
	signal(r.look)
	if p.downUntil.Swap(int64(r.now()+r.limits.DownFor)) == 0 {
		r.logger.Warn("another node does not answer", slog.String("node", p.id), slog.Any("err", err))
	}
}

// isUp notes that a node answers.
func (r *Relay) isUp(p *peer) {
	if p.downUntil.Load() != 0 && p.downUntil.Swap(0) != 0 {
		r.logger.Info("another node answers again", slog.String("node", p.id))
	}
}
