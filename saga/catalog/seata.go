package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/machine"
	"github.com/concord-tx/concord/saga/statelang"
	"github.com/concord-tx/concord/saga/validate"
)

// seata is the language of Seata's state machines.
type seata struct{}

// Seata returns the language of Seata's state machines: docs/SAGAS-SEATA.md.
func Seata() Language { return seata{} }

// seataDeadline is how long a machine may take, as in Seata.
// Seata 2.x DefaultStateMachineConfig: DEFAULT_TRANS_OPER_TIMEOUT.
const seataDeadline = 30 * time.Minute

func (seata) Name() string { return "seata" }

func (seata) Recognise(text []byte) bool { return machine.Recognise(text) }

// resolver finds the machines that one calls. What it could not read for another reason than that it is not there, is
// in fault.
func (seata) resolver(sagas Lookup, fault *error) machine.Resolve {
	known := map[string]*machine.Definition{}
	return func(name string) (*machine.Definition, error) {
		if d := known[name]; d != nil {
			return d, nil
		}
		p, err := sagas(name, 0)
		if err != nil {
			if !errors.Is(err, orchestrator.ErrNoDocument) {
				*fault = err
			}
			return nil, fmt.Errorf("no state machine %s is published", name)
		}
		if p.Language != "seata" {
			return nil, fmt.Errorf("the saga %s is no state machine of Seata, and cannot be called by one", name)
		}
		d, err := machine.Parse(machine.ParseSource([]byte(p.Text)))
		if err != nil {
			return nil, unreadable(&p, err.Error())
		}
		known[name] = d
		return d, nil
	}
}

// Check implements [Language].
func (l seata) Check(ctx context.Context, text []byte, sagas Lookup) (r Review, err error) {
	var fault error
	source := machine.ParseSource(text)
	enough, cancel := context.WithTimeout(ctx, exploreWithin)
	defer cancel()
	found := machine.Check(source, l.resolver(sagas, &fault),
		explore.Options{Stop: func() bool { return enough.Err() != nil }})
	r.Findings, r.Report = found.Findings, found.Report
	if d := found.Definition; d != nil {
		r.Name, r.Title, r.Steps = d.Machine.Name, d.Machine.Comment, seataSteps(d)
		for _, service := range d.Services() {
			r.Services = append(r.Services, Service(service))
		}
	}
	if found.Program != nil && found.Bound {
		r.Digest = source.Digest()
	}
	return r, errors.Join(fault, ctx.Err())
}

// Compile implements [Language].
func (l seata) Compile(p *Published, sagas Lookup) (c Compiled, err error) {
	d, err := machine.Parse(machine.ParseSource([]byte(p.Text)))
	if err != nil {
		return c, unreadable(p, err.Error())
	}
	var fault error
	program, err := machine.Compile(d, l.resolver(sagas, &fault))
	if fault != nil {
		return c, fault
	}
	if err != nil {
		return c, unreadable(p, err.Error())
	}
	return Compiled{Planner: program, Deadline: seataDeadline, Verbatim: true, CheckInput: checkParameters}, nil
}

// checkParameters says what is wrong with the start parameters of a machine: they are an object, or nothing.
func checkParameters(input []byte) []validate.Problem {
	if err := machine.CheckInput(input); err != nil {
		return []validate.Problem{{Text: err.Error()}}
	}
	return nil
}

// Steps implements [Language].
func (seata) Steps(text []byte) ([]Step, error) {
	d, err := machine.Parse(machine.ParseSource(text))
	if err != nil {
		return nil, err
	}
	return seataSteps(d), nil
}

// seataSteps is how the states of a machine are shown.
func seataSteps(d *machine.Definition) []Step {
	targets := map[string]string{}
	for _, service := range d.Services() {
		for _, state := range service.States {
			targets[state] = service.Target
			if service.Target == "" {
				targets[state] = service.Name
			}
		}
	}
	steps := make([]Step, 0, len(d.Machine.States))
	for _, s := range d.Machine.States {
		steps = append(steps, seataStep(d.Machine, s, targets[s.Name]))
	}
	return steps
}

// seataStep is how a state is shown.
func seataStep(m *statelang.Machine, s *statelang.State, target string) Step {
	step := Step{
		ID: s.Name, Kind: string(s.Type), Title: s.Comment, Target: target, After: []string{},
		Compensate: s.CompensateState.Name, ReadOnly: s.Type.IsTask() && !s.ForUpdate && !s.ForCompensation,
	}
	if s.Type == statelang.SubStateMachine {
		step.Target = s.StateMachineName
	}
	if s.Loop != nil && s.Loop.Collection.Expression != nil {
		step.ForEach = s.Loop.Collection.Expression.Text
	}
	for i, o := range s.Choices {
		if o.Expression != nil {
			step.Cases = append(step.Cases, fmt.Sprintf("%d: %s", i+1, o.Expression.Text))
		}
	}
	if step.OnRefused = "-"; len(s.Catch) > 0 {
		step.OnRefused = s.Catch[0].Next.Name
	}
	for _, from := range m.States {
		leads := from.Next.Name == s.Name || from.Default.Name == s.Name
		leads = leads || slices.ContainsFunc(from.Choices, func(o statelang.Option) bool { return o.Next.Name == s.Name })
		leads = leads || slices.ContainsFunc(from.Catch, func(c statelang.Catch) bool { return c.Next.Name == s.Name })
		leads = leads || slices.ContainsFunc(from.Branches, func(t statelang.Target) bool { return t.Name == s.Name })
		if leads {
			step.After = append(step.After, from.Name)
		}
	}
	step.Title = strings.TrimSpace(step.Title)
	return step
}
