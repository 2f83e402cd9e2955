package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
)

var _ orchestrator.Sagas = (*Catalog)(nil)

// loadWithin bounds the reading of a definition.
const loadWithin = 10 * time.Second

// Planner implements [txn.Planners].
func (c *Catalog) Planner(run *txn.SagaRun) txn.Planner {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if p := c.ready[versionOf(run)]; p != nil {
		return p
	}
	return nil
}

// versionOf is what a run runs, without what is its own.
func versionOf(run *txn.SagaRun) txn.SagaRun {
	return txn.SagaRun{Definition: run.Definition, Version: run.Version}
}

// Load implements [orchestrator.Sagas]. Runs that want the same definition at the same time share one reading.
func (c *Catalog) Load(run *txn.SagaRun, done func(error)) {
	key := versionOf(run)
	c.mu.Lock()
	switch {
	case c.ready[key] != nil:
		c.mu.Unlock()
		done(nil)
		return
	case c.closed:
		c.mu.Unlock()
		done(orchestrator.ErrStopped)
		return
	}
	waiting := c.loading[key]
	c.loading[key] = append(waiting, done)
	if len(waiting) > 0 {
		c.mu.Unlock()
		return
	}
	c.loads.Add(1)
	c.mu.Unlock()
	go func() {
		defer c.loads.Done()
		ctx, cancel := context.WithTimeout(context.Background(), loadWithin)
		defer cancel()
		p, err := c.program(ctx, key)
		c.mu.Lock()
		if err == nil {
			c.ready[key] = p
		}
		waiting := c.loading[key]
		delete(c.loading, key)
		c.mu.Unlock()
		for _, done := range waiting {
			done(err)
		}
	}()
}

// program reads and compiles a version.
func (c *Catalog) program(ctx context.Context, key txn.SagaRun) (*plan.Program, error) {
	if key.Version == 0 {
		return nil, fmt.Errorf("saga %s without a version: %w", key.Definition, orchestrator.ErrNoDocument)
	}
	own, err := c.find(ctx, key.Definition, key.Version)
	if err != nil {
		return nil, err
	}
	def, findings := definition.Parse([]byte(own.Text))
	if def == nil || definition.Broken(findings) {
		return nil, fmt.Errorf("saga %s, version %d was published by a version that reads another language",
			key.Definition, key.Version)
	}
	return plan.Compile(def, func(name string, version int) (*definition.Definition, error) {
		if version == 0 {
			version = int(own.Subs[name])
		}
		if version == 0 {
			return nil, errors.New("no version of the sub-saga " + name + " was there when it was published")
		}
		sub, err := c.find(ctx, name, uint32(version))
		if err != nil {
			return nil, err
		}
		def, _ := definition.Parse([]byte(sub.Text))
		if def == nil {
			return nil, fmt.Errorf("saga %s cannot be read", name)
		}
		return def, nil
	})
}

// Close waits for readings that are under way. Nothing is loaded afterwards.
func (c *Catalog) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.loads.Wait()
}
