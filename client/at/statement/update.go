package statement

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// planUpdate takes from UPDATE where its rows come from and which columns it sets.
func (s *Statement) planUpdate(n *ast.UpdateStmt, text *scanned) {
	s.kind = Update
	if n.With != nil {
		s.refused = s.refuse(ReasonWith, "")
		return
	}
	s.references(n.TableRefs)
	if s.joined {
		s.kind = UpdateJoin
	}
	start := 1
	for text.word(start, "LOW_PRIORITY") || text.word(start, "IGNORE") {
		start++
	}
	set := text.find(start, "SET")
	s.cut(text, start, set, set)
	values := make([]ast.Node, 0, len(n.List))
	for _, a := range n.List {
		s.assign(a)
		values = append(values, a.Expr)
	}
	s.judge(parts{refs: n.TableRefs, where: n.Where, order: n.Order, limit: n.Limit}, factsOf(values...))
}

// assign notes that a column is set, unless it is set to itself: "ON DUPLICATE KEY UPDATE id = id" says that nothing is
// to be done.
func (s *Statement) assign(a *ast.Assignment) {
	if e, ok := a.Expr.(*ast.ColumnNameExpr); ok && e.Name.Name.L == a.Column.Name.L &&
		e.Name.Table.L == a.Column.Table.L && e.Name.Schema.L == a.Column.Schema.L {
		return
	}
	s.sets = append(s.sets, assignment{schema: a.Column.Schema.O, table: a.Column.Table.O, column: a.Column.Name.O})
}

// planDelete takes from DELETE where its rows come from.
func (s *Statement) planDelete(n *ast.DeleteStmt, text *scanned) {
	s.kind = Delete
	if n.With != nil {
		s.refused = s.refuse(ReasonWith, "")
		return
	}
	s.references(n.TableRefs)
	if n.Tables != nil {
		for _, table := range n.Tables.Tables {
			s.deletes = append(s.deletes, assignment{schema: table.Schema.O, table: table.Name.O})
		}
	}
	from := text.find(1, "FROM")
	if n.IsMultiTable && !n.BeforeFrom {
		from = text.find(from, "USING")
	}
	s.cut(text, from+1, text.find(from, "WHERE", "ORDER", "LIMIT"), from)
	s.judge(parts{refs: n.TableRefs, where: n.Where, order: n.Order, limit: n.Limit}, facts{})
}

// cut cuts the clauses out of the text: tables from start to end, and the others behind a token.
func (s *Statement) cut(text *scanned, start, end, behind int) {
	order := text.find(behind, "ORDER", "LIMIT")
	s.choice.from = text.clip(start, end)
	if where := text.find(behind, "WHERE"); where < len(text.tokens) {
		s.choice.where = text.clip(where+1, order)
	}
	limit := text.find(behind, "LIMIT")
	if text.word(order, "ORDER") {
		s.choice.order = text.clip(order+2, limit)
	}
	if text.word(limit, "LIMIT") {
		s.choice.limit = text.clip(limit+1, len(text.tokens))
	}
}

// parts are the parts of a tree that choose rows.
type parts struct {
	refs  *ast.TableRefsClause
	where ast.ExprNode
	order *ast.OrderByClause
	limit *ast.Limit
}

// judge checks that the clauses that were cut out are those that the parser saw, and what they do.
func (s *Statement) judge(p parts, values facts) {
	c := &s.choice
	if c.from.empty() || c.where.empty() != (p.where == nil) || c.order.empty() != (p.order == nil) ||
		c.limit.empty() != (p.limit == nil) {
		s.refused = s.refuse(ReasonSyntax, "its clauses are not where they are expected")
		return
	}
	if s.refused = s.judgeValues(values); s.refused != nil {
		return
	}
	nodes := []ast.Node{p.refs}
	if p.where != nil {
		nodes = append(nodes, p.where)
		c.pinned = pinned(p.where, nil)
		s.locatePinned()
	}
	if p.order != nil {
		nodes = append(nodes, p.order)
		for _, item := range p.order.Items {
			column, ok := item.Expr.(*ast.ColumnNameExpr)
			if !ok {
				break
			}
			c.orderColumns = append(c.orderColumns, column.Name.Name.O)
		}
	}
	s.refused = s.judgeChoice(factsOf(nodes...), values, &c.from, &c.where, &c.order)
}

// references gathers the base tables of FROM and whether there is anything else.
func (s *Statement) references(clause *ast.TableRefsClause) {
	if clause != nil && clause.TableRefs != nil {
		s.reference(clause.TableRefs)
	}
	s.joined = s.joined || len(s.refs) > 1
}

func (s *Statement) reference(n ast.ResultSetNode) {
	switch n := n.(type) {
	case *ast.Join:
		s.reference(n.Left)
		if n.Right != nil {
			s.reference(n.Right)
		}
	case *ast.TableSource:
		if table, ok := n.Source.(*ast.TableName); ok {
			s.refs = append(s.refs, reference{schema: table.Schema.O, name: table.Name.O, alias: n.AsName.O})
			return
		}
		if join, ok := n.Source.(*ast.Join); ok {
			s.reference(join)
			return
		}
		s.joined = true // a derived table
	default:
		s.joined = true
	}
}
