//go:build parts

package main

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// outage is two clusters of one node each, which differ in what they do without a broker.
type outage struct {
	t             *testing.T
	parts         outside
	site          *site // of queue
	queue, refuse *process
}

// TestARunningNodeOutlivesItsParts stops and starts one part after the other. The node degrades as configured, says so
// in /readyz, metrics and log, and recovers by itself.
func TestARunningNodeOutlivesItsParts(t *testing.T) {
	t.Parallel()
	parts := startOutside(t)
	o := &outage{t: t, parts: parts}
	o.site = newSite(t, parts)
	o.queue = o.site.node("queue")
	o.refuse = newSite(t, parts).node("refuse", "--rocketmq-mode", "refuse")
	o.queue.healthy()
	o.refuse.healthy()
	for _, step := range []struct {
		name string
		do   func()
	}{{"registry", o.registry}, {"broker", o.broker}, {"read-only database", o.readOnly}, {"database", o.database}} {
		began := time.Now()
		step.do()
		t.Logf("%s: %v", step.name, time.Since(began).Round(time.Millisecond))
	}
}

// broker stops name server and broker. Mode queue goes on and publishes later; mode refuse decides nothing.
func (o *outage) broker() {
	t, queue, refuse := o.t, o.queue, o.refuse
	late, refused := participant(t, queue).begin("late", "orders:1"), participant(t, refuse).begin("refused", "orders:1")
	o.parts.do(t, "stop", "rocketmq")
	queue.degrades("publicationLate")
	refuse.refuses("brokerAway")
	for name, want := range map[string][2]float64{
		"tx_ready": {1, 0}, "tx_degraded": {1, 1}, "tx_mq_publishing": {0, 0}, "tx_member": {1, 1},
	} {
		if got := [2]float64{queue.metric(name), refuse.metric(name)}; got != want {
			t.Errorf("%s without a broker: %v with queue and refuse, not %v", name, got, want)
		}
	}
	queue.commit(late)
	queue.ends(late)
	if n := queue.metric("tx_outbox_entries"); n != 1 {
		t.Errorf("%v decisions wait to be published", n)
	}
	status, code, text := refuse.api("POST", "/transactions/"+refused+"/commit", "")
	if status != http.StatusServiceUnavailable || code != "unavailable" {
		t.Errorf("commit without a broker in mode refuse: %d %s", status, text)
	}
	contains(t, refuse.ok("tx", "show", refused), "Active", "locks 1 row")
	contains(t, queue.logs(), "decisions are not published", `"mode":"queue"`)

	o.parts.do(t, "start", "rocketmq")
	began := time.Now()
	queue.healthy()
	t.Logf("published again %v after the broker was back", time.Since(began).Round(time.Millisecond))
	refuse.healthy()
	queue.measures("tx_outbox_entries", 0)
	refuse.commit(refused)
	refuse.ends(refused)
	refuse.measures("tx_outbox_entries", 0)
	contains(t, queue.logs(), "decisions are published again")
}

// readOnly makes the database what it is when it has become a replica. No node starts on it, and one that runs waits.
func (o *outage) readOnly() {
	t, queue := o.t, o.queue
	c := participant(t, queue)
	open := c.begin("open", "orders:4")
	o.site.exec("SET GLOBAL read_only = 1")
	o.site.refused(exitFailure, nil, o.site.flags("late"), "accepts no writes", "read_only is ON", "--mysql-dsn")
	status, code, text := queue.api("POST", "/transactions/"+open+"/commit", "")
	if status < http.StatusInternalServerError {
		t.Errorf("commit on a database that is read only: %d %s %s", status, code, text)
	}
	queue.refuses("storeNotWritable")
	contains(t, queue.readyz(), "refuses writes")
	o.site.exec("SET GLOBAL read_only = 0")
	queue.healthy()
	again := participant(t, queue) // the lease may have been lost
	queue.commit(open)
	queue.ends(open)
	fresh := again.begin("fresh", "orders:4")
	queue.commit(fresh)
	queue.ends(fresh)
}

// database stops the database for longer than the lease. Nothing is accepted and nothing is lost.
func (o *outage) database() {
	t, queue := o.t, o.queue
	before := participant(t, queue)
	open := before.begin("open", "orders:2")
	epoch := queue.metric("tx_epoch")
	o.parts.do(t, "stop", "mariadb")
	queue.refuses("storeNotWritable")
	for _, path := range []string{"/transactions", "/transactions/" + open + "/commit"} {
		status, code, text := queue.api("POST", path, "{}")
		known := []string{"unavailable", "notMember", "storeFault", "deadlineExceeded"}
		if status < http.StatusInternalServerError || !slices.Contains(known, code) {
			t.Errorf("%s without a database: %d %s", path, status, text)
		}
	}
	queue.measures("tx_member", 0)
	queue.measures("tx_ready", 0)
	o.ended(before)
	contains(t, queue.logs(), "lease could not be renewed", "clients are sent elsewhere")
	if code, body := queue.get("/healthz"); code != http.StatusOK {
		t.Errorf("the process is healthy all the same: %d %s", code, body)
	}

	o.parts.do(t, "start", "mariadb")
	began := time.Now()
	queue.healthy()
	t.Logf("a member again %v after the database was back", time.Since(began).Round(time.Millisecond))
	o.refuse.healthy()
	if now := queue.metric("tx_epoch"); now <= epoch {
		t.Errorf("epoch %v after the loss, %v before", now, epoch)
	}
	contains(t, queue.logs(), "node is a member again")
	after := participant(t, queue)
	queue.commit(open)
	queue.ends(open)
	fresh := after.begin("fresh", "orders:2")
	queue.commit(fresh)
	queue.ends(fresh)
}

// registry stops ZooKeeper. Clients that are connected notice nothing.
func (o *outage) registry() {
	t, queue := o.t, o.queue
	queue.measures("tx_registry_entered", 1)
	c := participant(t, queue)
	o.parts.do(t, "stop", "zookeeper")
	queue.degrades("registryAway")
	queue.measures("tx_degraded", 1)
	xid := c.begin("meanwhile", "orders:3")
	queue.commit(xid)
	queue.ends(xid)
	o.parts.do(t, "start", "zookeeper")
	queue.healthy()
	queue.measures("tx_registry_entered", 1)
	queue.measures("tx_degraded", 0)
}

// ended waits until the server has closed a connection.
func (o *outage) ended(c *peer) { awaitEnd(o.t, c) }
