//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
)

// What go-sql-driver's documentation promises, promised by the bare driver, by the wrapped one outside of global
// transactions, and inside of one. Each case says what is to be seen, so that it is not the same nonsense three times.

// behaviour is one promise.
type behaviour struct {
	name   string
	config func(c *mysql.Config)
	setup  string // statements, separated by semicolons
	see    func(t *testing.T, ctx context.Context, db *sql.DB) []string
	want   []string
	// outside is set for what is refused inside of global transactions.
	outside bool
}

func (b behaviour) run(t *testing.T) {
	for _, where := range []string{"bare", "wrapped", "global"} {
		if where == "global" && b.outside {
			continue
		}
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			config := fresh(t)
			for _, s := range strings.Split(b.setup, ";") {
				if strings.TrimSpace(s) != "" {
					mustExec(t, bare(t, config), s)
				}
			}
			if b.config != nil {
				b.config(config)
			}
			ctx := t.Context()
			var db *sql.DB
			switch where {
			case "bare":
				db = bare(t, config)
			case "global":
				ctx = client.WithXID(ctx, "127.0.0.1:8091:1")
				fallthrough
			default:
				db = opened(t, &coordinator{}, config, at.Options{})
			}
			if diff := cmp.Diff(b.want, b.see(t, ctx, db)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

const people = "CREATE TABLE p (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40), n INT)"

func TestWhatTheDriverPromisesStaysTrue(t *testing.T) {
	t.Parallel()
	for _, b := range behaviours() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			b.run(t)
		})
	}
}

func behaviours() []behaviour {
	return append(append(argumentBehaviours(), resultBehaviours()...), transactionBehaviours()...)
}

func argumentBehaviours() []behaviour {
	insertAndRead := func(t *testing.T, ctx context.Context, db *sql.DB) []string {
		mustExecIn(t, ctx, db, "INSERT INTO p (name, n) VALUES (?, ?), (?, ?)", "a?b", 1, nil, -7)
		return rowsIn(t, ctx, db, "SELECT name, n FROM p WHERE n <> ? ORDER BY id", 99)
	}
	interpolated := func(c *mysql.Config) { c.InterpolateParams = true }
	return []behaviour{
		{
			name: "arguments and NULL", setup: people, see: insertAndRead,
			want: []string{`"a?b" "1"`, `NULL "-7"`},
		},
		{
			name: "interpolated arguments and NULL", setup: people, config: interpolated, see: insertAndRead,
			want: []string{`"a?b" "1"`, `NULL "-7"`},
		},
		{
			name: "all kinds of arguments",
			setup: "CREATE TABLE v (id INT PRIMARY KEY, b BIGINT UNSIGNED, f DOUBLE, s VARBINARY(9), d DATETIME(6)," +
				" o BOOL, j TEXT)",
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				at := time.Date(2026, 3, 1, 12, 30, 15, 123456000, time.UTC)
				mustExecIn(t, ctx, db, "INSERT INTO v VALUES (?, ?, ?, ?, ?, ?, ?)", int8(1), uint64(1<<63+1), 2.5,
					[]byte{0, 255, '\''}, at, true, json.RawMessage(`{"a":"'\""}`))
				return rowsIn(t, ctx, db, "SELECT b, f, HEX(s), d, o, j FROM v")
			},
			want: []string{`"9223372036854775809" "2.5" "00FF27" "2026-03-01 12:30:15.123456" "1" "{\"a\":\"'\\\"\"}"`},
		},
		{
			name: "named arguments are refused", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				_, err := db.ExecContext(ctx, "INSERT INTO p (n) VALUES (?)", sql.Named("n", 1))
				return []string{fmt.Sprint(err != nil), strings.Join(rowsOf(t, db, "SELECT COUNT(*) FROM p"), "")}
			},
			want: []string{"true", `"0"`},
		},
		{
			name: "a wrong number of arguments is an error and nothing runs", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				_, few := db.ExecContext(ctx, "UPDATE p SET n = ? WHERE id = ?", 1)
				_, many := db.ExecContext(ctx, "DELETE FROM p WHERE id = ?", 1, 2)
				return []string{fmt.Sprint(few != nil, many != nil)}
			},
			want: []string{"true true"},
		},
		{
			name: "prepared statements are used again, on any connection", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				db.SetMaxIdleConns(0) // each time another connection
				stmt, err := db.PrepareContext(ctx, "INSERT INTO p (name, n) VALUES (?, ?)")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = stmt.Close() }()
				for i := range 3 {
					if _, err := stmt.ExecContext(ctx, "x", i); err != nil {
						t.Fatal(err)
					}
				}
				return rowsIn(t, ctx, db, "SELECT id, n FROM p ORDER BY id")
			},
			want: []string{`"1" "0"`, `"2" "1"`, `"3" "2"`},
		},
	}
}

