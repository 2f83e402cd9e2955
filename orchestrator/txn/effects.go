package txn

// Write says how the next state must be written before anything else is done.
type Write uint8

// The ways to write.
const (
	// WriteNone: nothing changed.
	WriteNone Write = iota
	// WriteMemory: only the cached copy is replaced; losing it costs a repeated command, which every participant must
	// stand anyway.
	WriteMemory
	// WriteLazy: to be stored in order, nobody waits for it. The next durable write takes it along.
	WriteLazy
	// WriteDurable: nothing of the effects may be seen by anybody before it is durable.
	WriteDurable
)

// Effects is what follows from an event. The caller carries it out in the order of the fields.
type Effects struct {
	// Next is the new state; nil if nothing changed.
	Next *Global
	// Write says how Next is stored.
	Write Write
	// Acquire is the branch whose rows must be locked by the same write, all or none, or nil.
	Acquire *Branch
	// Release lists the branches whose rows are unlocked by the same write.
	Release []*Branch
	// Touched lists the indexes in Next.Branches that differ from the stored state, where the store keeps branches
	// one by one. It is a hint: all others are unchanged.
	Touched []int
	// Decided is true on the one change that carries the decision; it is recorded through the decision log.
	Decided bool
	// Ended is true on the one change after which nothing more happens.
	Ended bool
	// Commands are handed to transports when the write is as durable as it asked to be.
	Commands []Command
}

// Command is one attempt at one branch's phase two.
type Command struct {
	XID      XID
	BranchID int64
	Kind     Kind
	Ack      Ack     // of a Topic
	Op       Outcome // 0 for a Check
	Resource string
	Step     string // the name of a saga's step
	// Run is the saga that the step belongs to, or nil.
	Run     *SagaRun
	Client  string // who registered the branch
	Data    string
	Attempt uint32 // counts from 1
	// Application and Group are those of the global transaction.
	Application, Group string
	// Trace is the global transaction's traceparent, or "".
	Trace string
	// Cause is why it was decided.
	Cause Cause
	// Call says how the participant is called, nil unless it is.
	Call *Call
	// Until is when the answer is given up: a command that could not be begun by then must not be begun any more.
	Until Millis
	// As is what the participant knows it by, nil if by what is above: see [Command.Identity].
	As *Identity
}
