package statelang

import (
	"errors"
	"fmt"
	"strings"

	"github.com/concord-tx/concord/saga/statelang/spel"
)

// ExpressionKind is what evaluates an expression.
type ExpressionKind uint8

// The kinds of expressions.
const (
	// SpEL is the default: Spring's expression language.
	SpEL ExpressionKind = iota + 1
	// Sequence asks a generator for an id.
	Sequence
	// ExceptionMatch is true for an exception of a class or one of its subclasses.
	ExceptionMatch
)

// Expression is an expression of a definition.
type Expression struct {
	// Text is as it is written.
	Text string
	Kind ExpressionKind
	// Content is the text without its type.
	Content string
	// Entity and Rule are the parts of a sequence.
	Entity, Rule string
	At           Position
	// Err says what is wrong with it; evaluating gives the same error.
	Err error

	spel   *spel.Expression
	offset int // where Content begins in Text
}

// parseExpression reads $Type.content, $Type{content}, or a text without a type, which is SpEL.
func parseExpression(text string, at Position) *Expression {
	e := &Expression{Text: text, Kind: SpEL, Content: text, At: at}
	kind := ""
	if strings.HasPrefix(text, "$") {
		var err error
		if kind, err = e.split(); err != nil {
			e.Err = err
			return e
		}
	}
	if strings.TrimSpace(kind) == "" {
		kind = "Default"
	}
	switch kind {
	case "Default":
		e.spel, e.Err = spel.Parse(e.Content)
	case "Sequence":
		e.Kind = Sequence
		if parts := strings.Split(e.Content, "|"); len(parts) >= 2 {
			e.Entity, e.Rule = parts[0], parts[1]
		}
	case "Exception":
		e.Kind = ExceptionMatch
		if !className(e.Content) {
			e.Err = fmt.Errorf("%q is no name of a class", e.Content)
		}
	default:
		e.Err = fmt.Errorf("there is no expression type %q", kind)
	}
	return e
}

// split takes the type off a text that begins with $. What stands first of "." and "{" ends the type.
func (e *Expression) split() (kind string, err error) {
	end := strings.IndexAny(e.Text, ".{")
	if end < 0 {
		return "", errors.New("the expression's type has no end; write $.content")
	}
	kind, e.offset = e.Text[1:end], end+1
	e.Content = e.Text[end+1:]
	if e.Text[end] == '{' {
		content, rest, closed := strings.Cut(e.Content, "}")
		if !closed {
			return "", errors.New("the expression has no closing brace")
		}
		if strings.TrimSpace(rest) != "" {
			return "", fmt.Errorf("what stands after the brace would be lost: %q", rest)
		}
		e.Content = content
	}
	return kind, nil
}

// className reports whether a text can be the name of a Java class.
func className(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		if part == "" || part[0] >= '0' && part[0] <= '9' || strings.ContainsFunc(part, notInName) {
			return false
		}
	}
	return true
}

func notInName(r rune) bool {
	return !(r == '_' || r == '$' || r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9' || r > 0x7f)
}

// eval evaluates on a root; sequences ask next, which may be nil where there is no generator.
func (e *Expression) eval(root any, next func(entity, rule string) (string, error)) (any, error) {
	if e.Err != nil {
		return nil, e.Err
	}
	switch e.Kind {
	case Sequence:
		if next == nil {
			return nil, errors.New("there is no generator of ids here")
		}
		return next(e.Entity, e.Rule)
	case ExceptionMatch:
		exception, _ := root.(*Exception)
		return exception != nil && exception.Is(e.Content), nil
	}
	return e.spel.Eval(root)
}

// problem returns what is wrong with the expression and the rule that says so; both are empty if nothing is.
func (e *Expression) problem() (rule Rule, text string) {
	var wrong *spel.Error
	switch {
	case e.Err == nil:
		return "", ""
	case errors.As(e.Err, &wrong):
		text = fmt.Sprintf("the expression %q is wrong %s", e.Text,
			(&spel.Error{Offset: wrong.Offset + e.offset, Message: wrong.Message}).Error())
		if wrong.Kind != spel.Syntax {
			return RuleExpressionRefused, text
		}
		return RuleExpressionSyntax, text
	}
	return RuleExpressionSyntax, fmt.Sprintf("the expression %q is wrong: %s", e.Text, e.Err)
}