func resultBehaviours() []behaviour {
	times := "CREATE TABLE d (id INT PRIMARY KEY, at DATETIME(3)); INSERT INTO d VALUES (1, '2026-06-01 10:00:00.250')"
	return []behaviour{
		{
			name: "last insert id and affected rows", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				one := mustExecIn(t, ctx, db, "INSERT INTO p (n) VALUES (1)")
				three := mustExecIn(t, ctx, db, "INSERT INTO p (n) VALUES (2), (3), (4)")
				same := mustExecIn(t, ctx, db, "UPDATE p SET n = 2 WHERE id IN (1, 2)")
				return []string{result(one), result(three), result(same)}
			},
			want: []string{"1 1", "2 3", "0 1"},
		},
		{
			name: "clientFoundRows counts what matches", setup: people,
			config: func(c *mysql.Config) { c.ClientFoundRows = true },
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				mustExecIn(t, ctx, db, "INSERT INTO p (n) VALUES (1), (2)")
				return []string{result(mustExecIn(t, ctx, db, "UPDATE p SET n = 2 WHERE id > 0"))}
			},
			want: []string{"0 2"},
		},
		{
			name: "times are bytes without parseTime", setup: times, see: seeTime,
			want: []string{"[]uint8 2026-06-01 10:00:00.250"},
		},
		{
			name: "parseTime and loc", setup: times, see: seeTime,
			config: func(c *mysql.Config) { c.ParseTime, c.Loc = true, time.FixedZone("X", 3600) },
			want:   []string{"time.Time 2026-06-01T10:00:00.25+01:00"},
		},
		{
			name: "column types", outside: true,
			setup: "CREATE TABLE c (a DECIMAL(10,2) NOT NULL, b BIGINT UNSIGNED, c TEXT, d FLOAT, e BIT(3), f VARBINARY(5))",
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				rows, err := db.QueryContext(ctx, "SELECT * FROM c")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = rows.Close() }()
				types, err := rows.ColumnTypes()
				if err != nil {
					t.Fatal(err)
				}
				var all []string
				for _, c := range types {
					nullable, ok := c.Nullable()
					precision, scale, sized := c.DecimalSize()
					if c.DatabaseTypeName() == "FLOAT" {
						precision, scale = 0, 0 // as large as can be
					}
					all = append(all, fmt.Sprint(c.Name(), c.DatabaseTypeName(), nullable, ok, precision, scale, sized, c.ScanType()))
				}
				return all
			},
			want: []string{
				"aDECIMALfalse true 10 2 true string", "bUNSIGNED BIGINTtrue true 0 0 false sql.NullInt64",
				"cTEXTtrue true 0 0 false sql.NullString", "dFLOATtrue true 0 0 true sql.NullFloat64",
				"eBITtrue true 0 0 false []uint8", "fVARBINARYtrue true 0 0 false []uint8",
			},
		},
		{
			name: "several statements have several results", setup: people + "; INSERT INTO p (n) VALUES (1), (2)",
			config: func(c *mysql.Config) { c.MultiStatements = true },
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				rows, err := db.QueryContext(ctx, "SELECT n FROM p WHERE id = 1; SELECT n FROM p WHERE id = 2")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = rows.Close() }()
				var all []string
				for more := true; more; more = rows.NextResultSet() {
					for rows.Next() {
						var n int
						if err := rows.Scan(&n); err != nil {
							t.Fatal(err)
						}
						all = append(all, fmt.Sprint(n))
					}
				}
				return append(all, fmt.Sprint(rows.Err()), seeRaw(t, ctx, db))
			},
			want: []string{"1", "2", "<nil>", "[1 1] [0 3]"},
		},
		{
			name:  "rows that are closed early leave a connection that works",
			setup: people + "; INSERT INTO p (n) VALUES (1), (2), (3)",
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				db.SetMaxOpenConns(1)
				rows, err := db.QueryContext(ctx, "SELECT n FROM p FOR UPDATE")
				if err != nil {
					t.Fatal(err)
				}
				rows.Next()
				if err := rows.Close(); err != nil {
					t.Fatal(err)
				}
				return rowsIn(t, ctx, db, "SELECT COUNT(*) FROM p")
			},
			want: []string{`"3"`},
		},
		{
			name: "errors of the server keep their number", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				mustExecIn(t, ctx, db, "INSERT INTO p (id) VALUES (1)")
				_, err := db.ExecContext(ctx, "INSERT INTO p (id) VALUES (1)")
				var server *mysql.MySQLError
				return []string{fmt.Sprint(errors.As(err, &server) && server.Number == 1062)}
			},
			want: []string{"true"},
		},
		{
			name: "files come from readers", outside: true, setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				name := "at-" + strings.ReplaceAll(t.Name(), "/", "-")
				mysql.RegisterReaderHandler(name, func() io.Reader { return strings.NewReader("1\tone\t10\n2\ttwo\t20\n") })
				defer mysql.DeregisterReaderHandler(name)
				mustExecIn(t, ctx, db, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE p")
				return rowsIn(t, ctx, db, "SELECT * FROM p")
			},
			want: []string{`"1" "one" "10"`, `"2" "two" "20"`},
		},
	}
}

