package check

import (
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Seq is a position in the run: every entry of every log has its own, and they are in the order of what happened.
type Seq int64

// Op is what a client or an operator asked for.
type Op uint8

// The requests.
const (
	OpBegin Op = 1 + iota
	OpRegister
	OpReport
	OpCommit
	OpRollback
	OpGet
	OpRetry
	OpSkip
	OpRelease
	OpPlan
	OpEnlist
	OpSignal
	OpTask
	OpMove
)

// OpOf is the request that carries an action of an operator out.
func OpOf(a txn.Action) Op {
	switch a {
	case txn.ActionCommit:
		return OpCommit
	case txn.ActionRollback:
		return OpRollback
	case txn.ActionSkip:
		return OpSkip
	case txn.ActionRelease:
		return OpRelease
	}
	return OpRetry
}

// String returns the name that traces show.
func (o Op) String() string {
	return [...]string{
		"?", "begin", "register", "report", "commit", "rollback", "get", "retry", "skip", "release", "plan", "enlist",
		"signal", "task", "move",
	}[o]
}

// Class is how a request ended.
type Class uint8

// The classes of answers.
const (
	// OK: carried out.
	OK Class = 1 + iota
	// Illegal: refused by the rules; nothing was changed.
	Illegal
	// Locked: refused for a row that another transaction holds.
	Locked
	// NotFound: the xid is unknown.
	NotFound
	// Busy: refused for a bound, for lack of disk, or because the store cannot be reached; nothing was changed.
	Busy
	// Unknown: it failed, and may have been carried out or not.
	Unknown
)

// String returns the name that traces show.
func (c Class) String() string {
	return [...]string{"no answer", "ok", "illegal", "locked", "not found", "busy", "unknown"}[c]
}

// Answer is a request that the coordinator answered, whether or not the answer reached the client. Requests that were
// never answered are not in the log.
type Answer struct {
	Asked, Seq Seq // when the request reached the coordinator, and when it was answered
	Epoch      int // which incarnation of the coordinator
	Second     bool
	Session    int // who asked
	Op         Op
	ID         int64 // of the transaction
	Branch     int64 // for a register that was carried out or refused, and for operations; 0: all
	Class      Class
	Status     txn.Status // the state that was told; 0: none
	Cause      txn.Cause
	Stuck      txn.Stuck
	Version    uint64
	// Durable is the newest version of the transaction that was durable when this was answered.
	Durable uint64
	Row     txn.Row // for Locked: the row, and who was said to hold it
	Holder  int64
	Notice  string        // what consumers are to be told of a skip or a release
	Key     string        // of a register, "" if it has none
	Keys    []string      // of an enlist
	Rows    int           // how many rows a register asked for
	Waited  time.Duration // from Asked to Seq
	At      time.Duration // of Seq
}

// Write is one change that the store accepted. Writes are in the order in which they were accepted, which is the order
// in which they become durable.
type Write struct {
	Seq     Seq
	Durable Seq // 0: a crash lost it
	// DurableAt is the time of Durable.
	DurableAt time.Duration
	Epoch     int // of the store's owner
	Global    *txn.Global
	// Acquire and Release are the branches whose rows were taken and freed.
	Acquire  *txn.Branch
	Release  []*txn.Branch
	Decision bool
	Ended    bool
	// Stored is what the store has kept of the branches' states, if it differs from Global's.
	Stored string
}

// ID is the transaction's.
func (w *Write) ID() int64 { return w.Global.XID.ID }

// Sent is a command that was handed to the transport.
type Sent struct {
	Seq     Seq
	Epoch   int
	Dead    bool // the incarnation had crashed already
	Command txn.Command
	Err     bool // nobody could be asked
	// By is the incarnation whose coordinator wants it sent, which it said at Given; Second says that it was its second
	// coordinator. In a cluster another node may send it.
	By     int
	Second bool
	Given  Seq
	// At is the time of Given, Now the same by the clock of who said so.
	At  time.Duration
	Now txn.Millis
}

// Attempt is a command as a coordinator gave it to its transport, whether or not that found anybody.
type Attempt struct {
	Seq     Seq
	Now     txn.Millis // by the coordinator's clock
	By      int        // the incarnation
	Second  bool       // it was the second coordinator of it
	Command txn.Command
	Err     bool // it was said at once that nobody could be asked
}

// Reply is the end of an attempt as a coordinator was told: who wanted it, or whoever read an answer or a report.
type Reply struct {
	Seq     Seq
	At      time.Duration
	Now     txn.Millis // by the coordinator's clock
	Epoch   int
	Second  bool // it was the second coordinator
	ID      int64
	Branch  int64
	Op      txn.Outcome
	Attempt uint32 // 0: it does not say
	Read    bool   // on a topic
	Result  txn.Result
	After   time.Duration // when the participant wants to be asked again, 0 if it did not say
}

// Action is what a participant did for a branch.
type Action uint8

// The actions.
const (
	Try        Action = 1 + iota // phase one: a local commit, a reservation, a prepared XA branch, a saga step
	Confirm                      // phase two, commit
	Cancel                       // phase two, rollback; undo or compensation
	TryRefused                   // phase one came after phase two and was refused by the fence
	LocalAbort                   // phase one was undone by the participant itself before phase two
)

// String returns the name that traces show.
func (a Action) String() string {
	return [...]string{"?", "try", "confirm", "cancel", "try refused", "local abort"}[a]
}

// Deed is one attempt at one action by a participant, as its own log tells.
type Deed struct {
	Seq      Seq
	At       time.Duration
	ID       int64
	Branch   int64
	Kind     txn.Kind
	Resource string
	Action   Action
	Attempt  uint32 // of the command; 0 for phase one
	Payload  string
	// Effect says that something durable was changed: false for repetitions, empty cancels and failures.
	Effect bool
	Result txn.Result
	// Dirty says that an undo found other values than it had left.
	Dirty bool
	// Step is the position of a saga step, from 1, in a client's engine. Name is that of a step that the coordinator runs;
	// then Pivot says that there is no way back from it.
	Step  int
	Name  string
	Pivot bool
	// Answer is what the participant said of a step that it has done.
	Answer string
	Rows   []RowChange
}

// RowChange is what a deed did to one row.
type RowChange struct {
	Row           txn.Row
	Before, After int64
	// Delta is what phase one added.
	Delta int64
}

// Published is an entry that became visible in the decision topic.
type Published struct {
	Seq     Seq
	ID      int64
	Outcome txn.Outcome
	Event   string
}

// Pack is a pack of decisions, or of repetitions, whose id the store has made durable.
type Pack struct {
	Seq Seq
	ID  string
	// Decided lists the transactions that were decided with it, none for repetitions.
	Decided []int64
}

// HalfMessage is a pack that the broker has stored, without an end.
type HalfMessage struct {
	Seq  Seq
	Pack string
}

// CheckBack is an answer to the broker about a pack.
type CheckBack struct {
	Seq     Seq
	Pack    string
	Stored  bool // it was answered that the pack is stored, or else that it is not and never will be
	Unknown bool // it was not answered
}

// Sight is when a coordinator was told what the store has of a transaction, or what it has not: that a change is not
// stored, or that nobody knows.
type Sight struct {
	Seq   Seq
	Epoch int
	ID    int64
}

// Fence is when the store refused a life of a node from then on.
type Fence struct {
	Seq   Seq
	Epoch int
}

// NoticeTopic is where consumers are told of operations that give up that effects are all or nothing.
const NoticeTopic = "topic:heuristic"

// Operation is what an operator has asked a node to do. That it was asked says nothing about its end.
type Operation struct {
	Seq        Seq
	Epoch      int
	ID, Branch int64 // 0: all branches
	Action     txn.Action
	Notice     string // what consumers are to be told of it, unlike that of any other
}

// Enlisted is a request that several branches join at once. That it was asked says nothing about its end.
type Enlisted struct {
	ID   int64
	Keys []string
}

// IDRange is a range of ids that the store reserved.
type IDRange struct{ First, N int64 }

// Balance is a row of an AT table at the start and at the end.
type Balance struct {
	Row        txn.Row
	Start, End int64
}

// End is what is left when everything has healed and quiet has come.
type End struct {
	// At is the virtual time; Records is everything in the store, in order of id.
	At      time.Duration
	Now     txn.Millis // by the coordinator's clock
	Records []*txn.Global
	// Locks are the rows that the store holds locked, and who holds them.
	Locks []HeldRow
	// Rebuilt is the same, computed from the records alone.
	Rebuilt []HeldRow
	Rows    []Balance
	// Active, Committing, RollingBack, Stuck, Committed and RolledBack are the store's own numbers.
	Active, Committing, RollingBack, Stuck, Committed, RolledBack int64
	// Live is the coordinator's number of transactions that have not ended, Panics that of its defects.
	Live, Panics int64
	// Fresh is how many transactions this incarnation has begun that the store has never seen and that are alive.
	Fresh int64
	// Unanswered lists requests that reached the living coordinator and were never answered.
	Unanswered []string
	// TopicOnly is true if the sweeper was off; then Excused lists what was handed over before a crash.
	TopicOnly bool
	Excused   map[int64]bool
	// ClockJumped is true if the coordinator's clock was set back or forth.
	ClockJumped bool
	// SecondNode is true if another node wrote to the store as well.
	SecondNode bool
	// Cluster is true if several nodes ran on one store. Watchful is true if nothing kept them from looking at it.
	Cluster, Watchful bool
	// Halves lists the packs whose half messages are without an end, Outbox is how many decisions are not known to
	// have been read.
	Halves []string
	Outbox int
	// HalfFirst is true if no decision may be made before the broker has its half message.
	HalfFirst bool
	// Submitted lists the messages whose senders have committed.
	Submitted map[int64]bool
	// Hopeless lists branches whose participant refuses for ever; Failing those that it fails for ever.
	Hopeless map[int64]bool
	// HopelessSteps lists the same for steps of sagas, whose branches are numbered in each saga anew.
	HopelessSteps map[StepID]bool
	// Patient lists the sagas that go on when their deadline has passed.
	Patient map[int64]bool
	// Outputs is what the planner makes of the final record of each saga that was done.
	Outputs map[int64]string
	// Restless is true if there was no end of events.
	Restless bool
	// Pace is how attempts are spaced. HealedAt is when the trouble ended.
	Pace     Pace
	HealedAt time.Duration
	// AnswerMax is the longest that an answer may take.
	AnswerMax time.Duration
}

// StepID is a step of a saga.
type StepID struct{ ID, Branch int64 }

// Replan says that the planner, asked again about a state that was stored, did not stay with what it had said.
type Replan struct {
	Seq  Seq
	ID   int64
	Text string
}

// HeldRow is one locked row.
type HeldRow struct {
	Row    txn.Row
	Holder int64
}

// Logs is a whole run.
type Logs struct {
	Answers   []Answer
	Writes    []*Write
	Sent      []Sent
	Attempts  []Attempt
	Replies   []Reply
	Deeds     []Deed
	Published []Published
	// Packs, CheckBacks and Fences are empty on one machine.
	Packs      []Pack
	Halves     []HalfMessage
	CheckBacks []CheckBack
	Fences     []Fence
	Reserved   []IDRange
	Operations []Operation
	Enlisted   []Enlisted
	Replans    []Replan
	// Refusals are of changes. Reads, and Jumps, which are when its clock was set, are of one machine.
	Refusals, Reads []Sight
	Jumps           []Seq
	End             End
}

// Violation says that an invariant does not hold, and for which transaction.
type Violation struct {
	Invariant string
	ID        int64 // 0: not about one transaction
	Evidence  string
}

// String returns one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s violated for transaction %d: %s", v.Invariant, v.ID, v.Evidence)
}

// Checker is one invariant.
type Checker struct {
	Name string
	Text string
	// Check returns what violates it.
	Check func(*Index) []Violation
}

// Run returns everything that is wrong with a run.
func Run(l *Logs) []Violation {
	x := NewIndex(l)
	var out []Violation
	for _, c := range All() {
		for _, v := range c.Check(x) {
			v.Invariant = c.Name
			out = append(out, v)
		}
	}
	return out
}

// All lists the checkers.
func All() []Checker {
	out := append(outcomeCheckers(), stateCheckers()...)
	out = append(out, lockCheckers()...)
	out = append(out, effectCheckers()...)
	out = append(out, messageCheckers()...)
	out = append(out, heuristicCheckers()...)
	out = append(out, keyCheckers()...)
	out = append(out, sagaCheckers()...)
	out = append(out, retryCheckers()...)
	out = append(out, attemptCheckers()...)
	return append(out, endCheckers()...)
}
