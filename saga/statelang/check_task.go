package statelang

import (
	"math"
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/limits"
)

// place says what an expression is evaluated on.
type place uint8

const (
	inContext place = iota + 1 // the variables of the machine
	inResult                   // what the service returned
)

// task checks what all tasks have.
func (c *checker) task(s *State) {
	c.compensation(s)
	c.retries(s)
	c.catches(s)
	for _, v := range s.Input {
		c.value(v, inContext)
	}
	for _, a := range s.Output {
		c.value(a.Value, inResult)
	}
	exceptions := 0
	for _, rule := range s.Status {
		c.statusRule(rule)
		if rule.Expression.Kind == ExceptionMatch {
			exceptions++
		}
	}
	if len(s.Status) > 0 && exceptions == len(s.Status) && !s.Async {
		c.find(RuleStatusOnlyException, s.Status[0].Expression.At,
			"every rule of Status is for an exception, so a call that returns ends the machine by NoMatchedStatus")
	}
	if s.Loop != nil {
		c.loop(s)
	}
}

func (c *checker) compensation(s *State) {
	name := s.CompensateState.Name
	if name == "" {
		return
	}
	to := c.machine.State(name)
	switch {
	case to == nil:
		c.find(RuleCompensationUnknown, s.CompensateState.At, "there is no state %q to compensate with", name)
	case to == s:
		c.find(RuleCompensationType, s.CompensateState.At, "the state would compensate itself")
	case !to.Type.IsTask() || to.Type == SubStateMachine || to.Type == ScriptTask:
		c.find(RuleCompensationType, s.CompensateState.At, "%q is a %s, which compensates nothing", name, to.Type)
	case to.Type == CompensateSubMachine && s.Type != SubStateMachine:
		c.find(RuleCompensationType, s.CompensateState.At, "%q compensates a sub state machine, which this is not", name)
	}
	if s.ForCompensation {
		c.find(RuleCompensationChain, s.CompensateState.At, "a compensation has a compensation")
	}
	if s.Type == ScriptTask {
		c.find(RuleCompensationType, s.CompensateState.At, "a script is never compensated")
	}
}

func (c *checker) retries(s *State) {
	for i, r := range s.Retry {
		switch {
		case r.MaxAttempts < 0 || r.MaxAttempts > limits.MachineRetriesMax:
			c.find(RuleRetry, r.At, "MaxAttempts is %d; 0 to %d are possible", r.MaxAttempts, limits.MachineRetriesMax)
		case !finite(r.IntervalSeconds) || !finite(r.BackoffRate):
			c.find(RuleRetry, r.At, "IntervalSeconds and BackoffRate have to be at least 0 and finite")
		case r.BackoffRate == 0 && r.IntervalSeconds > 0 && r.MaxAttempts > 1:
			c.find(RuleRetryBackoff, r.At, "the retries after the first do not wait, because BackoffRate is missing or 0")
		}
		c.classes(r.Exceptions, r.At)
		if i > 0 && covers(s.Retry[i-1].Exceptions) {
			c.find(RuleCatchShadowed, r.At, "the retry before it matches every exception")
		}
	}
}

func finite(v float64) bool { return v >= 0 && v <= math.MaxInt32 }

func (c *checker) catches(s *State) {
	for i, k := range s.Catch {
		if len(k.Exceptions) == 0 {
			c.find(RuleCatchEmpty, k.At, "the Catch names no exception, and so catches none")
		}
		if k.Next.Name == "" {
			c.find(RuleCatchNext, k.At, "the Catch has no Next")
		}
		c.classes(k.Exceptions, k.At)
		if i > 0 && covers(s.Catch[i-1].Exceptions) {
			c.find(RuleCatchShadowed, k.At, "the Catch before it catches every exception")
		}
	}
}

// covers reports whether a list of classes matches every exception.
func covers(classes []string) bool {
	return slices.Contains(classes, "java.lang.Throwable") || slices.Contains(classes, "java.lang.Exception")
}

func (c *checker) classes(names []string, at Position) {
	for _, name := range names {
		switch {
		case !className(name):
			c.find(RuleClassName, at, "%q is no name of a class", name)
		case !strings.Contains(name, "."):
			c.find(RuleClassName, at, "%q has no package, so that Seata does not find the class", name).Severity = Warning
		}
	}
}

