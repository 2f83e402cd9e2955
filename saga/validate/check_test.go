package validate

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

func TestFindingsSayWhatWasMeant(t *testing.T) {
	t.Parallel()
	const head = "saga: 1\nname: a\n" +
		"input: {type: object, additionalProperties: false, properties: {total: {type: integer}}}\nsteps:\n" +
		"- {id: hotel, worker: {task: a}, readOnly: true, output: {id: '${body.id}'}}\n"
	for document, advice := range map[string]string{
		"- {id: b, after: hotle, timer: {for: 1s}}":                                               `"hotel"`,
		"- {id: b, worker: {task: b, input: '${steps.hotell.output}'}, readOnly: true}":           `"hotel"`,
		"- {id: b, worker: {task: b, input: '${steps.hotel.output.di}'}, readOnly: true}":         `"id"`,
		"- {id: b, worker: {task: b, input: '${steps.hotel.otuput}'}, readOnly: true}":            `"output"`,
		"- {id: b, worker: {task: b, input: '${input.totla}'}, readOnly: true}":                   `"total"`,
		"- {id: b, worker: {task: b, input: '${imput.total}'}, readOnly: true}":                   `"input"`,
		"- {id: b, worker: {task: b}, compensat: {worker: {task: c}}}":                            `"compensate"`,
		"- {id: b, worker: {task: b, input: '${steps.b.output}'}, readOnly: true}":                "body",
		"- {id: b, worker: {task: b}, readOnly: true, result: [{when: status == 404, is: dnoe}]}": `"done"`,
	} {
		_, findings := Document([]byte(head+document), Options{})
		found := false
		for _, f := range findings {
			found = found || strings.Contains(f.Advice, advice) && f.Line == 6
		}
		if !found {
			t.Errorf("%s: no advice with %s in %+v", document, advice, findings)
		}
	}
}

// TestATightDeadlineIsExplained names the steps, and durations as definitions have them; a step may have no id yet.
func TestATightDeadlineIsExplained(t *testing.T) {
	t.Parallel()
	_, findings := Document([]byte("saga: 1\nname: a\ndeadline: 24h\nsteps:\n"+
		"- {id: a b, signal: {name: x}, timeout: 1d}\n- {id: c, signal: {name: x}, timeout: 36h}\n"), Options{})
	want := "the timers and timeouts of a step without an id, c are 2d12h, the deadline is 1d"
	for _, f := range findings {
		if f.Rule == RuleTightDeadline && f.Text == want {
			return
		}
	}
	t.Errorf("%+v", findings)
}

// TestASubSagaThatIsNotThereIsNamed with its version, if one was asked for.
func TestASubSagaThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	_, findings := Document([]byte("saga: 1\nname: a\nsteps:\n- {id: b, subSaga: {saga: x}}\n"+
		"- {id: c, subSaga: {saga: x, version: 9}}\n"), Options{
		Sagas: func(string, int) (*definition.Definition, bool) { return nil, false },
	})
	var texts []string
	for _, f := range findings {
		if f.Rule == RuleUnknownSaga {
			texts = append(texts, f.Text)
		}
	}
	if want := `there is no saga "x"; there is no saga "x", version 9`; strings.Join(texts, "; ") != want {
		t.Errorf("%q", texts)
	}
}

// What the transport refuses to send, no published definition asks for.
func TestHeadersOfTheServerAreReserved(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"User-Agent", "proxy-authorization", "Concord-Xid", "host"} {
		_, findings := Document([]byte("saga: 1\nname: a\nsteps:\n- {id: a, readOnly: true, "+
			"call: {url: 'http://a.example/', headers: {"+header+": x}}}\n"), Options{})
		if len(findings) != 1 || findings[0].Rule != RuleReservedHeader {
			t.Errorf("%s: %+v", header, findings)
		}
	}
}

