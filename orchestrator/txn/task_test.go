package txn

import (
	"errors"
	"testing"
	"time"
)

// fetched is levels whose steps are tasks of workers, and so is what undoes them, save where a name has a "c".
type fetched struct{ levels }

func (f fetched) Planner(*SagaRun) Planner { return f }

func (f fetched) Next(g *Global, now Millis) Next {
	next := f.levels.Next(g, now)
	for i := range next.Start {
		next.Start[i].Kind, next.Start[i].Call, next.Start[i].Resource = StepWorker, nil, "work"
	}
	return next
}

func (f fetched) Undo(_ *Global, b *Branch) Undo {
	if b.Step.Name == "c-u" {
		return Undo{Kind: StepCall, Call: &Call{RollbackURL: "http://h/undo"}}
	}
	return Undo{Kind: StepWorker, Resource: "back", Data: "undo " + b.Step.Answer}
}

func newTasks(t *testing.T, l levels) *saga {
	s := newSaga(t, l)
	s.g, s.sent, s.log = nil, nil, nil
	s.rules.Planners = fetched{l}
	run := &SagaRun{Definition: "travel", Version: 3}
	for _, ev := range []Event{Begin{XID: XID{"h:1", 7}, Timeout: time.Hour, Saga: run}, Wake{}} {
		if err := s.apply(ev); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// last takes the command that was sent last.
func (s *saga) last() Command {
	s.t.Helper()
	if len(s.sent) == 0 {
		s.t.Fatal("nothing was sent")
	}
	return s.sent[len(s.sent)-1]
}

func (s *saga) tell(c Command, result Result, answer string, until Millis) error {
	return s.apply(Task{Until: until, Reply: Reply{
		BranchID: c.BranchID, Op: c.Op, Attempt: c.Attempt, Result: result, Answer: answer,
	}})
}

func lost(err error) bool {
	var illegal *IllegalEventError
	return errors.As(err, &illegal) && illegal.Reason == TaskLost
}

func TestAWorkerGoesOnAsLongAsItSaysSo(t *testing.T) {
	t.Parallel()
	s := newTasks(t, levels{{"a-u"}})
	c := s.last()
	until := s.now.Add(5 * time.Minute)
	if err := s.tell(c, 0, "", until); err != nil || s.g.DueAt != until {
		t.Fatal(err, s.g.DueAt)
	}
	if err := s.tell(c, 0, "", until-1); err != nil || s.g.DueAt != until {
		t.Fatal("a shorter time took back a longer one", err, s.g.DueAt)
	}
	s.pass(4 * time.Minute)
	if len(s.sent) != 1 {
		t.Fatal("asked again while the worker was at it")
	}
	s.pass(time.Minute + 2*time.Second)
	if len(s.sent) != 2 || s.last().Attempt != 2 {
		t.Fatal("not asked again after its time", s.log)
	}
	if err := s.tell(c, 0, "", s.now.Add(time.Hour)); !lost(err) {
		t.Error("an attempt that is over goes on:", err)
	}
	if err := s.tell(c, ResultFailed, "", 0); !lost(err) {
		t.Error("an attempt that is over has failed:", err)
	}
	if err := s.tell(c, ResultDone, "1", 0); err != nil || s.g.Status != Committed {
		t.Error("what was done late is not known as done:", err, s.g.Status)
	}
	if err := s.tell(c, ResultDone, "1", 0); err != nil {
		t.Error("the same answer told twice is an error:", err)
	}
	if err := s.tell(c, ResultDone, "2", 0); !lost(err) {
		t.Error("another answer came too late, and was taken:", err)
	}
	if err := s.tell(c, 0, "", s.now.Add(time.Hour)); !lost(err) {
		t.Error("a task goes on that has ended:", err)
	}
}

func TestAWorkerEndsOnlyTasksOfWorkers(t *testing.T) {
	t.Parallel()
	s := newSaga(t, levels{{"a-u"}})
	if err := s.tell(s.last(), ResultDone, "1", 0); !lost(err) {
		t.Error("a call was answered as a task:", err)
	}
	s = newTasks(t, levels{{"c-u"}, {"b"}})
	c := s.last()
	if err := s.tell(c, ResultDone, "1", 0); err != nil {
		t.Fatal(err)
	}
	if err := s.tell(s.last(), ResultRefused, "", 0); err != nil || s.g.Status != RollingBack {
		t.Fatal(err, s.g.Status)
	}
	if err := s.tell(s.last(), ResultDone, "", 0); !lost(err) {
		t.Error("a call that undoes was answered as a task:", err)
	}
	c.BranchID = 99
	var illegal *IllegalEventError
	if err := s.tell(c, ResultDone, "", 0); !errors.As(err, &illegal) || illegal.Reason != NoSuchBranch {
		t.Error(err)
	}
}

func TestUndoingByAWorkerIsStoredAndRetried(t *testing.T) {
	t.Parallel()
	s := newTasks(t, levels{{"a-u"}, {"b"}})
	if err := s.tell(s.last(), ResultDone, `"x"`, 0); err != nil {
		t.Fatal(err)
	}
	refused := Reply{BranchID: 2, Op: Forward, Attempt: 1, Result: ResultRefused}
	eff, err := s.rules.Apply(s.g, Task{Reply: refused}, s.now)
	if err != nil || !eff.Decided {
		t.Fatal(err, eff)
	}
	s.g = eff.Next
	eff, err = s.rules.Apply(s.g, Wake{}, s.now)
	if err != nil || eff.Write != WriteLazy || len(eff.Commands) != 1 || eff.Commands[0].Kind != StepWorker {
		t.Fatalf("%v %+v", err, eff)
	}
	s.g, s.sent = eff.Next, eff.Commands
	c := s.last()
	until := s.now.Add(time.Minute)
	if err := s.tell(c, 0, "", until); err != nil || s.g.DueAt != until {
		t.Fatal(err, s.g.DueAt)
	}
	s.pass(time.Minute)
	b := s.g.Branches[0]
	if b.Failure != ResultNoAnswer.String() || b.InFlightUntil != 0 || b.NextAt <= s.now {
		t.Fatalf("a worker that died has not used up its attempt: %+v", b)
	}
	s.pass(time.Minute)
	if got := s.last(); got.Attempt < 2 || got.Data != `undo "x"` {
		t.Fatalf("%+v", got)
	}
	if err := s.tell(c, ResultDone, "", 0); err != nil || s.g.Status != RolledBack {
		t.Error(err, s.g.Status)
	}
	if err := s.tell(c, ResultDone, "", 0); err != nil {
		t.Error("the same told twice is an error:", err)
	}
}

func TestAnEndThatGoesByAnOldTimeIsRefused(t *testing.T) {
	t.Parallel()
	s := newTasks(t, levels{{"a-u"}})
	c := s.last()
	if c.Until != s.now.Add(s.rules.Retry.Answer) {
		t.Fatal("a task waits longer to be fetched than it should", c.Until)
	}
	if err := s.tell(c, 0, "", s.now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	over := Task{Told: c.Until, Reply: Reply{BranchID: c.BranchID, Op: c.Op, Attempt: 1, Result: ResultNoAnswer}}
	if err := s.apply(over); !lost(err) {
		t.Error("ended by who did not know of the extension:", err)
	}
	over.Told = s.now.Add(time.Minute)
	if err := s.apply(over); err != nil || s.g.Branches[0].NextAt == 0 {
		t.Error(err)
	}
}

func TestATaskIsLostWithItsDecision(t *testing.T) {
	t.Parallel()
	s := newTasks(t, levels{{"a-u", "b"}})
	a, b := s.sent[0], s.sent[1]
	if err := s.tell(b, ResultRefused, "", 0); err != nil || s.g.Status != RollingBack {
		t.Fatal(err)
	}
	if err := s.tell(a, 0, "", s.now.Add(time.Hour)); !lost(err) {
		t.Error("a step goes on that is to be undone:", err)
	}
	if err := s.tell(a, ResultDone, "late", 0); err != nil {
		t.Error("that it was done after all is not heard:", err)
	}
	if got := s.last(); got.Op != Rollback || got.Data != "undo late" {
		t.Errorf("%+v", got)
	}
}

// beside is fetched, but timers stay what they are.
type beside struct{ fetched }

func (b beside) Planner(*SagaRun) Planner { return b }

func (b beside) Next(g *Global, now Millis) Next {
	next := b.fetched.Next(g, now)
	for i := range next.Start {
		if next.Start[i].Until != 0 {
			next.Start[i].Kind = StepTimer
		}
	}
	return next
}

func TestAWorkerThatGoesOnHidesNoTimeThatIsUp(t *testing.T) {
	t.Parallel()
	s := newTasks(t, levels{{"a-u", "t"}})
	s.g, s.sent, s.rules.Planners = nil, nil, beside{fetched{levels{{"a-u", "t"}}}}
	run := &SagaRun{Definition: "travel", Version: 3}
	for _, ev := range []Event{Begin{XID: XID{"h:1", 7}, Timeout: time.Hour, Saga: run}, Wake{}} {
		if err := s.apply(ev); err != nil {
			t.Fatal(err)
		}
	}
	s.now = s.g.DueAt // the timer's; the worker is faster than the sweeper
	if err := s.tell(s.last(), 0, "", s.now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if b := s.g.Branches[1]; b.Step.Seq == 0 && (s.g.DueAt == 0 || s.g.DueAt > s.now) {
		t.Errorf("a timer is over at %d, and looked at %d", b.Step.Until, s.g.DueAt)
	}
}
