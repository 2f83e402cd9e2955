//go:build parts

package client_test

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/client/clienttest"
)

// cluster starts nodes on one database. They publish nothing, and nobody is told of them.
func cluster(t *testing.T, ids ...string) []*clienttest.Process {
	t.Helper()
	dsn := clienttest.Database(t)
	var nodes []*clienttest.Process
	for _, id := range ids {
		nodes = append(nodes, clienttest.Run(t, "--store", "mysql", "--mysql-dsn", dsn, "--mysql-migrate", "--mq", "off",
			"--node-id", id, "--node-secret", "a-secret-of-16-bytes-or-more", "--node-lease", "3s", "--node-leave", "1s",
			"--retry-first", "100ms", "--retry-unreachable", "100ms", "--retry-max", "500ms", "--retry-answer", "2s",
			"--retry-grace", "1s", "--limits-end-wait", "2s"))
	}
	return nodes
}

func TestLoadOverAClusterWhoseNodesAreKilledInTurn(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, "a", "b", "c")
	o := quick(nodes[0].Seata, nodes[1].Seata, nodes[2].Seata)
	o.NodeWait, o.RequestTimeout = 5*time.Second, 0
	c, l := serve(t, o)
	clienttest.Eventually(t, "all are connected", func() bool { return len(c.Connected()) == 3 })
	load(t, c, l, func() {
		for _, n := range nodes {
			lag(t, 500*time.Millisecond)
			n.Kill()
			// Two are left, and everybody goes on: what the dead one had begun too, once its lease is over.
			lag(t, 500*time.Millisecond)
			n.Restart()
			clienttest.Eventually(t, "all are connected again", func() bool { return len(c.Connected()) == 3 })
		}
	})
}
