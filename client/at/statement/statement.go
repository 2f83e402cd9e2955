package statement

import (
	"database/sql/driver"
	"slices"
	"strings"

	"github.com/concord-tx/concord/client/at/schema"
)

// Statement is what is known about one statement from its text alone. It is not changed after Parse; any number of
// goroutines may use it.
type Statement struct {
	kind    Kind
	text    string
	name    string // of a savepoint
	first   int    // parameters of the statements before it
	params  int
	options Options

	// refused is set if the text alone shows that it can't run.
	refused *RefusedError

	refs []reference // the base tables that it names, in their order
	// joined is true for more than one table, or a table and derived tables.
	joined bool
	choice choice
	// sets are the columns that UPDATE or ON DUPLICATE KEY UPDATE assigns to.
	sets []assignment
	// deletes are the tables that DELETE names before or behind FROM, in the form for several tables.
	deletes []assignment
	// insert has what only INSERT has.
	insert *insertion
}

// reference is a base table that a statement names.
type reference struct{ schema, name, alias string }

// full returns the table's name in back quotes, as written.
func (r reference) full() string {
	if r.schema == "" {
		return schema.Quote(r.name)
	}
	return schema.Quote(r.schema) + "." + schema.Quote(r.name)
}

// qualifier returns what stands before a column of the table.
func (r reference) qualifier() string {
	if r.alias != "" {
		return schema.Quote(r.alias)
	}
	return r.full()
}

// assignment is the left side of one "column = value".
type assignment struct{ schema, table, column string }

// choice is how a statement picks rows.
type choice struct {
	from, where, order, limit clip
	lock                      string // what follows FOR UPDATE: how long to wait
	// lockOnly are the names after FOR UPDATE OF.
	lockOnly []string
	// distinct is true if rows of the result are no rows of a table: DISTINCT, GROUP BY, aggregates.
	distinct bool
	// orderColumns are the columns of an ORDER BY that has nothing else.
	orderColumns []string
	// volatile is a function whose value differs each time, by which rows are chosen.
	volatile string
	// pinned are columns that WHERE compares for equality with a number or parameter, joined by AND only.
	pinned map[string]value
}

// Tables has the metadata of the tables of a statement, by the names that Statement.Tables returned.
type Tables map[string]*schema.Table

// Kind says what kind of statement it is.
func (s *Statement) Kind() Kind { return s.kind }

// Text returns the statement's own text, without what surrounds it: other statements, comments, semicolons.
func (s *Statement) Text() string { return s.text }

// Name returns the name of the savepoint that the statement concerns, without quotes, or "".
func (s *Statement) Name() string { return s.name }

// Params returns the position of the statement's first parameter among those of the whole text, from 0, and how many it
// has.
func (s *Statement) Params() (first, count int) { return s.first, s.params }

// Args returns the statement's own arguments out of those of the whole text, counted from 1. The other methods want
// these. If there are too few, it returns what there is, which Refuse then finds.
func (s *Statement) Args(all []driver.NamedValue) []driver.NamedValue {
	from, to := min(s.first, len(all)), min(s.first+s.params, len(all))
	args := slices.Clone(all[from:to])
	for i := range args {
		args[i].Ordinal = i + 1
	}
	return args
}

// Tables returns the names of the tables whose metadata the other methods need: in back quotes, qualified if the
// statement qualifies them, each once.
func (s *Statement) Tables() []string {
	var names []string
	if !s.kind.Changes() && s.kind != SelectForUpdate {
		return nil
	}
	for _, r := range s.refs {
		if name := r.full(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// table returns the metadata of a reference.
func (s *Statement) table(t Tables, r reference) (*schema.Table, error) {
	if table := t[r.full()]; table != nil {
		return table, nil
	}
	return nil, missing(r)
}

// refuse makes the error of a reason for this statement.
func (s *Statement) refuse(r Reason, detail string) *RefusedError { return refuse(s.text, r, detail) }

// sameName compares names of columns and aliases, which MySQL does without regard to case.
func sameName(a, b string) bool { return strings.EqualFold(a, b) }
