package txn

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// levels is a planner: the steps of a level run together, the next level begins when all of them are done. Names tell
// what they are: with "u" they can be undone, with "p" they are pivots, "t" is a timer of a second, "s" a signal and
// "q" an approval.
type levels [][]string

func (l levels) Planner(*SagaRun) Planner { return l }

func (l levels) Next(g *Global, now Millis) Next {
	for _, b := range g.Branches {
		if b.State == PhaseOneFailed || b.Step.GaveUp {
			return Next{Decide: Rollback, Text: b.Step.Name}
		}
	}
	if g.Expired(now) && !g.Pivoted() {
		return Next{Decide: Rollback, Text: "late", Timeout: true}
	}
	for _, b := range g.Branches {
		if b.State != PhaseOneDone {
			return Next{}
		}
	}
	begun := len(g.Branches)
	for _, level := range l {
		if begun == 0 {
			var next Next
			for _, name := range level {
				s := NewStep{
					Name: name, Kind: StepCall, Data: name, Call: &Call{CommitURL: "http://h/do", Method: "PUT"},
					Undo: strings.Contains(name, "u"), Pivot: strings.Contains(name, "p"),
				}
				switch {
				case strings.Contains(name, "t"):
					s.Kind, s.Until = StepTimer, now.Add(time.Second)
				case strings.Contains(name, "s"):
					s.Kind, s.Resource, s.Until, s.Data = StepSignal, "s", now.Add(time.Minute), ""
				case strings.Contains(name, "q"):
					s.Kind, s.Resource, s.Until = StepSignal, "s", now.Add(time.Minute)
				}
				next.Start = append(next.Start, s)
			}
			return next
		}
		begun -= len(level)
	}
	return Next{Decide: Commit, Text: "{}"}
}

func (levels) Judge(_ *Global, _ *Branch, r Reply) Verdict {
	return Verdict{Result: r.Result, Answer: r.Answer}
}
func (levels) Without(*Branch) bool { return false }
func (levels) Undo(_ *Global, b *Branch) Undo {
	return Undo{
		Resource: "back", Data: "undo " + b.Data + " " + b.Step.Answer,
		Call: &Call{RollbackURL: "http://h/undo", UndoMethod: "DELETE"},
	}
}

// saga is a saga that is run by hand.
type saga struct {
	t     rapid.TB
	rules Rules
	g     *Global
	now   Millis
	sent  []Command // not answered yet
	log   []string
}

func newSaga(t rapid.TB, l levels) *saga { return newSagaOf(t, l) }

func newSagaOf(t rapid.TB, p Planners) *saga {
	rules := DefaultRules()
	rules.Planners = p
	rules.Retry.Attempts = 3
	s := &saga{t: t, rules: rules, now: 1_000_000}
	run := &SagaRun{Definition: "travel", Version: 3}
	s.apply(Begin{XID: XID{"h:1", 7}, Name: "travel", Timeout: time.Hour, Saga: run})
	s.apply(Wake{})
	return s
}

// apply applies an event, and checks what holds for all.
func (s *saga) apply(ev Event) error {
	s.t.Helper()
	eff, err := s.rules.Apply(s.g, ev, s.now)
	if err != nil || eff.Next == nil {
		return err
	}
	if len(eff.Commands) > 0 && eff.Next.Status == Active && eff.Write != WriteDurable {
		s.t.Fatal("a step is begun that is not stored")
	}
	record := AppendGlobal(nil, eff.Next)
	g, rest, err := DecodeGlobal(record, nil)
	for i := 0; err == nil && i < len(eff.Next.Branches); i++ {
		var b *Branch
		if b, rest, err = DecodeBranch(append(rest, AppendBranch(nil, eff.Next.Branches[i])...), nil); err == nil {
			g.Branches = append(g.Branches, b)
		}
	}
	if err != nil || len(rest) > 0 {
		s.t.Fatal("the record cannot be read", err)
	}
	if diff := cmp.Diff(eff.Next, g); diff != "" {
		s.t.Fatal("the record says something else", diff)
	}
	for _, c := range eff.Commands {
		s.log = append(s.log, fmt.Sprintf("%s %s", c.Op, c.Step))
	}
	s.g = eff.Next // as it would be after a crash
	s.sent = append(s.sent, eff.Commands...)
	if eff.Decided && !eff.Ended {
		return s.apply(Wake{}) // by the decision log
	}
	return nil
}

