package simulate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/explore"
)

func TestCounterexamplesAreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	c := &Counterexample{Saga: "../order.yaml", Subs: []string{"a.yaml", "b.yaml"}, Failure: explore.Failure{
		Step: "pay", Text: "it may have run: no",
		Timeline: []explore.Event{{Step: "each[1]", Text: "done"}, {Text: "case of way: false"}},
	}}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, findings := ReadCounterexample(text)
	if diff := cmp.Diff(c, again); diff != "" || len(findings) > 0 {
		t.Errorf("%s %v\n%s", diff, findings, text)
	}
	for text, rule := range map[string]string{
		"": "syntax", "counterexample: x\n": "missing", "saga: x\ntimeline: {}\n": "wrong-type", "timelin: []": "unknown-key",
	} {
		if _, findings := ReadCounterexample([]byte(text)); len(findings) != 1 || string(findings[0].Rule) != rule {
			t.Errorf("%q: %+v", text, findings)
		}
	}
}
