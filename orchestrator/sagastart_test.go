package orchestrator

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func (tb *table) startWith(id int64) *result {
	r := &result{}
	tb.StartSaga(SagaRequest{
		BeginRequest: BeginRequest{Application: "shop", Name: "travel", Timeout: time.Hour},
		Run:          txn.SagaRun{Definition: "travel", Version: 1, Key: "order-1"}, ID: id,
	}, func(g *txn.Global, err error) {
		if r.done {
			tb.t.Error("answered twice")
		}
		r.done, r.g, r.err = true, g, err
	})
	return r
}

// expectOne fails unless each answer is the one run, of which the first step was sent once.
func (tb *table) expectOne(id int64, sent int, all ...*result) {
	tb.t.Helper()
	for _, r := range all {
		if !r.done || r.err != nil || r.g.XID.ID != id || len(r.g.Branches) == 0 {
			tb.t.Errorf("%+v", r)
		}
	}
	if g := tb.store.globals[id]; g == nil || len(g.Branches) != 1 || len(tb.sent) != sent {
		tb.t.Errorf("%+v, %d commands", g, len(tb.sent))
	}
}

func TestARunThatIsStartedTwiceWithItsNumberIsOne(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id, err := tb.ReserveID()
	if err != nil {
		t.Fatal(err)
	}
	first, second := tb.startWith(id), tb.startWith(id)
	tb.flush()
	tb.expectOne(id, 1, first, second)
	third := tb.startWith(id)
	tb.restart(Limits{})
	fourth := tb.startWith(id)
	tb.flush()
	tb.expectOne(id, 1, third, fourth)
	if n := tb.Stats().Live; n != 1 {
		t.Errorf("%d live transactions", n)
	}
	tb.finish(txn.ResultDone)
	tb.flush()
	tb.signal(id, "go", false)
	tb.flush()
	if ended := tb.startWith(id); ended.err != nil || ended.g.Status != txn.Committed {
		t.Errorf("%+v %+v", ended, ended.g)
	}
}

// Another node has begun with the number between a look at the store and the write.
func TestARunThatAnotherNodeHasStartedIsFound(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id, err := tb.ReserveID()
	if err != nil {
		t.Fatal(err)
	}
	other := &table{t: t, now: tb.now, store: tb.store, shelf: tb.shelf}
	other.restart(Limits{})
	mine, far := tb.startWith(id), other.startWith(id)
	tb.flush()
	tb.expectOne(id, 1, mine, far)
	if len(other.sent) != 0 {
		t.Error("the first step was begun twice")
	}
}

func TestNothingIsKeptOfARunUntilItsDeadline(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id, err := tb.ReserveID()
	if err != nil {
		t.Fatal(err)
	}
	tb.startWith(id)
	tb.startWith(0)
	tb.flush()
	if n := len(tb.fresh.seconds); n > 0 {
		t.Errorf("%d deadlines of runs that are stored", n)
	}
}
