package statement

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// valueKind says how much is known about a value before it is written.
type valueKind byte

const (
	valueParam   valueKind = iota + 1
	valueNumber            // a literal number without exponent: value.text has its digits
	valueText              // a literal string: value.text has its content
	valueNull              // NULL
	valueDefault           // DEFAULT, or a column that is left out
	valueStable            // an expression that the image query computes alike
	valueOther             // anything else
)

// value is what a statement gives a column, or compares it with.
type value struct {
	kind  valueKind
	text  string
	param int  // for valueParam: its position among the statement's parameters, from 0
	clip  clip // its text, if it is in VALUES
}

// valueOf tells what an expression is. Where it stands in the text is not known here.
func valueOf(e ast.ExprNode) value {
	switch e := e.(type) {
	case ast.ParamMarkerExpr:
		return value{kind: valueParam}
	case ast.ValueExpr:
		return literal(e.GetValue())
	case *ast.ParenthesesExpr:
		return valueOf(e.Expr)
	case *ast.DefaultExpr:
		if e.Name == nil {
			return value{kind: valueDefault}
		}
		return value{kind: valueOther}
	case *ast.UnaryOperationExpr:
		inner := valueOf(e.V)
		if e.Op == opcode.Minus && inner.kind == valueNumber && !strings.HasPrefix(inner.text, "-") {
			return value{kind: valueNumber, text: "-" + inner.text}
		}
	}
	f := factsOf(e)
	if f.columns || f.volatile != "" || f.unknown != "" || f.previous != "" || f.selects > 0 || f.odd != "" || f.sets ||
		f.gets || f.lastID {
		return value{kind: valueOther}
	}
	return value{kind: valueStable}
}

// literal tells what the parser made of a literal.
func literal(v any) value {
	switch v := v.(type) {
	case nil:
		return value{kind: valueNull}
	case int64:
		return value{kind: valueNumber, text: strconv.FormatInt(v, 10)}
	case uint64:
		return value{kind: valueNumber, text: strconv.FormatUint(v, 10)}
	case string:
		return value{kind: valueText, text: v}
	case fmt.Stringer: // a decimal, or a literal in hexadecimal or binary digits
		if text := v.String(); text != "" && strings.Trim(text, "-.0123456789") == "" {
			return value{kind: valueNumber, text: text}
		}
	}
	return value{kind: valueStable}
}

// generates tells whether an AUTO_INCREMENT column takes a number of its own for a value, and whether that is known.
// It does so for NULL, DEFAULT and 0 (but for the SQL mode NO_AUTO_VALUE_ON_ZERO, where the result shows the 0).
func generates(v value, arg any) (yes, known bool) {
	switch v.kind {
	case valueNull, valueDefault:
		return true, true
	case valueNumber:
		n, err := strconv.ParseFloat(v.text, 64)
		return math.Abs(n) < 0.5, err == nil && (n == math.Trunc(n) || math.Abs(n) > 1)
	case valueParam:
		return generatesArg(arg)
	}
	return false, false
}

// generatesArg is generates for an argument.
func generatesArg(arg any) (yes, known bool) {
	switch arg := arg.(type) {
	case nil:
		return true, true
	case int64:
		return arg == 0, true
	case uint64:
		return arg == 0, true
	case bool:
		return !arg, true
	case float64:
		return arg == 0, arg == math.Trunc(arg)
	case string:
		n, err := strconv.ParseInt(arg, 10, 64)
		return n == 0, err == nil
	case []byte:
		return generatesArg(string(arg))
	}
	return false, false
}
