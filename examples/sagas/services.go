package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// What the participants of the examples answer: prices, numbers, states. A real service does its work here.

// readSuffix marks the requests that only ask.
const readSuffix = " status"

// serviceOf returns which service a path belongs to, "" if none.
func serviceOf(path string) string {
	for _, service := range []string{
		"flights", "hotels", "cars", "payments", "stock", "shipments", "transfers", "purchases",
	} {
		if path == "/"+service || strings.HasPrefix(path, "/"+service+"/") {
			return service
		}
	}
	return ""
}

// answer makes the answer to a step that is done.
func (p *participant) answer(r request) map[string]any {
	name, _, _ := strings.Cut(r.service, "-")
	id := fmt.Sprintf("%s-%d", strings.ToUpper(name[:1]), len(p.order)+1)
	switch r.service {
	case "flights":
		return map[string]any{"id": id, "price": 240}
	case "hotels":
		return map[string]any{"id": id, "price": 90 * number(r.input["nights"])}
	case "cars":
		return map[string]any{"id": id, "price": 40 * number(r.input["days"])}
	case "payments":
		return map[string]any{"id": id, "amount": r.input["amount"]}
	case "purchases":
		return map[string]any{"id": id, "number": id}
	case "ledger-enter":
		return map[string]any{"id": id, "entry": id}
	case "transfers" + readSuffix:
		transfer := fmt.Sprint(r.input["id"])
		if p.asks[transfer]++; p.asks[transfer] < 2 {
			return map[string]any{"state": "under way"}
		}
		return map[string]any{"state": "settled", "at": "2026-01-31T12:00:00Z"}
	}
	return map[string]any{"id": id}
}

// takes is how long the work takes: some services are slower than others.
func (p *participant) takes(r request) time.Duration {
	return p.pace * time.Duration(2+len(r.service)%5) / 4
}

func number(v any) float64 {
	n, _ := v.(float64)
	return n
}

// describe says on one line what was asked for.
func describe(input map[string]any) string {
	if len(input) == 0 {
		return ""
	}
	text, _ := json.Marshal(input) // it was read from JSON
	if letters := []rune(string(text)); len(letters) > aboutShown {
		return string(letters[:aboutShown-1]) + "…"
	}
	return string(text)
}

// fault makes a service fail.
type fault struct {
	pass   int  // requests that go well before
	refuse bool // then all are refused
	delay  int  // so many are not done at once
	lose   int  // answers that are lost, though it is done
	silent bool // it is done, and nobody is ever told
}

// refuses returns why a request is refused, "" if it is not.
func (f *fault) refuses() string {
	switch {
	case f == nil || !f.refuse:
		return ""
	case f.pass > 0:
		f.pass--
		return ""
	}
	return "no: you have asked for a refusal"
}

// delays reports whether a request is not done now.
func (f *fault) delays() bool {
	if f == nil || f.delay == 0 {
		return false
	}
	f.delay--
	return true
}

// spoil changes the answer to a step that is done, if its service is to fail so.
func (p *participant) spoil(r request, out reply) reply {
	f := p.faults[r.service]
	switch {
	case f == nil:
	case f.silent:
		return reply{status: 504, body: map[string]any{"why": "a proxy has waited in vain"}}
	case f.lose > 0:
		f.lose--
		out.lost = true
	}
	return out
}

// undoTasks are the tasks that undo others. A worker learns from the operation that it is to undo something; that the
// task has a name of its own, too, is for those who read the definition.
var undoTasks = [...][2]string{
	{"budget-free", "budget-hold"}, {"budget-release", "budget-reserve"}, {"ledger-reverse", "ledger-enter"},
}

// serviceOfTask returns which service a task belongs to: that of the step, for the compensation as well.
func serviceOfTask(name string) string {
	for _, t := range undoTasks {
		if t[0] == name {
			return t[1]
		}
	}
	return name
}

// readOnlyTask reports whether a task changes nothing.
func readOnlyTask(name string) bool { return name == "credit-check" }

// aboutShown is how many letters of what was asked for are shown: what fits on a line of 80 behind the rest.
const aboutShown = 41
