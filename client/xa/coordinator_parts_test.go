//go:build parts

package xa_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/tc/seata"
)

// notes is a coordinator that only writes down what it is told; the tests play the second phase.
type notes struct {
	mu       sync.Mutex
	next     int64
	branches []client.Branch
	reports  map[int64]seata.BranchStatus
	statuses map[string]seata.GlobalStatus
	resource client.Resource
	refuse   error
}

func newNotes() *notes {
	return &notes{next: 1000, reports: map[int64]seata.BranchStatus{}, statuses: map[string]seata.GlobalStatus{}}
}

func (n *notes) RegisterBranch(_ context.Context, b client.Branch) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuse != nil {
		return 0, n.refuse
	}
	n.next++
	b.ID = n.next
	n.branches = append(n.branches, b)
	return b.ID, nil
}

func (n *notes) ReportBranch(_ context.Context, b client.Branch, status seata.BranchStatus) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reports[b.ID] = status
	return nil
}

func (n *notes) Status(_ context.Context, xid string) (seata.GlobalStatus, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	status, ok := n.statuses[xid]
	if !ok {
		return seata.GlobalUnknown, errors.New("not asked for in this test")
	}
	return status, nil
}

func (n *notes) Serve(_ context.Context, r client.Resource) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.resource = r
	return nil
}

func (n *notes) Withdraw(client.Resource) {}

// all returns the branches of a transaction in order.
func (n *notes) all(xid string) []client.Branch {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []client.Branch
	for _, b := range n.branches {
		if b.XID == xid {
			out = append(out, b)
		}
	}
	return out
}

// only returns the one branch of a transaction.
func (n *notes) only(t *testing.T, xid string) client.Branch {
	t.Helper()
	all := n.all(xid)
	if len(all) != 1 {
		t.Fatalf("%s has %d branches, want one", xid, len(all))
	}
	return all[0]
}

func (n *notes) report(id int64) seata.BranchStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reports[id]
}

func (n *notes) say(xid string, status seata.GlobalStatus) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.statuses[xid] = status
}
