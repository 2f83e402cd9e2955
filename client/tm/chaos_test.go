package tm_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/tc/seata"
)

// Many transactions at once while connections are cut and the coordinator restarts.
func TestManyTransactionsWhileTheCoordinatorComesAndGoes(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, soon)
	p := clienttest.NewProxy(t, s.Addr())
	storm(t, p.Addr(), 9, func(i int) {
		if i%3 == 2 {
			s.Restart()
			return
		}
		p.ResetConnections(i%3 == 1)
		p.Cut()
	})
}

// The same with a coordinator in a process of its own, which is killed with kill -9.
func TestManyTransactionsWhileTheCoordinatorIsKilled(t *testing.T) {
	t.Parallel()
	s := clienttest.Run(t)
	storm(t, s.Seata, 2, func(int) {
		s.Kill()
		s.Restart()
	})
}

// storm runs transactions against the coordinator at an address while n blows fall. Each is what was said of it, every
// branch follows, and nothing is left open.
func storm(t *testing.T, address string, n int, blow func(i int)) {
	c := clienttest.OpenWith(t, client.Options{Nodes: client.Static(address), RequestTimeout: 2 * time.Second})
	l := newLedger("ledger")
	serveLedger(t, c, l)
	m := tm.New(c)

	type end struct {
		xid string
		err error
	}
	ends := make(chan end, 100_000)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for worker := range 8 {
		running.Go(func() {
			for n := worker; ctx.Err() == nil; n++ {
				e := end{}
				e.err = m.Run(t.Context(), tm.Options{Name: "buy"}, func(ctx context.Context) error {
					e.xid = client.XID(ctx)
					if err := l.book(ctx, c); err != nil || n%3 != 0 {
						return err
					}
					return errNoStock
				})
				ends <- e
			}
		})
	}
	tick := time.NewTicker(150 * time.Millisecond)
	for i := range n {
		<-tick.C
		blow(i)
	}
	<-tick.C
	tick.Stop()
	stop()
	running.Wait()
	close(ends)

	counts := map[string]int{}
	for e := range ends {
		said := tm.OutcomeOf(e.err)
		if e.xid == "" {
			counts["not begun"]++
			continue
		}
		counts[said.String()]++
		var is tm.Outcome
		clienttest.Eventually(t, fmt.Sprintf("%s, said to be %s, is over", e.xid, said), func() bool {
			status, err := m.Resume(e.xid).Status(t.Context())
			var progress tm.Progress
			is, progress = tm.Classify(status)
			forgotten := status == seata.GlobalFinished // it had no branch
			return err == nil && (progress == tm.Done || forgotten || said == tm.Unknown)
		})
		if said == tm.Committed && is != tm.Committed || said == tm.RolledBack && is == tm.Committed {
			t.Errorf("%s: %v, and it is %s", e.xid, e.err, is)
		}
	}
	if counts["committed"] == 0 || counts["rolled back"] == 0 {
		t.Errorf("nothing is tested: %v", counts)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.committed {
		if l.rolledBack[id] != 0 {
			t.Errorf("branch %d was told to commit and to roll back", id)
		}
	}
	t.Log(counts)
}
