package statement

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// pinned gathers what WHERE compares for equality, as far as all of it has to be true.
func pinned(e ast.ExprNode, known map[string]value) map[string]value {
	switch e := e.(type) {
	case *ast.ParenthesesExpr:
		return pinned(e.Expr, known)
	case *ast.BinaryOperationExpr:
		switch e.Op {
		case opcode.LogicAnd:
			return pinned(e.R, pinned(e.L, known))
		case opcode.EQ:
			column, ok := e.L.(*ast.ColumnNameExpr)
			if !ok {
				return known
			}
			if known == nil {
				known = make(map[string]value)
			}
			v := valueOf(e.R)
			if _, ok := e.R.(*ast.ParenthesesExpr); ok {
				v.kind = valueOther // locatePinned would not find it, or find another
			}
			known[column.Name.Name.L] = v
		}
	}
	return known
}

// locatePinned finds the parameters of pinned columns in the text: "column = ?", each once. The tree does not tell
// their positions. What is not found is not pinned.
func (s *Statement) locatePinned() {
	where := s.choice.where
	text := scan(where.text, s.dialect())
	for name, v := range s.choice.pinned {
		if v.kind != valueParam {
			continue
		}
		n, found := 0, 0
		for i := range text.tokens {
			if text.tokens[i].kind != tokenParam {
				continue
			}
			if text.is(i-1, "=") && sameName(text.name(i-2), name) {
				v.param = where.params[n]
				found++
			}
			n++
		}
		if found != 1 {
			delete(s.choice.pinned, name)
			continue
		}
		s.choice.pinned[name] = v
	}
}

// dialect returns how the statement's quotes are read.
func (s *Statement) dialect() dialect {
	return dialect{ansiQuotes: s.options.ANSIQuotes, noBackslash: s.options.NoBackslashEscapes}
}
