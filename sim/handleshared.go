package sim

import (
	"context"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Peek implements [orchestrator.Shared].
func (h *handle) Peek(_ context.Context, ids []int64) (out []orchestrator.Glimpse, err error) {
	lost := h.now(func() {
		for _, id := range ids {
			if st := h.db.core.all[id]; st != nil {
				g := h.db.core.global(id)
				out = append(out, orchestrator.Glimpse{ID: id, Version: st.version, Status: g.Status, Stuck: g.Stuck})
			}
		}
	})
	if lost != nil {
		return nil, lost
	}
	return out, nil
}

// Holders implements [orchestrator.Shared].
func (h *handle) Holders(_ context.Context, rows []txn.Row) (out []*orchestrator.LockedError, err error) {
	lost := h.now(func() {
		for _, row := range rows {
			if l := h.db.core.locks[row]; l.holder != 0 {
				out = append(out, h.db.core.locked(row, l.holder))
			}
		}
	})
	if lost != nil {
		return nil, lost
	}
	return out, nil
}

// Hold implements [orchestrator.Shared].
func (h *handle) Hold(_ context.Context, ids []int64, until txn.Millis) error {
	epoch := h.n.epoch
	return h.now(func() {
		for _, id := range ids {
			if st := h.db.core.all[id]; st != nil && st.claimed < until {
				st.claimed, st.claimer = until, epoch
			}
		}
	})
}

// ExchangeWaits implements [orchestrator.Shared].
func (h *handle) ExchangeWaits(
	_ context.Context, own []orchestrator.WaitEdge,
) (out []orchestrator.WaitEdge, err error) {
	epoch := h.n.epoch
	refused := false
	lost := h.now(func() {
		if refused = h.db.refuses(epoch); refused {
			return
		}
		h.db.waits[epoch] = own
		for other, l := range h.db.ordered() {
			if other == epoch || !h.db.holds(other) || h.n.w.mutation == LocalCycles {
				continue
			}
			for _, e := range h.db.waits[other] {
				e.Node = placeName(l.place)
				out = append(out, e)
			}
		}
	})
	switch {
	case lost != nil:
		return nil, lost
	case refused:
		return nil, orchestrator.ErrNotMember
	}
	return out, nil
}

// ApplyPack implements [orchestrator.PackStore].
func (h *handle) ApplyPack(id orchestrator.PackID, changes []*orchestrator.Change, done func([]error, error)) {
	n := h.n
	if !n.boundaryFor("before a pack is stored", func() { h.ApplyPack(id, changes, done) }) {
		return
	}
	epoch := n.epoch
	var errs []error
	h.ask(func() (err error) {
		errs, err = h.db.applyPack(id, changes, epoch)
		return err
	}, func(err error) {
		n.boundary("after a pack is stored")
		if n.dead {
			return
		}
		if err == nil {
			for _, ch := range changes {
				h.seen[ch.Global.XID.ID] = ch.Global
			}
		}
		done(errs, err)
	})
}

// FencePack implements [orchestrator.PackStore].
func (h *handle) FencePack(_ context.Context, id orchestrator.PackID) (stored bool, err error) {
	epoch := h.n.epoch
	refused := false
	lost := h.now(func() {
		if refused = h.db.refuses(epoch); !refused {
			stored = h.db.fencePack(id)
		}
	})
	switch {
	case lost != nil:
		return false, lost
	case refused:
		return false, orchestrator.ErrNotMember
	}
	return stored, nil
}

// Unread implements [orchestrator.PackStore].
func (h *handle) Unread(
	_ context.Context, before txn.Millis, claim time.Duration, limit int,
) (out []orchestrator.OutboxEntry, err error) {
	err = h.now(func() { out = h.db.unread(before, claim, limit) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Repack implements [orchestrator.PackStore].
func (h *handle) Repack(_ context.Context, id orchestrator.PackID, _ []int64) (err error) {
	var refused error
	epoch := h.n.epoch
	if err = h.now(func() { refused = h.db.repack(id, epoch) }); err != nil {
		return err
	}
	return refused
}

// ClearOutbox implements [orchestrator.PackStore].
func (h *handle) ClearOutbox(pack orchestrator.PackID, ids []int64) {
	h.clear = append(h.clear, cleared{pack, ids})
	h.n.after(lazyFor, func() {
		if read := h.clear; len(read) > 0 && len(h.sent) == 0 {
			h.clear = nil
			h.trip(func() { h.remove(read) }, func(error) {})
		}
	})
}

// OutboxState implements [orchestrator.PackStore].
func (h *handle) OutboxState(context.Context) (n int64, oldest txn.Millis, err error) {
	err = h.now(func() {
		n = int64(len(h.db.outbox))
		for _, e := range h.db.outbox {
			if oldest == 0 || e.RecordedAt < oldest {
				oldest = e.RecordedAt
			}
		}
	})
	return n, oldest, err
}
