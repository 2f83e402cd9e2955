package machine

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang"
)

// task runs one instance: its input, the call with its retries, its status, its output. E is an exception for a Catch.
func (f *frame) task(i *instance) (e *statelang.Exception, broke *breaking, wait bool) {
	f.last, e, broke, wait = f.perform(i, func(input []any) (statelang.Outcome, bool) { return f.invoke(i, input) })
	return e, broke, wait
}

// perform is task for whatever is called, and also returns what that has returned.
func (f *frame) perform(
	i *instance, call func(input []any) (o statelang.Outcome, wait bool),
) (result any, e *statelang.Exception, broke *breaking, wait bool) {
	if late := f.tooLate(i); late != nil {
		return nil, nil, late, false
	}
	input, err := f.input(i)
	if err != nil {
		return nil, nil, &breaking{"input", engine("%s", err), nil}, false
	}
	f.add(i)
	o, wait := call(input)
	if wait {
		return nil, nil, nil, true
	}
	decided, err := f.statusOf(i.state, o)
	i.Status, i.threw = decided.Status, o.Exception
	switch {
	case err != nil:
		return o.Result, nil, &breaking{"status", engine("%s", err), i}, false
	case decided.NoMatch:
		return o.Result, nil, &breaking{"no status", engine("NoMatchedStatus: %s", i.state.Name), i}, false
	}
	if e = o.Exception; decided.Forgiven {
		e = f.forgiven(i, e)
	} else if e != nil {
		f.exception = e
	}
	output, err := f.output(i, o.Result)
	if err != nil {
		return o.Result, nil, &breaking{"output", engine("%s", err), i}, false
	}
	maps.Copy(i.context, output)
	return o.Result, e, nil, false
}

// add has an instance count from now on.
func (f *frame) add(i *instance) {
	i.ID = strconv.Itoa(len(f.instances))
	f.instances = append(f.instances, i)
}

// forgiven is what is left of an exception that a rule has turned into a success: what a Catch names leads there.
func (f *frame) forgiven(i *instance, e *statelang.Exception) *statelang.Exception {
	if _, caught := statelang.CatchTarget(i.state, e); caught && !i.looped {
		return e
	}
	return nil
}

func (f *frame) input(i *instance) ([]any, error) {
	if f.oracle != nil || f.branches[i.name] != nil && !slices.ContainsFunc(i.state.Input, sequential) {
		return nil, nil // it was evaluated when the call was begun
	}
	input, key, err := statelang.EvalInput(i.state, i.context, f.sequence(i))
	if key != "" {
		i.context[statelang.BusinessKeyVariable(i.state.Name)] = key
	}
	return input, err
}

// sequential reports whether an input leaves an id in the context.
func sequential(v statelang.Value) bool {
	return v.Expression != nil && v.Expression.Kind == statelang.Sequence || slices.ContainsFunc(v.List, sequential) ||
		slices.ContainsFunc(v.Map, func(a statelang.Assignment) bool { return sequential(a.Value) })
}

func (f *frame) output(i *instance, result any) (map[string]any, error) {
	if f.oracle != nil {
		return nil, nil
	}
	next := f.sequence(i)
	return statelang.EvalOutput(i.state, result, func(entity, rule string) (string, error) {
		return next("output-"+entity, rule) // the input has ids of its own
	})
}

// sequence makes the ids of an instance: the same whenever they are asked for, and others for each instance.
func (f *frame) sequence(i *instance) statelang.Generator {
	n := 0
	return func(entity, _ string) (string, error) {
		n++
		return fmt.Sprintf("%s-%s-%s-%d", f.id, i.name, entity, n), nil
	}
}

// invoke calls what a state stands for, with its retries.
func (f *frame) invoke(i *instance, input []any) (o statelang.Outcome, wait bool) {
	switch i.Type {
	case statelang.SubStateMachine:
		return f.call(i, input)
	case statelang.ServiceTask, statelang.ScriptTask:
	default:
		return statelang.Outcome{Exception: engine("%s, a %s, calls nothing", i.state.Name, i.Type)}, false
	}
	retries := f.retries(i.state)
	counts := make([]int, len(retries))
	name, pause := i.name, time.Duration(0)
	for try := 2; ; try++ {
		f.places[name] = &place{i, slices.Clone(counts)}
		b := f.branches[name]
		if b == nil {
			data, err := f.data(i, input, try)
			if err != nil {
				return statelang.Outcome{Exception: engine("%s: %s", i.state.Name, err)}, false
			}
			f.launch(i, name, data, pause)
			return f.unanswered(i)
		}
		i.branch = b
		o, ended := outcomeOf(b)
		switch {
		case !ended:
			return f.unanswered(i)
		case i.state.Async:
			return statelang.Outcome{}, false
		}
		entry, wait, again := statelang.RetryDecision(retries, counts, o.Exception)
		if !again {
			return o, false
		}
		if d, _ := f.statusOf(i.state, o); d.Status != statelang.Failed {
			i.earlier = b
		}
		counts[entry]++
		name, pause = i.name+"#"+strconv.Itoa(try), wait
	}
}

// data is what a call is sent: a retry is sent what the first call was, and so is a compensation that is run again,
// which its participant knows by the same key.
func (f *frame) data(i *instance, input []any, try int) (string, error) {
	if i.of != 0 {
		if before := asking(f.ordered, i.of); before != nil {
			return before.Data, nil
		}
	}
	if first := f.branches[i.name]; try > 2 && first != nil {
		return first.Data, nil
	}
	return arguments(input)
}

// unanswered is what a call gives that is under way: one that is asynchronous is a success at once.
func (f *frame) unanswered(i *instance) (statelang.Outcome, bool) {
	if i.state.Async {
		f.async = append(f.async, i)
		return statelang.Outcome{}, false
	}
	return statelang.Outcome{}, true
}

