//go:build parts

package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/sqlfence"
)

// tables are those of a shop and of who counts its sales.
const (
	tableSales = "CREATE TABLE sales (account INT PRIMARY KEY, n INT NOT NULL) ENGINE = InnoDB"
	tableSeen  = "CREATE TABLE seen (account INT PRIMARY KEY, n INT NOT NULL, last INT NOT NULL, wrong INT NOT NULL) " +
		"ENGINE = InnoDB"
	accounts = 5
)

func openDatabase(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func openShop(t *testing.T) (dsn string, db *sql.DB) {
	t.Helper()
	dsn = clienttest.Database(t)
	db = openDatabase(t, dsn)
	clienttest.Tables(t, db, tableSales, tableSeen)
	for i := range accounts {
		exec(t, db, "INSERT INTO sales VALUES (?, 0)", i)
		exec(t, db, "INSERT INTO seen VALUES (?, 0, 0, 0)", i)
	}
	return dsn, db
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// sell counts a sale of an account, and tells of it. Some sales are called off.
func sell(ctx context.Context, db *sql.DB, account int, off bool) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err = tx.ExecContext(ctx, "UPDATE sales SET n = n + 1 WHERE account = ?", account); err != nil {
		return err
	}
	var n int
	if err = tx.QueryRowContext(ctx, "SELECT n FROM sales WHERE account = ?", account).Scan(&n); err != nil {
		return err
	}
	err = New("/shop").Add(ctx, tx, Event{
		Topic: "sales", Key: fmt.Sprint("account ", account), Type: "sold", Subject: fmt.Sprint(account),
		Data: fmt.Append(nil, n),
	})
	if err != nil || off {
		return err
	}
	return tx.Commit()
}

// count is the work of who listens: it counts, and notes what comes out of order.
func count(ctx context.Context, tx *sql.Tx, e Event) error {
	var n int
	if _, err := fmt.Sscan(string(e.Data), &n); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx,
		"UPDATE seen SET wrong = wrong + (last + 1 <> ?), last = ?, n = n + 1 WHERE account = ?", n, n, e.Subject)
	return err
}

// settled waits until all that was sold is seen and the outbox is empty.
func settled(t *testing.T, db *sql.DB) {
	t.Helper()
	const open = "SELECT (SELECT COUNT(*) FROM concord_outbox) + COUNT(*) FROM sales JOIN seen USING (account) " +
		"WHERE sales.n <> seen.n"
	for deadline := time.Now().Add(40 * time.Second); ; <-time.After(20 * time.Millisecond) {
		var n int
		if err := db.QueryRowContext(t.Context(), open).Scan(&n); err != nil && time.Now().After(deadline) {
			t.Fatal(err)
		} else if err == nil && n == 0 {
			return
		}
		if time.Now().After(deadline) {
			dump(t, db)
			t.Fatalf("%d are open", n)
		}
	}
}

func dump(t *testing.T, db *sql.DB) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT account, sales.n, seen.n, last FROM sales JOIN seen USING (account)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var a, sold, seen, last int
		if err := rows.Scan(&a, &sold, &seen, &last); err != nil {
			t.Fatal(err)
		}
		t.Logf("account %d: %d sold, %d seen, the last is %d", a, sold, seen, last)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// relays runs relays for as long as the test, each of which is stopped now and then, and begins anew.
func relays(t *testing.T, n int, make func() *Relay) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			for ctx.Err() == nil {
				life, end := context.WithTimeout(ctx, time.Duration(300+rand.IntN(700))*time.Millisecond)
				if err := make().Run(life); !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
					t.Errorf("a relay ended with %v", err)
				}
				end()
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
}

// TestEachSaleIsCountedOnce has a shop sell, relays publish through Concord, and somebody count, while relays stop, the
// coordinator is killed, and the connections of the relays to their database break.
func TestEachSaleIsCountedOnce(t *testing.T) {
	t.Parallel()
	dsn, db := openShop(t)
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	proxy := clienttest.NewMySQLProxy(t, config.Addr)
	config.Addr = proxy.Addr()
	config.Logger = quiet{}
	server := clienttest.Run(t)
	c := connect(t, server)
	relays(t, 2, func() *Relay {
		return mustRelay(t, RelayOptions{
			DB: openDatabase(t, config.FormatDSN()), Publisher: NewConcordPublisher(c, ConcordOptions{Timeout: time.Second}),
			Lease: time.Second, Look: 20 * time.Millisecond, RetryFirst: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond,
		})
	})
	store, err := sqlfence.New(db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		listen(t, ConsumerOptions{
			API: c, Group: "count", Topics: []string{"sales"}, Concurrency: 3,
			Handler: NewInbox(store, "count").Handler(func(ctx context.Context, tx *sql.Tx, e Event) error {
				if err := count(ctx, tx, e); err != nil || rand.IntN(10) > 0 {
					return err
				}
				return errors.New("not now")
			}),
		})
	}
	var shops sync.WaitGroup
	for shop := range 3 {
		shops.Go(func() {
			for i := range 50 {
				if err := sell(t.Context(), db, rand.IntN(accounts), i%7 == 3); err != nil {
					t.Error(err)
				}
				if shop == 0 && i%10 == 5 {
					proxy.CutBefore(clienttest.ToClient, 1+rand.IntN(5))
				}
				if shop == 0 && i == 25 {
					server.Restart()
				}
			}
		})
	}
	shops.Wait()
	proxy.Reset()
	settled(t, db)
}

