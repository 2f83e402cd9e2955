package machine

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// with has the order recover by a strategy, or by none.
func with(text, strategy string) string {
	if strategy == "" {
		return text
	}
	return strings.Replace(text, `"Name": "order"`, `"Name": "order", "RecoverStrategy": "`+strategy+`"`, 1)
}

// What a run does whose time is over, by its RecoverStrategy: Forward goes on for as long as it takes, anything else is
// compensated.
func TestRecoverStrategiesWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	refund, putBack := `bank.refund["ok"]`, `stock.putBack[["pen",2]]`
	for _, strategy := range []string{"", "Compensate", "Forward"} {
		for name, c := range map[string]struct {
			text string
			// during is what happens from when Pay is under way until the time is over.
			during func(w *world)
			// Status, calls and what was undone, with Forward and otherwise.
			status        [2]txn.Status
			calls, undone [2][]string
		}{
			"its call is answered after it": {
				order, func(*world) {},
				[2]txn.Status{txn.Committed, txn.RolledBack}, [2][]string{both, both}, [2][]string{nil, {refund, putBack}},
			},
			"its server dies, and the answer is lost": {
				order, func(w *world) { w.queue = nil },
				[2]txn.Status{txn.RolledBack, txn.RolledBack},
				[2][]string{{both[0], "bank.refund[null]", putBack}, both[:1]},
				[2][]string{nil, {"bank.refund[null]", putBack}},
			},
			"the same, and nobody catches it": {
				bare, func(w *world) { w.queue = nil },
				[2]txn.Status{txn.Active, txn.RolledBack}, [2][]string{both[:1], both[:1]},
				[2][]string{nil, {"bank.refund[null]", putBack}},
			},
			"it waits for a person before": {
				bare, func(w *world) { w.services["bank.pay"] = []call{down}; w.one() },
				[2]txn.Status{txn.Active, txn.Active}, [2][]string{both, both}, [2][]string{},
			},
		} {
			w := begin(t, with(c.text, strategy), nil, goods)
			w.services = yes()
			w.apply(txn.Wake{})
			w.one()
			w.g.Timeout = 5 * time.Second // less than a call may take
			c.during(w)
			w.now = w.g.Deadline() + 1
			w.settle()
			n := 1
			if strategy == "Forward" {
				n = 0
			}
			if w.g.Status != c.status[n] || !cmp.Equal(w.calls, c.calls[n]) || !cmp.Equal(w.undone, c.undone[n]) {
				t.Errorf("%q, %s: %s %q, %s, %s: %s", strategy, name, w.g.Status, w.g.Stuck, w.calls, w.undone, w.g.Saga.Failure)
			}
			if w.g.Status != txn.Active {
				continue
			}
			w.apply(txn.Retry{Actor: "somebody"})
			w.settle()
			if strategy == "Forward" {
				w.expect(txn.Committed, append(c.calls[n], both[1]), nil) // the time that is over does not matter
			}
		}
	}
}

// A loop that broke off is tried again where it failed, or a person says what an instance returned.
func TestALoopThatBrokeOffIsTriedAgain(t *testing.T) {
	t.Parallel()
	const text = `{"Name": "m", "StartState": "Each", "States": {"Each": {"Type": "ServiceTask", "ServiceName": "s",
	  "ServiceMethod": "each", "IsForUpdate": true, "Input": ["$.[e]"], "Output": {"got": "$.#root"},
	  "Loop": {"Parallel": 2, "Collection": "$.[list]", "ElementVariableName": "e"}}}}`
	failed := func() *world {
		w := begin(t, text, nil, map[string]any{"list": []any{1, 2, 3, 4}})
		w.services["s.each"] = []call{{}, down, down}
		w.settle()
		w.expect(txn.Active, []string{"s.each[1]", "s.each[2]", "s.each[3]"}, nil)
		if !strings.Contains(w.g.Saga.Failure, "state Each-loop-1: not caught") {
			t.Error(w.g.Saga.Failure)
		}
		return w
	}
	w := failed()
	w.apply(txn.Retry{Actor: "somebody"})
	w.settle()
	w.expect(txn.Committed,
		[]string{"s.each[1]", "s.each[2]", "s.each[3]", "s.each[2]", "s.each[3]", "s.each[4]"}, nil)
	w = failed()
	w.apply(txn.Retry{BranchID: w.g.Branches[2].ID, Actor: "somebody"})
	w.settle()
	w.expect(txn.Active, []string{"s.each[1]", "s.each[2]", "s.each[3]", "s.each[3]"}, nil)
	w.apply(txn.Skip{BranchID: w.g.Branches[1].ID, Actor: "somebody", Result: `"by hand"`})
	w.settle()
	if w.g.Status != txn.Committed || !strings.Contains(w.g.Saga.Result, `{"got":"by hand"}`) {
		t.Errorf("%s: %s", w.g.Status, w.g.Saga.Result)
	}
	w = failed()
	if _, err := w.rules.Apply(w.g, txn.Retry{BranchID: w.g.Branches[0].ID}, w.now); err == nil {
		t.Error("an instance that has succeeded is tried again")
	}
}
