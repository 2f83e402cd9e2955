package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/tc"
	"github.com/concord-tx/concord/tc/seata"
)

// quick are options with which a lost connection is made anew soon.
func quick(nodes ...string) client.Options {
	return client.Options{
		Application: "test", Nodes: client.Static(nodes...), PingAfter: 20 * time.Millisecond,
		SilenceMax: clienttest.Patience, ReconnectMin: 5 * time.Millisecond, ReconnectMax: 50 * time.Millisecond,
		NodeWait: clienttest.Patience, RequestTimeout: clienttest.Patience,
	}
}

// serve opens a client with a resource.
func serve(t *testing.T, o client.Options) (*client.Client, *ledger) {
	t.Helper()
	c, l := clienttest.OpenWith(t, o), newLedger("stock")
	if err := c.Serve(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	return c, l
}

// works proves that requests are answered and second phases come.
func works(t *testing.T, c *client.Client, l *ledger) {
	t.Helper()
	xid, branch := begin(t, c, l)
	status, err := c.Commit(t.Context(), xid)
	if err != nil || status != seata.GlobalCommitted || len(l.of(branch)) == 0 {
		t.Fatalf("commit: %s %v, resource did %q", status, err, l.of(branch))
	}
}

func TestConnectionsComeBackAfterEveryKindOfLoss(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(p *clienttest.Proxy, s *clienttest.Server){
		"end of stream": func(p *clienttest.Proxy, _ *clienttest.Server) { p.Cut() },
		"reset": func(p *clienttest.Proxy, _ *clienttest.Server) {
			p.ResetConnections(true)
			p.Cut()
		},
		"silence": func(p *clienttest.Proxy, _ *clienttest.Server) {
			n := p.Connections()
			p.Silence(true)
			clienttest.Eventually(t, "the client tries again", func() bool { return p.Connections() > n+1 })
			p.Silence(false)
		},
		"restart": func(_ *clienttest.Proxy, s *clienttest.Server) { s.Restart() },
		"nobody there for a while": func(p *clienttest.Proxy, s *clienttest.Server) {
			p.Refuse(true)
			p.Cut()
			s.Restart()
			p.Refuse(false)
		},
		"failed registration": func(p *clienttest.Proxy, _ *clienttest.Server) {
			p.CutBefore(clienttest.ToClient, 1) // the answer to the next registration, or a PONG before it
			p.Cut()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := clienttest.Start(t)
			p := clienttest.NewProxy(t, s.Addr())
			o := quick(p.Addr())
			if name == "silence" {
				o.SilenceMax = 2 * time.Second // not less: the whole machine may be silent for a while
			}
			c, l := serve(t, o)
			works(t, c, l)
			for range 3 {
				lose(p, s)
				// What was sent into the loss may be unknown; what comes after it is not.
				clienttest.Eventually(t, "the client is connected again", func() bool {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, err := c.Status(ctx, s.Addr()+":1")
					return err == nil
				})
				works(t, c, l)
			}
		})
	}
}

// deaths cuts the connection at every frame of a transaction, before and after it, in both directions, and checks that
// what the client says is true.
func TestACoordinatorThatDiesBetweenAnyTwoFrames(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t)
	const frames = 7 // three registrations, begin, branch, commit, second phase
	for _, direction := range []clienttest.Direction{clienttest.ToServer, clienttest.ToClient} {
		for _, do := range []clienttest.Action{clienttest.CutBefore, clienttest.CutAfter} {
			for n := 1; n <= frames; n++ {
				t.Run(fmt.Sprintf("%s %d %d", direction, do, n), func(t *testing.T) {
					t.Parallel()
					die(t, s, direction, do, n)
				})
			}
		}
	}
}

