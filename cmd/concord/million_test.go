//go:build !parts

package main

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
	"github.com/concord-tx/concord/web"
)

// TestAMillionRowsHoldUpNobodyElse locks as many rows as one branch may, while another client goes on.
func TestAMillionRowsHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	const rowsMax = 1_000_000
	key := strings.Builder{}
	key.WriteString("stock:0")
	for i := 1; i < rowsMax; i++ {
		key.WriteString("," + strconv.Itoa(i))
	}
	data := t.TempDir()
	s := start(t, data, "--dev", "--limits-lock-wait", "0s")
	big, small := connect(t, s.tc), connect(t, s.tc)
	big.answer(seata.BranchCommitted, seata.BranchRollbacked)
	small.answer(seata.BranchCommitted, seata.BranchRollbacked)

	var group sync.WaitGroup
	stop := make(chan struct{})
	var slowest time.Duration
	others := 0
	group.Go(func() {
		for ; ; others++ {
			select {
			case <-stop:
				return
			default:
			}
			began := time.Now()
			xid := small.begin("small", "orders:"+strconv.Itoa(others))
			small.ask(&seata.GlobalCommitRequest{XID: xid})
			slowest = max(slowest, time.Since(began))
		}
	})
	began := time.Now()
	xid := big.begin("big", key.String())
	registered := time.Since(began)

	other := big.ask(&seata.GlobalBeginRequest{TimeoutMillis: 600_000}).(*seata.GlobalBeginResponse)
	for _, row := range []string{"0", "777777", "999999"} {
		r := big.register(other.XID, "stock:"+row)
		if r.Code != seata.Failed || r.Exception != seata.ExceptionLockKeyConflict {
			t.Errorf("row %s: %+v", row, r)
		}
	}
	if r := big.register(other.XID, "stock:1000000"); r.Code != seata.Success {
		t.Errorf("a free row: %+v", r)
	}
	contains(t, s.ok("locks", "--table", "stock", "--pk", "777777"), xid)
	contains(t, s.ok("tx", "show", xid), "locks 1000000 rows")
	contains(t, s.ok("locks", "--holder", xid, "--limit", "1000"), "stock")
	_, first := s.get("/api/v1/locks?limit=1000&holder=" + xid)
	contains(t, first, `"next":"`)

	began = time.Now()
	r := big.ask(&seata.GlobalRollbackRequest{XID: xid}).(*seata.GlobalRollbackResponse)
	if r.Status != seata.GlobalRollbacked {
		t.Errorf("rollback: %+v", r)
	}
	released := time.Since(began)
	if r := big.register(other.XID, "stock:777777"); r.Code != seata.Success {
		t.Errorf("a freed row: %+v", r)
	}
	close(stop)
	group.Wait()
	t.Logf("registered in %s, released in %s; %d others, the slowest in %s", registered, released, others, slowest)
	if others < 3 {
		t.Errorf("%d others were answered, the slowest after %s", others, slowest)
	}
	for _, l := range list[web.Lock](s, "/api/v1/locks") {
		if l.Holder == xid {
			t.Fatalf("%+v is still locked", l)
		}
	}
	over := key.String() + ",1000000"
	if r := big.register(other.XID, over); r.Code != seata.Failed || r.Exception != seata.ExceptionFailedToAddBranch {
		t.Errorf("a row too many: %d %s", r.Code, r.Exception)
	}
}
