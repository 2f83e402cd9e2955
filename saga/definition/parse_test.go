package definition

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/concord-tx/concord/saga/limits"
)

// same compares definitions without their places in the document.
func same(t *testing.T, got, want *Definition) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Definition{}), cmpopts.IgnoreTypes(Position{})); diff != "" {
		t.Errorf("definitions differ (-want +got):\n%s", diff)
	}
}

const everything = `
saga: 1
name: travel
title: A journey
description: Books a journey.
input:
  type: object
  properties: {items: {type: array}, total: {type: number}}
output: {hotel: "${steps.hotel.output.id}", note: 'done "$${x}" ${input.total} $',
  list: [1, 2.5, null, true, "${input}"]}
deadline: 7d1h30m
onDeadline: forward
steps:
  - id: hotel
    title: Hotel
    description: Books a room.
    call:
      method: PUT
      url: https://hotel.example/book/${input.id}
      headers: {X-Id: "${input.id}", Accept: text/plain}
      body: {who: {name: "${input.name}"}}
    after: []
    when: ${input.total > 0}
    forEach: {in: input.items, as: room, index: position, parallel: 3, max: 50}
    repeat: {until: body.ready, every: 10s, max: 60}
    output: {id: "${body.id}"}
    result:
      - {when: status == 404, is: refused}
      - {when: status == 418, is: ongoing}
    timeout: 30s
    retry: {first: 100ms, max: 1m, attempts: 7, jitter: 0.25}
    onRefused: mourn
    compensate:
      call: {method: DELETE, url: "https://hotel.example/${output.id}"}
      result: [{when: status == 404, is: done}]
      timeout: 5s
      retry: {attempts: 9}
  - id: mail
    message: {topic: mails, tag: book, key: "${saga.id}", headers: {a: b}, data: [1], reply: answers}
    readOnly: true
  - id: work
    worker: {task: charge, input: null}
    after: [mail, way.card]
    pivot: true
    compensate: {worker: {task: uncharge}}
  - id: child
    subSaga: {saga: other, version: 3, input: {a: 1}}
    compensate: {message: {topic: undo}}
    onRefused: continue
  - {id: pause, timer: {for: 90s}}
  - {id: date, timer: {until: input.date}}
  - {id: sign, signal: {name: paid, schema: {type: object}}}
  - {id: ask, approval: {prompt: "Pay ${input.total}?", by: [operator], data: {x: 1}}}
  - {id: way, choice: {cases: [{case: card, when: input.card}], else: cash}}
  - {id: mourn, worker: {task: mourn}}
`

func TestParseReadsEveryField(t *testing.T) {
	t.Parallel()
	d, findings := Parse([]byte(everything))
	if len(findings) > 0 {
		t.Fatalf("findings: %+v", findings)
	}
	s := d.Steps[0]
	body := Value{Kind: ValueObject, Object: map[string]Value{
		"who": {Kind: ValueObject, Object: map[string]Value{"name": Expression("input.name")}}}}
	want := &Step{
		ID: "hotel", Title: "Hotel", Description: "Books a room.", Kind: KindCall,
		Call: &Call{
			Method:  "PUT",
			URL:     Value{Kind: ValueTemplate, Parts: []Part{{Text: "https://hotel.example/book/"}, {Expression: "input.id"}}},
			Headers: map[string]Value{"X-Id": Expression("input.id"), "Accept": Literal("text/plain")}, Body: &body,
		},
		After: []Edge{}, When: "input.total > 0",
		ForEach: &ForEach{In: "input.items", As: "room", Index: "position", Parallel: 3, Max: 50},
		Repeat:  &Repeat{Until: "body.ready", Every: 10 * time.Second, Max: 60},
		Output:  map[string]Value{"id": Expression("body.id")},
		Result:  []ResultRule{{"status == 404", Refused}, {"status == 418", Ongoing}},
		Timeout: 30 * time.Second,
		Retry:   &Retry{First: 100 * time.Millisecond, Max: time.Minute, Attempts: 7, Jitter: 0.25},
		OnRefused: OnRefused{
			Action: RefusedCatch, Step: "mourn"},
		Compensate: &Compensation{
			Call: &Call{Method: "DELETE", URL: Value{Kind: ValueTemplate,
				Parts: []Part{{Text: "https://hotel.example/"}, {Expression: "output.id"}}}},
			Result: []ResultRule{{"status == 404", Done}}, Timeout: 5 * time.Second, Retry: &Retry{Attempts: 9},
		},
	}
	if diff := cmp.Diff(want, s, cmpopts.IgnoreTypes(Position{})); diff != "" {
		t.Errorf("the first step differs (-want +got):\n%s", diff)
	}
	if d.Deadline != 7*24*time.Hour+90*time.Minute || d.OnDeadline != DeadlineForward || d.Input == nil {
		t.Errorf("the head is wrong: %+v", d)
	}
	got := d.Output["note"]
	if got.Kind != ValueTemplate || got.Parts[0].Text != `done "${x}" ` || got.Parts[2].Text != " $" {
		t.Errorf("the template is wrong: %+v", got)
	}
	if got := d.Steps[2].After; !cmp.Equal(got, []Edge{{Step: "mail"}, {Step: "way", Case: "card"}}) {
		t.Errorf("edges: %+v", got)
	}
	if at := d.At("/steps/0/compensate/call/url"); at.Line != 34 || at.Column != 35 {
		t.Errorf("the place of the compensation is %+v", at)
	}
	if at := d.At("/steps/0/nothing/of/that"); at.Line != 14 {
		t.Errorf("what has no place is placed at %+v", at)
	}
}

