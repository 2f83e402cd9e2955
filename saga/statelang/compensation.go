package statelang

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Instance is one execution of a state.
type Instance struct {
	ID string
	// Name is the state's, with "-loop-" and a number for those of a loop.
	Name               string
	Type               StateType
	ForUpdate          bool
	ForCompensation    bool
	Status             Status
	CompensationStatus Status // of its own compensation, if that ran
	// Ignored is true if a later instance tried the state again.
	Ignored bool
}

// loopMark stands between the name of a state and the number of an instance of its loop.
const loopMark = "-loop-"

// LoopInstanceName is the name of an instance of a loop.
func LoopInstanceName(state string, index int) string { return state + loopMark + strconv.Itoa(index) }

// StateName returns the name of the instance's state, and the number of the instance in a loop or -1.
func (i Instance) StateName() (name string, index int) {
	at := strings.LastIndex(i.Name, loopMark)
	if at < 0 {
		return i.Name, -1
	}
	index, err := strconv.Atoi(i.Name[at+len(loopMark):])
	if err != nil {
		index = -1
	}
	return i.Name[:at], index
}

// CompensationError says why nothing is compensated: a state that changed something has no compensation.
type CompensationError struct{ State string }

// Error returns the reason.
func (e *CompensationError) Error() string {
	return fmt.Sprintf("state %q changes something and has no compensation (CompensationStateNotFound)", e.State)
}

// Compensate is an instance to be compensated and how.
type Compensate struct {
	Instance Instance
	// State compensates it; nil means the built-in compensation of a sub state machine.
	State *State
}

// CompensationList returns what is compensated and in which order: newest first. Instances are in the order of
// execution. Those that succeeded, that nobody knows of and that still run are compensated, those that failed are not.
// The error is a *CompensationError, or says that a compensation is not in the machine.
func CompensationList(m *Machine, instances []Instance) ([]Compensate, error) {
	var out []Compensate
	for _, i := range instances {
		if !i.wants() {
			continue
		}
		name, _ := i.StateName()
		s := m.State(name)
		if s == nil {
			continue // as Seata does: the definition has changed
		}
		c := Compensate{Instance: i}
		switch {
		case s.CompensateState.Name != "":
			if c.State = m.State(s.CompensateState.Name); c.State == nil {
				return nil, fmt.Errorf("compensate %s: there is no state %q", name, s.CompensateState.Name)
			}
		case s.Type == SubStateMachine:
		case i.ForUpdate && s.Type.IsTask():
			return nil, &CompensationError{State: i.Name}
		default:
			continue
		}
		out = append(out, c)
	}
	slices.Reverse(out)
	return out, nil
}

// wants reports whether the instance has to be compensated if there is a way.
func (i Instance) wants() bool {
	if i.Ignored || i.Status == Failed || i.CompensationStatus == Succeeded {
		return false
	}
	return i.Type == SubStateMachine || i.Type == ServiceTask && !i.ForCompensation
}

// CompensationGoesOn reports whether the next compensation is run after one with this outcome.
func CompensationGoesOn(status Status, e *Exception) bool { return e == nil && status == Succeeded }

// CompensationStatus decides the compensation status of a machine: remaining is how many compensations were not begun,
// done has the statuses of the others.
func CompensationStatus(remaining int, done []Status) Status {
	bad := slices.ContainsFunc(done, func(s Status) bool { return s != Succeeded })
	changed := slices.ContainsFunc(done, func(s Status) bool { return s == Succeeded || s == Unknown })
	switch {
	case remaining == 0 && !bad:
		return Succeeded
	case remaining == 0 || changed:
		return Unknown
	}
	return Failed
}
