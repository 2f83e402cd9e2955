package tm_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/tc/seata"
)

// A coordinator in a process of its own is killed with kill -9 at each frame of a transaction with two branches, before
// the frame passes and after it, and starts again on the same data: at once, or when the client has given up.
func TestCoordinatorIsKilledAtEachFrame(t *testing.T) {
	t.Parallel()
	for _, failed := range []error{nil, errNoStock} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v late %t", failed, late), func(t *testing.T) {
				t.Parallel()
				y := &graveyard{server: clienttest.Run(t, "--retry-unreachable", "50ms"), failed: failed, late: late}
				var err error
				if y.api, err = api.New(api.Options{Endpoints: []string{y.server.URL()}}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = y.api.Close() })
				y.fill(t)
			})
		}
	}
}

// graveyard is where one coordinator dies again and again.
type graveyard struct {
	server *clienttest.Process
	api    *api.Client
	failed error // what the work returns
	late   bool  // the coordinator comes back when the client has given up, not before
}

// fill has the coordinator die at all frames, one after the other.
func (y *graveyard) fill(t *testing.T) {
	calm := y.buy(t, "calm", nil, false)
	all, known, ends := []*purchase{calm}, map[string]bool{}, map[string]int{}
	calm.judge(t, y, 1, ends)
	frames := [...]int{calm.proxy.Count(clienttest.ToServer), calm.proxy.Count(clienttest.ToClient)}
	for direction := range clienttest.ToClient + 1 {
		for n := range frames[direction] {
			for _, after := range []bool{false, true} {
				is := func(f clienttest.Frame) bool { return f.Direction == direction && f.N == n+1 }
				b := y.buy(t, fmt.Sprintf("%s %d after %t", direction, n+1, after), is, after)
				if all = append(all, b); !y.late {
					b.judge(t, y, 2, ends)
				}
			}
		}
	}
	for i, b := range all {
		if known[b.xid] = true; y.late && i > 0 { // what nobody had decided has to reach its timeout
			b.judge(t, y, len(all), ends)
		}
	}
	t.Logf("%v frames: %v", frames, ends)
	if y.late && ends["unknown RolledBack"] == 0 || y.late && y.failed == nil && ends["unknown Committed"] == 0 ||
		ends["rolled back "] == 0 || y.failed == nil && ends["committed Committed"] < 2 {
		t.Errorf("too little is tested: %v", ends)
	}
	type row struct{ XID, Status string }
	var list, locks struct{ Items []row }
	y.get(t, "/transactions", url.Values{"limit": {"500"}}, &list)
	for _, g := range list.Items {
		if !known[g.XID] || g.Status != "Committed" && g.Status != "RolledBack" {
			t.Errorf("nobody knows %s, or it does not end: it is %s", g.XID, g.Status)
		}
	}
	if y.get(t, "/locks", nil, &locks); len(list.Items) == 0 || len(locks.Items) != 0 {
		t.Errorf("%d transactions are known, and locks are left: %v", len(list.Items), locks)
	}
}

// get asks the coordinator, and reports whether it knows that.
func (y *graveyard) get(t *testing.T, path string, query url.Values, out any) bool {
	answer, err := y.api.Do(t.Context(), api.Request{Method: http.MethodGet, Path: path, Query: query}, out)
	if err != nil && answer.Status != http.StatusNotFound {
		t.Fatal(err)
	}
	return err == nil
}

// die has the coordinator be killed at a frame that passes p. What comes behind the frame waits until it is dead, and
// is lost. The context that is returned ends with the coordinator.
func (y *graveyard) die(t *testing.T, p *clienttest.Proxy, is func(clienttest.Frame) bool, after bool) context.Context {
	dead, end := context.WithCancel(t.Context())
	kill := func() {
		y.server.Kill()
		end()
	}
	p.Passed(func(f clienttest.Frame) {
		if is(f) {
			kill()
		}
	})
	var last atomic.Int64 // the connection of the frame; 0 before it
	p.Rule(func(f clienttest.Frame) clienttest.Action {
		switch {
		case is(f):
			if last.Store(int64(f.Connection)); after {
				return clienttest.CutAfter
			}
			kill()
		case int64(f.Connection) <= last.Load():
			<-dead.Done()
		default:
			return clienttest.Pass
		}
		return clienttest.CutBefore
	})
	return dead
}

// purchase is one transaction and what its client was told.
type purchase struct {
	name, xid string
	proxy     *clienttest.Proxy
	ledgers   [2]*ledger
	joined    int // branches that the client was told of
	worked    bool
	err       error
}

// rows is a ledger whose branches lock rows.
type rows struct{ *ledger }

