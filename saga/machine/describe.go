package machine

import (
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/statelang"
)

// Describe says which state a branch is of, behind the states that call the machine that it is in: "Trip/Hotel"; "" if
// there is none. Of a compensation it is the state that compensates. Threw is the exception that the service has
// answered with, "" if it has returned.
func (p *Program) Describe(b *txn.Branch) (state, threw string) {
	if o, ended := outcomeOf(b); ended && b.Step.Answer != "" {
		threw = words(o.Exception)
	}
	m, rest := p, b.Step.Name
	for path := ""; m != nil; {
		own, inner, more := strings.Cut(rest, "/")
		if _, by, undoes := strings.Cut(own, "~"); undoes && !more {
			own = by
		}
		s := m.stateOf(own)
		switch {
		case s == nil:
			return "", threw
		case !more:
			return path + s.Name, threw
		case s.Type == statelang.SubStateMachine:
			path, m = path+s.Name+"/", m.subs[s.StateMachineName]
		}
		rest = inner
	}
	return "", threw
}
