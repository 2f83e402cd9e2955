package txn

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// stuck makes a saga that is stuck behind its pivot, because a step was refused.
func stuck(t *testing.T, step string) *saga {
	t.Helper()
	s := newSaga(t, levels{{"pay-p"}, {step}, {"z"}})
	s.answer("pay-p", ResultDone, "")
	if s.g.Branches[1].Kind == StepSignal {
		s.pass(time.Minute)
	} else {
		s.answer(step, ResultRefused, "no")
	}
	if s.g.Stuck != StuckRefused || s.g.Status != Active {
		t.Fatalf("%s, stuck: %q", s.g.Status, s.g.Stuck)
	}
	return s
}

// refused fails unless the saga is as it was and the event was refused for the reason.
func (s *saga) refused(ev Event, reason Illegal) {
	s.t.Helper()
	before := s.g
	err := s.apply(ev)
	var illegal *IllegalEventError
	if !errors.As(err, &illegal) || illegal.Reason != reason || s.g != before {
		s.t.Errorf("%+v: %v, want %q", ev, err, reason)
	}
}

func (s *saga) must(ev Event) {
	s.t.Helper()
	if err := s.apply(ev); err != nil {
		s.t.Fatalf("%+v: %v", ev, err)
	}
}

func TestWhichStepASignalEnds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		signal Signal
		ends   string // "": none
		reason Illegal
	}{
		{Signal{Name: "s"}, "", SeveralAwait},
		{Signal{Name: "s", Step: "s1"}, "s1", 0},
		{Signal{Name: "s", Step: "s2"}, "s2", 0},
		{Signal{Name: "s", Step: "q"}, "", NotAwaited}, // an approval, whatever it is called
		{Signal{Name: "x", Step: "s1"}, "", NotAwaited},
		{Signal{Name: "s1"}, "", NotAwaited},
		{Signal{Step: "q"}, "q", 0},
		{Signal{Step: "t"}, "", NotAwaited},
		{Signal{}, "", NotAwaited},
	} {
		s := newSaga(t, levels{{"s1", "s2", "q", "t"}})
		if test.ends == "" {
			s.refused(test.signal, test.reason)
			continue
		}
		s.must(test.signal)
		for _, b := range s.g.Branches {
			if done := b.State == PhaseOneDone; done != (b.Step.Name == test.ends) {
				t.Errorf("%+v: %s is done: %t", test.signal, b.Step.Name, done)
			}
		}
	}
	s := newSaga(t, levels{{"s1", "s2"}})
	s.must(Signal{Name: "s", Step: "s2"})
	s.must(Signal{Name: "s"}) // one is left
	s.expect(Committed, CauseCompleted)
	s.refused(Signal{Name: "s"}, NotActive)
}

func TestAWaitThatIsTriedAgainHasItsTimeAgain(t *testing.T) {
	t.Parallel()
	s := stuck(t, "s")
	for range 3 {
		s.now += 7_000_000
		s.must(Retry{Actor: "somebody"})
		if b := s.g.Branches[1]; b.Step.Until != s.now.Add(time.Minute) || b.Failure != "" || s.g.DueAt != b.Step.Until {
			t.Fatalf("it waits until %d, now is %d, due at %d", b.Step.Until, s.now, s.g.DueAt)
		}
		s.pass(time.Minute)
		if s.g.Stuck != StuckRefused {
			t.Fatal("nothing came, and nobody is told")
		}
	}
	s.must(Retry{Actor: "somebody"})
	s.must(Signal{Name: "s"})
	s.answer("z", ResultDone, "")
	s.expect(Committed, CauseCompleted, "forward pay-p", "forward z")
}

