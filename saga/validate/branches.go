package validate

import (
	"cmp"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// branches finds sagas that have more branches in each run than a run may have. What depends on data counts as none.
func (c *checker) branches() {
	most := cmp.Or(c.options.BranchesMax, limits.BranchesMax)
	if n := c.sureBranches(c.def, c.graph.order, map[definition.Sub]int{}); n > most {
		c.find(definition.RuleLimit, "/steps", "make it several sagas, or raise limits.branchesMax of the server",
			"a run that is done has at least %d branches; %d are the most", n, most)
	}
}

// sureBranches is how many branches a run registers at least if all is done. It looks at each sub-saga once, and at
// those that start themselves as having none.
func (c *checker) sureBranches(d *definition.Definition, order []int, known map[definition.Sub]int) int {
	n, sure, index := 0, make([]bool, len(d.Steps)), map[string]int{}
	for i, s := range d.Steps {
		index[s.ID] = i
	}
	before := d.Predecessors()
	for _, i := range order {
		s := d.Steps[i]
		sure[i] = len(before[i]) == 0
		for _, e := range before[i] {
			from, there := index[e.Step]
			if there && sure[from] && e.Case == "" && !e.Refused {
				sure[i] = sure[i] || d.Steps[from].OnRefused.Action != definition.RefusedCatch
			}
		}
		if sure[i] = sure[i] && s.When == ""; sure[i] && s.ForEach == nil {
			n += c.branchesOf(s, known)
		}
	}
	return n
}

func (c *checker) branchesOf(s *definition.Step, known map[definition.Sub]int) int {
	switch {
	case s.Kind == definition.KindChoice:
		return 0
	case s.Sub == nil:
		return 1
	case c.options.Sagas == nil:
		return 0
	}
	key := definition.Sub{Saga: s.Sub.Saga, Version: s.Sub.Version}
	n, ok := known[key]
	if !ok {
		known[key] = 0
		if child, there := c.options.Sagas(s.Sub.Saga, s.Sub.Version); there {
			n = c.sureBranches(child, child.Order(), known)
			known[key] = min(n, limits.StepsInAllMax)
		}
	}
	return min(n, limits.StepsInAllMax)
}
