package definition

import "strconv"

// String returns the word of the language.
func (o OnDeadline) String() string { return word(int(o), "compensate", "forward") }

// String returns the key of the language.
func (k Kind) String() string {
	return word(int(k), "call", "message", "worker", "subSaga", "timer", "signal", "approval", "choice")
}

// String returns the word of the language.
func (o Outcome) String() string { return word(int(o), "done", "refused", "ongoing", "unknown") }

// String returns the word of the language.
func (a RefusedAction) String() string { return word(int(a), "compensate", "continue", "catch") }

// String returns the word of the language, or the step to go on with.
func (o OnRefused) String() string {
	if o.Action == RefusedCatch {
		return o.Step
	}
	return o.Action.String()
}

// String returns the edge as it is written.
func (e Edge) String() string {
	if e.Case == "" {
		return e.Step
	}
	return e.Step + "." + e.Case
}

// word names the values of a type that counts from 1.
func word(n int, words ...string) string {
	if n < 1 || n > len(words) {
		return "invalid(" + strconv.Itoa(n) + ")"
	}
	return words[n-1]
}
