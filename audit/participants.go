package audit

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"regexp"

	_ "github.com/go-sql-driver/mysql" // participants' databases are MySQL's kind
	"go.yaml.in/yaml/v3"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Participants lists the databases of participants and what to look at in them. It is read from YAML.
type Participants struct {
	Databases []Participant `yaml:"databases"`
	Totals    []TotalRule   `yaml:"totals"`
}

// Participant is one database. Every query is run in one read-only transaction, so they see the same state.
type Participant struct {
	Name string `yaml:"name"`
	DSN  string `yaml:"dsn"`
	// Resource is the beginning or the end of the resource of its branches, for example "/bank_west".
	Resource string `yaml:"resource"`
	// UndoLog is the table of Seata's undo log. Rows with log_status 1 undo nothing and are not counted.
	UndoLog string `yaml:"undoLog"`
	// Fence is Seata's table tcc_fence_log.
	Fence string `yaml:"fence"`
	// Effects yields xid, kind (AT or TCC), branch id (0 if unknown), action (try, confirm or cancel): for AT one row for
	// each branch whose work is there, for TCC one for each action that had an effect.
	Effects string `yaml:"effects"`
	// Kinds are the kinds of branches that Effects knows: all branches of these kinds whose resource is this one.
	Kinds []string `yaml:"kinds"`
	// Attempts yields xid, kind, branch id, action (commit or rollback), done (0 or 1), oldest first.
	Attempts string `yaml:"attempts"`
	// Sequence yields key, number, in this order. For each key the numbers must be 1, 2, 3 … without gap or double.
	Sequence string `yaml:"sequence"`
}

// TotalRule is a sum that no transaction may change.
type TotalRule struct {
	Name  string `yaml:"name"`
	Want  int64  `yaml:"want"`
	Terms []struct {
		Database string `yaml:"database"`
		Query    string `yaml:"query"`
	} `yaml:"terms"`
}

var tableName = regexp.MustCompile("^[0-9A-Za-z_$.]{1,128}$")

// ReadParticipants reads the YAML and refuses what it does not know.
func ReadParticipants(r io.Reader) (*Participants, error) {
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, err
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	p := &Participants{}
	if err := d.Decode(p); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, db := range p.Databases {
		switch {
		case db.Name == "" || db.DSN == "" || names[db.Name]:
			return nil, fmt.Errorf("database %q needs a name of its own and a dsn", db.Name)
		case db.UndoLog != "" && !tableName.MatchString(db.UndoLog), db.Fence != "" && !tableName.MatchString(db.Fence):
			return nil, fmt.Errorf("database %s: %q or %q is no name of a table", db.Name, db.UndoLog, db.Fence)
		case db.Effects != "" && (len(db.Kinds) == 0 || db.Resource == ""):
			return nil, fmt.Errorf("database %s: effects need kinds and a resource", db.Name)
		}
		for _, k := range db.Kinds {
			if kindOf(k) == 0 {
				return nil, fmt.Errorf("database %s: kind %q is neither AT nor TCC", db.Name, k)
			}
		}
		names[db.Name] = true
	}
	for _, t := range p.Totals {
		for _, term := range t.Terms {
			if !names[term.Database] {
				return nil, fmt.Errorf("total %s: there is no database %q", t.Name, term.Database)
			}
		}
	}
	return p, nil
}

// kindOf returns the kind of a participant's row, 0 if it is none.
func kindOf(name string) txn.Kind {
	switch name {
	case "AT":
		return txn.AT
	case "TCC":
		return txn.TCC
	}
	return 0
}

// Read looks into all databases.
func (p *Participants) Read(ctx context.Context, e *Evidence) error {
	terms := map[string][]totalTerm{}
	for i := range p.Totals {
		t := &p.Totals[i]
		e.Totalled = append(e.Totalled, Total{Name: t.Name, Want: t.Want})
		for _, term := range t.Terms {
			terms[term.Database] = append(terms[term.Database], totalTerm{len(e.Totalled) - 1, term.Query})
		}
	}
	for i := range p.Databases {
		d := &p.Databases[i]
		if err := d.read(ctx, e, terms[d.Name]); err != nil {
			return fmt.Errorf("participant %s: %w", d.Name, err)
		}
	}
	if len(p.Totals) > 0 {
		e.Have |= Totals
	}
	return nil
}

// totalTerm is a query whose result counts for a total.
type totalTerm struct {
	total int
	query string
}

