package statement

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-tx/concord/client/at/schema"
)

// target is a table whose rows a statement changes or locks.
type target struct {
	ref   reference
	table *schema.Table
	sets  []schema.Column
}

func missing(r reference) error { return fmt.Errorf("metadata of %s is missing", r.full()) }

// RefuseQuery tells why a text can't be asked for rows, although each of its statements might run: where one of several
// changes or locks something, each runs by itself, and what they return is not the one answer of the database that has
// the rows of all. An error is a *RefusedError.
func RefuseQuery(text string, statements []*Statement) error {
	if len(statements) < 2 {
		return nil
	}
	var several error
	for _, s := range statements {
		switch {
		case s.refused != nil:
			return s.refused // in whatever way it is sent
		case s.kind != Other && several == nil:
			several = refuse(text, ReasonSeveral, s.kind.String())
		}
	}
	return several
}

// Refuse returns a *RefusedError if the statement can't run in a global transaction, and ErrStale if the metadata is
// older than the statement. It is asked before anything runs. Without arguments it judges what can be judged without
// them, which is what Prepare wants; Before judges again.
func (s *Statement) Refuse(t Tables, args []driver.NamedValue) error {
	if s.refused != nil {
		return s.refused
	}
	if !s.kind.Changes() && s.kind != SelectForUpdate {
		return nil
	}
	if args != nil && len(args) != s.params {
		return s.refuse(ReasonPositionalArguments, fmt.Sprintf("%d for %d", len(args), s.params))
	}
	for _, a := range args {
		if a.Name != "" {
			return s.refuse(ReasonPositionalArguments, "named "+a.Name)
		}
	}
	targets, err := s.targets(t)
	if err != nil {
		return err
	}
	for _, target := range targets {
		if refused := s.judgeTable(target); refused != nil {
			return refused
		}
	}
	if s.choice.volatile != "" {
		for _, target := range targets {
			if s.joined || !s.pinsAll(target.table) {
				return s.refuse(ReasonVolatile, s.choice.volatile)
			}
		}
	} else if refused := s.judgeLimit(targets, args); refused != nil {
		return refused
	}
	if s.insert == nil {
		return nil
	}
	rows, err := s.rows(targets[0].table, args)
	if err != nil {
		return err
	}
	return rows.judge()
}

// targets finds the tables that are changed, or for SELECT ... FOR UPDATE those whose rows are locked and can be named.
func (s *Statement) targets(t Tables) ([]target, error) {
	switch s.kind {
	case UpdateJoin:
		return s.joinTargets(t)
	case Delete:
		if s.joined {
			return s.deleteTargets(t)
		}
	case SelectForUpdate:
		return s.lockTargets(t)
	}
	table, err := s.table(t, s.refs[0])
	if err != nil {
		return nil, err
	}
	found := target{ref: s.refs[0], table: table}
	for _, a := range s.sets {
		column, ok := table.Column(a.column)
		if !ok {
			return nil, fmt.Errorf("%w: %s of %s", ErrStale, a.column, table.Name)
		}
		found.sets = append(found.sets, column)
	}
	return []target{found}, nil
}

// joinTargets finds out which table of a join each assignment is for.
func (s *Statement) joinTargets(t Tables) ([]target, error) {
	var targets []target
	for _, a := range s.sets {
		i, column, err := s.assigned(t, a)
		if err != nil {
			return nil, err
		}
		ref := s.refs[i]
		at := slices.IndexFunc(targets, func(known target) bool { return known.ref == ref })
		if at < 0 {
			at = len(targets)
			targets = append(targets, target{ref: ref, table: t[ref.full()]})
		}
		targets[at].sets = append(targets[at].sets, column)
	}
	for _, changed := range targets {
		for _, r := range s.refs {
			other := t[r.full()]
			if other != nil && other.View {
				return nil, s.refuse(ReasonView, other.Name)
			}
			if r != changed.ref && other != nil && sameName(other.Name, changed.table.Name) {
				return nil, s.refuse(ReasonSelfJoin, changed.table.Name)
			}
		}
	}
	return targets, nil
}

// deleteTargets finds the tables of a join that rows are deleted from.
func (s *Statement) deleteTargets(t Tables) ([]target, error) {
	var targets []target
	for _, d := range s.deletes {
		found := 0
		for _, r := range s.refs {
			if !r.called(d.schema, d.table) {
				continue
			}
			table, err := s.table(t, r)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(targets, func(o target) bool { return sameName(o.table.Name, table.Name) }) {
				return nil, s.refuse(ReasonSelfJoin, table.Name)
			}
			found++
			targets = append(targets, target{ref: r, table: table})
		}
		if found != 1 {
			return nil, s.refuse(ReasonSyntax, d.table+" is not one of its tables")
		}
	}
	for _, r := range s.refs {
		if other := t[r.full()]; other != nil && other.View {
			return nil, s.refuse(ReasonView, other.Name)
		}
	}
	return targets, nil
}

// assigned returns which reference a column belongs to that is assigned to.
func (s *Statement) assigned(t Tables, a assignment) (int, schema.Column, error) {
	var at []int
	var column schema.Column
	for i, r := range s.refs {
		if a.table != "" && !r.called(a.schema, a.table) {
			continue
		}
		table, err := s.table(t, r)
		if err != nil {
			return 0, column, err
		}
		if c, ok := table.Column(a.column); ok {
			at = append(at, i)
			column = c
		}
	}
	switch len(at) {
	case 0:
		return 0, column, fmt.Errorf("%w: %s", ErrStale, a.column)
	case 1:
		return at[0], column, nil
	}
	return 0, column, s.refuse(ReasonSyntax, "column "+a.column+" is in several tables")
}

