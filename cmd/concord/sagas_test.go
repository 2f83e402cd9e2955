package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func verify(t *testing.T, args ...string) (code int, out, complaints string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr}
	code = a.run(context.Background(), append([]string{"saga", "verify"}, args...))
	return code, stdout.String(), stderr.String()
}

// TestTheExamplesAreSound verifies what examples/sagas has, together, since one is a part of another.
func TestTheExamplesAreSound(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/sagas/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	code, out, complaints := verify(t, files...)
	if code != exitOK || strings.Count(out, " is sound: ") != len(files) || strings.Contains(out, "not all") {
		t.Errorf("%d: %s%s", code, out, complaints)
	}
}

func TestVerifySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "saga.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name, text string
		code       int
		says       []string
	}{
		{
			"broken", "saga: 1\nname: x\nsteps:\n  - {id: a, cal: {url: http://a}}\n", exitFailure,
			[]string{":4:13: error: ", "unknown-key", "was not explored", "not all definitions are sound"},
		},
		{
			"ends badly", `
saga: 1
name: x
steps:
  - id: a
    call: {url: http://a}
    compensate: {call: {url: "http://a/${output.id}"}}
  - {id: b, call: {url: http://b}, readOnly: true}
`, exitFailure,
			[]string{"step a: compensation: it needs the output", " 1  a: lost", "x is NOT sound", "all of them"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := write(tt.text)
			code, out, complaints := verify(t, path)
			if code != tt.code {
				t.Errorf("ended with %d", code)
			}
			for _, text := range tt.says {
				if !strings.Contains(out+complaints, text) {
					t.Errorf("it does not say %q:\n%s%s", text, out, complaints)
				}
			}
			_, out, _ = verify(t, path, "--output", "json")
			var all []struct{ Sound bool }
			if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 || all[0].Sound {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	one := write("saga: 1\nname: x\nsteps: [{id: a, signal: {name: a}}]\n")
	for _, args := range [][]string{
		{}, {"missing.yaml"}, {"--output", "xml", write("saga: 1")}, {"--states-max", "-1", one},
	} {
		if code, _, complaints := verify(t, args...); code != exitUsage || complaints == "" {
			t.Errorf("%v ended with %d", args, code)
		}
	}
	same := write("saga: 1\nname: x\nsteps: []\n")
	if code, _, complaints := verify(t, same, same); code != exitUsage || !strings.Contains(complaints, "another file") {
		t.Errorf("%d: %s", code, complaints)
	}
}

// TestVerifySaysAtHowManyEventsCrashesWereTried if that was not at all of them.
func TestVerifySaysAtHowManyEventsCrashesWereTried(t *testing.T) {
	t.Parallel()
	for steps, thinned := range map[int]bool{8: false, 40: true} {
		var text strings.Builder
		text.WriteString("saga: 1\nname: x\nsteps:\n")
		for i := range steps {
			fmt.Fprintf(&text, "  - {id: s%d, worker: {task: t}, compensate: {worker: {task: u}}}\n", i)
		}
		file := definitionFile(t, "x.yaml", text.String())
		code, out, _ := verify(t, file)
		tried, of := 0, 0
		if _, said, ok := strings.Cut(out, ", all of them; "); ok {
			if _, err := fmt.Sscanf(said, "crashes were tried at %d of %d events\n", &tried, &of); err != nil {
				t.Errorf("%d steps: %s", steps, out)
			}
		}
		if code != exitOK || thinned != (tried > 0 && tried < of) {
			t.Errorf("%d steps: %s", steps, out)
		}
		_, out, _ = verify(t, file, "--output", "json")
		var all []struct{ Explored explored }
		if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
			t.Fatalf("%v: %s", err, out)
		}
		if c := all[0].Explored.Crashes; (c != nil) != thinned || thinned && (c.Tried != tried || c.Of != of) {
			t.Errorf("%d steps: %s", steps, out)
		}
	}
}
