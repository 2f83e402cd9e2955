package statement

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// facts are what an expression does beside being computed.
type facts struct {
	volatile string // a function whose value differs each time
	unknown  string // a function that is not built in
	previous string // a function that asks about the previous statement
	columns  bool   // a column is read
	sets     bool   // a user variable is set
	gets     bool   // a user variable is read
	selects  int    // plain sub-queries
	odd      string // a sub-query of another form
	locks    bool   // a sub-query that locks
	lastID   bool   // LAST_INSERT_ID(), which the image query sees as the statement does unless that inserts
}

// factsOf walks expressions and other parts of a tree. It writes to the tree as the parser's walks do.
func factsOf(nodes ...ast.Node) facts {
	var f facts
	for _, n := range nodes {
		n.Accept(&f)
	}
	return f
}

// Enter is the parser's visitor.
func (f *facts) Enter(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.FuncCallExpr:
		f.call(n)
	case *ast.ColumnNameExpr:
		f.columns = true
	case *ast.VariableExpr:
		switch {
		case n.Value != nil:
			f.sets = true
		case !n.IsSystem:
			f.gets = true
		}
	case *ast.SelectStmt:
		f.selects++
		switch {
		case n.LockInfo != nil:
			f.locks = true
		case n.Limit != nil:
			f.odd = "LIMIT"
		case n.With != nil:
			f.odd = "WITH"
		case n.Kind != ast.SelectStmtKindSelect:
			f.odd = "not a SELECT"
		}
	case *ast.SetOprStmt:
		f.odd = "UNION"
	case *ast.MatchAgainst:
		f.columns = true
	}
	return n, false
}

// Leave is the parser's visitor.
func (f *facts) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// call notes what a function does.
func (f *facts) call(n *ast.FuncCallExpr) {
	name := n.FnName.L
	switch {
	case n.Schema.L != "":
		f.unknown = n.Schema.O + "." + n.FnName.O
	case name == "unix_timestamp" && len(n.Args) > 0:
	case name == "last_insert_id" && len(n.Args) == 0:
		f.lastID = true
	case stable[name]:
	case previous[name]:
		f.previous = name
	case volatile[name]:
		f.volatile = name
	default:
		f.unknown = n.FnName.O
	}
}

// judgeValues says whether values may have these facts: anything that leaves the result in the rows that are written.
func (s *Statement) judgeValues(f facts) *RefusedError {
	switch {
	case f.unknown != "":
		return s.refuse(ReasonFunction, f.unknown)
	case f.previous != "":
		return s.refuse(ReasonPreviousStatement, f.previous)
	case f.locks:
		return s.refuse(ReasonNestedLock, "")
	}
	return nil
}

// judgeChoice says whether rows may be chosen by expressions with these facts, in a statement whose values have others.
// The clips are where the expressions stand in the text; their sub-queries get the lock that the statement itself takes
// there, since without it they would read a snapshot where the statement reads what is.
func (s *Statement) judgeChoice(f, values facts, clips ...*clip) *RefusedError {
	switch {
	case f.unknown != "":
		return s.refuse(ReasonFunction, f.unknown)
	case f.previous != "":
		return s.refuse(ReasonPreviousStatement, f.previous)
	case f.sets || f.gets && values.sets:
		return s.refuse(ReasonVariable, "")
	case f.locks:
		return s.refuse(ReasonNestedLock, "")
	case f.odd != "":
		return s.refuse(ReasonSubquery, f.odd)
	}
	s.choice.volatile = f.volatile // whether that matters depends on the primary key
	found := 0
	for _, c := range clips {
		found += c.share(s.dialect())
	}
	if found != f.selects {
		return s.refuse(ReasonSubquery, "")
	}
	return nil
}

// share has each sub-query in a clip lock what it reads, and returns how many there are.
func (c *clip) share(d dialect) int {
	text := scan(c.text, d)
	var open []bool // for each parenthesis that is open: a sub-query
	var ends []int
	for i, t := range text.tokens {
		switch {
		case text.is(i, "(") && t.kind == tokenSign:
			open = append(open, text.word(i+1, "SELECT"))
		case text.is(i, ")") && t.kind == tokenSign && len(open) > 0:
			if open[len(open)-1] {
				ends = append(ends, text.tokens[i-1].end)
			}
			open = open[:len(open)-1]
		}
	}
	for i := len(ends) - 1; i >= 0; i-- { // ends are in ascending order: those of inner sub-queries come first
		c.text = c.text[:ends[i]] + " LOCK IN SHARE MODE" + c.text[ends[i]:]
	}
	return len(ends)
}
