//go:build parts

package main

import (
	"context"
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/client/xa"
)

// estate is a stock database of XA branches that a service in Java and one in Go share under one name.
type estate struct {
	coordinator *clienttest.Process
	databases   *databases
	manager     *tm.Manager
	resource    string
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{
		coordinator: clienttest.Run(t, "--retry-first", "100ms", "--retry-max", "500ms", "--retry-unreachable", "200ms"),
	}
	e.databases = inDatabases(t, clienttest.MariaDB(t))
	e.manager = tm.New(clienttest.Open(t, e.coordinator.Seata))
	// What the client in Java calls its database, whose driver is MariaDB's.
	e.resource = "jdbc:mariadb://" + e.databases.config.Addr + "/" + e.databases.prefix + "_" + stockService
	return e
}

// inGo opens the database as the stock service does in Go. The coordinator takes it for another process of that one.
func (e *estate) inGo(t *testing.T) (db *sql.DB, stop func()) {
	t.Helper()
	c, err := client.Open(t.Context(), client.Options{
		Application: "shop-" + stockService, Nodes: client.Static(e.coordinator.Seata),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := xa.Options{ResourceID: e.resource, RecoverEvery: -1}
	db, err = xa.OpenDB(t.Context(), c, e.databases.dsn(stockService), o)
	if err != nil {
		t.Fatal(err)
	}
	stop = func() { _ = db.Close(); _ = c.Close() }
	t.Cleanup(stop)
	return db, stop
}

// left is what everybody sees in the database.
func (e *estate) left(t *testing.T) (n int64) {
	t.Helper()
	db, err := sql.Open("mysql", e.databases.dsn(stockService))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), "SELECT SUM(amount) FROM holding").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// end ends a transaction either way.
func end(ctx context.Context, tx *tm.Transaction, commit bool) error {
	if commit {
		return tx.Commit(ctx)
	}
	return tx.Rollback(ctx)
}

// TestJavaAndGoFinishEachOthersXABranches has one of them prepare a branch and die, and the other one finish it.
func TestJavaAndGoFinishEachOthersXABranches(t *testing.T) {
	t.Parallel()
	wanted := entry{Order: "o1", Item: itemName(stockService, 1), Amount: 3}
	for name, commit := range map[string]bool{"commit": true, "rollback": false} {
		want := int64(items * atOnce)
		if commit {
			want -= wanted.Amount
		}
		t.Run("begun in Java, "+name+" in Go", func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			url, kill := startJava(t, e.coordinator, "xa", stockService, e.databases)
			tx, err := e.manager.Begin(t.Context(), "handover", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			web := &http.Client{Transport: propagation.Transport(nil)}
			defer web.CloseIdleConnections()
			if err := post(tx.Context(t.Context()), web, url+"/take", wanted, nil); err != nil {
				t.Fatal(err)
			}
			kill()
			e.inGo(t)
			if err := end(t.Context(), tx, commit); err != nil && commit {
				t.Fatal(err)
			}
			e.finished(t, want)
		})
		t.Run("begun in Go, "+name+" in Java", func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			db, stop := e.inGo(t)
			tx, err := e.manager.Begin(t.Context(), "handover", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if err := (&sqlBook{stockService, db}).take(tx.Context(t.Context()), wanted); err != nil {
				t.Fatal(err)
			}
			stop()
			startJava(t, e.coordinator, "xa", stockService, e.databases)
			if err := end(t.Context(), tx, commit); err != nil && commit {
				t.Fatal(err)
			}
			e.finished(t, want)
		})
	}
}

// finished waits until nothing is prepared and so much is left.
func (e *estate) finished(t *testing.T, want int64) {
	t.Helper()
	clienttest.Eventually(t, "the branch is finished as decided", func() bool {
		return e.left(t) == want && prepared(t, e.databases, e.coordinator.Seata) == 0
	})
}
