package machine

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// story is one of saga/statelang/testdata: a machine, what its services do, and how it ends in Seata.
type story struct {
	Shows    string
	Machine  json.RawMessage
	Machines map[string]json.RawMessage
	Start    map[string]any
	Services map[string][]call
	Then     []string
	Want     struct {
		Forward, Compensation string
		Calls                 []string
		Context               map[string]any
		Breaks                string
	}
}

func TestMachinesEndAsInSeata(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../statelang/testdata/runs/*.json")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d stories, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tell(t, text)
		})
	}
}

func TestDrawnMachinesEndAsInSeata(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../statelang/testdata/seata.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for line := range bytes.Lines(text) {
		tell(t, line)
		count++
	}
	if count != 200 {
		t.Errorf("%d machines", count)
	}
}

// tell runs a story through the planner and the core.
func tell(t *testing.T, text []byte) {
	t.Helper()
	var s story
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&s); err != nil {
		t.Fatal(err)
	}
	w := begin(t, string(s.Machine), s.Machines, s.Start)
	if s.Services != nil {
		w.services = s.Services
	}
	w.settle()
	for _, operation := range s.Then {
		w.then(operation)
	}
	r := w.result()
	calls := w.calls
	if slices.Contains(s.Then, "compensate") { // the core undoes then, and what the machine ended with stays as it was
		if w.g.Status != txn.RolledBack {
			t.Errorf("%s\nthe run is %s, stuck %q: %s", s.Shows, w.g.Status, w.g.Stuck, w.g.Saga.Failure)
		}
		s.Want.Forward, s.Want.Compensation, s.Want.Breaks = r.Status, r.CompensationStatus, r.Reason
		calls = append(calls, w.undone...)
	}
	if diff := cmp.Diff([]string{s.Want.Forward, s.Want.Compensation, s.Want.Breaks},
		[]string{r.Status, r.CompensationStatus, r.Reason}); diff != "" {
		t.Errorf("%s\nforward, compensation, what broke it off: %s", s.Shows, diff)
	}
	// The compensation of a child is run here, and was only named there.
	want := slices.DeleteFunc(s.Want.Calls, func(call string) bool {
		return strings.HasPrefix(call, "built-in compensation of ") || strings.HasPrefix(call, "compensate the child")
	})
	if diff := cmp.Diff(want, calls); diff != "" && len(want)+len(calls) > 0 {
		t.Errorf("%s\ncalls: %s", s.Shows, diff)
	}
	for key, want := range s.Want.Context {
		if diff := cmp.Diff(java(want), r.Context[key]); diff != "" {
			t.Errorf("%s\n%s: %s", s.Shows, key, diff)
		}
	}
	if !slices.Contains(s.Then, "compensate") {
		w.checkEnd(r)
	}
}

// then is what somebody does when the machine waits for a person, or while a call hangs.
func (w *world) then(operation string) {
	w.t.Helper()
	if w.g.Status.Ended() {
		return // its deadline has done it already
	}
	var ev txn.Event = txn.Retry{Actor: "somebody"}
	if operation == "compensate" {
		ev = txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator, Actor: "somebody"}
	}
	w.hangs = false
	w.apply(ev)
	w.settle()
}

// checkEnd checks that the record ends as the statuses say.
func (w *world) checkEnd(r Result) {
	w.t.Helper()
	want := txn.RolledBack
	switch {
	case w.pursued() && r.CompensationStatus != "SU":
		return // what is not undone is tried for as long as it takes
	case r.CompensationStatus != "" || r.Status == "FA" || r.Reason == "timeout":
	case r.Status == "SU":
		want = txn.Committed
	default:
		want = txn.Active
	}
	if w.g.Status != want || (want == txn.Active) != (w.g.Stuck == txn.StuckRefused) {
		w.t.Errorf("%s, %s: the run is %s, stuck %q: %s", r.Status, r.CompensationStatus, w.g.Status, w.g.Stuck,
			w.g.Saga.Failure)
	}
	for _, b := range w.g.Branches {
		if w.g.Status.Ended() && b.NeedsPhaseTwo() {
			w.t.Errorf("branch %s is %s", b.Step.Name, b.State)
		}
	}
}
