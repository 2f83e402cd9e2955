package definition

// ValueKind tells the values of a mapping apart.
type ValueKind uint8

// The kinds of values.
const (
	ValueLiteral    ValueKind = iota + 1 // null, a bool, a number, or a string
	ValueExpression                      // "${input.total}": what the expression gives, of any type
	ValueTemplate                        // "order ${input.id}": a string with expressions in it
	ValueList                            // a list of values
	ValueObject                          // a map of values
)

// Value is one element of a mapping. The zero value is invalid; Literal(nil) is null.
type Value struct {
	Kind ValueKind
	// Literal is nil, a bool, an int, a float64, or a string.
	Literal any
	// Expression of ValueExpression.
	Expression Expr
	// Parts of ValueTemplate, in order.
	Parts []Part
	// List of ValueList.
	List []Value
	// Object of ValueObject.
	Object map[string]Value
}

// Part is a piece of a template: text, or an expression if that is not empty.
type Part struct {
	Text       string
	Expression Expr
}

// Literal returns a value that is v: nil, a bool, an int, a float64, or a string.
func Literal(v any) Value { return Value{Kind: ValueLiteral, Literal: v} }

// Expression returns a value that is computed.
func Expression(e Expr) Value { return Value{Kind: ValueExpression, Expression: e} }

// String returns the word for a kind of values.
func (k ValueKind) String() string {
	return word(int(k), "literal", "expression", "template", "list", "object")
}