func TestSkippingSteps(t *testing.T) {
	t.Parallel()
	skip := Skip{BranchID: 2, Actor: "somebody: it is done by hand", Result: `{"n":1}`}
	for name, make := range map[string]func() *saga{
		"refused behind the pivot": func() *saga { return stuck(t, "c") },
		"waits for a signal": func() *saga {
			s := newSaga(t, levels{{"pay-p"}, {"s"}, {"z"}})
			s.answer("pay-p", ResultDone, "")
			return s
		},
		"a timer": func() *saga {
			s := newSaga(t, levels{{"a-u"}, {"t"}, {"z"}})
			s.answer("a-u", ResultDone, "")
			return s
		},
		"between two attempts": func() *saga {
			s := newSaga(t, levels{{"a-u"}, {"b"}, {"z"}})
			s.answer("a-u", ResultDone, "")
			s.answer("b", ResultFailed, "down")
			return s
		},
		"its attempts are used up": func() *saga {
			s := newSaga(t, levels{{"pay-p"}, {"b"}, {"z"}})
			s.rules.Retry.Attempts = 1
			s.answer("pay-p", ResultDone, "")
			s.answer("b", ResultFailed, "down")
			if s.g.Stuck != StuckRetriesUsedUp {
				t.Errorf("stuck: %q", s.g.Stuck)
			}
			return s
		},
	} {
		s := make()
		s.must(skip)
		b := s.g.Branches[1]
		if b.State != PhaseOneDone || b.Step.Seq != 2 || b.Step.Answer != `{"n":1}` || b.Step.GaveUp || !s.g.Heuristic ||
			s.g.Stuck != 0 {
			t.Errorf("%s: %+v %+v, stuck: %q", name, b, b.Step, s.g.Stuck)
		}
		entries := s.g.History.Entries()
		told := false
		for _, e := range entries {
			told = told || e.Kind == HistorySkipped && e.Branch == 2 && strings.Contains(e.Text, "by hand")
		}
		if !told {
			t.Errorf("%s: the history does not tell it: %+v", name, entries)
		}
		s.refused(skip, BranchDone)
		s.answer("z", ResultDone, "")
		if s.g.Status != Committed {
			t.Errorf("%s: %s", name, s.g.Status)
		}
	}
}

func TestASkippedStepIsUndoneAsOneThatIsDone(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}, {"c"}})
	s.answer("a-u", ResultFailed, "down")
	s.must(Skip{BranchID: 1, Actor: "somebody", Result: "7"})
	s.answer("c", ResultRefused, "no")
	if s.sent[0].Data != "undo a-u 7" {
		t.Errorf("it is undone with %q", s.sent[0].Data)
	}
	s.answer("a-u", ResultDone, "")
	s.expect(RolledBack, CauseRefused, "forward a-u", "forward c", "rollback a-u")
}

func TestWhatIsNotSkipped(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}, {"b"}})
	s.refused(Skip{BranchID: 1}, UnderWay)
	s.refused(Skip{BranchID: 9}, NoSuchBranch)
	s.answer("a-u", ResultDone, "")
	s.refused(Skip{BranchID: 1}, BranchDone)
	s.answer("b", ResultRefused, "no")
	s.answer("a-u", ResultRefused, "never")
	if s.g.Stuck != StuckRefused {
		t.Fatalf("stuck: %q", s.g.Stuck)
	}
	s.must(Skip{BranchID: 1, Actor: "somebody"}) // the compensation, as of any branch
	s.expect(RolledBack, CauseRefused, "forward a-u", "forward b", "rollback a-u")
	if s.g.Branches[0].State != Skipped {
		t.Errorf("%+v", s.g.Branches[0])
	}
}

// hopeless is a planner whose output cannot be computed.
type hopeless struct{ levels }

func (h *hopeless) Planner(*SagaRun) Planner { return h }

func (h *hopeless) Next(g *Global, now Millis) Next {
	next := h.levels.Next(g, now)
	if next.Decide == Commit {
		return Next{Decide: Rollback, Text: "output: division by zero"}
	}
	return next
}

