package txn

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPlanForetells draws transactions and operations: what the plan says is what happens when every participant
// confirms, and a refused plan is a refused operation.
func TestPlanForetells(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules, now := DefaultRules(), Millis(1_000_000)
		g := drawDecided(t, rules, now)
		op := Operation{
			Action:   Action(rapid.IntRange(int(ActionCommit), int(ActionRelease)).Draw(t, "action")),
			BranchID: rapid.Int64Range(0, int64(len(g.Branches))).Draw(t, "branch"),
		}
		now = now.Add(30 * time.Second) // nothing is in flight any more
		plan, refusal := rules.Plan(g, op, now)
		if again, _ := rules.Plan(g, op, now.Add(time.Second)); refusal == nil && again.Canonical() != plan.Canonical() {
			t.Fatal("time alone changes the plan")
		}
		if op.BranchID != 0 && op.Action <= ActionRollback || op.BranchID == 0 && op.Action == ActionSkip {
			return // malformed; the event would ignore the branch
		}
		eff, err := rules.Apply(g, op.Event("ann", Notice{}), now)
		if (err == nil) != (refusal == nil) {
			t.Fatalf("plan: %v, operation: %v", refusal, err)
		}
		if err != nil {
			return
		}
		called, freed, end := confirmAll(t, rules, g, eff, now)
		for _, c := range plan.Calls {
			if !called[c.BranchID] {
				t.Fatalf("branch %d was to be called", c.BranchID)
			}
			delete(called, c.BranchID)
		}
		if len(called) > 0 {
			t.Fatalf("not in the plan: calls of %v", called)
		}
		for _, f := range plan.Frees {
			if !freed[f.BranchID] {
				t.Fatalf("rows of %d were to be freed", f.BranchID)
			}
			delete(freed, f.BranchID)
		}
		if len(freed) > 0 {
			t.Fatalf("not in the plan: rows freed of %v", freed)
		}
		if end.Status != plan.After {
			t.Fatalf("it ends as %s, not %s", end.Status, plan.After)
		}
	})
}

// drawDecided draws a transaction with some branches, perhaps decided, perhaps with failures.
func drawDecided(t *rapid.T, rules Rules, now Millis) *Global {
	g := mustApply(t, rules, nil, Begin{XID: XID{ID: 9}, Timeout: time.Minute}, now).Next
	for id := int64(1); id <= rapid.Int64Range(0, 5).Draw(t, "branches"); id++ {
		ev := Register{BranchID: id, Kind: rapid.SampledFrom([]Kind{AT, TCC, Topic, HTTP, HTTPTCC}).Draw(t, "kind")}
		if ev.Kind == AT {
			ev.LockKey, ev.Resource = "t:1,2", rapid.SampledFrom([]string{"a", "b"}).Draw(t, "resource")
		}
		if ev.Kind.Called() {
			ev.Call = &Call{CommitURL: rapid.SampledFrom([]string{"", "http://c"}).Draw(t, "commit"), RollbackURL: "http://r"}
		}
		g = mustApply(t, rules, g, ev, now).Next
	}
	if rapid.Bool().Draw(t, "decided") {
		outcome := rapid.SampledFrom([]Outcome{Commit, Rollback}).Draw(t, "outcome")
		g = mustApply(t, rules, g, Decide{Outcome: outcome}, now).Next
	}
	for i := 0; i < len(g.Branches); i++ {
		eff := mustApply(t, rules, g, Wake{}, now)
		if eff.Next != nil {
			g = eff.Next
		}
		for _, c := range eff.Commands {
			result := rapid.SampledFrom([]Result{ResultDone, ResultFailed, ResultRefused, ResultOngoing}).Draw(t, "result")
			eff := mustApply(t, rules, g, Reply{BranchID: c.BranchID, Op: c.Op, Attempt: c.Attempt, Result: result}, now)
			if eff.Next != nil {
				g = eff.Next
			}
		}
	}
	return g
}

func mustApply(t *rapid.T, rules Rules, g *Global, ev Event, now Millis) Effects {
	eff, err := rules.Apply(g, ev, now)
	if err != nil {
		t.Fatalf("%T: %v", ev, err)
	}
	return eff
}

// confirmAll lets every participant that is asked confirm, until nothing is due any more.
func confirmAll(
	t *rapid.T, rules Rules, g *Global, eff Effects, now Millis,
) (called, freed map[int64]bool, end *Global) {
	called, freed, end = map[int64]bool{}, map[int64]bool{}, g
	for range 100 {
		if eff.Next != nil {
			end = eff.Next
		}
		for _, b := range eff.Release {
			freed[b.ID] = true
		}
		pending := eff.Commands
		for i := 0; i < len(pending); i++ {
			c := pending[i]
			called[c.BranchID] = true
			result := ResultDone
			if c.Kind == Topic {
				result = ResultPublished
			}
			eff = mustApply(t, rules, end, Reply{BranchID: c.BranchID, Op: c.Op, Attempt: c.Attempt, Result: result}, now)
			if eff.Next != nil {
				end = eff.Next
			}
			for _, b := range eff.Release {
				freed[b.ID] = true
			}
			pending = append(pending, eff.Commands...)
		}
		now = now.Add(10 * time.Minute)
		if end.Status.Ended() || !end.Status.Decided() {
			return called, freed, end
		}
		eff = mustApply(t, rules, end, Wake{}, now)
	}
	return called, freed, end
}

// TestAPlanLeavesLaterStatesAlone: a plan is made of a state that was read, while the transaction goes on. What it
// notes on its copy must not end up in the states that follow, whose lists begin with the same memory.
func TestAPlanLeavesLaterStatesAlone(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}, {"b-u"}})
	s.g.History = append(make(History, 0, 4096), s.g.History...)
	s.g.Branches = append(make([]*Branch, 0, 64), s.g.Branches...)
	read := s.g
	s.answer("a-u", ResultDone, "1")
	history, branches := string(s.g.History), slices.Clone(s.g.Branches)
	if _, err := s.rules.Plan(read, Operation{Action: ActionRollback}, s.now); err != nil {
		t.Fatal(err)
	}
	if string(s.g.History) != history || !slices.Equal(s.g.Branches, branches) {
		t.Errorf("the plan has changed what came later: %q, was %q", s.g.History, history)
	}
}

// unasked is levels that nobody may ask how something is undone.
type unasked struct {
	levels
	t *testing.T
}

func (h unasked) Planner(*SagaRun) Planner { return h }

func (h unasked) Undo(g *Global, b *Branch) Undo {
	h.t.Error("how is it undone?")
	return h.levels.Undo(g, b)
}

func TestWhatIsAllowedNeedsNoPlan(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u", "b-u"}, {"c"}})
	s.answer("a-u", ResultDone, "1")
	plain, asking := s.rules, s.rules
	asking.Planners = unasked{s.rules.Planners.(levels), t}
	for action := ActionCommit; action <= ActionFinish; action++ {
		for id := range int64(3) {
			op := Operation{Action: action, BranchID: id}
			_, planned := plain.Plan(s.g, op, s.now)
			if err := asking.Allowed(s.g, op, s.now); (err == nil) != (planned == nil) {
				t.Errorf("%s of %d: %v, but as a plan %v", action, id, err, planned)
			}
		}
	}
}
