package statement

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// insertion is what only INSERT has.
type insertion struct {
	// columns are the names as written, none if the statement names none.
	columns []string
	named   bool
	// ignore is true for INSERT IGNORE, which leaves rows out instead of failing.
	ignore bool
	rows   [][]value
}

// planInsert takes the rows from INSERT, and what it sets where a row is there already.
func (s *Statement) planInsert(n *ast.InsertStmt, text *scanned) {
	s.kind = Insert
	switch {
	case n.IsReplace:
		s.refused = s.refuse(ReasonReplace, "")
		return
	case n.Select != nil:
		s.refused = s.refuse(ReasonInsertSelect, "")
		return
	}
	s.references(n.Table)
	if len(s.refs) != 1 || s.joined {
		s.refused = s.refuse(ReasonSyntax, "")
		return
	}
	in := &insertion{named: len(n.Columns) > 0 || n.Setlist, ignore: n.IgnoreErr}
	for _, c := range n.Columns {
		in.columns = append(in.columns, c.Name.O)
	}
	s.insert = in
	var exprs []ast.Node
	for _, list := range n.Lists {
		row := make([]value, len(list))
		for i, e := range list {
			row[i] = valueOf(e)
			exprs = append(exprs, e)
		}
		in.rows = append(in.rows, row)
	}
	if n.OnDuplicate != nil || n.IgnoreErr {
		s.kind = InsertOnDuplicate
	}
	for _, a := range n.OnDuplicate {
		s.assign(a)
		exprs = append(exprs, a.Expr)
	}
	if s.refused = s.judgeValues(factsOf(exprs...)); s.refused != nil {
		return
	}
	if !in.locate(text, n.Setlist) {
		s.refused = s.refuse(ReasonSyntax, "its values are not where they are expected")
	}
}

// locate finds the values in the text.
func (in *insertion) locate(text *scanned, setList bool) bool {
	if setList {
		at := text.find(1, "SET") + 1
		for i := range in.rows[0] {
			at = text.sign(at, "=") + 1
			end := min(text.sign(at, ","), text.find(at, "ON", "AS"))
			if at >= end || !in.rows[0][i].place(text.clip(at, end)) {
				return false
			}
			at = end + 1
		}
		return len(in.rows) == 1
	}
	at := text.find(1, "VALUES", "VALUE") + 1
	for r := range in.rows {
		if !text.is(at, "(") {
			return false
		}
		at++
		for i := range in.rows[r] {
			end := at
			for end < len(text.tokens) && (text.tokens[end].depth > 1 || !text.is(end, ",") && !text.closes(end)) {
				end++
			}
			if at >= end || !in.rows[r][i].place(text.clip(at, end)) {
				return false
			}
			at = end
			if i+1 < len(in.rows[r]) {
				if !text.is(at, ",") {
					return false
				}
				at++
			}
		}
		if !text.closes(at) {
			return false
		}
		at++
		if r+1 < len(in.rows) {
			if !text.is(at, ",") {
				return false
			}
			at++
		}
	}
	return at == len(text.tokens) || text.word(at, "ON") || text.word(at, "AS")
}

// place gives a value its text, and tells whether that fits.
func (v *value) place(c clip) bool {
	v.clip = c
	switch v.kind {
	case valueParam:
		if len(c.params) != 1 {
			return false
		}
		v.param = c.params[0]
	case valueNumber, valueNull, valueDefault:
		return len(c.params) == 0
	case valueText:
		if c.text[0] != '\'' && c.text[0] != '"' { // a character set of its own: the content is not what it seems
			v.kind = valueStable
		}
		return len(c.params) == 0
	}
	return true
}

// sign returns the first token from i on that is a sign in no parentheses, or the number of tokens.
func (s *scanned) sign(i int, sign string) int {
	for ; i < len(s.tokens); i++ {
		if s.tokens[i].depth == 0 && s.tokens[i].kind == tokenSign && s.is(i, sign) {
			return i
		}
	}
	return len(s.tokens)
}

// closes tells whether token i closes the outermost parenthesis.
func (s *scanned) closes(i int) bool {
	return i < len(s.tokens) && s.tokens[i].kind == tokenSign && s.tokens[i].depth == 0 && s.is(i, ")")
}
