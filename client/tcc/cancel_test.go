package tcc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/fencetest"
	"github.com/concord-tx/concord/client/tcc"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// pause is a fence that calls back between the work of a try and its own commit.
type pause struct {
	fence.Barrier
	then func() // of the next try; nil: nothing
}

func (p *pause) Guard(
	ctx context.Context, k fence.Key, e fence.Event, work func(context.Context) error,
) (fence.Verdict, error) {
	return p.Barrier.Guard(ctx, k, e, func(ctx context.Context) error {
		err := work(ctx)
		if then := p.then; e == fence.Try && then != nil {
			p.then = nil
			then()
		}
		return err
	})
}

// interrupted is a rig whose frames are watched, so that a context can be cancelled at an exact point of a Try.
type interrupted struct {
	*rig
	proxy *clienttest.Proxy
	fence *pause
}

func newInterrupted(t *testing.T, fenced bool) *interrupted {
	t.Helper()
	r := &interrupted{rig: &rig{server: clienttest.Start(t), calls: &calls{}, memory: &fencetest.Memory{}}}
	r.proxy = clienttest.NewProxy(t, r.server.Addr())
	r.client = clienttest.Open(t, r.proxy.Addr())
	r.fence = &pause{Barrier: r.memory}
	var choices []tcc.Option
	if fenced {
		choices = append(choices, tcc.WithFence(r.fence))
	}
	r.service = bind(t, r.client, r.calls.action("stock"), choices...)
	return r
}

// at cancels when a message of a kind is on its way, and swallows it.
func (r *interrupted) at(cancel func(), kind func(seata.Message) bool) {
	r.proxy.Rule(func(f clienttest.Frame) clienttest.Action {
		if !kind(f.Message()) {
			return clienttest.Pass
		}
		cancel()
		return clienttest.Swallow
	})
}

// is reports whether a message is of a kind, alone or merged with others.
func is[M seata.Message](m seata.Message) bool {
	switch merged := m.(type) {
	case M:
		return true
	case *seata.MergedRequest:
		return slices.ContainsFunc(merged.Messages, is[M])
	case *seata.MergeResult:
		return slices.ContainsFunc(merged.Messages, is[M])
	}
	return false
}