// TestTheOrderIsKeptInADatabase looks at the order of publication where relays are stopped, but nothing fails.
func TestTheOrderIsKeptInADatabase(t *testing.T) {
	t.Parallel()
	_, db := openShop(t)
	store, err := sqlfence.New(db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	inbox := NewInbox(store, "count").Handler(count)
	p := publisherFunc(func(ctx context.Context, events []Event) []error {
		errs := make([]error, len(events))
		for i, e := range events {
			if errs[i] = inbox(ctx, e); errs[i] == nil && rand.IntN(5) == 0 {
				errs[i] = errLost // it comes again, and is known
			}
		}
		return errs
	})
	relays(t, 2, func() *Relay {
		return mustRelay(t, RelayOptions{
			DB: db, Publisher: p, Lease: time.Second, Batch: 7, Look: 5 * time.Millisecond,
			RetryFirst: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond,
		})
	})
	var shops sync.WaitGroup
	for range 4 {
		shops.Go(func() {
			for i := range 50 {
				if err := sell(t.Context(), db, rand.IntN(accounts), i%7 == 3); err != nil {
					t.Error(err)
				}
			}
		})
	}
	shops.Wait()
	settled(t, db)
	var wrong int
	if err := db.QueryRowContext(t.Context(), "SELECT SUM(wrong) FROM seen").Scan(&wrong); err != nil || wrong != 0 {
		t.Errorf("%d events came out of order: %v", wrong, err)
	}
}

func mustRelay(t *testing.T, o RelayOptions) *Relay {
	t.Helper()
	r, err := NewRelay(o)
	if err != nil {
		t.Error(err)
	}
	return r
}

// quiet is a driver's log that says nothing: the connections are broken on purpose.
type quiet struct{}

func (quiet) Print(...any) {}

// TestTheTableHoldsWhatAnEventHolds writes events of all sorts, and looks at the backlog.
func TestTheTableHoldsWhatAnEventHolds(t *testing.T) {
	t.Parallel()
	_, db := openShop(t)
	events := []Event{{Topic: "t", Type: "a", ContentType: "application/octet-stream", Data: []byte{0, 255}}}
	for i := range 250 {
		events = append(events, Event{ID: fmt.Sprint("é", i), Topic: "t", Type: "ü", Key: "ключ", Data: []byte(`{"n":"ß"}`)})
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := New("/shop").Add(t.Context(), tx, events...); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	table := &table{db: db, name: "outbox", owner: "me"}
	all, err := table.read(t.Context(), 500, held{seqs: []int64{-1}, keys: []string{"", "КЛЮЧ"}})
	if err != nil || len(all) != 250 || all[7].event.ID != "é7" || string(all[7].event.Data) != `{"n":"ß"}` {
		t.Errorf("%d rows: %v", len(all), err)
	}
	if all, err = table.read(t.Context(), 500, held{keys: []string{"ключ"}}); err != nil || len(all) != 1 ||
		len(all[0].event.Data) != 2 {
		t.Errorf("%+v %v", all, err)
	}
	if err := table.failed(t.Context(), all[0].seq, errors.New("why\xff"), 1); err != nil {
		t.Error(err)
	}
	far := &underWayError{XID: "host:8091:7", Err: errors.New(strings.Repeat("ü", 600))}
	if err := table.failed(t.Context(), all[0].seq, far, 0); err != nil {
		t.Error(err)
	}
	again, err := table.find(t.Context(), []int64{all[0].seq + 1, all[0].seq, -1})
	if err != nil || len(again) != 2 || again[0].underWay != far.XID || again[0].attempts != 1 || again[1].underWay != "" {
		t.Errorf("%+v %v", again, err)
	}
	if rest, err := table.read(t.Context(), 500, held{after: all[0].seq + 1}); err != nil || len(rest) != 249 {
		t.Errorf("%d rows behind: %v", len(rest), err)
	}
	if b, err := table.count(t.Context()); err != nil || b.Events != 251 || b.Failing != 1 || b.Age > time.Minute {
		t.Errorf("%+v %v", b, err)
	}
	other := *table
	other.owner = "other"
	for i, want := range []bool{true, true, false} {
		who := table
		if i == 2 {
			who = &other
		}
		if ours, err := who.lease(t.Context(), time.Minute); err != nil || ours != want {
			t.Errorf("%d: %v %v", i, ours, err)
		}
	}
	if err := table.release(t.Context()); err != nil {
		t.Error(err)
	}
	if ours, err := other.lease(t.Context(), time.Minute); err != nil || !ours {
		t.Errorf("after the release: %v %v", ours, err)
	}
}
