package simulate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBrokenTestsAreExplained(t *testing.T) {
	t.Parallel()
	m := model(t, order)
	for _, c := range []struct{ text, want string }{
		{"", "1:1 syntax: the document is empty"},
		{"a: [", "1:"},
		{"- 1", "1:1 wrong-type: a test is a map"},
		{"outcome: {}", `1:1 unknown-key: a test has no key "outcome"; did you mean "outcomes"?`},
		{"input: {}\ninput: {}", "2:1 duplicate-key"},
		{"input: &a {}", "1:8 unsupported"},
		{"a: 1\n---\nb: 2", "1:1 unsupported"},
		{"outcomes:\n  pay: refusd", `2:8 bad-value: "refusd" is no outcome; there are done, refused, failed, lost, ` +
			`unreachable, ongoing, and the statuses of HTTP; did you mean "refused"?`},
		{"outcomes:\n  pay: failed x", `2:8 bad-value: "x" is no number of times; write it as in "failed x3"`},
		{"outcomes:\n  pay: failed x99999", "2:8 bad-value"},
		{"outcomes:\n  pay: 99", "2:8 bad-value"},
		{"outcomes:\n  pay: []", "2:8 missing"},
		{"outcomes: [pay]", "1:11 wrong-type"},
		{"outcomes:\n  pay: {outcome: gone}", "2:18 bad-value"},
		{"outcomes:\n  pay: {after: soon}", `2:16 bad-value: "soon" is no duration`},
		{"outcomes:\n  pay: {after: -3s}", `2:16 bad-value`},
		{"outcomes:\n  pay: [{status: 3}, {status: 200}]", "2:18 bad-value"},
		{"seed: -1", "1:7 bad-value"},
		{"weights: {done: x}", "1:17 bad-value"},
		{"startedAt: today", "1:12 bad-value"},
		{"expect: {order: [a]}", "1:9 missing"},
		{"expect: {end: broken}", `1:15 bad-value: "broken" is no end`},
		{"expect: {end: done, order: {}}", "1:28 wrong-type"},
		// What does not fit the saga.
		{"input: {ask: true}\noutcomes:\n  pai: refused", `3:3 bad-name: pai: there is no such step; did you mean "pay"?`},
		{"outcomes:\n  ship.undo: refused", "2:3 bad-name: ship.undo: the step has no compensation"},
		{"outcomes:\n  nap: done", "2:3 bad-name: nap: nobody answers a timer"},
		{"outcomes:\n  ask: failed", "2:3 bad-name: ask: the answer to an approval is done, refused, or lost"},
	} {
		s, findings := ReadTest([]byte(c.text))
		if len(findings) == 0 {
			findings = s.Findings(m.Check(&s.Scenario))
		}
		var got []string
		for _, f := range findings {
			got = append(got, fmt.Sprintf("%d:%d %s: %s; %s", f.Line, f.Column, f.Rule, f.Text, f.Advice))
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%q:\n%s\nwant %s", c.text, strings.Join(got, "\n"), c.want)
		}
	}
}

func TestTheInputHasToFit(t *testing.T) {
	t.Parallel()
	m := model(t, "input: {type: object, required: [a], properties: {a: {type: number}}}"+order)
	s, _ := ReadTest([]byte("test: x\ninput:\n  a: text"))
	f := s.Findings(m.Check(&s.Scenario))
	if len(f) != 1 || f[0].Line != 3 || !strings.Contains(f[0].Text, "/a") || f[0].Advice != "" {
		t.Errorf("%+v", f)
	}
}

func TestTestsAreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	text := `test: 'yes'
saga: order.yaml
subs: [a.yaml]
input:
  n: "7"
  x: 1.5
key: k
startedAt: "2026-03-01T00:00:00Z"
horizon: 7d
outcomes:
  a: failed x3, done
  b: refused
  c:
    - failed x2
    - {status: 503, body: {x: [1, "y"]}, after: 2s}
    - lost
  e: 503 x2, 200
  d: {outcome: refused, by: me, comment: no}
bodies:
  a: {id: 1}
seed: 18446744073709551615
weights: {done: 1, refused: 0, failed: 0, lost: 0}
expect:
  end: compensated
  failure: ""
  order:
    - a
    - b refused
  output: null
`
	s, findings := ReadTest([]byte(text))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	out, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, findings := ReadTest(out)
	if len(findings) > 0 {
		t.Fatalf("%s\n%v", out, findings)
	}
	s.positions, again.positions = nil, nil
	if diff := cmp.Diff(s, again, cmp.AllowUnexported(Test{})); diff != "" {
		t.Errorf("%s\n%s", diff, out)
	}
	if a := s.Outcomes["a"]; len(a) != 4 || a[3].Outcome != Done || len(s.Outcomes["c"]) != 4 {
		t.Errorf("%+v", s.Outcomes)
	}
	if !strings.Contains(string(out), "a: failed x3, done\n") || !strings.Contains(string(out), "- failed x2\n") ||
		!strings.Contains(string(out), "e: 503 x2, 200\n") {
		t.Errorf("%s", out)
	}
}

func FuzzReadTest(f *testing.F) {
	f.Add([]byte("outcomes: {a: [failed x3, {body: {}}]}\nexpect: {end: done}"))
	f.Add([]byte(`{"input": 1e400, "seed": 1}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		s, findings := ReadTest(document)
		if len(findings) > 0 {
			return
		}
		text, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, findings := ReadTest(text); len(findings) > 0 {
			t.Fatalf("%s\n%+v", text, findings)
		}
	})
}
