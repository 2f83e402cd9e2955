package orchestrator

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestARunWhoseDefinitionIsNotReadStaysDue: it is counted, holds nobody up, and goes on when the definition is there.
func TestARunWhoseDefinitionIsNotReadStaysDue(t *testing.T) {
	t.Parallel()
	for _, decided := range []bool{false, true} {
		tb := setup(t, Limits{})
		start := tb.startSaga("travel")
		tb.flush()
		id := start.g.XID.ID
		tb.finish(txn.ResultDone)
		tb.flush()
		if decided {
			tb.signal(id, "go", true)
			tb.flush()
			tb.sent = nil
		}
		clear(tb.shelf.loaded)
		clear(tb.shelf.known)
		if n := tb.Stats().Unread; n != 0 {
			t.Fatalf("%d before anybody has asked", n)
		}
		if r := tb.signal(id, "go", false); !errors.Is(r.err, ErrNoDocument) {
			t.Errorf("%+v", r)
		}
		if err := tb.Drive(t.Context(), id); err != nil {
			t.Errorf("the decision log would try it again and again: %v", err)
		}
		if n := tb.Stats().Unread; n != 1 || len(tb.sent) > 0 {
			t.Errorf("%d runs, %d commands", n, len(tb.sent))
		}
		tb.shelf.known["travel"] = true
		if decided {
			tb.wait(20 * time.Second)
			tb.wait(time.Second)
			if len(tb.sent) != 1 || tb.sent[0].Op != txn.Rollback {
				t.Errorf("nothing is undone: %+v", tb.sent)
			}
		} else {
			tb.signal(id, "go", false)
			tb.flush()
			if g := tb.store.globals[id]; g.Status != txn.Committed {
				t.Errorf("%s", g.Status)
			}
		}
		if n := tb.Stats().Unread; n != 0 {
			t.Errorf("%d runs are counted still", n)
		}
	}
}

func TestRunsThatGoOnElsewhereAreForgotten(t *testing.T) {
	t.Parallel()
	var u unread
	u.remove(1)
	now := txn.Millis(1_700_000_000_000)
	for id := range int64(unreadMax + 5) {
		u.add(id, now)
	}
	if n := u.number(now); n != unreadMax {
		t.Errorf("%d", n)
	}
	u.add(7, now+1)
	u.remove(8)
	if n := u.number(now.Add(unreadKept)); n != 1 {
		t.Errorf("%d", n)
	}
}
