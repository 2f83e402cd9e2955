package expressions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// price says what a function costs besides one step.
type price uint8

const (
	free    price = iota
	loop          // runs its second argument for each item; the items are counted
	shallow       // as long as its arguments: texts and lists
	deep          // as large as its arguments, with all that is in them
	square        // compares all items with each other
	bounded       // is replaced by a function of functions.go
)

// functions lists every function that expressions have. Those of the library that are missing read the clock or a time
// zone (now, date, timezone, duration), give what is not JSON, or are about bits.
var functions = map[string]price{
	"all": loop, "none": loop, "any": loop, "one": loop, "filter": loop, "map": loop, "find": loop, "findIndex": loop,
	"findLast": loop, "findLastIndex": loop, "count": loop, "sum": loop, "sortBy": loop, "reduce": loop, "groupBy": loop,
	"len": free, "type": free, "abs": free, "ceil": free, "floor": free, "round": free, "int": free, "float": free,
	"first": free, "last": free, "get": free,
	"max": deep, "min": deep, "mean": deep, "median": deep, "trim": shallow, "trimPrefix": shallow,
	"trimSuffix": shallow, "upper": shallow, "lower": shallow, "indexOf": shallow, "lastIndexOf": shallow,
	"hasPrefix": shallow, "hasSuffix": shallow, "take": shallow, "reverse": shallow, "concat": shallow, "sort": shallow,
	"toBase64": shallow, "fromBase64": shallow, "fromPairs": shallow,
	"uniq": square,
	"keys": bounded, "values": bounded, "toPairs": bounded, "split": bounded, "replace": bounded, "repeat": bounded,
	"join": bounded, "flatten": bounded, "toJSON": bounded, "fromJSON": bounded, "string": bounded,
}

// guard refuses what expressions do not have.
func guard(text string, tree *parser.Tree, env Env) error {
	g := &guardian{text: text, env: env}
	ast.Walk(&tree.Node, g)
	if g.err == nil && nesting(tree.Node) > limits.ExpressionNestingMax {
		g.refuse(tree.Node, fmt.Sprintf("functions over lists are nested deeper than %d", limits.ExpressionNestingMax))
	}
	if g.err != nil {
		return g.err
	}
	return nil
}

type guardian struct {
	text string
	env  Env
	err  *Error
}

func (g *guardian) refuse(n ast.Node, text string) {
	if g.err == nil {
		g.err = &Error{Expression: g.text, Column: n.Location().From + 1, Text: text}
	}
}

// Visit looks at one node.
func (g *guardian) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "$") || strings.HasPrefix(n.Value, "__") {
			g.refuse(n, n.Value+" is no variable")
		}
	case *ast.VariableDeclaratorNode:
		if _, taken := g.env[n.Name]; taken || strings.HasPrefix(n.Name, "__") {
			g.refuse(n, fmt.Sprintf("the variable %s has a name that is taken", n.Name))
		}
	case *ast.CallNode:
		name := "this"
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			name = id.Value
		}
		advice := ""
		if near := definition.Closest(name, slices.Sorted(maps.Keys(functions))); near != "" {
			advice = fmt.Sprintf("; did you mean %s?", near)
		}
		g.refuse(n, fmt.Sprintf("there is no function %s%s", name, advice))
	case *ast.BinaryNode:
		if _, constant := n.Right.(*ast.StringNode); n.Operator == "matches" && !constant {
			g.refuse(n, "the pattern of matches has to be a plain text")
		}
	}
}

// nesting returns how deep predicates are nested.
func nesting(n ast.Node) int {
	d := &depth{}
	d.walk(n, 0)
	return d.most
}

type depth struct{ most int }

func (d *depth) walk(n ast.Node, at int) {
	d.most = max(d.most, at)
	switch n := n.(type) {
	case *ast.PredicateNode:
		d.walk(n.Node, at+1)
	default:
		for _, child := range children(n) {
			d.walk(child, at)
		}
	}
}

// children lists what is directly below a node.
func children(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		return []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		return []ast.Node{n.Node}
	case *ast.MemberNode:
		return []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		return []ast.Node{n.Node, n.From, n.To}
	case *ast.CallNode:
		return append([]ast.Node{n.Callee}, n.Arguments...)
	case *ast.BuiltinNode:
		return n.Arguments
	case *ast.PredicateNode:
		return []ast.Node{n.Node}
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.VariableDeclaratorNode:
		return []ast.Node{n.Value, n.Expr}
	case *ast.SequenceNode:
		return n.Nodes
	case *ast.ArrayNode:
		return n.Nodes
	case *ast.MapNode:
		return n.Pairs
	case *ast.PairNode:
		return []ast.Node{n.Key, n.Value}
	}
	return nil
}

func size(n ast.Node) int {
	total := 1
	for _, child := range children(n) {
		if child != nil {
			total += size(child)
		}
	}
	return total
}

// counter rewrites a tree so that what may cost much is counted, and so that ?. reads null from whatever has no
// members. Children come before their parents.
type counter struct {
	used bool // something is counted
}

// Visit rewrites one node.
func (c *counter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		n.Node = c.metering("__step", &ast.IntegerNode{Value: size(n.Node)}, n.Node)
	case *ast.BinaryNode:
		switch n.Operator {
		case "+":
			if !small(n.Left) && !small(n.Right) || text(n.Left) || text(n.Right) {
				ast.Patch(node, c.metering("__add", n.Left, n.Right))
			}
		case "in", "not in":
			n.Right = c.weigh("__deep", n.Right)
		case "==", "!=":
			if !small(n.Left) && !small(n.Right) {
				n.Left = c.weigh("__deep", n.Left)
			}
		case "contains", "startsWith", "endsWith", "matches":
			n.Left = c.weigh("__shallow", n.Left)
		}
	case *ast.MemberNode:
		// The library knows only null there, and fails for a text or a list.
		if n.Optional && text(n.Property) {
			n.Node = &ast.CallNode{Callee: &ast.IdentifierNode{Value: "__members"}, Arguments: []ast.Node{n.Node}}
		}
	case *ast.BuiltinNode:
		c.function(node, n)
	}
}

func (c *counter) function(node *ast.Node, n *ast.BuiltinNode) {
	how := map[price]string{shallow: "__shallow", deep: "__deep", square: "__square"}
	switch p := functions[n.Name]; p {
	case bounded:
		ast.Patch(node, c.metering("__"+n.Name, n.Arguments...))
	case loop:
		n.Arguments[0] = c.weigh("__shallow", n.Arguments[0])
	case shallow, deep, square:
		for i, argument := range n.Arguments {
			n.Arguments[i] = c.weigh(how[p], argument)
		}
	}
}

// metering is a call of one of our functions; its first argument is the meter.
func (c *counter) metering(name string, arguments ...ast.Node) ast.Node {
	c.used = true
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name},
		Arguments: append([]ast.Node{&ast.IdentifierNode{Value: meterName}}, arguments...)}
}

func (c *counter) weigh(how string, n ast.Node) ast.Node {
	if small(n) {
		return n
	}
	return c.metering(how, n)
}

// small reports whether a node is a literal, which costs nothing that matters.
func small(n ast.Node) bool {
	switch n.(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode:
		return true
	}
	return false
}

func text(n ast.Node) bool {
	_, ok := n.(*ast.StringNode)
	return ok
}
