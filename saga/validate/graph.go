package validate

import (
	"github.com/concord-tx/concord/saga/definition"
)

// The ways out of a step that can be caught, beside the cases of a choice.
const (
	wayDone    = "\x00done"
	wayRefused = "\x00refused"
)

// graph is what follows from the edges of a definition.
type graph struct {
	def    *definition.Definition
	index  map[string]int
	before [][]definition.Edge // resolved; edges to steps that do not exist are left out
	order  []int               // without the steps of cycles and those behind them
	above  []bits              // the steps from which each can be reached
	ways   []ways              // on which ways each is reached
	pivots []bool              // the step is a pivot, or a sub-saga with one
	passed []bool              // a pivot is done for sure when the step begins
}

// ways says, for some steps with several ways out, which of those a run must have taken to reach a step.
type ways map[int]map[string]bool

type bits []uint64

func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) add(other bits) {
	for i := range b {
		b[i] |= other[i]
	}
}

// newGraph follows the edges. Of sub-sagas, pivot says whether they are not done without a pivot.
func newGraph(d *definition.Definition, pivot func(*definition.Sub) bool) *graph {
	n := len(d.Steps)
	g := &graph{def: d, index: make(map[string]int, n), before: make([][]definition.Edge, n), order: d.Order(),
		above: make([]bits, n), ways: make([]ways, n), passed: make([]bool, n)}
	for i, s := range d.Steps {
		if _, twice := g.index[s.ID]; !twice {
			g.index[s.ID] = i
		}
		g.above[i] = make(bits, n/64+1)
		g.pivots = append(g.pivots, s.Sub == nil && s.Pivot || s.Sub != nil && pivot(s.Sub))
	}
	for i, edges := range d.Predecessors() {
		for _, e := range edges {
			if _, ok := g.index[e.Step]; ok {
				g.before[i] = append(g.before[i], e)
			}
		}
	}
	for _, i := range g.order {
		for _, e := range g.before[i] {
			from := g.index[e.Step]
			g.above[i].set(from)
			g.above[i].add(g.above[from])
		}
		g.ways[i] = g.waysTo(i)
		g.passed[i] = g.passedBefore(i)
	}
	return g
}

// way returns which way out of its step an edge is, or "" if the step has only one.
func (g *graph) way(e definition.Edge) string {
	switch {
	case e.Refused:
		return wayRefused
	case e.Case != "":
		return e.Case
	case g.def.Steps[g.index[e.Step]].OnRefused.Action == definition.RefusedCatch:
		return wayDone
	}
	return ""
}

// waysTo joins the ways of the predecessors: a step counts if it is on the ways of all of them.
func (g *graph) waysTo(i int) ways {
	var joined ways
	for n, e := range g.before[i] {
		from := g.index[e.Step]
		one := ways{}
		for step, taken := range g.ways[from] {
			one[step] = taken
		}
		if w := g.way(e); w != "" {
			one[from] = map[string]bool{w: true}
		}
		if n == 0 {
			joined = one
			continue
		}
		for step, taken := range joined {
			other, both := one[step]
			if !both {
				delete(joined, step)
				continue
			}
			union := map[string]bool{}
			for w := range taken {
				union[w] = true
			}
			for w := range other {
				union[w] = true
			}
			joined[step] = union
		}
	}
	for step, taken := range joined {
		if len(taken) == g.waysOut(step) {
			delete(joined, step) // all of them lead here
		}
	}
	return joined
}

// waysOut counts the ways out of a step.
func (g *graph) waysOut(i int) int {
	s, n := g.def.Steps[i], 1
	if s.Choice != nil {
		n = len(caseNames(s.Choice))
	}
	if s.OnRefused.Action == definition.RefusedCatch {
		n++
	}
	return n
}

// exclusive reports whether no run has both steps.
func (g *graph) exclusive(a, b int) bool {
	for step, taken := range g.ways[a] {
		if other, both := g.ways[b][step]; both && disjoint(taken, other) {
			return true
		}
	}
	return false
}