func TestCanonicalIsTheSameDefinition(t *testing.T) {
	t.Parallel()
	d, _ := Parse([]byte(everything))
	again, findings := Parse(d.Canonical())
	if len(findings) > 0 {
		t.Fatalf("the canonical form has findings: %+v\n%s", findings, d.Canonical())
	}
	same(t, again, d)
	if again.Digest() != d.Digest() {
		t.Errorf("digests differ:\n%s\n%s", d.Canonical(), again.Canonical())
	}
}

func TestWhatMeansTheSameHasTheSameDigest(t *testing.T) {
	t.Parallel()
	a, _ := Parse([]byte("saga: 1\nname: a\nonDeadline: compensate\nsteps: # comment\n" +
		"- {call: {method: POST, url: 'http://x'}, id: s, when: '${ a }', forEach: {in: l, as: item, parallel: 1},\n" +
		"   readOnly: false}"))
	b, _ := Parse([]byte(`{"steps":[{"id":"s","when":"a",
		"forEach":{"in":"l"},"call":{"url":"http://x"}}],"name":"a","saga":1}`))
	if string(a.Canonical()) != string(b.Canonical()) {
		t.Errorf("\n%s\n%s", a.Canonical(), b.Canonical())
	}
	c, _ := Parse([]byte(`{"steps":[{"id":"s","when":"b",
		"forEach":{"in":"l"},"call":{"url":"http://x"}}],"name":"a","saga":1}`))
	if c.Digest() == a.Digest() {
		t.Error("another condition has the same digest")
	}
}

func TestParseFindings(t *testing.T) {
	t.Parallel()
	const head = "saga: 1\nname: a\n"
	const steps = head + "steps:\n"
	const one = "steps: [{id: a, timer: {for: 1s}}]"
	for name, tt := range map[string]struct {
		document string
		rule     Rule
		line     int
		says     string
	}{
		"empty":     {"", RuleSyntax, 1, "empty"},
		"bad yaml":  {"saga: 1\n  name: [", RuleSyntax, 2, ""},
		"not a map": {"- 1", RuleWrongType, 1, "a map"},
		"key": {
			head + "steps: [{id: a, message: {topic: t, key: {a: 1}}}]", RuleWrongType, 3, "a text",
		},
		"no key":          {head + "steps: [{id: a, message: {topic: t, key: null}}]", RuleWrongType, 3, "a text"},
		"binary":          {"\xff\xfe", RuleSyntax, 1, "UTF-8"},
		"unknown key":     {head + "stepps: []\n" + one, RuleUnknownKey, 3, `did you mean "steps"`},
		"in a step":       {steps + "- id: a\n  compensation: {}", RuleUnknownKey, 5, `"compensate"`},
		"duplicate":       {head + "name: b\nsteps: [{id: a, timer: {for: 1s}}]", RuleDuplicateKey, 3, "twice"},
		"duplicate json":  {"{\"saga\":1,\n\"name\":\"a\",\n\"name\":\"b\",\"steps\":[]}", RuleDuplicateKey, 3, ""},
		"alias":           {head + "steps: [&x {id: a, timer: {for: 1s}}]", RuleUnsupported, 3, "anchors"},
		"second document": {head + "steps: [{id: a, timer: {for: 1s}}]\n---\na: 1", RuleUnsupported, 4, "second"},
		"language":        {"saga: 2\nname: a\nsteps: [{id: a, timer: {for: 1s}}]", RuleBadValue, 1, "version 2"},
		"number":          {head + "deadline: 30\nsteps: [{id: a, timer: {for: 1s}}]", RuleWrongType, 3, "quotes"},
		"duration":        {head + "deadline: soon\nsteps: [{id: a, timer: {for: 1s}}]", RuleBadValue, 3, "no duration"},
		"too long":        {head + "deadline: 400d\nsteps: [{id: a, timer: {for: 1s}}]", RuleLimit, 3, "longer"},
		"no steps":        {head, RuleMissing, 1, "steps"},
		"empty steps":     {head + "steps: []", RuleMissing, 3, "no steps"},
		"two kinds":       {steps + "- id: a\n  timer: {for: 1s}\n  worker: {task: x}", RuleConflict, 6, "already"},
		"no kind":         {steps + "- id: a", RuleMissing, 4, "add one of call"},
		"id twice":        {steps + "- {id: a, timer: {for: 1s}}\n- {id: a}", RuleBadName, 5, "line 4"},
		"reserved":        {steps + "- {id: continue, timer: {for: 1s}}", RuleBadName, 4, "meaning"},
		"bad id":          {steps + "- {id: 'a b', timer: {for: 1s}}", RuleBadName, 4, "no name"},
		"bad edge":        {steps + "- {id: a, after: a.b.c, timer: {for: 1s}}", RuleBadName, 4, "choice.case"},
		"open expression": {head + "output: {x: '${a'}\nsteps: [{id: a, timer: {for: 1s}}]", RuleExpression, 3, "not closed"},
		"outcome":         {steps + "- {id: a, worker: {task: x}, result: [{is: finished}]}", RuleBadValue, 4, "done"},
		"infinity":        {head + "output: {x: .inf}\nsteps: [{id: a, timer: {for: 1s}}]", RuleBadValue, 3, "JSON"},
		"deep":            {head + "output: " + strings.Repeat("[", 40) + strings.Repeat("]", 40), RuleLimit, 3, "nested"},
		"retry":           {steps + "- {id: a, retry: {first: 2s, max: 1s}}", RuleConflict, 4, "less than first"},
		"header":          {steps + "- {id: a, call: {url: x, headers: {'a b': c}}}", RuleBadName, 4, "header"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, findings := Parse([]byte(tt.document))
			for _, f := range findings {
				if f.Rule == tt.rule && f.Line == tt.line && strings.Contains(f.Text+f.Advice, tt.says) {
					return
				}
			}
			t.Errorf("no finding %s in line %d that says %q, but %+v", tt.rule, tt.line, tt.says, findings)
		})
	}
}

