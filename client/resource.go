package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// Resource does the second phase of branches. Its methods may be called concurrently, repeatedly (in this client not
// for the same branch at once), late, and for branches whose first phase has not run and perhaps never will. Their
// context ends after Options.PhaseTwoTimeout, or when the client is closed; it is of no global transaction.
//
// Commit and Rollback return the status that is answered. An error is logged; with a zero status it is answered as
// failed and to be repeated, and so is a panic.
type Resource interface {
	// ID names the resource for coordinators, the same in all processes that share it. It contains no comma and is not
	// empty.
	ID() string
	// Type is the mode of its branches.
	Type() seata.BranchType
	// Commit makes a branch final: seata.BranchCommitted.
	Commit(ctx context.Context, b Branch) (seata.BranchStatus, error)
	// Rollback undoes a branch: seata.BranchRollbacked, or seata.BranchRollbackFailedUnretryable if that can never be.
	Rollback(ctx context.Context, b Branch) (seata.BranchStatus, error)
}

// UndoCleaner is a [Resource] that can delete old undo logs. Coordinators ask for that once a day.
type UndoCleaner interface {
	// DeleteUndoLog deletes undo logs that are older.
	DeleteUndoLog(ctx context.Context, olderThan time.Duration) error
}

type resourceKey struct {
	kind seata.BranchType
	id   string
}

func keyOf(r Resource) resourceKey { return resourceKey{r.Type(), r.ID()} }

// resourceBytesMax bounds ids, as coordinators do.
const resourceBytesMax = 4096

// Serve registers a resource with every coordinator, now and with each connection that is made later. It returns when
// the coordinators that are connected have noted it. A second resource of the same id and type is an error; after an
// error the resource is not served.
func (c *Client) Serve(ctx context.Context, r Resource) error {
	key := keyOf(r)
	switch {
	case key.id == "" || strings.Contains(key.id, ",") || len(key.id) > resourceBytesMax:
		return fmt.Errorf("serve resource %.64q: id is empty, too long or contains a comma", key.id)
	case !key.kind.Valid():
		return fmt.Errorf("serve resource %s: invalid %s", key.id, key.kind)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return fmt.Errorf("serve resource %s: %w", key.id, ErrClosed)
	}
	if c.resources[key] != nil {
		c.mu.Unlock()
		return fmt.Errorf("serve resource %s: there is one with this id and type already", key.id)
	}
	c.resources[key] = r
	var links []*link
	for _, n := range c.nodes {
		if n.joining != nil {
			links = append(links, n.joining)
		}
	}
	c.mu.Unlock()
	if err := c.tell(ctx, links, key.id); err != nil {
		c.Withdraw(r)
		return fmt.Errorf("serve resource %s: %w", key.id, err)
	}
	return nil
}

// tell registers a resource at all of links. One that is lost meanwhile is told again when it is connected again.
func (c *Client) tell(ctx context.Context, links []*link, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.RequestTimeout)
	defer cancel()
	results := make(chan error, len(links))
	for _, l := range links {
		go func() {
			err := l.registerRM(ctx, []string{id})
			if l.gone() && !errors.Is(err, ErrRefused) {
				err = nil
			}
			results <- err
		}()
	}
	var all error
	for range links {
		all = errors.Join(all, <-results)
	}
	return all
}

// Withdraw forgets a resource. Coordinators are not told, there is no message for it: second phases that they still ask
// for are answered as failed and to be repeated, so that another process, or this one later, can do them.
func (c *Client) Withdraw(r Resource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resources[keyOf(r)] == r {
		delete(c.resources, keyOf(r))
	}
}

// resourceIDs lists what is served. The mutex is held.
func (c *Client) resourceIDs() []string {
	ids := make([]string, 0, len(c.resources))
	for key := range c.resources {
		ids = append(ids, key.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (c *Client) resource(key resourceKey) Resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resources[key]
}
