package main

import (
	"context"
	"errors"
	"time"
)

// drainEvery is how often a node looks whether somebody has drained it.
const drainEvery = 2 * time.Second

// drainedSentence says what it is to be drained.
const drainedSentence = "The node is drained: new clients go elsewhere until that is taken back, or it is restarted."

// errDrained is why a drained node is not in the registry.
var errDrained = errors.New("the node is drained")

// watchDraining follows what the database says of this node until ctx ends or the process is about to.
func (m *cluster) watchDraining(ctx context.Context) error {
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	epoch := int64(0) // in which it was drained
	for !m.leaving.Load() {
		var err error
		if epoch, err = m.followDraining(ctx, epoch); err != nil && ctx.Err() == nil {
			m.logger.Debug("whether this node is drained was not read", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
	return nil
}

// followDraining compares what the database says with what holds here, and does what follows. It returns the epoch in
// which the node was drained.
func (m *cluster) followDraining(ctx context.Context, epoch int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, drainEvery)
	defer cancel()
	nodes, err := m.store.Nodes(ctx)
	if err != nil {
		return epoch, err
	}
	for _, n := range nodes {
		drained := m.drained.Load()
		switch {
		case n.ID != m.id || !n.Alive || m.leaving.Load():
		case n.Draining && !drained:
			m.drained.Store(true)
			m.logger.Info("node is drained: new clients go elsewhere", "node", m.id)
			if r := m.entered.Load(); r != nil {
				r.Withdraw(errDrained)
			}
			return n.Epoch, nil
		case n.Draining == drained:
		case n.Epoch != epoch: // it has joined anew, which the one who drained it did not mean to take back
			return n.Epoch, m.store.Drain(ctx)
		default:
			m.drained.Store(false)
			m.logger.Info("node is not drained any more", "node", m.id)
			if r := m.entered.Load(); r != nil && m.store.Valid() {
				r.Enter()
			}
		}
	}
	return epoch, nil
}
