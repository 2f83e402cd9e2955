package txn

import "time"

// Millis is a point in time in milliseconds since 1970-01-01 UTC, or 0 for "none". All times in stored records are of
// this type; they are the store's time.
type Millis int64

// Add returns m shifted by d.
func (m Millis) Add(d time.Duration) Millis { return m + Millis(d.Milliseconds()) }

// Time converts m to a time.Time in UTC; the zero Millis gives the zero time.
func (m Millis) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// MillisOf converts t to Millis.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Status is where a global transaction stands. Whether it is stuck, why it was decided and how often was tried are
// fields of their own, not statuses.
type Status uint8

// The statuses. The edges are Active → Committing → Committed and Active → RollingBack → RolledBack, no others.
const (
	Active      Status = 1 + iota // branches may join
	Committing                    // decided: commit; phase two is under way
	RollingBack                   // decided: rollback; phase two is under way
	Committed                     // ended
	RolledBack                    // ended
)

// String returns the name that the API shows.
func (s Status) String() string {
	switch s {
	case Active:
		return "Active"
	case Committing:
		return "Committing"
	case RollingBack:
		return "RollingBack"
	case Committed:
		return "Committed"
	case RolledBack:
		return "RolledBack"
	}
	return "Invalid"
}

// ParseStatus is the reverse of [Status.String]; ok is false for an unknown name.
func ParseStatus(name string) (s Status, ok bool) {
	for s = Active; s <= RolledBack; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// Ended reports whether nothing more will happen.
func (s Status) Ended() bool { return s == Committed || s == RolledBack }

// Decided reports whether the outcome is fixed.
func (s Status) Decided() bool { return s > Active }

// Outcome returns the decision that s implies, or 0 while Active.
func (s Status) Outcome() Outcome {
	switch s {
	case Committing, Committed:
		return Commit
	case RollingBack, RolledBack:
		return Rollback
	}
	return 0
}

// Outcome is a decision.
type Outcome uint8

// The two decisions.
const (
	Commit Outcome = 1 + iota
	Rollback
)

// Forward is what the steps of a saga are asked before the decision, where others name the outcome that they ask for.
const Forward Outcome = 3

// String returns "commit" or "rollback".
func (o Outcome) String() string {
	switch o {
	case Commit:
		return "commit"
	case Rollback:
		return "rollback"
	case Forward:
		return "forward"
	}
	return "undecided"
}

// Cause says who or what decided.
type Cause uint8

// The causes of a decision.
const (
	CauseRequested Cause = 1 + iota // the transaction manager asked for it
	CauseTimeout                    // the deadline passed
	CauseReported                   // a client's saga engine reported that it had finished
	CauseOperator                   // a person asked for it
	CauseChecked                    // the sender of a message was asked, see [Check]
	CauseCompleted                  // a saga has done all its steps
	CauseRefused                    // a saga cannot go on: a step was refused, or nobody knows whether it has run
)

// String returns the name that the API shows.
func (c Cause) String() string {
	switch c {
	case CauseRequested:
		return "requested"
	case CauseTimeout:
		return "timeout"
	case CauseReported:
		return "reported"
	case CauseOperator:
		return "operator"
	case CauseChecked:
		return "checked"
	case CauseCompleted:
		return "completed"
	case CauseRefused:
		return "refused"
	}
	return ""
}

// Stuck says why a transaction needs a person; 0 means that it does not.
type Stuck uint8

// The reasons to be stuck.
const (
	// StuckRefused: a branch answered that it can never finish, for Seata's AT mode because the rows were changed by
	// others (dirty write). Nothing more is sent until an operator asks for a retry.
	StuckRefused Stuck = 1 + iota
	// StuckRetriesUsedUp: the retry budget of a branch is spent. It is still tried, at the slow pace of
	// [RetryPolicy.SlowDelay], so that it heals by itself when the participant comes back.
	StuckRetriesUsedUp
)

// String returns the name that the API shows, "" if not stuck.
func (s Stuck) String() string {
	switch s {
	case StuckRefused:
		return "refused"
	case StuckRetriesUsedUp:
		return "retriesUsedUp"
	}
	return ""
}

// Global is a global transaction with its branches. It is immutable once returned by [Apply] or [Decode].
type Global struct {
	XID XID
	// Version counts the stored changes: 0 has never been stored. The store compares and swaps on it.
	Version uint64
	// Application and Group are those of the session that began it; Name is what the client called it.
	Application, Group, Name string
	// Trace is the W3C traceparent that the client gave at the begin, "" if none. It travels with the events.
	Trace string
	// Data is what the client gave at the begin, for people and consumers; "" if nothing.
	Data string
	// Heuristic is true once a person has skipped a branch or released rows: the effects may not be all or nothing.
	Heuristic bool
	// BeganAt, DecidedAt and EndedAt are 0 until the event has happened.
	BeganAt, DecidedAt, EndedAt Millis
	// Timeout runs from BeganAt; an Active transaction older than that is rolled back.
	Timeout time.Duration
	Status  Status
	Cause   Cause
	Stuck   Stuck
	// DueAt is when somebody must look at it again even if nothing happens: the deadline while Active, the next
	// attempt after the decision, 0 when ended or when only an operator can help.
	DueAt Millis
	// Saga says what it runs, nil unless it is a saga of Concord's own.
	Saga *SagaRun
	// Branches are in order of registration.
	Branches []*Branch
	// History is what happened, oldest first.
	History History
}

// Deadline is when an Active transaction times out.
func (g *Global) Deadline() Millis { return g.BeganAt.Add(g.Timeout) }

// Branch returns the branch with the id and its index, or nil and -1.
func (g *Global) Branch(id int64) (*Branch, int) {
	if i := id - 1; i >= 0 && i < int64(len(g.Branches)) && g.Branches[i].ID == id {
		return g.Branches[i], int(i) // as the steps of sagas are numbered
	}
	for i := len(g.Branches) - 1; i >= 0; i-- {
		if g.Branches[i].ID == id {
			return g.Branches[i], i
		}
	}
	return nil, -1
}

// CommitsDetached reports whether nothing is left of a commit that a client could wait for: every branch is detached
// (see [Kind.Detached]) or needs no phase two; true without branches.
func (g *Global) CommitsDetached() bool {
	for _, b := range g.Branches {
		if !b.Kind.Detached() && b.NeedsPhaseTwo() {
			return false
		}
	}
	return true
}

// AnswersCommit reports whether a client that waits for the commit can be told now. That is so at the decision if no
// branch was there that it could wait for; later when only messages and AT branches are left, and that is durable.
// Without messages it waits for the end: that one of the others is done may be known in memory only until then.
func (g *Global) AnswersCommit() bool {
	if !g.CommitsDetached() {
		return false
	}
	for _, b := range g.Branches {
		if !b.Kind.Detached() && b.State == Finished {
			return g.awaitsTopics()
		}
	}
	return true
}

// SagaNamePrefix begins the name of every transaction that Seata's saga engine starts.
// Seata saga engine: DefaultSagaTransactionalTemplate, "$Saga_" + state machine name.
const SagaNamePrefix = "$Saga_"

// ClientSaga reports whether Seata's own saga engine runs this transaction: its first branch is a saga branch, or it
// has none and is named so. Seata 2.x GlobalSession.isSaga.
func (g *Global) ClientSaga() bool {
	if len(g.Branches) > 0 {
		return g.Branches[0].Kind == Saga
	}
	return len(g.Name) >= len(SagaNamePrefix) && g.Name[:len(SagaNamePrefix)] == SagaNamePrefix
}

// Kind is the mode of a branch.
type Kind uint8

// The kinds of branches. Those up to SagaAnnotation are what Seata clients register.
const (
	AT Kind = 1 + iota
	TCC
	Saga
	XA
	SagaAnnotation
	// Topic is a participant that is reached by a message: on commit the branch's data is published on the topic that
	// its resource names. It has no phase one, and a rollback asks nothing of it, because nothing was published.
	Topic
	// HTTP is a participant with URLs for commit and rollback, HTTPTCC one with URLs for confirm and cancel, of which the
	// service that registered it has called the try already. See [Call].
	HTTP
	HTTPTCC
	// Check is no participant: it says where to ask what became of a two-phase message whose sender is silent after the
	// deadline. A transaction has at most one, its first branch; without it silence means rollback.
	Check
	// StepCall and those after it are steps of a saga that Concord runs: a participant with URLs to go forward and to
	// undo, one that is reached by a message and answers, one that takes its work from a queue, a time, and a signal.
	StepCall
	StepMessage
	StepWorker
	StepTimer
	StepSignal
)

// Called reports whether such branches are reached by an HTTP call.
func (k Kind) Called() bool { return k == HTTP || k == HTTPTCC || k == Check || k == StepCall }

// Detached reports whether nobody waits for a commit of such branches: that of AT only deletes undo logs, and what
// became of a message is none of its sender's business. A check has nothing to commit.
func (k Kind) Detached() bool { return k == AT || k == Topic || k == Check }

// String returns Seata's name for the kind; those that Seata does not know are TOPIC, HTTP, HTTP_TCC, CHECK and
// STEP_CALL, STEP_MESSAGE, STEP_WORKER, STEP_TIMER, STEP_SIGNAL.
func (k Kind) String() string {
	switch k {
	case AT:
		return "AT"
	case TCC:
		return "TCC"
	case Saga:
		return "SAGA"
	case XA:
		return "XA"
	case SagaAnnotation:
		return "SAGA_ANNOTATION"
	case Topic:
		return "TOPIC"
	case HTTP:
		return "HTTP"
	case HTTPTCC:
		return "HTTP_TCC"
	case Check:
		return "CHECK"
	}
	if k.Step() {
		return [...]string{"STEP_CALL", "STEP_MESSAGE", "STEP_WORKER", "STEP_TIMER", "STEP_SIGNAL"}[k-StepCall]
	}
	return "Invalid"
}

// Ack says when a branch of kind Topic is done; 0 for all other kinds.
type Ack uint8

// The acknowledgements.
const (
	AckBroker Ack = 1 + iota // when its message is durable at the broker
	AckReport                // when the participant has reported back; until then the message is published again
)

// String returns the name that the API uses, "" for none.
func (a Ack) String() string {
	switch a {
	case AckBroker:
		return "broker"
	case AckReport:
		return "report"
	}
	return ""
}

// ParseAck is the reverse of [Ack.String]; ok is false for an unknown name.
func ParseAck(name string) (a Ack, ok bool) {
	for a = AckBroker; a <= AckReport; a++ {
		if a.String() == name {
			return a, true
		}
	}
	return 0, false
}

// BranchState is where a branch stands.
type BranchState uint8

// The branch states.
const (
	Registered     BranchState = 1 + iota // joined; its local work may or may not be done
	PhaseOneDone                          // reported: local work done
	PhaseOneFailed                        // reported: local work failed and was undone; needs no phase two
	ReadOnly                              // reported: an XA branch that changed nothing; needs no phase two
	Finished                              // phase two confirmed by the participant, or nothing to be done in it
	Refused                               // phase two refused for good; needs a person
	Published                             // the message of a Topic is out, and its participant's report is waited for
	Skipped                               // a person decided that phase two is not done here
)

// String returns the name that the API shows.
func (s BranchState) String() string {
	switch s {
	case Registered:
		return "Registered"
	case PhaseOneDone:
		return "PhaseOneDone"
	case PhaseOneFailed:
		return "PhaseOneFailed"
	case ReadOnly:
		return "ReadOnly"
	case Finished:
		return "Finished"
	case Refused:
		return "Refused"
	case Published:
		return "Published"
	case Skipped:
		return "Skipped"
	}
	return "Invalid"
}

// Branch is one participant's part of a global transaction. It is immutable once returned.
type Branch struct {
	// ID is positive and unique for the life of the store, except [SagaBranchID].
	ID    int64
	Kind  Kind
	State BranchState
	// Ack is when a branch of kind Topic is done.
	Ack Ack
	// Resource names what the participant manages: a JDBC URL, a TCC action, an application and group, a topic.
	Resource string
	// Client is "application:ip:port" of the session that registered the branch.
	Client string
	// LockKey lists the rows that the branch changed, as the client sent it; see [EachLock].
	LockKey string
	// Data is the client's application data, handed back unchanged in phase two; for a topic, what is published.
	Data string
	// RegisteredAt is when it joined.
	RegisteredAt Millis
	// Attempts counts the commands of phase two that were handed out. The first is counted in memory only.
	Attempts uint32
	// InFlightUntil is when an answer to the last command is given up, NextAt when the next one is due; at most one of
	// them is set. Both are 0 before the first attempt.
	InFlightUntil, NextAt Millis
	// Failure is what the last failed attempt said, at most failureBytesMax bytes.
	Failure string
	// Released is true when its locks were released before the end of the transaction (rollback: its undo is done).
	Released bool
	// Key is what the client that registered the branch calls the request; the same key is the same branch. "" if none.
	Key string
	// Call says how the participant is called; nil unless the kind is [Kind.Called].
	Call *Call
	// Step is what steps of a saga have beyond others, nil for these.
	Step *Step
	// Ongoing counts the attempts that cost nothing of the retry budget: those that were answered with "still going on",
	// and, where the branch has a budget of its own, those for which nobody could be asked.
	Ongoing uint32
}

// SagaBranchID is the id of the one command by which a client's saga engine is told to go on with phase two.
// Seata 2.x SagaCore.doGlobalCommit: branchId -1.
const SagaBranchID int64 = -1

// NeedsPhaseTwo reports whether the branch still has something to do once the outcome is decided.
func (b *Branch) NeedsPhaseTwo() bool {
	switch b.State {
	case PhaseOneFailed, ReadOnly, Finished, Skipped:
		return false
	}
	return b.Kind != Check
}

// InFlight reports whether an answer to a command is still waited for.
func (b *Branch) InFlight(now Millis) bool { return b.InFlightUntil > now }