// answer ends the newest attempt at a step; the older ones are forgotten.
func (s *saga) answer(name string, result Result, answer string) {
	s.t.Helper()
	var c Command
	s.sent = slices.DeleteFunc(s.sent, func(old Command) bool {
		if old.Step == name {
			c = old
		}
		return old.Step == name
	})
	if c.Step == "" {
		s.t.Fatalf("%s was not asked: %v", name, s.log)
	}
	s.reply(c, result, answer)
}

func (s *saga) reply(c Command, result Result, answer string) {
	s.t.Helper()
	if err := s.apply(Reply{
		BranchID: c.BranchID, Op: c.Op, Attempt: c.Attempt, Result: result, Answer: answer, Text: answer,
	}); err != nil {
		s.t.Fatal(err)
	}
}

// pass lets time go by, in the steps of the due time.
func (s *saga) pass(d time.Duration) {
	until := s.now.Add(d)
	for s.g.DueAt != 0 && s.g.DueAt <= until {
		s.now = max(s.now, s.g.DueAt)
		if err := s.apply(Wake{}); err != nil {
			s.t.Fatal(err)
		}
		if s.g.DueAt != 0 && s.g.DueAt <= s.now {
			s.t.Errorf("still due at %d, now is %d: %s", s.g.DueAt, s.now, s.g.Status)
			for _, b := range s.g.Branches {
				s.t.Logf("%+v %+v", *b, *b.Step)
			}
			s.t.FailNow()
		}
	}
	s.now = until
}

func (s *saga) expect(status Status, cause Cause, log ...string) {
	s.t.Helper()
	if s.g.Status != status || s.g.Cause != cause {
		s.t.Errorf("%s because %q, want %s because %q", s.g.Status, s.g.Cause, status, cause)
	}
	if !slices.Equal(s.log, log) {
		s.t.Errorf("asked %q, want %q", s.log, log)
	}
}

func TestASagaCommitsWhenAllStepsAreDone(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u", "b-u"}, {"c"}})
	s.answer("b-u", ResultDone, "1")
	s.answer("a-u", ResultDone, "2")
	s.answer("c", ResultDone, "3")
	s.expect(Committed, CauseCompleted, "forward a-u", "forward b-u", "forward c")
	if s.g.Saga.Result != "{}" || s.g.Branches[0].Step.Seq != 2 || s.g.Branches[0].Step.Answer != "2" {
		t.Errorf("%+v %+v", s.g.Saga, s.g.Branches[0].Step)
	}
}

func TestARefusedStepHasTheOthersUndoneAgainstTheirOrder(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u", "b-u", "x"}, {"c"}})
	s.answer("b-u", ResultDone, "1")
	s.answer("x", ResultDone, "")
	s.answer("a-u", ResultDone, "2")
	s.answer("c", ResultRefused, "sold out")
	if s.g.Saga.Failure != "c" || s.g.Branches[3].Failure != "sold out" {
		t.Errorf("%+v %+v", s.g.Saga, s.g.Branches[3])
	}
	if data := s.sent[0].Data; data != "undo a-u 2" || s.sent[0].Op != Rollback || s.sent[0].Resource != "back" ||
		s.sent[0].Call.UndoMethod != "DELETE" {
		t.Errorf("it is undone with %q", data)
	}
	s.answer("a-u", ResultDone, "")
	s.answer("b-u", ResultDone, "")
	s.expect(RolledBack, CauseRefused,
		"forward a-u", "forward b-u", "forward x", "forward c", "rollback a-u", "rollback b-u")
}

