package machine

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/explore"
)

// wild is a machine of states that go anywhere, which hardly means anything.
func wild(r *rand.Rand) string {
	n := 2 + r.IntN(7)
	states := map[string]any{}
	some := func(values ...any) any { return values[r.IntN(len(values))] }
	state := func() string { return fmt.Sprintf("S%d", r.IntN(n)) }
	expressions := []any{
		"$.[a]", "$.#root", "[a] == 1", "#root != null", "$.[list]", "true", "$Sequence.x|y", "$.[a][0].b", 7, nil,
		map[string]any{"k": "$.[b]"}, []any{"$.[a]", "x"}, "$Exception{java.lang.Throwable}", "[a] / 0 > 1",
	}
	classes := []any{[]string{"java.lang.Throwable"}, []string{"java.io.IOException", "a.B"}, []string{}}
	for i := range n {
		s := map[string]any{
			"Type": some("ServiceTask", "ServiceTask", "ServiceTask", "ScriptTask", "SubStateMachine", "CompensateSubMachine",
				"Choice", "CompensationTrigger", "Succeed", "Fail", "Fork", "Parallel", "Join"),
			"ServiceName": "s", "ServiceMethod": fmt.Sprint("m", i), "ScriptContent": "1", "StateMachineName": "child",
			"ErrorCode": "E", "Message": "M",
		}
		maybe := func(key string, value any) {
			if r.IntN(3) == 0 {
				s[key] = value
			}
		}
		if r.IntN(5) > 0 {
			s["Next"] = state()
		}
		maybe("CompensateState", state())
		maybe("IsForUpdate", true)
		maybe("IsAsync", true)
		maybe("Input", []any{some(expressions...), some(expressions...)})
		maybe("Output", map[string]any{"a": some(expressions...), "b": "$.#root"})
		maybe("Status", map[string]any{"#root == true": some("SU", "FA", "UN"), "true": some("SU", "FA", "UN", "RU")})
		maybe("Catch", []any{map[string]any{"Exceptions": some(classes...), "Next": state()}})
		maybe("Retry", []any{
			map[string]any{"Exceptions": some(classes...), "MaxAttempts": r.IntN(3), "IntervalSeconds": 1},
		})
		maybe("Loop", map[string]any{
			"Parallel": 1 + r.IntN(3), "Collection": "$.[list]",
			"CompletionCondition": some("[nrOfCompletedInstances] == 1", "[nrOfActiveInstances] > 1", "[a] == 1"),
		})
		s["Choices"] = []any{map[string]any{"Expression": some("[a] == 1", "[b] == 'x'", "1"), "Next": state()}}
		maybe("Default", state())
		s["Branches"] = []any{state(), state()}
		states[fmt.Sprintf("S%d", i)] = s
	}
	text, err := json.Marshal(map[string]any{
		"Name": "wild", "StartState": "S0", "States": states, "RecoverStrategy": some("Forward", "Compensate"),
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestWildMachinesAreRunOrRefused runs whatever can be compiled, with errors or not: no machine has a planner panic,
// run for ever without a call, or plan anything else for a state that comes back from its record.
func TestWildMachinesAreRunOrRefused(t *testing.T) {
	t.Parallel()
	ran := 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		text := wild(r)
		bindings := "default: {worker: w}\nbindings:\n"
		for i := range 10 {
			bindings += fmt.Sprintf("  Script.S%d: {worker: w}\n", i)
		}
		d, err := Parse(Source{Machine: text, Bindings: bindings})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(d, func(string) (*Definition, error) {
			return Parse(Source{Machine: order, Bindings: "default: {worker: w}"})
		})
		if err != nil {
			continue
		}
		ran++
		if seed%50 == 0 {
			Explore(p, explore.Options{StatesMax: 300})
		}
		w := &world{t: t, p: p, rules: txn.DefaultRules(), now: 1_700_000_000_000}
		w.rules.Planners = &one{p}
		w.rules.BranchesMax = 50
		w.apply(txn.Begin{
			XID: txn.XID{Prefix: "h:1", ID: 9}, Name: "m", Data: `{"a":1,"list":[1,null,"x"]}`, Timeout: time.Minute,
			Saga: &txn.SagaRun{Definition: "m", Version: 1},
		})
		w.apply(txn.Wake{})
		w.wander(r)
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
	if ran < 100 {
		t.Errorf("only %d machines were run", ran)
	}
}
