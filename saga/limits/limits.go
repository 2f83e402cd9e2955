package limits

import "time"

// Limits of definitions in Concord's language. What goes beyond them is refused when the definition is parsed, so by
// verify and at publish, as a finding of the rule "limit" with line, column and advice, unless it says otherwise.
// What is published already is read without those of that rule: whoever lowers one stops no run.
const (
	// DocumentBytesMax is the longest document. It is far above the largest saga that a person reads, and one document
	// of the store and one request hold it. The API answers 413, requestTooLarge.
	DocumentBytesMax = 1 << 20
	// DraftBytesMax is the longest text of a draft: one document holds it, and who has changed it. The API answers 413,
	// requestTooLarge.
	DraftBytesMax = DocumentBytesMax - 4096
	// StepsMax is how many steps a saga has. The lint and each look of the planner go through all of them.
	StepsMax = 1000
	// EdgesMax is how many predecessors a step has, and how many names are in `by` of an approval: with StepsMax it
	// bounds the edges of the graph, which the lint goes through more than once.
	EdgesMax = 200
	// CasesMax is how many cases a choice has. All conditions may have to be evaluated at each look.
	CasesMax = 100
	// RulesMax is how many rules classify the answer of a step. All may have to be evaluated for each answer.
	RulesMax = 50
	// HeadersMax is how many headers a call or message has; servers refuse requests with many more.
	HeadersMax = 50
	// DepthMax is how deep documents and schemas are nested. Deeper ones are not written by people, and all that reads
	// them is recursive.
	DepthMax = 32
	// NodesMax is how many values, lists and maps a document has: what is parsed takes many times the memory of its text.
	NodesMax = 200_000
	// NameBytesMax is the longest name of a saga, step, case, loop variable, signal, task, topic or header; it is a part
	// of keys, addresses and labels. The rule is "bad-name".
	NameBytesMax = 64
	// TextBytesMax is the longest title, description, prompt, tag, key of a message, role or person.
	TextBytesMax = 4096
	// URLBytesMax is the longest URL as it is written, before expressions are replaced; most servers refuse longer ones.
	URLBytesMax = 2048
	// DurationMax is the longest deadline, timeout, timer or pause: a year, and the leap day.
	DurationMax = 366 * 24 * time.Hour
	// AttemptsMax is the largest number of attempts of a step or compensation: more is the same as no bound.
	AttemptsMax = 1_000_000
	// FindingsMax is how many findings are reported of one document; further ones are left out.
	FindingsMax = 200
	// ExpressionsMax is how many expressions a definition has: each is compiled.
	ExpressionsMax = 20_000
	// StepsInAllMax is how many steps a saga has with those of its sub-sagas, each as often as it is started: a few
	// documents that call each other twice would otherwise be as large as one likes. Refused by the lint.
	StepsInAllMax = 50_000
	// SubSagaDepthMax is how deep sagas start each other. The rule is "recursion".
	SubSagaDepthMax = 8
	// PublishedNameBytesMax is the longest name of a saga or state machine in any language. The rule is "bad-name".
	PublishedNameBytesMax = 128
)

// Limits of runs. What a definition says itself is refused when it is parsed, an input when the run is started, as
// badInput (422); the rest is a failure of the step when it is known.
const (
	// LoopItemsMax is how many items a loop runs over, and the largest `max`. A longer list is refused as the step's
	// failure; in the definition the rule is "limit".
	LoopItemsMax = 10_000
	// ParallelMax is the largest `parallel`: all such items are in one record, and due at once.
	ParallelMax = 1000
	// RepeatsMax is the largest `max` of a repetition: two months of turns, one a minute. BranchesMax ends it earlier.
	RepeatsMax = 100_000
	// BranchesMax is how many branches a run registers in all, items of loops and turns of repeated steps included, unless
	// the server's setting limits.branchesMax says otherwise: all are in one record. A saga that is sure to have more is
	// refused at publish. What comes to need more is compensated, or is stuck behind its pivot, with the failure
	// tooManyBranches; a loop before its first item.
	BranchesMax = 10_000
	// PayloadBytesMax is the largest payload, answer, or output of a step, and the largest input, as JSON; in Seata's
	// machines too. One document of the store holds it.
	PayloadBytesMax = 1 << 20
	// PayloadDepthMax is how deep payloads are nested: what a definition may write, and what it maps into that. It is
	// twice DepthMax.
	PayloadDepthMax = 64
	// MessageKeyBytesMax is the longest key of a message: brokers have an index of them.
	MessageKeyBytesMax = 255
	// CalledURLBytesMax is the longest URL that is called, expressions replaced. The transport calls no longer ones.
	CalledURLBytesMax = 8 << 10
	// HeaderBytesMax is how many bytes the names and values of the headers of one call or message have together:
	// brokers and servers take no more, and they are in the record of the run.
	HeaderBytesMax = 16 << 10
)

