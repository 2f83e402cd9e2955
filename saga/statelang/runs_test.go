package statelang

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMachinesEndAsInSeata(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/runs/*.json")
	if err != nil || len(files) < 30 {
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

// TestDrawnMachinesEndAsInSeata plays machines that were drawn at random, of service tasks, choices, loops, catches,
// retries and compensations. What is wanted is how the engine of Seata 2.2.0 ended each of them.
func TestDrawnMachinesEndAsInSeata(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/seata.jsonl")
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

// tell plays a story and compares its end.
func tell(t *testing.T, text []byte) {
	t.Helper()
	var s story
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if s.Shows == "" {
		t.Fatal("a story says what it shows")
	}
	p := &player{t: t, machine: read(t, s.Machine), machines: map[string]*Machine{}, services: s.Services,
		calls: &[]string{}, context: StartContext(wanted(s.Start).(map[string]any))}
	for name, machine := range s.Machines {
		p.machines[name] = read(t, machine)
	}
	if p.services == nil {
		p.services = map[string][]call{}
	}
	p.run()
	got := []string{p.statuses.Forward.String(), p.statuses.Compensation.String(), p.breaks}
	if diff := cmp.Diff([]string{s.Want.Forward, s.Want.Compensation, s.Want.Breaks}, got); diff != "" {
		t.Errorf("%s\nforward, compensation, what broke it off: %s", s.Shows, diff)
	}
	if diff := cmp.Diff(s.Want.Calls, *p.calls); diff != "" {
		t.Errorf("%s\ncalls: %s", s.Shows, diff)
	}
	for key, want := range s.Want.Context {
		if diff := cmp.Diff(wanted(want), wanted(p.context[key])); diff != "" {
			t.Errorf("%s\n%s: %s", s.Shows, key, diff)
		}
	}
}
