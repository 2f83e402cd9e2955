package orchestrator

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestNothingIsAnsweredBeforeItIsDurable(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	reg := tb.register(id, "t:1", true)
	if reg.done {
		t.Fatal("a branch was confirmed before its write")
	}
	tb.flush()
	if !reg.done || reg.err != nil {
		t.Fatalf("register: %+v", reg)
	}
	commit := tb.decide(id, txn.Commit)
	if commit.done || len(tb.sent) > 0 {
		t.Fatal("the decision was told before its write")
	}
	tb.flush()
	if !commit.done || commit.g.Status != txn.Committing {
		t.Fatalf("commit: %+v", commit)
	}
	if len(tb.sent) != 1 {
		t.Fatalf("sent %d commands", len(tb.sent))
	}
	if held := tb.store.held(); held != "" {
		t.Fatalf("still locked: %s", held)
	}
	tb.confirm()
	if g := tb.store.globals[id]; g.Status != txn.Committed {
		t.Fatalf("ended as %s", g.Status)
	}
}

func TestCommitWithTCCAnswersAtTheEnd(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "", false)
	tb.flush()
	commit := tb.decide(id, txn.Commit)
	tb.flush()
	if commit.done {
		t.Fatal("answered at the decision")
	}
	cmd := tb.sent[0]
	tb.Reply(id, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: 1, Result: txn.ResultDone})
	if commit.done {
		t.Fatal("told an end that a crash could take back")
	}
	tb.flush()
	if !commit.done || commit.g.Status != txn.Committed {
		t.Fatalf("commit: %+v", commit)
	}
}

func TestCommitAnswersAfterTheBound(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{EndWait: 2 * time.Second})
	id := tb.begin(time.Minute)
	tb.register(id, "", false)
	tb.flush()
	commit := tb.decide(id, txn.Commit)
	tb.flush()
	tb.wait(1900 * time.Millisecond)
	if commit.done {
		t.Fatal("answered too early")
	}
	tb.wait(200 * time.Millisecond)
	if !commit.done || commit.err != nil || commit.g.Status != txn.Committing {
		t.Fatalf("commit: %+v", commit)
	}
	tb.confirm()
	if again := tb.decide(id, txn.Commit); !again.done || again.g.Status != txn.Committed {
		t.Fatalf("asked again: %+v", again)
	}
	if other := tb.decide(id, txn.Rollback); other.err == nil || other.g.Status != txn.Committed {
		t.Fatalf("rollback after commit: %+v", other)
	}
}

func TestRefusedBranchAnswersStuckAtOnce(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "t:1", true)
	tb.flush()
	rollback := tb.decide(id, txn.Rollback)
	tb.flush()
	cmd := tb.sent[0]
	tb.sent = nil
	tb.Reply(id, txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: 1, Result: txn.ResultRefused, Text: "dirty"})
	tb.flush()
	if !rollback.done || rollback.g.Stuck != txn.StuckRefused {
		t.Fatalf("rollback: %+v", rollback)
	}
	tb.wait(time.Hour)
	if len(tb.sent) > 0 {
		t.Fatal("sent again without being asked")
	}
	if tb.store.held() == "" {
		t.Fatal("the rows of a stuck transaction were freed")
	}
	tb.operate(OperateRequest{ID: id, Operation: txn.Operation{Action: txn.ActionRetry}, Actor: "alice"})
	tb.confirm()
	if g := tb.store.globals[id]; g.Status != txn.RolledBack || tb.store.held() != "" {
		t.Fatalf("after the retry: %s, held %q", g.Status, tb.store.held())
	}
}

func TestNobodyConnectedIsRetriedBySweep(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "", false)
	tb.flush()
	tb.deaf = true
	tb.decide(id, txn.Rollback)
	tb.flush()
	for range 5 {
		tb.wait(2 * time.Second)
	}
	tb.deaf = false
	tb.wait(2 * time.Second)
	tb.confirm()
	if g := tb.store.globals[id]; g.Status != txn.RolledBack {
		t.Fatalf("%s", g.Status)
	}
}

func TestTimeoutOfWhatWasNeverStored(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(2 * time.Second)
	tb.wait(1500 * time.Millisecond)
	if tb.store.globals[id] != nil {
		t.Fatal("stored before its time")
	}
	tb.wait(2 * time.Second)
	if g := tb.store.globals[id]; g == nil || g.Status != txn.RolledBack || g.Cause != txn.CauseTimeout {
		t.Fatalf("%+v", g)
	}
	if live := tb.Stats().Live; live != 0 {
		t.Fatalf("%d live", live)
	}
}

func TestTimeoutOfWhatIsStored(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(2 * time.Second)
	tb.register(id, "t:1", true)
	tb.flush()
	tb.restart(Limits{})
	tb.wait(3 * time.Second)
	tb.confirm()
	if g := tb.store.globals[id]; g.Status != txn.RolledBack || g.Cause != txn.CauseTimeout {
		t.Fatalf("%s %s", g.Status, g.Cause)
	}
	if late := tb.decide(id, txn.Commit); late.err == nil || late.g == nil || late.g.Status != txn.RolledBack {
		t.Fatalf("late commit: %+v", late)
	}
}