// called tells whether a reference may be meant by a name before a column.
func (r reference) called(schema, name string) bool {
	if r.alias != "" {
		return sameName(r.alias, name) && schema == ""
	}
	return sameName(r.name, name) && (schema == "" || r.schema == "" || sameName(r.schema, schema))
}

// lockTargets finds the tables whose rows SELECT ... FOR UPDATE locks. Tables without a primary key have no rows that
// a global transaction could hold.
func (s *Statement) lockTargets(t Tables) ([]target, error) {
	var targets []target
	for _, r := range s.refs {
		name := r.alias
		if name == "" {
			name = r.name
		}
		only := s.choice.lockOnly
		if len(only) > 0 && !slices.ContainsFunc(only, func(o string) bool { return sameName(o, name) }) {
			continue
		}
		table, err := s.table(t, r)
		if err != nil {
			return nil, err
		}
		if len(table.Primary) > 0 || table.View {
			targets = append(targets, target{ref: r, table: table})
		}
	}
	return targets, nil
}

// engines are the storage engines that can roll back.
var engines = []string{"", "INNODB", "ROCKSDB", "TOKUDB", "NDBCLUSTER"}

// judgeTable says whether a table's rows can be changed and found again.
func (s *Statement) judgeTable(t target) *RefusedError {
	table := t.table
	switch {
	case table.View:
		return s.refuse(ReasonView, table.Name)
	case s.kind == SelectForUpdate:
		return nil
	case len(table.Primary) == 0:
		return s.refuse(ReasonNoPrimaryKey, table.Name)
	case !slices.Contains(engines, strings.ToUpper(table.Engine)):
		return s.refuse(ReasonEngine, table.Engine)
	}
	for _, name := range table.Primary {
		column, ok := table.Column(name)
		if !ok || column.Generated || column.Type == schema.Real {
			return s.refuse(ReasonKeyType, name)
		}
	}
	if !s.options.AllowTriggers {
		for _, event := range table.Triggers {
			if slices.Contains(s.kind.events(), event) {
				return s.refuse(ReasonTrigger, event+" on "+table.Name)
			}
		}
	}
	if s.kind == Delete && len(table.Cascades) > 0 {
		return s.refuse(ReasonCascade, table.Cascades[0])
	}
	return s.judgeSets(t)
}

// judgeSets says whether columns may be changed.
func (s *Statement) judgeSets(t target) *RefusedError {
	for _, column := range t.sets {
		if t.table.IsPrimary(column.Name) {
			return s.refuse(ReasonKeyChanged, column.Name)
		}
		for _, index := range t.table.Unique {
			if !slices.ContainsFunc(index.Columns, func(c string) bool { return sameName(c, column.Name) }) {
				continue
			}
			if s.kind == InsertOnDuplicate {
				return s.refuse(ReasonUniqueChanged, column.Name)
			}
			if len(t.table.Cascades) > 0 {
				return s.refuse(ReasonCascade, t.table.Cascades[0])
			}
		}
	}
	return nil
}

// events are the triggers that a statement of a kind runs.
func (k Kind) events() []string {
	switch k {
	case Insert:
		return []string{"INSERT"}
	case InsertOnDuplicate:
		return []string{"INSERT", "UPDATE"}
	case Update, UpdateJoin:
		return []string{"UPDATE"}
	case Delete:
		return []string{"DELETE"}
	}
	return nil
}

// judgeLimit says whether LIMIT picks the same rows twice: in an order without ties, or of one row.
func (s *Statement) judgeLimit(targets []target, args []driver.NamedValue) *RefusedError {
	if s.choice.limit.empty() || s.insert != nil || len(targets) == 0 {
		return nil
	}
	if s.joined || s.choice.distinct {
		if s.kind == SelectForUpdate {
			return nil // all rows are asked for, whatever LIMIT leaves
		}
		return s.refuse(ReasonLimit, "")
	}
	ordered, one := true, true
	for _, name := range targets[0].table.Primary {
		column, _ := targets[0].table.Column(name)
		ordered = ordered && slices.ContainsFunc(s.choice.orderColumns, func(c string) bool { return sameName(c, name) })
		v, ok := s.choice.pinned[strings.ToLower(name)]
		one = one && ok && pins(column, v, args)
	}
	if ordered || one {
		return nil
	}
	return s.refuse(ReasonLimit, "")
}

// pinsAll tells whether WHERE names the whole primary key, so that the image can be read by it and may have a row more
// than what the statement chooses.
func (s *Statement) pinsAll(t *schema.Table) bool {
	return !slices.ContainsFunc(t.Primary, func(name string) bool {
		v, ok := s.choice.pinned[strings.ToLower(name)]
		return !ok || v.kind != valueNumber && v.kind != valueText && v.kind != valueParam
	})
}

// pins tells whether a key column that equals a value can have one value only: comparing text with a number, or a large
// number with a floating one, may be true for several.
func pins(c schema.Column, v value, args []driver.NamedValue) bool {
	number := slices.Contains([]int{schema.BigInt, schema.Integer, schema.SmallInt, schema.TinyInt}, c.Type)
	text := c.Type == schema.VarChar || c.Type == schema.Char
	switch v.kind {
	case valueNull:
		return true // nothing equals it
	case valueNumber:
		return number && !strings.Contains(v.text, ".")
	case valueText:
		return text
	case valueParam:
		if args == nil {
			return true
		}
		switch args[v.param].Value.(type) {
		case nil:
			return true
		case int64, uint64:
			return number
		case string, []byte:
			return text
		}
	}
	return false
}