func TestASagaWithoutAWayOutIsFinishedByAPerson(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"pay-p", "c", "d"}})
	s.rules.Planners = &hopeless{s.rules.Planners.(levels)}
	s.refused(Finish{}, NotStuck)
	s.answer("c", ResultRefused, "no")
	s.answer("pay-p", ResultDone, "")
	if s.g.Stuck != StuckRefused {
		t.Fatalf("stuck: %q", s.g.Stuck)
	}
	s.refused(Finish{}, UnderWay) // d may be done any moment
	s.must(Retry{Actor: "somebody"})
	s.answer("c", ResultDone, "")
	s.answer("d", ResultDone, "")
	if s.g.Stuck != StuckRefused || s.g.Saga.Failure != "output: division by zero" {
		t.Fatalf("stuck: %q, %+v", s.g.Stuck, s.g.Saga)
	}
	s.must(Retry{Actor: "somebody"}) // no step has failed, but a limit may have been raised
	if s.g.Stuck != StuckRefused {
		t.Fatalf("stuck: %q", s.g.Stuck)
	}
	p, err := s.rules.Plan(s.g, Operation{Action: ActionFinish, Result: "5"}, s.now)
	if err != nil || p.Decides != Commit || p.After != Committed || !p.Heuristic ||
		!strings.Contains(p.Canonical(), `result "5"`) {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := s.rules.Plan(s.g, Operation{Action: ActionFinish, BranchID: 1}, s.now); err == nil {
		t.Error("a branch was finished")
	}
	s.must(Finish{Actor: "somebody: paid and shipped", Result: "5"})
	s.expect(Committed, CauseOperator, "forward pay-p", "forward c", "forward d", "forward c")
	if s.g.Saga.Result != "5" || s.g.Saga.Failure != "" || !s.g.Heuristic {
		t.Errorf("%+v", s.g.Saga)
	}
	s.refused(Finish{}, NotActive)
	ordinary, _ := s.rules.Apply(nil, Begin{XID: XID{"h:1", 8}, Timeout: time.Hour}, s.now)
	if _, err := s.rules.Apply(ordinary.Next, Finish{}, s.now); err == nil {
		t.Error("a transaction that is no saga was finished")
	}
}

func TestFinishingLeavesTheRest(t *testing.T) {
	t.Parallel()
	s := stuck(t, "c")
	s.must(Finish{Actor: "somebody"})
	s.expect(Committed, CauseOperator, "forward pay-p", "forward c")
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u", "b"}})
	s.refused(Retry{BranchID: 9}, NoSuchBranch)
	s.refused(Retry{}, BranchDone) // both are under way
	s.answer("b", ResultFailed, "down")
	s.refused(Retry{BranchID: 1}, BranchDone)
	s.must(Retry{BranchID: 2})
	s.expect(Active, 0, "forward a-u", "forward b", "forward b")
}

// roomy is a planner that says how many steps are to come.
type roomy struct {
	levels
	later int
}

func (r *roomy) Planner(*SagaRun) Planner { return r }

func (r *roomy) Next(g *Global, now Millis) Next {
	next := r.levels.Next(g, now)
	next.Later = r.later
	return next
}

func TestWhatDoesNotFitIsNotBegun(t *testing.T) {
	t.Parallel()
	for later, want := range map[int]Status{8: Active, 9: RolledBack} {
		rules := DefaultRules()
		rules.BranchesMax, rules.Planners = 10, &roomy{levels{{"a-u", "b-u"}}, later}
		eff, err := rules.Apply(nil, Begin{XID: XID{"h:1", 7}, Timeout: time.Hour, Saga: &SagaRun{}}, 1)
		if err == nil {
			eff, err = rules.Apply(eff.Next, Wake{}, 2)
		}
		if err != nil || eff.Next.Status != want || want == RolledBack && len(eff.Next.Branches) > 0 {
			t.Errorf("%d later: %+v, %v", later, eff.Next, err)
		}
	}
}

// TestAnOldRefusalIsNoneOfTheNewAttempt: what was said before a person had the step tried again may come late.
func TestAnOldRefusalIsNoneOfTheNewAttempt(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"p"}, {"c"}})
	s.answer("p", ResultDone, "")
	old := s.sent[0]
	s.answer("c", ResultRefused, "")
	if err := s.apply(Retry{Actor: "somebody"}); err != nil {
		t.Fatal(err)
	}
	s.reply(old, ResultRefused, "") // the same, delivered twice
	if s.g.Stuck != 0 || s.g.Branches[1].State != Registered {
		t.Fatalf("%q, %+v", s.g.Stuck, s.g.Branches[1])
	}
	for range s.rules.Retry.Attempts - 1 { // it has its whole budget again
		s.answer("c", ResultFailed, "")
		s.pass(5 * time.Second)
	}
	if s.g.Stuck != 0 {
		t.Errorf("stuck: %q", s.g.Stuck)
	}
	s.answer("c", ResultDone, "")
	if s.g.Status != Committed {
		t.Errorf("%s", s.g.Status)
	}
}