// Limits of expressions of Concord's language. Longer and deeper ones are refused at publish, rule "limit" or
// "expression"; budgets end an evaluation, and the step fails.
const (
	// ExpressionBytesMax is the longest expression.
	ExpressionBytesMax = 4096
	// ExpressionNodesMax is how many operators, names and literals an expression has.
	ExpressionNodesMax = 1000
	// ExpressionNestingMax is how deep functions that run over lists are nested: the work grows with this power.
	ExpressionNestingMax = 4
	// ExpressionStepsMax is how many operators, items and pieces of text the functions of one evaluation look at, before
	// it fails: some 50 ms.
	ExpressionStepsMax = 1_000_000
	// ExpressionBytesBudget is how many bytes one evaluation may produce on its way, before it fails.
	ExpressionBytesBudget = 8 << 20
)

// Limits of definitions in Seata's language. What goes beyond them is refused by import and at publish, as a finding of
// the rule "limit" with line and column, unless it says otherwise. Seata itself has none of them but SpELBytesMax.
const (
	// MachineBytesMax is the longest text. What is published, it and its bindings, is one document of the store.
	MachineBytesMax = 1 << 20
	// MachineDepthMax is how deep its values are nested.
	MachineDepthMax = 100
	// MachineStatesMax is how many states a machine has.
	MachineStatesMax = 1000
	// MachineStateNameBytesMax is the longest name of a state, which is a part of the name of each of its branches.
	MachineStateNameBytesMax = 256
	// MachineRetriesMax is the largest MaxAttempts. The rule is "retry".
	MachineRetriesMax = 1000
	// MachinesNestedMax is how deep machines call each other, the outermost counted. Refused at publish.
	MachinesNestedMax = 8
	// BindingsBytesMax is the longest text of bindings. Refused where they are read.
	BindingsBytesMax = 1 << 20
	// BindingAttemptsMax is the largest number of attempts that a binding asks for. Refused where bindings are read.
	BindingAttemptsMax = 1000
	// SpELBytesMax is the longest expression; Spring has the same bound.
	SpELBytesMax = 10_000
	// SpELDepthMax is how deep an expression is nested: its parser is recursive.
	SpELDepthMax = 200
	// SpELNodesMax is how many parts an expression has.
	SpELNodesMax = 2000
)

// Limits of machines that run. What goes beyond them is an exception of the state, or breaks the machine off.
const (
	// MachineLoopItemsMax is how many elements a loop goes through: each look at the run goes through all of them.
	MachineLoopItemsMax = 10_000
	// TransitionsMax is how many states one look at a run goes through, so how long a machine goes round in circles.
	TransitionsMax = 25_000
	// ForksMax is how deep forks are nested.
	ForksMax = 3
	// ConnectsMax is how often an address where nobody answers is tried before that is an exception.
	ConnectsMax = 3
	// MachineRetryPauseMax is the longest pause before a state is tried again; a longer one is cut to it.
	MachineRetryPauseMax = 24 * time.Hour
	// ExceptionsMax is how many superclasses and causes of an exception are kept; further ones are left out.
	ExceptionsMax = 20
	// SpELStepsMax is how many operators and elements one evaluation looks at, before it fails.
	SpELStepsMax = 200_000
	// SpELTextBytesMax bounds the bytes of all texts that one evaluation makes, before it fails.
	SpELTextBytesMax = 4 << 20
)

// Limits of tests of definitions, and of scenarios to simulate. What goes beyond them is refused when they are read.
const (
	// ScenarioBytesMax is the longest file of a test, or text of a scenario.
	ScenarioBytesMax = 1 << 20
	// ScenarioAnswersMax is how many answers are listed for one step.
	ScenarioAnswersMax = 10_000
	// ScenarioWeightMax is the largest weight of an outcome.
	ScenarioWeightMax = 1_000_000
)