func TestUnknownTransaction(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	if r := tb.register(99, "t:1", true); !errors.Is(r.err, ErrNotFound) {
		t.Errorf("register: %+v", r)
	}
	if r := tb.decide(99, txn.Commit); !errors.Is(r.err, ErrNotFound) {
		t.Errorf("commit: %+v", r)
	}
	tb.Get(99, func(g *txn.Global, err error) {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("get: %v %v", g, err)
		}
	})
	if cached := tb.Stats().Cached; cached != 0 {
		t.Errorf("%d entries are left", cached)
	}
}

func TestConflictIsAppliedAgainToTheNewState(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "t:1", true)
	tb.flush()
	tb.store.fail = ErrConflict
	commit := tb.decide(id, txn.Commit)
	tb.flush()
	if !commit.done || commit.err != nil || commit.g.Status != txn.Committing {
		t.Fatalf("%+v", commit)
	}
}

func TestUnknownOutcomeIsReadAgain(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	id := tb.begin(time.Minute)
	tb.register(id, "t:1", true)
	tb.flush()
	tb.store.fail = errors.New("disk on fire")
	commit := tb.decide(id, txn.Commit)
	tb.flush()
	if !commit.done || commit.err == nil {
		t.Fatalf("%+v", commit)
	}
	again := tb.decide(id, txn.Rollback)
	tb.flush()
	tb.confirm()
	if !again.done || again.err != nil || again.g.Status != txn.RolledBack {
		t.Fatalf("%+v", again)
	}
}

func TestCacheForgetsOnlyWhatIsStored(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{CachedMax: 100})
	var stored, fresh []int64
	for i := range 2000 {
		id := tb.begin(time.Hour)
		if i%20 == 0 {
			fresh = append(fresh, id)
			continue
		}
		tb.register(id, fmt.Sprintf("t:%d", id), true)
		tb.flush()
		stored = append(stored, id)
	}
	if cached := tb.Stats().Cached; cached > 400 {
		t.Errorf("%d entries in memory", cached)
	}
	for _, id := range append(stored, fresh...) {
		r := tb.decide(id, txn.Commit)
		tb.flush()
		if r.err != nil {
			t.Fatalf("%d was forgotten: %v", id, r.err)
		}
		tb.confirm()
	}
	if s := tb.Stats(); s.Live != 0 || s.Committed != 2000 {
		t.Errorf("%+v", s)
	}
}

// TestCacheRemembersWhoWasAsked: most attempts are answered soon and not stored, so that forgetting one would have a
// slow participant asked again with each look at what is due.
func TestCacheRemembersWhoWasAsked(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{CachedMax: 1})
	id := tb.begin(time.Minute)
	tb.register(id, "t:1", false) // whose commit nobody waits for
	tb.flush()
	tb.decide(id, txn.Commit)
	tb.flush()
	crowd := func() {
		for range 4 * shardCount {
			tb.register(tb.begin(time.Hour), "", false)
			tb.flush()
		}
	}
	for range 2 {
		crowd()
		tb.wait(6 * time.Second) // the answer is awaited for 15
	}
	if len(tb.sent) != 1 {
		t.Fatalf("sent %+v", tb.sent)
	}
	tb.wait(6 * time.Second)
	if len(tb.sent) != 2 || tb.sent[1].Attempt != 2 {
		t.Fatalf("sent %+v", tb.sent)
	}
	tb.now = tb.now.Add(16 * time.Second) // no answer is awaited any more: what the store knows is enough
	crowd()
	before := tb.store.loads
	tb.Wake(id, nil)
	if tb.store.loads == before {
		t.Error("what nobody waits for any more is kept")
	}
}

func TestQueueOfOneTransactionIsBounded(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{QueuedMax: 3})
	id := tb.begin(time.Minute)
	busy := 0
	for range 10 {
		tb.Register(RegisterRequest{ID: id, Kind: txn.TCC, Resource: "r"}, func(_ int64, err error) {
			if errors.Is(err, ErrBusy) {
				busy++
			}
		})
	}
	if busy != 6 {
		t.Errorf("%d were refused", busy)
	}
	for tb.store.flush() {
	}
	if g := tb.store.globals[id]; len(g.Branches) != 4 {
		t.Errorf("%d branches", len(g.Branches))
	}
}

func TestIDsAreNeverUsedTwice(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{IDRange: 3})
	seen := map[int64]bool{}
	for range 20 {
		id := tb.begin(time.Minute)
		if seen[id] {
			t.Fatalf("%d twice", id)
		}
		seen[id] = true
		tb.restart(Limits{IDRange: 3})
	}
	for range 6 {
		tb.begin(time.Minute)
	}
	if _, err := beginNow(tb.Coordinator, BeginRequest{}); !errors.Is(err, ErrBusy) {
		t.Errorf("ids used up: %v", err)
	}
	tb.wait(time.Millisecond)
	tb.begin(time.Minute)
}

func TestLimitsRefuseEarly(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{LiveMax: 1, RowsMax: 3, NameBytesMax: 8, DataBytesMax: 4})
	if _, err := beginNow(tb.Coordinator, BeginRequest{Name: "123456789"}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("long name: %v", err)
	}
	id := tb.begin(time.Minute)
	if _, err := beginNow(tb.Coordinator, BeginRequest{}); !errors.Is(err, ErrBusy) {
		t.Errorf("too many: %v", err)
	}
	tb.Register(RegisterRequest{ID: id, Kind: txn.AT, LockKey: "t:1,2,3,4"}, func(_ int64, err error) {
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("rows: %v", err)
		}
	})
	tb.Register(RegisterRequest{ID: id, Kind: txn.TCC, Data: "12345"}, func(_ int64, err error) {
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("data: %v", err)
		}
	})
}
