//go:build parts

package mysql

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/store/storetest"
)

// cluster is two nodes on a database of their own. Nobody renews their leases: only Fence declares anybody dead.
type cluster struct {
	t     testing.TB
	name  string
	nodes []*Store
}

func openCluster(t testing.TB) *cluster {
	c := &cluster{t: t, name: newDatabase(t)}
	for i := range 2 {
		c.nodes = append(c.nodes, nil)
		c.open(i)
	}
	return c
}

func (c *cluster) open(i int) {
	c.t.Helper()
	s, err := Open(c.t.Context(), options(c.t, c.name, []string{"n1", "n2"}[i]))
	if err != nil {
		c.t.Fatalf("open: %v", err)
	}
	c.nodes[i] = s
}

func (c *cluster) Node(i int) orchestrator.Shared { return c.nodes[i] }

// Fence does to node i what the other one does when the lease is over.
func (c *cluster) Fence(t storetest.T, i int) {
	t.Helper()
	const expire = `UPDATE concord_node SET lease_until = 1 WHERE id = ?`
	if _, err := c.nodes[i].pool.Exec(expire, []byte(c.nodes[i].opts.Node.ID)); err != nil {
		t.Fatalf("expire: %v", err)
	}
	if err := c.nodes[1-i].fenceOthers(c.t.Context()); err != nil {
		t.Fatalf("fence: %v", err)
	}
}

func (c *cluster) Crash(t storetest.T, i int) {
	t.Helper()
	c.nodes[i].crash()
	c.open(i)
}

func (c *cluster) Close() {
	for _, s := range c.nodes {
		if err := s.Close(); err != nil {
			c.t.Errorf("close: %v", err)
		}
	}
	giveBack(c.t, c.name)
}

func TestShared(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) storetest.Nodes { return openCluster(t) })
}

func TestPacks(t *testing.T) {
	storetest.RunPacks(t, func(t *testing.T) storetest.Nodes { return openCluster(t) })
}
