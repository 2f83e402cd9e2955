package mysql

import (
	"fmt"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// batch is one attempt to write some units: what the database has of the rows that they need, what becomes of them, and
// which units succeed. It does no I/O.
type batch struct {
	units   []*unit
	clear   clearing   // outbox entries whose message was read
	left    []leftover // what that leaves of packs
	epoch   int64
	globals map[int64]*globalRow
	locks   map[rowHash]*lockState
	packs   map[orchestrator.PackID]*packRow
	// documents are those that units change.
	documents map[documentID]*documentRow
	events    []noted // that have an outbox entry, those of a pack together
	clashes   []clash
	refused   map[int64]bool
	counts    counters

	// While a pack is tried, what it changes is noted, so that it can be undone.
	trying      bool
	oldGlobals  []oldGlobal
	oldLocks    []oldLock
	oldEvents   int
	oldCounters counters
}

type oldGlobal struct {
	at  *globalRow
	was globalRow
}

type oldLock struct {
	at  *lockState
	was lockState
}

// globalRow is what is stored of a transaction, and its newest state in the batch.
type globalRow struct {
	live, finished bool
	version        int64
	state          int64
	dueAt, lookAt  txn.Millis
	lay            layout
	stored         bool        // it was live before the batch
	g              *txn.Global // the state that is to be written; nil: unchanged
	touched        []int
}

// lockState is what is stored of a lock, and what becomes of it.
type lockState struct {
	holder, branch int64
	held           int
	since          txn.Millis
	stored         bool
	changed        bool
	row            txn.Row // of a lock that was acquired in the batch
	acquired       bool
}

// packRow is what is stored of a pack id.
type packRow struct {
	outcome int // 0: nothing
	stored  bool
}

// The outcomes of packs.
const (
	packStored  = 1
	packAborted = 2
)

// clash is a change that needs a row which another transaction holds.
type clash struct {
	unit   *unit
	change int
	row    txn.Row
	holder int64
}

// counters are what the writes of a node add to the numbers of the cluster.
type counters struct {
	status [txn.RolledBack + 1]int64
	stuck  int64
	locks  int64
}

func newBatch(units []*unit, clear clearing, epoch int64) *batch {
	b := &batch{
		units: units, clear: clear, epoch: epoch, globals: map[int64]*globalRow{}, locks: map[rowHash]*lockState{},
		packs: map[orchestrator.PackID]*packRow{}, refused: map[int64]bool{},
	}
	for _, u := range units {
		u.out = outcome{}
		for i := range u.changes {
			w := &u.changes[i]
			id := w.ch.Global.XID.ID
			if b.globals[id] == nil {
				b.globals[id] = &globalRow{}
			}
			for k := range w.take {
				b.needLock(w.take[k].hash)
			}
			for k := range w.free {
				b.needLock(w.free[k])
			}
		}
		if u.op != packNone && b.packs[u.pack] == nil {
			b.packs[u.pack] = &packRow{}
		}
		if u.document != nil {
			b.needDocument(u.document)
		}
	}
	return b
}

func (b *batch) needLock(h rowHash) {
	if b.locks[h] == nil {
		b.locks[h] = &lockState{}
	}
}

// decide tries the units in order.
func (b *batch) decide() {
	for _, u := range b.units {
		switch {
		case u.document != nil:
			u.out.err = u.document.try(b.documents[u.document.id])
		case u.op == packNone:
			u.out.err = b.try(u, 0)
		case u.op == packApply:
			b.tryPack(u)
		case u.op == packFence:
			p := b.packs[u.pack]
			if p.outcome == 0 {
				p.outcome = packAborted
			}
			u.out.stored = p.outcome == packStored
		case u.op == packAgain:
			u.out.err = b.takePack(u.pack)
		}
		if u.out.err != nil {
			for i := range u.changes {
				b.refused[u.changes[i].ch.Global.XID.ID] = true
			}
		}
	}
}

// takePack makes a pack id stored.
func (b *batch) takePack(pack orchestrator.PackID) error {
	switch p := b.packs[pack]; p.outcome {
	case 0:
		p.outcome = packStored
		return nil
	case packAborted:
		return orchestrator.ErrPackAborted
	}
	return fmt.Errorf("%w: its id was used before", orchestrator.ErrPackRefused)
}

func (b *batch) tryPack(u *unit) {
	u.out.errs = make([]error, len(u.changes))
	if p := b.packs[u.pack]; p.outcome != 0 {
		u.out.err = b.takePack(u.pack)
		return
	}
	b.trying, b.oldEvents, b.oldCounters = true, len(b.events), b.counts
	b.oldGlobals, b.oldLocks = b.oldGlobals[:0], b.oldLocks[:0]
	failed := false
	for i := range u.changes {
		if err := b.try(u, i); err != nil {
			u.out.errs[i] = err
			failed = true
		}
	}
	b.trying = false
	if !failed {
		u.out.err = b.takePack(u.pack)
		return
	}
	u.out.err = orchestrator.ErrPackRefused
	for i := len(b.oldGlobals) - 1; i >= 0; i-- {
		*b.oldGlobals[i].at = b.oldGlobals[i].was
	}
	for i := len(b.oldLocks) - 1; i >= 0; i-- {
		*b.oldLocks[i].at = b.oldLocks[i].was
	}
	b.events, b.counts = b.events[:b.oldEvents], b.oldCounters
}

// try makes one change, or says why not and changes nothing.
func (b *batch) try(u *unit, i int) error {
	w := &u.changes[i]
	ch := w.ch
	id := ch.Global.XID.ID
	r := b.globals[id]
	if u.doomed || b.refused[id] || r.finished || r.version+1 != int64(ch.Global.Version) {
		return orchestrator.ErrConflict
	}
	for k := range w.take {
		if l := b.locks[w.take[k].hash]; l.held > 0 && l.holder != id {
			row := txn.Row{Resource: ch.Acquire.Resource, Table: w.take[k].table, PK: w.take[k].pk}
			b.clashes = append(b.clashes, clash{u, i, row, l.holder})
			return &orchestrator.LockedError{Row: row}
		}
	}
	for k := range w.take {
		b.acquire(w, k)
	}
	for _, h := range w.free {
		b.release(b.locks[h], id)
	}
	b.advance(r, ch)
	if ch.Decision && ch.Topic != "" {
		b.events = append(b.events, noted{u.outboxKey(), ch})
	}
	return nil
}

func (b *batch) acquire(w *work, k int) {
	l := b.locks[w.take[k].hash]
	b.noteLock(l)
	if l.held == 0 {
		l.holder, l.branch, l.since = w.ch.Global.XID.ID, w.ch.Acquire.ID, w.ch.Acquire.RegisteredAt
		l.row = txn.Row{Resource: w.ch.Acquire.Resource, Table: w.take[k].table, PK: w.take[k].pk}
		l.acquired = true
		b.counts.locks++
	}
	l.held++
	l.changed = true
}

func (b *batch) release(l *lockState, id int64) {
	if l.held == 0 || l.holder != id {
		return
	}
	b.noteLock(l)
	l.held--
	l.changed = true
	if l.held == 0 {
		b.counts.locks--
	}
}

func (b *batch) noteLock(l *lockState) {
	if b.trying {
		b.oldLocks = append(b.oldLocks, oldLock{l, *l})
	}
}

// advance makes the change's state the newest one.
func (b *batch) advance(r *globalRow, ch *orchestrator.Change) {
	if b.trying {
		b.oldGlobals = append(b.oldGlobals, oldGlobal{r, *r})
	}
	g := ch.Global
	if r.live {
		b.count(r.state, -1)
	}
	r.version, r.state, r.g = int64(g.Version), stateOf(g), g
	r.live, r.finished = !ch.Ended, ch.Ended
	b.count(r.state, 1)
	if r.dueAt != g.DueAt || !r.stored {
		r.dueAt, r.lookAt = g.DueAt, g.DueAt
	}
	r.touched = append(r.touched, ch.Touched...)
}

func (b *batch) count(state, n int64) {
	status, stuck := statusOf(state)
	if int(status) < len(b.counts.status) {
		b.counts.status[status] += n
	}
	if stuck != 0 && !status.Ended() {
		b.counts.stuck += n
	}
}

// writes reports whether anything is to be written.
func (b *batch) writes() bool {
	if !b.clear.empty() {
		return true
	}
	for _, u := range b.units {
		if u.out.err == nil {
			return true
		}
	}
	return false
}

// explain fills in who holds the rows that stood in the way. holders has what the database says; who changed in the
// batch is taken from there.
func (b *batch) explain(holders map[int64]holder) {
	for _, c := range b.clashes {
		e := &orchestrator.LockedError{Row: c.row, Holder: txn.XID{ID: c.holder}}
		if r := b.globals[c.holder]; r != nil && r.g != nil {
			e.Holder, e.RollingBack = r.g.XID, r.g.Status == txn.RollingBack
		} else if h, ok := holders[c.holder]; ok {
			e.Holder.Prefix, e.RollingBack = h.prefix, h.status == txn.RollingBack
		}
		if c.unit.op == packNone {
			c.unit.out.err = e
		} else {
			c.unit.out.errs[c.change] = e
		}
	}
}

// holder is what is told of a transaction that holds a row.
type holder struct {
	prefix string
	status txn.Status
}

// strangers lists the holders that the batch itself does not know.
func (b *batch) strangers() []int64 {
	var ids []int64
	seen := map[int64]bool{}
	for _, c := range b.clashes {
		if r := b.globals[c.holder]; (r == nil || r.g == nil) && !seen[c.holder] {
			seen[c.holder] = true
			ids = append(ids, c.holder)
		}
	}
	return ids
}
