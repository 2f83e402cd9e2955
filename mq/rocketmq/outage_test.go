//go:build parts

package rocketmq

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// What callers may wait at worst while a broker is going down: the processes share two cores with its death.
const patienceOfCallers = 2 * time.Second

// TestOutagesOfOneBroker shares a broker, which is hurt by one test after the other.
func TestOutagesOfOneBroker(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "single")
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c cluster)
	}{
		{"KilledAndRestartedUnderLoad", brokerKilled},
		{"StoppedBrokerHoldsUpNobody", brokerStopped},
		{"NameServerIsGoneForLongerThanTheLibraryPolls", nameServerGone},
		{"RefuseMakesNoDecisionWithoutTheBroker", refuses},
		{"LogOpensWithoutBrokersAndGoesOn", opensWithout},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, cluster{t, c.dir}) })
	}
}

func brokerKilled(t *testing.T, c cluster) {
	d := newDisk()
	prefix := newPrefix()
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	work := newLoad()
	stop := work.start(n, 200)
	eventually(t, "decisions are consumed", func() bool { return s.count() > 200 })
	c.do("kill", "broker-a")
	eventually(t, "the log says so", func() bool { return n.log.Health() != nil })
	t.Logf("health: %v", n.log.Health())
	before := s.count()
	eventually(t, "decisions are driven without a broker", func() bool { return s.count() > before+200 })
	c.do("run", "broker-a")
	eventually(t, "the log has recovered", func() bool { return n.log.Health() == nil })
	before = s.count()
	eventually(t, "decisions are consumed again", func() bool { return s.count() > before+200 })
	stop()
	work.calm(t, patienceOfCallers)
	drained(t, d)
	if !s.has(work.ids...) {
		t.Error("a decision was never delivered")
	}
	audit(t, c, prefix, d)
	t.Logf("longest time without a delivery %s; %+v", gaps(s), n.log.Stats())
}

func nameServerGone(t *testing.T, c cluster) {
	d := newDisk()
	prefix := newPrefix()
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	work := newLoad()
	stop := work.start(n, 50)
	eventually(t, "decisions are consumed", func() bool { return s.count() > 50 })
	c.do("kill", "namesrv")
	began, published := time.Now(), n.log.Stats().Published
	eventually(t, "the state says so", func() bool {
		state, err := n.log.State(t.Context())
		return err == nil && state.NameServers != nil
	})
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Since(began) < 35*time.Second {
		<-tick.C
		if err := n.log.Health(); err != nil {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
	}
	if got := n.log.Stats().Published - published; got < 100 {
		t.Errorf("only %d packs were published without a name server", got)
	}
	c.do("run", "namesrv")
	eventually(t, "the state is well", func() bool {
		state, err := n.log.State(t.Context())
		return err == nil && state.NameServers == nil
	})
	before := s.count()
	eventually(t, "decisions are consumed", func() bool { return s.count() > before+50 })
	stop()
	work.calm(t, patienceOfCallers)
	drained(t, d)
	audit(t, c, prefix, d)
	t.Logf("%+v", n.log.Stats())
}

func TestMasterIsKilled(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "2m2s")
	d := newDisk()
	prefix := newPrefix()
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	work := newLoad()
	stop := work.start(n, 200)
	eventually(t, "decisions are consumed", func() bool { return s.count() > 400 })
	before := n.log.Stats()
	c.do("kill", "broker-a")
	killed := time.Now()
	seenBefore := s.count()
	eventually(t, "decisions go on", func() bool { return s.count() > seenBefore+1000 })
	after := n.log.Stats()
	t.Logf("%s after the kill of a master: %d packs published, %d halves failed, %d driven locally", time.Since(killed),
		after.Published-before.Published, after.HalvesFailed-before.HalvesFailed, after.Local-before.Local)
	if err := n.log.Health(); err != nil {
		t.Errorf("one master of two is enough: %v", err)
	}
	if failed := n.log.table.failures("broker-a"); failed > 100 { // those in flight at the kill, and probes
		t.Errorf("%d halves went to the dead master", failed)
	}
	c.do("run", "broker-a")
	eventually(t, "the master takes messages again", func() bool {
		return n.log.table.route(CommitTopic(prefix)).masters["broker-a"] != "" &&
			len(n.log.table.shunned(CommitTopic(prefix))) == 0
	})
	seenBefore = s.count()
	eventually(t, "decisions go on", func() bool { return s.count() > seenBefore+200 })
	before = n.log.Stats()
	c.do("kill", "broker-b-slave") // its master answers, but has no second copy
	seenBefore = s.count()
	eventually(t, "decisions go on without the slave", func() bool { return s.count() > seenBefore+1000 })
	after = n.log.Stats()
	t.Logf("after the kill of a slave: %d packs published, %d halves failed", after.Published-before.Published,
		after.HalvesFailed-before.HalvesFailed)
	if failed := after.HalvesFailed - before.HalvesFailed; failed == 0 || failed > 200 {
		t.Errorf("%d halves failed; those that were under way at the kill should, and no later ones", failed)
	}
	stop()
	work.calm(t, patienceOfCallers)
	drained(t, d)
	audit(t, c, prefix, d)
	t.Logf("longest time without a delivery %s; %+v", gaps(s), n.log.Stats())
}

