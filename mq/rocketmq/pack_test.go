package rocketmq

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// formLog is a log whose packs are made and not started.
func formLog(t *testing.T, o Options) *Log {
	t.Helper()
	o.Store, o.GateWithin = newMemStoreFor(t), time.Hour
	if o.Pace == 0 {
		o.Pace = -1
	}
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	tb := tableOf(2, "a")
	l := &Log{
		opts: o, name: "n", table: tb, lanes: map[laneKey]*lane{}, packs: map[orchestrator.PackID]*pack{},
	}
	l.lag.max = time.Second
	l.client.Store(&client{})
	return l
}

func newMemStoreFor(t *testing.T) *memStore {
	s := newMemStore(newDisk())
	t.Cleanup(s.crash)
	return s
}

func decisions(ids ...int64) []decision {
	var all []decision
	for _, id := range ids {
		all = append(all, decision{change: &orchestrator.Change{
			Topic: "t", Event: make([]byte, 100), Global: &txn.Global{XID: txn.XID{Prefix: "h:1", ID: id}},
		}, done: func(error) {}})
	}
	return all
}

// sizes lists how many decisions each pack has; those without a half are negative.
func sizes(packs []*pack) []int {
	var all []int
	for _, p := range packs {
		n := len(p.members)
		if p.mute {
			n = -n
		}
		all = append(all, n)
	}
	return all
}

func ids(from, n int64) []int64 {
	var all []int64
	for i := range n {
		all = append(all, from+i)
	}
	return all
}

func TestDecisionsGatherWhilePacksAreInFlight(t *testing.T) {
	t.Parallel()
	key := laneKey{"t", "g"}
	l := formLog(t, Options{LanePacks: 2, PackMax: 50})
	if got := sizes(l.enqueue(key, decisions(1)...)); !slices.Equal(got, []int{1}) {
		t.Errorf("idle: %v", got)
	}
	if got := sizes(l.enqueue(key, decisions(2, 3)...)); !slices.Equal(got, []int{2}) {
		t.Errorf("second: %v", got)
	}
	if got := sizes(l.enqueue(key, decisions(ids(4, 49)...)...)); got != nil || l.waiting != 49 {
		t.Errorf("two are in flight: %v", got)
	}
	if got := sizes(l.enqueue(key, decisions(ids(53, 121)...)...)); !slices.Equal(got, []int{50, 50, 50}) {
		t.Errorf("full ones need not wait: %v", got)
	}
	l.lanes[key].halves = 2
	if got := sizes(l.enqueue(laneKey{"t", "other"}, decisions(500)...)); !slices.Equal(got, []int{1}) {
		t.Errorf("another tag does not wait: %v", got)
	}
	l.lanes[key].halves--
	if got := sizes(l.form(l.lanes[key], false)); !slices.Equal(got, []int{20}) {
		t.Errorf("one has ended: %v", got)
	}
	if got := sizes(l.enqueue(key, decisions(ids(200, 20)...)...)); got != nil {
		t.Errorf("two are in flight again: %v", got)
	}
	if got := sizes(l.form(l.lanes[key], true)); !slices.Equal(got, []int{20}) {
		t.Errorf("waited long enough: %v", got)
	}
	l.enqueue(key, decisions(ids(300, 20)...)...)
	l.table.shun("a", time.Minute, true, "gone")
	if got := sizes(l.form(l.lanes[key], false)); !slices.Equal(got, []int{-20}) {
		t.Errorf("no broker: %v", got)
	}
}

// TestOneMorePackIsInFlightInModeRefuse: there is no gate there that would let decisions pass a slow half.
func TestOneMorePackIsInFlightInModeRefuse(t *testing.T) {
	t.Parallel()
	for mode, want := range map[Mode][]int{Queue: {1, 0, 0}, Refuse: {1, 1, 0}} {
		l := formLog(t, Options{Mode: mode})
		l.SetMode(mode)
		for i, n := range want {
			if got := l.enqueue(laneKey{"t", "g"}, decisions(int64(i+1))...); len(got) != n {
				t.Errorf("mode %v: pack %d: %v", mode, i, sizes(got))
			}
		}
	}
}

// TestThePackAfterALargeOneGathers: unless it is full before its time.
func TestThePackAfterALargeOneGathers(t *testing.T) {
	t.Parallel()
	key := laneKey{"t", "g"}
	l := formLog(t, Options{LanePacks: 8, PackMax: 80, Pace: time.Hour})
	if got := sizes(l.enqueue(key, decisions(ids(1, 9)...)...)); !slices.Equal(got, []int{9}) {
		t.Errorf("small: %v", got)
	}
	if got := sizes(l.enqueue(key, decisions(ids(10, 10)...)...)); !slices.Equal(got, []int{10}) {
		t.Errorf("after a small one: %v", got)
	}
	if got := sizes(l.enqueue(key, decisions(ids(20, 79)...)...)); got != nil {
		t.Errorf("after a large one: %v", got)
	}
	if l.lanes[key].pacer == nil {
		t.Error("nothing has the lane looked at again")
	}
	if got := sizes(l.enqueue(key, decisions(99)...)); !slices.Equal(got, []int{80}) {
		t.Errorf("full: %v", got)
	}
	l.enqueue(key, decisions(ids(100, 5)...)...)
	l.lanes[key].next = time.Now()
	if got := sizes(l.enqueue(key, decisions(200)...)); !slices.Equal(got, []int{6}) {
		t.Errorf("in time: %v", got)
	}
	l.lanes[key].pacer.Stop()
}

