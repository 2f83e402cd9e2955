//go:build parts

// Package sdktcc_test has a service in Go, with client/tcc, and one in Java, with Seata's client, share an action and
// its fences: each does phase two of what the other one has tried.
package sdktcc_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/tcc"
	"github.com/concord-tx/concord/conformance/peer"
	"github.com/concord-tx/concord/migrations"
)

// item is what the action is called with.
type item struct {
	SKU   int64 `json:"sku"`
	Count int   `json:"count"`
}

// rig is a coordinator, a database, and a service in Java.
type rig struct {
	server *clienttest.Server
	db     *sql.DB
	java   *peer.Process
}

func setup(t *testing.T, classes string) *rig {
	t.Helper()
	dsn := clienttest.Database(t)
	r := &rig{server: clienttest.Start(t)}
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if r.db, err = sql.Open("mysql", dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.db.Close() })
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
		"CREATE TABLE deed (id INT AUTO_INCREMENT PRIMARY KEY, xid VARCHAR(128), branch_id BIGINT, who VARCHAR(10), " +
			"action VARCHAR(10), what VARCHAR(100))",
	} {
		if _, err := r.db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	r.java = peer.Start(t, peer.Java(classes, "conformance.sdk.Actor", nil, r.server.Addr(),
		"jdbc:mysql://"+c.Addr+"/"+c.DBName))
	return r
}

// join opens a service in Go that has the same action. It has to be of the same application.
func (r *rig) join(t *testing.T) (*client.Client, *tcc.Service[item]) {
	t.Helper()
	c, err := client.Open(t.Context(), client.Options{
		Application: "stock", Group: "peer", Nodes: client.Static(r.server.Addr()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	store, err := sqlfence.New(r.db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	write := func(action string) tcc.Func[item] {
		return func(ctx context.Context, c *tcc.Context, i item) error {
			_, err := sqlfence.Tx(ctx).ExecContext(ctx,
				"INSERT INTO deed (xid, branch_id, who, action, what) VALUES (?, ?, 'go', ?, ?)",
				c.XID, c.BranchID, action, fmt.Sprintf("%d x %d", i.SKU, i.Count))
			return err
		}
	}
	s, err := tcc.Bind(t.Context(), c, tcc.Action[item]{
		Name: "shared-stock", Try: write("try"), Confirm: write("confirm"), Cancel: write("cancel"),
	}, tcc.WithFence(store))
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// expect waits until a transaction has ended and compares the deeds and what the fence says.
func (r *rig) expect(t *testing.T, xid, status string, state fence.State, want ...string) {
	t.Helper()
	clienttest.Eventually(t, xid+" is "+status, func() bool { return r.server.Status(xid) == status })
	rows, err := r.db.Query("SELECT CONCAT(who, ' ', action, ' ', what) FROM deed WHERE xid = ? ORDER BY id", xid)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var deeds []string
	for rows.Next() {
		var deed string
		if err := rows.Scan(&deed); err != nil {
			t.Fatal(err)
		}
		deeds = append(deeds, deed)
	}
	if !slices.Equal(deeds, want) {
		t.Errorf("%s: deeds are %q; want %q", xid, deeds, want)
	}
	var n int
	var got fence.State
	err = r.db.QueryRow("SELECT COUNT(*), MAX(status) FROM tcc_fence_log WHERE xid = ?", xid).Scan(&n, &got)
	if err != nil || n != 1 || got != state {
		t.Errorf("%s: %d fences, %s, %v; want %s", xid, n, got, err, state)
	}
}

// TestJavaAndGoDoPhaseTwoOfEachOther, with the parameters of the other language and in one table of fences.
func TestJavaAndGoDoPhaseTwoOfEachOther(t *testing.T) {
	for version, profile := range map[string]string{"2.2.0": "", "1.8.0": "seata-1.8.0"} {
		t.Run(version, func(t *testing.T) {
			r := setup(t, peer.Build(t, profile))
			first, stock := r.join(t)
			try := func(xid string, i item) {
				t.Helper()
				if err := stock.Try(client.WithXID(t.Context(), xid), i); err != nil {
					t.Fatal(err)
				}
			}
			// A transaction manager in Java drives the service in Go.
			committed, rolledBack := r.java.Ask("begin"), r.java.Ask("begin")
			try(committed, item{7, 2})
			try(rolledBack, item{8, 3})
			if status := r.java.Ask("commit", committed); status != "Committed" {
				t.Errorf("Java is told %s", status)
			}
			r.java.Ask("rollback", rolledBack)
			r.expect(t, committed, "Committed", fence.Committed, "go try 7 x 2", "go confirm 7 x 2")
			r.expect(t, rolledBack, "RolledBack", fence.RolledBack, "go try 8 x 3", "go cancel 8 x 3")

			// Go tries and goes away, Java ends.
			committed, rolledBack = r.java.Ask("begin"), r.java.Ask("begin")
			try(committed, item{9, 4})
			try(rolledBack, item{1 << 40, 5})
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			r.java.Ask("commit", committed)
			r.java.Ask("rollback", rolledBack)
			r.expect(t, committed, "Committed", fence.Committed, "go try 9 x 4", "java confirm 9 x 4")
			r.expect(t, rolledBack, "RolledBack", fence.RolledBack, "go try 1099511627776 x 5", "java cancel 1099511627776 x 5")

			// Java tries and goes away, Go ends.
			committed, rolledBack = r.java.Ask("begin"), r.java.Ask("begin")
			r.java.Ask("try", committed, 11, 6)
			r.java.Ask("try", rolledBack, 12, 7)
			r.java.End()
			second, _ := r.join(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := second.Commit(ctx, committed); err != nil {
				t.Error(err)
			}
			if _, err := second.Rollback(ctx, rolledBack); err != nil {
				t.Error(err)
			}
			r.expect(t, committed, "Committed", fence.Committed, "java try 11 x 6", "go confirm 11 x 6")
			r.expect(t, rolledBack, "RolledBack", fence.RolledBack, "java try 12 x 7", "go cancel 12 x 7")
		})
	}
}
