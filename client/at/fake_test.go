//go:build parts

package at_test

import (
	"context"
	"sync"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/tc/seata"
)

// coordinator is one that tests tell what to answer. The zero value accepts everything.
type coordinator struct {
	mu        sync.Mutex
	register  func(ctx context.Context, attempt int, b client.Branch) error
	lockable  func(attempt int, b client.Branch) (bool, error)
	branches  []client.Branch // that were accepted
	reports   []seata.BranchStatus
	attempts  int
	questions int
	resources []client.Resource
}

func (c *coordinator) StartBranch(ctx context.Context, b client.Branch) (int64, func() (int64, error)) {
	return 0, func() (int64, error) { return c.registered(ctx, b) }
}

func (c *coordinator) registered(ctx context.Context, b client.Branch) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts++
	if c.register != nil {
		if err := c.register(ctx, c.attempts, b); err != nil {
			return 0, err
		}
	}
	b.ID = int64(len(c.branches) + 1)
	c.branches = append(c.branches, b)
	return b.ID, nil
}

func (c *coordinator) ReportBranch(_ context.Context, _ client.Branch, s seata.BranchStatus) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, s)
	return nil
}

func (c *coordinator) Lockable(_ context.Context, b client.Branch) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.questions++
	if c.lockable != nil {
		return c.lockable(c.questions, b)
	}
	return true, nil
}

func (c *coordinator) Serve(_ context.Context, r client.Resource) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resources = append(c.resources, r)
	return nil
}

func (c *coordinator) Withdraw(client.Resource) {}
