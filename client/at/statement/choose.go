package statement

import (
	"fmt"
	"slices"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// planSelect takes from SELECT ... FOR UPDATE which rows it locks.
func (s *Statement) planSelect(n *ast.SelectStmt, text *scanned) {
	lock := n.LockInfo
	if lock == nil || !forUpdate(lock.LockType) {
		s.kind = Other
		if nested := factsOf(n); nested.locks || text.locks() {
			s.refused = s.refuse(ReasonNestedLock, "")
		}
		return
	}
	s.kind = SelectForUpdate
	if n.From == nil {
		s.kind = Other
		return
	}
	if n.With != nil {
		s.refused = s.refuse(ReasonWith, "")
		return
	}
	if text.is(0, "(") {
		s.refused = s.refuse(ReasonNestedLock, "")
		return
	}
	for _, name := range lock.Tables {
		s.choice.lockOnly = append(s.choice.lockOnly, name.Name.O)
	}
	s.references(n.From)
	s.choice.distinct = n.Distinct || n.GroupBy != nil || n.Having != nil || aggregates(n.Fields)
	from := text.find(1, "FROM")
	last := text.find(from, "FOR")
	for next := last; next < len(text.tokens); next = text.find(next+1, "FOR") {
		last = next // FOR is also in index hints
	}
	end := text.find(from, "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "INTO")
	s.cutLocked(text, from, min(end, last), last)
	switch lock.LockType {
	case ast.SelectLockForUpdateSkipLocked:
		s.refused = s.refuse(ReasonSkipLocked, "")
		return
	case ast.SelectLockForUpdateNoWait:
		s.choice.lock = " NOWAIT"
	case ast.SelectLockForUpdateWaitN:
		s.choice.lock = fmt.Sprintf(" WAIT %d", lock.WaitSec)
	}
	fields := factsOf(n.Fields)
	if fields.locks {
		s.refused = s.refuse(ReasonNestedLock, "")
		return
	}
	if f := factsOf(n.From); f.selects > 0 || f.odd != "" {
		s.refused = s.refuse(ReasonSubquery, "a derived table")
		return
	}
	if n.Where != nil {
		if f := factsOf(n.Where); f.selects > 0 || f.odd != "" {
			s.refused = s.refuse(ReasonSubquery, "in WHERE of SELECT ... FOR UPDATE")
			return
		}
	}
	s.judge(parts{refs: n.From, where: n.Where, order: n.OrderBy, limit: n.Limit}, facts{sets: fields.sets})
	for _, f := range n.Fields.Fields { // an alias may hide the column that the order means
		s.choice.orderColumns = slices.DeleteFunc(s.choice.orderColumns, func(c string) bool {
			return sameName(c, f.AsName.O)
		})
	}
}

// cutLocked cuts the clauses of a SELECT out of the part before FOR UPDATE.
func (s *Statement) cutLocked(text *scanned, from, end, last int) {
	before := *text
	before.tokens = text.tokens[:last]
	s.choice.from = before.clip(from+1, end)
	order := before.find(end, "ORDER", "LIMIT", "INTO")
	if where := before.find(end, "WHERE"); where < last {
		s.choice.where = before.clip(where+1, min(order, before.find(where, "GROUP", "HAVING", "WINDOW")))
	}
	limit := before.find(end, "LIMIT", "INTO")
	if before.word(order, "ORDER") {
		s.choice.order = before.clip(order+2, limit)
	}
	if before.word(limit, "LIMIT") {
		s.choice.limit = before.clip(limit+1, before.find(limit, "INTO"))
	}
}

func forUpdate(t ast.SelectLockType) bool {
	switch t {
	case ast.SelectLockForUpdate, ast.SelectLockForUpdateNoWait, ast.SelectLockForUpdateWaitN,
		ast.SelectLockForUpdateSkipLocked:
		return true
	}
	return false
}

// aggregates tells whether a result's rows are made of several rows.
func aggregates(fields *ast.FieldList) bool {
	var v aggregateFinder
	fields.Accept(&v)
	return v.found
}

type aggregateFinder struct{ found bool }

// Enter is the parser's visitor.
func (v *aggregateFinder) Enter(n ast.Node) (ast.Node, bool) {
	switch n.(type) {
	case *ast.SubqueryExpr:
		return n, true
	case *ast.AggregateFuncExpr, *ast.WindowFuncExpr:
		v.found = true
	}
	return n, v.found
}

// Leave is the parser's visitor.
func (v *aggregateFinder) Leave(n ast.Node) (ast.Node, bool) { return n, true }
