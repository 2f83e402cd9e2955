//go:build parts

package mysql

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// later is a clock of retention.
type later struct{ at txn.Millis }

func (l later) Now() txn.Millis { return l.at }

// TestRetentionDoesNotDelayTheLease removes very many records while a short lease is kept.
func TestRetentionDoesNotDelayTheLease(t *testing.T) {
	t.Parallel()
	o := options(t, newDatabase(t), "n1")
	o.Lease, o.RetentionEvery = 3*time.Second, 10*time.Millisecond
	o.retentionClock = later{1_800_000_000_000}
	s := openNode(t, o)
	const n, most = 200_000, 20_000
	const fill = `INSERT INTO concord_finished (id, version, state, began_at, ended_at, epoch, layout, app_hash, name_hash,
		data) SELECT seq + ?, 1, ?, seq, seq, 1, 0, seq, seq, REPEAT('x', 200) FROM seq_1_to_20000`
	for i := 0; i < n; i += most {
		if _, err := s.pool.Exec(fill, i, stateOf(&txn.Global{Status: txn.Committed})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.join(t.Context()); err != nil { // the lease begins now
		t.Fatal(err)
	}
	run(t, s)
	eventually(t, "most of the records are removed", func() bool { return s.Stats().Removed >= n*3/4 })
	if lost := s.Stats().Losses; lost > 0 || !s.Valid() {
		t.Errorf("the lease was lost %d times, valid: %t", lost, s.Valid())
	}
}

// TestALostAnswerDoesNotMakeANodeAStrangerToItself loses the answer to the commit of a join.
func TestALostAnswerDoesNotMakeANodeAStrangerToItself(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN = rootDSN(p.port(), name)
	s := openNode(t, o)
	first := s.Epoch()
	s.lose()
	p.after.Store(1)
	if err := s.join(t.Context()); err != nil {
		t.Fatalf("join: %v", err)
	}
	if s.Epoch() != first+2 || !s.Valid() || s.Health() != nil {
		t.Errorf("epoch %d after %d, %v", s.Epoch(), first, s.Health())
	}
}
