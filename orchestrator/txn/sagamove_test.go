package txn

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// versions has a planner for each version.
type versions map[uint32]levels

func (v *versions) Planner(run *SagaRun) Planner { return (*v)[run.Version] }

func TestARunGoesOnByAnotherVersion(t *testing.T) {
	t.Parallel()
	s := newSagaOf(t, &versions{3: {{"a-u"}, {"b-u"}, {"c"}}, 4: {{"a-u"}, {"B-u", "x-u"}, {"d"}}})
	s.answer("a-u", ResultDone, "")
	move := Move{Version: 4, Actor: "me", Steps: []MovedStep{{BranchID: 2, Name: "B-u", Undo: true}}}
	// While b is under way. The planner of the test begins levels whole, so x is not begun any more.
	if err := s.apply(move); err != nil {
		t.Fatal(err)
	}
	e := s.g.History.Entries()
	if last := e[len(e)-1]; last.Kind != HistoryMoved || last.Text != "version 3 to 4 by me" || s.g.Saga.Version != 4 ||
		s.g.Branches[1].Step.Name != "B-u" || len(s.g.Branches) != 2 {
		t.Fatalf("%+v %+v", last, s.g.Saga)
	}
	if err := s.apply(move); err != nil || len(s.g.History.Entries()) != len(e) {
		t.Errorf("asked again: %v", err)
	}
	if err := s.apply(Reply{BranchID: 2, Op: Forward, Attempt: 1, Result: ResultRefused}); err != nil {
		t.Fatal(err)
	}
	s.answer("a-u", ResultDone, "") // its compensation
	if s.g.Status != RolledBack || !slices.Equal(s.log, []string{"forward a-u", "forward b-u", "rollback a-u"}) {
		t.Errorf("%s %q", s.g.Status, s.log)
	}
	var illegal *IllegalEventError
	move.Version = 5
	if err := s.apply(move); !errors.As(err, &illegal) || illegal.Reason != NotActive {
		t.Error(err)
	}
}

func TestAMoveBeginsWhatTheNewVersionSays(t *testing.T) {
	t.Parallel()
	s := newSagaOf(t, &versions{3: {{"a-u"}, {"s"}}, 4: {{"a-u"}, {"s"}, {"c"}}, 5: {{"a"}}})
	s.answer("a-u", ResultDone, "")
	if err := s.apply(Move{Version: 4}); err != nil {
		t.Fatal(err)
	}
	if err := s.apply(Signal{Name: "s"}); err != nil {
		t.Fatal(err)
	}
	if last := s.log[len(s.log)-1]; last != "forward c" || s.g.DueAt == 0 {
		t.Errorf("asked %q", s.log)
	}
	if err := s.apply(Move{Version: 5, Steps: []MovedStep{{BranchID: 9, Name: "x"}}}); err == nil {
		t.Error("a branch that is not there was moved")
	}
	s.answer("c", ResultFailed, "")
	s.pass(10 * time.Second)
	s.answer("c", ResultDone, "")
	s.expect(Committed, CauseCompleted, "forward a-u", "forward c", "forward c")
}
