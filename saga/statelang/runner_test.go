package statelang

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/concord-tx/concord/saga/statelang/spel"
)

// story is a file of testdata/runs: a machine, what its services do, and how it has to end.
type story struct {
	// Shows is the sentence that the story proves.
	Shows    string
	Machine  json.RawMessage
	Machines map[string]json.RawMessage // sub state machines by name
	Start    map[string]any
	// Services has the outcomes of "name.method" by call; a service that is not there returns "ok".
	Services map[string][]call
	// Then is what somebody does when the machine has ended, or hangs: "forward" or "compensate".
	Then []string
	Want struct {
		Forward, Compensation string
		Calls                 []string
		Context               map[string]any
		Breaks                string // what broke the machine off
	}
	// Java is what Seata's engine does otherwise, and why; conformance's StoriesTest compares. Without says why that
	// engine can't run the story.
	Java *struct {
		Without, Why, Forward, Compensation string
		Calls                               []string
	}
}

// call is what a service does: it returns, throws, never answers, or answers when the time of the machine is over.
type call struct {
	Returns     any
	Throws      string
	Message     string
	Supers      []string
	Hangs, Late bool
}

// player runs a machine with the functions of the package, one step after the other, as Seata's engine does in memory.
type player struct {
	t         *testing.T
	machine   *Machine
	machines  map[string]*Machine
	services  map[string][]call
	calls     *[]string
	context   map[string]any
	instances []Instance
	exception *Exception
	statuses  Statuses
	breaks    string
	failed    bool // ended in a Fail state
	forgiven  bool // the last exception was turned into a success
	left      []Compensate
	done      []Status
	children  map[string]*player // by the id of their instances
	undoes    *player            // the child that is compensated
	hangs     bool               // a call never ends
	late      bool               // its time is over
	forward   bool               // it was resumed
	resumed   []Instance         // those that there were then
	inside    *State             // the Fork or Parallel in which it is
	last      any                // what the last task returned
	leads     string             // where a branch leads out
}

func read(t *testing.T, text []byte) *Machine {
	t.Helper()
	d, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Check(d, nil).Findings {
		if f.Severity == Error && f.Rule != RuleCompensationMissing && f.Rule != RuleExtension {
			t.Fatal(f)
		}
	}
	return d.Machine
}

func (p *player) run() { p.from(p.machine.StartState) }

// from goes on with a state until the machine ends.
func (p *player) from(name string) {
	p.path(name)
	if p.breaks == "" && !p.hangs {
		p.statuses = EndStatuses(p.statuses, p.ending(), len(p.left), p.done, p.forward)
	}
}

// path goes on with a state as far as it goes.
func (p *player) path(name string) {
	for steps := 0; name != "" && p.breaks == "" && !p.hangs; steps++ {
		if steps > 100 {
			p.t.Fatal("the machine does not end")
		}
		name = p.step(p.machine.State(name))
	}
}

// then is what somebody does when the machine has ended, or hangs.
func (p *player) then(operation string) {
	p.breaks, p.exception, p.hangs, p.late = "", nil, false, false
	if operation == "compensate" {
		p.compensate(&State{})
		p.statuses = EndStatuses(p.statuses, p.ending(), len(p.left), p.done, false)
		return
	}
	last := p.instances[len(p.instances)-1]
	name, index := last.StateName()
	if last.Status == Succeeded && index < 0 {
		name = p.machine.State(name).Next.Name
	}
	p.resumed = slices.Clone(p.instances)
	for n := range p.instances {
		if own, _ := p.instances[n].StateName(); own == name && p.instances[n].Status != Succeeded {
			p.instances[n].Ignored = true
		}
	}
	p.statuses.Forward, p.forward = Running, true
	p.from(name)
}

func (p *player) ending() Ending {
	return Ending{Instances: p.instances, Exception: p.exception, Bad: p.failed}
}

// breakOff ends the machine at once.
func (p *player) breakOff(why string, e *Exception) {
	p.exception = e
	p.statuses = FailStatuses(p.statuses, p.ending())
	p.breaks = why
}

