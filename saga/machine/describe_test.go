package machine

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

const mixed = `{"Name": "mixed", "StartState": "Fork", "States": {
  "Fork": {"Type": "Fork", "Branches": ["A", "Trip"]}, "All": {"Type": "Join", "Next": "Done"},
  "A": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "a", "CompensateState": "a/b~(1)", "Next": "All"},
  "a/b~(1)": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "b"},
  "Trip": {"Type": "SubStateMachine", "StateMachineName": "child", "CompensateState": "Back", "Next": "All"},
  "Back": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "back"},
  "x-loop-1": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "x"},
  "Done": {"Type": "Succeed"}}}`

func TestABranchIsOfAState(t *testing.T) {
	t.Parallel()
	p, err := Compile(load(t, []byte(mixed)), func(string) (*Definition, error) { return load(t, []byte(child)), nil })
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"A": "A", "A(2)": "A", "A#3": "A", "A(2)#3": "A", "A-loop-12": "A", "A-loop-12#2": "A", "x-loop-1": "x-loop-1",
		"x-loop-1-loop-2": "x-loop-1", "Fork[0]/A": "A", "Fork(2)[0]/A#2": "A", "Fork[1]/Trip/Pay": "Trip/Pay",
		"A~" + escape("a/b~(1)"): "a/b~(1)", "A-loop-1~" + escape("a/b~(1)") + "(2)#2": "a/b~(1)",
		"Trip/Pay": "Trip/Pay", "Trip-loop-2/Pay(2)": "Trip/Pay", "Trip/Pay~Refund": "Trip/Refund", "Trip~Back": "Back",
		"B": "", "Trip/B": "", "A/Pay": "", "": "", "Trip/": "",
	} {
		if got, threw := p.Describe(&txn.Branch{Step: &txn.Step{Name: name}}); got != want || threw != "" {
			t.Errorf("%s is of %q, not %q, and threw %q", name, got, want, threw)
		}
	}
	for answer, want := range map[string]string{
		keep(&thrown{Exception: "com.example.Broken", Message: "so"}): "com.example.Broken: so", `"ok"`: "", "": "",
	} {
		if _, got := p.Describe(&txn.Branch{Step: &txn.Step{Name: "A", Seq: 1, Answer: answer}}); got != want {
			t.Errorf("%s: %q", answer, got)
		}
	}
}
