package spel

import "fmt"

// Kind says what is wrong with an expression.
type Kind uint8

// The kinds of errors.
const (
	// Syntax: the text is no expression; Java refuses it too.
	Syntax Kind = iota + 1
	// Refused: Java would read it, we do not.
	Refused
	// Failed: the evaluation failed, as it does in Java.
	Failed
	// Exceeded: a bound of ours was reached.
	Exceeded
)

// String returns the kind in a word.
func (k Kind) String() string {
	switch k {
	case Syntax:
		return "syntax"
	case Refused:
		return "refused"
	case Failed:
		return "failed"
	case Exceeded:
		return "exceeded"
	}
	return "unknown"
}

// Error says what is wrong with an expression and where.
type Error struct {
	Kind Kind
	// Offset is the place in the text, in bytes from its beginning.
	Offset int
	// Message is for people, in lower case.
	Message string
}

// Error returns the message with its place.
func (e *Error) Error() string { return fmt.Sprintf("at %d: %s", e.Offset+1, e.Message) }

func fail(kind Kind, offset int, format string, args ...any) *Error {
	return &Error{Kind: kind, Offset: offset, Message: fmt.Sprintf(format, args...)}
}
