package txn

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// returning is a saga that undoes its step "m-u" by steps of its own when "x" is refused, as a machine of Seata does:
// "back", and "again" if nobody knows how that went. If that is so of both, it is rolled back.
type returning struct{ letters }

func (r returning) Planner(*SagaRun) Planner { return r }

func (r returning) Next(g *Global, now Millis) Next {
	names := []string{"back", "again"}
	if len(g.Branches) < 2 || g.Branches[1].State != PhaseOneFailed {
		return r.letters.Next(g, now)
	}
	for _, b := range g.Branches[2:] {
		switch {
		case b.State == PhaseOneDone:
			return Next{Decide: Commit, Text: "{}"}
		case !b.Step.GaveUp:
			return Next{}
		}
		names = names[1:]
	}
	if len(names) == 0 {
		return Next{Decide: Rollback, Text: "nobody knows"}
	}
	return Next{Start: []NewStep{{
		Name: names[0], Kind: StepMessage, Resource: "cancels", Data: "back", Undoes: 1,
		Call: &Call{Reply: "undone", Timeout: patience, Attempts: 2},
	}}}
}

func newReturning(t *testing.T) *saga {
	s := newSagaOf(t, returning{letters{levels{{"m-u"}, {"x"}}}})
	c := s.published("m-u")
	s.hear(c, "answers", 1, ResultDone, "1")
	s.answer("x", ResultRefused, "")
	return s
}

// lose has the newest attempt at a step have no reply in its time, and the next one be sent.
func (s *saga) lose(name string) Command {
	s.t.Helper()
	c := s.published(name)
	s.pass(patience + 2*time.Second)
	return c
}

// undone is a reply to the compensation of the first step, as its participant knows it.
func (s *saga) undone(attempt uint32, result Result) {
	s.t.Helper()
	s.hear(Command{BranchID: 1, Op: Rollback}, "undone", attempt, result, "")
}

