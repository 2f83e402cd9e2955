package txn

import "time"

// Event is something that happened to one global transaction. The set is closed: the types of this file.
type Event interface{ event() }

// Begin starts a transaction. It is applied to a nil Global.
type Begin struct {
	XID                      XID
	Application, Group, Name string
	Trace                    string        // W3C traceparent, or ""
	Data                     string        // the client's, or ""
	Timeout                  time.Duration // ≤ 0: times out at once
	Saga                     *SagaRun      // of a saga; its first steps begin with the first Wake
}

// Register adds a branch. The ids come from the store's reserved range.
type Register struct {
	BranchID         int64
	Kind             Kind
	Ack              Ack // of a Topic; 0 means AckBroker
	Resource, Client string
	LockKey, Data    string
	Key              string // "", or the client's name of this request: registered once however often it is asked for
	Call             *Call  // of kinds that are called by HTTP
	Trace            string // W3C traceparent, kept by a transaction that has none, or ""
}

// Enlist adds several branches at once, all or none. None of them has locks.
type Enlist struct{ Branches []Register }

// Report is what a participant tells of its phase one.
type Report struct {
	BranchID int64
	State    BranchState // Registered, PhaseOneDone, PhaseOneFailed or ReadOnly
	Data     string      // replaces the application data unless empty
}

// Decide asks for an outcome. It is refused after a decision for the other one.
type Decide struct {
	Outcome Outcome
	Cause   Cause
	// Actor is who asked, for the history: empty for the transaction manager.
	Actor string
	// AllDone says that the participants need no phase two, because a client's saga engine has done it.
	AllDone bool
	// Ongoing says that a client's saga engine goes this way and has not arrived. It is asked to go on until it has, and
	// then that is the decision.
	Ongoing bool
}

// Wake says that the time may have come to do something: a due time passed, or the decision was read from the log.
type Wake struct{}

// Reply is the end of one attempt at a branch's phase two.
type Reply struct {
	BranchID int64
	Op       Outcome
	Attempt  uint32 // the Command's; 0 for the report of a participant, which need not know which message it answers
	Result   Result
	Text     string // what the participant said, for a failure
	// After is when the participant wants to be asked again, 0 if it did not say. Never sooner than the policy has it,
	// and at most [RetryPolicy.SlowDelay] later.
	After time.Duration
	// Engine is where a client's saga engine says that its saga is; see [SagaBranchID].
	Engine EngineState
	// Code is the participant's own, for HTTP the status, and Answer what it said, for the steps of a saga.
	Code   uint16
	Answer string
	// Headers came with the answer to a message, as a JSON object, "" if there are none. Via is where it came, the topic
	// or [ViaAPI]; "" is the end of an attempt that a transport tells.
	Headers, Via string
	// Resent says that what was answered had been sent before in this attempt, on a connection that ended without an
	// answer: the first may have arrived.
	Resent bool
}

// ViaAPI is where an answer came that was given to the API and not to a topic.
const ViaAPI = "*"

// Signal ends the one step of a saga that waits for it. With a Name that is a step that waits for a signal of this
// name; Step says which, if several do. Without a Name it is the step called Step, whatever it waits for: so are
// approvals answered, which no signal ends by its name.
type Signal struct {
	Name, Step, Data, Actor string
	Refuse                  bool // for an approval: no
}

// Retry is an operator's wish to try again now, whatever was planned. Refused branches are tried again too, and so are
// the failed steps of a saga that has no way back: from there it goes on.
type Retry struct {
	Actor    string
	BranchID int64 // 0: all
}

// Skip is an operator's decision that phase two of a branch is not done by the coordinator any more. The outcome stays
// what it is; whether this branch's effects follow it is the operator's business from then on. A step of a saga that is
// not decided counts as done, with Result for its answer; nobody is told by a Notice of that.
type Skip struct {
	BranchID int64
	Actor    string
	Result   string
	Notice   Notice
}

// Finish is an operator's decision that a saga that is stuck behind its pivot is done, with Result as its output: what
// is left of it is not done.
type Finish struct{ Actor, Result string }

// Release is an operator's decision that rows are free although their undo is not done.
type Release struct {
	BranchID int64 // 0: all
	Actor    string
	Notice   Notice
}

// Notice is the message by which consumers learn of a Skip or a Release: a branch of kind Topic that joins with it.
type Notice struct {
	BranchID    int64
	Topic, Data string
}

func (Begin) event()    {}
func (Register) event() {}
func (Enlist) event()   {}
func (Report) event()   {}
func (Decide) event()   {}
func (Wake) event()     {}
func (Reply) event()    {}
func (Retry) event()    {}
func (Skip) event()     {}
func (Release) event()  {}
func (Signal) event()   {}
func (Finish) event()   {}

// Result classifies the end of one attempt.
type Result uint8

// The results of an attempt.
const (
	ResultDone        Result = 1 + iota // the participant confirmed
	ResultFailed                        // it failed and may succeed later
	ResultRefused                       // it can never succeed
	ResultUnreachable                   // nobody could be asked: no session, or the write failed
	ResultNoAnswer                      // it was asked and did not answer in time: it may have been done
	ResultXANotFound                    // its database does not know the XA branch (XAER_NOTA)
	ResultPublished                     // the message of a Topic is durable at the broker
	ResultOngoing                       // the participant is still at it, and wants to be asked again
)

// String returns the name that logs and history show.
func (r Result) String() string {
	switch r {
	case ResultDone:
		return "done"
	case ResultFailed:
		return "failed"
	case ResultRefused:
		return "refused"
	case ResultUnreachable:
		return "unreachable"
	case ResultNoAnswer:
		return "no answer"
	case ResultXANotFound:
		return "unknown to the database"
	case ResultPublished:
		return "published"
	case ResultOngoing:
		return "still going on"
	}
	return "invalid"
}
