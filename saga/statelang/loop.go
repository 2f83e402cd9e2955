package statelang

import (
	"fmt"
	"maps"

	"github.com/concord-tx/concord/saga/limits"
)

// LoopItems returns what a task is run for, or nil if it is run once as any other task: it has no loop, the collection
// is no list, or the list is empty.
func LoopItems(s *State, context map[string]any) ([]any, error) {
	if s.Loop == nil || s.Type != ServiceTask && s.Type != ScriptTask && s.Type != SubStateMachine {
		return nil, nil
	}
	value, err := s.Loop.Collection.eval(context, nil)
	if err != nil {
		return nil, fmt.Errorf("evaluate the collection of %s: %w", s.Name, err)
	}
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, nil
	}
	if len(list) > limits.MachineLoopItemsMax {
		return nil, fmt.Errorf("the collection of %s has %d elements; %d are the most", s.Name, len(list),
			limits.MachineLoopItemsMax)
	}
	return list, nil
}

// LoopContext is the context of one instance: a copy with its element and index.
func LoopContext(l *Loop, context map[string]any, items []any, index int) map[string]any {
	out := make(map[string]any, len(context)+2)
	maps.Copy(out, context)
	out[l.ElementIndexName] = int32(index)
	if items[index] != nil {
		out[l.ElementVariableName] = items[index]
	}
	return out
}

// LoopState is how far a loop is.
type LoopState struct {
	// Instances is how many elements there are.
	Instances int
	// Waiting are the indexes that were not started yet, in order.
	Waiting []int
	// Again are those that failed before the machine was resumed; they go first, whatever the condition says.
	Again []int
	// Active and Completed count instances that run, and that ended without an exception.
	Active, Completed int
	// Broken is true if an instance failed: no further one is started.
	Broken bool
	// Satisfied is true once the condition was; it stays so.
	Satisfied bool
	// Unconditional is true where the condition is not asked, because there is no data that it could be asked of.
	Unconditional bool
}

// NewLoopState is a loop that begins.
func NewLoopState(instances int) LoopState {
	l := LoopState{Instances: instances}
	for i := range instances {
		l.Waiting = append(l.Waiting, i)
	}
	return l
}

// ResumeLoop is a loop that goes on after its machine was resumed. Done lists the instances of its state that are not
// ignored, in the order of execution; those that did not succeed are started again.
func ResumeLoop(instances int, done []Instance) LoopState {
	l := LoopState{Instances: instances}
	seen := map[int]bool{}
	for _, i := range done {
		_, index := i.StateName()
		if i.Ignored || index < 0 || seen[index] {
			continue
		}
		seen[index] = true
		if i.Status == Succeeded {
			l.Completed++
		} else {
			l.Again = append(l.Again, index)
		}
	}
	for i := range instances {
		if !seen[i] {
			l.Waiting = append(l.Waiting, i)
		}
	}
	return l
}

// Variables are those of the condition; they are doubles.
func (l LoopState) Variables() map[string]any {
	return map[string]any{
		"nrOfInstances": float64(l.Instances), "nrOfActiveInstances": float64(l.Active),
		"nrOfCompletedInstances": float64(l.Completed),
	}
}

// LoopWindow returns the indexes to start now and the state after it: as many as there is room for beside those that
// run. It asks the condition before each start. The loop is done if nothing is to be started and nothing runs.
func LoopWindow(loop *Loop, l LoopState, context map[string]any) (start []int, after LoopState, err error) {
	room := min(max(loop.Parallel, 1), max(l.Instances, 1))
	for l.Active < room {
		switch {
		case len(l.Again) > 0:
			start, l.Again = append(start, l.Again[0]), l.Again[1:]
		case len(l.Waiting) == 0 || l.Broken:
			return start, l, nil
		default:
			if l, err = l.ask(loop, context); err != nil || l.Satisfied {
				return start, l, err
			}
			start, l.Waiting = append(start, l.Waiting[0]), l.Waiting[1:]
		}
		l.Active++
	}
	return start, l, nil
}

// ask evaluates the condition, unless it was true before.
func (l LoopState) ask(loop *Loop, context map[string]any) (LoopState, error) {
	if l.Satisfied || l.Completed >= l.Instances {
		l.Satisfied = true
		return l, nil
	}
	if l.Unconditional {
		return l, nil
	}
	root := make(map[string]any, len(context)+3)
	maps.Copy(root, context)
	maps.Copy(root, l.Variables())
	value, err := loop.CompletionCondition.eval(root, nil)
	if err != nil {
		return l, fmt.Errorf("evaluate the condition of the loop: %w", err)
	}
	l.Satisfied = value == true
	return l, nil
}

// Ended is the loop after an instance ended. What did not succeed or threw breaks it.
func (l LoopState) Ended(status Status, e *Exception) LoopState {
	l.Active--
	if e == nil {
		l.Completed++
	}
	l.Broken = l.Broken || status != Succeeded || e != nil
	return l
}

// LoopVariables are what a loop leaves in the context: the output of each instance in the order of their start.
func LoopVariables(s *State, results []any, next Generator) (map[string]any, error) {
	list := make([]any, 0, len(results))
	for _, result := range results {
		output, err := EvalOutput(s, result, next)
		if err != nil {
			return nil, err
		}
		list = append(list, output)
	}
	return map[string]any{loopResult: list}, nil
}

// LoopCatch returns where a loop with failed instances leads: the first of their catches that is a CompensationTrigger,
// else the first one; none if nothing was caught, and then the machine breaks off with the first exception.
func LoopCatch(m *Machine, s *State, exceptions []*Exception) (next string, caught bool) {
	for _, e := range exceptions {
		to, ok := CatchTarget(s, e)
		if !ok || to == "" {
			continue
		}
		if target := m.State(to); target != nil && target.Type == CompensationTrigger {
			return to, true
		}
		if !caught {
			next, caught = to, true
		}
	}
	return next, caught
}
