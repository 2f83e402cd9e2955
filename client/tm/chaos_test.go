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
)

// Many transactions at once while connections are cut and the coordinator restarts: each is what was said of it, every
// branch follows, and nothing is left open.
func TestManyTransactionsWhileTheCoordinatorComesAndGoes(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, soon)
	p := clienttest.NewProxy(t, s.Addr())
	c := clienttest.OpenWith(t, client.Options{Nodes: client.Static(p.Addr()), RequestTimeout: time.Second})
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
	for i := range 9 {
		<-tick.C
		if i%3 == 2 {
			s.Restart()
		} else {
			p.ResetConnections(i%3 == 1)
			p.Cut()
		}
	}
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
		clienttest.Eventually(t, fmt.Sprintf("%s, said to be %s, is over", e.xid, said), func() bool {
			status := s.Status(e.xid) // "" if it had no branch and was forgotten
			return status != "Committing" && status != "RollingBack" && (status != "Active" || said == tm.Unknown)
		})
		status := s.Status(e.xid)
		if said == tm.Committed && status != "Committed" || said == tm.RolledBack && status == "Committed" {
			t.Errorf("%s: %v, and it is %s", e.xid, e.err, status)
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
