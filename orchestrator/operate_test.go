package orchestrator

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func (tb *table) plan(id int64, op txn.Operation) (p txn.Plan, err error) {
	tb.t.Helper()
	err = errors.New("no answer")
	tb.Plan(id, op, func(got txn.Plan, e error) { p, err = got, e })
	return p, err
}

func (tb *table) operate(req OperateRequest) *result {
	r := &result{}
	tb.Operate(req, func(g *txn.Global, err error) { r.done, r.g, r.err = true, g, err })
	tb.flush()
	return r
}

func called(url string) RegisterRequest {
	return RegisterRequest{Kind: txn.HTTP, Resource: url, Key: url, Call: &txn.Call{CommitURL: url, RollbackURL: url}}
}

// TestBeginWithBranchesIsOneWrite: and the xid is told when it is durable.
func TestBeginWithBranchesIsOneWrite(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	var xid txn.XID
	tb.Begin(BeginRequest{
		Application: "shop", Data: "{}", Timeout: time.Minute,
		Branches: []RegisterRequest{called("http://a"), called("http://b")},
	}, func(x txn.XID, err error) {
		if err != nil {
			t.Error(err)
		}
		xid = x
	})
	if xid.ID != 0 {
		t.Fatal("told before it was durable")
	}
	if len(tb.store.pending) != 1 {
		t.Fatalf("%d writes", len(tb.store.pending))
	}
	if touched := tb.store.last.Touched; len(touched) != 2 || touched[0] != 0 || touched[1] != 1 {
		t.Errorf("the write says that it touches %v", touched)
	}
	tb.flush()
	tb.restart(Limits{})
	if g := tb.store.globals[xid.ID]; g == nil || len(g.Branches) != 2 || g.Data != "{}" {
		t.Fatalf("stored: %+v", g)
	}
	tb.decide(xid.ID, txn.Commit)
	tb.flush()
	if len(tb.sent) != 2 || tb.sent[0].Call == nil || tb.sent[0].Until != tb.now.Add(15*time.Second) {
		t.Fatalf("sent: %+v", tb.sent)
	}
}

func TestSameKeyIsTheSameBranch(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	var first, second int64
	req := called("http://a")
	req.ID = id
	tb.Register(req, func(b int64, err error) { first = b })
	tb.flush()
	tb.restart(Limits{})
	tb.Register(req, func(b int64, err error) { second = b })
	tb.flush()
	if first == 0 || first != second {
		t.Errorf("branches %d and %d", first, second)
	}
	var g *txn.Global
	tb.Enlist(id, []RegisterRequest{called("http://a"), called("http://b")}, func(got *txn.Global, err error) { g = got })
	tb.flush()
	if g == nil || len(g.Branches) != 2 {
		t.Errorf("after enlisting: %+v", g)
	}
	large := called("http://c")
	large.Call = &txn.Call{Headers: []txn.CallHeader{{Name: "a", Value: string(make([]byte, 20<<10))}}}
	tb.Enlist(id, []RegisterRequest{called("http://d"), large}, func(_ *txn.Global, err error) {
		if !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
	})
	if tb.flush(); len(tb.store.globals[id].Branches) != 2 {
		t.Error("a refused request left a branch")
	}
}

// TestSameKeyIsTheSameBranchForWhoWaits: also when the registration may wait for a row.
func TestSameKeyIsTheSameBranchForWhoWaits(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	holder, id := tb.holder("t:1"), tb.begin(time.Minute)
	req := RegisterRequest{ID: id, Kind: txn.AT, Resource: "db", LockKey: "t:1", Key: "k", Wait: true}
	var told []int64
	ask := func() {
		tb.Register(req, func(b int64, err error) {
			if err != nil {
				t.Error(err)
			}
			told = append(told, b)
		})
	}
	ask()
	ask()
	tb.flush()
	tb.decide(holder, txn.Commit)
	tb.flush()
	ask()
	tb.flush()
	if len(told) != 3 || told[0] == 0 || told[0] != told[1] || told[0] != told[2] {
		t.Fatalf("branches %v", told)
	}
	if n := len(tb.store.globals[id].Branches); n != 1 {
		t.Errorf("%d branches", n)
	}
}

