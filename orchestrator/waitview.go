package orchestrator

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// What is shown of waits for rows.

func compareRows(a, b txn.Row) int {
	return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Table, b.Table), cmp.Compare(a.PK, b.PK))
}

// WaitsOf returns the registrations of a transaction that wait on this node, and those that wait for rows that it
// holds, each at most limit and in order of arrival.
func (c *Coordinator) WaitsOf(id int64, limit int) (own, behind []LockWait) {
	r := &c.rows
	if r.waiting.Load() == 0 {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return viewWaits(r.byID[id], limit), viewWaits(r.byHolder[id], limit)
}

// viewWaits copies waits. The caller holds the mutex.
func viewWaits(waits []*rowWait, limit int) []LockWait {
	ordered := slices.Clone(waits)
	slices.SortFunc(ordered, func(a, b *rowWait) int { return cmp.Compare(a.seq, b.seq) })
	var out []LockWait
	for _, w := range ordered[:min(limit, len(ordered))] {
		out = append(out, LockWait{Row: w.conflict.Row, Waiter: w.id, Holder: w.conflict.Holder.ID, Since: w.since})
	}
	return out
}

// WaitersOf returns for each row how many registrations wait for it on this node; nil if none waits for any row.
func (c *Coordinator) WaitersOf(rows []txn.Row) []int {
	r := &c.rows
	if r.waiting.Load() == 0 {
		return nil
	}
	counts := make([]int, len(rows))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, row := range rows {
		counts[i] = len(r.rows[rowOf(row.Resource, row.Table, row.PK)])
	}
	return counts
}

// WaitEdges returns who waits for whom in the whole cluster, those of this node first. On one machine Node is "".
func (c *Coordinator) WaitEdges(ctx context.Context) ([]WaitEdge, error) {
	own := c.rows.edges()
	if c.shared == nil {
		return own, nil
	}
	if len(own) > 0 {
		c.rows.published.Store(true) // so that the next look replaces what is stored here
	}
	others, err := c.shared.ExchangeWaits(ctx, own)
	if err != nil {
		return nil, fmt.Errorf("exchange waits with other nodes: %w", err)
	}
	return append(own, others...), nil
}
