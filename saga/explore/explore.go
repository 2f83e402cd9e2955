package explore

import (
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
	"slices"
	"strings"
)

// Options bound an exploration. The zero value is the default.
type Options struct {
	// StatesMax is how many states are looked at; 0: 100,000.
	StatesMax int
	// FailuresMax is after how many different failures it ends; 0: 20.
	FailuresMax int
	// Stop, unless nil, is asked before each path but the first whether that is enough; then the exploration is cut.
	Stop func() bool
}

// Report is what was found.
type Report struct {
	// States and Paths count what was looked at: different states, and ends that were reached.
	States, Paths int
	// Exhaustive is false if the exploration was cut.
	Exhaustive bool
	// Failures are the paths that end badly, the shortest of each kind, in order of their length.
	Failures []Failure
}

// Failure is a path that ends neither done nor compensated.
type Failure struct {
	// Step is the id of the step that it is about, with the sub-saga before it; Text says what is wrong.
	Step, Text string
	// Timeline is what has to happen for it.
	Timeline []Event
}

// Event is one thing that happens on a path.
type Event struct {
	Step string // "" for the saga itself
	Text string
}

// String returns a line.
func (e Event) String() string {
	if e.Step == "" {
		return e.Text
	}
	return e.Step + ": " + e.Text
}

// eventsMax bounds the events of one path.
const eventsMax = 20_000

// Run explores a definition, which has to be sound by saga/validate; subs has the sub-sagas. The error is that of
// [plan.Compile].
func Run(def *definition.Definition, subs plan.Resolve, o Options) (Report, error) {
	program, err := plan.Compile(def, subs)
	if err != nil {
		return Report{}, err
	}
	if o.StatesMax == 0 {
		o.StatesMax = 100_000
	}
	if o.FailuresMax == 0 {
		o.FailuresMax = 20
	}
	x := &explorer{program: program, def: def, seen: map[[32]byte]bool{}, failures: map[string]Failure{}}
	exhaustive := true
	for w := x.begin(); w != nil; w = x.next() {
		enough := o.Stop != nil && x.paths > 0 && o.Stop()
		if enough || len(x.seen) >= o.StatesMax || len(x.failures) >= o.FailuresMax {
			exhaustive = false
			break
		}
		x.path(w)
	}
	r := Report{States: len(x.seen), Paths: x.paths, Exhaustive: exhaustive}
	for _, f := range x.failures {
		r.Failures = append(r.Failures, f)
	}
	slices.SortFunc(r.Failures, func(a, b Failure) int {
		if n := len(a.Timeline) - len(b.Timeline); n != 0 {
			return n
		}
		return strings.Compare(a.Step+a.Text, b.Step+b.Text)
	})
	return r, nil
}

// explorer walks all paths, one after the other: a path is the list of the choices that were made on it.
type explorer struct {
	program  *plan.Program
	def      *definition.Definition
	seen     map[[32]byte]bool
	failures map[string]Failure
	paths    int

	choices []choice
	at      int    // how many of them this path has made
	marks   []mark // of this path, one before each event

	script *script // what is followed instead of all paths; nil: all paths
	end    []Event // how the last path went
}

// mark is where a path can be taken up again.
type mark struct {
	w  *world
	at int
}

type choice struct{ took, of int }

// next goes to the next path: the last choice that has another way takes it. It returns nil after the last one, else
// the state before the event with that choice.
func (x *explorer) next() *world {
	for n := len(x.choices) - 1; n >= 0; n-- {
		if x.choices[n].took+1 < x.choices[n].of {
			x.choices[n].took++
			x.choices = x.choices[:n+1]
			m := len(x.marks) - 1
			for x.marks[m].at > n {
				m--
			}
			x.at, x.marks = x.marks[m].at, x.marks[:m]
			return x.marks[:m+1][m].w
		}
	}
	return nil
}

// choose makes a choice. Script says how it was made where a path is gone again.
func (x *explorer) choose(n int, script func(*script) int) int {
	if x.script != nil {
		return script(x.script)
	}
	if x.at == len(x.choices) {
		x.choices = append(x.choices, choice{0, n})
	}
	x.at++
	return x.choices[x.at-1].took
}