// engine is an exception of the engine itself.
func engine(code string) *Exception {
	return &Exception{Class: "org.apache.seata.saga.engine.exception.EngineExecutionException", Message: code}
}

func (p *player) step(s *State) string {
	if p.leaves(s) {
		return ""
	}
	switch s.Type {
	case Fork, Parallel:
		return p.fork(s)
	case Succeed:
		return ""
	case Fail:
		p.failed = true
		maps.Copy(p.context, FailVariables(s))
		return ""
	case Choice:
		next, err := Choose(s, p.context)
		if err != nil {
			p.breakOff("no choice", engine("StateMachineNoChoiceMatched"))
		}
		return next
	case CompensationTrigger:
		return p.compensate(s)
	}
	items, err := LoopItems(s, p.context)
	if err != nil {
		p.t.Fatal(err)
	}
	if items != nil {
		return p.loop(s, items)
	}
	_, result, e := p.task(s, s.Name, p.context)
	p.last = result
	if p.breaks != "" || e == nil {
		return s.Next.Name
	}
	next, caught := CatchTarget(s, e)
	switch {
	case caught:
		return p.routed(next)
	case !p.forgiven:
		p.breakOff("not caught", e)
	}
	return s.Next.Name
}

// task runs one instance.
func (p *player) task(s *State, name string, context map[string]any) (Status, any, *Exception) {
	i := Instance{ID: fmt.Sprint(len(p.instances)), Name: name, Type: s.Type, ForUpdate: s.ForUpdate,
		ForCompensation: s.ForCompensation, Status: Running}
	input, _, err := EvalInput(s, context, nil)
	if err != nil {
		p.breakOff("input", engine("VariablesAssignError"))
		return 0, nil, nil
	}
	if p.late && s.Type == ServiceTask {
		p.breakOff("timeout", &Exception{Class: engine("").Class, EngineTimeout: true})
		return 0, nil, nil
	}
	o := p.invoke(s, input, i.ID)
	if p.hangs {
		p.instances = append(p.instances, i)
		return Running, nil, nil
	}
	decided, err := StatusOf(s, o)
	if err != nil {
		p.t.Fatal(err)
	}
	i.Status = decided.Status
	if s.Persist || s.Type != ScriptTask {
		p.instances = append(p.instances, i)
	}
	if decided.NoMatch {
		p.breakOff("no status", engine("NoMatchedStatus"))
		return decided.Status, o.Result, nil
	}
	if p.forgiven = decided.Forgiven; o.Exception != nil && !p.forgiven {
		p.exception = o.Exception
	}
	output, err := EvalOutput(s, o.Result, nil)
	if err != nil {
		p.breakOff("output", engine("VariablesAssignError"))
		return decided.Status, nil, nil
	}
	maps.Copy(context, output)
	return decided.Status, o.Result, o.Exception
}

// invoke calls what a task stands for, with its retries.
func (p *player) invoke(s *State, input []any, id string) Outcome {
	if s.Type == SubStateMachine {
		child := &player{t: p.t, machine: p.machines[s.StateMachineName], machines: p.machines, services: p.services,
			calls: p.calls, context: ChildParameters(input), children: map[string]*player{}}
		child.run()
		p.children[id] = child
		status := ChildStatus(child.statuses, false)
		return Outcome{Result: ChildResult(child.context, status), Child: status}
	}
	key := s.ServiceName + "." + s.ServiceMethod
	switch s.Type {
	case ScriptTask:
		key = "script"
	case CompensateSubMachine:
		key = "compensate the child"
	}
	counts := make([]int, len(s.Retry))
	for {
		record := key
		if len(input) > 0 {
			text, err := json.Marshal(input)
			if err != nil {
				p.t.Fatal(err)
			}
			record += string(text)
		}
		*p.calls = append(*p.calls, record)
		if s.Type == CompensateSubMachine {
			status := p.undoes.rollBack(ChildParameters(input))
			return Outcome{Result: ChildResult(p.undoes.context, status), Child: status}
		}
		c := call{Returns: "ok"}
		if queue := p.services[key]; len(queue) > 0 {
			c = queue[0]
			p.services[key] = queue[1:]
		}
		p.late = p.late || c.Late
		if p.hangs = c.Hangs; p.hangs {
			return Outcome{}
		}
		if c.Throws == "" {
			if s.Async {
				return Outcome{}
			}
			return Outcome{Result: c.Returns}
		}
		e := &Exception{Class: c.Throws, Message: c.Message, Supers: c.Supers}
		entry, wait, again := RetryDecision(s.Retry, counts, e)
		if !again {
			return Outcome{Exception: e}
		}
		counts[entry]++
		*p.calls = append(*p.calls, "wait "+wait.String())
	}
}

