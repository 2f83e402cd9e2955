//go:build parts

package tcc_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/tcc"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestATryWhoseContextEndsInItsLocalTransactionChangesNothing: the database rolls back what was done, and the fence
// knows that there is nothing to cancel.
func TestATryWhoseContextEndsInItsLocalTransactionChangesNothing(t *testing.T) {
	t.Parallel()
	b := openBank(t)
	b.db.SetMaxOpenConns(1) // which has to be free again
	store, err := sqlfence.New(b.db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := clienttest.Start(t)
	c := clienttest.Open(t, server.Addr())
	before, after := func() {}, func() {} // the statement of Try
	guard := &pause{Barrier: store}
	take := change("free = free - ?, held = held + ? WHERE id = ? AND free >= ?")
	service, err := tcc.Bind(t.Context(), c, tcc.Action[payment]{
		Name: "from",
		Try: func(ctx context.Context, c *tcc.Context, p payment) error {
			before()
			err := take(ctx, c, p)
			after()
			return err
		},
		Confirm: change("held = held - ?, free = free + 0 * ? WHERE id = ? AND held >= ?"),
		Cancel:  change("held = held - ?, free = free + ? WHERE id = ? AND held >= ?"),
	}, tcc.WithFence(guard))
	if err != nil {
		t.Fatal(err)
	}
	for point, set := range map[string]func(cancel func()){
		"before the statement":      func(cancel func()) { before = cancel },
		"after the statement":       func(cancel func()) { after = cancel },
		"before the fence's commit": func(cancel func()) { guard.then = cancel },
	} {
		before, after, guard.then = func() {}, func() {}, nil
		xid, err := c.Begin(t.Context(), "pay", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(client.WithXID(t.Context(), xid))
		set(cancel)
		err = service.Try(ctx, payment{Account: 1, Cents: 10})
		// The driver's answer to a statement, or to the commit, when the pool has rolled back already.
		if !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) || ctx.Err() == nil {
			t.Errorf("%s: %v", point, err)
		}
		cancel()
		if got := b.account(t, 1); got != fmt.Sprintf("%d 0", opening) {
			t.Errorf("%s: the account has %s", point, got)
		}
		if _, err := c.Rollback(t.Context(), xid); err != nil {
			t.Fatal(err)
		}
		clienttest.Eventually(t, "it is rolled back", func() bool { return server.Status(xid) == txn.RolledBack.String() })
		if got := b.account(t, 1); got != fmt.Sprintf("%d 0", opening) {
			t.Errorf("%s: after the rollback the account has %s", point, got)
		}
		var status int
		err = b.db.QueryRowContext(t.Context(), "SELECT status FROM tcc_fence_log WHERE xid = ?", xid).Scan(&status)
		if err != nil || status != 4 { // suspended
			t.Errorf("%s: the fence is %d, %v", point, status, err)
		}
	}
}

// account shows what is free and held of an account.
func (b *bank) account(t *testing.T, id int) string {
	t.Helper()
	var free, held int64
	err := b.db.QueryRowContext(t.Context(), "SELECT free, held FROM account WHERE id = ?", id).Scan(&free, &held)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %d", free, held)
}
