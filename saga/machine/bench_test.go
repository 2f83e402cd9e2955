package machine

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// BenchmarkOrder is a whole run of a machine with two services in the core, without any I/O.
func BenchmarkOrder(b *testing.B) {
	p := compiled(b, order)
	rules := txn.DefaultRules()
	rules.Planners = &one{p}
	for b.Loop() {
		play(b, rules, `{"goods":["pen",2],"money":7}`)
	}
}

// play runs a machine whose services all return true.
func play(b *testing.B, rules txn.Rules, input string) {
	b.Helper()
	var g *txn.Global
	var queue []txn.Command
	apply := func(ev txn.Event) {
		eff, err := rules.Apply(g, ev, 1_700_000_000_000)
		if err != nil {
			b.Fatal(err)
		}
		if eff.Next != nil {
			g = eff.Next
		}
		queue = append(queue, eff.Commands...)
	}
	apply(txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: 9}, Name: "m", Data: input, Timeout: 1 << 60,
		Saga: &txn.SagaRun{Definition: "m", Version: 1},
	})
	apply(txn.Wake{})
	for len(queue) > 0 {
		cmd := queue[0]
		queue = queue[1:]
		apply(txn.Reply{
			BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone, Code: 200, Answer: "true",
		})
	}
	if !g.Status.Decided() {
		b.Fatalf("%s: %s", g.Status, g.Saga.Failure)
	}
}

// BenchmarkLoop is a run over a thousand items, ten at a time.
func BenchmarkLoop(b *testing.B) {
	p := compiled(b, `{"Name": "m", "StartState": "Each", "States": {
	  "Each": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "each", "Input": ["$.[e]"],
	    "Loop": {"Parallel": 10, "Collection": "$.[list]", "ElementVariableName": "e"}}}}`)
	rules := txn.DefaultRules()
	rules.Planners = &one{p}
	input := `{"list":[0`
	for range 999 {
		input += ",1"
	}
	for b.Loop() {
		play(b, rules, input+"]}")
	}
}
