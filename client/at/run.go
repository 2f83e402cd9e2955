package at

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// planned is a statement with what is known about its tables: it may run.
type planned struct {
	*statement.Statement
	tables statement.Tables
	args   []driver.NamedValue // its own
}

// execGlobal runs a text in the local transaction of a global one, or wraps one around it.
func (c *conn) execGlobal(ctx context.Context, k call) (result driver.Result, err error) {
	list, err := c.parse(ctx, k.text)
	if err != nil {
		return nil, err
	}
	if c.local != nil {
		return c.local.exec(ctx, list, k)
	}
	if harmless(list) {
		if err := c.leave(ctx); err != nil {
			return nil, err
		}
		return k.exec(ctx)
	}
	err = c.autocommit(ctx, func(l *local) error {
		result, err = l.exec(ctx, list, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// queryGlobal is execGlobal for statements that return rows. Of several statements in a text all or none are ours.
func (c *conn) queryGlobal(ctx context.Context, k call) (driver.Rows, error) {
	list, err := c.parse(ctx, k.text)
	if err != nil {
		return nil, err
	}
	if harmless(list) {
		if c.local != nil {
			if err := c.local.usable(); err != nil {
				return nil, err
			}
			c.local.touched = true
		} else if err := c.leave(ctx); err != nil {
			return nil, err
		}
		return k.query(ctx)
	}
	if err := statement.RefuseQuery(k.text, list); err != nil {
		return nil, err
	}
	if list[0].Kind() != statement.SelectForUpdate {
		if _, err := c.execGlobal(ctx, k); err != nil {
			return nil, err
		}
		return noRows{}, nil
	}
	if l := c.local; l != nil {
		return l.queryLocked(ctx, list[0], k)
	}
	return c.autocommitRows(ctx, list[0], k)
}

// parse reads a text, or remembers that it did.
func (c *conn) parse(ctx context.Context, text string) ([]*statement.Statement, error) {
	parsed, err := c.d.statements(ctx)
	if err != nil {
		return nil, err
	}
	return parsed.Parse(text), nil
}

// harmless tells whether statements neither change nor lock anything.
func harmless(list []*statement.Statement) bool {
	for _, s := range list {
		if s.Kind() != statement.Other {
			return false
		}
	}
	return true
}

// autocommit runs work in a local transaction of its own, and all of it again while a global lock is held by others, or
// if others changed the rows between image and statement.
func (c *conn) autocommit(ctx context.Context, work func(l *local) error) error {
	for attempt := 0; ; attempt++ {
		err := c.once(ctx, work)
		var escaped *statement.EscapedError
		if !heldByOther(err) && !errors.As(err, &escaped) || attempt >= c.d.options.LockRetries {
			return err
		}
		if cancelled := pause(ctx, c.d.options.LockPause); cancelled != nil {
			return fmt.Errorf("%w, waiting for: %w", cancelled, err)
		}
	}
}

func (c *conn) once(ctx context.Context, work func(l *local) error) error {
	l, err := c.begin(ctx, driver.TxOptions{}, modeOf(ctx))
	if err != nil {
		return err
	}
	l.auto = true
	defer l.giveUp()
	if err := work(l); err != nil {
		return l.abandon(err)
	}
	return l.Commit()
}

// giveUp ends what a panic has left open: nobody has a driver.Tx to roll back.
func (l *local) giveUp() {
	if l.done {
		return
	}
	defer l.dropEarly()
	l.end()
	l.c.drop()
}

// exec runs all statements of a text. None of them runs if one is refused.
func (l *local) exec(ctx context.Context, list []*statement.Statement, k call) (driver.Result, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	plans := make([]planned, len(list))
	for i, s := range list {
		var err error
		if plans[i], err = l.plan(ctx, s, k.args); err != nil {
			return nil, err
		}
	}
	if len(plans) == 1 {
		l.alone = true
		return l.one(ctx, plans[0], k)
	}
	var all results
	for _, p := range plans {
		r, err := l.one(ctx, p, call{text: p.Text(), args: p.args, inner: l.c})
		if err != nil {
			return nil, err
		}
		if err := all.add(r); err != nil {
			return nil, l.breaks(err)
		}
	}
	return &all, nil
}

// plan loads the tables of a statement and asks whether it may run.
func (l *local) plan(ctx context.Context, s *statement.Statement, args []driver.NamedValue) (planned, error) {
	for again := false; ; again = true {
		p := planned{Statement: s, tables: statement.Tables{}, args: s.Args(args)}
		for _, name := range s.Tables() {
			table, err := l.c.d.schemas.Table(ctx, l.c.d.metadata(), name)
			if err != nil {
				return p, err
			}
			p.tables[name] = table
		}
		err := s.Refuse(p.tables, p.args)
		if again || !stale(err) {
			return p, err
		}
		p.forget(l.c.d.schemas)
	}
}

// forget has the tables loaded again.
func (p planned) forget(schemas *schema.Cache) {
	for name := range p.tables {
		schemas.Forget(name)
	}
}

// one runs one statement that may run.
func (l *local) one(ctx context.Context, p planned, k call) (driver.Result, error) {
	if p.Kind() != statement.SelectForUpdate {
		l.touched = true
	}
	switch p.Kind() {
	case statement.Other:
		return l.watched(k.exec(ctx))
	case statement.Savepoint, statement.RollbackTo, statement.Release:
		r, err := l.watched(k.exec(ctx))
		if err == nil {
			l.follow(p)
		}
		return r, err
	case statement.SelectForUpdate:
		if err := l.lockRows(ctx, p); err != nil {
			return nil, err
		}
		return l.watched(k.exec(ctx))
	}
	return l.change(ctx, p, k)
}

func (l *local) follow(p planned) {
	switch p.Kind() {
	case statement.Savepoint:
		l.setSavepoint(p.Name())
	case statement.RollbackTo:
		l.backTo(p.Name())
	case statement.Release:
		l.releaseSavepoint(p.Name())
	}
}

// watched notes an error after which the local transaction may be gone.
func (l *local) watched(r driver.Result, err error) (driver.Result, error) {
	return r, l.failed(err)
}

func (l *local) failed(err error) error {
	if err != nil && l.ended(err) {
		return l.breaks(err)
	}
	return err
}

// change runs a statement between its images. Between the statement and its after image nothing may go wrong, or the
// transaction can only be rolled back; that holds for a panic too.
func (l *local) change(ctx context.Context, p planned, k call) (driver.Result, error) {
	before, err := l.before(ctx, &p)
	if err != nil {
		return nil, l.failed(err)
	}
	l.startEarly(p, before)
	result, err := k.exec(ctx)
	if err != nil {
		return nil, l.failed(err)
	}
	noted := false
	defer func() {
		if !noted && l.broken == nil {
			l.broken = errors.New("a change has no image")
		}
	}()
	if err := l.note(ctx, p, before, result); err != nil {
		return nil, l.breaks(fmt.Errorf("at: image of what %q changed: %w", p.Kind(), err))
	}
	noted = true
	return result, nil
}

// before reads the image before a statement. If the table is not as we thought, we look once more.
func (l *local) before(ctx context.Context, p *planned) ([]undo.Records, error) {
	for again := false; ; again = true {
		var images []undo.Records
		queries, err := p.Before(p.tables, p.args)
		if err == nil {
			images, err = l.images(ctx, queries)
		}
		if again || !stale(err) {
			return images, err
		}
		p.forget(l.c.d.schemas)
		if *p, err = l.plan(ctx, p.Statement, p.args); err != nil {
			return nil, err
		}
	}
}

// stale tells whether a table has other columns than we thought.
func stale(err error) bool {
	var server *mysql.MySQLError
	return errors.Is(err, statement.ErrStale) || errors.As(err, &server) && server.Number == 1054
}

// note reads the image after a statement and adds both to the undo log.
func (l *local) note(ctx context.Context, p planned, before []undo.Records, result driver.Result) error {
	lastID, err := result.LastInsertId()
	if err != nil {
		return err
	}
	affected, err := result.RowsAffected()
	if err != nil {
		return err
	}
	inserted := statement.Result{LastID: lastID, Affected: affected, FoundRows: l.c.d.config.ClientFoundRows}
	queries, err := p.After(p.tables, p.args, before, inserted)
	if err != nil {
		return err
	}
	after, err := l.images(ctx, queries)
	if err != nil {
		return err
	}
	if err := p.Check(p.tables, before, after, inserted); err != nil {
		return err
	}
	if changes := p.Undo(p.tables, before, after); len(changes) > 0 {
		l.steps = append(l.steps, step{changes, p.LockKeys(p.tables, before, after)})
	}
	return nil
}

// images reads rows through prepared statements, since the text protocol rounds FLOAT.
func (l *local) images(ctx context.Context, queries []statement.Query) ([]undo.Records, error) {
	var all []undo.Records
	left := l.c.d.options.RowsMax
	for _, q := range queries {
		records := undo.Records{Table: q.Table.Name}
		rows, err := l.c.kept().query(ctx, q.SQL, q.Args)
		if err != nil {
			return nil, err
		}
		err = sqlwrap.Drain(rows, func(row []driver.Value) error {
			if left--; left < 0 {
				return &TooManyRowsError{Table: q.Table.Name, Max: l.c.d.options.RowsMax}
			}
			image, err := imageOf(q, row)
			records.Rows = append(records.Rows, image)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, records)
	}
	return all, nil
}

// imageOf copies a row: the driver reuses its bytes.
func imageOf(q statement.Query, row []driver.Value) (undo.Row, error) {
	if len(row) != len(q.Columns) {
		return undo.Row{}, fmt.Errorf("at: %d columns of %s, expected %d", len(row), q.Table.Name, len(q.Columns))
	}
	image := undo.Row{Fields: make([]undo.Field, len(row))}
	for i, v := range row {
		field, err := undo.FieldOf(q.Table, q.Columns[i], v)
		if err != nil {
			return undo.Row{}, err
		}
		if b, ok := field.Value.([]byte); ok {
			field.Value = bytes.Clone(b)
		}
		image.Fields[i] = field
	}
	return image, nil
}

// results are those of several statements, as go-sql-driver reports them: mysql.Result.
type results struct{ affected, ids []int64 }

func (r *results) add(one driver.Result) error {
	id, err := one.LastInsertId()
	if err != nil {
		return err
	}
	n, err := one.RowsAffected()
	if err != nil {
		return err
	}
	r.affected, r.ids = append(r.affected, n), append(r.ids, id)
	return nil
}

func (r *results) LastInsertId() (int64, error) { return r.ids[len(r.ids)-1], nil }
func (r *results) RowsAffected() (int64, error) { return r.affected[len(r.affected)-1], nil }
func (r *results) AllRowsAffected() []int64     { return slices.Clone(r.affected) }
func (r *results) AllLastInsertIds() []int64    { return slices.Clone(r.ids) }

// noRows is what a statement without rows returns to a query.
type noRows struct{}

func (noRows) Columns() []string         { return nil }
func (noRows) Close() error              { return nil }
func (noRows) Next([]driver.Value) error { return io.EOF }
