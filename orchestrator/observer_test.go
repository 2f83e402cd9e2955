package orchestrator

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// witness is an Observer that remembers.
type witness struct {
	tracing bool
	steps   []Step
}

func (w *witness) Tracing() bool { return w.tracing }

func (w *witness) Trace(_ txn.XID, given string) string { return given + "+begun" }

func (w *witness) HandOn(_ txn.XID, trace string, branch int64, attempt uint32) string {
	if attempt == 0 {
		return trace + "+read"
	}
	return trace + "+asked"
}

func (w *witness) Observe(s Step) { w.steps = append(w.steps, s) }

// kinds lists what was seen.
func (w *witness) kinds() (all []StepKind) {
	for _, s := range w.steps {
		all = append(all, s.Kind)
	}
	return all
}

// observed is a table whose coordinator has an observer.
func observed(t *testing.T, tracing bool) (*table, *witness) {
	t.Helper()
	tb, w := setup(t, Limits{}), &witness{tracing: tracing}
	c, err := New(context.Background(), Options{
		Store: tb.store, Log: tb.store, Transport: tb, Clock: tb, Advertise: "tc:8091", Observer: w,
	})
	if err != nil {
		t.Fatal(err)
	}
	tb.Coordinator = c
	return tb, w
}

func TestObserverIsToldEachStepOnce(t *testing.T) {
	t.Parallel()
	tb, w := observed(t, true)
	id := tb.begin(time.Minute)
	tb.register(id, "", false)
	tb.flush()
	tb.decide(id, txn.Commit)
	tb.flush()
	cmd := tb.sent[0]
	reply := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone}
	tb.Reply(id, reply)
	tb.Reply(id, reply) // told twice
	tb.flush()
	want := []StepKind{
		StepBegin, StepWrite, StepRegister, StepWrite, StepDecide, StepWrite, StepAttempt, StepEnd,
	}
	if got := w.kinds(); !slices.Equal(got, want) {
		t.Fatalf("saw %v, not %v", got, want)
	}
	for _, s := range w.steps {
		if s.XID.ID != id || s.Trace != "+begun" || s.From.IsZero() || s.To.Before(s.From) {
			t.Errorf("%s: %+v", s.Kind, s)
		}
	}
	if s := w.steps[6]; s.Branch.Kind != txn.TCC || s.Reply != reply {
		t.Errorf("attempt %+v", s)
	}
	if cmd.Trace != "+begun+asked" {
		t.Errorf("the participant was handed %q", cmd.Trace)
	}
}

func TestObserverSaysWhatIsHandedOn(t *testing.T) {
	t.Parallel()
	tb, _ := observed(t, true)
	id := tb.begin(time.Minute)
	tb.Register(RegisterRequest{ID: id, Kind: txn.Topic, Resource: "mails"}, func(int64, error) {})
	tb.flush()
	tb.decide(id, txn.Commit)
	if ch := tb.store.last; !ch.Decision || ch.Trace != "+begun+read" || ch.Global.Trace != "+begun" {
		t.Errorf("the decision hands on %q, and keeps %q", ch.Trace, ch.Global.Trace)
	}
	tb.flush()
	if cmd := tb.sent[0]; cmd.Trace != "+begun+read" {
		t.Errorf("a message has %q: all copies have to be the same", cmd.Trace)
	}
}

func TestObserverWithoutTracesGetsNumbersOnly(t *testing.T) {
	t.Parallel()
	tb, w := observed(t, false)
	id := tb.begin(time.Minute)
	tb.register(id, "", false)
	tb.flush()
	tb.deaf = true
	tb.decide(id, txn.Rollback)
	tb.flush()
	tb.wait(3 * time.Second) // the sweeper finds it
	tb.deaf = false
	tb.wait(time.Hour)
	if due := tb.Stats().Due; due != 1 {
		t.Errorf("the sweep found %d due", due)
	}
	if err := tb.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if st := tb.Stats(); st.Overdue < time.Hour.Milliseconds()-10_000 {
		t.Errorf("the sweep before was %d ms late", st.Overdue)
	}
	tb.confirm()
	seen := map[StepKind]int{}
	for _, s := range w.steps {
		seen[s.Kind]++
	}
	if seen[StepBegin]+seen[StepRegister]+seen[StepDrive]+seen[StepStuck] > 0 {
		t.Errorf("traced: %v", seen)
	}
	if seen[StepDecide] != 1 || seen[StepEnd] != 1 || seen[StepAttempt] < 2 || seen[StepDue] < 2 {
		t.Errorf("numbers: %v", seen)
	}
}

func TestObserverIsToldOfWaits(t *testing.T) {
	t.Parallel()
	tb, w := observed(t, true)
	holder, waiter := tb.begin(time.Minute), tb.begin(time.Minute)
	tb.register(holder, "t:1", true)
	tb.flush()
	tb.register(waiter, "t:1", true)
	tb.flush()
	tb.decide(holder, txn.Commit)
	tb.flush()
	i := slices.IndexFunc(w.steps, func(s Step) bool { return s.Kind == StepLockWait })
	if i < 0 {
		t.Fatalf("saw %v", w.kinds())
	}
	if s := w.steps[i]; s.XID.ID != waiter || s.Holder.ID != holder || s.Row.PK != "1" || s.Err != nil || s.From.IsZero() {
		t.Errorf("%+v", s)
	}
	for _, s := range w.steps {
		if s.Kind == StepRegister && s.Err != nil {
			t.Errorf("a try that was waited for is told as refused: %v", s.Err)
		}
	}
}
