package orchestrator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// What is shown of waits for rows.

func compareRows(a, b txn.Row) int {
	return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Table, b.Table), cmp.Compare(a.PK, b.PK))
}

// Waits lists the registrations that wait for rows on this node, oldest first, at most limit.
func (c *Coordinator) Waits(limit int) []WaitEdge {
	r := &c.rows
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []WaitEdge
	for _, w := range r.queue {
		if len(out) == limit {
			break
		}
		if slices.Contains(r.byID[w.id], w) {
			out = append(out, w.edge())
		}
	}
	return out
}

// WaitsOf returns the registrations of a transaction that wait on this node, and those that wait for rows that it
// holds, each at most limit and in order of arrival.
func (c *Coordinator) WaitsOf(id int64, limit int) (own, behind []WaitEdge) {
	r := &c.rows
	if r.waiting.Load() == 0 {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return viewWaits(r.byID[id], limit), viewWaits(r.byHolder[id], limit)
}

// viewWaits copies waits. The caller holds the mutex.
func viewWaits(waits []*rowWait, limit int) []WaitEdge {
	ordered := slices.Clone(waits)
	slices.SortFunc(ordered, func(a, b *rowWait) int { return cmp.Compare(a.seq, b.seq) })
	var out []WaitEdge
	for _, w := range ordered[:min(limit, len(ordered))] {
		out = append(out, w.edge())
	}
	return out
}

// edge is how a wait is shown, with its row as the client has named it.
func (w *rowWait) edge() WaitEdge {
	return WaitEdge{Row: w.conflict.Row, Waiter: w.id, Holder: w.conflict.Holder.ID, Since: w.since}
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

// WaitEdges returns who waits for whom in the whole cluster, those of this node first and with Node "". With an error
// it returns those of this node alone.
func (c *Coordinator) WaitEdges(ctx context.Context) ([]WaitEdge, error) {
	others, err := c.WaitsElsewhere(ctx)
	return slices.Concat(c.rows.edges(), others), err
}

// WaitsElsewhere returns who waits on the other nodes of the cluster, as they have stored it: each of them is late by
// [watchEdgesEvery] at most, and so is what is read here, however many ask. The tables of rows are folded (see
// [txn.FoldTable]). On one machine there is nobody. The caller must not change the result.
func (c *Coordinator) WaitsElsewhere(ctx context.Context) ([]WaitEdge, error) {
	if c.shared == nil {
		return nil, nil
	}
	_, others, err := c.exchangeWaits(ctx, watchEdgesEvery)
	return others, err
}

// exchange is what this node and the others have told each other of waits.
type exchange struct {
	published atomic.Bool   // the store may have wait edges of this node
	slot      chan struct{} // who has put something into it may exchange, and use what follows
	at        txn.Millis    // when others was read
	others    []WaitEdge
}

// exchangeWaits replaces what the store has of this node's waits and reads those of the others, unless that was done
// less than fresh ago; then own is nil. It is done by one caller at a time, so that nothing older replaces what is
// newer.
func (c *Coordinator) exchangeWaits(ctx context.Context, fresh time.Duration) (own, others []WaitEdge, err error) {
	x := &c.rows.exchange
	select {
	case x.slot <- struct{}{}:
		defer func() { <-x.slot }()
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("exchange waits with other nodes: %w", ctx.Err())
	}
	now := c.clock.Now()
	if x.at <= now && now < x.at.Add(fresh) {
		return nil, x.others, nil
	}
	if own = c.rows.edges(); len(own) > 0 {
		x.published.Store(true)
	}
	if others, err = c.shared.ExchangeWaits(ctx, own); err != nil {
		return nil, nil, fmt.Errorf("exchange waits with other nodes: %w", err)
	}
	x.published.Store(len(own) > 0)
	x.at, x.others = now, others
	return own, others, nil
}