func (rows) Type() seata.BranchType { return seata.BranchAT }

// buy runs a transaction. If a frame is to be deadly the coordinator dies meanwhile, and is back when buy returns.
func (y *graveyard) buy(t *testing.T, name string, deadly func(clienttest.Frame) bool, after bool) *purchase {
	stock, account := newLedger("stock "+name), newLedger("account "+name)
	b := &purchase{name: name, proxy: clienttest.NewProxy(t, y.server.Seata), ledgers: [...]*ledger{stock, account}}
	o := client.Options{ // frames are to be those of the transaction
		Application: name, Nodes: client.Static(b.proxy.Addr()), PingAfter: time.Minute, SilenceMax: time.Minute,
	}
	end, timeout := clienttest.Patience, time.Duration(0)
	if y.late {
		o.NodeWait, end, timeout = 50*time.Millisecond, 200*time.Millisecond, 5*time.Second
	}
	c := clienttest.OpenWith(t, o)
	if err := errors.Join(c.Serve(t.Context(), stock), c.Serve(t.Context(), rows{account})); err != nil {
		t.Fatal(err)
	}
	b.proxy.Reset()
	var dead context.Context
	if deadly != nil {
		dead = y.die(t, b.proxy, deadly, after)
	}
	ended, over := context.WithCancel(t.Context())
	go func() {
		defer over()
		m, o := tm.New(c, tm.EndWithin(end)), tm.Options{Name: name, Timeout: timeout}
		b.err = m.Run(t.Context(), o, func(ctx context.Context) error {
			err := b.work(ctx, c)
			b.worked = err == nil
			return errors.Join(err, y.failed)
		})
	}()
	if y.late || deadly == nil {
		<-ended.Done()
	}
	if deadly != nil {
		clienttest.Eventually(t, name+": the frame comes", func() bool { return dead.Err() != nil })
		y.server.Restart()
	}
	<-ended.Done()
	return b
}

// work registers and reports two branches, of which one locks a row.
func (b *purchase) work(ctx context.Context, c *client.Client) error {
	b.xid = client.XID(ctx)
	for i, r := range []client.Branch{
		{Type: seata.BranchTCC},
		{Type: seata.BranchAT, Locks: "account" + b.xid[strings.LastIndex(b.xid, ":"):]},
	} {
		r.XID, r.Resource = b.xid, b.ledgers[i].id
		var err error
		if r.ID, err = c.RegisterBranch(ctx, r); err != nil {
			return err
		}
		b.joined++
		if err := c.ReportBranch(ctx, r, seata.BranchPhaseOneDone); err != nil {
			return err
		}
	}
	return nil
}

// judge waits until the transaction is over, and checks that it is what the client was told, and that each branch was
// told the same, most times at most. It counts what was said and what it is.
func (b *purchase) judge(t *testing.T, y *graveyard, most int, ends map[string]int) {
	want := tm.RolledBack
	if b.worked && y.failed == nil {
		want = tm.Committed
	}
	said, unknown := tm.OutcomeOf(b.err), (*tm.UnknownError)(nil)
	if errors.As(b.err, &unknown); said != want && (!y.late || unknown == nil || unknown.Asked != want) {
		t.Errorf("%s is to be %s, not %s: %v", b.name, want, said, b.err)
	}
	var g struct {
		Status   string
		Branches []struct{ ID, State string }
	}
	if b.xid != "" {
		clienttest.Eventually(t, b.name+" is over", func() bool {
			known := y.get(t, api.Path("transactions", b.xid), nil, &g)
			return !known || g.Status == "Committed" || g.Status == "RolledBack"
		})
	}
	ends[said.String()+" "+g.Status]++
	told := map[string]int{}
	for _, l := range b.ledgers {
		l.mu.Lock()
		for status, ids := range map[string]map[int64]int{"Committed": l.committed, "RolledBack": l.rolledBack} {
			for id, n := range ids {
				told[status+" "+strconv.FormatInt(id, 10)] += n
			}
		}
		l.mu.Unlock()
	}
	for _, r := range g.Branches {
		if n := told[g.Status+" "+r.ID]; n == 0 || n > most {
			t.Errorf("%s: branch %s of %s is %s and was told %d times", b.name, r.ID, g.Status, r.State, n)
		}
	}
	if len(told) != len(g.Branches) || len(g.Branches) < b.joined {
		t.Errorf("%s: %d branches joined, %d are %s, told %v", b.name, b.joined, len(g.Branches), g.Status, told)
	}
	if is := g.Status == "Committed"; is && want == tm.RolledBack || !is && said == tm.Committed {
		t.Errorf("%s is %q, the client was told %s: %v", b.name, g.Status, said, b.err)
	}
}