func TestWhatMayHaveRunIsUndone(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u", "b-u"}})
	s.answer("a-u", ResultNoAnswer, "hung")
	s.pass(time.Second)
	s.answer("a-u", ResultNoAnswer, "hung")
	s.pass(2 * time.Second)
	s.answer("a-u", ResultNoAnswer, "hung")
	// The other one is under way: whether it ran is learned before anything is undone.
	if !s.g.Branches[0].Step.GaveUp || s.g.Status != RollingBack {
		t.Fatalf("%s %+v", s.g.Status, s.g.Branches[0])
	}
	told := 0
	for _, e := range s.g.History.Entries() {
		if e.Kind == HistoryRetriesUsed {
			told++
		}
	}
	if told != 1 {
		t.Errorf("that the attempts are used up is told %d times", told)
	}
	s.answer("b-u", ResultDone, "")
	s.log = nil
	s.answer("b-u", ResultDone, "")
	s.answer("a-u", ResultDone, "")
	s.expect(RolledBack, CauseRefused, "rollback a-u")
}

func TestAnAnswerAfterTheDecisionSpares(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u", "b-u"}})
	s.answer("a-u", ResultRefused, "no")
	s.answer("b-u", ResultRefused, "no")
	s.expect(RolledBack, CauseRefused, "forward a-u", "forward b-u")
}

func TestAfterAPivotThereIsNoWayBack(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}, {"pay-p"}, {"c"}})
	s.answer("a-u", ResultDone, "")
	if err := s.apply(Decide{Outcome: Rollback, Cause: CauseRequested}); err == nil {
		t.Fatal("it was cancelled although the pivot may have run")
	}
	s.answer("pay-p", ResultDone, "")
	for range 5 {
		s.answer("c", ResultFailed, "down")
		for len(s.sent) == 0 {
			s.pass(time.Second)
		}
	}
	if s.g.Stuck != StuckRetriesUsedUp || s.g.Status != Active {
		t.Errorf("stuck: %q, %s", s.g.Stuck, s.g.Status)
	}
	s.pass(2 * time.Hour)
	s.answer("c", ResultDone, "")
	if s.g.Status != Committed || s.g.Stuck != 0 {
		t.Errorf("%s, stuck: %q", s.g.Status, s.g.Stuck)
	}
}

func TestAStepAfterThePivotIsTriedAgainByAPerson(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"pay-p"}, {"c"}})
	s.answer("pay-p", ResultDone, "")
	s.answer("c", ResultRefused, "no")
	if s.g.Status != Active || s.g.Stuck != StuckRefused {
		t.Fatalf("%s, stuck: %q", s.g.Status, s.g.Stuck)
	}
	if err := s.apply(Retry{Actor: "somebody"}); err != nil {
		t.Fatal(err)
	}
	s.answer("c", ResultDone, "")
	s.expect(Committed, CauseCompleted, "forward pay-p", "forward c", "forward c")
	if s.g.Saga.Failure != "" {
		t.Errorf("%+v", s.g.Saga)
	}
}

func TestARefusedPivotIsAWayBack(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}, {"pay-p"}})
	s.answer("a-u", ResultDone, "")
	s.answer("pay-p", ResultRefused, "no money")
	s.answer("a-u", ResultDone, "")
	s.expect(RolledBack, CauseRefused, "forward a-u", "forward pay-p", "rollback a-u")
}

