package definition

// Predecessors returns for each step the edges that lead to it, defaults resolved: of a step that others name in
// OnRefused, an edge from each of them with Refused set; of a step without After, one from the step before it in the
// document; otherwise After. Edges to steps that do not exist are kept.
func (d *Definition) Predecessors() [][]Edge {
	caught := map[string][]Edge{}
	for _, s := range d.Steps {
		if s.OnRefused.Action == RefusedCatch {
			caught[s.OnRefused.Step] = append(caught[s.OnRefused.Step], Edge{Step: s.ID, Refused: true})
		}
	}
	out := make([][]Edge, len(d.Steps))
	for i, s := range d.Steps {
		switch {
		case len(caught[s.ID]) > 0:
			out[i] = append(out[i], caught[s.ID]...)
			out[i] = append(out[i], s.After...)
		case s.After != nil:
			out[i] = append(out[i], s.After...)
		case i > 0:
			out[i] = []Edge{{Step: d.Steps[i-1].ID}}
		}
	}
	return out
}

// Order returns the indexes of the steps so that each comes after its predecessors, and otherwise in document order.
// The steps of a cycle, and those behind it, are not in it.
func (d *Definition) Order() []int {
	index := make(map[string]int, len(d.Steps))
	for i, s := range d.Steps {
		if _, twice := index[s.ID]; !twice {
			index[s.ID] = i
		}
	}
	waits, next := make([]int, len(d.Steps)), make([][]int, len(d.Steps))
	for i, edges := range d.Predecessors() {
		for _, e := range edges {
			if from, ok := index[e.Step]; ok {
				waits[i]++
				next[from] = append(next[from], i)
			}
		}
	}
	ready := &lowest{}
	for i, n := range waits {
		if n == 0 {
			ready.push(i)
		}
	}
	out := make([]int, 0, len(d.Steps))
	for len(ready.of) > 0 {
		i := ready.pop()
		out = append(out, i)
		for _, j := range next[i] {
			if waits[j]--; waits[j] == 0 {
				ready.push(j)
			}
		}
	}
	return out
}

// lowest is a heap of indexes.
type lowest struct{ of []int }

func (l *lowest) push(n int) {
	l.of = append(l.of, n)
	for i := len(l.of) - 1; i > 0 && l.of[(i-1)/2] > l.of[i]; i = (i - 1) / 2 {
		l.of[i], l.of[(i-1)/2] = l.of[(i-1)/2], l.of[i]
	}
}

func (l *lowest) pop() int {
	n, last := l.of[0], len(l.of)-1
	l.of[0], l.of = l.of[last], l.of[:last]
	for i := 0; 2*i+1 < last; {
		child := 2*i + 1
		if child+1 < last && l.of[child+1] < l.of[child] {
			child++
		}
		if l.of[i] <= l.of[child] {
			break
		}
		l.of[i], l.of[child] = l.of[child], l.of[i]
		i = child
	}
	return n
}
