package definition

import (
	"maps"
	"slices"
	"strconv"
)

// Place is where an expression stands, which says what it may see and what it has to give.
type Place uint8

// The places. All see input and saga; those of a step see the steps before it and its loop variables.
const (
	PlaceWhen         Place = iota + 1 // of a step or case; gives a bool
	PlaceForEach                       // the list of a loop, without loop variables; gives a list
	PlacePayload                       // body, data, input, key, headers, url, prompt of a step
	PlaceTimer                         // gives a time as text
	PlaceResult                        // a result rule: status, headers, body besides; gives a bool
	PlaceUntil                         // of repeat: status, headers, body, attempt besides; gives a bool
	PlaceOutput                        // of a step: status, headers, body besides
	PlaceCompensation                  // a payload of a compensation: output besides, and the step itself
	PlaceUndoResult                    // a result rule of a compensation: as PlaceCompensation and PlaceResult
	PlaceSagaOutput                    // of the saga: all steps
)

// String returns a word for the place.
func (p Place) String() string {
	return word(int(p), "condition", "loop", "payload", "timer", "result rule", "until", "output", "compensation",
		"result rule of a compensation", "output of the saga")
}

// Walk visits every expression of the definition in the order of the language: of the step with that index, or -1 for
// those of the saga. Text is true for a piece of a template, which has to give a text, number or bool.
func (d *Definition) Walk(visit func(step int, place Place, path string, e Expr, text bool)) {
	for i, s := range d.Steps {
		w := walker{step: i, visit: visit}
		at := "/steps/" + strconv.Itoa(i)
		w.expression(PlaceWhen, at+"/when", s.When)
		if s.ForEach != nil {
			w.expression(PlaceForEach, at+"/forEach/in", s.ForEach.In)
		}
		w.work(PlacePayload, at, s.Call, s.Message, s.Worker)
		w.rest(at, s)
		if s.Repeat != nil {
			w.expression(PlaceUntil, at+"/repeat/until", s.Repeat.Until)
		}
		w.rules(PlaceResult, at, s.Result)
		w.mapping(PlaceOutput, at+"/output", s.Output)
		if c := s.Compensate; c != nil {
			w.work(PlaceCompensation, at+"/compensate", c.Call, c.Message, c.Worker)
			w.rules(PlaceUndoResult, at+"/compensate", c.Result)
		}
	}
	w := walker{step: -1, visit: visit}
	w.mapping(PlaceSagaOutput, "/output", d.Output)
}

type walker struct {
	step  int
	visit func(step int, place Place, path string, e Expr, text bool)
}

func (w walker) expression(place Place, path string, e Expr) {
	if e != "" {
		w.visit(w.step, place, path, e, false)
	}
}

func (w walker) rest(at string, s *Step) {
	if s.Sub != nil {
		w.value(PlacePayload, at+"/subSaga/input", s.Sub.Input)
	}
	if s.Timer != nil {
		w.expression(PlaceTimer, at+"/timer/until", s.Timer.Until)
	}
	if s.Approval != nil {
		w.value(PlacePayload, at+"/approval/prompt", &s.Approval.Prompt)
		w.value(PlacePayload, at+"/approval/data", s.Approval.Data)
	}
	if s.Choice != nil {
		for i, c := range s.Choice.Cases {
			w.expression(PlaceWhen, at+"/choice/cases/"+strconv.Itoa(i)+"/when", c.When)
		}
	}
}

func (w walker) work(place Place, at string, c *Call, m *Message, k *Worker) {
	if c != nil {
		w.value(place, at+"/call/url", &c.URL)
		w.mapping(place, at+"/call/headers", c.Headers)
		w.value(place, at+"/call/body", c.Body)
	}
	if m != nil {
		w.value(place, at+"/message/key", m.Key)
		w.mapping(place, at+"/message/headers", m.Headers)
		w.value(place, at+"/message/data", m.Data)
	}
	if k != nil {
		w.value(place, at+"/worker/input", k.Input)
	}
}

func (w walker) rules(place Place, at string, rules []ResultRule) {
	for i, r := range rules {
		w.expression(place, at+"/result/"+strconv.Itoa(i)+"/when", r.When)
	}
}

func (w walker) mapping(place Place, path string, m map[string]Value) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v := m[key]
		w.value(place, path+"/"+escapePointer(key), &v)
	}
}

func (w walker) value(place Place, path string, v *Value) {
	if v == nil {
		return
	}
	switch v.Kind {
	case ValueExpression:
		w.visit(w.step, place, path, v.Expression, false)
	case ValueTemplate:
		for _, p := range v.Parts {
			if p.Expression != "" {
				w.visit(w.step, place, path, p.Expression, true)
			}
		}
	case ValueList:
		for i := range v.List {
			w.value(place, path+"/"+strconv.Itoa(i), &v.List[i])
		}
	case ValueObject:
		w.mapping(place, path, v.Object)
	}
}
