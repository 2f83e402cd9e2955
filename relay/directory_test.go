package relay

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestRouting(t *testing.T) {
	t.Parallel()
	at := func(node, resource, application, ip string) orchestrator.RemoteSession {
		return orchestrator.RemoteSession{Node: node, SessionEntry: orchestrator.SessionEntry{
			Resource: resource, Application: application, IP: ip, Clients: 1,
		}}
	}
	here, there := at("here", "r", "orders", "10.0.0.9"), at("there", "r", "orders", "10.0.0.8")
	other, without := at("other", "r", "stock", "10.0.0.9"), at("without", "q", "orders", "10.0.0.9")
	dead := at("dead", "r", "orders", "10.0.0.9")
	nodes := []orchestrator.Node{{ID: "self", Internal: "h:0", Alive: true, Epoch: 4}, {ID: "dead", Internal: "h:6"}}
	for _, id := range []string{"here", "there", "other", "without"} {
		nodes = append(nodes, orchestrator.Node{ID: id, Internal: "h:1", Alive: true})
	}
	saga := commit(7, txn.Saga, "r")
	saga.BranchID = txn.SagaBranchID
	nameless := commit(7, txn.TCC, "r")
	nameless.Client = ":10.0.0.9:5555"
	all := []orchestrator.RemoteSession{other, there, here, without, dead}
	for _, c := range []struct {
		name     string
		cmd      txn.Command
		sessions []orchestrator.RemoteSession
		down     []string
		want     string
		avoided  bool
	}{
		{"same application and address", commit(7, txn.TCC, "r"), all, nil, "here", false},
		{"the same for AT", commit(7, txn.AT, "r"), all, nil, "here", false},
		{"same application elsewhere", commit(7, txn.XA, "r"), all, []string{"here"}, "there", false},
		{"another application, AT", commit(7, txn.AT, "r"), []orchestrator.RemoteSession{other}, nil, "other", false},
		{"another application, TCC", commit(7, txn.TCC, "r"), []orchestrator.RemoteSession{other}, nil, "", false},
		{"another application, XA", commit(7, txn.XA, "r"), []orchestrator.RemoteSession{other}, nil, "", false},
		{"another application, saga", commit(7, txn.Saga, "r"), []orchestrator.RemoteSession{other}, nil, "", false},
		{"any application, saga engine", saga, []orchestrator.RemoteSession{other}, nil, "other", false},
		{"a client that told no application", nameless,
			[]orchestrator.RemoteSession{other, at("here", "r", "", "10.0.0.9")}, nil, "here", false},
		{"nobody has it", commit(7, txn.AT, "x"), all, nil, "", false},
		{"all are down", commit(7, txn.TCC, "r"), []orchestrator.RemoteSession{here, there}, []string{"here", "there"},
			"", true},
		{"its node is dead", commit(7, txn.TCC, "r"), []orchestrator.RemoteSession{dead}, nil, "", false},
		{"nobody is there", commit(7, txn.AT, "r"), nil, nil, "", false},
	} {
		v := newView("self", nodes, c.sessions)
		node, avoided := v.route(&c.cmd, func(id string) bool { return slices.Contains(c.down, id) }, 5)
		if node != c.want || avoided != c.avoided || v.epoch != 4 || len(v.addresses) != 4 {
			t.Errorf("%s: %q %t, want %q %t", c.name, node, avoided, c.want, c.avoided)
		}
	}
	turns := map[string]int{}
	v := newView("self", nodes, []orchestrator.RemoteSession{here, at("other", "r", "orders", "10.0.0.9"), there})
	for turn := range uint32(10) {
		node, _ := v.route(&saga, func(string) bool { return false }, turn)
		turns[node]++
	}
	if diff := cmp.Diff(map[string]int{"here": 4, "other": 3, "there": 3}, turns); diff != "" {
		t.Error(diff)
	}
}

func TestClientIsTakenApart(t *testing.T) {
	t.Parallel()
	for client, want := range map[string][2]string{
		"orders:10.0.0.9:5555": {"orders", "10.0.0.9"}, "a:b:10.0.0.9:1": {"a:b", "10.0.0.9"},
		":10.0.0.9:1": {"", "10.0.0.9"}, "orders:[fe80::1]:5555": {"orders", "fe80::1"}, "": {"", ""},
		"orders": {"orders", ""}, ":": {"", ""}, "]:": {"", ""}, "orders:1": {"", "orders"}, "[::1]:2": {"", "::1"},
	} {
		if application, ip := splitClient(client); application != want[0] || ip != want[1] {
			t.Errorf("%q: %q %q, want %q", client, application, ip, want)
		}
	}
}

