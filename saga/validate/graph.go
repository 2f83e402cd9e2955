package validate

import (
	"github.com/concord-tx/concord/saga/definition"
)

// graph is what follows from the edges of a definition.
type graph struct {
	def    *definition.Definition
	index  map[string]int
	before [][]definition.Edge // resolved; edges to steps that do not exist are left out
	order  []int               // without the steps of cycles and those behind them
	above  []bits              // the steps from which each can be reached
	splits []split             // of each step: its ways out, if it has several
	all    bits                // all ways of all splits
	ways   []bits              // the ways that a run which reaches each step may have taken
	pivots []bool              // the step is a pivot, or a sub-saga with one
	passed []bool              // a pivot is done for sure when the step begins
}

// split is where a run goes one of several ways: the cases of a choice, or done and refused of a step that is caught.
// Its ways are the numbers from first to last.
type split struct {
	first, last int
	cases       map[string]int
	refused     int // the way of a refusal; -1: none
}

type bits []uint64

func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) clear(i int)    { b[i/64] &^= 1 << (i % 64) }
func (b bits) add(other bits) {
	for i := range b {
		b[i] |= other[i]
	}
}

// within reports whether all of b is in other.
func (b bits) within(other bits) bool {
	for i := range b {
		if b[i]&^other[i] != 0 {
			return false
		}
	}
	return true
}

// newGraph follows the edges. Of sub-sagas, pivot says whether they are not done without a pivot.
func newGraph(d *definition.Definition, pivot func(*definition.Sub) bool) *graph {
	n := len(d.Steps)
	g := &graph{def: d, index: make(map[string]int, n), before: make([][]definition.Edge, n), order: d.Order(),
		above: make([]bits, n), ways: make([]bits, n), passed: make([]bool, n)}
	for i, s := range d.Steps {
		if _, twice := g.index[s.ID]; !twice {
			g.index[s.ID] = i
		}
		g.above[i] = make(bits, n/64+1)
		g.pivots = append(g.pivots, s.Sub == nil && s.Pivot || s.Sub != nil && pivot(s.Sub))
	}
	g.split()
	for i, edges := range d.Predecessors() {
		for _, e := range edges {
			if _, ok := g.index[e.Step]; ok {
				g.before[i] = append(g.before[i], e)
			}
		}
		g.ways[i] = g.all
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

// split numbers the ways out of the steps that have several.
func (g *graph) split() {
	next := 0
	for _, s := range g.def.Steps {
		one := split{first: next, cases: map[string]int{}, refused: -1}
		if s.Choice != nil {
			for _, name := range caseNames(s.Choice) {
				if _, twice := one.cases[name]; !twice {
					one.cases[name] = next
					next++
				}
			}
		}
		if s.OnRefused.Action == definition.RefusedCatch {
			if s.Choice == nil {
				next++ // the way of done
			}
			one.refused = next
			next++
		}
		one.last = next - 1
		g.splits = append(g.splits, one)
	}
	g.all = make(bits, next/64+1)
	for way := range next {
		g.all.set(way)
	}
}

// take leaves of the ways out of a step those that an edge takes.
func (g *graph) take(ways bits, e definition.Edge) {
	s := g.splits[g.index[e.Step]]
	only, known := s.cases[e.Case]
	if e.Refused {
		only, known = s.refused, s.refused >= 0
	}
	for way := s.first; way <= s.last; way++ {
		if known && way != only || !known && way == s.refused {
			ways.clear(way)
		}
	}
}

// waysTo joins the ways of the predecessors.
func (g *graph) waysTo(i int) bits {
	if len(g.before[i]) == 0 {
		return g.all
	}
	joined, one := make(bits, len(g.all)), make(bits, len(g.all))
	for _, e := range g.before[i] {
		copy(one, g.ways[g.index[e.Step]])
		g.take(one, e)
		joined.add(one)
	}
	return joined
}

// exclusive reports whether no run has both steps.
func (g *graph) exclusive(a, b int) bool {
	for _, s := range g.splits {
		if s.first > s.last {
			continue
		}
		common := false
		for way := s.first; way <= s.last && !common; way++ {
			common = g.ways[a].has(way) && g.ways[b].has(way)
		}
		if !common {
			return true
		}
	}
	return false
}

// sure reports whether a step has been done for sure when another one, behind it, begins.
func (g *graph) sure(step, behind int) bool {
	s := g.def.Steps[step]
	if s.When != "" || s.OnRefused.Action == definition.RefusedContinue {
		return false
	}
	if refused := g.splits[step].refused; refused >= 0 && g.ways[behind].has(refused) {
		return false
	}
	if len(g.before[step]) == 1 && g.skippable(g.index[g.before[step][0].Step]) {
		return false // skipped with all that is before it
	}
	return g.ways[behind].within(g.ways[step])
}

// always reports whether each run that is done has done a step.
func (g *graph) always(i int) bool {
	s := g.def.Steps[i]
	return g.all.within(g.ways[i]) && !g.skippable(i) &&
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
		if g.perhapsDone(j, i) {
			return j
		}
	}
	return -1
}

// perhapsDone reports whether a step may have been done, and not refused, when one behind it begins.
func (g *graph) perhapsDone(step, behind int) bool {
	s := g.splits[step]
	if s.refused < 0 {
		return true
	}
	for way := s.first; way <= s.last; way++ {
		if way != s.refused && g.ways[behind].has(way) {
			return true
		}
	}
	return false
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