func TestPredecessors(t *testing.T) {
	t.Parallel()
	d, _ := Parse([]byte(everything))
	got := d.Predecessors()
	for i, want := range [][]Edge{
		{}, {{Step: "hotel"}}, {{Step: "mail"}, {Step: "way", Case: "card"}}, {{Step: "work"}}, {{Step: "child"}},
		{{Step: "pause"}},
		{{Step: "date"}}, {{Step: "sign"}}, {{Step: "ask"}}, {{Step: "hotel", Refused: true}},
	} {
		if !cmp.Equal(got[i], want, cmpopts.EquateEmpty()) {
			t.Errorf("before %s come %v, not %v", d.Steps[i].ID, got[i], want)
		}
	}
	if order := d.Order(); !cmp.Equal(order, []int{0, 1, 9}) {
		t.Errorf("order %v: the rest is in or behind a cycle", order)
	}
}

// TestLargeDocumentsAreRefusedInTime, whatever they are made of.
func TestLargeDocumentsAreRefusedInTime(t *testing.T) {
	t.Parallel()
	const head = "saga: 1\nname: a\nsteps:\n"
	for name, piece := range map[string]string{
		"lists": "[", "maps": "{a: ", "json": `{"a":`, "dashes": "- ", "anchors": "- &a x\n",
		"aliases": "- *a\n", "keys": "? a\n",
		"tags": "- !!x y\n", "steps": "- {id: a}\n", "same key": "a: 1\n", "comments": "#\n",
		"quotes": "\"", "merge": "- <<: {a: 1}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := strings.Repeat(piece, (limits.DocumentBytesMax-len(head))/len(piece))
			if name != "json" {
				body = head + body
			}
			start := time.Now()
			if _, findings := Parse([]byte(body)); !Broken(findings) || len(findings) > limits.FindingsMax {
				t.Errorf("%d findings", len(findings))
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
	if _, findings := Parse(make([]byte, limits.DocumentBytesMax+1)); len(findings) != 1 || findings[0].Rule != RuleLimit {
		t.Errorf("a document that is too long: %+v", findings)
	}
	expressions := head + "- {id: a, worker: {task: a, input: [" +
		strings.Repeat(`"${a}${b}", `, limits.ExpressionsMax/2+1) + "]}}"
	if _, findings := Parse([]byte(expressions)); len(findings) != 1 || findings[0].Rule != RuleLimit {
		t.Errorf("too many expressions: %+v", findings)
	}
	steps := head + strings.Repeat("- {timer: {for: 1s}, id: a}\n", limits.StepsMax+1)
	if _, findings := Parse([]byte(steps)); len(findings) != 1 || findings[0].Rule != RuleLimit {
		t.Errorf("too many steps: %+v", findings)
	}
}