// TestOperationNeedsThePlanThatWasShown: and does nothing once the transaction has moved on.
func TestOperationNeedsThePlanThatWasShown(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	req := called("http://a")
	req.ID = id
	tb.Register(req, func(int64, error) {})
	tb.register(id, "t:1", false)
	tb.flush()
	tb.decide(id, txn.Rollback)
	tb.flush()
	skip := txn.Operation{Action: txn.ActionSkip, BranchID: tb.sent[1].BranchID}
	if tb.sent[1].Kind != txn.HTTP {
		skip.BranchID = tb.sent[0].BranchID
	}
	plan, err := tb.plan(id, skip)
	if err != nil {
		t.Fatal(err)
	}
	operation := OperateRequest{
		ID: id, Operation: skip, Digest: PlanDigest(plan), Actor: "ann: ticket", NoticeTopic: "concord-heuristic",
		Notice: func(g *txn.Global, _ int64) string { return g.XID.String() },
	}
	tb.answer(txn.AT, txn.ResultDone)
	tb.flush()
	r := tb.operate(operation)
	if !r.done || !errors.Is(r.err, ErrPlanChanged) || tb.store.globals[id].Heuristic {
		t.Fatalf("with an old plan: %+v", r)
	}
	if plan, err = tb.plan(id, skip); err != nil {
		t.Fatal(err)
	}
	operation.Digest = PlanDigest(plan)
	tb.sent = nil
	r = tb.operate(operation)
	if r.err != nil || !r.g.Heuristic {
		t.Fatalf("%+v", r)
	}
	if len(tb.sent) != 1 || tb.sent[0].Kind != txn.Topic || tb.sent[0].Data != r.g.XID.String() {
		t.Fatalf("sent: %+v", tb.sent)
	}
	tb.answer(txn.Topic, txn.ResultPublished)
	tb.flush()
	if g := tb.store.globals[id]; g.Status != txn.RolledBack {
		t.Errorf("it is %s", g.Status)
	}
	if r = tb.operate(operation); !errors.As(r.err, new(*txn.IllegalEventError)) {
		t.Errorf("again: %+v", r)
	}
}

// TestSilentSenderIsAsked: a two-phase message is not rolled back by its deadline.
func TestSilentSenderIsAsked(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	var id int64
	tb.Begin(BeginRequest{Timeout: time.Second, Branches: []RegisterRequest{
		{Kind: txn.Check, Resource: "http://s", Call: &txn.Call{CommitURL: "http://s/check"}},
		{Kind: txn.Topic, Resource: "mails", Data: "x"},
	}}, func(x txn.XID, err error) { id = x.ID })
	tb.flush()
	tb.wait(2 * time.Second)
	if len(tb.sent) != 1 || tb.sent[0].Kind != txn.Check || tb.sent[0].Op != 0 {
		t.Fatalf("sent: %+v", tb.sent)
	}
	tb.answer(txn.Check, txn.ResultFailed)
	tb.wait(2 * time.Second)
	tb.answer(txn.Check, txn.ResultDone)
	tb.flush()
	if len(tb.sent) != 1 || tb.sent[0].Kind != txn.Topic {
		t.Fatalf("sent: %+v", tb.sent)
	}
	tb.answer(txn.Topic, txn.ResultPublished)
	tb.flush()
	if g := tb.store.globals[id]; g.Status != txn.Committed || g.Cause != txn.CauseChecked {
		t.Errorf("%s, %s", g.Status, g.Cause)
	}
}

// TestANoticeIsNoStep: the steps of a saga are numbered from 1, as are the transactions of a new store.
func TestANoticeIsNoStep(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	start := tb.startSaga("travel")
	tb.flush()
	tb.finish(txn.ResultDone)
	tb.flush()
	id := start.g.XID.ID
	tb.signal(id, "go", true)
	tb.flush()
	tb.finish(txn.ResultRefused)
	tb.flush()
	told := int64(0)
	r := tb.operate(OperateRequest{
		ID: id, Operation: txn.Operation{Action: txn.ActionSkip, BranchID: 1}, NoticeTopic: "notices",
		Notice: func(_ *txn.Global, branch int64) string {
			told = branch
			return "skipped"
		},
	})
	if r.err != nil || len(r.g.Branches) != 3 {
		t.Fatalf("%+v", r)
	}
	seen := map[int64]bool{}
	for _, b := range r.g.Branches {
		if seen[b.ID] {
			t.Errorf("two branches are %d", b.ID)
		}
		seen[b.ID] = true
	}
	if notice := r.g.Branches[2]; notice.Kind != txn.Topic || notice.ID != told {
		t.Errorf("%+v, told %d", notice, told)
	}
}
