package explore

import "github.com/concord-tx/concord/orchestrator/txn"

// Subject is a definition that is explored, in whatever language.
type Subject interface {
	// Begin is how a run of it begins.
	Begin() txn.Begin
	// Planner plans without data: it asks the oracle instead, the same question whenever the run is in the same state.
	Planner(o Oracle) txn.Planner
	// Outside says what may come from outside at each moment: the deadline, a person who cancels.
	Outside() (deadline, cancel bool)
	// Answers are the ways in which a call can be answered, the one on which all is well first. There is one way for what
	// undoes a step on a rollback, and its text is [Compensated].
	Answers(g *txn.Global, o Oracle, cmd txn.Command) []Answer
	// Word says what was chosen, of n, when the oracle was asked.
	Word(what string, took, n int) string
	// Endless reports whether a question or a step is in a cycle that was gone through often enough.
	Endless(what string) bool
	// Judge looks at an end. The zero value is a good one.
	Judge(g *txn.Global, o Oracle) Verdict
}

// Oracle answers what depends on data. The same question gets the same answer within a run.
type Oracle interface {
	// Choose returns a number below n.
	Choose(what string, n int) int
}

// Answer is a way in which a call can be answered. Which call it is of need not be said.
type Answer struct {
	Text  string
	Reply txn.Reply
}

// Verdict is what is bad about an end.
type Verdict struct {
	// Step is the id of the step that it is about, "" for none; Text says what is wrong, "" that nothing is.
	Step, Text string
	// Unsure says that the definition wants it so: it waits for a person.
	Unsure bool
}

// Compensated is what a timeline says of a step that is undone.
const Compensated = "compensated"

// What a timeline says of what comes from outside.
const (
	deadlinePasses = "the deadline passes"
	personCancels  = "a person cancels it"
)
