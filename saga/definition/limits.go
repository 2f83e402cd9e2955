package definition

import "time"

// Limits of definitions. What goes beyond them is refused when it is parsed.
const (
	// BytesMax is the longest document.
	BytesMax = 1 << 20
	// StepsMax is how many steps a saga has.
	StepsMax = 1000
	// EdgesMax is how many predecessors a step has.
	EdgesMax = 200
	// CasesMax is how many cases a choice has.
	CasesMax = 100
	// RulesMax is how many rules classify the answer of a step.
	RulesMax = 50
	// HeadersMax is how many headers a call or message has.
	HeadersMax = 50
	// DepthMax is how deep documents, schemas and payloads are nested.
	DepthMax = 32
	// NodesMax is how many values, lists and maps a document has.
	NodesMax = 200_000
	// NameBytesMax is the longest name of a saga, step, case, signal, task or topic.
	NameBytesMax = 64
	// TextBytesMax is the longest title or description.
	TextBytesMax = 4096
	// URLBytesMax is the longest URL as it is written.
	URLBytesMax = 2048
	// DurationMax is the longest deadline, timeout, timer or pause.
	DurationMax = 366 * 24 * time.Hour
	// AttemptsMax is the largest number of attempts of a step or compensation.
	AttemptsMax = 1_000_000
	// FindingsMax is how many findings are reported of one document.
	FindingsMax = 200
)

// Limits of running sagas. What goes beyond them is a failure of the step.
const (
	// LoopItemsMax is how many items a loop runs over, also if its own max is not given.
	LoopItemsMax = 10_000
	// ParallelMax is how many items of a loop are under way at once.
	ParallelMax = 1000
	// ParallelDefault is how many items of a loop are under way at once if the definition does not say.
	ParallelDefault = 1
	// RepeatsMax is the largest number of turns of a repeated step.
	RepeatsMax = 100_000
	// BranchesMax is how many branches a run registers in all, items of loops and turns of repeated steps included, unless
	// the server's setting limits.branchesMax says otherwise.
	BranchesMax = 10_000
	// StepsInAllMax is how many steps a saga has with those of its sub-sagas, each as often as it is started.
	StepsInAllMax = 50_000
	// SubSagaDepthMax is how deep sagas start each other.
	SubSagaDepthMax = 8
	// PayloadBytesMax is the largest payload, answer, or output of a step, as JSON.
	PayloadBytesMax = 1 << 20
)

// Limits of expressions.
const (
	// ExpressionBytesMax is the longest expression.
	ExpressionBytesMax = 4096
	// ExpressionsMax is how many expressions a definition has.
	ExpressionsMax = 20_000
	// ExpressionNodesMax is how many operators, names and literals an expression has.
	ExpressionNodesMax = 1000
	// ExpressionNestingMax is how deep functions that run over lists are nested.
	ExpressionNestingMax = 4
	// ExpressionStepsMax is how many operators, items and pieces of text the functions of one evaluation look at, before
	// it fails.
	ExpressionStepsMax = 1_000_000
	// ExpressionBytesBudget is how many bytes one evaluation may produce on its way, before it fails.
	ExpressionBytesBudget = 8 << 20
)
