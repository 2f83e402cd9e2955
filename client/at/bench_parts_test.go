//go:build parts

package at_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/clienttest"
)

// Both drivers run in turns in one run, so that whatever else the machine does happens to both; medians are compared.

// median returns the middle of durations in microseconds.
func median(all []time.Duration) float64 {
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	return float64(all[len(all)/2].Nanoseconds()) / 1000
}

// inTurns runs two functions in turns and reports their medians and the ratio of the second to the first.
func inTurns(b *testing.B, first, second func() error) {
	b.Helper()
	var took [2][]time.Duration
	work := [2]func() error{first, second}
	for i := range 200 { // until caches are warm
		if err := work[i%2](); err != nil {
			b.Fatal(err)
		}
	}
	turn := 0
	for b.Loop() {
		for i := range 2 {
			which := (turn + i) % 2
			began := time.Now()
			if err := work[which](); err != nil {
				b.Fatal(err)
			}
			took[which] = append(took[which], time.Since(began))
		}
		turn++
	}
	bare, wrapped := median(took[0]), median(took[1])
	b.ReportMetric(bare, "µs-bare")
	b.ReportMetric(wrapped, "µs-wrapped")
	b.ReportMetric(wrapped/bare, "ratio")
}

// BenchmarkWithoutTransaction compares the driver outside of global transactions with the bare one.
func BenchmarkWithoutTransaction(b *testing.B) {
	config := fresh(b)
	plain := bare(b, config)
	mustExec(b, plain, accounts)
	mustExec(b, plain, "INSERT INTO account VALUES (1, 'a', 10), (2, 'b', 20)")
	wrapped := opened(b, &coordinator{}, config, at.Options{})
	ctx := context.Background()
	const query = "SELECT balance FROM account WHERE id = ?"
	for _, c := range []struct {
		name string
		make func(db *sql.DB) func() error
	}{
		{"query", func(db *sql.DB) func() error {
			return func() error {
				var s string
				return db.QueryRowContext(ctx, query, 1).Scan(&s)
			}
		}},
		{"prepared", func(db *sql.DB) func() error {
			stmt, err := db.PrepareContext(ctx, query)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = stmt.Close() })
			return func() error {
				var s string
				return stmt.QueryRowContext(ctx, 1).Scan(&s)
			}
		}},
		{"text", func(db *sql.DB) func() error {
			return func() error {
				_, err := db.ExecContext(ctx, "DO 1")
				return err
			}
		}},
		{"transaction", func(db *sql.DB) func() error {
			return func() error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, "UPDATE account SET balance = balance WHERE id = 1"); err != nil {
					return errors.Join(err, tx.Rollback())
				}
				return tx.Commit()
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) { inTurns(b, c.make(plain), c.make(wrapped)) })
	}
}

// BenchmarkUpdate compares an update of one row by its key, bare and as a branch of a global transaction at a
// coordinator of its own process and disk. Beginning and ending the global transaction is not in it.
func BenchmarkUpdate(b *testing.B) {
	for _, interpolated := range []bool{false, true} {
		name := "prepared"
		if interpolated {
			name = "interpolated"
		}
		b.Run(name, func(b *testing.B) { benchmarkUpdate(b, interpolated) })
	}
}