func transactionBehaviours() []behaviour {
	return []behaviour{
		{
			name: "a read-only transaction refuses to write", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				_, err = tx.ExecContext(ctx, "INSERT INTO p (n) VALUES (1)")
				var server *mysql.MySQLError
				return []string{fmt.Sprint(errors.As(err, &server) && server.Number == 1792), fmt.Sprint(tx.Rollback())}
			},
			want: []string{"true", "<nil>"},
		},
		{
			name: "isolation levels are those that were asked for", setup: people + "; INSERT INTO p (n) VALUES (1)",
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				var all []string
				for i, level := range []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead} {
					tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, rowsIn(t, ctx, tx, "SELECT n FROM p")...)
					mustExec(t, db, "UPDATE p SET n = ? WHERE id = 1", i+2) // outside of any transaction
					all = append(all, rowsIn(t, ctx, tx, "SELECT n FROM p")...)
					if err := tx.Commit(); err != nil {
						t.Fatal(err)
					}
				}
				_, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSnapshot})
				return append(all, fmt.Sprint(err))
			},
			want: []string{`"1"`, `"2"`, `"2"`, `"2"`, "mysql: unsupported isolation level: 5"},
		},
		{
			name: "a transaction rolls back, and ends once", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				mustExecIn(t, ctx, tx, "INSERT INTO p (n) VALUES (1)")
				inside := rowsIn(t, ctx, tx, "SELECT COUNT(*) FROM p")
				if err := tx.Rollback(); err != nil {
					t.Fatal(err)
				}
				return append(append(inside, rowsIn(t, ctx, db, "SELECT COUNT(*) FROM p")...), fmt.Sprint(tx.Commit()))
			},
			want: []string{`"1"`, `"0"`, sql.ErrTxDone.Error()},
		},
		{
			name: "a context that ends interrupts, and the pool goes on", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				db.SetMaxOpenConns(1)
				short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				began := time.Now()
				_, err := db.ExecContext(short, "SELECT SLEEP(20)")
				_, already := db.ExecContext(short, "INSERT INTO p (n) VALUES (1)")
				return append(rowsIn(t, ctx, db, "SELECT COUNT(*) FROM p"), fmt.Sprint(errors.Is(err, context.DeadlineExceeded),
					errors.Is(already, context.DeadlineExceeded), time.Since(began) < 10*time.Second))
			},
			want: []string{`"0"`, "true true true"},
		},
		{
			name: "a connection that was killed while idle is replaced", setup: people,
			see: func(t *testing.T, ctx context.Context, db *sql.DB) []string {
				db.SetMaxOpenConns(1)
				id := strings.Trim(rowsIn(t, ctx, db, "SELECT CONNECTION_ID()")[0], `"`)
				other := fresh(t)
				mustExec(t, bare(t, other), "KILL "+id)
				awaitGone(t, bare(t, other), id)
				mustExecIn(t, ctx, db, "INSERT INTO p (n) VALUES (1)")
				return append(rowsIn(t, ctx, db, "SELECT n FROM p"), fmt.Sprint(db.PingContext(ctx)))
			},
			want: []string{`"1"`, "<nil>"},
		},
	}
}

func result(r sql.Result) string {
	id, err := r.LastInsertId()
	n, err2 := r.RowsAffected()
	if err := errors.Join(err, err2); err != nil {
		return err.Error()
	}
	return fmt.Sprint(id, " ", n)
}

func seeTime(t *testing.T, ctx context.Context, db *sql.DB) []string {
	t.Helper()
	var v any
	if err := db.QueryRowContext(ctx, "SELECT at FROM d WHERE id = ?", 1).Scan(&v); err != nil {
		t.Fatal(err)
	}
	switch v := v.(type) {
	case time.Time:
		return []string{fmt.Sprintf("%T %s", v, v.Format(time.RFC3339Nano))}
	default:
		return []string{fmt.Sprintf("%T %s", v, v)}
	}
}

// seeRaw is the example of the manual: results of several statements through sql.Conn.Raw.
func seeRaw(t *testing.T, ctx context.Context, db *sql.DB) (seen string) {
	t.Helper()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	err = conn.Raw(func(c any) error {
		r, err := c.(driver.ExecerContext).ExecContext(ctx,
			"UPDATE p SET n = 7 WHERE id = 1; INSERT INTO p (n) VALUES (3)", nil)
		if err != nil {
			return err
		}
		all := r.(mysql.Result)
		seen = fmt.Sprint(all.AllRowsAffected(), " ", all.AllLastInsertIds())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// awaitGone waits until the server has ended a connection.
func awaitGone(t *testing.T, db *sql.DB, id string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if len(rowsOf(t, db, "SELECT id FROM information_schema.processlist WHERE id = ?", id)) == 0 {
			return
		}
		<-tick.C
	}
	t.Fatalf("connection %s does not end", id)
}