func (p *player) loop(s *State, items []any) string {
	l := NewLoopState(len(items))
	if p.forward {
		l = ResumeLoop(len(items), slices.DeleteFunc(p.resumed, func(i Instance) bool {
			name, _ := i.StateName()
			return name != s.Name
		}))
		p.resumed = nil
	}
	type running struct{ index int }
	var active []running
	var exceptions []*Exception
	var results []any
	for {
		start, after, err := LoopWindow(s.Loop, l, p.context)
		if err != nil {
			p.t.Fatal(err)
		}
		l = after
		for _, index := range start {
			active = append(active, running{index})
		}
		if len(active) == 0 {
			break
		}
		first := active[0]
		active = active[1:]
		name := LoopInstanceName(s.Name, first.index)
		status, result, e := p.task(s, name, LoopContext(s.Loop, p.context, items, first.index))
		if p.forgiven {
			e = nil
		}
		if e != nil {
			exceptions = append(exceptions, e)
		}
		results = append(results, result)
		l = l.Ended(status, e)
	}
	variables, err := LoopVariables(s, results, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	maps.Copy(p.context, variables)
	if !l.Broken {
		return s.Next.Name
	}
	next, caught := LoopCatch(p.machine, s, exceptions)
	switch {
	case caught:
		return next
	case len(exceptions) > 0:
		p.breakOff("not caught", exceptions[0])
	}
	return s.Next.Name
}

// compensate runs a CompensationTrigger.
func (p *player) compensate(trigger *State) string {
	list, err := CompensationList(p.machine, p.instances)
	if err != nil {
		p.breakOff("no compensation", engine("CompensationStateNotFound"))
		return ""
	}
	if len(list) == 0 {
		return ""
	}
	p.exception = nil
	if p.statuses.Forward == 0 || p.statuses.Forward == Running {
		p.statuses.Forward = Unknown
	}
	p.statuses.Compensation = Running
	p.left = list
	for len(p.left) > 0 {
		c := p.left[0]
		p.left = p.left[1:]
		p.undoes = p.children[c.Instance.ID]
		var status Status
		var e *Exception
		if c.State == nil {
			*p.calls = append(*p.calls, "built-in compensation of "+c.Instance.Name)
			status = p.undoes.rollBack(nil)
		} else {
			status, _, e = p.task(c.State, c.State.Name, p.context)
		}
		p.done = append(p.done, status)
		n := slices.IndexFunc(p.instances, func(i Instance) bool { return i.ID == c.Instance.ID })
		p.instances[n].CompensationStatus = status
		if p.breaks != "" {
			return ""
		}
		if e != nil {
			if _, caught := CatchTarget(c.State, e); !caught {
				p.breakOff("not caught", e)
				return ""
			}
		}
		if !CompensationGoesOn(status, e) {
			return ""
		}
	}
	return trigger.Next.Name
}

// rollBack compensates a machine for the one that has called it.
func (p *player) rollBack(parameters map[string]any) Status {
	if p.statuses.Compensation == Succeeded {
		return Succeeded
	}
	maps.Copy(p.context, parameters)
	p.breaks = ""
	p.compensate(&State{})
	if p.breaks == "" && p.statuses.Compensation == Running {
		p.statuses.Compensation = CompensationStatus(len(p.left), p.done)
	} else if p.breaks == "" {
		p.statuses.Compensation = Succeeded
	}
	return p.statuses.Compensation
}

// wanted normalises a value of a story for comparing.
func wanted(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key := range v {
			out[key] = wanted(v[key])
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = wanted(out[i])
		}
		return out
	case json.Number:
		return spel.Number(string(v))
	}
	return value
}
