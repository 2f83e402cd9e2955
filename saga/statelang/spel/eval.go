package spel

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/concord-tx/concord/saga/limits"
)

// entry is what a selection or projection sees of a map.
type entry struct {
	key   string
	value any
}

// run is one evaluation.
type run struct {
	root  any
	steps int
	bytes int
}

// Eval returns the value of the expression for a root. The error is an *Error. The root is not changed, and parts of it
// may be parts of the result.
func (e *Expression) Eval(root any) (any, error) {
	r := &run{root: norm(root)}
	value, err := r.eval(e.root, r.root)
	if err != nil {
		return nil, err
	}
	if pair, ok := value.(entry); ok {
		return pair.asMap(), nil
	}
	return value, nil
}

// Holds reports whether the expression is true, and not merely convertible to it, as Seata's engine asks.
func (e *Expression) Holds(root any) (bool, error) {
	value, err := e.Eval(root)
	return value == true, err
}

func (p entry) asMap() map[string]any { return map[string]any{"key": p.key, "value": p.value} }

func (r *run) step(n *node, count int) error {
	if r.steps += count; r.steps > limits.SpELStepsMax {
		return fail(Exceeded, n.offset, "the evaluation takes more than %d steps", limits.SpELStepsMax)
	}
	return nil
}

// eval returns the value of a node; this is what names and #this mean there.
func (r *run) eval(n *node, this any) (any, error) {
	if err := r.step(n, 1); err != nil {
		return nil, err
	}
	switch n.op {
	case opLiteral:
		return n.value, nil
	case opRoot:
		return r.root, nil
	case opThis:
		return this, nil
	case opChain:
		value, err := r.eval(n.kids[0], this)
		for i := 1; i < len(n.kids) && err == nil; i++ {
			value, err = r.apply(n.kids[i], value)
		}
		return value, err
	case opUnary:
		return r.unary(n, this)
	case opBinary:
		return r.binary(n, this)
	case opTernary:
		yes, err := r.truth(n.kids[0], this)
		if err != nil {
			return nil, err
		}
		if yes {
			return r.eval(n.kids[1], this)
		}
		return r.eval(n.kids[2], this)
	case opElvis:
		value, err := r.eval(n.kids[0], this)
		if err != nil || value != nil && value != "" {
			return value, err
		}
		return r.eval(n.kids[1], this)
	}
	return r.apply(n, this)
}

// apply reads something of a value.
func (r *run) apply(n *node, target any) (any, error) {
	if err := r.step(n, 1); err != nil {
		return nil, err
	}
	if target == nil && n.safe {
		return nil, nil
	}
	switch n.op {
	case opName:
		return property(n, target)
	case opMethod:
		return call(n, target)
	case opIndex:
		return r.index(n, target)
	case opSelect:
		return r.choose(n, target)
	case opProject:
		return r.project(n, target)
	}
	return nil, fail(Failed, n.offset, "nothing can be read here")
}

// property reads .name.
func property(n *node, target any) (any, error) {
	switch t := target.(type) {
	case nil:
		return nil, fail(Failed, n.offset, "%s can't be read of null", n.text)
	case map[string]any:
		if value, ok := t[n.text]; ok {
			return norm(value), nil
		}
	case entry:
		switch n.text {
		case "key":
			return t.key, nil
		case "value":
			return t.value, nil
		}
	case []any:
		if n.text == "empty" {
			return len(t) == 0, nil
		}
	case string:
		if n.text == "empty" {
			return t == "", nil
		}
	}
	return nil, fail(Failed, n.offset, "there is no %s in %s", n.text, kindOf(target))
}

// call calls one of methods.
func call(n *node, target any) (any, error) {
	if target == nil {
		return nil, fail(Failed, n.offset, "%s() can't be called on null", n.text)
	}
	switch t := target.(type) {
	case []any:
		switch n.text {
		case "size":
			return int32(len(t)), nil
		case "isEmpty":
			return len(t) == 0, nil
		}
	case map[string]any:
		switch n.text {
		case "size":
			return int32(len(t)), nil
		case "isEmpty":
			return len(t) == 0, nil
		}
	case string:
		switch n.text {
		case "length":
			return int32(len(utf16.Encode([]rune(t)))), nil
		case "isEmpty":
			return t == "", nil
		}
	}
	return nil, fail(Failed, n.offset, "%s has no %s()", kindOf(target), n.text)
}

