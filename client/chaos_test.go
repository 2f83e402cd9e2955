package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/tc/seata"
)

// fate is what a transaction was said to have come to.
type fate struct {
	xid      string
	branches []int64
	commit   bool // what was asked for
	known    bool // and answered
}

// transact runs one transaction with some branches, as an application that gives up at the first error would.
func transact(ctx context.Context, c *client.Client, l *ledger) (f fate, err error) {
	if f.xid, err = c.Begin(ctx, "chaos", time.Minute); err != nil {
		return f, err
	}
	f.commit = true
	for range 1 + rand.IntN(3) {
		var id int64
		id, err = c.RegisterBranch(ctx, client.Branch{XID: f.xid, Type: l.kind, Resource: l.id})
		if err != nil {
			f.commit = false
			break
		}
		f.branches = append(f.branches, id)
	}
	f.commit = f.commit && rand.IntN(4) > 0
	end := c.Rollback
	if f.commit {
		end = c.Commit
	}
	_, err = end(ctx, f.xid)
	f.known = err == nil
	return f, err
}

// judge checks that a transaction came to what its client was told, and every branch to the same.
func judge(t *testing.T, c *client.Client, l *ledger, f fate) {
	t.Helper()
	var status seata.GlobalStatus
	clienttest.Eventually(t, "the transaction has ended", func() (ended bool) {
		ctx, cancel := context.WithTimeout(t.Context(), clienttest.Patience)
		defer cancel()
		var err error
		if status, err = c.Status(ctx, f.xid); err != nil {
			return false
		}
		if status == seata.GlobalBegin { // the end was lost on its way
			_, _ = c.Rollback(ctx, f.xid)
		}
		return slices.Contains([]seata.GlobalStatus{
			seata.GlobalCommitted, seata.GlobalRollbacked, seata.GlobalTimeoutRollbacked, seata.GlobalFinished,
		}, status)
	})
	committed := status == seata.GlobalCommitted
	if committed && !f.commit || f.known && f.commit && !committed {
		t.Errorf("%s: asked to commit %t and answered %t, ended as %s", f.xid, f.commit, f.known, status)
	}
	for _, id := range f.branches {
		did := slices.Compact(l.of(id)) // a second phase may be repeated, its answer can be lost
		if want := map[bool]string{true: "commit ", false: "rollback "}[committed]; len(did) != 1 || did[0] != want {
			t.Errorf("%s ended as %s, its branch %d did %q", f.xid, status, id, did)
		}
	}
}

// load runs transactions until stop is closed, and judges all of them when done is closed.
func load(t *testing.T, c *client.Client, l *ledger, trouble func()) {
	t.Helper()
	stop := make(chan struct{})
	var running sync.WaitGroup
	var mu sync.Mutex
	var fates []fate
	for range 8 {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				f, err := transact(ctx, c, l)
				cancel()
				if err != nil && !errors.Is(err, client.ErrUnknown) && !errors.Is(err, client.ErrNoCoordinator) &&
					!errors.Is(err, client.ErrNotFound) { // a begin that no branch had joined when its server died
					t.Errorf("an error that says nothing: %v", err)
				}
				if f.xid != "" {
					mu.Lock()
					fates = append(fates, f)
					mu.Unlock()
				}
			}
		})
	}
	trouble()
	close(stop)
	running.Wait()
	known := 0
	for _, f := range fates {
		judge(t, c, l, f)
		if f.known {
			known++
		}
	}
	t.Logf("%d transactions, the outcome of %d was known at once", len(fates), known)
	if known == 0 {
		t.Error("none came through")
	}
}

// lag waits for a moment, with the test's patience.
func lag(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

func TestLoadOverConnectionsThatAreCutAtRandom(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t)
	one, two := clienttest.NewProxy(t, s.Addr()), clienttest.NewProxy(t, s.Addr())
	o := quick(one.Addr(), two.Addr())
	o.NodeWait, o.RequestTimeout = time.Second, 0
	c, l := serve(t, o)
	load(t, c, l, func() {
		for i := range 40 {
			for _, p := range []*clienttest.Proxy{one, two} {
				p.ResetConnections(rand.IntN(2) == 0)
				cut := []func(clienttest.Direction, int){p.CutBefore, p.CutAfter}[i%2]
				cut(clienttest.Direction(rand.IntN(2)), 1+rand.IntN(40))
			}
			lag(t, 25*time.Millisecond)
		}
	})
}

func TestLoadOverACoordinatorThatIsKilled(t *testing.T) {
	t.Parallel()
	p := clienttest.Run(t)
	o := quick(p.Seata)
	o.NodeWait, o.RequestTimeout = time.Second, 0
	c, l := serve(t, o)
	load(t, c, l, func() {
		for range 3 {
			lag(t, 200*time.Millisecond)
			p.Restart() // as kill -9 does
		}
		lag(t, 200*time.Millisecond)
	})
}
