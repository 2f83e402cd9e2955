//go:build parts

package tcc_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/tcc"
	"github.com/concord-tx/concord/migrations"
)

// payment moves cents from one account to another one.
type payment struct {
	Account int   `json:"account"`
	Cents   int64 `json:"cents"`
}

const (
	accounts = 5
	opening  = 10_000
)

// bank is a database with accounts and fences, and two actions on them.
type bank struct {
	db       *sql.DB
	from, to *tcc.Service[payment]
}

// openBank makes the tables; the migration is run as it is.
func openBank(t *testing.T) *bank {
	t.Helper()
	c, err := mysql.ParseDSN(clienttest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	c.MultiStatements, c.Logger = true, &mysql.NopLogger{} // connections are killed on purpose
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	b := &bank{db: sql.OpenDB(connector)}
	t.Cleanup(func() { _ = b.db.Close() })
	files, err := migrations.Client()
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(files, "0002_tcc_fence_log.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		string(text),
		"CREATE TABLE account (id INT PRIMARY KEY, free BIGINT NOT NULL, held BIGINT NOT NULL, coming BIGINT NOT NULL)",
	} {
		if _, err := b.db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	for id := range accounts {
		if _, err := b.db.Exec("INSERT INTO account VALUES (?, ?, 0, 0)", id, opening); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// change is a function that changes one account, and refuses to be done without an effect.
func change(query string) tcc.Func[payment] {
	return func(ctx context.Context, _ *tcc.Context, p payment) error {
		result, err := sqlfence.Tx(ctx).ExecContext(ctx, "UPDATE account SET "+query,
			p.Cents, p.Cents, p.Account, p.Cents)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, fmt.Errorf("account %d: %d rows", p.Account, n))
		}
		return nil
	}
}

// serve binds both actions to a client.
func (b *bank) serve(t *testing.T, c *client.Client) {
	t.Helper()
	store, err := sqlfence.New(b.db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bind := func(name, try, confirm, cancel string) *tcc.Service[payment] {
		s, err := tcc.Bind(t.Context(), c, tcc.Action[payment]{
			Name: name, Try: change(try), Confirm: change(confirm), Cancel: change(cancel),
		}, tcc.WithFence(store))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	b.from = bind("from", "free = free - ?, held = held + ? WHERE id = ? AND free >= ?",
		"held = held - ?, free = free + 0 * ? WHERE id = ? AND held >= ?",
		"held = held - ?, free = free + ? WHERE id = ? AND held >= ?")
	b.to = bind("to", "coming = coming + ?, free = free + 0 * ? WHERE id = ? AND ? > 0",
		"coming = coming - ?, free = free + ? WHERE id = ? AND coming >= ?",
		"coming = coming - ?, free = free + 0 * ? WHERE id = ? AND coming >= ?")
}

// moved is one transfer.
type moved struct {
	xid      string
	from, to int
	cents    int64
}

// TestMoneyIsConservedWhateverDies runs transfers of which some fail, some are rolled back, some are forgotten, while
// connections to the database and to the coordinator are cut and the coordinator is restarted. In the end each account
// has exactly what the coordinator says was committed, and no fence is left in between.
func TestMoneyIsConservedWhateverDies(t *testing.T) {
	t.Parallel()
	server := clienttest.Start(t, impatient)
	proxy := clienttest.NewProxy(t, server.Addr())
	c := clienttest.Open(t, proxy.Addr())
	b := openBank(t)
	b.serve(t, c)
	stop, trouble := context.WithCancel(t.Context())
	var troubles sync.WaitGroup
	troubles.Go(func() { killConnections(stop, t, b.db) })
	troubles.Go(func() {
		for every := time.NewTicker(400 * time.Millisecond); stop.Err() == nil; {
			select {
			case <-every.C:
				proxy.Cut()
			case <-stop.Done():
				every.Stop()
			}
		}
	})
	var mu sync.Mutex
	var all []moved
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 40 {
				if m, ok := b.transfer(t, c); ok {
					mu.Lock()
					all = append(all, m)
					mu.Unlock()
				}
			}
		})
	}
	work.Wait()
	trouble()
	troubles.Wait()
	server.Restart()
	want, states := make([]int64, accounts), map[string]int{}
	for i := range want {
		want[i] = opening
	}
	for _, m := range all {
		var status string
		clienttest.Eventually(t, m.xid+" has ended", func() bool {
			status = server.Status(m.xid)
			return status == "Committed" || status == "RolledBack" || status == "" // the last: begun, never stored
		})
		states[status]++
		if status == "Committed" {
			want[m.from] -= m.cents
			want[m.to] += m.cents
		}
	}
	t.Logf("%d transfers: %v", len(all), states)
	if states["Committed"] < 20 || states["RolledBack"] < 20 {
		t.Errorf("too few of a kind: %v", states)
	}
	for id := range accounts {
		var free, held, coming int64
		err := b.db.QueryRow("SELECT free, held, coming FROM account WHERE id = ?", id).Scan(&free, &held, &coming)
		if err != nil || free != want[id] || held != 0 || coming != 0 {
			t.Errorf("account %d has %d, %d held, %d coming, %v; want %d", id, free, held, coming, err, want[id])
		}
	}
	var tried int
	if err := b.db.QueryRow("SELECT COUNT(*) FROM tcc_fence_log WHERE status = 1").Scan(&tried); err != nil || tried != 0 {
		t.Errorf("%d fences are left in between, %v", tried, err)
	}
}

// transfer does one transfer, or leaves it to the coordinator's timeout.
func (b *bank) transfer(t *testing.T, c *client.Client) (moved, bool) {
	m := moved{from: rand.IntN(accounts), to: rand.IntN(accounts), cents: rand.Int64N(100) + 1}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var err error
	if m.xid, err = c.Begin(ctx, "transfer", 2*time.Second); err != nil {
		return m, false
	}
	inside := client.WithXID(ctx, m.xid)
	err = b.from.Try(inside, payment{m.from, m.cents})
	if err == nil {
		err = b.to.Try(inside, payment{m.to, m.cents})
	}
	switch dice := rand.IntN(10); {
	case err != nil || dice < 2:
		_, _ = c.Rollback(ctx, m.xid) // its timeout does it otherwise
	case dice == 2:
	default:
		_, _ = c.Commit(ctx, m.xid) // what came of it is asked in the end
	}
	return m, true
}

// killConnections ends connections to the database at random.
func killConnections(ctx context.Context, t *testing.T, db *sql.DB) {
	control, err := sql.Open("mysql", clienttest.MariaDB(t))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = control.Close() }()
	var name string
	if err := db.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&name); err != nil {
		t.Error(err)
		return
	}
	kills := 0
	for every := time.NewTicker(15 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			every.Stop()
			t.Logf("%d connections killed", kills)
			return
		case <-every.C:
		}
		var id int64
		err := control.QueryRow("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ? AND COMMAND <> 'Sleep' "+
			"ORDER BY RAND() LIMIT 1", name).Scan(&id)
		if err != nil {
			continue // nobody does anything
		}
		if _, err := control.Exec(fmt.Sprint("KILL ", id)); err == nil {
			kills++
		} else if !strings.Contains(err.Error(), "Unknown thread") {
			t.Error(err)
		}
	}
}