// index reads [x].
func (r *run) index(n *node, target any) (any, error) {
	if m, ok := target.(map[string]any); ok && n.kids[0].op == opName {
		return norm(m[n.kids[0].text]), nil
	}
	key, err := r.eval(n.kids[0], r.root) // as Spring does: what is in brackets is read of the root
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, fail(Failed, n.offset, "null is no key")
	}
	switch t := target.(type) {
	case nil:
		return nil, fail(Failed, n.offset, "null has no parts")
	case map[string]any:
		if name, ok := key.(string); ok {
			return norm(t[name]), nil
		}
		return nil, nil
	case []any:
		i, err := position(n, key, len(t))
		if err != nil {
			return nil, err
		}
		return norm(t[i]), nil
	case string:
		units := utf16.Encode([]rune(t))
		i, err := position(n, key, len(units))
		if err != nil {
			return nil, err
		}
		return string(utf16.Decode(units[i : i+1])), nil
	}
	return nil, fail(Failed, n.offset, "%s has no parts", kindOf(target))
}

// position converts a key to an index below length.
func position(n *node, key any, length int) (int, error) {
	var i int64
	switch k := key.(type) {
	case int32:
		i = int64(k)
	case int64:
		i = k
	case float64:
		if !(k > -1e9 && k < 1e9) {
			return 0, fail(Failed, n.offset, "%v is no index", k)
		}
		i = int64(k)
	case string:
		parsed, err := strconv.ParseInt(strings.TrimSpace(k), 10, 32)
		if err != nil {
			return 0, fail(Failed, n.offset, "%q is no index", clip(k))
		}
		i = parsed
	default:
		return 0, fail(Failed, n.offset, "%s is no index", kindOf(key))
	}
	if i < 0 || i >= int64(length) {
		return 0, fail(Failed, n.offset, "there is no element %d; there are %d", i, length)
	}
	return int(i), nil
}

// elements returns what a selection or a projection goes through; the keys of a map are in order.
func elements(target any) ([]any, bool) {
	switch t := target.(type) {
	case []any:
		return t, true
	case map[string]any:
		keys := make([]string, 0, len(t))
		for key := range t {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		out := make([]any, len(keys))
		for i, key := range keys {
			out[i] = entry{key: key, value: norm(t[key])}
		}
		return out, true
	}
	return nil, false
}

// choose is .?[ ], .^[ ] and .$[ ].
func (r *run) choose(n *node, target any) (any, error) {
	all, ok := elements(target)
	if !ok {
		return nil, fail(Failed, n.offset, "nothing can be selected from %s", kindOf(target))
	}
	kept := []any{}
	for _, element := range all {
		element = norm(element)
		value, err := r.eval(n.kids[0], element)
		if err != nil {
			return nil, err
		}
		keep, ok := value.(bool)
		if !ok {
			return nil, fail(Failed, n.offset, "the condition of a selection is %s, not true or false", kindOf(value))
		}
		if keep {
			kept = append(kept, element)
			if n.text == "^" {
				break
			}
		}
	}
	if n.text == "$" && len(kept) > 1 {
		kept = kept[len(kept)-1:]
	}
	if _, isMap := target.(map[string]any); isMap {
		out := map[string]any{}
		for _, element := range kept {
			out[element.(entry).key] = element.(entry).value
		}
		if n.text != "?" && len(out) == 0 {
			return nil, nil
		}
		return out, nil
	}
	if n.text == "?" {
		return kept, nil
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return kept[0], nil
}

// project is .![ ].
func (r *run) project(n *node, target any) (any, error) {
	all, ok := elements(target)
	if !ok {
		return nil, fail(Failed, n.offset, "nothing can be projected from %s", kindOf(target))
	}
	out := make([]any, 0, len(all))
	for _, element := range all {
		value, err := r.eval(n.kids[0], norm(element))
		if err != nil {
			return nil, err
		}
		if pair, ok := value.(entry); ok {
			value = pair.asMap()
		}
		out = append(out, value)
	}
	return out, nil
}

// truth evaluates a node and converts it to true or false, as Spring converts.
func (r *run) truth(n *node, this any) (bool, error) {
	value, err := r.eval(n, this)
	if err != nil {
		return false, err
	}
	switch v := value.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "on", "yes", "1":
			return true, nil
		case "false", "off", "no", "0":
			return false, nil
		}
	}
	return false, fail(Failed, n.offset, "%s is neither true nor false", kindOf(value))
}
