package statement

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/parser/ast"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the parser's own literals; the other driver is a database

	"strings"
)

// parse reads a text without looking into the cache.
func (c *Cache) parse(text string) []*Statement {
	all := scan(text, dialect{ansiQuotes: c.options.ANSIQuotes, noBackslash: c.options.NoBackslashEscapes})
	parts := all.split()
	if len(parts) == 0 && !all.broken && !all.executable {
		return nil // semicolons alone
	}
	if all.broken || all.executable {
		// Where one statement ends and the next begins may differ on the server: it is one, and refused.
		s := &Statement{text: text, params: all.params(), options: c.options}
		if all.executable {
			return []*Statement{s.never(ReasonComment, "")}
		}
		return []*Statement{s.never(ReasonSyntax, "a quote, comment or parenthesis has no end")}
	}
	statements := make([]*Statement, len(parts))
	first := 0
	for i := range parts {
		s := &Statement{
			text: parts[i].text, first: first, params: parts[i].params(), options: c.options,
		}
		first += s.params
		c.classify(s, &parts[i])
		statements[i] = s
	}
	return statements
}

// never marks a statement as one that the text alone shows to be impossible.
func (s *Statement) never(r Reason, detail string) *Statement {
	s.kind, s.refused = Refused, s.refuse(r, detail)
	return s
}

// verbs says what the first word of a statement tells. 0 is: passes through.
var verbs = map[string]Reason{
	"SHOW": 0, "DESC": 0, "DESCRIBE": 0, "HELP": 0, "DO": 0, "KILL": 0, "VALUES": 0,
	"TABLE": 0,
	"BEGIN": ReasonTransaction, "START": ReasonTransaction, "COMMIT": ReasonTransaction,
	"CREATE": ReasonDDL, "ALTER": ReasonDDL, "DROP": ReasonDDL, "RENAME": ReasonDDL, "TRUNCATE": ReasonDDL,
	"GRANT": ReasonImplicitCommit, "REVOKE": ReasonImplicitCommit, "ANALYZE": ReasonImplicitCommit,
	"OPTIMIZE": ReasonImplicitCommit, "REPAIR": ReasonImplicitCommit, "FLUSH": ReasonImplicitCommit,
	"CHECK": ReasonImplicitCommit, "CACHE": ReasonImplicitCommit, "RESET": ReasonImplicitCommit,
	"INSTALL": ReasonImplicitCommit, "UNINSTALL": ReasonImplicitCommit, "LOCK": ReasonImplicitCommit,
	"UNLOCK": ReasonImplicitCommit, "CHANGE": ReasonImplicitCommit, "STOP": ReasonImplicitCommit,
	"USE": ReasonDatabase, "CALL": ReasonProcedure, "LOAD": ReasonLoad, "XA": ReasonXA,
	"PREPARE": ReasonServerPrepared, "EXECUTE": ReasonServerPrepared, "DEALLOCATE": ReasonServerPrepared,
	"REPLACE": ReasonReplace,
}

// classify finds out from the first words whether a statement needs to be parsed, and has that done.
func (c *Cache) classify(s *Statement, text *scanned) {
	if text.tokens[0].kind != tokenWord && !text.is(0, "(") {
		s.never(ReasonSyntax, "")
		return
	}
	at := 0
	for text.is(at, "(") {
		at++
	}
	if at == len(text.tokens) {
		s.never(ReasonSyntax, "")
		return
	}
	verb := strings.ToUpper(text.text[text.tokens[at].start:text.tokens[at].end])
	switch verb {
	case "SELECT":
		if !text.locks() {
			s.kind = Other
			return
		}
		c.read(s, text)
	case "INSERT", "UPDATE", "DELETE", "WITH":
		c.read(s, text)
	case "SET":
		s.set(text)
	case "EXPLAIN":
		s.kind = Other
		if text.find(1, "ANALYZE") < len(text.tokens) {
			s.never(ReasonUnknown, "EXPLAIN ANALYZE runs what it explains")
		}
	case "SAVEPOINT", "RELEASE", "ROLLBACK":
		s.savepoint(verb, text)
	default:
		reason, ok := verbs[verb]
		switch {
		case !ok:
			s.never(ReasonUnknown, "")
		case reason != 0:
			s.never(reason, "")
		case text.locks():
			s.never(ReasonNestedLock, "")
		default:
			s.kind = Other
		}
	}
}

