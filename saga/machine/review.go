package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/statelang"
)

// The rules that a machine is held to when it is to be run. Those of package statelang are named as there.
const (
	// RuleUnbound: nobody knows where a service is.
	RuleUnbound definition.Rule = "service.unbound"
	// RuleBindings: the bindings cannot be read.
	RuleBindings definition.Rule = "bindings"
	// RuleUnused: a binding is of no service of the machine.
	RuleUnused definition.Rule = "bindings.unused"
	// RuleUnknownEnd: the machine can end with status UN.
	RuleUnknownEnd definition.Rule = "ends.unknown"
	// RuleSubMachine: a machine that is called cannot be run.
	RuleSubMachine definition.Rule = "submachine"
)

// Review is what was found in a machine.
type Review struct {
	// Definition is nil if the text cannot be read.
	Definition *Definition
	Findings   []definition.Finding
	// Report is nil if the machine was not explored, because of errors.
	Report *explore.Report
	// Program is nil if the machine cannot be run.
	Program *Program
	// Bound is false if a service is not bound; all else was looked at nevertheless.
	Bound bool
}

// Sound reports whether the machine may be run.
func (r *Review) Sound() bool {
	return r.Program != nil && r.Bound && !definition.Broken(r.Findings) && r.Report != nil && len(r.Report.Failures) == 0
}

// Check reads, checks and explores a source. Subs finds the machines that it calls.
func Check(source Source, subs Resolve, o explore.Options) Review {
	var r Review
	d, err := Parse(source)
	if err != nil {
		r.Findings = append(r.Findings, broken(err))
		return r
	}
	r.Definition = d
	known := func(name string) *statelang.Machine {
		if sub, err := subs(name); err == nil && sub != nil {
			return sub.Machine
		}
		return nil
	}
	for _, f := range statelang.Check(d.Document, known).Findings {
		r.Findings = append(r.Findings, finding(f))
	}
	r.bindings(d)
	if definition.Broken(r.Findings) && r.Bound {
		definition.Sort(r.Findings)
		return r
	}
	r.explore(d, subs, o)
	definition.Sort(r.Findings)
	return r
}

// compileAnyway compiles a machine whose services, and those of the machines that it calls, are somewhere: what can
// happen does not depend on where.
func compileAnyway(d *Definition, subs Resolve) (*Program, error) {
	return Compile(d.bound(), subs.bound)
}

// bound finds machines all of whose services are bound.
func (r Resolve) bound(name string) (*Definition, error) {
	d, err := r(name)
	if err != nil {
		return nil, err
	}
	return d.bound(), nil
}

// bound is a definition all of whose services are bound.
func (d *Definition) bound() *Definition {
	out := *d
	somewhere := &Binding{Worker: "unbound"}
	out.Bindings = &Bindings{Services: map[string]*Binding{}, Default: somewhere}
	for _, s := range d.Services() {
		out.Bindings.Services[s.Name] = somewhere
	}
	return &out
}

// explore compiles and explores the machine.
func (r *Review) explore(d *Definition, subs Resolve, o explore.Options) {
	for _, f := range r.Findings {
		if f.Severity == definition.SeverityError && f.Rule != RuleUnbound {
			return
		}
	}
	p, err := compileAnyway(d, subs)
	if err != nil {
		r.Findings = append(r.Findings, unready(d.bound(), subs.bound, err))
		return
	}
	if r.Bound {
		if bound, err := Compile(d, subs); err == nil {
			p = bound
		} else {
			f := unready(d, subs, err)
			f.Rule, f.Advice = RuleUnbound, "bind it here, or where the machine that is called is published"
			r.Findings, r.Bound = append(r.Findings, f), false
		}
	}
	report := Explore(p, o)
	r.Program, r.Report = p, &report
	for _, end := range report.Unsure {
		f := definition.Finding{
			Rule: RuleUnknownEnd, Severity: definition.SeverityWarning,
			Text:   "it can end with status UN, and then waits for a person: " + end.Text + " (" + way(end.Timeline) + ")",
			Advice: "lead what can go wrong to a CompensationTrigger, by a Catch of java.lang.Throwable or a Choice",
		}
		if s := d.Machine.State(end.Step); s != nil {
			f.Line, f.Column, f.Path = s.At.Line, s.At.Column, "/States/"+pointer(s.Name)
		}
		r.Findings = append(r.Findings, f)
	}
}

