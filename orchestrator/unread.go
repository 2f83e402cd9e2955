package orchestrator

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// unread are the runs of sagas that do not go on here because their definition is not read: those that had an event
// lately which was not applied. They are looked at for as long as that lasts, because they are due.
type unread struct {
	count atomic.Int64 // of runs; mostly none
	mu    sync.Mutex
	runs  map[int64]txn.Millis // when that was last
}

const (
	// unreadKept is after how long a run counts no more: it has gone on elsewhere, or has nothing to do.
	unreadKept = 10 * time.Minute
	// unreadMax bounds what is counted.
	unreadMax = 100_000
)

// add notes that a run had an event.
func (u *unread) add(id int64, now txn.Millis) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.runs == nil {
		u.runs = make(map[int64]txn.Millis)
	}
	if _, known := u.runs[id]; known || len(u.runs) < unreadMax {
		u.runs[id] = now
	}
	u.count.Store(int64(len(u.runs)))
}

// remove notes that a run goes on.
func (u *unread) remove(id int64) {
	if u.count.Load() == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.runs, id)
	u.count.Store(int64(len(u.runs)))
}

// number returns how many there are.
func (u *unread) number(now txn.Millis) int64 {
	if u.count.Load() == 0 {
		return 0
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, at := range u.runs {
		if now >= at.Add(unreadKept) {
			delete(u.runs, id)
		}
	}
	u.count.Store(int64(len(u.runs)))
	return u.count.Load()
}
