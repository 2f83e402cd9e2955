package schema

import (
	"context"
	"strings"
	"sync"
	"time"
)

// DefaultAge is how long a table is believed to be as it was.
const DefaultAge = time.Minute

// cascadesAge is how many times as long foreign keys are believed to be as they were.
const cascadesAge = 10

// tablesMax bounds a cache. Beyond it everything is forgotten, which costs one round trip per table.
const tablesMax = 4096

// Cache remembers the tables of one database, with the foreign keys that refer to them. These are read for all tables
// at once, in a round trip of their own, and kept ten times as long. One value serves any number of goroutines; the
// zero value works, with DefaultAge.
type Cache struct {
	// Age is how long a table is kept; it is not changed once the cache is in use. 0 is DefaultAge.
	Age time.Duration

	mu      sync.Mutex
	entries map[string]*entry
}

// entry is one table, or all foreign keys. It is being loaded while done is open.
type entry struct {
	done   chan struct{}
	loaded time.Time
	value  any
	err    error
}

// allCascades is the name of the entry of the foreign keys, which no table can have.
const allCascades = "\x00"

// Table returns a table, from memory or loaded over q. Several that ask for a table at once wait for one of them; if
// that one fails, they ask by themselves. Names that differ in case or quoting have entries of their own.
func (c *Cache) Table(ctx context.Context, q Queryer, name string) (*Table, error) {
	age := c.Age
	if age <= 0 {
		age = DefaultAge
	}
	v, err := c.get(ctx, name, age, func() (any, error) {
		t, err := Load(ctx, q, name)
		if err != nil {
			return nil, err
		}
		all, err := c.get(ctx, allCascades, cascadesAge*age, func() (any, error) { return loadCascades(ctx, q) })
		if err != nil {
			return nil, err
		}
		t.Cascades = all.(cascades).of(t)
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*Table), nil
}

// get returns what has the name, from memory or loaded.
func (c *Cache) get(ctx context.Context, name string, age time.Duration, load func() (any, error)) (any, error) {
	e, mine := c.claim(name, age)
	if !mine {
		select {
		case <-e.done:
			if e.err == nil {
				return e.value, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return load()
	}
	finished := false
	defer func() {
		if !finished { // a panic in the driver
			c.settle(name, e, nil, ErrNoTable)
		}
	}()
	value, err := load()
	finished = true
	c.settle(name, e, value, err)
	return value, err
}

// claim returns the entry of a name, and whether the caller has to load it.
func (c *Cache) claim(name string, age time.Duration) (e *entry, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[name]; e != nil && (e.loaded.IsZero() || time.Since(e.loaded) < age) {
		return e, false
	}
	if c.entries == nil || len(c.entries) >= tablesMax {
		c.entries = make(map[string]*entry)
	}
	e = &entry{done: make(chan struct{})}
	c.entries[name] = e
	return e, true
}

// settle ends the loading of an entry. An error is not remembered. An entry that was forgotten meanwhile stays so.
func (c *Cache) settle(name string, e *entry, value any, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.value, e.err, e.loaded = value, err, time.Now()
	if err != nil && c.entries[name] == e {
		delete(c.entries, name)
	}
	close(e.done)
}

// Forget has the next one who asks load the table again. The name may be spelled in any case, qualified or not.
func (c *Cache) Forget(name string) {
	_, table, err := Split(name)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.entries {
		if _, other, err := Split(key); err == nil && strings.EqualFold(other, table) {
			delete(c.entries, key)
		}
	}
}

// ForgetAll empties the cache.
func (c *Cache) ForgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = nil
}
