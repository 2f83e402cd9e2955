package machine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang"
)

// Resolve returns the definition of a sub state machine, or an error that says why there is none.
type Resolve func(name string) (*Definition, error)

// Program is a machine that is ready to run. It is immutable and may be used by many at once.
type Program struct {
	machine  *statelang.Machine
	bindings *Bindings
	subs     map[string]*Program // by the name of the machine
	height   int                 // how deep these are nested
	oracle   Oracle              // nil: expressions are evaluated
}

// Compile makes a planner of a definition in which no error was found. The machines that it calls are compiled along,
// each once. Services of sub state machines that their own definition does not bind are where the caller's bindings
// have them.
func Compile(d *Definition, subs Resolve) (*Program, error) {
	l := linker{outer: d.Bindings, subs: subs, made: map[string]*Program{}}
	return l.compile(d, 0)
}

// linker compiles machines that call each other.
type linker struct {
	outer *Bindings
	subs  Resolve
	made  map[string]*Program
}

// errTooDeep: more machines call each other than there may be.
var errTooDeep = fmt.Errorf("machines are nested more than %d deep", limits.MachinesNestedMax)

func tooDeep(machine string) error { return fmt.Errorf("state machine %s: %w", machine, errTooDeep) }

// called compiles a machine that is called at a depth.
func (l *linker) called(name string, depth int) (*Program, error) {
	if p := l.made[name]; p != nil {
		if depth+p.height >= limits.MachinesNestedMax {
			return nil, tooDeep(name)
		}
		return p, nil
	}
	if l.subs == nil {
		return nil, fmt.Errorf("machine %s is not known here", name)
	}
	d, err := l.subs(name)
	if err != nil {
		return nil, err
	}
	p, err := l.compile(d, depth)
	if err == nil {
		l.made[name] = p
	}
	return p, err
}

func (l *linker) compile(d *Definition, depth int) (*Program, error) {
	m := d.Machine
	if depth >= limits.MachinesNestedMax {
		return nil, tooDeep(m.Name)
	}
	p := &Program{machine: m, bindings: &Bindings{Services: map[string]*Binding{}}, subs: map[string]*Program{}}
	if m.State(m.StartState) == nil {
		return nil, fmt.Errorf("state machine %s: there is no state %q to start with", m.Name, m.StartState)
	}
	for _, s := range m.States {
		key := ServiceKey(s)
		if key != "" {
			b := d.Bindings.of(s)
			if b == nil {
				b = l.outer.of(s)
			}
			if b == nil {
				return nil, fmt.Errorf("state machine %s, state %s: service %s is not bound", m.Name, s.Name, key)
			}
			p.bindings.Services[key] = b
		}
		if s.Type != statelang.SubStateMachine || p.subs[s.StateMachineName] != nil {
			continue
		}
		sub, err := l.called(s.StateMachineName, depth+1)
		if err != nil {
			return nil, fmt.Errorf("state machine %s, state %s: %w", m.Name, s.Name, err)
		}
		p.subs[s.StateMachineName], p.height = sub, max(p.height, sub.height+1)
	}
	return p, nil
}

// escapes are the signs by which names of branches are made up.
var escapes = []string{"%", "%25", "/", "%2F", "#", "%23", "~", "%7E", "(", "%28", "[", "%5B"}

// escape has these signs not occur in the name of a state.
func escape(name string) string {
	if !strings.ContainsAny(name, "%/#~([") {
		return name
	}
	return strings.NewReplacer(escapes...).Replace(name)
}

// unescape is the reverse.
func unescape(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	reverse := slices.Clone(escapes)
	slices.Reverse(reverse)
	return strings.NewReplacer(reverse...).Replace(name)
}
