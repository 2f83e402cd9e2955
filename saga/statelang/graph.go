package statelang

// follows lists the states that may come after a state, as Seata counts them: Next, catches, choices and the default.
// Branches are ours.
func follows(s *State) []Target {
	var out []Target
	add := func(t Target) {
		if t.Name != "" {
			out = append(out, t)
		}
	}
	add(s.Next)
	for _, c := range s.Catch {
		add(c.Next)
	}
	for _, c := range s.Choices {
		add(c.Next)
	}
	add(s.Default)
	for _, b := range s.Branches {
		add(b)
	}
	return out
}

// reachable returns the states that the machine can come to from its start going forward.
func (m *Machine) reachable() map[*State]bool {
	seen := map[*State]bool{}
	stack := []*State{}
	push := func(s *State) {
		if s != nil && !seen[s] {
			seen[s] = true
			stack = append(stack, s)
		}
	}
	push(m.State(m.StartState))
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, t := range follows(s) {
			push(m.State(t.Name))
		}
	}
	return seen
}

// component is a set of states that all lead to each other, in the order of the document.
type component struct {
	states []*State
	// cyclic is false for a single state that does not lead to itself.
	cyclic bool
	// exit is true if a state outside may come after one of them.
	exit bool
}

// components returns the strongly connected components among the states (Tarjan's algorithm, without recursion).
func (m *Machine) components(of map[*State]bool) []component {
	t := &tarjan{machine: m, of: of, index: map[*State]int{}, low: map[*State]int{}, open: map[*State]bool{}}
	for _, s := range m.States {
		if of[s] && t.index[s] == 0 {
			t.visit(s)
		}
	}
	for i := range t.out {
		m.finish(&t.out[i])
	}
	return t.out
}

// finish says whether a component is cyclic and has an exit.
func (m *Machine) finish(c *component) {
	inside := map[string]bool{}
	for _, s := range c.states {
		inside[s.Name] = true
	}
	c.cyclic = len(c.states) > 1
	ordered := make([]*State, 0, len(c.states))
	for _, s := range m.States {
		if !inside[s.Name] {
			continue
		}
		ordered = append(ordered, s)
		for _, t := range follows(s) {
			if t.Name == s.Name {
				c.cyclic = true
			}
			if !inside[t.Name] {
				c.exit = true
			}
		}
	}
	c.states = ordered
}

type tarjan struct {
	machine    *Machine
	of         map[*State]bool
	index, low map[*State]int
	open       map[*State]bool
	stack      []*State
	out        []component
}

// frame is a state whose followers are gone through.
type frame struct {
	state *State
	next  []Target
}

func (t *tarjan) enter(s *State) frame {
	t.index[s] = len(t.index) + 1
	t.low[s] = t.index[s]
	t.open[s] = true
	t.stack = append(t.stack, s)
	return frame{state: s, next: follows(s)}
}

func (t *tarjan) visit(s *State) {
	frames := []frame{t.enter(s)}
	for len(frames) > 0 {
		f := &frames[len(frames)-1]
		if len(f.next) > 0 {
			to := t.machine.State(f.next[0].Name)
			f.next = f.next[1:]
			switch {
			case to == nil || !t.of[to]:
			case t.index[to] == 0:
				frames = append(frames, t.enter(to))
			case t.open[to]:
				t.low[f.state] = min(t.low[f.state], t.index[to])
			}
			continue
		}
		done := f.state
		frames = frames[:len(frames)-1]
		if len(frames) > 0 {
			above := frames[len(frames)-1].state
			t.low[above] = min(t.low[above], t.low[done])
		}
		if t.low[done] == t.index[done] {
			t.pop(done)
		}
	}
}

// pop takes a component off the stack.
func (t *tarjan) pop(root *State) {
	for i := len(t.stack) - 1; ; i-- {
		s := t.stack[i]
		t.open[s] = false
		if s == root {
			c := component{states: append([]*State(nil), t.stack[i:]...)}
			t.stack = t.stack[:i]
			t.out = append(t.out, c)
			return
		}
	}
}
