//go:build parts

package cluster_test

import (
	"syscall"
	"testing"
	"time"
)

// TestCluster breaks one part after the other under load. One kind of broker set is a group of scenarios, which goes on
// with the same processes; a group or a scenario can be run alone.
func TestCluster(t *testing.T) {
	c := setup(t)
	defer c.results(t)
	t.Run("single", func(t *testing.T) {
		c.use(t, "single")
		c.scenario(t, "undisturbed", c.auditedAtWork)
		c.scenario(t, "node killed and restarted", c.nodeKilled)
		c.scenario(t, "node stopped for longer than its lease", c.nodeStopped)
		c.scenario(t, "node asked to leave, back at another address", c.nodeLeaves)
		c.scenario(t, "broker killed and restarted", c.brokerKilled)
		c.scenario(t, "MariaDB restarted", c.storeRestarted(syscall.SIGTERM))
		c.scenario(t, "MariaDB killed and restarted", c.storeRestarted(syscall.SIGKILL))
		c.scenario(t, "node cut off from MariaDB", func(t *testing.T) { c.cutOff(t, 3*lease, c.store.port) })
		c.scenario(t, "node cut off from the broker", func(t *testing.T) {
			c.cutOff(t, 8*time.Second, c.brokerPort(t, "broker-a"), c.namesrvPort(t))
		})
		c.scenario(t, "node cut off from its clients", func(t *testing.T) {
			c.cutOff(t, 10*time.Second, c.nodes[1].tc)
		})
		c.scenario(t, "node cut off from the other node", func(t *testing.T) {
			c.cutOff(t, 6*time.Second, c.nodes[0].http, c.nodes[1].http)
		})
		c.scenario(t, "ten thousand halves without an end", c.halfStorm)
		c.scenario(t, "name server gone for a minute", c.nameServerGone)
		t.Run("audit notices what is spoiled", c.auditNotices)
	})
	t.Run("2m2s", func(t *testing.T) {
		c.use(t, "2m2s")
		c.scenario(t, "master of two with slaves lost", c.masterLost)
	})
	t.Run("dledger", func(t *testing.T) {
		c.use(t, "dledger")
		c.scenario(t, "leader of three lost", c.leaderLost)
	})
}

// auditedAtWork has a cluster judged that is not at rest: what is under way is no violation.
func (c *cluster) auditedAtWork(t *testing.T) {
	for range 3 {
		pass(time.Second)
		report, text, err := c.audit()
		if err != nil {
			t.Fatal(err)
		}
		if !report.Clean() || report.Stories == 0 {
			t.Errorf("an audit while clerks are at work:\n%s", text)
		}
	}
}

func (c *cluster) nodeKilled(t *testing.T) {
	n := c.nodes[0]
	n.kill(t)
	pass(2 * lease)
	n.start(t, c.of)
	n.ready(t, 60*time.Second)
}

// nodeStopped has a node sleep until the others take it for dead, and wake up with everything it was about to write.
func (c *cluster) nodeStopped(t *testing.T) {
	n := c.nodes[0]
	n.signal(t, syscall.SIGSTOP)
	pass(2 * lease)
	n.signal(t, syscall.SIGCONT)
	n.ready(t, 60*time.Second)
}

// nodeLeaves has clients find a node again that is elsewhere when it comes back.
func (c *cluster) nodeLeaves(t *testing.T) {
	n := c.nodes[0]
	n.stop(t)
	pass(lease)
	n.tc = freePort(t)
	n.start(t, c.of)
	n.ready(t, 60*time.Second)
}

func (c *cluster) brokerKilled(t *testing.T) {
	script(t, "rocketmq.sh", "kill", c.brokers.dir, "broker-a")
	pass(5 * time.Second)
	script(t, "rocketmq.sh", "run", c.brokers.dir, "broker-a")
}

// nameServerGone waits for a minute, in which the brokers of the other groups can start.
func (c *cluster) nameServerGone(t *testing.T) {
	c.startAhead("2m2s", "dledger")
	script(t, "rocketmq.sh", "kill", c.brokers.dir, "namesrv")
	pass(time.Minute)
	script(t, "rocketmq.sh", "run", c.brokers.dir, "namesrv")
}

func (c *cluster) storeRestarted(signal syscall.Signal) func(t *testing.T) {
	return func(t *testing.T) {
		c.store.kill(t, signal)
		pass(2 * time.Second)
		c.store.run(t)
	}
}

// cutOff drops the packets of ports of node b for a time.
func (c *cluster) cutOff(t *testing.T, d time.Duration, ports ...int) {
	c.cage.cut(t, ports...)
	defer c.cage.mend(t)
	pass(d)
}

func (c *cluster) masterLost(t *testing.T) {
	script(t, "rocketmq.sh", "kill", c.brokers.dir, "broker-a")
	pass(12 * time.Second)
	script(t, "rocketmq.sh", "run", c.brokers.dir, "broker-a")
}

func (c *cluster) leaderLost(t *testing.T) {
	leader, err := runScript("rocketmq.sh", "leader", c.brokers.dir)
	if err != nil || len(leader) < 2 {
		t.Fatalf("the leader: %q, %v", leader, err)
	}
	leader = leader[:2]
	script(t, "rocketmq.sh", "kill", c.brokers.dir, leader)
	pass(12 * time.Second)
	script(t, "rocketmq.sh", "run", c.brokers.dir, leader)
}
