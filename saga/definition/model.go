package definition

import (
	"encoding/json"
	"time"
)

// Language is the version of the language that this package reads and writes: `saga: 1`.
const Language = 1

// Definition is a saga as it is written. Parse sets every default; a definition built in Go may leave zero values,
// which mean the same.
type Definition struct {
	// Language is the version of the language, 1.
	Language int
	// Name is what runs and other sagas call it by, unique on a server: [a-zA-Z][a-zA-Z0-9_-]{0,63}.
	Name string
	// Title and Description are for people.
	Title, Description string
	// Input is the JSON Schema of the input; nil: any JSON.
	Input *Schema
	// Output is evaluated when the saga is done; nil: no output.
	Output map[string]Value
	// Deadline is how long the whole may take; 0: the server's default.
	Deadline time.Duration
	// OnDeadline is what happens when Deadline has passed.
	OnDeadline OnDeadline
	// Steps are in document order.
	Steps []*Step

	positions map[string]Position
}

// Position is a place in the document; both count from 1, and 0 is unknown.
type Position struct{ Line, Column int }

// Schema is a JSON Schema, draft 2020-12 unless it says otherwise, as compact JSON with sorted keys.
type Schema struct{ JSON json.RawMessage }

// Expr is an expression in expr-lang, without the ${ } around it. Empty means that there is none.
type Expr string

// OnDeadline says what happens when the deadline of the whole has passed.
type OnDeadline uint8

// The answers to a deadline. The zero value means DeadlineCompensate.
const (
	DeadlineCompensate OnDeadline = iota + 1 // what was done is compensated
	DeadlineForward                          // the saga goes on, and is shown as late
)

// Kind is what a step does.
type Kind uint8

// The kinds of steps.
const (
	KindCall     Kind = iota + 1 // an HTTP request
	KindMessage                  // a message, answered on a reply topic if there is one
	KindWorker                   // a task that a program fetches with the SDK
	KindSubSaga                  // another saga
	KindTimer                    // a pause
	KindSignal                   // a wait for a signal from outside
	KindApproval                 // a wait for the decision of a person
	KindChoice                   // one of several ways, by conditions
)

// Step is one element of a saga. Exactly one of the fields Call to Choice is set, the one that Kind says.
type Step struct {
	Position
	// ID is unique in the saga: [a-zA-Z][a-zA-Z0-9_-]{0,63}.
	ID string
	// Title and Description are for people.
	Title, Description string

	Kind     Kind
	Call     *Call
	Message  *Message
	Worker   *Worker
	Sub      *Sub
	Timer    *Timer
	Signal   *Signal
	Approval *Approval
	Choice   *Choice

	// After are the predecessors. nil: the step before it in the document, and the first step begins at once. Empty but
	// not nil: it begins at once. A step that others name in OnRefused has those as predecessors and no After.
	// Definition.Predecessors resolves all that.
	After []Edge
	// When: if it is false the step is skipped. A step whose predecessors were all skipped is skipped; a join runs when
	// all predecessors have ended and at least one was done.
	When Expr
	// ForEach runs the step once for each item of a list; its output is the list of their outputs, in order.
	ForEach *ForEach
	// Repeat runs the step again until a condition holds.
	Repeat *Repeat
	// Output is what later steps see as steps.<id>.output; nil: the whole answer.
	Output map[string]Value
	// Result classifies the answer; the first rule that fits counts, without one the defaults of DefaultOutcome.
	Result []ResultRule
	// Timeout of one attempt of a call, message or worker; of the whole wait of a signal or approval.
	// 0: the server's default; signal and approval: until the deadline of the saga.
	Timeout time.Duration
	// Retry of attempts with the outcome Unknown; nil: the server's default.
	Retry *Retry
	// OnRefused is what happens when the step was refused, or has timed out for good.
	OnRefused OnRefused
	// Compensate undoes the step. It is asked for what was done and for what may have been done, in reverse order.
	Compensate *Compensation
	// ReadOnly: the step changes nothing, so there is nothing to compensate.
	ReadOnly bool
	// Pivot: when the step is done there is no way back, and the steps after it are retried until they are done.
	Pivot bool
}

// Edge is a predecessor. With a Case it counts only if that case of the choice Step was chosen.
type Edge struct {
	Step, Case string
	// Refused is set by Definition.Predecessors alone: the edge is taken only if Step was refused and named its
	// successor in OnRefused.
	Refused bool
}

// Call is an HTTP request. Its target has to be one that the server may call.
type Call struct {
	Method string // GET, POST, PUT, PATCH or DELETE; POST by default
	// URL is a string, or a template whose expressions are escaped as a path segment or a query value.
	URL     Value
	Headers map[string]Value
	Body    *Value // nil: no body
}

// Message is published on a topic.
type Message struct {
	Topic, Tag string
	Key        *Value // nil: the id of the run and the step
	Headers    map[string]Value
	Data       *Value // nil: no data
	// Reply is the topic on which the answer comes; empty: the step is done when the broker has the message.
	Reply string
}

