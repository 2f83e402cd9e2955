package machine

import (
	"maps"
	"strconv"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/statelang"
)

// trigger runs a CompensationTrigger: what has run or may have is undone, the newest first, until one does not succeed.
func (f *frame) trigger(s *statelang.State) (next string, wait bool) {
	if len(f.async) > 0 {
		return "", true // what is undone must not come after it
	}
	goesOn, began, wait := f.compensate()
	switch {
	case wait:
		return "", true
	case !began || !goesOn:
		return "", false
	}
	return s.Next.Name, false
}

// compensate undoes what has to be. Began is false if there is nothing, or nothing may be.
func (f *frame) compensate() (goesOn, began, wait bool) {
	all := make([]statelang.Instance, 0, len(f.instances))
	for _, i := range f.instances {
		all = append(all, i.seen())
	}
	list, err := statelang.CompensationList(f.p.machine, all)
	if err != nil {
		f.breakOff("no compensation", engine("CompensationStateNotFound: %s", err), nil)
		return false, false, false
	}
	if len(list) == 0 {
		return true, false, false
	}
	f.exception = nil
	if f.statuses.Forward == 0 || f.statuses.Forward == statelang.Running {
		f.statuses.Forward = statelang.Unknown
	}
	f.statuses.Compensation = statelang.Running
	f.left = list
	for len(f.left) > 0 {
		c := f.left[0]
		f.left = f.left[1:]
		status, e, wait := f.undo(c)
		if wait {
			f.compensating = true
			return false, true, true
		}
		f.done = append(f.done, status)
		if f.broke != nil {
			return false, true, false
		}
		if !statelang.CompensationGoesOn(status, e) {
			return false, true, false
		}
	}
	return true, true, false
}

// undo runs one compensation. An exception that its state does not catch breaks the machine off.
func (f *frame) undo(c statelang.Compensate) (status statelang.Status, e *statelang.Exception, wait bool) {
	n, _ := strconv.Atoi(c.Instance.ID) // we made it
	target := f.instances[n]
	target.rounds++
	if c.State == nil { // the built-in compensation of a child
		if status, wait = target.child.rollBack(nil); !wait {
			target.CompensationStatus = status
		}
		return status, nil, wait
	}
	name := target.name + "~" + escape(c.State.Name)
	if target.rounds > 1 {
		name += "(" + strconv.Itoa(target.rounds) + ")"
	}
	i := f.instance(c.State, c.State.Name, name, f.context)
	if i.undoes = true; !f.whole {
		i.of = target.known()
	}
	_, e, broke, wait := f.perform(i, func(input []any) (statelang.Outcome, bool) {
		if c.State.Type == statelang.CompensateSubMachine && target.child != nil {
			status, wait := target.child.rollBack(statelang.ChildParameters(input))
			return statelang.Outcome{Result: statelang.ChildResult(target.child.context, status), Child: status}, wait
		}
		return f.invoke(i, input)
	})
	if wait {
		return 0, nil, true
	}
	if status = i.Status; broke != nil && status == statelang.Running {
		status = 0 // it was not asked for
	}
	target.CompensationStatus = status
	if broke != nil {
		f.breakOff(broke.why, broke.e, broke.by)
	} else if e != nil {
		if _, caught := statelang.CatchTarget(c.State, e); !caught {
			f.breakOff("not caught", e, i)
		}
	}
	return status, e, false
}

// known is by what branch a participant knows the compensation of an instance, 0 if by none: that which the core would
// undo instead.
func (i *instance) known() int64 {
	if b := i.begun(); b != nil && b.Step.Undo {
		return b.ID
	}
	return 0
}

// asking returns the first branch that asked for the compensation of another one, nil if none has.
func asking(branches []*txn.Branch, of int64) *txn.Branch {
	for _, b := range branches {
		if b.Step != nil && b.Step.Undoes == of {
			return b
		}
	}
	return nil
}

// rollBack compensates a machine that has ended, on behalf of the one that has called it, and returns how that went.
func (f *frame) rollBack(parameters map[string]any) (status statelang.Status, wait bool) {
	maps.Copy(f.context, parameters)
	if f.statuses.Compensation == statelang.Succeeded {
		return statelang.Succeeded, false
	}
	f.broke, f.left, f.done = nil, nil, nil
	_, began, wait := f.compensate()
	switch {
	case wait:
		return 0, true
	case f.broke != nil:
		f.statuses.Compensation = statelang.Unknown
	case !began:
		f.statuses.Compensation = statelang.Succeeded
	default:
		f.statuses.Compensation = statelang.CompensationStatus(len(f.left), f.done)
	}
	return f.statuses.Compensation, false
}