func (c *checker) statusRule(rule StatusRule) {
	status, err := ParseStatus(rule.Status)
	switch {
	case err != nil:
		c.find(RuleStatusValue, rule.At, "there is no status %q", rule.Status)
	case status != Succeeded && status != Failed && status != Unknown:
		c.find(RuleStatusRunning, rule.At, "a task that ended is not %q", rule.Status)
	}
	c.condition(rule.Expression, inResult)
}

// value checks an input or output.
func (c *checker) value(v Value, where place) {
	switch {
	case v.Expression != nil:
		c.expression(v.Expression, where)
		if v.Expression.Kind == ExceptionMatch {
			c.find(RuleExpressionKind, v.At, "an exception can't be matched here")
		}
	case v.Map != nil:
		for _, a := range v.Map {
			c.value(a.Value, where)
		}
	case v.List != nil:
		for _, item := range v.List {
			c.value(item, where)
		}
	default:
		text, ok := v.Literal.(string)
		if ok && (strings.HasPrefix(text, "#root") || strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]")) {
			c.find(RuleExpressionForgotten, v.At, "%q looks like an expression, and is a text", text)
		}
	}
}

// condition checks an expression that has to be true or false.
func (c *checker) condition(e *Expression, where place) {
	if e == nil {
		return
	}
	c.expression(e, where)
	switch {
	case e.Err != nil:
	case e.Kind == Sequence || e.Kind == ExceptionMatch && where == inContext:
		c.find(RuleExpressionKind, e.At, "%q is neither true nor false here", e.Text)
	case e.spel != nil:
		if value, constant := e.spel.Constant(); constant && value != true && value != false {
			c.find(RuleExpressionKind, e.At, "%q is never true", e.Text)
		}
	}
}

// expression checks an expression by itself.
func (c *checker) expression(e *Expression, where place) {
	if rule, text := e.problem(); rule != "" {
		c.find(rule, e.At, "%s", text)
		return
	}
	if e.spel == nil {
		return
	}
	if _, found := e.spel.NegationTrap(); found {
		c.find(RuleExpressionNegation, e.At, "%q has a projection ![ at its beginning", e.Text)
	}
	for _, r := range e.spel.References() {
		if r.Bare && where == inContext {
			c.find(RuleExpressionBare, e.At, "%s in %q is read as a property, which the context has not", r.Key, e.Text)
		}
	}
}

// The variables that a loop's condition can use.
var loopVariables = []string{"nrOfInstances", "nrOfActiveInstances", "nrOfCompletedInstances"}

func (c *checker) loop(s *State) {
	l := s.Loop
	if l.Parallel < 1 {
		c.find(RuleLoopParallel, l.At, "Parallel is %d", l.Parallel)
	}
	if s.Type == CompensateSubMachine {
		c.find(RuleLoopCollection, l.At, "a %s is not looped", s.Type)
	}
	switch {
	case l.Collection.Expression != nil:
		c.value(l.Collection, inContext)
	case l.Collection.Literal == nil:
		c.find(RuleLoopCollection, l.At, "the loop has no Collection")
	default:
		c.find(RuleLoopCollection, l.Collection.At, "the Collection %q is a text, not a list", l.Collection.Literal)
	}
	element, index := l.ElementVariableName, l.ElementIndexName
	if element == "" || index == "" || element == index || slices.Contains(loopVariables, element) ||
		slices.Contains(loopVariables, index) || element == loopResult || index == loopResult {
		c.find(RuleLoopNames, l.At, "the names %q and %q of element and index do not work", element, index)
	}
	c.condition(l.CompletionCondition, inContext)
	if l.CompletionCondition.Err != nil || l.CompletionCondition.spel == nil {
		return
	}
	for _, r := range l.CompletionCondition.spel.References() {
		if !slices.Contains(loopVariables, r.Key) && slices.ContainsFunc(loopVariables, func(known string) bool {
			return near(r.Key, known, 4)
		}) {
			c.find(RuleLoopVariable, l.CompletionCondition.At, "there is no variable %s", r.Key)
		}
	}
	begin := map[string]any{"nrOfInstances": 3.0, "nrOfActiveInstances": 0.0, "nrOfCompletedInstances": 0.0}
	if done, err := l.CompletionCondition.spel.Holds(begin); err == nil && done && c.onlyLoopVariables(l) {
		c.find(RuleLoopCondition, l.CompletionCondition.At, "the condition is true before the first instance starts")
	}
}

func (c *checker) onlyLoopVariables(l *Loop) bool {
	return !slices.ContainsFunc(l.CompletionCondition.spel.References(), func(r spelReference) bool {
		return !slices.Contains(loopVariables, r.Key)
	})
}
