package txn

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// letters is levels where steps with an "m" are messages that are answered on the topic "answers", those with an "n"
// messages that nobody answers, and all are undone by messages that are answered on "undone". Names must not use the
// letters for anything else.
type letters struct{ levels }

// patience is how long replies may take; undoing has the policy's time.
const patience = time.Minute

func (l letters) Planner(*SagaRun) Planner { return l }

func (l letters) Next(g *Global, now Millis) Next {
	next := l.levels.Next(g, now)
	for i := range next.Start {
		s := &next.Start[i]
		if strings.ContainsAny(s.Name, "mn") {
			s.Kind, s.Resource, s.Call = StepMessage, "orders", &Call{Timeout: patience, Attempts: 2}
		}
		if strings.Contains(s.Name, "m") {
			s.Call.Reply = "answers"
		}
	}
	return next
}

func (l letters) Undo(*Global, *Branch) Undo {
	return Undo{Kind: StepMessage, Resource: "cancels", Data: "back", Call: &Call{Reply: "undone"}}
}

func newLetters(t *testing.T, l levels) *saga { return newSagaOf(t, letters{l}) }

// published ends the newest attempt at a step as the broker does, and returns its command.
func (s *saga) published(name string) Command {
	s.t.Helper()
	var c Command
	for _, sent := range s.sent {
		if sent.Step == name {
			c = sent
		}
	}
	s.answer(name, ResultPublished, "")
	return c
}

// hear is a reply on a topic.
func (s *saga) hear(c Command, via string, attempt uint32, result Result, answer string) {
	s.t.Helper()
	ev := Reply{BranchID: c.BranchID, Op: c.Op, Attempt: attempt, Result: result, Answer: answer, Via: via}
	if err := s.apply(ev); err != nil {
		s.t.Fatal(err)
	}
}

func TestAMessageThatNobodyAnswersIsDoneWhenItIsOut(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"n"}})
	c := s.published("n")
	s.expect(Committed, CauseCompleted, "forward n")
	if c.Kind != StepMessage || c.Resource != "orders" {
		t.Errorf("%+v", c)
	}
}

func TestAMessageIsDoneWhenItsReplyIsThere(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m"}})
	c := s.published("m")
	b := s.g.Branches[0]
	if b.State != Published || b.InFlightUntil != s.now.Add(patience) || s.g.DueAt != b.InFlightUntil {
		t.Fatalf("%+v, due at %d, now is %d", b, s.g.DueAt, s.now)
	}
	s.hear(c, "elsewhere", 1, ResultDone, "forged")
	s.answerAgain(c, ResultPublished)
	if s.g.Branches[0] != b {
		t.Error("something else has changed the step")
	}
	s.pass(patience - time.Second)
	if len(s.sent) > 0 || s.g.Branches[0].Attempts != 1 {
		t.Errorf("it is sent again before its time is over: %v", s.sent)
	}
	s.hear(c, "answers", 1, ResultDone, `{"ok":1}`)
	s.expect(Committed, CauseCompleted, "forward m")
	if got := s.g.Branches[0].Step.Answer; got != `{"ok":1}` {
		t.Errorf("answered %q", got)
	}
	before := s.g
	s.hear(c, "answers", 1, ResultDone, "twice")
	if s.g != before {
		t.Error("the second reply has changed something")
	}
}

// answerAgain tells the end of an attempt that was told before.
func (s *saga) answerAgain(c Command, result Result) { s.t.Helper(); s.reply(c, result, "") }

func TestRepliesToMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		via     string
		attempt uint32 // after two were sent
		result  Result
		state   BranchState // of the step, or that it has ended
		status  Status
	}{
		{"done", "answers", 2, ResultDone, Finished, Committed},
		{"done, over the API", ViaAPI, 2, ResultDone, Finished, Committed},
		{"done, the copy before", "answers", 1, ResultDone, Finished, Committed},
		{"done, whichever copy", "answers", 0, ResultDone, Finished, Committed},
		{"done, on another topic", "undone", 2, ResultDone, Published, Active},
		{"refused", "answers", 2, ResultRefused, PhaseOneFailed, RolledBack},
		{"refused, the copy before: this one may be done", "answers", 1, ResultRefused, Published, Active},
		{"refused, whichever copy", "answers", 0, ResultRefused, PhaseOneFailed, RolledBack},
		{"still at it", "answers", 2, ResultOngoing, Published, Active},
		{"failed, and the budget is spent", "answers", 2, ResultFailed, Finished, RolledBack},
		{"failed, the copy before", "answers", 1, ResultFailed, Published, Active},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newLetters(t, levels{{"m"}})
			s.published("m")
			s.pass(patience + 2*time.Second)
			cmd := s.published("m")
			if cmd.Attempt != 2 {
				t.Fatalf("attempt %d", cmd.Attempt)
			}
			s.pass(time.Second)
			s.hear(cmd, c.via, c.attempt, c.result, "")
			b := s.g.Branches[0]
			if b.State != c.state || s.g.Status != c.status {
				t.Errorf("%s %+v", s.g.Status, b)
			}
			if want := s.now.Add(patience); c.result == ResultOngoing && b.InFlightUntil != want {
				t.Errorf("it is waited for until %d, not %d", b.InFlightUntil, want)
			}
		})
	}
}