// savepoint reads SAVEPOINT x, RELEASE SAVEPOINT x and ROLLBACK [WORK] TO [SAVEPOINT] x. Any other ROLLBACK ends the
// local transaction.
func (s *Statement) savepoint(verb string, text *scanned) {
	last := len(text.tokens) - 1
	switch {
	case text.name(last) == "" || last == 0:
		s.never(ReasonTransaction, "")
		return
	case verb == "SAVEPOINT":
		s.kind = Savepoint
	case verb == "RELEASE":
		s.kind = Release
	case text.word(1, "TO") || text.word(2, "TO"):
		s.kind = RollbackTo
	default:
		s.never(ReasonTransaction, "")
		return
	}
	s.name = text.name(last)
}

// locks tells whether the words FOR UPDATE are somewhere in a statement.
func (s *scanned) locks() bool {
	for i := range s.tokens {
		if s.word(i, "UPDATE") && s.word(i-1, "FOR") {
			return true
		}
	}
	return false
}

// set judges SET: it passes through unless it changes how the session commits or how the text of statements is read.
func (s *Statement) set(text *scanned) {
	s.kind = Other
	switch {
	case text.word(1, "STATEMENT"):
		s.never(ReasonSession, "SET STATEMENT runs another statement")
		return
	case text.word(1, "PASSWORD"):
		s.never(ReasonImplicitCommit, "")
		return
	case text.locks():
		s.never(ReasonNestedLock, "")
		return
	}
	for i, t := range text.tokens {
		name := strings.ToLower(strings.Trim(text.text[t.start:t.end], "@`'\""))
		switch name {
		case "gbk", "gb18030", "big5", "sjis", "cp932":
			s.never(ReasonSession, "in "+name+" a backslash may be half a letter")
			return
		}
		if t.kind == tokenVariable && !strings.HasPrefix(text.text[t.start:], "@@") {
			continue
		}
		if at := strings.LastIndexByte(name, '.'); at >= 0 {
			name = name[at+1:]
		}
		if (name == "autocommit" || name == "sql_mode" || name == "completion_type") && text.assigns(i) {
			s.never(ReasonSession, name)
			return
		}
	}
}

// assigns tells whether token i is on the left side of an assignment.
func (s *scanned) assigns(i int) bool { return s.is(i+1, "=") || s.is(i+1, ":") && s.is(i+2, "=") }

// read has the parser read a statement and takes from its tree what the plan of the statement needs. The tree is not
// kept: walking it writes to it.
func (c *Cache) read(s *Statement, text *scanned) {
	node, err := c.tree(text.withoutRowAlias())
	if err != nil {
		s.never(ReasonSyntax, err.Error())
		return
	}
	switch n := node.(type) {
	case *ast.UpdateStmt:
		s.planUpdate(n, text)
	case *ast.DeleteStmt:
		s.planDelete(n, text)
	case *ast.InsertStmt:
		s.planInsert(n, text)
	case *ast.SelectStmt:
		s.planSelect(n, text)
	case *ast.SetOprStmt:
		s.kind = Other
		if text.locks() {
			s.never(ReasonNestedLock, "")
		}
	default:
		s.never(ReasonUnknown, "")
	}
	if s.refused != nil {
		s.kind = Refused
	}
}

// tree parses one statement. The parser's panics are its mistakes, and make the statement one that can't be read.
func (c *Cache) tree(text string) (node ast.StmtNode, err error) {
	p := c.parser()
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("parser: %v", cause)
			return // with a parser in an unknown state, which is dropped
		}
		c.parsers.Put(p)
	}()
	nodes, _, err := p.ParseSQL(text)
	if err != nil {
		return nil, err
	}
	if len(nodes) != 1 {
		return nil, fmt.Errorf("%d statements where one was expected", len(nodes))
	}
	return nodes[0], nil
}

// withoutRowAlias returns the text with spaces where INSERT names its rows, as in "VALUES (...) AS new ON DUPLICATE KEY
// UPDATE a = new.a": MySQL has that since 8.0.19, the parser has not.
func (s *scanned) withoutRowAlias() string {
	if !s.word(0, "INSERT") {
		return s.text
	}
	as, on := s.find(s.find(1, "VALUES", "VALUE", "SET"), "AS"), s.find(1, "ON")
	if as >= on || on == len(s.tokens) {
		return s.text
	}
	from, to := s.tokens[as].start, s.tokens[on].start
	return s.text[:from] + strings.Repeat(" ", to-from) + s.text[to:]
}