// arguments are what a service is sent: the inputs in their order.
func arguments(input []any) (string, error) {
	if input == nil {
		input = []any{}
	}
	text, err := encode(input)
	if len(text) > limits.PayloadBytesMax {
		return "", fmt.Errorf("the input has %d bytes; %d are the most", len(text), limits.PayloadBytesMax)
	}
	return text, err
}

// launch begins a call.
func (f *frame) launch(i *instance, name, data string, pause time.Duration) {
	n := f.p.bindings.Services[ServiceKey(i.state)].step(i.state, data)
	n.Name, n.Undo = name, !i.undoes && i.Type == statelang.ServiceTask && !i.ForCompensation
	n.Undoes = i.of
	if pause > 0 {
		n.At = f.now.Add(pause)
	}
	f.start = append(f.start, n)
}

// call runs the machine that a state stands for.
func (f *frame) call(i *instance, input []any) (o statelang.Outcome, wait bool) {
	i.child = f.newFrame(f.p.subs[i.state.StateMachineName], i.name+"/", statelang.ChildParameters(input))
	by := f.p.machine.State(i.state.CompensateState.Name)
	i.child.whole = f.whole || by != nil && by.Type != statelang.CompensateSubMachine
	if !i.child.run() {
		return o, true
	}
	status := statelang.ChildStatus(i.child.statuses, false)
	return statelang.Outcome{Result: statelang.ChildResult(i.child.context, status), Child: status}, false
}

// items returns what a state is run for, nil if it is run once.
func (f *frame) items(s *statelang.State) ([]any, error) {
	switch {
	case f.oracle == nil:
		return statelang.LoopItems(s, f.context)
	case s.Loop == nil || !s.Type.IsTask() || s.Type == statelang.CompensateSubMachine:
		return nil, nil
	}
	n := f.oracle.Choose(itemsOf+f.prefix+s.Name, abstractItems+1)
	if n == abstractItems {
		return nil, nil // an empty list: it is run once
	}
	return make([]any, n+1), nil
}

// looped is an instance of a loop on its way.
type looped struct {
	*instance
	index  int
	ended  bool
	order  uint32 // in which those ended that have
	result any
	e      *statelang.Exception
	broke  *breaking
}

// loop runs a state once for each item. What has ended is taken in the order in which it did, so that each look at the
// record sees the loop go the same way.
func (f *frame) loop(s *statelang.State, items []any) (next string, wait bool) {
	name := f.name(s.Name)
	l := statelang.NewLoopState(len(items))
	l.Unconditional = f.oracle != nil
	var begun, active []*looped
	for {
		start, after, err := statelang.LoopWindow(s.Loop, l, f.context)
		if l = after; err != nil {
			f.breakOff("loop", engine("%s", err), nil)
			l.Broken = true
		}
		for _, index := range start {
			one := f.begin(s, items, name, index)
			begun, active = append(begun, one), append(active, one)
		}
		first := -1
		for n, one := range active {
			if one.ended && (first < 0 || one.order < active[first].order) {
				first = n
			}
		}
		if first < 0 {
			break
		}
		one := active[first]
		active = append(active[:first:first], active[first+1:]...)
		l = l.Ended(one.Status, one.e)
	}
	if len(active) > 0 {
		return "", true
	}
	return f.afterLoop(s, begun, l)
}

// begin runs an instance of a loop as far as it goes.
func (f *frame) begin(s *statelang.State, items []any, name string, index int) *looped {
	i := f.instance(s, statelang.LoopInstanceName(s.Name, index), statelang.LoopInstanceName(name, index),
		statelang.LoopContext(s.Loop, f.context, items, index))
	i.looped, i.loop = true, name
	one := &looped{instance: i, index: index}
	var wait bool
	one.result, one.e, one.broke, wait = f.perform(i, func(input []any) (statelang.Outcome, bool) {
		return f.invoke(i, input)
	})
	one.ended = !wait
	if one.broke != nil && i.Status == statelang.Running {
		i.Status = statelang.Failed // it has not begun
	}
	one.order = i.order()
	return one
}

// order is when an instance ended, as far as the record knows.
func (i *instance) order() uint32 {
	last := uint32(0)
	if b := i.branch; b != nil {
		if last = b.Step.Seq; last == 0 {
			last = math.MaxUint32
		}
	}
	if i.child != nil {
		for _, inner := range i.child.instances {
			last = max(last, inner.order())
		}
	}
	return last
}

// afterLoop goes on when all instances have ended.
func (f *frame) afterLoop(s *statelang.State, begun []*looped, l statelang.LoopState) (next string, wait bool) {
	results := make([]any, 0, len(begun))
	var exceptions []*statelang.Exception
	var by *instance
	for _, one := range begun {
		results = append(results, one.result)
		if one.broke != nil {
			f.breakOff(one.broke.why, one.broke.e, one.broke.by)
		}
		if one.e != nil {
			exceptions = append(exceptions, one.e)
		}
		if one.e != nil && by == nil {
			by = one.instance
		}
	}
	if f.oracle == nil && f.broke == nil {
		variables, err := statelang.LoopVariables(s, results, nil)
		if err != nil {
			f.breakOff("output", engine("%s", err), nil)
			return "", false
		}
		maps.Copy(f.context, variables)
	}
	f.last = results
	if !l.Broken || f.broke != nil {
		return s.Next.Name, false
	}
	next, caught := statelang.LoopCatch(f.p.machine, s, exceptions)
	switch {
	case caught:
		return f.routed(next), false
	case len(exceptions) > 0:
		f.breakOff("not caught", exceptions[0], by)
	}
	return s.Next.Name, false
}