// TestATryThatIsCancelledIsDoneOnceOrNotAtAll ends the context of a Try at each point that it has, and then has the
// transaction be rolled back, or also committed if Try was right.
func TestATryThatIsCancelledIsDoneOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	const reserved, undone, done = "try 1 x 0", "cancel 1 x 0", "confirm 1 x 0"
	errGivenUp := errors.New("given up")
	for _, c := range []struct {
		point    string
		fenced   bool
		cancelAt func(r *interrupted, cancel func())
		wanted   error       // nil: Try is right in spite of it
		unknown  bool        // ... and the error says that the coordinator may know of it
		branches int         // that the coordinator knows
		called   []string    // when all is rolled back
		state    fence.State // then
	}{
		{
			point: "before the registration", fenced: true, wanted: context.Canceled,
			cancelAt: func(_ *interrupted, cancel func()) { cancel() },
		},
		{
			point: "during the registration, which is lost", fenced: true, wanted: context.Canceled, unknown: true,
			cancelAt: func(r *interrupted, cancel func()) { r.at(cancel, is[*seata.BranchRegisterRequest]) },
		},
		{
			point: "during the registration", fenced: true, wanted: context.Canceled, unknown: true, branches: 1,
			cancelAt: func(r *interrupted, cancel func()) {
				r.at(cancel, is[*seata.BranchRegisterResponse])
			},
			state: fence.Suspended,
		},
		{
			// Without a fence Cancel has to see that nothing was reserved.
			point: "during the registration", wanted: context.Canceled, unknown: true, branches: 1,
			cancelAt: func(r *interrupted, cancel func()) {
				r.at(cancel, is[*seata.BranchRegisterResponse])
			},
			called: []string{undone},
		},
		{
			point: "inside Try, which gives up", fenced: true, wanted: errGivenUp, branches: 1,
			cancelAt: func(r *interrupted, cancel func()) {
				r.calls.on("try", func(ctx context.Context, _ *tcc.Context) error {
					cancel()
					return errors.Join(errGivenUp, ctx.Err())
				})
			},
			state: fence.Suspended,
		},
		{
			point: "inside Try, which goes on", fenced: true, branches: 1,
			cancelAt: func(r *interrupted, cancel func()) {
				r.calls.on("try", func(context.Context, *tcc.Context) error { cancel(); return nil })
			},
			called: []string{reserved, undone}, state: fence.RolledBack,
		},
		{
			point: "inside Try, which goes on", branches: 1,
			cancelAt: func(r *interrupted, cancel func()) {
				r.calls.on("try", func(context.Context, *tcc.Context) error { cancel(); return nil })
			},
			called: []string{reserved, undone},
		},
		{
			// What Try has set cannot be told any more, and Confirm would not find it.
			point: "inside Try, which has set something and goes on", fenced: true, wanted: context.Canceled, branches: 1,
			cancelAt: func(r *interrupted, cancel func()) {
				r.calls.on("try", func(_ context.Context, c *tcc.Context) error { cancel(); return c.Set("place", 4) })
			},
			called: []string{reserved}, state: fence.Suspended,
		},
		{
			point: "at the report", fenced: true, wanted: context.Canceled, unknown: true, branches: 1,
			cancelAt: func(r *interrupted, cancel func()) {
				r.calls.on("try", func(_ context.Context, c *tcc.Context) error { return c.Set("place", 4) })
				r.at(cancel, is[*seata.BranchReportResponse])
			},
			called: []string{reserved}, state: fence.Suspended,
		},
		{
			point: "before the fence's commit", fenced: true, branches: 1, // the memory has no database to lose
			cancelAt: func(r *interrupted, cancel func()) {
				r.calls.on("try", func(_ context.Context, c *tcc.Context) error { return c.Set("place", 4) })
				r.fence.then = cancel
			},
			called: []string{reserved, undone}, state: fence.RolledBack,
		},
	} {
		for _, commit := range []bool{false, true} {
			if commit && c.wanted != nil {
				continue // who commits in spite of an error has to know why
			}
			t.Run(fmt.Sprintf("%s fenced %v commit %v", c.point, c.fenced, commit), func(t *testing.T) {
				t.Parallel()
				r := newInterrupted(t, c.fenced)
				whole, xid := r.begin(t, time.Minute)
				ctx, cancel := context.WithCancel(whole)
				defer cancel()
				c.cancelAt(r, cancel)
				err := r.service.Try(ctx, order{SKU: 1})
				if ctx.Err() == nil {
					t.Fatal("the point was never reached")
				}
				if !errors.Is(err, c.wanted) || errors.Is(err, client.ErrUnknown) != c.unknown {
					t.Errorf("try: %v", err)
				}
				r.proxy.Rule(nil)
				g := r.server.Transaction(xid)
				if g == nil || len(g.Branches) != c.branches {
					t.Fatalf("the coordinator knows %+v", g)
				}
				want, called, state := txn.RolledBack, c.called, c.state
				finish := r.client.Rollback
				if commit {
					finish, want, called = r.client.Commit, txn.Committed, []string{reserved, done}
				}
				if commit && c.fenced {
					state = fence.Committed
				}
				if _, err := finish(t.Context(), xid); err != nil {
					t.Fatal(err)
				}
				r.ends(t, xid, want)
				r.expect(t, called...)
				for _, b := range g.Branches {
					if got := r.memory.State(fence.Key{XID: xid, Branch: b.ID}); got != state {
						t.Errorf("the fence is %s, want %s", got, state)
					}
				}
				// The client and the action go on with others.
				r.calls.on("try", func(context.Context, *tcc.Context) error { return nil })
				again, other := r.begin(t, time.Minute)
				if err := r.service.Try(again, order{SKU: 2}); err != nil {
					t.Fatal(err)
				}
				if _, err := r.client.Commit(t.Context(), other); err != nil {
					t.Fatal(err)
				}
				r.ends(t, other, txn.Committed)
				r.expect(t, append(slices.Clone(called), "try 2 x 0", "confirm 2 x 0")...)
			})
		}
	}
}
