package machine

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang"
)

// forked is a Fork or Parallel on its way. Where its branches lead is decided when all have ended, so that nothing is
// compensated while a branch is under way.
type forked struct {
	state *statelang.State
	// until is the time after which its branches begin no task; 0: never.
	until txn.Millis
	// out is the state to which a branch leads out of it: a CompensationTrigger, a Fail, or where a Parallel catches.
	out *statelang.State
	// joined is the Next of the Join to which its branches have come.
	joined string
	// broke is why a branch has broken off.
	broke *breaking
	// under is how many branches are on their way.
	under int
}

// fork runs branches side by side, each with a copy of the context, and goes on when all have ended: a Fork at the Join
// to which they come, a Parallel at its Next. What they have added to the context is put together in their order. When
// one has failed, those that have not begun do not.
func (f *frame) fork(s *statelang.State) (next string, wait bool) {
	if f.forks++; f.forks > limits.ForksMax {
		f.forks--
		f.breakOff("endless", engine("%s: forks are nested more than %d deep", s.Name, limits.ForksMax), nil)
		return "", false
	}
	base, after, prefix, visits, outer := f.context, maps.Clone(f.context), f.prefix, f.visits, f.open
	name := f.name(s.Name)
	own := &forked{state: s, until: f.until(s, name, outer)}
	f.open = own
	var results []any
	from := len(f.instances)
	for n, b := range s.Branches {
		f.prefix = name + "[" + strconv.Itoa(n) + "]/"
		full := s.Bound > 0 && own.under >= s.Bound
		if (full || own.broke != nil || own.out != nil) && !f.begun(f.prefix) {
			continue
		}
		f.context, f.visits, f.last, f.caught = maps.Clone(base), map[string]int{}, nil, nil
		own.take(f, b.Name)
		results = append(results, f.last)
		for key, value := range f.context {
			if old, there := base[key]; !there || !same(old, value) {
				after[key] = value
			}
		}
	}
	f.inOrder(from)
	f.forks--
	f.context, f.prefix, f.visits, f.open, f.last, f.caught = after, prefix, visits, outer, results, nil
	return f.joined(own, results), own.under > 0
}

// inOrder puts the instances of the branches in the order in which they were begun, against which they are undone.
func (f *frame) inOrder(from int) {
	slices.SortStableFunc(f.instances[from:], func(a, b *instance) int { return cmp.Compare(a.began(), b.began()) })
	for n := from; n < len(f.instances); n++ {
		f.instances[n].ID = strconv.Itoa(n)
	}
}

// began is the place of an instance among all that were begun; one that was not comes behind them.
func (i *instance) began() int64 {
	first := int64(math.MaxInt64)
	if b := i.frame.branches[i.name]; b != nil {
		first = b.ID
	}
	if i.child != nil {
		for _, inner := range i.child.instances {
			first = min(first, inner.began())
		}
	}
	return first
}

// take runs a branch as far as it goes.
func (o *forked) take(f *frame, start string) {
	at, waits := f.path(start)
	if f.broke != nil && o.broke == nil {
		o.broke = f.broke
	}
	f.broke = nil // the others go on until they end
	switch {
	case waits:
		o.under++
	case f.caught != nil:
		o.lead(f.caught)
	case at == nil:
	case at.Type == statelang.Join:
		o.joined = at.Next.Name
	default:
		o.lead(at)
	}
}

// lead has a branch lead out: to the first that a branch does, but to a CompensationTrigger before all others.
func (o *forked) lead(to *statelang.State) {
	if o.out == nil || to.Type == statelang.CompensationTrigger && o.out.Type != statelang.CompensationTrigger {
		o.out = to
	}
}

// joined is where a machine goes on when all branches have ended.
func (f *frame) joined(o *forked, results []any) string {
	compensates := o.out != nil && o.out.Type == statelang.CompensationTrigger
	if f.broke = o.broke; compensates && o.broke != nil && o.broke.why == "not caught" {
		f.broke = nil // as in a loop, what one branch has caught counts for all
	}
	if o.under > 0 || f.broke != nil {
		return ""
	}
	if o.state.Type == statelang.Parallel && f.oracle == nil {
		output, err := statelang.EvalOutput(o.state, results, nil)
		if err != nil {
			f.breakOff("output", engine("%s", err), nil)
			return ""
		}
		maps.Copy(f.context, output)
	}
	switch {
	case o.out != nil:
		return o.out.Name
	case o.state.Type == statelang.Parallel:
		return o.state.Next.Name
	}
	return o.joined
}

// leaves reports whether a state is gone to when all branches have ended, and not by one of them.
func (f *frame) leaves(s *statelang.State) bool {
	switch s.Type {
	case statelang.Join:
		return true
	case statelang.CompensationTrigger, statelang.Fail:
		return f.open != nil
	}
	return false
}

// routed is where an exception leads that a state has caught. In a Parallel it is the Parallel that goes there.
func (f *frame) routed(next string) string {
	if to := f.p.machine.State(next); to != nil && f.open != nil && f.open.state.Type == statelang.Parallel {
		f.caught = to
		return ""
	}
	return next
}

// until is the time after which the branches of a fork begin no task. It counts from when the first of them was begun,
// and that of a fork outside holds, too.
func (f *frame) until(s *statelang.State, name string, outer *forked) (until txn.Millis) {
	if outer != nil {
		until = outer.until
	}
	if s.AwaitMillis <= 0 {
		return until
	}
	began := txn.Millis(0)
	for branch, b := range f.branches {
		if strings.HasPrefix(branch, name+"[") && (began == 0 || b.RegisteredAt < began) {
			began = b.RegisteredAt
		}
	}
	own := began + txn.Millis(s.AwaitMillis)
	if began == 0 || until != 0 && until < own {
		return until
	}
	return own
}

// tooLate is why an instance is not begun: the time of the fork is over in which it is.
func (f *frame) tooLate(i *instance) *breaking {
	if f.open == nil || f.open.until == 0 || f.now <= f.open.until || f.branches[i.name] != nil || f.begun(i.name+"/") {
		return nil
	}
	return &breaking{"timeout", &statelang.Exception{
		Class: classEngine, Message: "the time of " + f.open.state.Name + " is over", EngineTimeout: true,
	}, nil}
}

// begun reports whether a branch with this prefix is in the record.
func (f *frame) begun(prefix string) bool {
	for name := range f.branches {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// same reports whether two values of contexts are certainly the same.
func same(a, b any) bool {
	switch a.(type) {
	case []any, map[string]any:
		return false
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}
