//go:build parts

package xa_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/xa"
	"github.com/concord-tx/concord/tc/seata"
)

// TestMoneyIsConservedBetweenTwoDatabases moves money with a real coordinator, while connections of both databases are
// killed at random.
func TestMoneyIsConservedBetweenTwoDatabases(t *testing.T) {
	t.Parallel()
	const clerks, transfers = 8, 40
	coordinator := clienttest.Start(t)
	c := clienttest.Open(t, coordinator.Addr())
	westDSN, westBare := database(t)
	eastDSN, eastBare := database(t)
	west, east := openReal(t, c, westDSN), openReal(t, c, eastDSN)

	ctx, calm := context.WithCancel(t.Context())
	var killer sync.WaitGroup
	killer.Go(func() { kill(ctx, westBare, eastBare) })
	var moved, unknown atomic.Int64
	var group sync.WaitGroup
	for range clerks {
		group.Go(func() {
			for range transfers {
				switch status, err := transfer(t.Context(), c, west, east); {
				case err != nil:
					unknown.Add(1)
				case status == seata.GlobalCommitted || status == seata.GlobalCommitRetrying || status == seata.GlobalCommitting:
					moved.Add(1)
				}
			}
		})
	}
	group.Wait()
	calm()
	killer.Wait()
	t.Logf("%d of %d transfers committed, %d unknown", moved.Load(), clerks*transfers, unknown.Load())

	clienttest.Eventually(t, "no branch is prepared any more", func() bool {
		return preparedAnywhere(t, westBare, coordinator.Addr()) == 0
	})
	gone, come := 100-balance(t, westBare, 1), balance(t, eastBare, 1)-100
	if gone != come || int64(gone) < moved.Load() || int64(gone) > moved.Load()+unknown.Load() {
		t.Errorf("%d have left, %d have come, %d transfers are committed", gone, come, moved.Load())
	}
	if moved.Load() == 0 {
		t.Error("no transfer was committed")
	}
}

func openReal(t *testing.T, c *client.Client, dsn string) *sql.DB {
	t.Helper()
	db, err := xa.OpenDB(t.Context(), c, dsn, xa.Options{RecoverEvery: 200 * time.Millisecond, HoldMax: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// transfer moves 1 from west to east. The status is that of the end; the error means that the outcome is not known.
func transfer(ctx context.Context, c *client.Client, west, east *sql.DB) (seata.GlobalStatus, error) {
	xid, err := c.Begin(ctx, "transfer", 20*time.Second)
	if err != nil {
		return seata.GlobalUnknown, err
	}
	in := client.WithXID(ctx, xid)
	err = move(in, west, -1)
	if err == nil {
		err = move(in, east, 1)
	}
	if err != nil {
		return c.Rollback(ctx, xid)
	}
	return c.Commit(ctx, xid)
}

func move(ctx context.Context, db *sql.DB, amount int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE account SET balance = balance + ? WHERE id = 1", amount); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// kill ends random connections of the two databases until ctx ends.
func kill(ctx context.Context, databases ...*sql.DB) {
	for ctx.Err() == nil {
		db := databases[rand.N(len(databases))]
		var id int64
		err := db.QueryRowContext(ctx, "SELECT id FROM information_schema.processlist"+
			" WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY RAND() LIMIT 1").Scan(&id)
		if err == nil {
			_, _ = db.ExecContext(ctx, fmt.Sprintf("KILL CONNECTION %d", id))
		}
		select {
		case <-ctx.Done():
		case <-time.After(4 * time.Millisecond):
		}
	}
}

// preparedAnywhere counts the prepared branches of a coordinator's transactions at the server.
func preparedAnywhere(t *testing.T, db *sql.DB, address string) int {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "XA RECOVER")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for rows.Next() {
		var format, global, branch int
		var data string
		if err := rows.Scan(&format, &global, &branch, &data); err != nil {
			t.Fatal(err)
		}
		if len(data) > len(address) && data[:len(address)] == address {
			n++
		}
	}
	return n
}
