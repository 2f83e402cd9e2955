//go:build parts

package mysql

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Who gave up on the answer does not know what is stored, so that the next exchange has to say it again.
func TestWaitsWhoseStoringWasGivenUpAreReplaced(t *testing.T) {
	t.Parallel()
	c := openCluster(t)
	t.Cleanup(c.Close)
	a, b := c.nodes[0], c.nodes[1]
	edge := orchestrator.WaitEdge{Waiter: 1, Holder: 2, Row: txn.Row{Resource: "r", Table: "t", PK: "1"}, Since: 3}
	others := func() int {
		t.Helper()
		all, err := b.ExchangeWaits(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	hold, err := b.pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Exec("UPDATE concord_news SET epoch = epoch + 0, sessions = 'x' WHERE node = ?",
		[]byte(a.opts.Node.ID)); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := a.ExchangeWaits(soon, []orchestrator.WaitEdge{edge}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the row was held: %v", err)
	}
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what was given up is stored", func() bool { return others() == 1 })
	if _, err := a.ExchangeWaits(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := others(); n != 0 {
		t.Errorf("%d waits are left behind", n)
	}
}
