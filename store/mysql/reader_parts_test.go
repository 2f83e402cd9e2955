//go:build parts

package mysql

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestReaderSeesEverything: an audit reads all rows of all tables, in more than one chunk.
func TestReaderSeesEverything(t *testing.T) {
	t.Parallel()
	c := openCluster(t)
	defer c.Close()
	const n = eachChunk + 20
	want := map[int64]*story{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			for i := w; i < n; i += 20 {
				st := begin(c.nodes[i%2], int64(100+10*i))
				if err := st.whole(fmt.Sprintf("t:%d", i)); err != nil {
					t.Errorf("transaction %d: %v", i, err)
				}
				mu.Lock()
				want[st.g.XID.ID] = st
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	held := begin(c.nodes[1], 50)
	for _, ev := range []txn.Event{
		txn.Begin{Application: "a", Timeout: time.Minute},
		txn.Register{BranchID: 51, Kind: txn.AT, Resource: "r", LockKey: "T:1,2", Data: strings.Repeat("x", 9000)},
	} {
		if err := held.step(ev); err != nil {
			t.Fatal(err)
		}
	}
	want[50] = held
	done := make(chan error, 1)
	c.nodes[0].ApplyPack("1.1.1", nil, func(_ []error, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := c.nodes[1].FencePack(t.Context(), "1.1.2"); err != nil {
		t.Fatal(err)
	}
	c.Crash(t, 1)
	r, err := OpenReader(t.Context(), dsnOf(c.name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	compareAudit(t, r, want)
	lives := ""
	err = r.EachNode(t.Context(), func(id string, epoch int64, joined, ended txn.Millis) error {
		lives += fmt.Sprintf("%s %d %t %t;", id, epoch, joined > 0, ended > 0)
		return nil
	})
	if err != nil || lives != "n1 1 true false;n2 2 true true;n2 3 true false;" {
		t.Errorf("lives %s, %v", lives, err)
	}
	packs := ""
	err = r.EachPack(t.Context(), func(id orchestrator.PackID, stored bool, at txn.Millis) error {
		packs += fmt.Sprintf("%s %t %t;", id, stored, at > 0)
		return nil
	})
	if err != nil || packs != "1.1.1 true true;1.1.2 false true;" {
		t.Errorf("packs %s, %v", packs, err)
	}
	if now, err := r.Now(t.Context()); err != nil || now-c.nodes[0].Now() > 1000 {
		t.Errorf("now %d, %v", now, err)
	}
}

// compareAudit compares transactions, locks and outbox entries.
func compareAudit(t *testing.T, r *Reader, want map[int64]*story) {
	t.Helper()
	seen := 0
	err := r.EachGlobal(t.Context(), func(g *txn.Global, epoch int64) error {
		seen++
		st := want[g.XID.ID]
		if st == nil || g.Version != st.g.Version || len(g.Branches) != len(st.g.Branches) || epoch < 1 || epoch > 2 ||
			string(g.History) != string(st.g.History) {
			t.Errorf("%+v of epoch %d", g, epoch)
		}
		return nil
	})
	if err != nil || seen != len(want) {
		t.Errorf("%d transactions of %d, %v", seen, len(want), err)
	}
	var rows []string
	err = r.EachLock(t.Context(), func(row txn.Row, holder, branch int64) error {
		rows = append(rows, fmt.Sprint(row, holder, branch))
		return nil
	})
	if err != nil || len(rows) != 2 || !strings.HasSuffix(rows[0], " 50 51") {
		t.Errorf("locks %v, %v", rows, err)
	}
	seen = 0
	err = r.EachOutbox(t.Context(), func(e orchestrator.OutboxEntry) error {
		seen++
		st := want[e.ID]
		if st == nil || string(e.Event) != "event" || e.Topic != "topic" || e.RecordedAt != st.g.DecidedAt {
			t.Errorf("%+v", e)
		}
		return nil
	})
	if err != nil || seen != len(want)-1 {
		t.Errorf("%d entries, %v", seen, err)
	}
}

// TestRetentionLeavesTheOutbox: the record goes, the entry that nobody has read stays; old pack ids go, and a
// check-back for one that is older than they are kept is not answered.
func TestRetentionLeavesTheOutbox(t *testing.T) {
	t.Parallel()
	h := openHarness(t)
	defer h.Close()
	s := h.store
	h.now.Store(int64(s.Now()))
	st := begin(s, 100)
	if err := st.whole("t:1"); err != nil {
		t.Fatal(err)
	}
	eff, err := st.rules.Apply(st.g, txn.Wake{}, s.Now())
	if err != nil {
		t.Fatal(err)
	}
	st.g = eff.Next
	for _, cmd := range eff.Commands {
		reply := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone}
		if err := st.step(reply); err != nil {
			t.Fatal(err)
		}
	}
	if !st.g.Status.Ended() {
		t.Fatalf("not ended: %+v", st.g)
	}
	h.Advance(2 * time.Hour)
	if _, err := loadNow(t, s, 100); err == nil {
		t.Error("the record is still there")
	}
	var parts int
	if err := s.pool.QueryRow("SELECT COUNT(*) FROM concord_part").Scan(&parts); err != nil || parts != 0 {
		t.Errorf("%d parts are left, %v", parts, err)
	}
	if n, _, err := s.OutboxState(t.Context()); err != nil || n != 1 {
		t.Errorf("%d entries, %v", n, err)
	}
	old := orchestrator.PackID(fmt.Sprintf("1-%d-1", s.Now().Add(-8*24*time.Hour)))
	if stored, err := s.FencePack(t.Context(), old); err != ErrPackExpired || stored {
		t.Errorf("a pack id of last week: %t, %v", stored, err)
	}
	young := orchestrator.PackID(fmt.Sprintf("1-%d-1", s.Now().Add(-6*24*time.Hour)))
	if stored, err := s.FencePack(t.Context(), young); err != nil || stored {
		t.Errorf("a pack id of this week: %t, %v", stored, err)
	}
	if _, err := s.pool.Exec("UPDATE concord_pack SET created_at = 5"); err != nil {
		t.Fatal(err)
	}
	h.Advance(0)
	var packs int
	if err := s.pool.QueryRow("SELECT COUNT(*) FROM concord_pack").Scan(&packs); err != nil || packs != 0 {
		t.Errorf("%d old pack ids are left, %v", packs, err)
	}
}