// TestACompensationHasOneIdentity whoever asks for it, and each attempt at it a number of its own.
func TestACompensationHasOneIdentity(t *testing.T) {
	t.Parallel()
	s := newReturning(t)
	var got []Identity
	for _, name := range []string{"back", "back", "again", "again"} {
		c := s.lose(name)
		if c.Op != Forward || c.Step != name {
			t.Errorf("%+v", c)
		}
		got = append(got, c.Identity())
	}
	if s.g.Status != RollingBack {
		t.Fatalf("%s: %v", s.g.Status, s.log)
	}
	for range 2 {
		c := s.published("m-u")
		if c.Op != Rollback || c.BranchID != 1 {
			t.Errorf("%+v", c)
		}
		got = append(got, c.Identity())
		s.pass(s.rules.Retry.Report + 2*time.Second)
	}
	want := []Identity{}
	for n := range uint32(6) {
		want = append(want, Identity{BranchID: 1, Op: Rollback, Step: "m-u", Attempt: n + 1})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	own := Command{BranchID: 7, Op: Forward, Step: "pay", Attempt: 3}
	if got := own.Identity(); got != (Identity{BranchID: 7, Op: Forward, Step: "pay", Attempt: 3}) {
		t.Errorf("another step is known by %+v", got)
	}
}

// TestRepliesToACompensationGoToWhoAsks for it now, and of what was asked before only that it is done counts.
func TestRepliesToACompensationGoToWhoAsks(t *testing.T) {
	t.Parallel()
	const back, again, rollback = 0, 1, 2
	for name, c := range map[string]struct {
		asked   int // who asks when the reply comes: back for the second time, again or the rollback for the first
		attempt uint32
		result  Result
		taken   bool
	}{
		"the newest attempt": {back, 2, ResultDone, true}, "the one before": {back, 1, ResultDone, true},
		"any": {back, 0, ResultDone, true}, "still at it": {back, 2, ResultOngoing, true},
		"refused": {back, 2, ResultRefused, true}, "refused the one before": {back, 1, ResultRefused, false},
		"again": {again, 3, ResultDone, true}, "again, any": {again, 0, ResultDone, true},
		"again, what was asked before": {again, 2, ResultDone, true},
		"again, that has failed":       {again, 1, ResultFailed, false},
		"again, that is refused":       {again, 2, ResultRefused, false},
		"again, that is at it":         {again, 1, ResultOngoing, false},
		"rollback":                     {rollback, 5, ResultDone, true}, "rollback, any": {rollback, 0, ResultDone, true},
		"rollback, failed":       {rollback, 5, ResultFailed, true},
		"rollback, first of all": {rollback, 1, ResultDone, true}, "rollback, last before": {rollback, 4, ResultDone, true},
		"rollback, before, failed":  {rollback, 1, ResultFailed, false},
		"rollback, before, refused": {rollback, 4, ResultRefused, false},
		"rollback, before, at it":   {rollback, 1, ResultOngoing, false},
	} {
		s := newReturning(t)
		s.lose("back")
		switch c.asked {
		case again:
			s.lose("back")
			s.published("again")
		case rollback:
			s.lose("back")
			s.lose("again")
			s.lose("again")
			s.published("m-u")
		default:
			s.published("back")
		}
		before := s.g
		s.undone(c.attempt, c.result)
		if taken := s.g != before; taken != c.taken {
			t.Errorf("%s: taken is %t: %+v", name, taken, s.g.Branches[len(s.g.Branches)-1])
		}
		if c.result == ResultDone && s.g.Status != map[bool]Status{true: RolledBack, false: Committed}[c.asked == rollback] {
			t.Errorf("%s: %s", name, s.g.Status)
		}
	}
}

func TestNobodyIsToldOfACompensationThatIsNotAskedFor(t *testing.T) {
	t.Parallel()
	s := newSagaOf(t, returning{letters{levels{{"m-u"}, {"x"}}}})
	c, before := s.published("m-u"), s.g
	s.hear(Command{BranchID: 0, Op: Rollback}, "answers", 0, ResultDone, "") // of no branch
	taken := s.g != before
	s.hear(c, "answers", 1, ResultDone, "1")
	before = s.g
	s.undone(0, ResultDone)
	s.undone(1, ResultDone)
	if taken || s.g != before {
		t.Error("a reply to what nobody has asked for was taken")
	}
	ev := s.g.attributed(Reply{BranchID: 1, Op: Rollback, Attempt: math.MaxUint32, Via: "x"})
	if ev.Attempt != math.MaxUint32 {
		t.Errorf("%+v", ev)
	}
}

// TestOnlyAStepThatUndoesHasARecordOfVersion6, so that a node of the version before reads all others; version 7 is for
// those that were given up, version 8 for those that somebody may have been asked for.
func TestOnlyAStepThatUndoesHasARecordOfVersion6(t *testing.T) {
	t.Parallel()
	for version, b := range map[byte]*Branch{
		encodingVersion4: {ID: 5, Kind: StepWorker, Step: &Step{Name: "pay"}},
		encodingVersion5: {ID: 5, Kind: StepCall, Step: &Step{Name: "pay"}, Call: &Call{Jitter: 30}},
		encodingVersion6: {ID: 5, Kind: StepCall, Step: &Step{Name: "pay", Undoes: 3}, Call: &Call{Jitter: 30}},
		encodingVersion7: {ID: 5, Kind: StepWorker, Step: &Step{Name: "pay", GaveUp: true, Lost: 3}},
		encodingVersion8: {ID: 5, Kind: StepCall, Step: &Step{Name: "pay", Reached: true}},
	} {
		src := AppendBranch(nil, b)
		got, rest, err := DecodeBranch(src, nil)
		if src[0] != version || err != nil || len(rest) > 0 || !cmp.Equal(b, got) {
			t.Errorf("version %d, want %d: %+v %v", src[0], version, got, err)
		}
		for n := range src {
			if _, _, err := DecodeBranch(src[:n], nil); err == nil {
				t.Fatalf("a record cut after %d bytes was read", n)
			}
		}
	}
	bare := &Branch{ID: 6, Kind: StepWorker, Step: &Step{Name: "back", Undoes: 5}}
	if got, _, err := DecodeBranch(AppendBranch(nil, bare), nil); err != nil || !cmp.Equal(bare, got) {
		t.Errorf("%+v %v", got, err)
	}
}