func TestAMessageWithoutAReplyIsSentAgainAsTheRetrySays(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m-u"}})
	c := s.published("m-u")
	s.pass(patience)
	b := s.g.Branches[0]
	if b.State != Registered || b.NextAt <= s.now || !strings.Contains(b.Failure, "no reply within 1m") {
		t.Errorf("%+v", b)
	}
	s.hear(c, "answers", 1, ResultFailed, "") // the next attempt is planned already
	s.pass(time.Second)
	if len(s.sent) != 1 || s.sent[0].Attempt != 2 || s.sent[0].BranchID != c.BranchID {
		t.Fatalf("%+v", s.sent)
	}
	s.published("m-u")
	s.pass(patience)
	s.expect(RollingBack, CauseRefused, "forward m-u", "forward m-u", "rollback m-u")
}

func TestARefusalBetweenTwoAttemptsCounts(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m"}})
	c := s.published("m")
	s.pass(patience)
	s.hear(c, "answers", 1, ResultRefused, "sold out")
	s.expect(RolledBack, CauseRefused, "forward m")
}

// TestAMessageOfWhichNobodyKnowsWhetherItWasSent: the node has died, so it is sent again soon, and at no cost.
func TestAMessageOfWhichNobodyKnowsWhetherItWasSent(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m"}})
	s.rules.Retry.Attempts = 500
	for range 5 {
		s.sent = nil
		s.pass(s.rules.Retry.Answer + 2*time.Second)
		if len(s.sent) != 1 {
			t.Fatalf("%v: %+v", s.log, s.g.Branches[0])
		}
	}
	c := s.published("m")
	s.hear(c, "answers", 1, ResultDone, "")
	if s.g.Status != Committed {
		t.Errorf("%s %+v", s.g.Status, s.g.Branches[0])
	}
}

func TestUndoingByMessage(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m-u"}, {"x"}})
	forward := s.published("m-u")
	s.hear(forward, "answers", 1, ResultDone, "1")
	s.hear(Command{BranchID: forward.BranchID, Op: Rollback}, ViaAPI, 0, ResultDone, "") // nobody has asked for that
	s.answer("x", ResultRefused, "")
	if s.g.Status != RollingBack || len(s.sent) != 1 {
		t.Fatalf("%s %v", s.g.Status, s.sent)
	}
	undo := s.published("m-u")
	if undo.Kind != StepMessage || undo.Resource != "cancels" || undo.Call.Reply != "undone" {
		t.Errorf("%+v", undo)
	}
	b := s.g.Branches[0]
	if b.State != Published || b.InFlightUntil != s.now.Add(s.rules.Retry.Report) || s.g.DueAt != b.InFlightUntil {
		t.Fatalf("%+v, due at %d", b, s.g.DueAt)
	}
	s.hear(forward, "answers", 1, ResultDone, "late") // of the step, when it is undone already
	s.hear(undo, "answers", 1, ResultDone, "where the step is answered")
	if s.g.Branches[0] != b {
		t.Error("something else has changed the step")
	}
	s.pass(s.rules.Retry.Report - time.Second)
	if len(s.sent) > 0 {
		t.Error("it is sent again before its time is over")
	}
	s.pass(3 * time.Second)
	if len(s.sent) != 1 || s.sent[0].Attempt != 2 || !strings.HasPrefix(s.g.Branches[0].Failure, "no reply within 10m") {
		t.Fatalf("%v %+v", s.sent, s.g.Branches[0])
	}
	s.hear(undo, "undone", 1, ResultDone, "") // to the first copy
	s.expect(RolledBack, CauseRefused, "forward m-u", "forward x", "rollback m-u", "rollback m-u")
}

