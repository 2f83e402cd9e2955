package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
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
	long := "200 " + strings.Repeat("<", definition.PayloadBytesMax/4)
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
