package expressions

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// Error is what is wrong with an expression, or went wrong while it was evaluated.
type Error struct {
	// Expression is its text.
	Expression string
	// Column is where in the expression, from 1; 0: unknown.
	Column int
	// Text says what.
	Text string
	// Cause is the Go error behind it, if there is one.
	Cause error
}

// Error returns one line.
func (e *Error) Error() string {
	text := e.Expression
	if len(text) > 80 {
		text = text[:77] + "..."
	}
	if e.Column > 0 {
		return fmt.Sprintf("expression %q, character %d: %s", text, e.Column, e.Text)
	}
	return fmt.Sprintf("expression %q: %s", text, e.Text)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ErrBudget is the cause of evaluations that would have cost too much.
var ErrBudget = errors.New("the evaluation costs more than its budget")

// Program is a compiled expression. It may be used by many at once.
type Program struct {
	source  string
	program *vm.Program
	metered bool // it calls functions that count
	// path is the variable and the names along which it reads, if it does nothing else; nil otherwise.
	path []string
}

// Check checks an expression against its variables and what it has to give. Errors are *Error.
func Check(source definition.Expr, env Env, want Want) error {
	if len(source) > limits.ExpressionBytesMax {
		return &Error{Expression: string(source), Text: fmt.Sprintf("longer than %d bytes", limits.ExpressionBytesMax)}
	}
	return sound(source, env, want)
}

// sound is Check of an expression that may be as long as it likes: it was published when they might be longer.
func sound(source definition.Expr, env Env, want Want) (err error) {
	text := string(source)
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Expression: text, Text: fmt.Sprintf("it cannot be compiled: %v", r)}
		}
	}()
	tree, err := parse(text)
	if err != nil {
		return err
	}
	if err := guard(text, tree, env); err != nil {
		return err
	}
	return check(text, env, want)
}

// Compile checks an expression, but for its length, and compiles it. Errors are *Error.
func Compile(source definition.Expr, env Env, want Want) (p *Program, err error) {
	if err := sound(source, env, want); err != nil {
		return nil, err
	}
	text := string(source)
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, &Error{Expression: text, Text: fmt.Sprintf("it cannot be compiled: %v", r)}
		}
	}()
	names := map[string]any{meterName: types.Any}
	for name := range env {
		names[name] = types.Any
	}
	count := &counter{}
	options := append(compilation(), expr.Env(typed(names)), expr.Optimize(false), expr.Patch(count))
	for name, f := range metered() {
		options = append(options, expr.Function(name, f))
	}
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, explain(text, err)
	}
	return &Program{source: text, program: program, metered: count.used, path: plainPath(text)}, nil
}

// plainPath returns the path of an expression that is nothing but one, such as input.order.id.
func plainPath(text string) []string {
	tree, err := parse(text)
	if err != nil {
		return nil
	}
	switch tree.Node.(type) {
	case *ast.IdentifierNode, *ast.MemberNode:
	default:
		return nil // ?. and the like
	}
	path, dynamic := pathOf(tree.Node)
	if dynamic {
		return nil
	}
	return path
}

// typed makes an environment of the library.
func typed(names map[string]any) types.Map {
	m := types.Map{}
	for name := range names {
		m[name] = types.Any
	}
	return m
}

// compilation is the options that every compilation has.
func compilation() []expr.Option {
	options := []expr.Option{expr.MaxNodes(limits.ExpressionNodesMax), expr.DisableAllBuiltins()}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		options = append(options, expr.EnableBuiltin(name))
	}
	return options
}

// parse reads the text without types.
func parse(text string) (*parser.Tree, error) {
	config := conf.CreateNew()
	config.MaxNodes = limits.ExpressionNodesMax
	for name := range config.Builtins {
		if _, ok := functions[name]; !ok {
			config.Disabled[name] = true
			delete(config.Builtins, name)
		}
	}
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		return nil, explain(text, err)
	}
	return tree, nil
}

// check applies the types that are known. What runs later is compiled without them, since values may differ from what
// was declared.
func check(text string, env Env, want Want) error {
	known := types.Map{}
	for name, t := range env {
		known[name] = t.known()
	}
	options := append(compilation(), expr.Env(known), expr.Optimize(false))
	if want == WantBool {
		options = append(options, expr.AsBool())
	}
	program, err := expr.Compile(text, options...)
	if err != nil {
		return explain(text, err)
	}
	kind := reflect.Invalid
	if t := program.Node().Type(); t != nil {
		kind = t.Kind()
	}
	switch {
	case kind == reflect.Invalid || kind == reflect.Interface:
	case want == WantList && kind != reflect.Slice && kind != reflect.Array:
		return &Error{Expression: text, Text: "it gives " + kindName(kind) + ", not a list"}
	case want == WantText && (kind == reflect.Slice || kind == reflect.Map):
		return &Error{Expression: text, Text: "it gives " + kindName(kind) + ", which is no part of a text"}
	}
	return nil
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a map"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	}
	return "a number"
}

// explain turns an error of the library into ours.
func explain(text string, err error) error {
	out := &Error{Expression: text, Text: err.Error(), Cause: err}
	var at *file.Error
	if errors.As(err, &at) {
		out.Text, out.Column = at.Message, at.Column+1
		if at.Prev != nil {
			out.Cause = at.Prev
		}
	}
	if name, unknown := strings.CutPrefix(out.Text, "unknown name "); unknown {
		if _, library := builtin.Index[name]; library {
			out.Text = "there is no function " + name + " in sagas"
		}
	}
	out.Text = strings.ReplaceAll(out.Text, "interface {}", "any")
	return out
}

// Reference is a path from a variable along constant names, such as ["steps" "hotel" "output" "id"].
type Reference struct {
	Path []string
	// Dynamic: the path goes on with something that is computed.
	Dynamic bool
}

// References lists what an expression reads, in order of appearance. Variables that it declares itself are not in it.
func References(source definition.Expr) ([]Reference, error) {
	tree, err := parse(string(source))
	if err != nil {
		return nil, err
	}
	r := &reader{own: map[string]bool{}, inner: map[ast.Node]bool{}}
	ast.Walk(&tree.Node, r)
	var out []Reference
	for i := len(r.found) - 1; i >= 0; i-- {
		if f := r.found[i]; !r.inner[f.node] && !r.own[f.Path[0]] {
			out = append(out, f.Reference)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// reader gathers paths; each longer one hides the shorter ones within it.
type reader struct {
	found []foundPath
	own   map[string]bool
	inner map[ast.Node]bool
}

type foundPath struct {
	node ast.Node
	Reference
}

// Visit notes a node.
func (r *reader) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.VariableDeclaratorNode:
		r.own[n.Name] = true
	case *ast.IdentifierNode, *ast.MemberNode:
		if path, dynamic := pathOf(n); path != nil {
			r.found = append(r.found, foundPath{n, Reference{path, dynamic}})
		}
		if m, ok := n.(*ast.MemberNode); ok {
			r.inner[m.Node] = true
			if c, ok := m.Node.(*ast.ChainNode); ok {
				r.inner[c.Node] = true
			}
		}
	}
}

// pathOf follows a.b["c"] down to its variable.
func pathOf(node ast.Node) (path []string, dynamic bool) {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return []string{n.Value}, false
	case *ast.ChainNode:
		return pathOf(n.Node)
	case *ast.MemberNode:
		path, dynamic = pathOf(n.Node)
		if name, ok := n.Property.(*ast.StringNode); ok && path != nil && !dynamic {
			return append(path, name.Value), false
		}
		return path, true
	}
	return nil, false
}
