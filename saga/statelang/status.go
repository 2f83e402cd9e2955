package statelang

import "fmt"

// Status is the execution status of a state or a machine, and the compensation status of a machine. The zero value
// means that there is none yet.
type Status uint8

// The statuses.
const (
	Running   Status = iota + 1 // RU
	Succeeded                   // SU
	Failed                      // FA
	Unknown                     // UN: nobody knows whether the service did it
	Skipped                     // SK
)

// String returns the status as Seata writes it; "" if there is none.
func (s Status) String() string {
	switch s {
	case Running:
		return "RU"
	case Succeeded:
		return "SU"
	case Failed:
		return "FA"
	case Unknown:
		return "UN"
	case Skipped:
		return "SK"
	}
	return ""
}

// ParseStatus reads a status as Seata writes it.
func ParseStatus(text string) (Status, error) {
	for s := Running; s <= Skipped; s++ {
		if s.String() == text {
			return s, nil
		}
	}
	return 0, fmt.Errorf("there is no status %q", text)
}

// Outcome is what a task's execution gave.
type Outcome struct {
	// Result is what the service returned; nil if it returned nothing or failed.
	Result any
	// Exception is what it failed with, or nil.
	Exception *Exception
	// Child is the status of a sub state machine that ended, or of its compensation; none for services.
	Child Status
}

// Decided is the status of a task, and what follows from how it was found.
type Decided struct {
	Status Status
	// NoMatch is true if rules are there, nothing failed and none is true: the machine fails by NoMatchedStatus.
	NoMatch bool
	// Forgiven is true if a rule turned an exception into success: it is dropped.
	Forgiven bool
}

// StatusOf decides the status of a task by its rules in their order, or by the exception. The error is of a rule that
// could not be evaluated or names no status; the status then is the one of a call without a match, and the machine
// fails.
func StatusOf(s *State, o Outcome) (Decided, error) {
	status := o.Child
	if len(s.Status) > 0 && !s.Async {
		matched, err := match(s, o)
		if matched != 0 {
			status = matched
		}
		open := status == 0 || status == Running
		if err != nil || open && o.Exception == nil {
			return Decided{Status: doubtful(s), NoMatch: err == nil}, err
		}
	}
	if status == 0 || status == Running {
		status = byException(s, o.Exception)
	}
	return Decided{Status: status, Forgiven: status == Succeeded && o.Exception != nil}, nil
}

// match returns the status of the first rule that is true, or none.
func match(s *State, o Outcome) (Status, error) {
	for _, rule := range s.Status {
		var root any = o.Result
		if rule.Expression.Kind == ExceptionMatch {
			root = o.Exception
		}
		value, err := rule.Expression.eval(root, nil)
		if err != nil {
			return 0, fmt.Errorf("evaluate the status rule %q of %s: %w", rule.Expression.Text, s.Name, err)
		}
		if value == true {
			return ParseStatus(rule.Status)
		}
	}
	return 0, nil
}

// doubtful is the status of a call that came back without one of the rules being true.
func doubtful(s *State) Status {
	if s.ForUpdate {
		return Unknown
	}
	return Failed
}

// byException is the status without rules.
func byException(s *State, e *Exception) Status {
	switch {
	case e == nil:
		return Succeeded
	case !s.ForUpdate && !s.ForCompensation:
		return Failed
	case e.Network() == ConnectFailed:
		return Failed
	}
	return Unknown
}

// Statuses are those of a machine: forward, and of its compensation.
type Statuses struct{ Forward, Compensation Status }

// ChildStatus is the status of a SubStateMachine state by those of the machine that it called; forward is true if the
// machine was resumed.
func ChildStatus(child Statuses, forward bool) Status {
	switch {
	case forward && child.Forward == Succeeded:
		return Succeeded
	case child.Compensation == 0 || child.Compensation == Failed:
		return child.Forward
	case child.Compensation == Succeeded:
		return Failed
	}
	return Unknown
}

// Ending is how a machine's forward execution ended.
type Ending struct {
	// Instances are those of its states, in the order of execution.
	Instances []Instance
	// Exception is the one that it ended with, or nil.
	Exception *Exception
	// Bad is true if it ended in a Fail state, or by a task whose exception nobody caught.
	Bad bool
}

// FinalStatus decides the forward status of a machine that ended.
func FinalStatus(e Ending) Status {
	status := e.status()
	if !e.Bad || status != Succeeded {
		return status
	}
	for _, i := range e.Instances {
		if !i.Ignored && (i.ForUpdate || i.ForCompensation) {
			return Unknown
		}
	}
	return Failed
}

func (e Ending) status() Status {
	unknown, failed, updated := false, false, false
	for _, i := range e.Instances {
		if i.Ignored || i.ForCompensation {
			continue
		}
		switch i.Status {
		case Unknown:
			unknown = true
		case Succeeded:
			updated = updated || i.Type == ServiceTask && i.ForUpdate
		case Skipped:
		default:
			failed = true
		}
	}
	switch {
	case unknown || failed && updated:
		return Unknown
	case failed:
		return Failed
	case e.Exception == nil:
		return Succeeded
	case e.Exception.EngineTimeout || updated || e.Exception.Network() == ReadTimedOut:
		return Unknown
	}
	return Failed
}

// EndStatuses decides both statuses of a machine when it comes to an end state or runs out of states. Remaining and
// done are those of its compensation; forward is true if it was resumed.
func EndStatuses(before Statuses, e Ending, remaining int, done []Status, forward bool) Statuses {
	after := before
	if before.Compensation == Running {
		if before.Forward == 0 || before.Forward == Running {
			after.Forward = Unknown
		}
		after.Compensation = CompensationStatus(remaining, done)
	} else if before.Forward == 0 || before.Forward == Running {
		after.Forward = FinalStatus(e)
	}
	if after.Compensation != 0 && forward && after.Forward == Succeeded {
		after.Compensation = Failed
	}
	return after
}

// FailStatuses decides both statuses when the machine breaks off: by an exception that nobody catches, a status that
// matches no rule, an input that can't be evaluated, or a timeout.
func FailStatuses(before Statuses, e Ending) Statuses {
	if before.Forward == 0 || before.Forward == Running {
		e.Bad = true
		return Statuses{Forward: FinalStatus(e), Compensation: before.Compensation}
	}
	return Statuses{Forward: before.Forward, Compensation: Unknown}
}
