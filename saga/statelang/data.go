package statelang

import (
	"fmt"
	"maps"
)

// The variables that the engine puts into a context.
const (
	// ErrorCodeVariable and ErrorMessageVariable are set by a Fail state.
	ErrorCodeVariable    = "_statemachine_error_code_"
	ErrorMessageVariable = "_statemachine_error_message_"
	// MachineKeyVariable has the business key with which the machine was started.
	// Seata 2.x DomainConstants: VAR_NAME_BUSINESSKEY.
	MachineKeyVariable = "_business_key_"
	// ChildStatusVariable is in the result of a sub state machine.
	ChildStatusVariable = "_sub_statemachine_execution_status_"

	businessKeySuffix = MachineKeyVariable
	loopResult        = "loopResult"
)

// Generator makes ids for $Sequence expressions.
type Generator func(entity, rule string) (string, error)

// StartContext makes the context of a machine: its parameters without those that are null.
func StartContext(parameters map[string]any) map[string]any {
	out := make(map[string]any, len(parameters))
	for key, value := range parameters {
		if value != nil {
			out[key] = value
		}
	}
	return out
}

// EvalInput evaluates the input of a task on the context. BusinessKey is the first id that a sequence gave, or "".
func EvalInput(s *State, context map[string]any, next Generator) (input []any, businessKey string, err error) {
	given := func(entity, rule string) (string, error) {
		if next == nil {
			return "", fmt.Errorf("there is no generator for the sequence %q", entity)
		}
		id, err := next(entity, rule)
		if businessKey == "" {
			businessKey = id
		}
		return id, err
	}
	input = make([]any, 0, len(s.Input))
	for i, v := range s.Input {
		value, err := v.eval(context, given)
		if err != nil {
			return nil, "", fmt.Errorf("evaluate input %d of %s: %w", i+1, s.Name, err)
		}
		input = append(input, value)
	}
	return input, businessKey, nil
}

// BusinessKeyVariable is the name under which a state's business key is in the context.
func BusinessKeyVariable(state string) string { return state + businessKeySuffix }

// EvalOutput evaluates the output of a task on what the service returned. Without a result there is none, and a value
// that is null is not assigned.
func EvalOutput(s *State, result any, next Generator) (map[string]any, error) {
	out := map[string]any{}
	if result == nil {
		return out, nil
	}
	for _, a := range s.Output {
		value, err := a.Value.eval(result, next)
		if err != nil {
			return nil, fmt.Errorf("evaluate output %q of %s: %w", a.Name, s.Name, err)
		}
		if value != nil {
			out[a.Name] = value
		}
	}
	return out, nil
}

// ChildParameters are the start parameters of a sub state machine: the first input, if it is a map.
func ChildParameters(input []any) map[string]any {
	if len(input) > 0 {
		if first, ok := input[0].(map[string]any); ok {
			return StartContext(first)
		}
	}
	return map[string]any{}
}

// ChildResult is the result of a SubStateMachine state: what the child ended with, and its status.
func ChildResult(end map[string]any, status Status) map[string]any {
	out := make(map[string]any, len(end)+1)
	maps.Copy(out, end)
	out[ChildStatusVariable] = status.String()
	return out
}

// FailVariables are what a Fail state puts into the context.
func FailVariables(s *State) map[string]any {
	out := map[string]any{}
	if s.ErrorCode != "" {
		out[ErrorCodeVariable] = s.ErrorCode
	}
	if s.Message != "" {
		out[ErrorMessageVariable] = s.Message
	}
	return out
}

// eval evaluates a value: maps lose what is null, lists keep it.
func (v Value) eval(root any, next Generator) (any, error) {
	switch {
	case v.Expression != nil:
		return v.Expression.eval(root, next)
	case v.Map != nil:
		out := make(map[string]any, len(v.Map))
		for _, a := range v.Map {
			value, err := a.Value.eval(root, next)
			if err != nil {
				return nil, err
			}
			if value != nil {
				out[a.Name] = value
			}
		}
		return out, nil
	case v.List != nil:
		out := make([]any, len(v.List))
		for i, item := range v.List {
			value, err := item.eval(root, next)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	}
	return v.Literal, nil
}
