package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/saga/explore"
)

// order takes goods and money, and gives both back if something goes wrong.
const order = `{"Name": "order", "StartState": "Take", "States": {
  "Take": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "take", "CompensateState": "PutBack",
    "Input": ["$.[goods]"], "Status": {"#root == true": "SU", "$Exception{java.lang.Throwable}": "UN"},
    "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Taken"},
  "Taken": {"Type": "Choice", "Choices": [{"Expression": "[skip] == true", "Next": "Done"}], "Default": "Pay"},
  "Pay": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "pay", "CompensateState": "Refund",
    "Input": ["$.[money]"], "Output": {"receipt": "$.#root"},
    "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Done"},
  "PutBack": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "putBack", "Input": ["$.[goods]"]},
  "Refund": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "refund", "Input": ["$.[receipt]"]},
  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
  "Failed": {"Type": "Fail", "ErrorCode": "E1", "Message": "not ordered"},
  "Done": {"Type": "Succeed"}}}`

func compiled(t testing.TB, text string) *Program {
	t.Helper()
	p, err := Compile(load(t, []byte(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExplorationFindsTheWaysToAnUnknownEnd(t *testing.T) {
	t.Parallel()
	r := Explore(compiled(t, order), explore.Options{})
	unknown := r.Unsure
	if !r.Exhaustive || len(r.Failures) > 0 || r.Paths < 20 {
		t.Errorf("%d states, %d paths, exhaustive: %t, %v", r.States, r.Paths, r.Exhaustive, r.Failures)
	}
	// Neither of the rules is true for a text: the machine breaks off without a Catch.
	if len(unknown) != 1 || unknown[0].Step != "Take" || !strings.Contains(unknown[0].Text, "NoMatchedStatus") ||
		unknown[0].Timeline[0].String() != "Take: returns, and is no match" {
		t.Errorf("%+v", unknown)
	}
	t.Logf("%d states, %d paths", r.States, r.Paths)
	text := strings.Replace(order, `"#root == true": "SU"`, `"#root == true": "SU", "true": "SU"`, 1)
	if unknown = Explore(compiled(t, text), explore.Options{}).Unsure; len(unknown) > 0 {
		t.Errorf("%+v", unknown)
	}
	text = strings.Replace(order, `"Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "Done"}`,
		`"Next": "Done"}`, 1)
	unknown = Explore(compiled(t, text), explore.Options{}).Unsure
	if !slices.ContainsFunc(unknown, func(e explore.Failure) bool { return e.Step == "Pay" }) {
		t.Errorf("%+v", unknown)
	}
}

func TestExplorationFindsWhatCannotBeUndone(t *testing.T) {
	t.Parallel()
	text := strings.Replace(order, `"CompensateState": "Refund"`, `"IsForUpdate": true`, 1)
	unknown := Explore(compiled(t, text), explore.Options{}).Unsure
	if !slices.ContainsFunc(unknown, func(e explore.Failure) bool {
		return strings.Contains(e.Text, "CompensationStateNotFound")
	}) {
		t.Errorf("%+v", unknown)
	}
}

func TestDesignersMachinesAreExplored(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../statelang/testdata/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d machines, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := load(t, text)
		p, err := Compile(d, func(string) (*Definition, error) { return load(t, []byte(order)), nil })
		if err != nil {
			t.Fatal(err)
		}
		r := Explore(p, explore.Options{StatesMax: 3_000})
		unknown := r.Unsure
		t.Logf("%s: %d states, %d paths, exhaustive %t, %d failures, %d unknown", filepath.Base(file), r.States, r.Paths,
			r.Exhaustive, len(r.Failures), len(unknown))
		if len(r.Failures) > 0 || r.Paths == 0 {
			t.Errorf("%s: %+v", file, r.Failures)
		}
	}
}

// If a story ends unknown, and is not undone either, its exploration has found that.
func TestEveryStoryIsExplored(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../statelang/testdata/runs/*.json")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d stories, %v", len(files), err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s story
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		p, err := Compile(load(t, s.Machine), func(name string) (*Definition, error) {
			return load(t, s.Machines[name]), nil
		})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		r := Explore(p, explore.Options{})
		unknown := r.Unsure
		if r.Paths == 0 {
			t.Errorf("%s: no path", file)
		}
		if s.Want.Forward != "UN" || s.Want.Compensation == "SU" || !r.Exhaustive {
			continue // a person is not needed
		}
		found++
		if len(unknown) == 0 && len(r.Failures) == 0 {
			t.Errorf("%s ends %s, %s, %q, and nothing of it was found in %d paths", filepath.Base(file), s.Want.Forward,
				s.Want.Compensation, s.Want.Breaks, r.Paths)
		}
	}
	if found < 8 {
		t.Errorf("%d stories with an end that is not sure", found)
	}
}

func TestExplorationIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"Name": "m", "StartState": "S0", "States": {`)
	for i := range 150 {
		fmt.Fprintf(&b, `"S%d": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "m", "CompensateState": "U",
			"Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}], "Next": "S%d"},`, i, i+1)
	}
	b.WriteString(`"S150": {"Type": "Succeed"}, "Undo": {"Type": "CompensationTrigger"},
		"U": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "u"}}}`)
	for name, text := range map[string]string{
		"long": b.String(),
		"choices that lead back": `{"Name": "m", "StartState": "C", "States": {
			"C": {"Type": "Choice", "Choices": [{"Expression": "[a] == 1", "Next": "Done"}], "Default": "C"},
			"Done": {"Type": "Succeed"}}}`,
		"a cycle of services": `{"Name": "m", "StartState": "A", "States": {
			"A": {"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "m", "Next": "C"},
			"C": {"Type": "Choice", "Choices": [{"Expression": "[a] == 1", "Next": "Done"}], "Default": "A"},
			"Done": {"Type": "Succeed"}}}`,
	} {
		began := time.Now()
		r := Explore(compiled(t, text), explore.Options{})
		t.Logf("%s: %d states, %d paths, %s, %s", name, r.States, r.Paths, r.Part(), time.Since(began))
		if r.Exhaustive || r.Paths == 0 || len(r.Failures) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
