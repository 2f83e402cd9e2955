package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/limits"
)

const stuckAtTheEnd = `
saga: 1
name: order
steps:
  - {id: hint, call: {url: http://hint}, readOnly: true, onRefused: continue}
  - {id: pay, call: {url: http://pay}, pivot: true}
  - {id: ship, signal: {name: shipped}}
`

// A retry is of what holds the saga up, not of what it has gone on without.
func TestARetryLeavesWhatTheSagaHasDoneWithout(t *testing.T) {
	t.Parallel()
	w := run(t, stuckAtTheEnd, "", map[string]string{"forward hint": "409"})
	if _, err := w.rules.Apply(w.g, txn.Retry{Actor: "somebody"}, w.now); err == nil {
		t.Error("there is nothing to be tried again")
	}
	w.apply(txn.Signal{Name: "shipped", Refuse: true})
	if w.g.Stuck != txn.StuckRefused || w.g.Status != txn.Active {
		t.Fatalf("%s, stuck: %q", w.g.Status, w.g.Stuck)
	}
	if _, err := w.rules.Apply(w.g, txn.Retry{Actor: "somebody", BranchID: 1}, w.now); err == nil {
		t.Error("a step was tried again that others have begun without")
	}
	w.apply(txn.Retry{Actor: "somebody"})
	w.settle()
	w.apply(txn.Signal{Name: "shipped"})
	w.expect(txn.Committed, "", "forward hint http://hint", "forward pay http://pay")
}

// Nobody can say of a step whose answer cannot be kept that it has not run.
func TestAnAnswerThatIsTooLongIsNoRefusal(t *testing.T) {
	t.Parallel()
	long := "200 " + strings.Repeat("<", limits.PayloadBytesMax/4)
	w := run(t, travel, `{"city":"x","nights":2}`, map[string]string{
		"forward hotel": `200 {"id":7}`, "forward car": long, "rollback car": long,
	})
	if w.g.Status != txn.RolledBack || !slices.Contains(w.log, "rollback car http://car/undo") {
		t.Errorf("%s %q %q", w.g.Status, w.g.Saga.Failure, w.log)
	}
}

// A compensation may be reached in another way than its step.
func TestACompensationIsOfItsOwnKind(t *testing.T) {
	t.Parallel()
	text := strings.Replace(travel, "{call: {url: http://car/undo}}", "{worker: {task: undo-car}}", 1)
	answers := map[string]string{"forward hotel": `200 {"id":7}`, "forward pay": "409"}
	w := run(t, text, `{"city":"x","nights":2}`, answers)
	if w.kinds["rollback car"] != txn.StepWorker || w.kinds["rollback hotel"] != txn.StepCall {
		t.Error(w.kinds)
	}
}

// A loop that does not fit into a run is refused when its list is known, not when half of it is done.
func TestALoopThatDoesNotFitIsNotBegun(t *testing.T) {
	t.Parallel()
	const text = `
saga: 1
name: all
steps:
  - {id: first, call: {url: http://first}, readOnly: true}
  - {id: each, forEach: {in: input.list, parallel: 2}, call: {url: http://each}, readOnly: true}
`
	list := "[" + strings.Repeat("0,", limits.LoopItemsMax-1) + "0]"
	w := run(t, text, `{"list":`+list+`}`, nil)
	w.expect(txn.RolledBack, txn.TooManyBranches.String(), "forward first http://first")
	const outer = `
saga: 1
name: outer
steps:
  - {id: all, forEach: {in: input.list, parallel: 2}, subSaga: {saga: inner, input: {n: "${item}"}}}
`
	const inner = `
saga: 1
name: inner
steps:
  - {id: one, call: {url: http://one}, readOnly: true}
  - {id: two, after: [], call: {url: http://two}, readOnly: true}
  - {id: maybe, after: [], when: "input.n > 5", call: {url: http://maybe}, readOnly: true}
`
	list = "[" + strings.Repeat("0,", limits.LoopItemsMax/2) + "0]"
	w = run(t, outer, `{"list":`+list+`}`, nil, inner)
	w.expect(txn.RolledBack, txn.TooManyBranches.String())
}

// TestTheDeadline: what goes forward after it goes on to its end, however late.
func TestTheDeadline(t *testing.T) {
	t.Parallel()
	w := run(t, "deadline: 30s\nonDeadline: compensate"+waits, `{"n":3}`, nil)
	w.pass(5 * time.Second)
	w.pass(26 * time.Second)
	if w.expect(txn.RolledBack, "the deadline has passed"); w.g.Cause != txn.CauseTimeout {
		t.Errorf("compensated for %s", w.g.Cause)
	}
	late := func() *world {
		w := run(t, "deadline: 30s\nonDeadline: forward"+waits, `{"n":3}`, nil)
		w.pass(5 * time.Second)
		w.pass(26 * time.Second)
		if !w.g.Expired(w.now) {
			t.Fatalf("%s after its deadline", w.g.Status)
		}
		w.apply(txn.Signal{Name: "paid", Data: "true"})
		return w
	}
	w = late()
	w.apply(txn.Signal{Step: "ok", Data: `{"by":"me"}`})
	if w.expect(txn.Committed, `{"by":"me"}`); w.g.Cause != txn.CauseCompleted || w.g.DecidedAt < w.g.Deadline() {
		t.Errorf("done for %s, %d ms before its deadline", w.g.Cause, w.g.Deadline()-w.g.DecidedAt)
	}
	w = late()
	w.apply(txn.Signal{Step: "ok", Data: `{"by":"me"}`, Refuse: true})
	if w.g.Status != txn.RolledBack || w.g.Cause != txn.CauseRefused {
		t.Errorf("refused after its deadline: %s for %s, %q", w.g.Status, w.g.Cause, w.g.Saga.Failure)
	}
}

// What a saga went on to after a step that was given up is built on that.
func TestWhatFollowsAStepThatWasGivenUpIsUndoneFirst(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(
		"undo/${output.id}", "undo", "id: hotel", "id: hotel\n    onRefused: continue", "    after: []\n", "",
	).Replace(travel)
	w := run(t, text, `{"city":"x","nights":2}`, map[string]string{"forward hotel": "lost", "forward pay": "409"})
	w.log = w.log[3:]
	w.expect(txn.RolledBack, "step pay: refused", "forward car http://car/book", "forward pay http://pay",
		"rollback car http://car/undo", `rollback hotel http://hotel/undo {"of":null}`)
}
