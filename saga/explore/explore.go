package explore

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
)

// Options bound an exploration. The zero value is the default.
type Options struct {
	// StatesMax is how many states are looked at before the exploration is cut; 0: until so many steps and branches were
	// looked at in them as takes 2 to 3 s, whatever the definition is like.
	StatesMax int
	// FailuresMax is after how many different failures it ends; 0: 20.
	FailuresMax int
	// Stop, unless nil, is asked before each path but the first whether that is enough; then the exploration is cut.
	Stop func() bool

	workMax int // how much work may be done, as [world.work] has it, and somewhat more; 0: any
	size    int // how many steps the planner goes through at each look
}

// Report is what was found.
type Report struct {
	// States and Paths count what was looked at: different states, and ends that were reached.
	States, Paths int
	// Exhaustive is false if the exploration was cut. Then Troubles says up to how many things may go otherwise than well
	// on one path for all such paths to have been looked at: answers that are no, or are lost, the deadline, a person who
	// cancels. It is -1 if not even all paths on which nothing does were looked at.
	Exhaustive bool
	Troubles   int
	// Cycles says that there are cycles that can be gone through for ever. They were left after some rounds.
	Cycles bool
	// Failures are the paths that end badly, the shortest of each kind, in order of their length.
	Failures []Failure
	// Unsure are the paths at whose end a person has to see to it because the definition wants it so, the shortest of each
	// step.
	Unsure []Failure
	// Crashes is at how many events a crash was tried, of CrashesOf at which it could have been, on all walks. It is fewer
	// where a run has many branches.
	Crashes, CrashesOf int

	all bool // all paths were looked at, but for the rounds of cycles
}

// Part says in words which part was looked at as a whole.
func (r *Report) Part() string {
	rounds := ""
	if r.Cycles {
		rounds = " that leave cycles after " + strconv.Itoa(Rounds) + " rounds"
	}
	switch {
	case r.all:
		return "all paths" + rounds
	case r.Troubles < 0:
		return "some paths"
	case r.Troubles == 0:
		return "all paths" + rounds + " on which nothing goes wrong, and some others"
	case r.Troubles == 1:
		return "all paths" + rounds + " on which one thing goes wrong, and some others"
	}
	return fmt.Sprintf("all paths%s on which up to %d things go wrong, and some others", rounds, r.Troubles)
}

// Rounds is after how many rounds cycles are left that can be gone through for ever.
const Rounds = 3

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
		o.StatesMax, o.workMax, o.size = math.MaxInt, workMax, len(program.Names())
	}
	return Explore(&own{program, def}, o), nil
}

// Explore explores a definition in whatever language. [Options.StatesMax] has to be set.
func Explore(of Subject, o Options) Report {
	if o.FailuresMax == 0 {
		o.FailuresMax = 20
	}
	x := newExplorer(of)
	r := Report{Troubles: -1}
	looked := func() { r.States, r.Paths = max(r.States, x.states), max(r.Paths, x.paths) }
	// First the paths on which nothing goes wrong, or one thing: they are few, and have the shortest failures. Then all.
	// If these are too many, those on which two things go wrong, and so on.
	whole := true
	for n := 0; n <= 1 && whole && !r.all && !x.stopped; n++ {
		x.workMax = o.workMax / [...]int{wellPart, 1}[n]
		if whole = x.walk(n, o); whole {
			r.Troubles, r.all = n, !x.spared // if nothing was left out, these were all
		}
		looked()
	}
	if !r.all && !x.stopped {
		x.workMax = max(o.workMax/allOf*allPart, x.work+o.workMax/leastPart)
		if r.all = x.walk(unbounded, o); r.all {
			r.States, r.Paths = 0, 0
		}
		looked()
	}
	o.StatesMax /= laterPart
	x.workMax = x.work + o.workMax/leastPart
	for n := 2; whole && !r.all && n <= troublesMax && !x.stopped && x.walk(n, o); n++ {
		r.Troubles = n
		looked()
	}
	r.Cycles, r.Exhaustive = x.cycles, r.all && !x.cycles
	r.Failures, r.Unsure = sorted(x.failures), sorted(x.unsure)
	r.Crashes, r.CrashesOf = x.crashed, x.crashes
	return r
}

// sorted has the shortest first.
func sorted(found map[string]Failure) []Failure {
	var out []Failure
	for _, f := range found {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Failure) int {
		if n := len(a.Timeline) - len(b.Timeline); n != 0 {
			return n
		}
		return strings.Compare(a.Step+a.Text, b.Step+b.Text)
	})
	return out
}

// The bounds of an exploration.
const (
	workMax     = 48_000_000
	wellPart    = 4 // the walk on which nothing goes wrong may take such a part of it
	allPart     = 3 // so many of allOf parts of it may be taken when the walk of all paths is cut
	allOf       = 4
	leastPart   = 8 // but that may take such a part, and so may all that come behind it
	laterPart   = 4 // what is looked at behind the walk that was cut may take such a part of its states
	troublesMax = 4
	unbounded   = -1
)

// walk goes all paths on which at most so many things go wrong, and returns whether it was not cut.
func (x *explorer) walk(troubles int, o Options) bool {
	x.choices, x.marks, x.at, x.budget, x.size = nil, nil, 0, troubles, o.size
	x.seen, x.states, x.paths, x.spared = map[[32]byte]bool{}, 0, 0, false
	for w := x.begin(); w != nil; w = x.next() {
		x.stopped = o.Stop != nil && x.paths > 0 && o.Stop()
		if x.stopped || x.states >= o.StatesMax || o.workMax > 0 && x.work >= x.workMax ||
			len(x.failures) >= o.FailuresMax {
			return false
		}
		x.path(w)
	}
	return true
}

// explorer walks all paths, one after the other: a path is the list of the choices that were made on it.
type explorer struct {
	of       Subject
	seen     map[[32]byte]bool
	failures map[string]Failure
	unsure   map[string]Failure
	paths    int
	states   int  // that were looked at, those in which nothing can be chosen included
	workMax  int  // see Options, up to the end of this walk
	work     int  // that all states were, of all walks
	size     int  // see Options
	budget   int  // how many things go wrong on a path, at most; unbounded: any number
	spared   bool // something was left out because of that
	stopped  bool
	cycles   bool // one was left
	rules    txn.Rules
	now      *world         // that goes on
	numbers  map[string]int // of the questions to the oracle, in the order in which they came up
	applied  int            // events
	crashes  int            // that could have been tried
	crashed  int            // that were

	choices []choice
	at      int    // how many of them this path has made
	marks   []mark // of this path, one before each event

	script *script // what is followed instead of all paths; nil: all paths
	end    []Event // how the last path went
}

func newExplorer(of Subject) *explorer {
	x := &explorer{
		of: of, budget: unbounded, failures: map[string]Failure{}, unsure: map[string]Failure{}, numbers: map[string]int{},
		rules: txn.DefaultRules(),
	}
	x.rules.Planners = &planners{of.Planner(x)}
	x.rules.Retry.Attempts = 1 // all attempts of a step are one here
	return x
}

// Choose implements [Oracle] for the planner, which is the same for all worlds.
func (x *explorer) Choose(what string, n int) int { return x.now.Choose(what, n) }

// number returns the number of a question.
func (x *explorer) number(what string) int {
	n, known := x.numbers[what]
	if !known {
		n = len(x.numbers)
		x.numbers[what] = n
	}
	return n
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
