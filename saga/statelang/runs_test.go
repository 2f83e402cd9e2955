package statelang

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
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

// TestEachRowHasItsStory checks the table of testdata/rows.md: each row names stories that there are, and each story
// has a row.
func TestEachRowHasItsStory(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/rows.md")
	if err != nil {
		t.Fatal(err)
	}
	named, rows := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[1], "--") || strings.TrimSpace(cells[2]) == "stories" {
			continue
		}
		rows++
		for name := range strings.SplitSeq(cells[2], ",") {
			name = strings.TrimSpace(name)
			named[name] = true
			if _, err := os.Stat(filepath.Join("testdata/runs", name+".json")); err != nil {
				t.Errorf("row %q: %v", cells[1], err)
			}
		}
	}
	files, err := filepath.Glob("testdata/runs/*.json")
	if err != nil || rows < 60 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".json"); !named[name] {
			t.Errorf("no row names the story %s", name)
		}
	}
}

// TestWhatJavaDoesOtherwiseIsSaid keeps the list of stories that Seata's engine does not run, or ends otherwise.
func TestWhatJavaDoesOtherwiseIsSaid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/runs/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var not, otherwise []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s story
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		switch {
		case s.Java == nil:
		case s.Java.Without != "":
			not = append(not, name)
		case s.Java.Why != "":
			otherwise = append(otherwise, name)
		default:
			t.Errorf("%s does not say why", name)
		}
	}
	want := []string{
		"fork-compensation", "parallel-catch", "parallel-compensation", "parallel-not-caught", "parallel-one-by-default",
		"type-fork-and-join", "type-parallel",
	}
	if diff := cmp.Diff(want, not); diff != "" {
		t.Errorf("not run by Java: %s", diff)
	}
	if diff := cmp.Diff([]string{"status-exception-forgiven"}, otherwise); diff != "" {
		t.Errorf("otherwise in Java: %s", diff)
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
		calls: &[]string{}, context: StartContext(wanted(s.Start).(map[string]any)), children: map[string]*player{}}
	for name, machine := range s.Machines {
		p.machines[name] = read(t, machine)
	}
	if p.services == nil {
		p.services = map[string][]call{}
	}
	p.run()
	for _, operation := range s.Then {
		p.then(operation)
	}
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
