package machine

import (
	"maps"
	"strconv"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang"
)

// look is one look at a run: the machine is gone through from its start, with the answers that are in the record.
type look struct {
	id       string // of the run
	now      txn.Millis
	branches map[string]*txn.Branch
	ordered  []*txn.Branch
	// places says what each branch is that was come to.
	places map[string]*place
	start  []txn.NewStep
	// async are the calls under way for which nobody waits.
	async []*instance
	// transitions counts states.
	transitions int
	// forks is how deep the forks are nested that are open.
	forks int
	// compensating is true if a compensation is under way.
	compensating bool
	oracle       Oracle
}

// place is what a branch is.
type place struct {
	in     *instance
	counts []int // of retries before it, by entry
}

// instance is one execution of a state.
type instance struct {
	statelang.Instance
	state   *statelang.State
	frame   *frame
	context map[string]any // in which it runs: of a loop its own
	// name is that of its first branch, branch the last one that there is, and earlier one before it that failed and may
	// have run all the same; nil if there is none.
	name            string
	branch, earlier *txn.Branch
	child           *frame // of a SubStateMachine
	// looped is true for those of a loop, and loop its name; undoes for those that compensate. Of is the branch that a
	// rollback would have undone instead, 0 if it would not.
	looped, undoes bool
	loop           string
	of             int64
	// rounds counts how often it was compensated.
	rounds int
	// threw is what it failed with.
	threw *statelang.Exception
}

// breaking is why a machine breaks off.
type breaking struct {
	why string
	e   *statelang.Exception
	by  *instance // whose outcome it is, or nil
}

// frame is a machine on its way, that of the run or one that a state calls.
type frame struct {
	*look
	p         *Program
	prefix    string // of the names of branches
	context   map[string]any
	instances []*instance
	visits    map[string]int
	exception *statelang.Exception
	statuses  statelang.Statuses
	failed    bool   // it ended in a Fail state
	ended     string // the state in which it ended, if it is one that ends
	broke     *breaking
	left      []statelang.Compensate
	done      []statelang.Status
	open      *forked          // the innermost fork that it is in, or nil
	caught    *statelang.State // where an exception leads out of the branch of a Parallel
	last      any              // what the last task has returned
	// whole is true if the core undoes the machine as one, by a service, and never what is in it.
	whole bool
}

// newFrame makes a machine that begins.
func (l *look) newFrame(p *Program, prefix string, parameters map[string]any) *frame {
	return &frame{look: l, p: p, prefix: prefix, context: parameters, visits: map[string]int{}}
}

// run goes as far as answers are there, and reports whether the machine has ended.
func (f *frame) run() bool {
	at, wait := f.path(f.p.machine.StartState)
	if wait {
		return false
	}
	if at != nil { // a Join that no Fork has opened
		f.breakOff("no fork", engine("%s joins what was not forked", at.Name), nil)
	}
	if f.broke != nil {
		f.exception = f.broke.e
		f.statuses = statelang.FailStatuses(f.statuses, f.ending())
	} else {
		f.statuses = statelang.EndStatuses(f.statuses, f.ending(), len(f.left), f.done, false)
	}
	return true
}

// path goes from a state on, up to an end, a state that leads out of a branch, or where it has to wait.
func (f *frame) path(name string) (out *statelang.State, wait bool) {
	for name != "" && f.broke == nil {
		s := f.p.machine.State(name)
		if f.transitions++; f.transitions > f.most() || s == nil {
			f.breakOff("endless", engine("%s: there is no such state, or too many were gone through", name), nil)
			return nil, false
		}
		if f.leaves(s) {
			return s, false
		}
		if name, wait = f.step(s); wait {
			return nil, true
		}
	}
	return nil, false
}

// exploredTransitionsMax is how many states one look of an exploration goes through.
const exploredTransitionsMax = 2_000

// most is how many states are gone through. An exploration looks so often that it is content with less.
func (l *look) most() int {
	if l.oracle != nil {
		return exploredTransitionsMax
	}
	return limits.TransitionsMax
}

// breakOff ends the machine when all that is under way has ended. The first reason counts.
func (f *frame) breakOff(why string, e *statelang.Exception, by *instance) {
	if f.broke == nil {
		f.broke = &breaking{why, e, by}
	}
}

// ending is how the machine ends as it stands. Seata records no scripts, and a task that its time is over for has not
// begun.
func (f *frame) ending() statelang.Ending {
	e := statelang.Ending{Exception: f.exception, Bad: f.failed}
	for _, i := range f.instances {
		if i.Type != statelang.ScriptTask && (i.Status != statelang.Running || i.begun() != nil) {
			e.Instances = append(e.Instances, i.Instance)
		}
	}
	return e
}

// step takes a state and returns the next one, "" if it is the last.
func (f *frame) step(s *statelang.State) (next string, wait bool) {
	switch s.Type {
	case statelang.Succeed:
		f.ended = s.Name
		return "", false
	case statelang.Fail:
		f.failed, f.ended = true, s.Name
		maps.Copy(f.context, statelang.FailVariables(s))
		return "", false
	case statelang.Choice:
		next, err := f.choose(s)
		if err != nil {
			f.breakOff("no choice", engine("%s", err), nil)
		}
		return next, false
	case statelang.CompensationTrigger:
		return f.trigger(s)
	case statelang.Fork, statelang.Parallel:
		return f.fork(s)
	}
	items, err := f.items(s)
	if err != nil {
		f.breakOff("loop", engine("%s", err), nil)
		return "", false
	}
	if items != nil {
		return f.loop(s, items)
	}
	i := f.instance(s, s.Name, f.name(s.Name), f.context)
	e, broke, wait := f.task(i)
	switch {
	case wait:
		return "", true
	case broke != nil:
		f.broke = broke
		return "", false
	case e == nil:
		return s.Next.Name, false
	}
	next, caught := statelang.CatchTarget(s, e)
	if !caught {
		f.breakOff("not caught", e, i)
		return "", false
	}
	return f.routed(next), false
}

// name is the name of the branch for the next entry into a state.
func (f *frame) name(state string) string {
	name := f.prefix + escape(state)
	if f.visits[state]++; f.visits[state] > 1 {
		name += "(" + strconv.Itoa(f.visits[state]) + ")"
	}
	return name
}

// instance makes the execution of a state. Name is the state's own, or that of an instance of its loop.
func (f *frame) instance(s *statelang.State, name, branch string, context map[string]any) *instance {
	return &instance{
		Instance: statelang.Instance{
			Name: name, Type: s.Type, ForUpdate: s.ForUpdate, ForCompensation: s.ForCompensation, Status: statelang.Running,
		},
		state: s, frame: f, context: context, name: branch,
	}
}

// choose takes the way of a choice.
func (f *frame) choose(s *statelang.State) (string, error) {
	if f.oracle == nil {
		return statelang.Choose(s, f.context)
	}
	ways := make([]string, 0, len(s.Choices)+1)
	for _, o := range s.Choices {
		ways = append(ways, o.Next.Name)
	}
	if s.Default.Name != "" {
		ways = append(ways, s.Default.Name)
	}
	if len(ways) == 0 {
		return "", statelang.ErrNoChoice
	}
	return ways[f.oracle.Choose(choiceOf+f.name(s.Name), len(ways))], nil
}
