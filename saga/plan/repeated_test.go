package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

const twice = `
saga: 1
name: twice
steps:
  - id: hotel
    call: {url: http://hotel}
    compensate: {call: {url: http://hotel/undo}}
`

// TestARepetitionThatIsRefusedIsUndone: a 409 to a repetition may say that what was asked for is there already. So it
// is undone, unless the definition or the participant itself says that nothing was done.
func TestARepetitionThatIsRefusedIsUndone(t *testing.T) {
	t.Parallel()
	const ask, undo = "forward hotel http://hotel", "rollback hotel http://hotel/undo"
	lost := txn.Reply{Result: txn.ResultNoAnswer}
	refused := txn.Reply{Result: txn.ResultFailed, Code: 409, Text: "409 exists"}
	said := txn.Reply{Result: txn.ResultRefused, Text: "409 exists"}
	resent := refused
	resent.Resent = true
	const pivot = "saga: 1\nname: pay\nsteps: [{id: hotel, call: {url: http://hotel}, pivot: true}]"
	rule := strings.Replace(twice, "compensate", "result: [{when: status == 409, is: refused}]\n    compensate", 1)
	for name, c := range map[string]struct {
		text    string
		answers []txn.Reply
		log     []string
	}{
		"first":           {twice, []txn.Reply{refused}, []string{ask}},
		"lost before":     {twice, []txn.Reply{lost, refused}, []string{ask, ask, undo}},
		"failed before":   {twice, []txn.Reply{{Result: txn.ResultFailed, Code: 503}, refused}, []string{ask, ask, undo}},
		"422":             {twice, []txn.Reply{lost, {Code: 422, Text: "409 exists"}}, []string{ask, ask, undo}},
		"sent twice":      {twice, []txn.Reply{resent}, []string{ask, undo}},
		"ongoing before":  {twice, []txn.Reply{{Code: 202}, refused}, []string{ask, ask}},
		"by a rule":       {rule, []txn.Reply{lost, refused}, []string{ask, ask}},
		"without a code":  {twice, []txn.Reply{lost, said}, []string{ask, ask}},
		"pivot":           {pivot, []txn.Reply{lost, refused}, []string{ask, ask}},
		"nothing to undo": {pivot, []txn.Reply{resent}, []string{ask}},
	} {
		n := 0
		w := start(t, c.text, "", func(what, _ string) txn.Reply {
			if !strings.HasPrefix(what, "forward") {
				return txn.Reply{Result: txn.ResultDone}
			}
			n++
			return c.answers[min(n, len(c.answers))-1]
		})
		t.Log(name)
		text := "step hotel: 409 exists"
		if slices.Contains(c.log, undo) {
			text += "; an earlier attempt may have done it"
		}
		w.expect(txn.RolledBack, text, c.log...)
	}
}

// TestARepetitionThatIsRefusedAfterTheDecisionIsUndone: it may come when the saga is already on its way back.
func TestARepetitionThatIsRefusedAfterTheDecisionIsUndone(t *testing.T) {
	t.Parallel()
	for _, lost := range []int{0, 1} {
		gate := strings.Replace(twice, "steps:\n", "steps:\n  - {id: gate, signal: {name: go}}\n", 1)
		w := start(t, gate, "", nil)
		asked := 0
		w.answer = func(what, _ string) txn.Reply {
			switch asked++; {
			case strings.HasPrefix(what, "rollback"):
				return txn.Reply{Result: txn.ResultDone}
			case asked <= lost:
				return txn.Reply{Result: txn.ResultNoAnswer}
			}
			w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested})
			return txn.Reply{Result: txn.ResultFailed, Code: 409}
		}
		w.apply(txn.Signal{Name: "go"})
		w.settle()
		log := []string{"forward hotel http://hotel"}
		if lost > 0 {
			log = append(log, "forward hotel http://hotel", "rollback hotel http://hotel/undo")
		}
		w.expect(txn.RolledBack, "", log...)
	}
}

// TestWhyARepetitionIsUndoneIsSaid: what a participant says is cut where it is too long, the reason is not.
func TestWhyARepetitionIsUndoneIsSaid(t *testing.T) {
	t.Parallel()
	w := start(t, strings.Replace(twice, "steps:\n", "steps:\n  - {id: gate, signal: {name: go}}\n", 1), "", nil)
	failure := ""
	w.answer = func(what, _ string) txn.Reply {
		if strings.HasPrefix(what, "rollback") {
			failure = w.g.Branches[1].Failure
			return txn.Reply{Result: txn.ResultDone}
		}
		return txn.Reply{Result: txn.ResultFailed, Code: 409, Text: strings.Repeat("x", 1000), Resent: true}
	}
	w.apply(txn.Signal{Name: "go"})
	w.settle()
	if len(failure) != 256 || !strings.HasSuffix(failure, "xx; an earlier attempt may have done it") {
		t.Errorf("%d bytes: %s", len(failure), failure)
	}
}
