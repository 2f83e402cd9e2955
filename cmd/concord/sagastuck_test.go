package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stuckMachine takes goods and can give them back, but not the money.
const stuckMachine = `{
  "Name": "stuckMachine", "StartState": "Take",
  "States": {
    "Take": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "take", "CompensateState": "PutBack",
      "Next": "Pay"},
    "PutBack": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "putBack"},
    "Pay": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "pay", "IsForUpdate": true, "Next": "Done"},
    "Refund": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "refund"},
    "Done": {"Type": "Succeed"}
  }
}
`

// mendedMachine can give both back.
func mendedMachine() string {
	return strings.Replace(stuckMachine, `"IsForUpdate": true`, `"CompensateState": "Refund"`, 1)
}

func TestImportRefusesAMachineThatCanEndStuck(t *testing.T) {
	t.Parallel()
	file := definitionFile(t, "stuck.json", stuckMachine)
	r := run(t, nil, "saga", "import", file)
	if r.code != exitFailure {
		t.Errorf("exit code %d: %s", r.code, r.errors)
	}
	contains(t, r.out, "stuckMachine is NOT sound: ", "all of them",
		`: step Pay: state "Pay" changes something and has no compensation`,
		"     1  Take: returns, and is SU\n     2  a person cancels it\n     3  decided: rollback, operator\n"+
			"     4  Pay: returns, and is SU\n")
	var all []struct {
		Sound    bool
		Explored struct {
			Exhaustive bool
			Part       string
			Failures   []failure
		}
	}
	r = run(t, nil, "saga", "import", file, "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || len(all) != 1 || r.code != exitFailure {
		t.Fatalf("%d %s: %v", r.code, r.out, err)
	}
	if e := all[0].Explored; all[0].Sound || len(e.Failures) != 1 || len(e.Failures[0].Timeline) != 4 || e.Part != "" {
		t.Errorf("%+v", all[0])
	}
	mended := definitionFile(t, "mended.json", mendedMachine())
	if r = run(t, nil, "saga", "import", mended); r.code != exitOK {
		t.Errorf("exit code %d: %s", r.code, r.out)
	}
}

func TestAnExplorationThatWasCutSaysWhatItLookedAt(t *testing.T) {
	t.Parallel()
	file := definitionFile(t, "order.json", orderMachine)
	for states, part := range map[string]string{
		"3": "some paths", "20": "all paths on which nothing goes wrong, and some others",
		"60": "all paths on which one thing goes wrong, and some others",
	} {
		_, out, _ := verify(t, file, "--states-max", states)
		contains(t, out, "not all; looked at are "+part+"\n")
	}
}

// TestCounterexamplesOfMachinesCanBeReplayed verifies machines of which one calls the other, replays what was found,
// and mends the one that was broken.
func TestCounterexamplesOfMachinesCanBeReplayed(t *testing.T) {
	t.Parallel()
	dir := sagaDir(t)
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	inner := write("stuck.json", stuckMachine)
	outer := write("outer.json", `{"Name": "outer", "StartState": "Call", "States": {
		"Call": {"Type": "SubStateMachine", "StateMachineName": "stuckMachine", "Next": "Done"},
		"Done": {"Type": "Succeed"}}}`)
	own := write("order.yaml", strings.Replace(simulated, "http://stock/undo", `"http://stock/undo/${output.id}"`, 1))
	bad := filepath.Join(dir, "bad")
	code, out, complaints := verify(t, own, filepath.Join(dir, "inner.yaml"), outer, inner, "--counterexamples", bad)
	if code != exitFailure || strings.Count(complaints, "written: ") < 5 {
		t.Fatalf("%d\n%s%s", code, out, complaints)
	}
	for _, name := range []string{"outer-1.yaml", "stuckMachine-1.yaml", "stuckMachine-2.yaml", "order-1.yaml"} {
		code, out, complaints = sagaDo(t, "replay", filepath.Join(bad, name))
		if code != exitFailure || !strings.Contains(out, "It ends badly: ") ||
			strings.Contains(out, "otherwise than it was") {
			t.Errorf("%s: %d\n%s%s", name, code, out, complaints)
		}
	}
	first := filepath.Join(bad, "outer-1.yaml")
	_, out, _ = sagaDo(t, "replay", first)
	contains(t, out, "outer: step Call/Pay: ", " 1  Call/Take: returns, and is SU\n",
		"It ends badly: step Call/Pay: state ")
	again := filepath.Join(dir, "again")
	if r := run(t, nil, "saga", "import", inner, "--counterexamples", again); r.code != exitFailure {
		t.Errorf("%d: %s", r.code, r.errors)
	}
	write("stuck.json", mendedMachine())
	for _, file := range []string{first, filepath.Join(again, "stuckMachine-1.yaml")} {
		code, out, _ = sagaDo(t, "replay", file)
		if code != exitOK || !strings.Contains(out, "It does not happen any more") || !strings.Contains(out, "compensated") {
			t.Errorf("%d\n%s", code, out)
		}
	}
	if code, out, _ = verify(t, outer, inner); code != exitOK || strings.Count(out, " is sound: ") != 2 {
		t.Errorf("%d\n%s", code, out)
	}
	// What a machine needs is not there, or is none.
	if err := os.Remove(inner); err != nil {
		t.Fatal(err)
	}
	alone := write("alone.yaml", "counterexample: x\nsaga: outer.json\ntimeline: []\n")
	broken := write("broken.yaml", "counterexample: x\nsaga: broken.json\ntimeline: []\n")
	write("broken.json", `{"States": `)
	for file, says := range map[string]string{
		first: "no such file", alone: "none of the files has the machine stuckMachine", broken: "broken.json: ",
	} {
		code, _, complaints = sagaDo(t, "replay", file)
		if code != exitUsage || !strings.Contains(complaints, says) {
			t.Errorf("%d: %s", code, complaints)
		}
	}
}
