package check

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestNodesOfAClusterGoByTheirOwn: node 1 makes the third attempt as soon as nobody would answer its own first one any
// more; node 2 has made the second one meanwhile, and failed just then.
func TestNodesOfAClusterGoByTheirOwn(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name string
		good bool
		know func(r *run)
	}{
		{"it has read that", false, func(r *run) { r.Attempts[0].By = 3 }},
		{"it has left the second out", false, func(*run) {}},
		{"it could not send the second", true, func(r *run) { r.withhold(1) }},
		{"the second is stored, and nobody says that it could not be sent", false, func(r *run) {
			r.withhold(1)
			r.Attempts = slices.Delete(r.Attempts, 2, 3)
			r.Writes[0].Global.Branches[0].Attempts = 2
		}},
		{"there is no other node", false, func(r *run) { r.End.Cluster = false }},
	} {
		r := &run{state: map[int64]*txn.Global{}}
		r.End.Pace, r.End.Cluster = pace(), true
		r.ask(1, 1000)
		r.keep(txn.Branch{Attempts: 1})
		r.ask(2, 4900).By = 2
		r.hear(2, 4950, txn.ResultFailed).Epoch = 2
		r.next()
		r.ask(3, 5000)
		way.know(r)
		if found := of("I24", r); (len(found) == 0) != way.good {
			t.Errorf("%s: %v", way.name, found)
		}
	}
}

// withhold has node 2 fail at the second attempt later, and a node want to make it before and not send it: the third is
// made a second after that.
func (r *run) withhold(by int) {
	r.Attempts[1].Now, r.Replies[0].Now, r.Attempts[2].Now = 5600, 5700, 5800
	for i := range r.Attempts {
		r.Attempts[i].Command.Until = r.Attempts[i].Now + 4000
	}
	a := r.Attempts[1]
	a.Now, a.By, a.Err, a.Seq = 5000, by, true, r.Attempts[2].Seq-1
	a.Command.Until = 9000
	r.Attempts = slices.Insert(r.Attempts, 2, a)
}

// TestNodesOfAClusterMayNotKnowOfAPerson: the second attempt follows that first one which is still awaited, though a
// person had it tried again since then, but not one that is long over.
func TestNodesOfAClusterMayNotKnowOfAPerson(t *testing.T) {
	t.Parallel()
	for awaited, good := range map[txn.Millis]bool{4000: true, 3999: false} {
		r := &run{state: map[int64]*txn.Global{}}
		r.End.Pace, r.End.Cluster = pace(), true
		r.ask(1, 0).Command.Until = awaited
		r.retry(0, OK)
		r.ask(1, 4000).By = 2
		r.ask(2, 4150)
		if found := of("I24", r); (len(found) == 0) != good {
			t.Errorf("awaited until %d: %v", awaited, found)
		}
	}
}

// TestWhichAttemptIsFollowed: the second one, or the tenth, is made when the answer to the oldest is awaited no more,
// but that to the newest still is.
func TestWhichAttemptIsFollowed(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name          string
		good, cluster bool
		first, number uint32
		by            int // who makes the first one
		last          int // who makes the one before the last
		between       func(r *run)
	}{
		{"the same again", true, false, 1, 2, 1, 1, func(*run) {}},
		{"the same again, after a crash", false, false, 1, 2, 1, 2, func(*run) {}},
		{"the same again, by a person", false, false, 1, 2, 1, 1, func(r *run) { r.retry(0, OK) }},
		{"another node has begun anew", true, true, 9, 10, 1, 2, func(r *run) { r.retry(0, OK) }},
		{"it knows of the first, and there is no other", false, false, 3, 2, 3, 2, func(r *run) {
			r.keep(txn.Branch{Attempts: 1}).Epoch = 3
		}},
		{"nobody made the second", false, true, 4, 3, 1, 2, func(*run) {}},
		{"nobody made the second, and there is no other", false, false, 4, 3, 3, 2, func(*run) {}},
		{"it did not want to make the first", false, true, 3, 2, 1, 2, func(r *run) { r.keep(txn.Branch{}) }},
	} {
		r := &run{state: map[int64]*txn.Global{}}
		r.End.Pace, r.End.Cluster = pace(), way.cluster
		r.ask(way.first, 0).By = way.by
		way.between(r)
		r.ask(1, 3000).By = way.last
		r.ask(way.number, 4000).By = max(way.last, way.by)
		if way.cluster {
			r.Attempts[2].By = 1
		}
		if found := of("I24", r); (len(found) == 0) != way.good {
			t.Errorf("%s: %v", way.name, found)
		}
	}
}

