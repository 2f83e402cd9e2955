package tcc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/fencetest"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/tcc"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc"
	"github.com/concord-tx/concord/tc/seata"
)

func TestMain(m *testing.M) {
	// getty and gost keep a timer wheel for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// order is a parameter.
type order struct {
	SKU   int64    `json:"sku"`
	Count int      `json:"count"`
	Notes []string `json:"notes,omitempty"`
}

// calls notes what the functions of an action were called with, "try 7 x 2". Each may be given something to do before.
type calls struct {
	mu     sync.Mutex
	all    []string
	before map[string]func(ctx context.Context, c *tcc.Context) error
}

func (k *calls) do(op string) tcc.Func[order] {
	return func(ctx context.Context, c *tcc.Context, o order) error {
		k.mu.Lock()
		before := k.before[op]
		k.mu.Unlock()
		if before != nil {
			if err := before(ctx, c); err != nil {
				return err
			}
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.all = append(k.all, fmt.Sprintf("%s %d x %d", op, o.SKU, o.Count))
		return nil
	}
}

func (k *calls) on(op string, do func(ctx context.Context, c *tcc.Context) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.before == nil {
		k.before = map[string]func(context.Context, *tcc.Context) error{}
	}
	k.before[op] = do
}

func (k *calls) list() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.all)
}

func (k *calls) action(name string) tcc.Action[order] {
	return tcc.Action[order]{Name: name, Try: k.do("try"), Confirm: k.do("confirm"), Cancel: k.do("cancel")}
}

// rig is a coordinator with one service.
type rig struct {
	server  *clienttest.Server
	client  *client.Client
	memory  *fencetest.Memory
	calls   *calls
	service *tcc.Service[order]
}

func setup(t *testing.T, choices ...tcc.Option) *rig {
	t.Helper()
	r := &rig{server: clienttest.Start(t), calls: &calls{}, memory: &fencetest.Memory{}}
	r.client = clienttest.Open(t, r.server.Addr())
	if choices == nil {
		choices = []tcc.Option{tcc.WithFence(r.memory)}
	}
	r.service = bind(t, r.client, r.calls.action("stock"), choices...)
	return r
}