func disjoint(a, b map[string]bool) bool {
	for w := range a {
		if b[w] {
			return false
		}
	}
	return true
}

// sure reports whether a step has been done for sure when another one, behind it, begins.
func (g *graph) sure(step, behind int) bool {
	s := g.def.Steps[step]
	if s.When != "" || s.OnRefused.Action == definition.RefusedContinue {
		return false
	}
	if s.OnRefused.Action == definition.RefusedCatch {
		taken, ok := g.ways[behind][step]
		if !ok || taken[wayRefused] {
			return false
		}
	}
	for choice, taken := range g.ways[step] {
		other, both := g.ways[behind][choice]
		if !both {
			return false
		}
		for w := range other {
			if !taken[w] {
				return false
			}
		}
	}
	for _, e := range g.before[step] { // skipped with all that is before it
		if from := g.index[e.Step]; len(g.before[step]) == 1 && g.skippable(from) {
			return false
		}
	}
	return true
}

// always reports whether each run that is done has done a step.
func (g *graph) always(i int) bool {
	s := g.def.Steps[i]
	return len(g.ways[i]) == 0 && !g.skippable(i) &&
		(s.OnRefused.Action == definition.RefusedCompensate || s.OnRefused.Action == 0)
}

// pivotal reports whether the saga is not done without a pivot.
func (g *graph) pivotal() bool {
	for i := range g.def.Steps {
		if g.pivots[i] && g.always(i) {
			return true
		}
	}
	return false
}

// skippable reports whether a step has a condition, or is behind one that has and nothing else.
func (g *graph) skippable(i int) bool {
	for range len(g.def.Steps) {
		if g.def.Steps[i].When != "" {
			return true
		}
		if len(g.before[i]) != 1 {
			return false
		}
		i = g.index[g.before[i][0].Step]
	}
	return false
}

// passedBefore reports whether each run that reaches a step has done a pivot.
func (g *graph) passedBefore(i int) bool {
	every := len(g.before[i]) > 0
	for _, e := range g.before[i] {
		from := g.index[e.Step]
		passed := g.passed[from] || g.pivots[from] && !e.Refused
		if passed && g.sure(from, i) {
			return true
		}
		every = every && passed
	}
	return every
}

// pivotBefore returns a pivot that may be done when a step begins, or -1.
func (g *graph) pivotBefore(i int) int {
	for j := range g.def.Steps {
		if !g.pivots[j] || !g.above[i].has(j) {
			continue
		}
		if taken, split := g.ways[i][j]; !split || !taken[wayRefused] || len(taken) > 1 {
			return j
		}
	}
	return -1
}

// beside reports whether two steps can be under way in any order in one run.
func (g *graph) beside(a, b int) bool {
	return a != b && !g.above[a].has(b) && !g.above[b].has(a) && !g.exclusive(a, b)
}

// mayRefuse reports whether a step can be refused so that the saga has to turn back.
func mayRefuse(s *definition.Step) bool {
	if s.OnRefused.Action == definition.RefusedContinue || s.OnRefused.Action == definition.RefusedCatch {
		return false
	}
	return canBeRefused(s)
}

// canBeRefused reports whether a step can be refused at all.
func canBeRefused(s *definition.Step) bool {
	switch s.Kind {
	case definition.KindCall, definition.KindWorker, definition.KindSubSaga, definition.KindApproval:
		return true
	case definition.KindMessage:
		return s.Message.Reply != "" || s.Retry != nil && s.Retry.Attempts > 0 || s.ForEach != nil
	case definition.KindSignal:
		return s.Timeout > 0 || s.ForEach != nil
	case definition.KindChoice:
		return s.Choice.Else == ""
	}
	return s.ForEach != nil
}

// changes reports whether a step does something that may have to be undone. What a sub-saga does is undone by itself.
func changes(s *definition.Step) bool {
	switch s.Kind {
	case definition.KindCall:
		return !s.ReadOnly && s.Call.Method != "GET"
	case definition.KindMessage, definition.KindWorker:
		return !s.ReadOnly
	}
	return false
}