// Nothing else has the lane looked at: no pack of it ends, and no other decision comes.
func TestWhatGathersGoesInTimeAlthoughTheBrokerIsGone(t *testing.T) {
	t.Parallel()
	key, answered := laneKey{"t", "g"}, make(chan error, 1)
	l := formLog(t, Options{LanePacks: 8, PackMax: 40, Pace: 500 * time.Millisecond})
	late := decisions(20)
	late[0].done = func(err error) { answered <- err }
	l.mu.Lock()
	l.enqueue(key, decisions(ids(1, 10)...)...)
	got := sizes(l.enqueue(key, late...))
	l.client.Store(nil)
	l.mu.Unlock()
	if got != nil {
		t.Errorf("after a large one: %v", got)
	}
	select {
	case <-answered:
	case <-time.After(60 * time.Second):
		t.Error("the decision waits for ever")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln := l.lanes[key]; ln.pacer != nil || ln.timer != nil || l.waiting != 0 {
		t.Errorf("%d wait", l.waiting)
	}
}

func TestATransactionIsInAPackOnce(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{LanePacks: 8})
	if got := sizes(l.enqueue(laneKey{"t", "g"}, decisions(1, 2, 2, 3, 1)...)); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("%v", got)
	}
}

func TestPacksAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{LanePacks: 8, PackBytesMax: 250})
	if got := sizes(l.enqueue(laneKey{"t", "g"}, decisions(1, 2, 3, 4, 5)...)); !slices.Equal(got, []int{2, 2, 1}) {
		t.Errorf("%v", got)
	}
	l.learned.Store(50) // less than one event: each goes alone
	if got := sizes(l.enqueue(laneKey{"t", "g"}, decisions(6, 7)...)); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("%v", got)
	}
}

func TestHalvesInFlightAreBounded(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{LanePacks: 8, InFlightMax: 3, PackMax: 1})
	key := laneKey{"t", "g"}
	if got := sizes(l.enqueue(key, decisions(1, 2, 3, 4, 5)...)); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("%v", got)
	}
	// What has waited too long goes without a half.
	if got := sizes(l.form(l.lanes[key], true)); !slices.Equal(got, []int{-1, -1}) {
		t.Errorf("%v", got)
	}
}

func TestCommitsThatLagSlowHalvesDown(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{LanePacks: 8, InFlightMax: 16, PackMax: 1})
	q := queue{"t", "a", 0}
	l.table.readMine(map[queue]bool{q: true})
	l.lag.sent("slow", q, l.table)
	l.lag.since["slow"] = committed{q, time.Now().Add(-2 * time.Second)}
	key := laneKey{"t", "g"}
	if got := sizes(l.enqueue(key, decisions(1, 2, 3)...)); !slices.Equal(got, []int{1}) {
		t.Errorf("lagging: %v", got)
	}
	l.lag.seen("slow", &l.stats)
	if got := sizes(l.form(l.lanes[key], false)); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("caught up: %v", got)
	}
}

func TestClientsAreNotRebuiltAllTheTime(t *testing.T) {
	t.Parallel()
	var p pace
	if !p.may(false) || p.may(false) {
		t.Error("a second attempt at once")
	}
	p.reset()
	if !p.may(false) {
		t.Error("a route that has changed does not wait")
	}
	p.succeeded()
	if p.may(true) {
		t.Error("the same masters once more")
	}
	if !p.may(false) {
		t.Error("other masters do not wait")
	}
}

// A decision is found by the keys of its message, so a pack has no more than these have room for.
func TestAPackHasTheKeysOfAllItsDecisions(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{})
	all := decisions(ids(1<<62, int64(l.opts.PackMax))...)
	for i := range all {
		xid := &all[i].change.Global.XID
		xid.Prefix = strings.Repeat("host.", 20) + ":8091"
		all[i].change.Event = []byte(`{"subject":"` + xid.String() + `"}`)
	}
	found := 0
	for _, p := range l.enqueue(laneKey{"t", "g"}, all...) {
		if n := len(strings.Fields(l.properties(p)[primitive.PropertyKeys])); n != len(p.entries) {
			t.Errorf("a pack of %d has %d keys", len(p.entries), n)
		}
		found += len(p.entries)
	}
	if found == 0 || found+l.waiting != len(all) {
		t.Errorf("%d of %d are in packs, %d wait", found, len(all), l.waiting)
	}
}
