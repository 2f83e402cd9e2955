//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/statement/sqlgen"
)

// The same promise for the statements of sqlgen: all forms and conditions, joins of two tables, arguments and literals.
func TestGeneratedStatementsAreDoneOrUndoneToTheLastBit(t *testing.T) {
	t.Parallel()
	s := setup(t)
	twin := bare(t, strict(fresh(t)))
	s.config = strict(s.config)
	s.plain = bare(t, s.config)
	all := s.config.Clone()
	dbs := []*sql.DB{
		opened(t, s.client, s.config, at.Options{Resource: "part"}),
		opened(t, s.client, all, at.Options{Resource: "all", SQL: statement.Options{AllColumns: true}}),
	}
	round, ran, refused := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		g := sqlgen.New(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		p := pair{t: t, ours: rapid.SampledFrom(dbs).Draw(t, "driver"), twin: twin, plain: s.plain}
		round++
		made := p.made(g, round)
		ctx := context.Background()
		for _, m := range made {
			for range 3 {
				p.both(ctx, s.plain, twin, asChange(g.Insert(m)))
			}
		}
		before := p.dumps(s.plain, made)
		xid, err := s.client.Begin(ctx, "generated", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		in := client.WithXID(ctx, xid)
		tx, err := p.ours.BeginTx(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 4).Draw(t, "in a transaction") {
			p.both(in, tx, twin, asChange(g.Statement(made...)))
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 3).Draw(t, "by themselves") {
			p.both(in, p.ours, twin, asChange(g.Statement(made...)))
		}
		after := p.dumps(s.plain, made)
		if diff := cmp.Diff(p.dumps(twin, made), after); diff != "" {
			t.Fatalf("after phase one (-bare +ours)\n%s", diff)
		}
		want := before
		if rapid.IntRange(0, 3).Draw(t, "commit") == 0 {
			want = after
			_, err = s.client.Commit(ctx, xid)
		} else {
			_, err = s.client.Rollback(ctx, xid)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.settled(s)
		if diff := cmp.Diff(want, p.dumps(s.plain, made)); diff != "" {
			t.Fatalf("at the end (-want +got)\n%s", diff)
		}
		ran, refused = ran+p.ran, refused+p.refused
	})
	if refused > ran {
		t.Errorf("%d statements were refused, only %d ran", refused, ran)
	}
	t.Logf("%d statements ran, %d were refused", ran, refused)
}

// strict has all sessions refuse what does not fit, at one moment, in one zone.
func strict(config *mysql.Config) *mysql.Config {
	config = fixedClock(config)
	config.Params["sql_mode"] = "'STRICT_TRANS_TABLES'"
	return config
}

// made makes two tables on both sides. They have names of their own in each round, so that what a failed round has left
// locked is in nobody's way.
func (p *pair) made(g *sqlgen.Generator, round int) []sqlgen.Table {
	made := make([]sqlgen.Table, 2)
	for i := range made {
		made[i] = g.Table(fmt.Sprintf("g%d_%d", round, i))
		for _, db := range []*sql.DB{p.plain, p.twin} {
			if _, err := db.Exec(made[i].Create()); err != nil {
				p.t.Fatalf("%s: %v", made[i].Create(), err)
			}
		}
	}
	return made
}

// asChange takes what is different each time for something that is not, so that both sides can be compared.
func asChange(s sqlgen.Statement) change {
	return change{strings.NewReplacer("UUID()", "USER()", "RAND()", "0.25").Replace(s.SQL), s.Args}
}

// dumps shows all rows of tables, sorted by what they show.
func (p *pair) dumps(db *sql.DB, made []sqlgen.Table) []string {
	var all []string
	for _, m := range made {
		var shown []string
		for _, c := range m.Columns {
			name := "`" + strings.ReplaceAll(c.Name, "`", "``") + "`"
			if c.Kind == "float" {
				name = "CAST(" + name + " AS DOUBLE)"
			}
			shown = append(shown, "HEX(CAST("+name+" AS BINARY))")
		}
		rows, err := db.Query("SELECT " + strings.Join(shown, ", ") + " FROM `" + m.Name + "` ORDER BY " +
			strings.Join(shown, ", "))
		if err != nil {
			p.t.Fatal(err)
		}
		lines, err := texts(rows)
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(append(all, m.Name), lines...)
	}
	return all
}
