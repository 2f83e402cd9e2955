package catalog

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

var _ orchestrator.Sagas = (*Catalog)(nil)

// loadWithin bounds the reading of a definition.
const loadWithin = 10 * time.Second

// Planner implements [txn.Planners].
func (c *Catalog) Planner(run *txn.SagaRun) txn.Planner {
	if compiled := c.compiled(run); compiled != nil {
		return compiled.Planner
	}
	return nil
}

// compiled returns what is ready, or nil.
func (c *Catalog) compiled(run *txn.SagaRun) *Compiled {
	return (*c.ready.Load())[version{run.Definition, run.Version}]
}

// version is a definition as the map of those that are ready has it: it is asked several times for each event.
type version struct {
	name   string
	number uint32
}

// versionOf is what a run runs, without what is its own.
func versionOf(run *txn.SagaRun) txn.SagaRun {
	return txn.SagaRun{Definition: run.Definition, Version: run.Version}
}

// Ready returns a version that is ready to run, 0 being the newest, and its number. Errors:
// [orchestrator.ErrNoDocument], [orchestrator.ErrUnreadable], faults.
func (c *Catalog) Ready(ctx context.Context, name string, version uint32) (uint32, *Compiled, error) {
	if version == 0 {
		if nameProblem(name) != "" {
			return 0, nil, orchestrator.ErrNoDocument
		}
		var err error
		if version, err = c.latest(ctx, name); err != nil {
			return 0, nil, fmt.Errorf("read saga %s: %w", name, err)
		}
	}
	run := txn.SagaRun{Definition: name, Version: version}
	if compiled := c.compiled(&run); compiled != nil {
		return version, compiled, nil
	}
	loaded := make(chan error, 1)
	c.load(run, func(error) {}, func(err error) { loaded <- err })
	select {
	case err := <-loaded:
		if err != nil {
			return version, nil, err
		}
	case <-ctx.Done():
		return version, nil, ctx.Err()
	}
	return version, c.compiled(&run), nil
}

// latest returns the number of the newest version. One that is alone knows when that changes.
func (c *Catalog) latest(ctx context.Context, name string) (uint32, error) {
	c.mu.RLock()
	version, publications := c.last[name], c.publications
	c.mu.RUnlock()
	if version != 0 {
		return version, nil
	}
	p, err := c.newest(ctx, name)
	if err != nil || !c.alone {
		return p.Version, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.publications == publications { // else it may be old already
		c.last[name] = p.Version
	}
	return p.Version, nil
}

// published forgets what the newest version of a saga is.
func (c *Catalog) published(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publications++
	delete(c.last, name)
}

// Load implements [orchestrator.Sagas]. Runs that want the same definition at the same time share one reading. One that
// failed is not tried again at once: until then all get the same error.
func (c *Catalog) Load(run *txn.SagaRun, done func(error)) {
	if c.compiled(run) != nil {
		done(nil)
		return
	}
	key := versionOf(run)
	if err := c.failures.known(key, c.clock.Now()); err != nil {
		done(err)
		return
	}
	c.load(key, func(err error) { c.tell(key, err) }, done)
}

// load is Load at once. told is called first, if nobody reads the definition already.
func (c *Catalog) load(key txn.SagaRun, told, done func(error)) {
	c.mu.Lock()
	switch {
	case c.compiled(&key) != nil:
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
		compiled, err := c.compile(ctx, key)
		told(err)
		c.mu.Lock()
		if err == nil {
			ready := maps.Clone(*c.ready.Load())
			ready[version{key.Definition, key.Version}] = compiled
			c.ready.Store(&ready)
		}
		waiting := c.loading[key]
		delete(c.loading, key)
		c.mu.Unlock()
		for _, done := range waiting {
			done(err)
		}
	}()
}

// compile reads and compiles a version.
func (c *Catalog) compile(ctx context.Context, key txn.SagaRun) (*Compiled, error) {
	if key.Version == 0 {
		return nil, fmt.Errorf("saga %s without a version: %w", key.Definition, orchestrator.ErrNoDocument)
	}
	p, err := c.Get(ctx, key.Definition, key.Version)
	if err != nil {
		return nil, err
	}
	language := c.language(p.Language)
	if language == nil {
		return nil, unreadable(&p, "it is in the language "+p.Language)
	}
	compiled, err := language.Compile(&p, func(name string, version uint32) (Published, error) {
		if version == 0 {
			version = p.Subs[name]
		}
		if version == 0 {
			return Published{}, unreadable(&p, "no version of the sub-saga "+name+" was there when it was published")
		}
		return c.Get(ctx, name, version)
	})
	if err != nil {
		return nil, err
	}
	return &compiled, nil
}
