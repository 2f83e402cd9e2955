//go:build parts

package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
	"github.com/concord-tx/concord/web"
)

// awaitEnd waits until the server has closed a connection.
func awaitEnd(t *testing.T, c *peer) {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Error("the connection was not closed")
	}
}

// taken is how soon another node must have done what a dead one has left: its lease (3 s), a third of it until that is
// noticed, 2 s, and as much again for a machine that does other things.
const taken = 12 * time.Second

func TestAnotherNodeTakesOverFromOneThatIsKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a"), s.node("b")
	a.sees("b", "alive")
	contains(t, a.ok("nodes"), "NODE", "EPOCH", "alive (asked)", a.advertise, b.advertise, release)
	var page web.Page[web.NodeView]
	if err := json.Unmarshal([]byte(b.ok("nodes", "-o", "json")), &page); err != nil || len(page.Items) != 2 {
		t.Fatalf("%v: %+v", err, page)
	}
	if n := page.Items[1]; n.ID != "b" || !n.Self || n.State != "alive" || n.Internal != b.http || page.Items[0].Self {
		t.Errorf("%+v", page.Items)
	}

	mute := connect(t, a.tc) // never answers a command
	xid := mute.begin("buy", "orders:1")
	a.commit(xid)
	a.until("yes", func() string { return map[bool]string{true: "yes"}[mute.commands() > 0] })
	open := mute.begin("open", "orders:2")
	a.kill()
	killed := time.Now()
	participant(t, b) // only now, so that nobody but b can have done it
	b.ends(xid)
	took := time.Since(killed)
	t.Logf("what was due at a killed node was done after %v", took.Round(time.Millisecond))
	if took > taken {
		t.Errorf("it took %v", took)
	}
	b.commit(open) // any node answers for any xid
	b.ends(open)
	b.sees("a", "gone")
	contains(t, b.ok("nodes"), "gone")
	b.measures("tx_member_fenced_total", 1)

	epoch := b.nodeOf("a").Epoch
	s.node("a").healthy()
	b.sees("a", "alive")
	if now := b.nodeOf("a").Epoch; now <= epoch || now <= b.nodeOf("b").Epoch {
		t.Errorf("epoch %d after %d", now, epoch)
	}
}

// Each node knows only who waits at it; whichever is asked must know all.
func TestAnyNodeExplainsTheWaitsOnAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a", "--limits-lock-wait", "12s"), s.node("b", "--limits-lock-wait", "12s")
	holder := participant(t, a).begin("holder", "orders:1")
	c := connect(t, b.tc)
	waiter := c.begin("waiter", "orders:2")
	answer, err := c.post(&seata.BranchRegisterRequest{
		XID: waiter, BranchType: seata.BranchAT, ResourceID: "jdbc:mysql://db/shop", LockKey: "orders:1",
	})
	if err != nil {
		t.Fatal(err)
	}
	why := a.until("lockWait", func() string { return a.ok("tx", "why", waiter) })
	contains(t, why, "waits for row 1 of table orders", holder)
	contains(t, a.ok("tx", "why", waiter, "-o", "json"), `"node": "b"`)
	contains(t, a.ok("tx", "why", holder), "1 registrations of others wait")
	number := func(xid string) string { return xid[strings.LastIndex(xid, ":"):] } // the rest is the node's that answers
	for _, p := range []*process{a, b} {
		contains(t, p.ok("locks", "--waits"), number(waiter)+" ", number(holder)+" ", " b\n")
		contains(t, p.ok("locks", "--pk", "1", "-o", "json"), `"waiters": 1`)
		contains(t, p.ok("locks", "graph"), number(waiter)+" ", number(holder)+" ")
	}
	a.commit(holder)
	if r := (<-answer).(*seata.BranchRegisterResponse); r.Code != seata.Success {
		t.Errorf("%+v", r)
	}
	a.until("waitsForDecision", func() string { return a.ok("tx", "why", waiter) })
	a.until("Nobody waits", func() string { return a.ok("locks", "--waits") })
}

func TestAFrozenNodeComesBackAsANewOne(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a"), s.node("b")
	c := participant(t, a)
	xid := c.begin("open", "orders:1")
	epoch := a.nodeOf("a").Epoch
	a.signal(syscall.SIGSTOP)
	b.measures("tx_member_fenced_total", 1) // only now another node may have taken what is a's
	b.sees("a", "gone")
	b.commit(xid)
	b.until("Committing", func() string { return b.ok("tx", "show", xid) })
	a.signal(syscall.SIGCONT)
	awaitEnd(t, c)
	a.healthy()
	if now := a.nodeOf("a").Epoch; now <= epoch {
		t.Errorf("epoch %d after %d", now, epoch)
	}
	a.measures("tx_member_losses_total", 1)
	a.measures("tx_registry_entered", 1)
	contains(t, a.logs(), "clients are sent elsewhere", "node is a member again")
	fresh := participant(t, a)
	a.ends(xid) // which it knew as active
	next := fresh.begin("fresh", "orders:1")
	a.commit(next)
	a.ends(next)
}

