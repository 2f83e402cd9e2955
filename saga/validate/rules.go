package validate

import "github.com/concord-tx/concord/saga/definition"

// The rules that Check applies, besides those of Parse.
const (
	RuleUnknownStep     definition.Rule = "unknown-step"
	RuleUnknownCase     definition.Rule = "unknown-case"
	RuleCycle           definition.Rule = "cycle"
	RuleUnreachable     definition.Rule = "unreachable"
	RuleUnusedCase      definition.Rule = "unused-case"
	RuleNoExit          definition.Rule = "no-exit"
	RuleConstant        definition.Rule = "constant-condition"
	RuleCatchAfter      definition.Rule = "catch-after"
	RuleNoCompensation  definition.Rule = "no-compensation"
	RuleUseless         definition.Rule = "useless-key"
	RuleLoopKind        definition.Rule = "loop-kind"
	RuleTakenName       definition.Rule = "taken-name"
	RuleBadURL          definition.Rule = "bad-url"
	RuleBadTopic        definition.Rule = "bad-topic"
	RuleClosedTarget    definition.Rule = "closed-target"
	RuleDynamicTarget   definition.Rule = "dynamic-target"
	RuleReservedHeader  definition.Rule = "reserved-header"
	RuleAfterPivot      definition.Rule = "compensation-after-pivot"
	RuleNoWayBack       definition.Rule = "no-way-back"
	RuleBesidePivot     definition.Rule = "beside-pivot"
	RulePivotGivesUp    definition.Rule = "pivot-gives-up"
	RulePivotLoop       definition.Rule = "pivot-in-loop"
	RuleUnknownVariable definition.Rule = "unknown-variable"
	RuleNotBefore       definition.Rule = "not-before"
	RuleUnknownInput    definition.Rule = "unknown-input"
	RuleUnknownOutput   definition.Rule = "unknown-output"
	RuleMaybeSkipped    definition.Rule = "maybe-skipped"
	RuleDynamicStep     definition.Rule = "dynamic-step"
	RuleUnusedOutput    definition.Rule = "unused-output"
	RuleDeadline        definition.Rule = "deadline"
	RuleTightDeadline   definition.Rule = "tight-deadline"
	RuleWaitsForever    definition.Rule = "waits-forever"
	RuleBadSchema       definition.Rule = "bad-schema"
	RuleRecursion       definition.Rule = "recursion"
	RuleUnknownSaga     definition.Rule = "unknown-saga"
	RuleSubInput        definition.Rule = "sub-input"
	RuleNeverDone       definition.Rule = "never-done"
	RuleServerError     definition.Rule = "server-error"
	RuleUndoByGet       definition.Rule = "undo-by-get"
	RuleUndoGivesUp     definition.Rule = "undo-gives-up"
	RuleIgnoredApproval definition.Rule = "ignored-approval"
	RuleSignalTwice     definition.Rule = "signal-twice"
	RuleEmptyPart       definition.Rule = "empty-part"
	RuleAlikeNames      definition.Rule = "alike-names"
	RuleNeverEqual      definition.Rule = "never-equal"
	RuleNotExpression   definition.Rule = "not-an-expression"
)

// Info describes a rule for people.
type Info struct {
	Rule     definition.Rule
	Severity definition.Severity
	// Text says what the rule is about.
	Text string
}

