package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/concord-tx/concord/mq"
)

// ordering is a saga of messages: the goods are reserved and given back, and the payment has no way back.
const ordering = `
saga: 1
name: order
input: {type: object, required: [order], properties: {order: {type: string}}}
output: {place: "${steps.reserve.output.place}"}
steps:
  - id: reserve
    message:
      topic: stock
      tag: eu
      key: "${input.order}"
      headers: {origin: shop}
      data: {order: "${input.order}"}
      reply: stock-answers
    timeout: 10m
    output: {place: "${body.place}"}
    compensate: {message: {topic: stock-back, data: {place: "${output?.place}"}, reply: stock-answers}}
  - id: pay
    message: {topic: bank, data: {order: "${input.order}"}, reply: bank-answers}
    timeout: 10m
    pivot: true
`

// stepEvent is what a participant reads of the message of a step.
type stepEvent struct {
	ID   string
	Data struct {
		XID, Branch, Operation, Step, Saga, RunKey, Tag, Key, Reply, ReplyTo string

		Attempt int
		Headers map[string]string
		Payload json.RawMessage
	}
}

// message takes the one message that a group is given.
func (p *process) message(group string) (e stepEvent) {
	p.t.Helper()
	got := p.poll(group)
	if len(got) != 1 {
		p.t.Fatalf("%d messages", len(got))
	}
	if err := json.Unmarshal(got[0].Event, &e); err != nil {
		p.t.Fatalf("%v in %s", err, got[0].Event)
	}
	return e
}

// answer replies to a message, and returns whether it was waited for.
func (p *process) answer(e *stepEvent, rest string) bool {
	p.t.Helper()
	var got struct{ Taken bool }
	p.post("POST", mq.RepliesPath[len("/api/v1"):], fmt.Sprintf(`{"id":%q%s}`, e.ID, rest), &got)
	return got.Taken
}

// run starts a run and returns its number.
func (p *process) run(saga, key, input string) string {
	p.t.Helper()
	var got struct{ Href string }
	p.post("POST", "/sagas/runs", fmt.Sprintf(`{"saga":%q,"key":%q,"input":%s}`, saga, key, input), &got)
	return got.Href[len("/api/v1/sagas/runs/"):]
}

// TestMessagesOfSagasWithoutABroker: they are events, and answered over the API, whatever crashes in between.
func TestMessagesOfSagasWithoutABroker(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := start(t, data, "--dev")
	for _, topic := range []string{"stock", "stock-back", "bank"} {
		s.post("PUT", "/events/groups/"+topic, `{"topics":["`+topic+`"],"from":"oldest"}`, nil)
	}
	s.post("POST", "/sagas/definitions", ordering, nil)
	id := s.run("order", "o-1", `{"order":"7"}`)
	reserve := s.message("stock")
	d := reserve.Data
	if want := d.XID + "/" + d.Branch + "/forward"; reserve.ID != want || d.Operation != "forward" || d.Attempt != 1 ||
		d.Step != "reserve" || d.Saga != "order" || d.RunKey != "o-1" || d.Tag != "eu" || d.Key != "7" ||
		d.Reply != "stock-answers" || d.ReplyTo != mq.RepliesPath || d.Headers["origin"] != "shop" ||
		string(d.Payload) != `{"order":"7"}` {
		t.Fatalf("%+v", reserve)
	}
	s.eventually("Published", "tx", "show", id)
	contains(t, s.ok("saga", "run", id),
		"\nreserve waits for the reply to its message; without one this attempt ends at 20")
	s.kill()
	s = start(t, data, "--dev")
	if !s.answer(&reserve, `,"data":{"place":"A4"}`) || s.answer(&reserve, `,"data":{"place":"B5"}`) {
		t.Error("the first reply counts, and no other")
	}
	pay := s.message("bank")
	if s.answer(&pay, `,"outcome":"ongoing"`); !s.answer(&pay, ``) {
		t.Error("the reply to the payment was not taken")
	}
	s.eventually("Committed", "tx", "show", id)

	other := s.run("order", "o-2", `{"order":"8"}`)
	reserve = s.message("stock") // and nothing of the first run was sent again
	if string(reserve.Data.Payload) != `{"order":"8"}` || !s.answer(&reserve, `,"data":{"place":"C6"}`) {
		t.Fatalf("%+v", reserve)
	}
	pay = s.message("bank")
	if !s.answer(&pay, `,"outcome":"refused","text":"no money"`) {
		t.Error("the refusal was not taken")
	}
	back := s.message("stock-back")
	if back.Data.Operation != "compensate" || string(back.Data.Payload) != `{"place":"C6"}` ||
		back.Data.Branch != reserve.Data.Branch {
		t.Fatalf("%+v", back)
	}
	if s.answer(&reserve, ``) {
		t.Error("a late reply to the step counts as one to its compensation")
	}
	if !s.answer(&back, ``) {
		t.Error("the reply to the compensation was not taken")
	}
	s.eventually("RolledBack", "tx", "show", other)
	if s.answer(&back, ``) {
		t.Error("a reply to a run that has ended was taken")
	}
}

// TestTopicsOfTheServerAreRefusedAtPublish: nobody publishes decisions but the server.
func TestTopicsOfTheServerAreRefusedAtPublish(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	for _, message := range []string{"topic: concord-commit", "topic: t, reply: concord-rollback"} {
		var got struct {
			Sound    bool
			Findings []struct{ Rule string }
		}
		s.post("POST", "/sagas/review",
			"saga: 1\nname: bad\nsteps:\n- {id: a, readOnly: true, message: {"+message+"}}\n", &got)
		if got.Sound || len(got.Findings) != 1 || got.Findings[0].Rule != "bad-topic" {
			t.Errorf("%s: %+v", message, got)
		}
	}
}
