package spel

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/concord-tx/concord/saga/limits"
)

func (r *run) unary(n *node, this any) (any, error) {
	if n.text == "!" {
		yes, err := r.truth(n.kids[0], this)
		return !yes && err == nil, err
	}
	value, err := r.eval(n.kids[0], this)
	if err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case int32:
		if n.text == "-" {
			v = -v
		}
		return v, nil
	case int64:
		if n.text == "-" {
			v = -v
		}
		return v, nil
	case float64:
		if n.text == "-" {
			v = 0 - v // Spring subtracts, so that there is no negative zero
		}
		return v, nil
	}
	return nil, fail(Failed, n.offset, "%s has no sign", kindOf(value))
}

func (r *run) binary(n *node, this any) (any, error) {
	switch n.text {
	case "&&", "||":
		left, err := r.truth(n.kids[0], this)
		if err != nil || left == (n.text == "||") {
			return left, err
		}
		return r.truth(n.kids[1], this)
	}
	left, err := r.eval(n.kids[0], this)
	if err != nil {
		return nil, err
	}
	right, err := r.eval(n.kids[1], this)
	if err != nil {
		return nil, err
	}
	switch n.text {
	case "==", "!=":
		same, err := r.equal(n, left, right)
		return same == (n.text == "==") && err == nil, err
	case "<", "<=", ">", ">=":
		return order(n, left, right)
	}
	if isNumber(left) && isNumber(right) {
		return arithmetic(n, left, right)
	}
	return r.textual(n, left, right)
}

// arithmetic calculates with two numbers as Java does: in the wider of their types, integers wrap and are cut towards
// zero.
func arithmetic(n *node, left, right any) (any, error) {
	if isDouble(left) || isDouble(right) {
		a, b := double(left), double(right)
		switch n.text {
		case "+":
			return a + b, nil
		case "-":
			return a - b, nil
		case "*":
			return a * b, nil
		case "/":
			return a / b, nil
		}
		return math.Mod(a, b), nil
	}
	if long(right) == 0 && (n.text == "/" || n.text == "%") {
		return nil, fail(Failed, n.offset, "division by zero")
	}
	a, oka := left.(int32)
	b, okb := right.(int32)
	if oka && okb {
		return whole(n.text, a, b), nil
	}
	return whole(n.text, long(left), long(right)), nil
}

func whole[T int32 | int64](operator string, a, b T) T {
	switch operator {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	}
	return a % b
}

// textual is + - * where one side is a text.
func (r *run) textual(n *node, left, right any) (any, error) {
	a, oka := left.(string)
	_, okb := right.(string)
	count, okn := right.(int32)
	switch {
	case n.text == "+" && (oka || okb):
		l, err := r.text(n, left)
		if err != nil {
			return nil, err
		}
		t, err := r.text(n, right)
		if err != nil {
			return nil, err
		}
		return l + t, r.made(n, len(l)+len(t))
	case n.text == "*" && oka && okn && count >= 0:
		if count > 0 && len(a) > limits.SpELTextBytesMax/int(count) {
			return nil, r.made(n, limits.SpELTextBytesMax+1)
		}
		return strings.Repeat(a, int(count)), r.made(n, len(a)*int(count))
	case n.text == "-" && oka && okn && len(utf16.Encode([]rune(a))) == 1:
		unit := utf16.Encode([]rune(a))[0] - uint16(count)
		return string(utf16.Decode([]uint16{unit})), nil
	}
	return nil, fail(Failed, n.offset, "%s can't be calculated of %s and %s", n.text, kindOf(left), kindOf(right))
}

// made counts text that was made.
func (r *run) made(n *node, count int) error {
	if r.bytes += count; r.bytes > limits.SpELTextBytesMax {
		return fail(Exceeded, n.offset, "the evaluation makes more than %d bytes of text", limits.SpELTextBytesMax)
	}
	return nil
}

// text converts a value as Java does for a concatenation. A list is its elements with commas, those of lists in it too.
func (r *run) text(n *node, value any) (string, error) {
	list, ok := value.([]any)
	if !ok {
		return scalar(n, value)
	}
	if err := r.step(n, len(list)); err != nil {
		return "", err
	}
	parts, length := make([]string, len(list)), 0
	for i, element := range list {
		part, err := r.text(n, norm(element))
		if err != nil {
			return "", err
		}
		parts[i] = part
		length += len(part) + 1
		if length > limits.SpELTextBytesMax {
			break
		}
	}
	if err := r.made(n, length); err != nil {
		return "", err
	}
	return strings.Join(parts, ","), nil
}

// equal is ==: numbers are compared by value, everything else by type and value.
func (r *run) equal(n *node, left, right any) (bool, error) {
	if isNumber(left) && isNumber(right) {
		if isDouble(left) || isDouble(right) {
			return double(left) == double(right), nil
		}
		return long(left) == long(right), nil
	}
	return r.same(n, left, right)
}

// same is Java's equals.
func (r *run) same(n *node, left, right any) (bool, error) {
	if err := r.step(n, 1); err != nil {
		return false, err
	}
	switch l := left.(type) {
	case []any:
		t, ok := right.([]any)
		if !ok || len(l) != len(t) {
			return false, nil
		}
		for i := range l {
			if yes, err := r.same(n, norm(l[i]), norm(t[i])); !yes || err != nil {
				return false, err
			}
		}
		return true, nil
	case map[string]any:
		t, ok := right.(map[string]any)
		if !ok || len(l) != len(t) {
			return false, nil
		}
		pairs, _ := elements(l) // in order, so that the steps are counted alike each time
		for _, pair := range pairs {
			other, ok := t[pair.(entry).key]
			if !ok {
				return false, nil
			}
			if yes, err := r.same(n, pair.(entry).value, norm(other)); !yes || err != nil {
				return false, err
			}
		}
		return true, nil
	case entry:
		t, ok := right.(entry)
		if !ok || l.key != t.key {
			return false, nil
		}
		return r.same(n, l.value, t.value)
	}
	switch right.(type) {
	case []any, map[string]any, entry:
		return false, nil
	}
	return left == right, nil
}

// order is < <= > >=. Null is less than everything else.
func order(n *node, left, right any) (any, error) {
	if isNumber(left) && isNumber(right) && (isDouble(left) || isDouble(right)) {
		a, b := double(left), double(right)
		switch n.text {
		case "<":
			return a < b, nil
		case "<=":
			return a <= b, nil
		case ">":
			return a > b, nil
		}
		return a >= b, nil
	}
	c, ok := compare(left, right)
	if !ok {
		return nil, fail(Failed, n.offset, "%s and %s have no order", kindOf(left), kindOf(right))
	}
	switch n.text {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

func compare(left, right any) (int, bool) {
	switch {
	case left == nil && right == nil:
		return 0, true
	case left == nil:
		return -1, true
	case right == nil:
		return 1, true
	case isNumber(left) && isNumber(right):
		return cmp.Compare(long(left), long(right)), true
	}
	switch l := left.(type) {
	case string:
		if t, ok := right.(string); ok {
			return slices.Compare(utf16.Encode([]rune(l)), utf16.Encode([]rune(t))), true
		}
	case bool:
		if t, ok := right.(bool); ok {
			return rank(l) - rank(t), true
		}
	}
	return 0, false
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}
