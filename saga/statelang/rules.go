package statelang

// Rule names what a finding is about. Names are stable, so that people can refer to them.
type Rule string

// The rules.
const (
	RuleDuplicateKey        Rule = "key.duplicate"
	RuleMisspeltKey         Rule = "key.misspelt"
	RuleShape               Rule = "shape"
	RuleFlag                Rule = "shape.ignored"
	RuleTooLarge            Rule = "limit"
	RuleDesigner            Rule = "designer"
	RuleTypeUnknown         Rule = "type.unknown"
	RuleLoopStart           Rule = "type.loop-start"
	RuleExtension           Rule = "type.extension"
	RuleRecoverStrategy     Rule = "machine.recover-strategy"
	RulePersist             Rule = "persist.ignored"
	RuleName                Rule = "machine.name"
	RuleStart               Rule = "start.unknown"
	RuleStartCompensation   Rule = "start.compensation"
	RuleNextUnknown         Rule = "next.unknown"
	RuleNextCompensation    Rule = "next.compensation"
	RuleNextNone            Rule = "next.none"
	RuleEndNext             Rule = "next.after-end"
	RuleUnreachable         Rule = "state.unreachable"
	RuleCycle               Rule = "cycle.endless"
	RuleSelfLoop            Rule = "cycle.self"
	RuleTarget              Rule = "service.missing"
	RuleScript              Rule = "script.missing"
	RuleAsync               Rule = "service.async"
	RuleParameterTypes      Rule = "service.parameter-types"
	RuleSubMachine          Rule = "submachine.missing"
	RuleSubMachineUnknown   Rule = "submachine.unknown"
	RuleSubMachineSelf      Rule = "submachine.recursive"
	RuleSubMachineCycle     Rule = "submachine.cycle"
	RuleCompensationUnknown Rule = "compensation.unknown"
	RuleCompensationMissing Rule = "compensation.missing"
	RuleCompensationType    Rule = "compensation.type"
	RuleCompensationNext    Rule = "compensation.next"
	RuleCompensationChain   Rule = "compensation.compensated"
	RuleCompensationUnused  Rule = "compensation.unused"
	RuleNothingToCompensate Rule = "compensation.nothing"
	RuleChoiceDefault       Rule = "choice.no-default"
	RuleChoiceEmpty         Rule = "choice.empty"
	RuleChoiceOption        Rule = "choice.option"
	RuleExpressionSyntax    Rule = "expression.syntax"
	RuleExpressionRefused   Rule = "expression.refused"
	RuleExpressionBare      Rule = "expression.bare-name"
	RuleExpressionNegation  Rule = "expression.negation"
	RuleExpressionKind      Rule = "expression.kind"
	RuleExpressionForgotten Rule = "expression.forgotten"
	RuleStatusValue         Rule = "status.value"
	RuleStatusRunning       Rule = "status.not-final"
	RuleStatusOnlyException Rule = "status.only-exceptions"
	RuleRetry               Rule = "retry"
	RuleRetryBackoff        Rule = "retry.backoff"
	RuleCatchEmpty          Rule = "catch.empty"
	RuleCatchNext           Rule = "catch.next"
	RuleCatchShadowed       Rule = "catch.shadowed"
	RuleClassName           Rule = "exception.name"
	RuleLoopParallel        Rule = "loop.parallel"
	RuleLoopCollection      Rule = "loop.collection"
	RuleLoopVariable        Rule = "loop.variable"
	RuleLoopNames           Rule = "loop.names"
	RuleLoopCondition       Rule = "loop.condition"
	RuleFailIncomplete      Rule = "fail.incomplete"
	RuleBranches            Rule = "branches"
	RuleBranchesIgnored     Rule = "branches.ignored"
	RuleJoin                Rule = "branches.join"
)

// meaning is how bad a rule's findings are, and what to do about them.
type meaning struct {
	severity Severity
	advice   string
}

