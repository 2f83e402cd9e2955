package statelang

import (
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/statelang/spel"
)

type spelReference = spel.Reference

// machineKeys are the keys of a machine.
var machineKeys = []string{
	"Name", "Comment", "Version", "StartState", "RecoverStrategy", "IsPersist", "IsRetryPersistModeUpdate",
	"IsCompensatePersistModeUpdate", "States",
}

// drawn are the keys of the designers and of other tools, which mean nothing to the engine.
var drawn = []string{"style", "edge", "catch", "listener", "layout"}

var (
	commonKeys = []string{"Type", "Comment", "Next", "Extensions"}
	taskKeys   = []string{
		"CompensateState", "IsForCompensation", "IsForUpdate", "IsPersist", "IsRetryPersistModeUpdate",
		"IsCompensatePersistModeUpdate", "Retry", "Catch", "Input", "Output", "Status", "Loop",
	}
)

// stateKeys lists the keys that a type has.
func stateKeys(kind StateType) []string {
	keys := slices.Clone(commonKeys)
	if kind.IsTask() {
		keys = append(keys, taskKeys...)
	}
	switch kind {
	case ServiceTask:
		keys = append(keys, "ServiceName", "ServiceMethod", "ServiceType", "ParameterTypes", "IsAsync")
	case ScriptTask:
		keys = append(keys, "ScriptType", "ScriptContent")
	case SubStateMachine:
		keys = append(keys, "StateMachineName")
	case Choice:
		keys = append(keys, "Choices", "Default")
	case Fail:
		keys = append(keys, "ErrorCode", "Message")
	case Parallel, Fork:
		keys = append(keys, "Branches", "Parallel", "AwaitTimeout", "Timeout", "Output")
	}
	return keys
}

// meaningless lists the keys that Seata's branches read nowhere, or read and never look at, in a state of a type.
func meaningless(kind StateType) []string {
	switch kind {
	case Parallel:
		return append([]string{"AwaitTimeout", "Timeout"}, slices.DeleteFunc(slices.Clone(taskKeys), func(key string) bool {
			return key == "Output"
		})...)
	case Fork, Join:
		return taskKeys
	}
	return nil
}

// The keys of the objects in a task.
var partKeys = map[string][]string{
	"Retry":   {"Exceptions", "IntervalSeconds", "MaxAttempts", "BackoffRate", "Comment"},
	"Catch":   {"Exceptions", "Next"},
	"Choices": {"Expression", "Next"},
	"Loop":    {"Parallel", "Collection", "ElementVariableName", "ElementIndexName", "CompletionCondition"},
}

// keys finds unknown keys that look like a known one; all others belong to other tools.
func (c *checker) keys(n *Node, known []string) {
	for _, f := range n.Fields {
		if part, ok := partKeys[f.Key]; ok && slices.Contains(known, f.Key) {
			if f.Value.Kind == ObjectNode {
				c.keys(f.Value, part)
			}
			for _, item := range f.Value.Items {
				c.keys(item, part)
			}
		}
		if slices.Contains(known, f.Key) || slices.Contains(drawn, f.Key) {
			continue
		}
		for _, k := range known {
			if near(f.Key, k, 2) {
				c.find(RuleMisspeltKey, f.At, "the key %q is unknown; %q is meant, it seems", f.Key, k)
				break
			}
		}
	}
}

// near reports whether two words differ only in case, or by at most so many changes and less than a third of the word.
func near(a, b string, changes int) bool {
	if a == b {
		return false
	}
	if strings.EqualFold(a, b) {
		return true
	}
	if len(a) > 64 || min(len(a), len(b)) < 3*min(changes, 2)-2 {
		return false
	}
	return distance(a, b) <= min(changes, len(b)/3)
}

// distance is the least number of letters to insert, remove or change that makes b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := previous
			if a[i] != b[j] {
				change++
			}
			previous = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