func TestTimersAndSignals(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}, {"t"}, {"s"}})
	s.answer("a-u", ResultDone, "")
	s.pass(2 * time.Second)
	if err := s.apply(Signal{Name: "other"}); err == nil {
		t.Error("a signal that nobody waits for was taken")
	}
	if err := s.apply(Signal{Name: "s", Data: `{"by":"x"}`, Actor: "x"}); err != nil {
		t.Fatal(err)
	}
	s.expect(Committed, CauseCompleted, "forward a-u")
	if s.g.Branches[2].Step.Answer != `{"by":"x"}` {
		t.Errorf("%+v", s.g.Branches[2].Step)
	}
	for _, refused := range []bool{true, false} {
		s = newSaga(t, levels{{"a-u"}, {"s"}})
		s.answer("a-u", ResultDone, "")
		if refused {
			_ = s.apply(Signal{Name: "s", Refuse: true})
		} else {
			s.pass(time.Minute)
		}
		s.answer("a-u", ResultDone, "")
		s.expect(RolledBack, CauseRefused, "forward a-u", "rollback a-u")
	}
}

// What ends while another step is answered, before the sweeper has come, is not forgotten.
func TestAnAnswerDoesNotHideWhatIsLate(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u", "t"}})
	s.now += 1500 // the timer is over
	s.answer("a-u", ResultDone, "")
	s.expect(Committed, CauseCompleted, "forward a-u")

	s = newSaga(t, levels{{"a-u", "b-u"}})
	s.rules.Retry.Attempts = 1
	s.now = s.g.Branches[0].InFlightUntil // both attempts are given up
	s.answer("a-u", ResultDone, "")
	if s.g.Status != RollingBack || !slices.Equal(s.log, []string{"forward a-u", "forward b-u", "rollback b-u"}) {
		t.Errorf("%s, asked %q", s.g.Status, s.log)
	}
}

// helpless is a planner that cannot say how "a-u" is undone.
type helpless struct{ levels }

func (h *helpless) Planner(*SagaRun) Planner { return h }

func (h *helpless) Undo(g *Global, b *Branch) Undo {
	if b.Step.Name == "a-u" {
		return Undo{Problem: "nobody knows how"}
	}
	return h.levels.Undo(g, b)
}

func TestAStepThatCannotBeUndoneIsShown(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}, {"b-u"}, {"c"}})
	s.rules.Planners = &helpless{s.rules.Planners.(levels)}
	s.answer("a-u", ResultDone, "")
	s.answer("b-u", ResultDone, "")
	s.answer("c", ResultRefused, "no")
	c := s.sent[len(s.sent)-1]
	eff, err := s.rules.Apply(s.g, Reply{BranchID: c.BranchID, Op: Rollback, Attempt: 1, Result: ResultDone}, s.now)
	if err != nil || eff.Next.Stuck != StuckRefused || eff.Write != WriteDurable {
		t.Errorf("stuck: %q, written %d, %v", eff.Next.Stuck, eff.Write, err)
	}
}

func TestThePlanSaysHowStepsAreUndone(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}, {"b-u"}, {"c"}})
	s.answer("a-u", ResultDone, "")
	s.answer("b-u", ResultDone, "")
	p, err := s.rules.Plan(s.g, Operation{Action: ActionRollback}, s.now)
	if err != nil || len(p.Calls) != 2 || p.After != RolledBack || p.Calls[0].URL != "http://h/undo" ||
		p.Calls[0].Resource != "back" {
		t.Errorf("%+v, %v", p, err)
	}
	s.rules.Planners = &helpless{s.rules.Planners.(levels)}
	p, err = s.rules.Plan(s.g, Operation{Action: ActionRollback}, s.now)
	if err != nil || len(p.Calls) != 1 || !slices.Equal(p.Leaves, []int64{1}) || p.After != RollingBack {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestNobodyElseCommitsASaga(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}})
	if err := s.apply(Decide{Outcome: Commit, Cause: CauseRequested}); err == nil {
		t.Error("committed")
	}
	s.g.Timeout = 10 * time.Second
	s.pass(time.Minute)
	if s.g.Status != RollingBack || s.g.Cause != CauseTimeout {
		t.Errorf("%s %s", s.g.Status, s.g.Cause)
	}
}