// unready is the finding for a machine that calls one that cannot be run, at the state that calls it.
func unready(d *Definition, subs Resolve, err error) definition.Finding {
	f := definition.Finding{
		Rule: RuleSubMachine, Severity: definition.SeverityError, Text: err.Error(),
		Advice: "publish the machines that are called first",
	}
	if errors.Is(err, errTooDeep) {
		f.Rule, f.Advice = definition.RuleLimit, "nest less deep"
	}
	for _, s := range d.Machine.States {
		if s.Type != statelang.SubStateMachine {
			continue
		}
		l := linker{outer: d.Bindings, subs: subs, made: map[string]*Program{}}
		if _, err := l.called(s.StateMachineName, 1); err != nil {
			f.Line, f.Column, f.Path = s.At.Line, s.At.Column, "/States/"+pointer(s.Name)
			break
		}
	}
	return f
}

// eventsShown is how many events of a way are shown in a sentence.
const eventsShown = 8

// way is a timeline in one line: its end is what matters.
func way(events []explore.Event) string {
	var out []string
	if len(events) > eventsShown {
		out, events = append(out, "..."), events[len(events)-eventsShown:]
	}
	for _, e := range events {
		out = append(out, e.String())
	}
	return strings.Join(out, "; ")
}

// bindings finds services that are not bound, and bindings that are of none.
func (r *Review) bindings(d *Definition) {
	r.Bound = true
	used := map[string]bool{}
	for _, service := range d.Services() {
		used[service.Name] = true
		if service.Target != "" {
			continue
		}
		r.Bound = false
		s := d.Machine.State(service.States[0])
		advice := fmt.Sprintf(`bind it: %q: {call: {url: "http://..."}}, or give a default`, service.Name)
		if s.Type == statelang.ScriptTask {
			advice = fmt.Sprintf(`scripts are not run here; bind what does the same: %q: {worker: name}`, service.Name)
		}
		r.Findings = append(r.Findings, definition.Finding{
			Rule: RuleUnbound, Severity: definition.SeverityError, Line: s.At.Line, Column: s.At.Column,
			Path: "/States/" + pointer(s.Name), Text: "nobody knows where the service " + service.Name + " is", Advice: advice,
		})
	}
	for _, name := range sortedKeys(d.Bindings.Services) {
		if used[name] {
			continue
		}
		calls := func(s *statelang.State) bool { return s.Type == statelang.SubStateMachine }
		if hasState(d.Machine, calls) {
			continue // it may be of a machine that is called
		}
		f := definition.Finding{
			Rule: RuleUnused, Severity: definition.SeverityWarning, Path: "/bindings/" + pointer(name),
			Text: "the machine calls no service " + name, Advice: "remove the binding, or correct its name",
		}
		if best := definition.Closest(name, sortedKeys(used)); best != "" {
			f.Advice = "was " + best + " meant?"
		}
		r.Findings = append(r.Findings, f)
	}
}

func hasState(m *statelang.Machine, is func(*statelang.State) bool) bool {
	for _, s := range m.States {
		if is(s) {
			return true
		}
	}
	return false
}

// pointer escapes a name for a JSON pointer.
func pointer(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// broken is the finding for a text that cannot be read.
func broken(err error) definition.Finding {
	var syntax *statelang.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.TooLarge:
		return definition.Finding{
			Rule: definition.RuleLimit, Severity: definition.SeverityError, Line: syntax.At.Line, Column: syntax.At.Column,
			Text: syntax.Message, Advice: "divide the machine into sub state machines",
		}
	case syntax != nil:
		return definition.Finding{
			Rule: definition.RuleSyntax, Severity: definition.SeverityError, Line: syntax.At.Line, Column: syntax.At.Column,
			Text: syntax.Message, Advice: "correct the JSON",
		}
	}
	return definition.Finding{
		Rule: RuleBindings, Severity: definition.SeverityError, Text: err.Error(), Path: "/bindings",
		Advice: "see docs/SAGAS-SEATA.md, \"Bindings\"",
	}
}

// finding translates a finding of the language.
func finding(f statelang.Finding) definition.Finding {
	severity := definition.SeverityHint
	switch f.Severity {
	case statelang.Error:
		severity = definition.SeverityError
	case statelang.Warning:
		severity = definition.SeverityWarning
	}
	out := definition.Finding{
		Rule: definition.Rule(f.Rule), Severity: severity, Line: f.At.Line, Column: f.At.Column, Text: f.Text,
		Advice: f.Advice,
	}
	if f.State != "" {
		out.Path = "/States/" + pointer(f.State)
	}
	return out
}

// Digest is that of a source: another one is another version, if only a space is different, since what was imported is
// given back as it was.
func (s Source) Digest() string {
	sum := sha256.Sum256([]byte(s.Text()))
	return hex.EncodeToString(sum[:])
}
