package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/saga/machine"
	"github.com/concord-tx/concord/web"
)

// letters is a state machine of Seata whose services get messages, and one of them no reply.
const letters = `{"Name": "letters", "StartState": "Reserve", "States": {
  "Reserve": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "reserve", "CompensateState": "PutBack",
    "Input": ["$.[order]", {"count": 2}], "Output": {"place": "$.[place]"}, "Catch": [CATCH], "Next": "Pay"},
  "Pay": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "pay", "CompensateState": "Refund",
    "Input": ["$.[order]"], "Output": {"receipt": "$.#root"}, "Catch": [CATCH],
    "Status": {"#root != null": "SU", "$Exception{com.example.NoMoney}": "FA",
      "$Exception{java.lang.Throwable}": "UN"},
    "Next": "Tell"},
  "Tell": {"Type": "ServiceTask", "ServiceName": "mail", "ServiceMethod": "send", "Input": ["$.[receipt]"],
    "Next": "Done"},
  "PutBack": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "putBack", "Input": ["$.[place]"]},
  "Refund": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "refund", "Input": ["$.[order]"]},
  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
  "Failed": {"Type": "Fail", "ErrorCode": "NO", "Message": "not ordered"}, "Done": {"Type": "Succeed"}}}`

const letterBindings = `
bindings:
  stock.reserve: {message: {topic: stock, tag: eu, reply: stock-answers}, timeout: 10m}
  stock.putBack: {message: {topic: stock-back, reply: stock-answers}, timeout: 10m}
  bank.pay: {message: {topic: bank, reply: bank-answers}, timeout: 10m}
  bank.refund: {message: {topic: bank-back, reply: bank-answers}, timeout: 10m}
  mail.send: {message: {topic: mails}}
`

// seataMachine is a machine with its bindings, as it is published over HTTP. All that it catches leads to Undo.
func seataMachine(text, bindings string) string {
	const catch = `{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}`
	return machine.Source{Machine: strings.ReplaceAll(text, "CATCH", catch), Bindings: bindings}.Text()
}

// endsAs waits until a run has ended, and compares the statuses that Seata gives.
func (p *process) endsAs(id, status, seata string) web.SagaRun {
	p.t.Helper()
	var v web.SagaRun
	var text string
	p.until(`"status":"`+status+`"`, func() string {
		_, text = p.get("/api/v1/sagas/runs/" + id)
		return text
	})
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		p.t.Fatal(err)
	}
	var output struct{ Status, CompensationStatus string }
	if len(v.Output) > 0 {
		if err := json.Unmarshal(v.Output, &output); err != nil {
			p.t.Fatalf("%v in %s", err, v.Output)
		}
	}
	if got := strings.TrimSpace(output.Status + " " + output.CompensationStatus); got != seata {
		p.t.Errorf("%s, want %s:\n%s", got, seata, text)
	}
	return v
}

// steps tells of each step of a run its state, its attempts, and what its undoing has come to.
func stepsOf(v web.SagaRun) (all []string) {
	for _, s := range v.Steps {
		line := fmt.Sprint(s.Name, " ", s.State, " ", s.Attempts)
		if s.Undo != nil {
			line += fmt.Sprint(", undo ", s.Undo.State, " ", s.Undo.Attempts)
		}
		all = append(all, line)
	}
	return all
}

// asked fails unless a message is the call of a step with these arguments.
func (e *stepEvent) asked(t *testing.T, step, operation, arguments string) {
	t.Helper()
	if d := e.Data; d.Step != step || d.Operation != operation || string(d.Payload) != arguments {
		t.Fatalf("%+v, payload %s; want %s %s %s", *e, d.Payload, operation, step, arguments)
	}
}

// letterServer is a server with the machine, and groups that read what it sends.
func letterServer(t *testing.T, data, bindings string) *process {
	t.Helper()
	s := start(t, data, "--dev")
	for _, topic := range []string{"stock", "stock-back", "bank", "bank-back", "mails"} {
		s.post("PUT", "/events/groups/"+topic, `{"topics":["`+topic+`"],"from":"oldest"}`, nil)
	}
	s.post("POST", "/sagas/definitions", seataMachine(letters, bindings), nil)
	return s
}

func TestServicesOfSeataGetMessages(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := letterServer(t, data, letterBindings)
	id := s.run("letters", "o-1", `{"order":"7"}`)
	reserve := s.message("stock")
	reserve.asked(t, "Reserve", "forward", `["7",{"count":2}]`)
	if d := reserve.Data; d.Tag != "eu" || d.Reply != "stock-answers" || d.ReplyTo != mq.RepliesPath || d.Attempt != 1 ||
		d.Saga != "letters" || d.RunKey != "o-1" {
		t.Errorf("%+v", reserve)
	}
	s.eventually("Published", "tx", "show", id)
	s.kill()
	s = start(t, data, "--dev")
	if !s.answer(&reserve, `,"data":{"place":"A4"}`) || s.answer(&reserve, `,"data":{"place":"B5"}`) {
		t.Error("the first reply counts, and no other")
	}
	pay := s.message("bank") // and nothing was sent twice
	pay.asked(t, "Pay", "forward", `["7"]`)
	if s.answer(&pay, `,"outcome":"ongoing"`); !s.answer(&pay, `,"data":"r1"`) {
		t.Error("the reply to the payment was not taken")
	}
	mail := s.message("mails")
	if mail.asked(t, "Tell", "forward", `["r1"]`); mail.Data.Reply != "" {
		t.Errorf("%+v", mail)
	}
	v := s.endsAs(id, "Committed", "SU")
	if diff := cmp.Diff([]string{"Reserve done 1", "Pay done 1", "Tell done 1"}, stepsOf(v)); diff != "" ||
		!strings.Contains(string(v.Output), `"receipt":"r1"`) {
		t.Errorf("%s %s", diff, v.Output)
	}
}

