package orchestrator

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// decidedAt decides, and takes the decision from the log without anybody having driven it.
func (tb *table) decidedAt(id int64, outcome txn.Outcome) {
	tb.t.Helper()
	tb.decide(id, outcome)
	tb.store.flush()
	if got := tb.store.takeDecisions(); len(got) != 1 || got[0] != id {
		tb.t.Fatalf("decisions %v", got)
	}
}

func TestDriveSendsWhatIsLeftAndReadsNothingForWhatIsNot(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	left, over := tb.begin(time.Minute), tb.begin(time.Minute)
	tb.register(left, "", false)
	tb.store.flush()
	tb.decidedAt(left, txn.Commit)
	tb.decidedAt(over, txn.Commit)
	loads := tb.store.loads
	for _, id := range []int64{left, over} {
		if err := tb.Drive(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if len(tb.sent) != 1 || tb.sent[0].XID.ID != left {
		t.Errorf("sent %+v", tb.sent)
	}
	if tb.store.loads != loads {
		t.Errorf("%d records were read", tb.store.loads-loads)
	}
	_ = tb.Drive(t.Context(), over) // what it finds does not matter
	if tb.store.loads == loads {
		t.Error("it is remembered though its decision was read")
	}
}

func TestASagaOfAClientIsStoredBeforeItsBeginIsAnswered(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	for name, stored := range map[string]bool{txn.SagaNamePrefix + "order": true, "order": false} {
		answered := int64(0)
		tb.Begin(BeginRequest{Name: name, Timeout: time.Minute}, func(x txn.XID, err error) {
			if answered = x.ID; err != nil {
				t.Error(err)
			}
		})
		if (answered != 0) == stored {
			t.Errorf("%s: answered before the store was: %t", name, answered != 0)
		}
		tb.store.flush()
		if answered == 0 || (tb.store.globals[answered] != nil) != stored {
			t.Errorf("%s: number %d, stored %t", name, answered, tb.store.globals[answered] != nil)
		}
	}
}
