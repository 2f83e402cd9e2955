package statelang

// StateType is the type of a state, as it is written.
type StateType string

// The types of states.
const (
	ServiceTask          StateType = "ServiceTask"
	ScriptTask           StateType = "ScriptTask"
	SubStateMachine      StateType = "SubStateMachine"
	CompensateSubMachine StateType = "CompensateSubMachine"
	Choice               StateType = "Choice"
	CompensationTrigger  StateType = "CompensationTrigger"
	Succeed              StateType = "Succeed"
	Fail                 StateType = "Fail"
	// LoopStart is put in by Seata's engine itself; in a definition it is refused.
	LoopStart StateType = "LoopStart"
	// Parallel, Fork and Join are of side branches of Seata that were not released, and are read as an extension.
	Parallel StateType = "Parallel"
	Fork     StateType = "Fork"
	Join     StateType = "Join"
)

// types lists what a definition may use.
var types = []StateType{
	ServiceTask, ScriptTask, SubStateMachine, CompensateSubMachine, Choice, CompensationTrigger, Succeed, Fail,
	Parallel, Fork, Join,
}

// IsTask reports whether states of the type have the fields of tasks: input, output, status, catch and so on.
func (t StateType) IsTask() bool {
	return t == ServiceTask || t == ScriptTask || t == SubStateMachine || t == CompensateSubMachine
}

// Document is a definition as it was read.
type Document struct {
	// Root is the whole text, Machine what it says. A definition of the old designer has been converted for Machine.
	Root    *Node
	Machine *Machine
	// Designed is true for the old designer's form of nodes and edges.
	Designed bool

	text     string
	standard *Node
	shape    []Finding
}

// Machine is a state machine. It is not changed after it is read.
type Machine struct {
	Name, Comment, Version string
	StartState             string
	// RecoverStrategy is Compensate, Forward, or empty, which compensates on a timeout.
	RecoverStrategy string
	Persist         bool
	// RetryPersistModeUpdate and CompensatePersistModeUpdate are nil where the engine's setting holds.
	RetryPersistModeUpdate, CompensatePersistModeUpdate *bool
	// States are in the order of the document.
	States []*State
	Node   *Node

	byName map[string]*State
	startAt,
	at Position
}

// State returns the state of a name, or nil.
func (m *Machine) State(name string) *State { return m.byName[name] }

// State is a state of a machine. Fields that its type does not have are zero.
type State struct {
	Name, Comment string
	Type          StateType
	Next          Target
	// Extensions is a map that belongs to users; nil if there is none.
	Extensions *Node
	Node       *Node
	// At is where the state's name stands.
	At Position

	// Of tasks.
	CompensateState Target
	// ForCompensation and ForUpdate are what the definition says and what follows from naming a compensation state.
	ForCompensation, ForUpdate                          bool
	Persist                                             bool
	RetryPersistModeUpdate, CompensatePersistModeUpdate *bool
	Retry                                               []Retry
	Catch                                               []Catch
	Input                                               []Value
	Output                                              []Assignment
	Status                                              []StatusRule
	Loop                                                *Loop

	// Of service tasks.
	ServiceName, ServiceMethod, ServiceType string
	ParameterTypes                          []string
	Async                                   bool
	// Of script tasks.
	ScriptType, ScriptContent string
	// Of sub state machines.
	StateMachineName string
	// Of choices.
	Choices []Option
	Default Target
	// Of failures.
	ErrorCode, Message string
	// Of Parallel and Fork. Bound is how many branches run at once, 0 for all; after AwaitMillis no branch of a Fork
	// begins a task, 0: they always may. Output is there, too: that of a Parallel.
	Branches    []Target
	Bound       int
	AwaitMillis int
}

// Target is the name of a state and where it is written.
type Target struct {
	Name string
	At   Position
}

// Retry says which exceptions of a service are tried again in place. A list without classes means network exceptions.
type Retry struct {
	Exceptions      []string
	IntervalSeconds float64
	MaxAttempts     int
	BackoffRate     float64
	At              Position
}

// Catch leads exceptions of its classes to a state.
type Catch struct {
	Exceptions []string
	Next       Target
	At         Position
}

// Value is what an input or output is made of: a literal, an expression, or a map or list of such.
type Value struct {
	// Literal is the value if nothing else is set.
	Literal any
	// Expression is set for a text that begins with $.
	Expression *Expression
	// Map is set for an object, List for a list; neither is nil then.
	Map  []Assignment
	List []Value
	At   Position
}

// Assignment is a name and its value.
type Assignment struct {
	Name  string
	Value Value
}

// StatusRule gives a state its status where its expression is true. The first one that is true counts.
type StatusRule struct {
	Expression *Expression
	// Status is as it is written; Parse says whether it is one.
	Status string
	At     Position
}

// Option is one way out of a choice.
type Option struct {
	Expression *Expression
	Next       Target
	At         Position
}

// Loop runs a task once for each element of a collection.
type Loop struct {
	Parallel            int
	Collection          Value
	ElementVariableName string
	ElementIndexName    string
	CompletionCondition *Expression
	At                  Position
}
