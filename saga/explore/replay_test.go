package explore

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/definition"
)

func parse(t *testing.T, text string) *definition.Definition {
	t.Helper()
	def, findings := definition.Parse([]byte(text))
	if len(findings) > 0 {
		t.Fatalf("%+v", findings)
	}
	return def
}

// TestCounterExamplesAreReplayed replays each failure of many broken definitions: the same happens again, and nothing
// bad if the definition is mended.
func TestCounterExamplesAreReplayed(t *testing.T) {
	t.Parallel()
	mended := parse(t, sound)
	for _, c := range [][2]string{
		{"http://h}, compensate: {call: {url: http://h/undo}}", "http://h}"},
		{"http://c}, compensate: {call: {url: http://c/undo}}", "http://c}"},
		{"compensate: {worker: {task: undo}}", "pivot: true"},
		{"compensate: {worker: {task: undo}}", "timeout: 1s"},
		{"http://h/undo", "'http://h/undo/${output.id}'"},
		{"readOnly: true, repeat", "repeat"},
		{"compensate: {call: {url: http://c/undo}}", "pivot: true"},
	} {
		text := strings.Replace(sound, c[0], c[1], 1)
		if text == sound {
			t.Fatal("nothing was changed by", c)
		}
		broken := parse(t, text)
		report, err := Run(broken, nil, Options{})
		if err != nil || len(report.Failures) == 0 {
			t.Fatal(c, err)
		}
		for _, f := range report.Failures {
			r, err := Replay(broken, nil, f)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&f, r.Failure); diff != "" {
				t.Errorf("%s: %s", c[1], diff)
			}
			if diff := cmp.Diff(f.Timeline, r.Timeline); diff != "" {
				t.Errorf("%s: %s", c[1], diff)
			}
			if r, err := Replay(mended, nil, f); err != nil || r.Failure != nil || len(r.Timeline) == 0 {
				t.Errorf("%s is mended, but %+v %v", c[1], r, err)
			}
		}
	}
}
