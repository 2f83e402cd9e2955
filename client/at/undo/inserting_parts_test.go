//go:build parts

package undo_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/concord-tx/concord/client/at/undo"
)

// A branch that waits for a global lock has its undo log inserted and not committed, perhaps for seconds. Those who
// delete others meanwhile, whose transactions may hold that lock, must not wait for it.
func TestNobodyWaitsForAnUndoLogThatIsBeingInserted(t *testing.T) {
	t.Parallel()
	const held = "127.0.0.1:8091:500"
	for _, rows := range []int{1, 3, 40, 1000} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			t.Parallel()
			p := shop(t)
			var keys []undo.Key
			for i := range rows {
				key := undo.Key{XID: fmt.Sprintf("127.0.0.1:8091:%d", i*7), BranchID: int64(i*7 + 1)}
				log := undo.Log{XID: key.XID, BranchID: key.BranchID}
				if err := undo.Insert(t.Context(), p.db, &log, undo.Options{}); err != nil {
					t.Fatal(err)
				}
				keys = append(keys, key)
			}
			tx, err := p.db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			if err := undo.Insert(t.Context(), tx, &undo.Log{XID: held, BranchID: 501}, undo.Options{}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := p.rollback(keys[0].XID, keys[0].BranchID); err != nil {
				t.Error(err)
			}
			if err := undo.Delete(ctx, p.db, keys, undo.Options{}); err != nil {
				t.Error(err)
			}
			if n := p.count("SELECT COUNT(*) FROM undo_log WHERE log_status = 0"); n != 0 {
				t.Errorf("%d of %d undo logs are left", n, rows)
			}
		})
	}
}

// Several services may delete the same undo logs at once, when the coordinator has all of them delete what is old.
func TestThoseWhoDeleteTheSameUndoLogsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	p := shop(t)
	const xid = "127.0.0.1:8091:7"
	var keys []undo.Key
	for i := range 300 {
		keys = append(keys, undo.Key{XID: xid, BranchID: int64(i + 1)})
	}
	backwards := slices.Clone(keys)
	slices.Reverse(backwards)
	for range 5 {
		for _, key := range keys {
			log := undo.Log{XID: key.XID, BranchID: key.BranchID}
			if err := undo.Insert(t.Context(), p.db, &log, undo.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		var all errgroup.Group
		for _, some := range [][]undo.Key{keys, backwards} {
			all.Go(func() error { return undo.Delete(t.Context(), p.db, some, undo.Options{}) })
		}
		if err := all.Wait(); err != nil {
			t.Error(err)
		}
	}
}