// TestSagasEndDoneOrUndone: whatever participants answer and however time goes by, a saga ends committed with every
// step done once, or rolled back with every step undone that has run and can be, in the reverse order.
func TestSagasEndDoneOrUndone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var plan levels
		n := 0
		for range rapid.IntRange(1, 4).Draw(t, "levels") {
			var level []string
			for range rapid.IntRange(1, 3).Draw(t, "steps") {
				n++
				level = append(level, fmt.Sprint(n, rapid.SampledFrom([]string{"u", "u", "u", "", "p", "t"}).Draw(t, "kind")))
			}
			plan = append(plan, level)
		}
		s := newSaga(t, plan)
		ran, closed, undone := map[string]bool{}, map[string]bool{}, []string(nil)
		bad := rapid.IntRange(0, 30).Draw(t, "trouble")
		for step := 0; !s.g.Status.Ended() && step < 2000; step++ {
			if s.g.Pivoted() && s.g.Stuck == StuckRefused {
				return // a step after the pivot says no, for ever
			}
			if len(s.sent) == 0 || rapid.IntRange(0, 9).Draw(t, "wait") == 0 {
				s.pass(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 6 * time.Minute}).Draw(t, "pass"))
				continue
			}
			if old := len(s.sent) - 6; old > 0 {
				s.sent = s.sent[old:] // the network forgets some time
			}
			i := rapid.IntRange(0, len(s.sent)-1).Draw(t, "which")
			c := s.sent[i]
			s.sent = slices.Delete(s.sent, i, i+1)
			result := ResultDone
			if step < bad {
				result = rapid.SampledFrom([]Result{ResultDone, ResultFailed, ResultNoAnswer, ResultRefused}).Draw(t, "result")
			}
			if c.Op == Rollback && result == ResultRefused {
				result = ResultFailed
			}
			switch { // what the participant really does; a failure may hide that it was done
			case c.Op == Forward && closed[c.Step]:
				result = ResultRefused // its fence: it has said no, or was undone, before this one came
			case c.Op == Forward && (result == ResultDone || result == ResultNoAnswer):
				ran[c.Step] = true
			case c.Op == Forward && result == ResultRefused && ran[c.Step]:
				result = ResultDone // it was done already, and says so
			case c.Op == Forward && result == ResultRefused:
				closed[c.Step] = true
			case c.Op == Rollback && result == ResultDone && !ran[c.Step]:
				closed[c.Step] = true
			case c.Op == Rollback && result == ResultDone && ran[c.Step] && !slices.Contains(undone, c.Step):
				undone = append(undone, c.Step)
			}
			s.reply(c, result, "")
		}
		if !s.g.Status.Ended() {
			t.Fatalf("not ended: %s, due %d, now %d", s.g.Status, s.g.DueAt, s.now)
		}
		for _, b := range s.g.Branches {
			name := b.Step.Name
			if s.g.Status == RolledBack && ran[name] && b.Step.Undo && !slices.Contains(undone, name) {
				t.Errorf("%s has run and was not undone", name)
			}
			if s.g.Status == RolledBack && b.Step.Pivot && b.Step.Seq > 0 {
				t.Errorf("rolled back after the pivot %s", name)
			}
			if s.g.Status == Committed && b.Step.Seq == 0 {
				t.Errorf("committed without %s", name)
			}
		}
		if s.g.Status == Committed && len(undone) > 0 {
			t.Errorf("committed, and undone: %v", undone)
		}
		seq := ^uint32(0)
		for _, name := range undone {
			i := slices.IndexFunc(s.g.Branches, func(b *Branch) bool { return b.Step.Name == name })
			if own := s.g.Branches[i].Step.Seq; own != 0 {
				if own > seq {
					t.Errorf("undone out of order: %v", undone)
				}
				seq = own
			}
		}
	})
}