func TestWhatAServiceOfSeataRefusesByMessageIsCompensatedByMessage(t *testing.T) {
	t.Parallel()
	s := letterServer(t, t.TempDir(), letterBindings)
	id := s.run("letters", "o-2", `{"order":"8"}`)
	reserve := s.message("stock")
	s.answer(&reserve, `,"data":{"place":"C6"}`)
	pay := s.message("bank")
	if !s.answer(&pay, `,"outcome":"refused","data":{"exception":"com.example.NoMoney","message":"none left"}`) {
		t.Error("the refusal was not taken")
	}
	back := s.message("stock-back")
	back.asked(t, "Reserve", "compensate", `["C6"]`) // though it is a step of the machine, as in Seata
	if s.answer(&reserve, ``) {
		t.Error("a late reply to the step counts as one to its compensation")
	}
	if !s.answer(&back, ``) {
		t.Error("the reply to the compensation was not taken")
	}
	v := s.endsAs(id, "RolledBack", "UN SU")
	if diff := cmp.Diff([]string{"Reserve done 1", "Pay done 1", "Reserve~PutBack done 1"}, stepsOf(v)); diff != "" ||
		v.Steps[1].Failure != "com.example.NoMoney: none left" {
		t.Errorf("%s %+v", diff, v.Steps[1])
	}
	if s.answer(&back, ``) {
		t.Error("a reply to a run that has ended was taken")
	}
}

func TestACancelledMachineIsCompensatedByMessage(t *testing.T) {
	t.Parallel()
	s := letterServer(t, t.TempDir(), letterBindings)
	id := s.run("letters", "o-3", `{"order":"9"}`)
	reserve := s.message("stock")
	s.answer(&reserve, `,"data":{"place":"D7"}`)
	pay := s.message("bank")
	s.post("POST", "/sagas/runs/"+id+"/cancel", `{"reason":"no need"}`, nil)
	if !s.answer(&pay, `,"data":"r9"`) { // it has run meanwhile
		t.Error("the reply of the payment was not taken")
	}
	refund := s.message("bank-back")
	refund.asked(t, "Pay", "compensate", `["9"]`)
	if refund.Data.Branch != pay.Data.Branch || refund.Data.Reply != "bank-answers" {
		t.Errorf("%+v", refund)
	}
	s.answer(&refund, ``)
	back := s.message("stock-back")
	back.asked(t, "Reserve", "compensate", `["D7"]`)
	s.answer(&back, ``)
	v := s.endsAs(id, "RolledBack", "")
	want := []string{"Reserve done 1, undo done 1", "Pay done 1, undo done 1"}
	if diff := cmp.Diff(want, stepsOf(v)); diff != "" {
		t.Error(diff)
	}
}

// TestAMessageThatNobodyAnswersIsSentAgainAndThenLost as often as the binding says, and then it is a timeout.
func TestAMessageThatNobodyAnswersIsSentAgainAndThenLost(t *testing.T) {
	t.Parallel()
	bindings := strings.Replace(letterBindings, "timeout: 10m", "timeout: 1s, attempts: 2", 1)
	s := letterServer(t, t.TempDir(), bindings)
	id := s.run("letters", "o-4", `{"order":"10"}`)
	first := s.message("stock")
	again := s.message("stock")
	if again.ID != first.ID || again.Data.Attempt != 2 || string(again.Data.Payload) != string(first.Data.Payload) {
		t.Errorf("%+v, and then %+v", first, again)
	}
	back := s.message("stock-back") // nobody knows whether it was done, so it is undone
	back.asked(t, "Reserve", "compensate", `[null]`)
	if s.answer(&first, `,"data":{"place":"E8"}`) {
		t.Error("a reply that came too late was taken")
	}
	s.answer(&back, ``)
	v := s.endsAs(id, "RolledBack", "UN SU")
	if s := v.Steps[0]; s.Attempts != 2 || !strings.Contains(s.Failure, "no reply within 1s") {
		t.Errorf("%+v", s)
	}
}

// TestACompensationByMessageHasOneID: a machine has sent it, no reply came, and so the core sends it again. That the
// first one is done counts whenever it is told.
func TestACompensationByMessageHasOneID(t *testing.T) {
	t.Parallel()
	back := "{message: {topic: stock-back, reply: stock-answers}, timeout: "
	s := letterServer(t, t.TempDir(), strings.Replace(letterBindings, back+"10m", back+"1s", 1))
	id := s.run("letters", "o-5", `{"order":"11"}`)
	reserve := s.message("stock")
	s.answer(&reserve, `,"data":{"place":"F9"}`)
	pay := s.message("bank")
	s.answer(&pay, `,"outcome":"refused","data":{"exception":"com.example.NoMoney"}`)
	first := s.message("stock-back")
	again := s.message("stock-back")
	first.asked(t, "Reserve", "compensate", `["F9"]`)
	again.asked(t, "Reserve", "compensate", `["F9"]`)
	if again.ID != first.ID || again.Data.Branch != reserve.Data.Branch || first.Data.Attempt != 1 ||
		again.Data.Attempt != 2 {
		t.Errorf("%+v, and then %+v", first, again)
	}
	if s.answer(&first, `,"attempt":1,"outcome":"failed"`) {
		t.Error("a failure of what the machine had sent counts as one of what the core has")
	}
	if !s.answer(&first, `,"attempt":1`) {
		t.Error("the compensation is done, and that was not taken")
	}
	v := s.endsAs(id, "RolledBack", "UN UN")
	if s := v.Steps[0]; s.Undo == nil || s.Undo.State != "done" {
		t.Errorf("%q", stepsOf(v))
	}
}