// meanings has an entry for each rule.
var meanings = map[Rule]meaning{
	RuleDuplicateKey:      {Error, "rename or remove one of them"},
	RuleMisspeltKey:       {Warning, "correct the key; it is ignored as it is"},
	RuleShape:             {Error, "write it as the language has it"},
	RuleFlag:              {Warning, "take the quotes away"},
	RuleTooLarge:          {Error, "divide the machine into sub state machines"},
	RuleDesigner:          {Error, "correct the node or edge in the designer"},
	RuleTypeUnknown:       {Error, "use one of the types of the language"},
	RuleLoopStart:         {Error, "give the task itself a Loop"},
	RuleExtension:         {Note, "no released version of Seata reads it"},
	RuleRecoverStrategy:   {Error, "write Compensate or Forward, or leave it away"},
	RulePersist:           {Note, "remove it; to keep something out of the record, keep it out of Input and results"},
	RuleName:              {Error, "give the machine a Name"},
	RuleStart:             {Error, "name a state of the machine as StartState"},
	RuleStartCompensation: {Warning, "start with a state that goes forward"},
	RuleNextUnknown:       {Error, "correct the name, or add the state"},
	RuleNextCompensation:  {Warning, "go to the CompensationTrigger instead"},
	RuleNextNone:          {Note, "add Next, unless the machine is meant to end here"},
	RuleEndNext:           {Warning, "remove Next; the machine has ended"},
	RuleUnreachable:       {Warning, "lead to it, or remove it"},
	RuleCycle:             {Error, "add a way out, for example a Choice that leads to an end"},
	RuleSelfLoop: {Warning, "use Retry, or go through another state; " +
		"Seata's check of endless loops fails on a state that leads to itself"},
	RuleTarget:              {Error, "say which service and which method is called"},
	RuleScript:              {Error, "write the script"},
	RuleAsync:               {Warning, "remove it, or IsAsync: the result of an asynchronous call is not waited for"},
	RuleParameterTypes:      {Warning, "give as many types as inputs"},
	RuleSubMachine:          {Error, "say which state machine is called"},
	RuleSubMachineUnknown:   {Error, "import that state machine first, or correct the name"},
	RuleSubMachineSelf:      {Error, "take the recursion out; it would not end"},
	RuleSubMachineCycle:     {Error, "take the recursion out; it would not end"},
	RuleCompensationUnknown: {Error, "correct the name, or add the state"},
	RuleCompensationMissing: {Error, "add a CompensateState, or remove IsForUpdate if the service changes nothing"},
	RuleCompensationType:    {Error, "compensate by a task"},
	RuleCompensationNext:    {Warning, "remove Next; it is not followed while the machine compensates"},
	RuleCompensationChain:   {Warning, "remove its CompensateState; a compensation is not compensated"},
	RuleCompensationUnused:  {Warning, "name it as the CompensateState of a task, or remove it"},
	RuleNothingToCompensate: {Warning, "give the tasks before it a CompensateState"},
	RuleChoiceDefault:       {Warning, "add a Default, for example a Fail state; without a match the machine breaks off"},
	RuleChoiceEmpty:         {Error, "add a choice"},
	RuleChoiceOption:        {Error, "a choice needs an Expression and a Next"},
	RuleExpressionSyntax:    {Error, "correct the expression"},
	RuleExpressionRefused:   {Error, "calculate it in a service"},
	RuleExpressionBare:      {Warning, "write the name in brackets; as it is it fails in Seata"},
	RuleExpressionNegation:  {Warning, "write not [x] or !([x]); ![ begins a projection"},
	RuleExpressionKind:      {Error, "use an expression that is true or false"},
	RuleExpressionForgotten: {Warning, "begin it with $. if it is an expression; it is handed on as text"},
	RuleStatusValue:         {Error, "write SU, FA or UN"},
	RuleStatusRunning:       {Warning, "write SU, FA or UN; a task that ended has one of these"},
	RuleStatusOnlyException: {Warning, "add a rule for a call that returns, for example \"#root != null\": \"SU\""},
	RuleRetry:               {Error, "correct the retry"},
	RuleRetryBackoff:        {Warning, "add BackoffRate; without it only the first retry waits"},
	RuleCatchEmpty:          {Warning, "name exceptions, for example java.lang.Throwable; an empty list catches nothing"},
	RuleCatchNext:           {Error, "say where to go"},
	RuleCatchShadowed:       {Warning, "remove it, or put it before the catch of everything"},
	RuleClassName:           {Error, "write the full name of a class"},
	RuleLoopParallel:        {Error, "write a number of at least 1; with less no instance ever starts"},
	RuleLoopCollection:      {Warning, "give a Collection like $.[list]; without one the task runs once"},
	RuleLoopVariable: {Warning, "use nrOfInstances, nrOfActiveInstances, nrOfCompletedInstances " +
		"or a variable of the context"},
	RuleLoopNames:      {Error, "give element and index different names, and none that the engine uses"},
	RuleLoopCondition:  {Error, "use a condition that can be true or false"},
	RuleFailIncomplete: {Warning, "give ErrorCode and Message; Seata's engine fails on a Fail state without them"},
	RuleBranches:       {Error, "name at least two different states as Branches"},
	RuleBranchesIgnored: {Warning, "give it to the tasks of the branches; in a Fork AwaitTimeout bounds the time, " +
		"in a Parallel Output keeps the results"},
	RuleJoin: {Error, "lead all branches to one Join"},
}

// newFinding makes a finding with its rule's severity and advice.
func newFinding(rule Rule, at Position, state, text string) Finding {
	m := meanings[rule]
	return Finding{Rule: rule, Severity: m.severity, At: at, State: state, Text: text, Advice: m.advice}
}