func (d *Participant) read(ctx context.Context, e *Evidence, terms []totalTerm) (err error) {
	db, err := sql.Open("mysql", d.DSN)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	state := DatabaseState{Name: d.Name, Resource: d.Resource}
	for _, k := range d.Kinds {
		state.Kinds = append(state.Kinds, kindOf(k))
	}
	e.Databases = append(e.Databases, state)
	in := participantReader{tx: tx, e: e, index: len(e.Databases) - 1}
	return errors.Join(in.undo(ctx, d.UndoLog), in.fences(ctx, d.Fence), in.effects(ctx, d.Effects),
		in.attempts(ctx, d.Attempts), in.sequence(ctx, d.Sequence), in.totals(ctx, terms))
}

// participantReader reads one database in one transaction.
type participantReader struct {
	tx    *sql.Tx
	e     *Evidence
	index int
}

func (r *participantReader) state() *DatabaseState { return &r.e.Databases[r.index] }

// rows runs a query and calls scan for each row; "" is no query.
func (r *participantReader) rows(ctx context.Context, have Source, query string, scan func(*sql.Rows) error) error {
	if query == "" {
		return nil
	}
	rows, err := r.tx.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	r.e.Have |= have
	return rows.Err()
}

// of returns the story of an xid in a participant's table, or nil, with a stray, if it is none.
func (r *participantReader) of(xid string) *Story {
	x, ok := txn.ParseXID(xid)
	if !ok {
		r.e.Strays = append(r.e.Strays, fmt.Sprintf("%s has a row of %q, which is no xid", r.state().Name, xid))
		return nil
	}
	return r.e.story(x.ID)
}

func (r *participantReader) undo(ctx context.Context, table string) error {
	if table == "" {
		return nil
	}
	query := "SELECT COUNT(*) FROM " + table + " WHERE log_status <> 1"
	return r.rows(ctx, Undo, query, func(rows *sql.Rows) error {
		r.state().HasUndo = true
		return rows.Scan(&r.state().UndoRows)
	})
}

func (r *participantReader) fences(ctx context.Context, table string) error {
	if table == "" {
		return nil
	}
	r.state().HasFence = true
	return r.rows(ctx, Fences, "SELECT xid, branch_id, status FROM "+table, func(rows *sql.Rows) error {
		var xid string
		row := Fence{Database: r.index}
		if err := rows.Scan(&xid, &row.Branch, &row.Status); err != nil {
			return err
		}
		if s := r.of(xid); s != nil {
			s.Fences = append(s.Fences, row)
		}
		return nil
	})
}

func (r *participantReader) effects(ctx context.Context, query string) error {
	return r.rows(ctx, Effects, query, func(rows *sql.Rows) error {
		var xid, kind string
		row := Effect{Database: r.index}
		if err := rows.Scan(&xid, &kind, &row.Branch, &row.Action); err != nil {
			return err
		}
		if row.Kind = kindOf(kind); row.Kind == 0 {
			return fmt.Errorf("kind %q is neither AT nor TCC", kind)
		}
		row.Action = r.e.intern(row.Action)
		if s := r.of(xid); s != nil {
			s.Effects = append(s.Effects, row)
		}
		return nil
	})
}

func (r *participantReader) attempts(ctx context.Context, query string) error {
	return r.rows(ctx, Attempts, query, func(rows *sql.Rows) error {
		var xid, action string
		a := &Attempt{}
		if err := rows.Scan(&xid, &a.Kind, &a.Branch, &action, &a.Done); err != nil {
			return err
		}
		switch action {
		case "commit":
			a.Action = txn.Commit
		case "rollback":
			a.Action = txn.Rollback
		default:
			return fmt.Errorf("action %q is neither commit nor rollback", action)
		}
		if s := r.of(xid); s != nil {
			s.Attempts = append(s.Attempts, a)
		}
		return nil
	})
}

func (r *participantReader) sequence(ctx context.Context, query string) error {
	key, last := "", int64(0)
	return r.rows(ctx, Sequences, query, func(rows *sql.Rows) error {
		var k string
		var n int64
		if err := rows.Scan(&k, &n); err != nil {
			return err
		}
		if k != key {
			key, last = k, 0
			r.state().Keys++
		}
		if n != last+1 {
			r.state().Gaps = append(r.state().Gaps, fmt.Sprintf("row %s has write %d after write %d", k, n, last))
		}
		last = n
		return nil
	})
}

func (r *participantReader) totals(ctx context.Context, terms []totalTerm) error {
	for _, t := range terms {
		err := r.rows(ctx, Totals, t.query, func(rows *sql.Rows) error {
			var n sql.NullInt64
			if err := rows.Scan(&n); err != nil {
				return err
			}
			r.e.Totalled[t.total].Got += n.Int64
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
