package simulate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// Model is a saga with its sub-sagas, ready to be simulated. It may be used by many at once.
type Model struct {
	def     *definition.Definition
	program *plan.Program
	input   *validate.Validator
	names   []string // of steps, and of their compensations
}

// NewModel compiles a definition. The lint need not find it sound: one may want to see what comes of that. Errors say
// what cannot be run at all.
func NewModel(def *definition.Definition, subs plan.Resolve) (*Model, error) {
	subs = once(subs)
	program, err := plan.Compile(def, subs)
	if err != nil {
		return nil, err
	}
	input, err := validate.NewValidator(def.Input)
	if err != nil {
		return nil, fmt.Errorf("saga %s: schema of the input: %w", def.Name, err)
	}
	m := &Model{def: def, program: program, input: input}
	return m, m.name(def, "", subs)
}

// once has each sub-saga be looked for once.
func once(subs plan.Resolve) plan.Resolve {
	if subs == nil {
		return nil
	}
	type key struct {
		name    string
		version int
	}
	known := map[key]*definition.Definition{}
	return func(name string, version int) (*definition.Definition, error) {
		if def := known[key{name, version}]; def != nil {
			return def, nil
		}
		def, err := subs(name, version)
		if err == nil {
			known[key{name, version}] = def
		}
		return def, err
	}
}

// Saga is its name.
func (m *Model) Saga() string { return m.def.Name }

// name collects the names of steps.
func (m *Model) name(def *definition.Definition, prefix string, subs plan.Resolve) error {
	for _, s := range def.Steps {
		if s.Kind == definition.KindSubSaga {
			sub, err := subs(s.Sub.Saga, s.Sub.Version)
			if err == nil {
				err = m.name(sub, prefix+s.ID+"/", subs)
			}
			if err != nil {
				return err
			}
			continue
		}
		if answered(s.Kind) && len(m.names) < namesMax {
			m.names = append(m.names, prefix+s.ID)
		}
		if s.Compensate != nil {
			m.names = append(m.names, prefix+s.ID+undoSuffix)
		}
	}
	return nil
}

// namesMax bounds the names that are offered where one is misspelt.
const namesMax = 10_000

// answered reports whether somebody answers steps of a kind.
func answered(k definition.Kind) bool {
	return k != definition.KindTimer && k != definition.KindChoice && k != definition.KindSubSaga
}

// Problem is something of a scenario that does not fit the saga.
type Problem struct {
	// Key is that of the outcomes, "" for the input, of which Path is the JSON pointer.
	Key  string `json:"key,omitempty"`
	Path string `json:"path,omitempty"`
	Text string `json:"text"`
	// Advice says what to do, "" if the text does.
	Advice string `json:"advice,omitempty"`
}

// String returns a line.
func (p Problem) String() string {
	text := p.Text
	if p.Key != "" {
		text = p.Key + ": " + text
	} else {
		text = strings.TrimSuffix("input "+p.Path, " ") + ": " + text
	}
	if p.Advice != "" {
		text += "; " + p.Advice
	}
	return text
}

// Check says what of a scenario does not fit the saga; it can be run only without problems.
func (m *Model) Check(s *Scenario) []Problem {
	var out []Problem
	for _, p := range m.input.Validate([]byte(cmp.Or(string(s.Input), "null"))) {
		out = append(out, Problem{Path: p.Path, Text: p.Text})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Outcomes)) {
		if text, advice := m.checkKey(key, s.Outcomes[key]); text != "" {
			out = append(out, Problem{Key: key, Text: text, Advice: advice})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Bodies)) {
		answer := []Answer{{Outcome: Done, Body: s.Bodies[key]}}
		if text, advice := m.checkKey(key, answer); text != "" {
			out = append(out, Problem{Key: key, Text: text, Advice: advice})
		}
	}
	return out
}

func (m *Model) checkKey(key string, answers []Answer) (text, advice string) {
	name, undo := strings.CutSuffix(key, undoSuffix)
	step := m.program.StepOf(name)
	switch {
	case step == nil:
		advice = "name a step, such as " + cmp.Or(strings.Join(m.names[:min(3, len(m.names))], ", "), "those of the saga")
		if near := definition.Closest(key, m.names); near != "" {
			advice = fmt.Sprintf("did you mean %q?", near)
		}
		return "there is no such step", advice
	case undo && step.Compensate == nil:
		return "the step has no compensation", "remove it, or give the step a compensation"
	case step.Kind == definition.KindSubSaga:
		return "a sub-saga does not answer as a whole", "name one of its steps, as in " + name + "/STEP"
	case !answered(step.Kind):
		return "nobody answers " + article(step.Kind), "remove it; what happens depends on the definition and the time"
	case len(answers) == 0:
		return "there are no answers", "write one, such as refused"
	}
	waits := !undo && (step.Kind == definition.KindSignal || step.Kind == definition.KindApproval)
	for _, a := range answers {
		if waits && (a.Outcome > Lost || a.Outcome == Failed || a.Status != 0) {
			return "the answer to " + article(step.Kind) + " is done, refused, or lost, which is that it never comes", ""
		}
		if a.Body != nil && !json.Valid(a.Body) {
			return "the body is no JSON", ""
		}
	}
	return "", ""
}

func article(k definition.Kind) string {
	if k == definition.KindApproval {
		return "an approval"
	}
	return "a " + k.String()
}