func benchmarkUpdate(b *testing.B, interpolated bool) {
	process := clienttest.Run(b)
	c := &timed{Client: clienttest.Open(b, process.Seata)}
	config := fresh(b)
	config.InterpolateParams = interpolated
	plain := bare(b, config)
	mustExec(b, plain, accounts)
	mustExec(b, plain, "INSERT INTO account SELECT seq, 'x', 1000 FROM "+clienttest.Numbers(1, 1000))
	own := config.Clone()
	own.DialFunc = c.dial
	db := opened(b, c, own, at.Options{})
	db.SetMaxOpenConns(1)
	ctx, n := context.Background(), 0
	var xid string
	update := func(ctx context.Context, db *sql.DB) error {
		n++
		_, err := db.ExecContext(ctx, "UPDATE account SET balance = balance - ? WHERE id = ?", 1, n%1000+1)
		return err
	}
	var total []time.Duration
	var bareTook []time.Duration
	for range 100 {
		if err := update(ctx, plain); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		began := time.Now()
		if err := update(ctx, plain); err != nil {
			b.Fatal(err)
		}
		bareTook = append(bareTook, time.Since(began))
		var err error
		if xid, err = c.Begin(ctx, "bench", time.Minute); err != nil {
			b.Fatal(err)
		}
		in := client.WithXID(ctx, xid)
		c.start()
		began = time.Now()
		if err := update(in, db); err != nil {
			b.Fatal(err)
		}
		total = append(total, time.Since(began))
		c.stop(total[len(total)-1])
		if _, err := c.Commit(ctx, xid); err != nil {
			b.Fatal(err)
		}
		// The deletion of the undo log must not slow the next turn down.
		for left := 1; left > 0; {
			if err := plain.QueryRowContext(ctx, "SELECT COUNT(*) FROM undo_log").Scan(&left); err != nil {
				b.Fatal(err)
			}
		}
	}
	bare, ours := median(bareTook), median(total)
	b.ReportMetric(bare, "µs-bare")
	b.ReportMetric(ours, "µs-AT")
	b.ReportMetric(ours/bare, "ratio")
	c.report(b)
	b.ReportMetric(parsing(), "µs-parse-once")
}

// parsing returns how long it takes to read the statement the first time; afterwards it is remembered.
func parsing() float64 {
	var took []time.Duration
	for i := range 200 {
		cache := statement.NewCache(statement.Options{})
		cache.Parse("SELECT 1") // the parser itself is made once
		began := time.Now()
		cache.Parse(fmt.Sprintf("UPDATE account SET balance = balance - ? WHERE id = ? AND %d = 0", i))
		took = append(took, time.Since(began))
	}
	return median(took)
}

// timed is a coordinator's client and a dialer that measure how long the parts of a branch wait for others.
type timed struct {
	*client.Client
	mu      sync.Mutex
	running bool
	trips   []time.Duration   // to the database, of this turn
	parts   [][]time.Duration // by their position, of all turns with the usual number of trips
	took    []time.Duration   // registrations, from their beginning
	waited  []time.Duration   // what of them nothing else was done in
	own     []time.Duration   // what is left of a turn
}

// trips of one update to the database, in their order, once its statements are prepared.
var trips = []string{"before-image", "update", "after-image", "undo-log", "commit"}

func (c *timed) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.trips = true, nil
}

// stop ends a turn. It counts if nothing else, such as the deletion of undo logs, was on the wire.
func (c *timed) stop(total time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
	if len(c.trips) != len(trips) {
		return
	}
	total -= c.waited[len(c.waited)-1]
	for _, d := range c.trips {
		total -= d
	}
	c.own = append(c.own, total)
	if c.parts == nil {
		c.parts = make([][]time.Duration, len(trips))
	}
	for i, d := range c.trips {
		c.parts[i] = append(c.parts[i], d)
	}
}

// report says how long the parts took, and what was left of the total: our own work.
func (c *timed) report(b *testing.B) {
	b.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, part := range c.parts {
		b.ReportMetric(median(part), "µs-"+trips[i])
	}
	b.ReportMetric(median(c.took), "µs-register")
	b.ReportMetric(median(c.waited), "µs-register-waited")
	b.ReportMetric(median(c.own), "µs-own")
}

// StartBranch measures.
func (c *timed) StartBranch(ctx context.Context, branch client.Branch) (int64, func() (int64, error)) {
	began := time.Now()
	likely, wait := c.Client.StartBranch(ctx, branch)
	return likely, func() (int64, error) {
		waited := time.Now()
		id, err := wait()
		now := time.Now()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.took = append(c.took, now.Sub(began))
		c.waited = append(c.waited, now.Sub(waited))
		return id, err
	}
}

func (c *timed) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &timedConn{Conn: conn, c: c}, nil
}

// timedConn measures from each write to the first read after it.
type timedConn struct {
	net.Conn
	c     *timed
	wrote time.Time
}

func (t *timedConn) Write(p []byte) (int, error) {
	if t.wrote.IsZero() {
		t.wrote = time.Now()
	}
	return t.Conn.Write(p)
}

func (t *timedConn) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if !t.wrote.IsZero() {
		took := time.Since(t.wrote)
		t.wrote = time.Time{}
		t.c.mu.Lock()
		if t.c.running {
			t.c.trips = append(t.c.trips, took)
		}
		t.c.mu.Unlock()
	}
	return n, err
}
