package relay

import (
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// attempt is a command that was handed over, or is about to be, and whose end has not been told.
type attempt struct {
	seq      uint64
	id       int64
	branch   int64
	op       txn.Outcome
	attempt  uint32
	deadline time.Duration // since the relay's start

	older, newer *attempt
}

// reply is the end of the attempt.
func (a *attempt) reply(result txn.Result, text string) txn.Reply {
	return txn.Reply{BranchID: a.branch, Op: a.op, Attempt: a.attempt, Result: result, Text: text}
}

// pending is the table of attempts. Whoever takes one out tells its end, so that there is only one. The time limit is
// the same for all, so the list is in order of deadline.
type pending struct {
	mu             sync.Mutex
	bySeq          map[uint64]*attempt
	oldest, newest *attempt
	lastSeq        uint64
	closed         bool
}

// add notes a command; ok is false if there are too many.
func (p *pending) add(cmd *txn.Command, deadline time.Duration, pendingMax int) (seq uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.bySeq) >= pendingMax {
		return 0, false
	}
	p.lastSeq++
	a := &attempt{
		seq: p.lastSeq, id: cmd.XID.ID, branch: cmd.BranchID, op: cmd.Op, attempt: cmd.Attempt, deadline: deadline,
		older: p.newest,
	}
	if p.newest != nil {
		p.newest.newer = a
	} else {
		p.oldest = a
	}
	p.newest = a
	p.bySeq[a.seq] = a
	return a.seq, true
}

// take removes an attempt; nil if its end was told already.
func (p *pending) take(seq uint64) *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remove(p.bySeq[seq])
}

// takeFor is take for an end that came from another node: it has to be one of the attempt.
func (p *pending) takeFor(e *ending) *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.bySeq[e.seq]
	if a == nil || a.id != e.id || a.branch != e.reply.BranchID || a.op != e.reply.Op {
		return nil
	}
	return p.remove(a)
}

// has reports whether the end of an attempt is still to be told.
func (p *pending) has(seq uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bySeq[seq] != nil
}

// expired removes and returns an attempt whose deadline has passed, or nil.
func (p *pending) expired(now time.Duration) *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.oldest == nil || p.oldest.deadline > now {
		return nil
	}
	return p.remove(p.oldest)
}

func (p *pending) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.bySeq)
}

// remove unlinks a unless it is nil, and returns it. The mutex is held.
func (p *pending) remove(a *attempt) *attempt {
	if a == nil {
		return nil
	}
	delete(p.bySeq, a.seq)
	if a.older != nil {
		a.older.newer = a.newer
	} else {
		p.oldest = a.newer
	}
	if a.newer != nil {
		a.newer.older = a.older
	} else {
		p.newest = a.older
	}
	a.older, a.newer = nil, nil
	return a
}

// close removes and returns all attempts and accepts no more.
func (p *pending) close() []*attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var all []*attempt
	for p.oldest != nil {
		all = append(all, p.remove(p.oldest))
	}
	return all
}