// Rules lists all rules, those of Parse first.
func Rules() []Info {
	const e, w, h = definition.SeverityError, definition.SeverityWarning, definition.SeverityHint
	return []Info{
		{definition.RuleSyntax, e, "The document is neither YAML nor JSON."},
		{definition.RuleUnsupported, e, "YAML that the language does not have: anchors, aliases, tags, several documents."},
		{definition.RuleUnknownKey, e, "A key that the language does not have; it is often misspelt."},
		{definition.RuleDuplicateKey, e, "A key is twice in one map."},
		{definition.RuleWrongType, e, "A list where a text belongs, and the like."},
		{definition.RuleMissing, e, "Something is missing that has to be there."},
		{definition.RuleConflict, e, "Two keys or values exclude each other."},
		{definition.RuleBadValue, e, "A value of the right type that means nothing here."},
		{definition.RuleBadName, e, "A name that is not one, is taken, or is reserved."},
		{definition.RuleLimit, e, "More than a limit allows."},
		{definition.RuleExpression, e, "An expression that cannot be compiled, or gives another type than is needed."},
		{RuleUnknownStep, e, "`after`, `onRefused` or an expression names a step that does not exist."},
		{RuleUnknownCase, e, "`after` names a case that its step does not have."},
		{RuleCycle, e, "Steps wait for each other."},
		{RuleUnreachable, e, "A step that no run can reach."},
		{RuleUnusedCase, w, "A case with a condition after which nothing comes."},
		{RuleNoExit, w, "A repetition without end, or a choice without `else`, which is refused if no case fits."},
		{RuleConstant, w, "A condition that is always true or always false."},
		{RuleCatchAfter, e, "A step that a refusal leads to has predecessors of its own."},
		{RuleNoCompensation, e, "A step changes something and cannot be undone, though the saga can still fail."},
		{RuleUseless, w, "A key has no effect on a step of this kind."},
		{RuleLoopKind, e, "A choice cannot be a loop or be repeated."},
		{RuleTakenName, e, "A loop variable has the name of another variable."},
		{RuleBadURL, e, "A URL that cannot be called."},
		{RuleClosedTarget, w, "A URL that the server does not call: its setting `callback.allow` does not list the host."},
		{RuleBadTopic, e, "A topic that the server writes itself, or that brokers do not take."},
		{RuleDynamicTarget, w, "The host of a URL is computed, so what is called depends on data."},
		{RuleReservedHeader, e, "A header that the server sets itself."},
		{RuleAfterPivot, w, "A compensation behind a pivot, which is never used."},
		{RuleNoWayBack, w, "A step behind a pivot can be refused, and there is no way back."},
		{RuleBesidePivot, w, "A step beside a pivot can be refused when the pivot is done already."},
		{RulePivotGivesUp, w, "A pivot gives up after some attempts, though it may have been done."},
		{RulePivotLoop, w, "A pivot in a loop: one item may be done and another refused."},
		{RuleUnknownVariable, e, "An expression uses a variable that it does not see."},
		{RuleNotBefore, e, "An expression reads a step that is not before its own."},
		{RuleUnknownInput, e, "An expression reads a part of the input that its schema does not have."},
		{RuleUnknownOutput, e, "An expression reads a part of an output that its step does not give."},
		{RuleMaybeSkipped, w, "An expression reads into the output of a step that may have been skipped or refused."},
		{RuleDynamicStep, w, "An expression computes which step it reads, so it cannot be checked."},
		{RuleUnusedOutput, h, "A part of an output that nothing reads."},
		{RuleDeadline, e, "The timers of a path take longer than the deadline."},
		{RuleTightDeadline, w, "The timers and timeouts of a path together are longer than the deadline."},
		{RuleWaitsForever, w, "A signal or approval without a timeout, in a saga without a deadline that ends it."},
		{RuleBadSchema, e, "A JSON Schema that is none, that refers to something outside, or that nothing fits."},
		{RuleRecursion, e, "A saga that starts itself, or sub-sagas that are nested too deep."},
		{RuleUnknownSaga, e, "A sub-saga that is not published."},
		{RuleSubInput, e, "The input of a sub-saga does not fit its schema."},
		{RuleNeverDone, e, "No answer means that a step, or a compensation, is done."},
		{RuleServerError, w, "A failure of a server, of which nobody knows what was done, counts as done or refused."},
		{RuleUndoByGet, w, "A GET is to undo a step that changes something."},
		{RuleUndoGivesUp, w, "A compensation is tried once: one answer that is lost, and the saga is stuck."},
		{RuleEmptyPart, w, "A part of the URL of a compensation is empty where nobody knows whether its step was done."},
		{RuleIgnoredApproval, w, "A rejection is passed over, and nothing looks at it."},
		{RuleSignalTwice, w, "Two steps wait for one signal at the same time."},
		{RuleAlikeNames, w, "Names of steps or cases that differ only in upper and lower case."},
		{RuleNeverEqual, w, "An expression compares with a value that never is: a status, a case, an enum of the input."},
		{RuleNotExpression, w, "A text looks like an expression, and has no `${ }`."},
	}
}
