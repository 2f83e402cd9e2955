package orchestrator

import (
	"fmt"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestABranchHasTheReservedIDAlsoAfterItWaitedForALock(t *testing.T) {
	t.Parallel()
	for _, wait := range []bool{false, true} {
		t.Run(fmt.Sprint(wait), func(t *testing.T) {
			t.Parallel()
			tb := setup(t, Limits{LockWait: time.Minute})
			holder, id := tb.begin(time.Minute), tb.begin(time.Minute)
			if wait {
				tb.register(holder, "t:1", false)
				tb.flush()
			}
			reserved, err := tb.ReserveID()
			if err != nil {
				t.Fatal(err)
			}
			var branch int64
			tb.Register(RegisterRequest{
				ID: id, BranchID: reserved, Kind: txn.AT, Resource: "db", LockKey: "t:1", Wait: true,
			}, func(b int64, err error) {
				if err != nil {
					t.Error(err)
				}
				branch = b
			})
			tb.flush()
			if wait {
				if branch != 0 {
					t.Fatal("the lock was not waited for")
				}
				tb.decide(holder, txn.Commit)
				tb.flush()
			}
			g := tb.store.globals[id]
			if branch != reserved || g == nil || len(g.Branches) != 1 || g.Branches[0].ID != reserved {
				t.Errorf("%d was reserved, the branch has %d: %+v", reserved, branch, g)
			}
			if next, err := tb.ReserveID(); err != nil || next <= reserved {
				t.Errorf("%d is reserved after %d: %v", next, reserved, err)
			}
		})
	}
}
