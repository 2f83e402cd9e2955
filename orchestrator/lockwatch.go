package orchestrator

import (
	"cmp"
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// What row waits have to do with the other nodes of a cluster.

// awaited returns rows that somebody waits for, at most limit, in order, so that equal runs stay equal.
func (r *rowWaits) awaited(limit int) []txn.Row {
	if r.waiting.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := make([]txn.Row, 0, min(limit, len(r.rows)))
	for row := range r.rows {
		if len(rows) == limit {
			break
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

// waiters returns transactions that wait for a row, at most limit, in no order.
func (r *rowWaits) waiters(limit int) []int64 {
	if r.waiting.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]int64, 0, min(limit, len(r.byID)))
	for id := range r.byID {
		if len(ids) == limit {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

// edges returns who waits for whom, in order of those who wait.
func (r *rowWaits) edges() []WaitEdge {
	if r.waiting.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var edges []WaitEdge
	for _, waits := range r.byID {
		for _, w := range waits {
			edges = append(edges, WaitEdge{
				Waiter: w.id, Holder: w.conflict.Holder.ID, Row: rowKey(w.conflict), Since: w.since,
			})
		}
	}
	slices.SortStableFunc(edges, func(a, b WaitEdge) int { return cmp.Compare(a.Waiter, b.Waiter) })
	return edges
}

// observed takes what the store says of a row that somebody waits for: holder nil means that it is free.
func (r *rowWaits) observed(c *Coordinator, row txn.Row, holder *LockedError) {
	r.mu.Lock()
	var try, refused []*rowWait
	switch {
	case holder == nil:
		if head := r.wakeHead(row); head != nil {
			try = append(try, head)
		}
	case holder.RollingBack:
		refused = slices.Clone(r.rows[row])
	default:
		for _, w := range r.rows[row] {
			switch {
			case w.id == holder.Holder.ID: // another branch of its transaction has got the row
				if w.tryNow() {
					try = append(try, w)
				}
			case w.conflict.Holder.ID != holder.Holder.ID:
				dropFrom(r.byHolder, w.conflict.Holder.ID, w)
				w.conflict = holder
				r.byHolder[holder.Holder.ID] = append(r.byHolder[holder.Holder.ID], w)
			}
		}
	}
	r.mu.Unlock()
	for _, w := range try {
		r.try(c, w)
	}
	for _, w := range refused {
		r.stop(c, w, holder)
	}
}

// breakCycle refuses the waits of the first transaction of a cycle.
func (r *rowWaits) breakCycle(c *Coordinator, cycle []int64) {
	r.mu.Lock()
	victims := slices.Clone(r.byID[cycle[0]])
	r.mu.Unlock()
	for _, w := range victims {
		c.stats.cycles.Add(1)
		r.mu.Lock()
		conflict := w.conflict
		r.mu.Unlock()
		r.stop(c, w, &DeadlockError{Locked: conflict, Cycle: cycle})
	}
}

// refuseAll ends every wait with its conflict.
func (r *rowWaits) refuseAll(c *Coordinator) {
	r.mu.Lock()
	var all []*rowWait
	for _, waits := range r.byID {
		all = append(all, waits...)
	}
	slices.SortFunc(all, func(a, b *rowWait) int { return cmp.Compare(a.seq, b.seq) })
	r.mu.Unlock()
	for _, w := range all {
		r.mu.Lock()
		conflict := w.conflict
		r.mu.Unlock()
		r.stop(c, w, conflict)
	}
}