// TestAPublishedUndoIsNotDoneWhereItWasForgotten: that it was sent is only in memory until it is out.
func TestAPublishedUndoIsNotDoneWhereItWasForgotten(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"c-u"}, {"x"}})
	s.answer("c-u", ResultDone, "")
	called := s.g.Branches[0].Call
	s.answer("x", ResultRefused, "")
	undo := s.sent[0]
	g, b := *s.g, *s.g.Branches[0]
	b.Attempts, b.InFlightUntil, b.Call = 0, 0, called
	g.Branches = []*Branch{&b, g.Branches[1]}
	s.g, s.sent = &g, nil
	s.reply(undo, ResultPublished, "")
	if s.g.Status != RollingBack || s.g.Branches[0].State != PhaseOneDone {
		t.Fatalf("%s, %+v", s.g.Status, s.g.Branches[0])
	}
	if err := s.apply(Wake{}); err != nil {
		t.Fatal(err)
	}
	s.hear(s.published("c-u"), "undone", 0, ResultDone, "")
	s.expect(RolledBack, CauseRefused, "forward c-u", "forward x", "rollback c-u", "rollback c-u")
}

func TestARefusedUndoIsForAPerson(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m-u"}, {"x"}})
	s.hear(s.published("m-u"), "answers", 1, ResultDone, "1")
	s.answer("x", ResultRefused, "")
	s.hear(s.published("m-u"), "undone", 0, ResultRefused, "")
	if s.g.Stuck != StuckRefused || s.g.Branches[0].State != Refused {
		t.Errorf("%s %+v", s.g.Stuck, s.g.Branches[0])
	}
}

// TestARollbackDoesNotWaitForDays: what is waited for at the decision is not waited for much longer.
func TestARollbackDoesNotWaitForDays(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		s := newLetters(t, levels{{"m-u", "x"}})
		if !late {
			s.published("m-u")
		}
		s.answer("x", ResultRefused, "")
		if late { // the broker has it only now
			s.published("m-u")
		}
		if s.g.Status != RollingBack || slices.Contains(s.log, "rollback m-u") {
			t.Fatalf("%s %v", s.g.Status, s.log)
		}
		s.pass(s.rules.Retry.Answer - time.Second)
		if slices.Contains(s.log, "rollback m-u") {
			t.Fatal("the reply is not waited for at all")
		}
		s.pass(time.Second)
		if !slices.Contains(s.log, "rollback m-u") {
			t.Fatalf("the undo still waits: %v", s.log)
		}
	}
}

func TestAReplyAtTheDecisionSpares(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m-u", "x"}})
	c := s.published("m-u")
	s.answer("x", ResultRefused, "")
	s.hear(c, "answers", 0, ResultRefused, "")
	s.expect(RolledBack, CauseRefused, "forward m-u", "forward x")
}

// TestOnlyMessagesHaveReplies: whoever may answer messages may not answer for others.
func TestOnlyMessagesHaveReplies(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"x-u", "n"}, {"t"}})
	call := s.sent[0]
	before := s.g
	for _, via := range []string{ViaAPI, "answers"} {
		for _, c := range s.sent {
			s.hear(c, via, 1, ResultDone, "")
		}
	}
	if s.g != before {
		t.Error("it counts")
	}
	s.reply(call, ResultDone, "")
	s.published("n")
	if s.g.Branches[2].Kind != StepTimer {
		t.Errorf("%+v", s.g.Branches[2])
	}
}

// TestAPersonNeedNotWaitForAReply: unlike a call it may take days, and what it says then comes too late.
func TestAPersonNeedNotWaitForAReply(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m"}})
	skip := Skip{BranchID: s.g.Branches[0].ID, Actor: "kim", Result: "{}"}
	if err := s.apply(skip); err == nil {
		t.Fatal("skipped while nobody knows whether it was sent")
	}
	c := s.published("m")
	if err := s.apply(skip); err != nil {
		t.Fatal(err)
	}
	s.hear(c, "answers", 1, ResultRefused, "")
	s.expect(Committed, CauseCompleted, "forward m")
}

// TestAPersonHasALostMessageSentAgain: the step has to be named, since most messages are only not answered yet.
func TestAPersonHasALostMessageSentAgain(t *testing.T) {
	t.Parallel()
	s := newLetters(t, levels{{"m"}})
	id := s.g.Branches[0].ID
	if s.apply(Retry{BranchID: id, Actor: "kim"}) == nil {
		t.Fatal("retried while it is being sent")
	}
	first := s.published("m")
	if s.apply(Retry{Actor: "kim"}) == nil {
		t.Fatal("retried though nothing has failed")
	}
	if err := s.apply(Retry{BranchID: id, Actor: "kim"}); err != nil {
		t.Fatal(err)
	}
	if again := s.published("m"); again.Attempt != 2 {
		t.Errorf("attempt %d", again.Attempt)
	}
	s.hear(first, "answers", 1, ResultDone, "")
	s.expect(Committed, CauseCompleted, "forward m", "forward m")
}