func bind(t *testing.T, c *client.Client, a tcc.Action[order], choices ...tcc.Option) *tcc.Service[order] {
	t.Helper()
	s, err := tcc.Bind(t.Context(), c, a, choices...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begin begins a transaction and returns its context.
func (r *rig) begin(t *testing.T, timeout time.Duration) (context.Context, string) {
	t.Helper()
	xid, err := r.client.Begin(t.Context(), "buy", timeout)
	if err != nil {
		t.Fatal(err)
	}
	return client.WithXID(t.Context(), xid), xid
}

// ends waits until the coordinator has driven a transaction to its end.
func (r *rig) ends(t *testing.T, xid string, want txn.Status) {
	t.Helper()
	clienttest.Eventually(t, fmt.Sprintf("%s is %s", xid, want), func() bool {
		g := r.server.Transaction(xid)
		return g != nil && g.Status == want
	})
}

func (r *rig) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := r.calls.list(); !slices.Equal(got, want) {
		t.Errorf("calls are %q; want %q", got, want)
	}
}

func TestWhatWasTriedIsConfirmedOrCancelled(t *testing.T) {
	t.Parallel()
	for _, fenced := range []bool{true, false} {
		for end, want := range map[string]txn.Status{"confirm": txn.Committed, "cancel": txn.RolledBack} {
			t.Run(fmt.Sprint(end, " ", fenced), func(t *testing.T) {
				t.Parallel()
				r := setup(t)
				if !fenced {
					r.service.Close()
					r.service = bind(t, r.client, r.calls.action("plain"))
				}
				ctx, xid := r.begin(t, time.Minute)
				r.calls.on("try", func(ctx context.Context, c *tcc.Context) error {
					if kind, _ := propagation.BranchType(ctx); kind != seata.BranchTCC {
						t.Errorf("try is of %s", kind)
					}
					if client.XID(ctx) != xid || c.XID != xid || c.BranchID == 0 || time.Since(c.Began()) > time.Minute {
						t.Errorf("try knows %+v", c)
					}
					return c.Set("place", map[string]int{"shelf": 4})
				})
				r.calls.on(end, func(ctx context.Context, c *tcc.Context) error {
					var place map[string]int
					ok, err := c.Get("place", &place)
					if client.XID(ctx) != "" || c.XID != xid || !ok || err != nil || place["shelf"] != 4 {
						t.Errorf("%s knows %+v, %t, %v", end, c, ok, err)
					}
					if c.Set("late", 1) == nil {
						t.Errorf("%s can set a value", end)
					}
					return nil
				})
				if err := r.service.Try(ctx, order{SKU: 7, Count: 2}); err != nil {
					t.Fatal(err)
				}
				finish := r.client.Commit
				if end == "cancel" {
					finish = r.client.Rollback
				}
				if _, err := finish(t.Context(), xid); err != nil {
					t.Fatal(err)
				}
				r.ends(t, xid, want)
				r.expect(t, "try 7 x 2", end+" 7 x 2")
			})
		}
	}
}

func TestTryOutsideOfATransactionDoesNothing(t *testing.T) {
	t.Parallel()
	r := setup(t)
	err := r.service.Try(t.Context(), order{SKU: 1})
	if !errors.Is(err, tcc.ErrNoTransaction) || !strings.Contains(err.Error(), "stock") {
		t.Error(err)
	}
	r.expect(t)
}

// TestWithoutABranchNothingIsTried: the transaction is over, and its decision would never reach the branch.
func TestWithoutABranchNothingIsTried(t *testing.T) {
	t.Parallel()
	r := setup(t)
	ctx, xid := r.begin(t, time.Minute)
	if err := r.service.Try(ctx, order{SKU: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Rollback(t.Context(), xid); err != nil {
		t.Fatal(err)
	}
	if err := r.service.Try(ctx, order{SKU: 2}); !errors.Is(err, client.ErrNotActive) {
		t.Errorf("try after the end: %v", err)
	}
	r.ends(t, xid, txn.RolledBack)
	r.expect(t, "try 1 x 0", "cancel 1 x 0")
}

// TestAFailedTryIsCancelled: its branch stays. Behind a fence there is nothing to cancel, without one Cancel must see.
func TestAFailedTryIsCancelled(t *testing.T) {
	t.Parallel()
	for fenced, want := range map[bool][]string{true: nil, false: {"cancel 1 x 0"}} {
		r := setup(t)
		if !fenced {
			r.service.Close()
			r.service = bind(t, r.client, r.calls.action("plain"))
		}
		boom := errors.New("no stock")
		r.calls.on("try", func(context.Context, *tcc.Context) error { return boom })
		ctx, xid := r.begin(t, time.Minute)
		if err := r.service.Try(ctx, order{SKU: 1}); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if _, err := r.client.Rollback(t.Context(), xid); err != nil {
			t.Fatal(err)
		}
		r.ends(t, xid, txn.RolledBack)
		r.expect(t, want...)
	}
}

func TestAPanicInTryIsTheCallersAndItsBranchIsCancelled(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.service.Close()
	r.service = bind(t, r.client, r.calls.action("plain"))
	r.calls.on("try", func(context.Context, *tcc.Context) error { panic("boom") })
	ctx, xid := r.begin(t, time.Minute)
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic is gone")
			}
		}()
		_ = r.service.Try(ctx, order{SKU: 1})
	}()
	if _, err := r.client.Rollback(t.Context(), xid); err != nil {
		t.Fatal(err)
	}
	r.ends(t, xid, txn.RolledBack)
	r.expect(t, "cancel 1 x 0")
}