func die(t *testing.T, s *clienttest.Server, direction clienttest.Direction, do clienttest.Action, n int) {
	p := clienttest.NewProxy(t, s.Addr())
	p.Rule(func(f clienttest.Frame) clienttest.Action {
		if f.Direction == direction && f.N == n {
			return do
		}
		return clienttest.Pass
	})
	o := quick(p.Addr())
	o.PingAfter, o.SilenceMax = time.Minute, time.Minute // frames are to be those of the transaction
	o.Application = t.Name()
	c, l := clienttest.OpenWith(t, o), newLedger("stock "+t.Name())
	if err := c.Serve(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	xid, err := c.Begin(t.Context(), "die", time.Minute)
	if err != nil {
		unknown(t, "begin", err)
		return // at worst a transaction without branches ends by itself
	}
	branch, err := c.RegisterBranch(t.Context(), client.Branch{XID: xid, Type: l.kind, Resource: l.id})
	end, want, did := c.Commit, seata.GlobalCommitted, "commit "
	if err != nil {
		unknown(t, "register", err)
		end, want, did = c.Rollback, seata.GlobalRollbacked, "rollback "
	}
	status, err := end(t.Context(), xid)
	if err != nil {
		unknown(t, "end", err)
		if status, err = end(t.Context(), xid); err != nil { // the connection is lost once only
			t.Fatalf("repeated end: %v", err)
		}
	}
	if status != want && status != seata.GlobalCommitRetrying && status != seata.GlobalRollbackRetrying {
		t.Errorf("ended as %s", status)
	}
	clienttest.Eventually(t, "it is ended", func() bool {
		status, err := c.Status(t.Context(), xid)
		if err != nil {
			t.Fatal(err)
		}
		return status == want
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if branch != 0 && len(l.done[branch]) == 0 {
		t.Errorf("branch %d was not ended", branch)
	}
	if p.Count(direction) < n {
		t.Errorf("the frame to die at did not come, of %d", p.Count(direction))
	}
	for id, all := range l.done {
		if slices.Compact(slices.Clone(all))[0] != did || len(slices.Compact(slices.Clone(all))) != 1 {
			t.Errorf("branch %d did %q", id, all)
		}
	}
}

// A context that ends while any frame of a transaction is on its way leaves an outcome that is true, or unknown.
func TestAContextThatEndsAtAnyFrame(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t)
	for _, direction := range []clienttest.Direction{clienttest.ToServer, clienttest.ToClient} {
		for n := 1; n <= 4; n++ { // begin, branch, end, second phase
			for _, lost := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d lost %t", direction, n, lost), func(t *testing.T) {
					t.Parallel()
					p := clienttest.NewProxy(t, s.Addr())
					o := quick(p.Addr())
					o.PingAfter, o.SilenceMax, o.Application = time.Minute, time.Minute, t.Name()
					c, l := clienttest.OpenWith(t, o), newLedger("stock "+t.Name())
					if err := c.Serve(t.Context(), l); err != nil {
						t.Fatal(err)
					}
					p.Reset()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					p.Rule(func(f clienttest.Frame) clienttest.Action {
						if f.Direction != direction || f.N != n {
							return clienttest.Pass
						}
						cancel()
						if lost {
							return clienttest.Swallow
						}
						return clienttest.Pass
					})
					f, err := transact(ctx, c, l)
					if err != nil && (!errors.Is(err, context.Canceled) ||
						errors.Is(err, client.ErrUnknown) == errors.Is(err, client.ErrNoCoordinator)) {
						t.Errorf("%v", err)
					}
					p.Cut() // a second phase whose frame was swallowed is repeated when its session is gone
					if f.xid != "" {
						judge(t, c, l, f)
					}
				})
			}
		}
	}
}

// unknown checks that an error claims no more than is known: through a proxy that loses frames, what failed was sent.
func unknown(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, client.ErrUnknown) || errors.Is(err, client.ErrNoCoordinator) {
		t.Errorf("%s: %v", what, err)
	}
}

func TestThreeNodes(t *testing.T) {
	t.Parallel()
	// Three ways to one coordinator, whose xids name the first.
	target := clienttest.FreeAddress(t)
	var nodes []*clienttest.Proxy
	var addresses []string
	for range 3 {
		p := clienttest.NewProxy(t, target)
		nodes, addresses = append(nodes, p), append(addresses, p.Addr())
	}
	clienttest.Start(t, func(to *tc.Options, oo *orchestrator.Options) {
		to.Address, oo.Advertise = target, addresses[0]
	})
	o := quick(addresses...)
	o.PingAfter, o.SilenceMax = time.Minute, time.Minute
	c, l := serve(t, o)
	clienttest.Eventually(t, "all are connected", func() bool { return len(c.Connected()) == 3 })
	var status [3]atomic.Int64
	for i, p := range nodes {
		p.Rule(func(f clienttest.Frame) clienttest.Action {
			if _, ok := f.Message().(*seata.GlobalStatusRequest); ok {
				status[i].Add(1)
			}
			return clienttest.Pass
		})
	}
	xid, _ := begin(t, c, l)
	for range 10 {
		if _, err := c.Status(t.Context(), xid); err != nil {
			t.Fatal(err)
		}
	}
	if status[0].Load() != 10 || status[1].Load()+status[2].Load() != 0 {
		t.Errorf("the node that the xid names got %d of 10, the others %d and %d",
			status[0].Load(), status[1].Load(), status[2].Load())
	}
	for i := range nodes[:2] { // one after the other dies, the last one serves all
		nodes[i].Refuse(true)
		nodes[i].Cut()
		clienttest.Eventually(t, "the connection is lost", func() bool { return len(c.Connected()) == 2-i })
		if got, err := c.Status(t.Context(), xid); err != nil || got != seata.GlobalBegin {
			t.Errorf("%s %v", got, err)
		}
		works(t, c, l)
	}
	for i := range nodes[:2] {
		nodes[i].Refuse(false)
	}
	clienttest.Eventually(t, "all are connected again", func() bool { return len(c.Connected()) == 3 })
	if got, err := c.Commit(t.Context(), xid); err != nil || got != seata.GlobalCommitted {
		t.Errorf("%s %v", got, err)
	}
}