// published waits until the directory has what it should have of a node.
func (n *node) published(want ...orchestrator.SessionEntry) {
	n.t.Helper()
	eventually(n.t, "sessions are published", func() bool {
		n.cluster.mu.Lock()
		defer n.cluster.mu.Unlock()
		return slices.Equal(n.cluster.sessions[n.self], want)
	})
}

func (d *directory) written() (n int) {
	d.with(func() { n = d.writes })
	return n
}

func TestSessionsArePublishedWhenTheyChange(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a := d.join(t, "a")
	eventually(t, "the first time is at once", func() bool { return d.written() == 1 })
	a.connect(orders("r"), orders("q"))
	a.published(orders("r"), orders("q"))
	before := d.written()
	signal(a.rms.changed) // nothing has
	a.connect(orders("r"))
	a.published(orders("r"))
	if n := d.written() - before; n != 1 {
		t.Errorf("%d writes for one change", n)
	}
}

func TestSessionsArePublishedNowAndThen(t *testing.T) {
	t.Parallel()
	d := newCluster()
	d.join(t, "a", func(o *Options) { o.Limits.PublishEvery = 10 * time.Millisecond })
	eventually(t, "they are published again", func() bool { return d.written() > 3 })
}

func TestSessionsArePublishedAgainAfterAFaultAndARejoin(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a := d.join(t, "a")
	a.connect(orders("r"))
	a.published(orders("r"))
	d.with(func() { d.fault = orchestrator.ErrNotMember })
	a.connect(orders("q"))
	eventually(t, "it is tried", func() bool { return a.Stats().PublishErrors > 1 })
	d.with(func() { d.fault = nil })
	a.published(orders("q"))
	if a.log.count("cannot be published") > 0 {
		t.Error("a lost lease is somebody else's to log")
	}
	d.with(func() { // as joining does
		n := d.nodes["a"]
		n.Epoch++
		d.nodes["a"] = n
		delete(d.sessions, "a")
	})
	a.published(orders("q"))
	d.with(func() { delete(d.sessions, "a") })
	a.Rejoined()
	a.published(orders("q"))
}

func TestSessionsAreNotPublishedWithoutALease(t *testing.T) {
	t.Parallel()
	d := newCluster()
	valid := make(chan struct{})
	a := d.join(t, "a", func(o *Options) {
		o.Valid = func() bool {
			select {
			case <-valid:
				return true
			default:
				return false
			}
		}
	})
	a.connect(orders("r"))
	eventually(t, "the directory was read", func() bool { return a.Stats().Lookups > 3 })
	if d.written() > 0 {
		t.Error("published")
	}
	close(valid)
	a.published(orders("r"))
}

func TestDirectoryThatCannotBeReadChangesNothing(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.cluster.with(func() { a.cluster.fault = errors.New("no database") })
	for _, n := range []*node{a, b} {
		eventually(t, "it was looked at", func() bool { return n.Stats().LookupErrors > 2 })
	}
	a.send(commit(7, txn.TCC, "r"))
	b.ask().end(txn.ResultDone, "")
	a.want(txn.ResultDone)
	a.send(commit(8, txn.TCC, "elsewhere"))
	a.want(txn.ResultUnreachable)
	a.cluster.with(func() { a.cluster.fault = nil })
	eventually(t, "it is told", func() bool { return a.log.count("directory of the cluster can be read again") == 1 })
	if n := a.log.count("directory of the cluster cannot be read"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestNodesThatAreGoneForADayAreForgotten(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.send(commit(7, txn.TCC, "r"))
	b.ask().end(txn.ResultDone, "")
	a.want(txn.ResultDone)
	a.cluster.with(func() { delete(a.cluster.nodes, "b") })
	eventually(t, "b is forgotten", func() bool { return len(a.peers.all()) == 0 })
}

func TestPeersAreBounded(t *testing.T) {
	t.Parallel()
	p := peers{byID: map[string]*peer{}}
	for i := range peersMax {
		p.get(string(rune('a' + i)))
	}
	if p.get("one more") != nil || p.get("a") == nil {
		t.Error("not bounded")
	}
}