// TestWhoMayMakeAnAttemptAgain: the same number twice, and what makes that right.
func TestWhoMayMakeAnAttemptAgain(t *testing.T) {
	t.Parallel()
	read := func(r *run) { r.Reads = []Sight{{Seq: r.next(), Epoch: 1, ID: triedOne}} }
	unknown := func(r *run, timeout time.Duration) {
		g := &txn.Global{XID: txn.XID{ID: triedOne}, Timeout: timeout * time.Millisecond}
		r.End.Records = append(r.End.Records, g)
		r.hear(1, 1100, txn.ResultXANotFound)
	}
	for _, way := range []struct {
		name    string
		good    bool
		between func(r *run)
		last    func(a *Attempt)
	}{
		{"nothing", false, nil, nil},
		{"another node", true, nil, func(a *Attempt) { a.By = 2 }},
		{"another node that can know", false, func(r *run) { r.keep(txn.Branch{Attempts: 1}) },
			func(a *Attempt) { a.By = 2 }},
		{"another node, and it was lost", true, func(r *run) { r.keep(txn.Branch{Attempts: 1}).Durable = 0 },
			func(a *Attempt) { a.By = 2 }},
		{"a change was refused", true, func(r *run) { r.Refusals = []Sight{{r.next(), 1, triedOne}} }, nil},
		{"a change was refused to another", false, func(r *run) { r.Refusals = []Sight{{r.next(), 2, triedOne}} }, nil},
		{"a change of another was refused", false, func(r *run) { r.Refusals = []Sight{{r.next(), 1, saga}} }, nil},
		{"it was read", false, read, nil},
		{"it was read, and is done", true, func(r *run) { r.hear(1, 1100, txn.ResultDone); read(r) }, nil},
		{"it was read, and its database does not know it yet", false, func(r *run) { unknown(r, 550); read(r) }, nil},
		{"it was read, and its database does not know it any more", true, func(r *run) { unknown(r, 549); read(r) }, nil},
		{"it was read, and is out", false, func(r *run) { r.hear(1, 1100, txn.ResultPublished); read(r) }, nil},
		{"it was read, and is out, which is all", true, func(r *run) {
			r.Attempts[0].Command.Ack = txn.AckBroker
			r.hear(1, 1100, txn.ResultPublished)
			read(r)
		}, nil},
		{"it is done", false, func(r *run) { r.hear(1, 1100, txn.ResultDone) }, nil},
		{"it was read, and has failed", false, func(r *run) { r.hear(1, 1100, txn.ResultFailed); read(r) }, nil},
		{"it was read, and is awaited no more", true, read, func(a *Attempt) { a.Now = 5000 }},
		{"a person", true, func(r *run) { r.retry(0, OK) }, nil},
		{"several", true, func(r *run) { r.End.Cluster = true }, nil},
	} {
		r := &run{state: map[int64]*txn.Global{}}
		r.End.Pace = pace()
		r.ask(1, 1000)
		if way.between != nil {
			way.between(r)
		}
		a := r.ask(1, 1500)
		if way.last != nil {
			way.last(a)
		}
		if found := of("I24/order", r); (len(found) == 0) != way.good {
			t.Errorf("%s: %v", way.name, found)
		}
	}
}

// TestNoNumberIsLeftOut unless the attempt was stored and then not made.
func TestNoNumberIsLeftOut(t *testing.T) {
	t.Parallel()
	for stored, good := range map[uint32]bool{0: false, 1: false, 2: true} {
		r := &run{state: map[int64]*txn.Global{}}
		r.End.Pace = pace()
		r.ask(1, 1000)
		r.keep(txn.Branch{Attempts: stored})
		r.ask(3, 9000)
		if found := of("I24/order", r); (len(found) == 0) != good {
			t.Errorf("stored %d: %v", stored, found)
		}
	}
}
