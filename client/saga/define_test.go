package saga_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/saga"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/validate"
)

// everything has each kind of step, a loop, a repetition, and each key of the language.
func everything() *saga.Builder {
	return saga.Define("everything").Title("All of it").Description("Each kind once.").
		Input(saga.Map{"type": "object", "properties": saga.Map{
			"items": saga.Map{"type": "array"}, "total": saga.Map{"type": "number"}, "at": saga.Map{"type": "string"},
		}}).
		Output(saga.Map{"paid": saga.E("steps.charge.output.paid")}).Deadline(48*time.Hour).ForwardOnDeadline().
		Step(
			saga.Do("look", saga.GET("https://stock.example/items").Header("Accept", "application/json")).
				Repeat("body.ready == true", time.Second, 5),
			saga.Do("reserve", saga.POST("https://stock.example/reservations",
				saga.Map{"item": saga.E("item"), "note": saga.Text("costs ${5}"), "n": 1, "list": []any{"${index}", true, nil}})).
				ForEach(saga.Loop{In: "input.items", Parallel: 4, Max: 100}).
				Output(saga.Map{"id": saga.E("body.id")}).Timeout(5*time.Second).
				Result(saga.Rule{When: "status == 410", Is: definition.Refused}).
				Retry(saga.Retry{First: time.Second, Max: time.Minute, Attempts: 5, Jitter: 0.2}).
				CompensateWith(saga.Undo{
					Work: saga.DELETE("https://stock.example/reservations/${item}"), Timeout: time.Second,
					Retry:  &saga.Retry{First: time.Second},
					Result: []saga.Rule{{When: "status == 404", Is: definition.Done}},
				}),
			saga.Do("tell", saga.Publish("orders", saga.Map{"total": saga.E("input.total")}).
				Tag("new").Key("${saga.key}").Reply("answers").Header("origin", "shop")).
				Compensate(saga.Publish("orders", "undone")),
			saga.Sub("ship", "shipping", 3, saga.Map{"order": "${saga.key}"}),
			saga.Pause("cool", time.Minute).Title("Wait").Description("A minute."),
			saga.PauseUntil("noon", "input.at"),
			saga.AwaitSignal("paid", "payment", saga.Map{"type": "object"}).Timeout(time.Hour).ContinueIfRefused(),
			saga.Ask("sure", "Send ${saga.key}?", "operator").Show(saga.Map{"total": saga.E("input.total")}),
			saga.Choose("way", "small", saga.Case{Name: "large", When: "input.total > 100"}),
			saga.Do("charge", saga.Task("charge", saga.E("input"))).After("way.large").Pivot().When("input.total > 0"),
			saga.Do("gift", saga.Task("gift", nil)).After("way.small").ReadOnly().IfRefused("sorry"),
			saga.Do("sorry", saga.PUT("https://mail.example/sorry", nil)).ReadOnly(),
		)
}