// TestMessagesGoWhereTheyMay: topics are the server's business, some headers the server's and the broker's.
func TestMessagesGoWhereTheyMay(t *testing.T) {
	t.Parallel()
	o := Options{Topic: notOurs}
	for message, want := range map[string]definition.Rule{
		"topic: t":                                   "",
		"topic: t, headers: {origin: x}":             "",
		"topic: ours":                                RuleBadTopic,
		"topic: t, reply: ours":                      RuleBadTopic,
		"topic: t, headers: {concordXid: x}":         RuleReservedHeader,
		"topic: t, headers: {DELAY: '3'}":            RuleReservedHeader,
		"topic: t, headers: {traceparent: '00-1-2'}": RuleReservedHeader,
	} {
		for _, text := range []string{
			"- {id: a, readOnly: true, message: {" + message + "}}\n",
			"- {id: a, worker: {task: w}, compensate: {message: {" + message + "}}}\n",
		} {
			_, findings := Document([]byte("saga: 1\nname: a\nsteps:\n"+text), o)
			var got definition.Rule
			for _, f := range findings {
				got = f.Rule
			}
			if got != want || len(findings) > 1 {
				t.Errorf("%s: %+v", text, findings)
			}
		}
	}
}

func TestRulesAreInTheDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/SAGAS.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[definition.Rule]bool{}
	for _, r := range Rules() {
		row := fmt.Sprintf("| `%s` | %v | %s |", r.Rule, r.Severity, r.Text)
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/SAGAS.md lacks the row\n%s", row)
		}
		if seen[r.Rule] {
			t.Errorf("%s is twice", r.Rule)
		}
		seen[r.Rule] = true
	}
}

// large has n steps, each reading the one before, with a choice and a join every ten.
func large(n int) []byte {
	var b strings.Builder
	b.WriteString("saga: 1\nname: large\nsteps:\n- {id: s0, worker: {task: t}, compensate: {worker: {task: u}}}\n")
	for i := 1; i < n; i++ {
		switch i % 10 {
		case 7:
			fmt.Fprintf(&b, "- {id: s%d, choice: {cases: [{case: x, when: steps.s%d.output.ok}], else: y}}\n", i, i-1)
		case 8:
			fmt.Fprintf(&b, "- {id: s%d, after: s%d.x, worker: {task: t}, compensate: {worker: {task: u}}}\n", i, i-1)
		case 9:
			fmt.Fprintf(&b, "- {id: s%d, after: [s%d.y, s%d], worker: {task: t}, compensate: {worker: {task: u}}}\n",
				i, i-2, i-1)
		default:
			fmt.Fprintf(&b, "- {id: s%d, worker: {task: t, input: 'n ${steps.s%d.output.n}'}, "+
				"compensate: {worker: {task: u}}}\n",
				i, i-1)
		}
	}
	return []byte(b.String())
}