func TestANodeLeavesTheRegistryBeforeItsClients(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a", "--node-leave", "4s"), s.node("b")
	a.measures("tx_registry_entered", 1)
	b.measures("tx_registry_entered", 1)
	if got := s.entries(); len(got) != 2 || !slices.Contains(got, a.advertise) || !slices.Contains(got, b.advertise) {
		t.Errorf("entered: %v", got)
	}
	mute := connect(t, a.tc)
	xid := mute.begin("undelivered", "orders:1")
	a.commit(xid)
	participant(t, b)
	a.signal(syscall.SIGTERM)
	a.refuses("draining")
	a.measures("tx_registry_entered", 0)
	if got := s.entries(); len(got) != 1 || got[0] != b.advertise {
		t.Errorf("entered: %v", got)
	}
	b.sees("a", "draining")
	open := mute.begin("served still", "orders:2")
	if code := a.wait(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, a.logs())
	}
	awaitEnd(t, mute)
	b.ends(xid)
	b.commit(open)
	b.ends(open)
	b.sees("a", "gone")
	logs := a.logs()
	left, stopped := strings.Index(logs, "left the registry"), strings.Index(logs, `"stopped"`)
	if left < 0 || stopped < left {
		t.Errorf("left the registry at %d, stopped at %d:\n%s", left, stopped, logs)
	}
}

// TestTwoProcessesWithOneNodeID: the newer one is the node, the older one says so and waits until that is gone.
func TestTwoProcessesWithOneNodeID(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	older := s.node("same")
	older.healthy()
	newer := s.node("same")
	older.refuses("storeNotWritable")
	contains(t, older.until("another process", older.readyz), "--node-id")
	newer.healthy()
	status, code, text := older.api("POST", "/transactions", "{}")
	if status != 503 || code != "notMember" && code != "unavailable" {
		t.Errorf("begin at the older one: %d %s", status, text)
	}
	xid := participant(t, newer).begin("buy", "orders:1")
	newer.commit(xid)
	newer.ends(xid)
	newer.kill()
	older.healthy()
	contains(t, older.ok("tx", "show", xid), "Committed")
}

// TestClocksAnHourApart: leases hold, nothing times out early or late, due work is done once, and every time that is
// kept is the database's.
func TestClocksAnHourApart(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	patient := []string{"--retry-answer", "20s", "--retry-grace", "20s", "--node-clock-offset"}
	a, b := s.node("a", append(patient, "1h")...), s.node("b", append(patient, "-1h")...)
	apart := b.metric("tx_clock_offset_millis") - a.metric("tx_clock_offset_millis")
	if apart < 7_190_000 || apart > 7_210_000 {
		t.Errorf("the clocks are %v ms apart", apart)
	}
	pa, pb := participant(t, a), participant(t, b)
	const each, timeout = 10, 3000
	began := time.Now()
	var long []string
	seen := map[string]bool{}
	for range each {
		for _, c := range []*peer{pa, pb} {
			long = append(long, c.begin("long", "orders:"+strconv.Itoa(len(long))))
			m := c.ask(&seata.GlobalBeginRequest{TimeoutMillis: timeout, TransactionName: "short"})
			r, ok := m.(*seata.GlobalBeginResponse)
			if !ok || r.Code != seata.Success {
				t.Fatalf("begin: %+v", m)
			}
			if got := c.register(r.XID, ""); got.Code != seata.Success {
				t.Fatalf("register: %+v", got)
			}
			seen[r.XID[strings.LastIndexByte(r.XID, ':')+1:]] = true
		}
	}
	for _, xid := range long {
		seen[xid[strings.LastIndexByte(xid, ':')+1:]] = true
	}
	if len(seen) != 4*each {
		t.Errorf("%d different ids of %d", len(seen), 4*each)
	}
	a.until("yes", func() string {
		n := strings.Count(a.ok("tx", "list", "--status", "rolledback", "-o", "json"), `"xid"`)
		return map[bool]string{true: "yes"}[n == 2*each]
	})
	if n := pa.commands() + pb.commands(); n != 2*each {
		t.Errorf("%d commands for %d branches", n, 2*each)
	}
	for _, x := range list[web.Transaction](b, "/api/v1/transactions") {
		at := func(text string) time.Time {
			when, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				t.Error(err)
			}
			return when
		}
		if d := at(x.BeganAt).Sub(began).Abs(); d > time.Minute {
			t.Errorf("%s began at %s, which is %v off", x.XID, x.BeganAt, d)
		}
		switch {
		case x.Name == "long" && x.Status != "Active":
			t.Errorf("%s timed out early: %+v", x.XID, x)
		case x.Name == "short" && at(x.DecidedAt).Sub(at(x.BeganAt)) < timeout*time.Millisecond:
			t.Errorf("%s timed out early: %+v", x.XID, x)
		}
	}
	for _, n := range []*process{a, b} {
		if n.metric("tx_member_losses_total") != 0 || n.metric("tx_member") != 1 {
			t.Error("a lease was lost")
		}
		n.healthy()
	}
}
