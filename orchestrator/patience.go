package orchestrator

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// patience remembers which transactions have just waited for a row in vain. Stock Seata clients answer a conflict by
// asking again, 30 times 10 ms apart; if each of these waited as well, what they mean to last a third of a second would
// last a minute and a half. So for a while they are told at once.
type patience struct {
	known atomic.Int64 // number of entries; 0 spares the mutex

	mu    sync.Mutex
	until map[int64]txn.Millis // by transaction
	queue []spentWait          // in order of time
}

type spentWait struct {
	id    int64
	until txn.Millis
}

// patienceReturns is how long after a wait in vain a transaction does not wait again: longer than a client's row of
// attempts at one statement, shorter than what it does next.
const patienceReturns = 2 * time.Second

// spend notes that a transaction waited in vain.
func (p *patience) spend(id int64, now txn.Millis) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = make(map[int64]txn.Millis)
	}
	until := now.Add(patienceReturns)
	p.until[id] = until
	p.queue = append(p.queue, spentWait{id, until})
	p.known.Store(int64(len(p.until)))
}

// spent reports whether the transaction should be told of a conflict at once.
func (p *patience) spent(id int64) bool {
	if p.known.Load() == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, spent := p.until[id]
	return spent
}

// forget drops those whose time is over.
func (p *patience) forget(now txn.Millis) {
	if p.known.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 && !stillWaits(p.queue[0].until, now, patienceReturns) {
		old := p.queue[0]
		p.queue = p.queue[1:]
		if p.until[old.id] == old.until {
			delete(p.until, old.id)
		}
	}
	p.known.Store(int64(len(p.until)))
}