func TestTheLargestDefinitionIsCheckedInTime(t *testing.T) {
	t.Parallel()
	start := time.Now()
	_, findings := Document(large(limits.StepsMax), Options{})
	for _, f := range findings {
		if f.Severity != definition.SeverityHint && f.Rule != RuleMaybeSkipped {
			t.Fatalf("%+v", f)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	} else {
		t.Logf("took %v", took)
	}
}

// tangled has choices within choices, and steps behind as many of them as can be.
func tangled() []byte {
	var b strings.Builder
	b.WriteString("saga: 1\nname: tangled\nsteps:\n- {id: c0, choice: {cases: [{case: x, when: input.x}], else: y}}\n")
	const choices, rest = 400, limits.StepsMax - 400
	for i := 1; i < choices; i++ {
		fmt.Fprintf(&b, "- {id: c%d, after: c%d.x, choice: {cases: [{case: x, when: input.x}], else: y}}\n", i, i-1)
	}
	for i := range rest {
		edges := make([]string, limits.EdgesMax)
		for n := range edges {
			edges[n] = fmt.Sprintf("c%d.%c", choices-1-n, "xy"[(i+n)%2])
		}
		fmt.Fprintf(&b, "- {id: s%d, after: [%s], worker: {task: t}, pivot: true}\n", i, strings.Join(edges, ", "))
	}
	return []byte(b.String())
}

func TestATangledDefinitionIsCheckedInTime(t *testing.T) {
	t.Parallel()
	start := time.Now()
	if _, findings := Document(tangled(), Options{}); len(findings) == 0 || len(findings) > limits.FindingsMax {
		t.Errorf("%d findings", len(findings))
	}
	took := time.Since(start)
	if t.Logf("took %v", took); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

func TestSagasThatNestTooDeepAreFound(t *testing.T) {
	t.Parallel()
	sagas := func(name string, _ int) (*definition.Definition, bool) {
		var n int
		if _, err := fmt.Sscanf(name, "level%d", &n); err != nil || n > 20 {
			return nil, false
		}
		return &definition.Definition{Name: name, Steps: []*definition.Step{{ID: "down", Kind: definition.KindSubSaga,
			Sub: &definition.Sub{Saga: fmt.Sprintf("level%d", n+1)}}}}, true
	}
	for top, want := range map[string]bool{"level1": true, "level19": false} {
		document := "saga: 1\nname: top\nsteps: [{id: a, readOnly: true, subSaga: {saga: " + top + "}}]"
		_, findings := Document([]byte(document), Options{Sagas: sagas})
		if got := len(findings) == 1 && findings[0].Rule == RuleRecursion; got != want {
			t.Errorf("%s: %+v", top, findings)
		}
	}
}

func TestInputIsValidated(t *testing.T) {
	t.Parallel()
	v, err := NewValidator(&definition.Schema{JSON: []byte(
		`{"type":"object","required":["n"],"additionalProperties":false,` +
			`"properties":{"n":{"type":"integer","minimum":1},"list":{"items":{"type":"string"}}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string][]string{
		`{"n":1}`:                      nil,
		`{"n":0}`:                      {"/n"},
		`{}`:                           {""},
		`{"n":1,"m":2}`:                {""},
		`{"n":1,"list":["a",2,"b",3]}`: {"/list/1", "/list/3"},
		`{"n":`:                        {""},
		`{"n":1} x`:                    {""},
	} {
		problems := v.Validate([]byte(data))
		if len(problems) != len(want) {
			t.Errorf("%s: %+v, but problems at %q were expected", data, problems, want)
			continue
		}
		for i, p := range problems {
			if p.Path != want[i] || p.Text == "" {
				t.Errorf("%s: %+v, but a problem at %q was expected", data, p, want[i])
			}
		}
	}
	open, err := NewValidator(nil)
	if err != nil || open.Validate([]byte(`[1]`)) != nil || open.Validate([]byte(`[`)) == nil {
		t.Errorf("without a schema all JSON fits, and nothing else: %v", err)
	}
	if p := v.Validate([]byte(`{"n":` + strings.Repeat(" ", limits.PayloadBytesMax) + `1}`)); len(p) != 1 {
		t.Errorf("large data: %+v", p)
	}
}

// FuzzCheck: whatever the document, the lint returns.
func FuzzCheck(f *testing.F) {
	for _, pattern := range []string{"testdata/sound/*.yaml", "testdata/broken/*.yaml"} {
		for _, file := range documents(f, pattern, 5) {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	sagas := published(f)
	f.Fuzz(func(t *testing.T, document []byte) {
		d, findings := Document(document, Options{Sagas: sagas, Deadline: time.Hour})
		if d == nil && len(findings) == 0 {
			t.Fatal("neither a definition nor findings")
		}
		for _, finding := range findings {
			if finding.Text == "" || finding.Advice == "" || finding.Severity == 0 {
				t.Fatalf("an incomplete finding: %+v", finding)
			}
		}
	})
}