// TestABuilderWritesWhatYAMLWouldSay compares with the text.
func TestABuilderWritesWhatYAMLWouldSay(t *testing.T) {
	t.Parallel()
	got, err := everything().Build()
	if err != nil {
		t.Fatal(err)
	}
	want, findings := definition.Parse([]byte(`
saga: 1
name: everything
title: All of it
description: Each kind once.
input: {type: object, properties: {items: {type: array}, total: {type: number}, at: {type: string}}}
output: {paid: "${steps.charge.output.paid}"}
deadline: 2d
onDeadline: forward
steps:
  - id: look
    call: {method: GET, url: "https://stock.example/items", headers: {Accept: application/json}}
    repeat: {until: "body.ready == true", every: 1s, max: 5}
  - id: reserve
    call:
      url: https://stock.example/reservations
      body: {item: "${item}", note: "costs $${5}", n: 1, list: ["${index}", true, null]}
    forEach: {in: input.items, parallel: 4, max: 100}
    output: {id: "${body.id}"}
    timeout: 5s
    result: [{when: status == 410, is: refused}]
    retry: {first: 1s, max: 1m, attempts: 5, jitter: 0.2}
    compensate:
      call: {method: DELETE, url: "https://stock.example/reservations/${item}"}
      timeout: 1s
      retry: {first: 1s}
      result: [{when: status == 404, is: done}]
  - id: tell
    message:
      {topic: orders, data: {total: "${input.total}"}, tag: new, key: "${saga.key}", reply: answers,
       headers: {origin: shop}}
    compensate: {message: {topic: orders, data: undone}}
  - {id: ship, subSaga: {saga: shipping, version: 3, input: {order: "${saga.key}"}}}
  - {id: cool, timer: {for: 1m}, title: Wait, description: A minute.}
  - {id: noon, timer: {until: input.at}}
  - {id: paid, signal: {name: payment, schema: {type: object}}, timeout: 1h, onRefused: continue}
  - {id: sure, approval: {prompt: "Send ${saga.key}?", by: [operator], data: {total: "${input.total}"}}}
  - {id: way, choice: {cases: [{case: large, when: input.total > 100}], else: small}}
  - {id: charge, worker: {task: charge, input: "${input}"}, after: [way.large], pivot: true, when: input.total > 0}
  - {id: gift, worker: {task: gift}, after: [way.small], readOnly: true, onRefused: sorry}
  - {id: sorry, call: {method: PUT, url: "https://mail.example/sorry"}, readOnly: true}
`))
	if definition.Broken(findings) {
		t.Fatal(findings)
	}
	if diff := cmp.Diff(string(want.Canonical()), string(got.Canonical())); diff != "" {
		t.Error(diff)
	}
}

// TestWhatIsBuiltIsSound has the server's lint look at it.
func TestWhatIsBuiltIsSound(t *testing.T) {
	t.Parallel()
	d, err := saga.Define("order").Step(
		saga.Do("reserve", saga.POST("https://stock.example/reservations", saga.E("input"))).
			Compensate(saga.DELETE("https://stock.example/reservations/${saga.key}")),
		saga.Do("pay", saga.Task("charge", nil)).Pivot(),
	).Build()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range validate.Check(d, validate.Options{}) {
		t.Errorf("%+v", f)
	}
}

func TestWhatCannotBeReadIsNotBuilt(t *testing.T) {
	t.Parallel()
	ok := saga.Do("a", saga.Task("t", nil))
	for _, c := range []struct {
		name string
		b    *saga.Builder
		rule definition.Rule
	}{
		{"no name", saga.Define("").Step(ok), definition.RuleBadName},
		{"no steps", saga.Define("x"), definition.RuleMissing},
		{"a name that is none", saga.Define("x").Step(saga.Do("a b", saga.Task("t", nil))), definition.RuleBadName},
		{"an expression without end", saga.Define("x").Step(saga.Do("a", saga.GET("https://a.example/${input"))),
			definition.RuleExpression},
		{"data to show of no approval", saga.Define("x").Step(saga.Pause("a", time.Second).Show(1)),
			definition.RuleUnknownKey},
		{"a compensation of nothing", saga.Define("x").Step(saga.Do("a", saga.Task("t", nil)).
			CompensateWith(saga.Undo{})), definition.RuleMissing},
		{"an outcome that is none", saga.Define("x").Step(saga.Do("a", saga.Task("t", nil)).
			Result(saga.Rule{When: "true"})), definition.RuleBadValue},
	} {
		_, err := c.b.Build()
		var wrong *saga.DefinitionError
		if !errors.As(err, &wrong) || wrong.Findings[0].Rule != c.rule || !strings.Contains(err.Error(), string(c.rule)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := saga.Define("x").Step(ok).Output(saga.Map{"f": func() {}}).Build(); err == nil {
		t.Error("a function was taken for a value")
	}
}