func brokerStopped(t *testing.T, c cluster) {
	d := newDisk()
	prefix := newPrefix()
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	work := newLoad()
	stop := work.start(n, 200)
	eventually(t, "decisions are consumed from the broker", func() bool { return n.log.Stats().Read > 50 })
	c.signal("broker-a", syscall.SIGSTOP)
	stopped := time.Now()
	eventually(t, "the log says so", func() bool { return n.log.Health() != nil })
	t.Logf("noticed after %s: %v", time.Since(stopped), n.log.Health())
	before := s.count()
	eventually(t, "decisions are driven without the broker", func() bool { return s.count() > before+1000 })
	c.signal("broker-a", syscall.SIGCONT)
	eventually(t, "the log has recovered", func() bool { return n.log.Health() == nil })
	stop()
	work.calm(t, patienceOfCallers)
	drained(t, d)
	audit(t, c, prefix, d)
	t.Logf("longest time without a delivery %s; %+v", gaps(s), n.log.Stats())
}

func TestLeaderIsKilled(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "dledger")
	d := newDisk()
	prefix := newPrefix()
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	work := newLoad()
	stop := work.start(n, 100)
	eventually(t, "decisions are consumed", func() bool { return s.count() > 200 })
	leader := c.leader()
	c.do("kill", leader)
	killed := time.Now()
	eventually(t, "the log says so", func() bool { return n.log.Health() != nil })
	eventually(t, "the log has recovered", func() bool { return n.log.Health() == nil })
	elected := time.Since(killed)
	published := n.log.Stats().Published
	eventually(t, "messages are published on the new leader", func() bool {
		return n.log.Stats().Published > published+50
	})
	t.Logf("%s after the kill of the leader, election included, messages are published again", elected)
	if elected > 20*time.Second {
		t.Error("the outage follows the library's poll of routes, not the election")
	}
	c.do("run", leader)
	stop()
	work.calm(t, patienceOfCallers)
	drained(t, d)
	audit(t, c, prefix, d)
	t.Logf("longest time without a delivery %s; %+v", gaps(s), n.log.Stats())
}

func refuses(t *testing.T, c cluster) {
	d := newDisk()
	prefix := newPrefix()
	o := c.options(t, prefix, nil)
	o.Mode = Refuse
	n := startNode(t, d, o)
	defer n.end()
	if err := n.record(decide(t, d.begin(t, 10, ""), txn.Commit)); err != nil {
		t.Fatal(err)
	}
	c.do("kill", "broker-a")
	id := int64(100)
	for range 20 { // the first may find out that the broker is gone; all must say so and decide nothing
		id += 2
		err := n.record(decide(t, d.begin(t, id, ""), txn.Commit))
		if !errors.Is(err, orchestrator.ErrUnavailable) {
			t.Fatalf("decision without a broker: %v", err)
		}
	}
	if len(d.decisions()) != 1 {
		t.Errorf("decided: %v", d.decisions())
	}
	c.do("run", "broker-a")
	eventually(t, "decisions are made again", func() bool {
		id += 2
		return n.record(decide(t, d.begin(t, id, ""), txn.Rollback)) == nil
	})
	audit(t, c, prefix, d)
}

func opensWithout(t *testing.T, c cluster) {
	c.do("kill", "broker-a")
	d := newDisk()
	prefix := newPrefix()
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	if err := n.log.Health(); err == nil || !strings.Contains(err.Error(), "not published") {
		t.Errorf("health without a broker: %v", err)
	}
	for id := int64(10); id < 100; id += 2 {
		if err := n.record(decide(t, d.begin(t, id, ""), txn.Commit)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "decisions are driven locally", func() bool { return s.count() == 45 })
	c.do("run", "broker-a")
	eventually(t, "the log publishes", func() bool { return n.log.Health() == nil })
	drained(t, d)
	audit(t, c, prefix, d)
}

// failures counts what has failed on a broker since it was well.
func (t *table) failures(broker string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.health[broker]; h != nil {
		return h.failures
	}
	return 0
}
