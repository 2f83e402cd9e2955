package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// Concord is the name of our own language.
const Concord = "concord"

// own is our own language.
type own struct {
	deadline time.Duration           // of sagas that name none
	topic    func(name string) error // says why messages may not use a topic; nil: they may use any
	target   func(url string) error  // says why a URL is not called; nil: all are
	branches func() int              // how many a run may have; nil: as by default
}

func (own) Name() string { return Concord }

// Recognise takes everything: what is in no language is explained as a mistake in this one.
func (own) Recognise([]byte) bool { return true }

// Check implements [Language].
func (l own) Check(ctx context.Context, text []byte, sagas Lookup) (r Review, err error) {
	known := map[string]*definition.Definition{}
	var fault error
	lookup := func(name string, version int) (*definition.Definition, bool) {
		key := fmt.Sprint(name, "@", version)
		if def := known[key]; def != nil {
			return def, true
		}
		def, err := read(sagas, name, version)
		if err != nil && !errors.Is(err, orchestrator.ErrNoDocument) && !errors.Is(err, orchestrator.ErrUnreadable) {
			fault = err
		}
		known[key] = def
		return def, def != nil
	}
	options := validate.Options{Sagas: lookup, Deadline: l.deadline, Topic: l.topic, Target: l.target}
	if l.branches != nil {
		options.BranchesMax = l.branches()
	}
	def, findings := validate.Document(text, options)
	r.Findings = findings
	if def == nil {
		return r, fault
	}
	r.Name, r.Title = def.Name, def.Title
	if fault != nil || definition.Broken(findings) {
		return r, fault
	}
	enough, cancel := context.WithTimeout(ctx, exploreWithin)
	defer cancel()
	report, err := explore.Run(def, func(name string, version int) (*definition.Definition, error) {
		if sub, ok := lookup(name, version); ok {
			return sub, nil
		}
		return nil, fmt.Errorf("no saga %s is published", name)
	}, explore.Options{Stop: func() bool { return enough.Err() != nil }})
	if fault != nil || err != nil {
		return r, errors.Join(fault, err)
	}
	r.Report, r.Digest = &report, def.Digest()
	return r, ctx.Err()
}

// exploreWithin bounds an exploration. One that is cut says so; at least one path was looked at to its end.
const exploreWithin = 10 * time.Second

// read returns the definition of a sub-saga.
func read(sagas Lookup, name string, version int) (*definition.Definition, error) {
	p, err := sagas(name, uint32(max(version, 0)))
	if err != nil {
		return nil, err
	}
	return parse(&p)
}

// parse reads a text that was sound once.
func parse(p *Published) (*definition.Definition, error) {
	if p.Language != Concord {
		return nil, unreadable(p, "it is in the language "+p.Language)
	}
	def, findings := definition.ParsePublished([]byte(p.Text))
	if def == nil || definition.Broken(findings) {
		return nil, unreadable(p, firstError(findings))
	}
	return def, nil
}

// unreadable says why a version cannot be read any more.
func unreadable(p *Published, why string) error {
	return fmt.Errorf("saga %s, version %d: %w: %s", p.Name, p.Version, orchestrator.ErrUnreadable, why)
}

func firstError(findings []definition.Finding) string {
	for _, f := range findings {
		if f.Severity == definition.SeverityError {
			return f.Text
		}
	}
	return "it is empty"
}

// Compile implements [Language].
func (l own) Compile(p *Published, sagas Lookup) (c Compiled, err error) {
	def, err := parse(p)
	if err != nil {
		return c, err
	}
	var fault error // of sagas
	program, err := plan.Compile(def, func(name string, version int) (*definition.Definition, error) {
		sub, err := read(sagas, name, version)
		fault = errors.Join(fault, err)
		return sub, err
	})
	if fault != nil {
		return c, fault
	}
	if err != nil {
		return c, unreadable(p, err.Error())
	}
	input, err := validate.NewValidator(def.Input)
	if err != nil {
		return c, unreadable(p, err.Error())
	}
	deadline := def.Deadline
	if deadline == 0 {
		deadline = l.deadline
	}
	return Compiled{
		Planner: program, Deadline: deadline, CheckInput: input.Validate, CheckValue: input.ValidateValue,
		CheckSignal: func(branch string, data []byte) []validate.Problem {
			s := program.StepOf(branch)
			if s == nil || s.Signal == nil {
				return nil
			}
			check, err := validate.NewValidator(s.Signal.Schema)
			if err != nil {
				return []validate.Problem{{Text: err.Error()}} // publishing has seen to it that it is one
			}
			return check.Validate(data)
		},
	}, nil
}

// Steps implements [Language].
func (own) Steps(text []byte) ([]Step, error) {
	def, findings := definition.ParsePublished(text)
	if def == nil || definition.Broken(findings) {
		return nil, errors.New(firstError(findings))
	}
	before := def.Predecessors()
	steps := make([]Step, len(def.Steps))
	for i, s := range def.Steps {
		steps[i] = Step{
			ID: s.ID, Kind: s.Kind.String(), Title: s.Title, Target: target(s), After: []string{}, When: string(s.When),
			Repeat: s.Repeat != nil, ReadOnly: s.ReadOnly, Pivot: s.Pivot,
			OnRefused: s.OnRefused.String(), Compensate: undoneBy(s.Compensate),
		}
		if s.ForEach != nil {
			steps[i].ForEach = string(s.ForEach.In)
		}
		for _, e := range before[i] {
			steps[i].After = append(steps[i].After, e.String())
		}
		if s.Choice == nil {
			continue
		}
		for _, way := range s.Choice.Cases {
			steps[i].Cases = append(steps[i].Cases, way.Name)
		}
		if s.Choice.Else != "" {
			steps[i].Cases = append(steps[i].Cases, s.Choice.Else)
		}
	}
	return steps, nil
}

// target is what a step turns to.
func target(s *definition.Step) string {
	switch {
	case s.Call != nil:
		url, _ := s.Call.URL.Plain().(string)
		return s.Call.Method + " " + url
	case s.Message != nil:
		return s.Message.Topic
	case s.Worker != nil:
		return s.Worker.Task
	case s.Sub != nil:
		return s.Sub.Saga
	case s.Signal != nil:
		return s.Signal.Name
	}
	return ""
}

// undoneBy is the kind of a compensation.
func undoneBy(c *definition.Compensation) string {
	switch {
	case c == nil:
		return ""
	case c.Call != nil:
		return definition.KindCall.String()
	case c.Message != nil:
		return definition.KindMessage.String()
	}
	return definition.KindWorker.String()
}