// TestErrorsAndPanicsInPhaseTwoAreTriedAgain until it succeeds.
func TestErrorsAndPanicsInPhaseTwoAreTriedAgain(t *testing.T) {
	t.Parallel()
	r := setup(t)
	failures := 0
	r.calls.on("confirm", func(context.Context, *tcc.Context) error {
		switch failures++; failures {
		case 1:
			return errors.New("not now")
		case 2:
			panic("boom")
		}
		return nil
	})
	ctx, xid := r.begin(t, time.Minute)
	if err := r.service.Try(ctx, order{SKU: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Commit(t.Context(), xid); err != nil {
		t.Fatal(err)
	}
	r.ends(t, xid, txn.Committed)
	r.expect(t, "try 1 x 0", "confirm 1 x 0")
	if failures != 3 {
		t.Errorf("confirm was asked for %d times", failures)
	}
}

func TestWhatCanNeverBeDoneIsStuck(t *testing.T) {
	t.Parallel()
	for op, finish := range map[string]func(*client.Client, context.Context, string) (seata.GlobalStatus, error){
		"confirm": (*client.Client).Commit, "cancel": (*client.Client).Rollback,
	} {
		r := setup(t)
		r.calls.on(op, func(context.Context, *tcc.Context) error {
			return fmt.Errorf("the account is closed: %w", tcc.ErrUnretryable)
		})
		ctx, xid := r.begin(t, time.Minute)
		if err := r.service.Try(ctx, order{SKU: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := finish(r.client, t.Context(), xid); err != nil && !errors.Is(err, client.ErrUnknown) {
			t.Fatal(err)
		}
		clienttest.Eventually(t, op+" is stuck", func() bool {
			g := r.server.Transaction(xid)
			return g != nil && g.Stuck == txn.StuckRefused
		})
		r.expect(t, "try 1 x 0")
	}
}

// impatient has a coordinator wait for nobody for long.
func impatient(c *tc.Options, o *orchestrator.Options) {
	c.Limits.AnswerLimit = 200 * time.Millisecond
	o.Rules.Retry.Answer, o.Rules.Retry.Grace = 200*time.Millisecond, 200*time.Millisecond
	o.Limits.EndWait = 100 * time.Millisecond
	o.Limits.SweepEvery, o.Limits.SweepClaim = 100*time.Millisecond, 100*time.Millisecond
}

// TestALostAnswerToPhaseTwoIsAskedForAgainAndDoneOnce swallows the first two answers.
func TestALostAnswerToPhaseTwoIsAskedForAgainAndDoneOnce(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"confirm", "cancel"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			server := clienttest.Start(t, impatient)
			proxy := clienttest.NewProxy(t, server.Addr())
			r := &rig{server: server, calls: &calls{}, memory: &fencetest.Memory{}}
			r.client = clienttest.Open(t, proxy.Addr())
			r.service = bind(t, r.client, r.calls.action("stock"), tcc.WithFence(r.memory))
			answers := 0
			proxy.Rule(func(f clienttest.Frame) clienttest.Action {
				if f.Direction == clienttest.ToClient {
					return clienttest.Pass
				}
				switch f.Message().(type) {
				case *seata.BranchCommitResponse, *seata.BranchRollbackResponse:
					switch answers++; answers {
					case 1:
						return clienttest.Swallow
					case 2:
						return clienttest.CutBefore
					}
				}
				return clienttest.Pass
			})
			ctx, xid := r.begin(t, time.Minute)
			if err := r.service.Try(ctx, order{SKU: 1}); err != nil {
				t.Fatal(err)
			}
			finish, want := r.client.Commit, txn.Committed
			if op == "cancel" {
				finish, want = r.client.Rollback, txn.RolledBack
			}
			if _, err := finish(t.Context(), xid); err != nil && !errors.Is(err, client.ErrUnknown) {
				t.Fatal(err)
			}
			r.ends(t, xid, want)
			r.expect(t, "try 1 x 0", op+" 1 x 0")
			if answers < 3 {
				t.Errorf("%d answers", answers)
			}
		})
	}
}

// TestABranchThatMayBeRegisteredIsNotTried: the answer to its registration is lost. It is cancelled without a try.
func TestABranchThatMayBeRegisteredIsNotTried(t *testing.T) {
	t.Parallel()
	r := &rig{server: clienttest.Start(t), calls: &calls{}, memory: &fencetest.Memory{}}
	proxy := clienttest.NewProxy(t, r.server.Addr())
	r.client = clienttest.OpenWith(t, client.Options{
		Nodes: client.Static(proxy.Addr()), RequestTimeout: 2 * time.Second,
	})
	r.service = bind(t, r.client, r.calls.action("stock"), tcc.WithFence(r.memory))
	proxy.Rule(func(f clienttest.Frame) clienttest.Action {
		if _, ok := f.Message().(*seata.BranchRegisterResponse); ok && f.Direction == clienttest.ToClient {
			return clienttest.Swallow
		}
		return clienttest.Pass
	})
	ctx, xid := r.begin(t, time.Minute)
	if err := r.service.Try(ctx, order{SKU: 1}); !errors.Is(err, client.ErrUnknown) {
		t.Errorf("try: %v", err)
	}
	g := r.server.Transaction(xid)
	if g == nil || len(g.Branches) != 1 {
		t.Fatalf("the coordinator knows %+v", g)
	}
	if _, err := r.client.Rollback(t.Context(), xid); err != nil {
		t.Fatal(err)
	}
	r.ends(t, xid, txn.RolledBack)
	r.expect(t)
	if s := r.memory.State(fence.Key{XID: xid, Branch: g.Branches[0].ID}); s != fence.Suspended {
		t.Errorf("the fence is %s", s)
	}
}

// TestAnotherProcessDoesPhaseTwo: the parameters travel with the branch.
func TestAnotherProcessDoesPhaseTwo(t *testing.T) {
	t.Parallel()
	server := clienttest.Start(t, impatient)
	memory := &fencetest.Memory{} // the database, which both processes use
	tm := clienttest.Open(t, server.Addr())
	xid, err := tm.Begin(t.Context(), "buy", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	first, err := client.Open(t.Context(), client.Options{Application: "stock", Nodes: client.Static(server.Addr())})
	if err != nil {
		t.Fatal(err)
	}
	before := &calls{}
	service := bind(t, first, before.action("stock"), tcc.WithFence(memory))
	if err := service.Try(client.WithXID(t.Context(), xid), order{SKU: 1 << 60, Notes: []string{"é"}}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := tm.Commit(t.Context(), xid); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	r := &rig{server: server, calls: &calls{}}
	second := clienttest.OpenWith(t, client.Options{Application: "stock", Nodes: client.Static(server.Addr())})
	bind(t, second, r.calls.action("stock"), tcc.WithFence(memory))
	r.ends(t, xid, txn.Committed)
	r.expect(t, fmt.Sprintf("confirm %d x 0", int64(1)<<60))
	if got := before.list(); len(got) != 1 {
		t.Errorf("the first process did %q", got)
	}
}

// late is a fence before which tries wait until their cancel is done: the transaction times out meanwhile.
type late struct{ *fencetest.Memory }

func (l late) Guard(
	ctx context.Context, k fence.Key, e fence.Event, work func(context.Context) error,
) (fence.Verdict, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for e == fence.Try && l.State(k) == fence.Absent {
		<-tick.C
	}
	return l.Memory.Guard(ctx, k, e, work)
}

func TestATryAfterItsCancelIsRefused(t *testing.T) {
	t.Parallel()
	memory := &fencetest.Memory{}
	r := setup(t, tcc.WithFence(late{memory}))
	ctx, xid := r.begin(t, 2*time.Second) // the branch is to come before
	err := r.service.Try(ctx, order{SKU: 1})
	var refused *fence.RefusedError
	if !errors.As(err, &refused) || refused.State != fence.Suspended {
		t.Errorf("try: %v", err)
	}
	r.ends(t, xid, txn.RolledBack)
	r.expect(t)
}
