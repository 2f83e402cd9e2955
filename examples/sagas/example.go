package main

import (
	"embed"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/definition"
)

//go:embed *.yaml *.json
var files embed.FS

// example is one of the definitions in this folder.
type example struct {
	name string // of the file
	what string
	subs []string // files of the sagas that it runs
}

// examples lists them all.
var examples = [...]example{
	{"travel", "flight, hotel and car at the same time; all are cancelled if one is refused", nil},
	{"order-pivot", "an order with a payment, after which there is no way back", nil},
	{"loop", "salaries, four transfers at a time, and a question that is repeated", nil},
	{"sub-saga", "a business trip: workers, and the travel saga as one of its steps", []string{"travel"}},
	{"approval", "a purchase that people approve, and a signal that it has come", nil},
}

// find returns the example with a name, that of its file or of its saga.
func find(name string) (*example, error) {
	names := make([]string, 0, len(examples))
	for i := range examples {
		e := &examples[i]
		if e.name == name || e.definition().Name == name {
			return e, nil
		}
		names = append(names, e.name)
	}
	if best := definition.Closest(name, names); best != "" {
		return nil, fmt.Errorf("there is no example %q; did you mean %s?", name, best)
	}
	return nil, fmt.Errorf("there is no example %q; there are:\n%s", name, listed())
}

// text returns a file of this folder.
func text(name string) string {
	raw, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(raw)
}

// definition returns what the example's file defines.
func (e *example) definition() *definition.Definition { return parse(e.name) }

func parse(name string) *definition.Definition {
	def, findings := definition.Parse([]byte(text(name + ".yaml")))
	if definition.Broken(findings) {
		panic(fmt.Sprint(name, ": ", findings)) // a test reads them all
	}
	return def
}

// definitions returns those of the example and of the sagas that it runs, which come first.
func (e *example) definitions() (all []*definition.Definition) {
	for _, name := range append(slices.Clone(e.subs), e.name) {
		all = append(all, parse(name))
	}
	return all
}

// tasks returns the tasks that workers do for the example.
func (e *example) tasks() (all []string) {
	for _, def := range e.definitions() {
		for _, s := range def.Steps {
			if s.Worker != nil {
				all = append(all, s.Worker.Task)
			}
			if s.Compensate != nil && s.Compensate.Worker != nil {
				all = append(all, s.Compensate.Worker.Task)
			}
		}
	}
	return all
}

// waits reports whether the example waits for people.
func (e *example) waits() bool {
	return slices.ContainsFunc(e.definition().Steps, func(s *definition.Step) bool {
		return s.Approval != nil || s.Signal != nil
	})
}

// approval reports whether a step is one.
func (e *example) approval(step string) bool {
	s, _ := e.definition().Step(step)
	return s != nil && s.Approval != nil
}

// faults says how the services fail when these steps are to fail.
func (e *example) faults(o *options) (map[string]*fault, error) {
	all := map[string]*fault{}
	for _, list := range []struct {
		steps []string
		set   func(f *fault, s *definition.Step, pivoted bool)
	}{
		{o.refuse, func(f *fault, s *definition.Step, pivoted bool) {
			if pivoted {
				f.delay = 2 // there nobody may say no: it is tried until it is done
				return
			}
			f.refuse = true
			if s.ForEach != nil {
				f.pass = 2 // so that there is something to undo
			}
		}},
		{o.lose, func(f *fault, _ *definition.Step, _ bool) { f.lose = 1 }},
		{o.silence, func(f *fault, _ *definition.Step, _ bool) { f.silent = true }},
	} {
		for _, name := range list.steps {
			s, pivoted, err := e.step(name)
			if err != nil {
				return nil, err
			}
			service := stepService(s)
			switch {
			case service == "" && s.Approval != nil && slices.Contains(o.refuse, name):
				continue // a person rejects it
			case service == "":
				return nil, fmt.Errorf("step %s has no participant that could fail: it is %s", name, article(s.Kind))
			case all[service] == nil:
				all[service] = &fault{}
			}
			list.set(all[service], s, pivoted)
		}
	}
	return all, nil
}

// step finds a step of the example or of a saga that it runs, and says whether it is behind a pivot.
func (e *example) step(id string) (*definition.Step, bool, error) {
	var names []string
	for _, def := range e.definitions() {
		pivoted := false
		for _, s := range def.Steps {
			if s.ID == id {
				return s, pivoted, nil
			}
			names, pivoted = append(names, s.ID), pivoted || s.Pivot
		}
	}
	if best := definition.Closest(id, names); best != "" {
		return nil, false, fmt.Errorf("%s has no step %q; did you mean %s?", e.name, id, best)
	}
	return nil, false, fmt.Errorf("%s has no step %q; it has %s", e.name, id, strings.Join(names, ", "))
}

// stepService returns which of the participant's services does a step, "" if none.
func stepService(s *definition.Step) string {
	switch {
	case s.Worker != nil:
		return serviceOfTask(s.Worker.Task)
	case s.Call == nil:
		return ""
	}
	address, _ := s.Call.URL.Literal.(string)
	if len(s.Call.URL.Parts) > 0 {
		address = s.Call.URL.Parts[0].Text // what follows depends on data
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	service := serviceOf(u.Path)
	if s.Call.Method == "GET" {
		service += readSuffix
	}
	return service
}

func article(k definition.Kind) string {
	if k == definition.KindApproval {
		return "an " + k.String()
	}
	return "a " + k.String()
}
