package fence

import "strconv"

// State is what is recorded of one part of a transaction. 1 to 4 are the numbers of Seata's table tcc_fence_log, so
// that services in Java and Go can share it. The zero value is no record.
type State uint8

// What can be recorded.
const (
	Absent     State = 0 // nothing is recorded
	Tried      State = 1 // the try has had its effect
	Committed  State = 2 // confirm has had its effect
	RolledBack State = 3 // cancel or compensation has undone the effect
	Suspended  State = 4 // cancel or compensation came first; there was nothing to undo, and nothing may come any more
	Done       State = 5 // the action of a saga's step has had its effect; not in Seata's table
	Consumed   State = 6 // an event has had its effect; not in Seata's table

	states = 7
)

// String names the state.
func (s State) String() string {
	switch s {
	case Absent:
		return "absent"
	case Tried:
		return "tried"
	case Committed:
		return "committed"
	case RolledBack:
		return "rolled back"
	case Suspended:
		return "suspended"
	case Done:
		return "done"
	case Consumed:
		return "consumed"
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// Event is what a participant is asked for. The zero value is invalid.
type Event uint8

// What participants are asked for. Events of one key come from one row.
const (
	Try     Event = iota + 1 // TCC, and callbacks over HTTP: phase one
	Confirm                  // phase two of a commit
	Cancel                   // phase two of a rollback

	Action       // a step of a saga
	Compensation // undoes it

	Consume // an event of a topic, a callback whose phase one is not fenced, the sending of a message: once, no more
	Forbid  // consuming is not to happen any more; refused if it has

	events = 8
)

// String names the event.
func (e Event) String() string {
	switch e {
	case Try:
		return "try"
	case Confirm:
		return "confirm"
	case Cancel:
		return "cancel"
	case Action:
		return "action"
	case Compensation:
		return "compensation"
	case Consume:
		return "consume"
	case Forbid:
		return "forbid"
	}
	return "Event(" + strconv.Itoa(int(e)) + ")"
}

// Valid reports whether e is one of the events.
func (e Event) Valid() bool { return e >= Try && e < events }

// Verdict is what to do with the work. The zero value is invalid.
type Verdict uint8

// What to do with the work.
const (
	Run    Verdict = iota + 1 // do it, and record the new state with it
	Skip                      // leave it and say that all is well: it was done before, or there is nothing to undo
	Refuse                    // leave it and say that it cannot be
)

// String names the verdict.
func (v Verdict) String() string {
	switch v {
	case Run:
		return "run"
	case Skip:
		return "skip"
	case Refuse:
		return "refuse"
	}
	return "Verdict(" + strconv.Itoa(int(v)) + ")"
}

// next is one cell of the table.
type next struct {
	state   State
	verdict Verdict
}

// table says what follows from a recorded state and an event. A cell that is missing is a refusal that changes nothing.
//
//	            try      confirm         cancel             action     compensation      consume        forbid
//	absent      tried !  refuse          suspended          done !     suspended         consumed !     suspended
//	tried       skip     committed !     rolled back !
//	committed   skip     skip            refuse
//	rolled back refuse   refuse          skip               refuse     skip
//	suspended   refuse   refuse          skip               refuse     skip              refuse         skip
//	done                                                    skip       rolled back !
//	consumed                                                                             skip           refuse
//
// A new state with ! is recorded together with the work, which is run; one without is recorded alone, and the work
// skipped.
var table = [states][events]next{
	Absent: {
		Try:          {Tried, Run},
		Cancel:       {Suspended, Skip},
		Action:       {Done, Run},
		Compensation: {Suspended, Skip},
		Consume:      {Consumed, Run},
		Forbid:       {Suspended, Skip},
	},
	Tried: {
		Try:     {Tried, Skip},
		Confirm: {Committed, Run},
		Cancel:  {RolledBack, Run},
	},
	Committed: {
		Try:     {Committed, Skip},
		Confirm: {Committed, Skip},
	},
	RolledBack: {
		Cancel:       {RolledBack, Skip},
		Compensation: {RolledBack, Skip},
	},
	Suspended: {
		Cancel:       {Suspended, Skip},
		Compensation: {Suspended, Skip},
		Forbid:       {Suspended, Skip},
	},
	Done: {
		Action:       {Done, Skip},
		Compensation: {RolledBack, Run},
	},
	Consumed: {
		Consume: {Consumed, Skip},
	},
}

// Decide says what follows when an event comes and s is recorded: what is to be recorded then, and what becomes of the
// work. It is a pure function. The state changes only with Run, or from Absent with Skip; both must become durable in
// the same local transaction as what the work writes. States and events that do not exist are refused.
func Decide(s State, e Event) (State, Verdict) {
	if s >= states || e >= events || table[s][e].verdict == 0 {
		return s, Refuse
	}
	n := table[s][e]
	return n.state, n.verdict
}

// First returns what an event leads to if nothing is recorded, and whether it leaves a record then: stores begin by
// writing that, so that the row is there to be locked before anybody looks at it.
func First(e Event) (State, bool) {
	s, _ := Decide(Absent, e)
	return s, s != Absent
}