// Worker is a task that programs fetch by its name.
type Worker struct {
	Task  string
	Input *Value // nil: null
}

// Sub runs another saga as a part of this one: its steps are branches of the same transaction, with their own
// compensations and pivots. If one of them is refused, and not caught there, the whole is compensated.
type Sub struct {
	Saga    string
	Version int    // 0: the newest that is published when this saga starts
	Input   *Value // nil: null
}

// Timer is a pause; exactly one of the two is set.
type Timer struct {
	For   time.Duration
	Until Expr // gives a time as RFC 3339; one that has passed is no pause
}

// Signal waits until somebody signals Name to the run. Its data is the answer.
type Signal struct {
	Name   string
	Schema *Schema // what the data has to be; nil: any JSON
}

// Approval waits until a person approves or rejects. Rejected means refused. The answer is {approved, by, comment,
// data}.
type Approval struct {
	Prompt Value    // what is asked, a string or a template
	By     []string // roles or people of whom one may answer; empty: whoever may operate sagas
	Data   *Value   // what is shown with the question; nil: nothing
}

// Choice takes the first case whose condition holds, or Else. steps.<id>.case is the name of the one taken.
type Choice struct {
	Cases []Case
	Else  string // the name of the case without a condition; empty: none, and if no case fits the step is refused
}

// Case is one way of a choice.
type Case struct {
	Name string
	When Expr
}

// ForEach is a loop over the list In.
type ForEach struct {
	In        Expr
	As, Index string // names of the item and of its position in expressions; "item" and "index" by default
	Parallel  int    // how many at once; 0: ParallelDefault
	Max       int    // a longer list is a failure of the step; 0: limits.LoopItemsMax
}

// ParallelDefault is how many items of a loop are under way at once if the definition does not say.
const ParallelDefault = 1

// Repeat asks again until Until holds, which sees status, headers and body of the answer, and attempt from 1.
type Repeat struct {
	Until Expr
	Every time.Duration // 0: at once
	Max   int           // how many turns; then the step is refused; 0: without end
}

// ResultRule says what an answer means for which When holds; it sees status, headers and body.
type ResultRule struct {
	When Expr
	Is   Outcome
}

// Outcome is what an answer means.
type Outcome uint8

// The outcomes.
const (
	Done    Outcome = iota + 1 // the step has done its work
	Refused                    // it never will, and has changed nothing
	Ongoing                    // it is still at it and is asked again, which costs no attempt
	Unknown                    // nobody knows; it is tried again
)

// Retry spaces the attempts of a step or compensation. Zero fields: the server's default.
type Retry struct {
	First, Max time.Duration // the first delay, which doubles up to Max
	Attempts   int           // attempts in all; then a step is refused, and a saga stuck if it is a compensation
	Jitter     float64       // the delays are spread by that part of them, 0 to 1
}

// RefusedAction is what happens when a step was refused.
type RefusedAction uint8

// The answers to a refusal. The zero value means RefusedCompensate.
const (
	RefusedCompensate RefusedAction = iota + 1 // the saga is compensated
	RefusedContinue                            // it goes on as if the step were done, without an output
	RefusedCatch                               // it goes on with another step
)

// OnRefused is what happens when a step was refused.
type OnRefused struct {
	Action RefusedAction
	Step   string // of RefusedCatch: the step to go on with
}

// Compensation undoes a step. Exactly one of Call, Message and Worker is set. Its expressions see what those of the
// step see, and `output`, that of the step, which is null if nobody knows whether it was done.
type Compensation struct {
	Call    *Call
	Message *Message
	Worker  *Worker
	Result  []ResultRule
	Timeout time.Duration
	Retry   *Retry // nil: the server's default, which never gives up but makes the saga stuck
}

// DefaultOutcome is what an HTTP status means to which no rule fits.
func DefaultOutcome(status int) Outcome {
	switch {
	case status == 202 || status == 425:
		return Ongoing
	case status >= 200 && status < 300:
		return Done
	case status == 409 || status == 422:
		return Refused
	}
	return Unknown
}

// At returns where an element stands in the document, by its JSON pointer such as "/steps/2/call/url"; if it is not
// known, where what it belongs to stands.
func (d *Definition) At(pointer string) Position {
	for {
		if p, ok := d.positions[pointer]; ok {
			return p
		}
		cut := len(pointer) - 1
		for cut >= 0 && pointer[cut] != '/' {
			cut--
		}
		if cut < 0 {
			return d.positions[""]
		}
		pointer = pointer[:cut]
	}
}

// Step returns the step with an id and its index, or nil and -1.
func (d *Definition) Step(id string) (*Step, int) {
	for i, s := range d.Steps {
		if s.ID == id {
			return s, i
		}
	}
	return nil, -1
}
