//go:build parts

package mysql

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
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
	fill := `INSERT INTO concord_finished (id, version, state, began_at, ended_at, epoch, layout, app_hash, name_hash,
		data) SELECT seq + ?, 1, ?, seq, seq, 1, 0, seq, seq, REPEAT('x', 200) FROM ` + numbers(most)
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

// TestAnErrorAfterTheCommitIsResolved has the server say that COMMIT was interrupted although it was carried out, as it
// does when a connection is killed while it waits for replicas.
func TestAnErrorAfterTheCommitIsResolved(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN = rootDSN(p.port(), name)
	s := openNode(t, o)
	p.lies.Store(4)
	st := begin(s, 100)
	if err := st.whole("t:1"); err != nil {
		t.Fatalf("it was stored: %v", err)
	}
	got, err := loadNow(t, s, 100)
	if err != nil || got.Version != 4 || p.lies.Load() != 0 || s.Stats().Unknown != 4 {
		t.Errorf("%+v, %v, %d lies left, %+v", got, err, p.lies.Load(), s.Stats())
	}
}

// TestAFormerPrimaryIsLeft makes the server read-only and has the address lead to another one, which lacks the last
// writes, while the connections to the first stay open.
func TestAFormerPrimaryIsLeft(t *testing.T) {
	t.Parallel()
	_, p := ownServer(t)
	dir, next := ownServer(t)
	if _, _, err := Migrate(t.Context(), appOptions(t, next).DSN, nil); err != nil {
		t.Fatal(err)
	}
	port, err := os.ReadFile(dir + "/port")
	if err != nil {
		t.Fatal(err)
	}
	o := appOptions(t, p)
	o.RetryFor, o.Lease = 300*time.Millisecond, 3*time.Second
	s := openNode(t, o)
	run(t, s)
	if err := begin(s, 100).whole("t:1"); err != nil {
		t.Fatal(err)
	}
	first, epoch := reserve(t, s), s.Epoch()
	root(t, p, "SET GLOBAL read_only = 1")
	target := "127.0.0.1:" + strings.TrimSpace(string(port))
	p.target.Store(&target)
	eventually(t, "writes reach the new primary", func() bool { return begin(s, 200).whole("t:2") == nil })
	eventually(t, "the node is a member there, too", func() bool { return s.Valid() && s.Health() == nil })
	if got, err := loadNow(t, s, 100); err == nil {
		t.Errorf("read from the former primary: %+v", got)
	}
	if again := reserve(t, s); again < first+1000 || reserve(t, s) < again+1000 {
		t.Errorf("ids from %d on are reserved again, from %d on", first, again)
	}
	if s.Epoch() <= epoch {
		t.Errorf("epoch %d after %d", s.Epoch(), epoch)
	}
}

// TestALeaseCountsFromTheAttemptThatJoined: a join that had to wait for the database gives a whole lease, not what the
// wait has left of it.
func TestALeaseCountsFromTheAttemptThatJoined(t *testing.T) {
	t.Parallel()
	p := newProxy(t, "127.0.0.1:"+maria.port)
	name := newDatabase(t)
	o := options(t, name, "n1")
	o.DSN, o.RetryFor, o.Lease = rootDSN(p.port(), name), 30*time.Second, 3*time.Second
	s := openNode(t, o)
	until := s.member.until.Load()
	p.down.Store(true)
	p.cutAll()
	joined := make(chan error, 1)
	go func() { joined <- s.join(t.Context()) }()
	eventually(t, "the lease of the life before is over", func() bool { return int64(s.clock.local()) > until })
	p.down.Store(false)
	if err := <-joined; err != nil {
		t.Fatal(err)
	}
	if !s.Valid() {
		t.Errorf("joined with a lease that ended %v ago", s.clock.local()-time.Duration(s.member.until.Load()))
	}
}

func reserve(t *testing.T, s *Store) int64 {
	t.Helper()
	first, err := s.ReserveIDs(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// TestARecordThatRetentionRemovesMeanwhileIsGone: it is not returned without its parts.
func TestARecordThatRetentionRemovesMeanwhileIsGone(t *testing.T) {
	t.Parallel()
	s := openNode(t, options(t, newDatabase(t), "n1"))
	for _, id := range []int64{100, 200} {
		st := begin(s, id)
		if err := st.step(txn.Begin{Application: "a", Timeout: time.Minute}); err != nil {
			t.Fatal(err)
		}
		for i := range int64(60) {
			data := strings.Repeat("x", 2000)
			if err := st.step(txn.Register{BranchID: id + 1 + i, Kind: txn.TCC, Resource: "r", Data: data}); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := s.fetch(t.Context(), s.pool, []int64{100, 200})
	if err != nil || len(all) != 2 || !all[100].lay.splits() {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, err := s.pool.Exec("DELETE FROM concord_live WHERE id = 100"); err != nil {
		t.Fatal(err)
	}
	if err := s.again(t.Context(), all, []int64{100, 200}); err != nil {
		t.Fatal(err)
	}
	if f, ok := all[100]; ok {
		t.Errorf("a record with %d branches was returned", len(f.g.Branches))
	}
	if f := all[200]; f.g == nil || len(f.g.Branches) != 60 {
		t.Errorf("the other one is %+v", f.g)
	}
}

// TestLeaveWritesWhatIsQueued: a lazy change that was given before is not lost with the membership.
func TestLeaveWritesWhatIsQueued(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	s := openNode(t, options(t, name, "n1"))
	st := begin(s, 100)
	if err := st.whole("t:1"); err != nil {
		t.Fatal(err)
	}
	next := *st.g
	next.Version++
	next.Cause = txn.CauseTimeout // anything
	done := make(chan error, 1)
	s.Apply(&orchestrator.Change{Global: &next, Lazy: true}, func(err error) { done <- err })
	if err := s.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the change was refused: %v", err)
	}
	if err := begin(s, 200).whole("t:2"); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("a write after that: %v", err)
	}
	other := openNode(t, options(t, name, "n2"))
	if g, err := loadNow(t, other, 100); err != nil || g.Version != next.Version {
		t.Errorf("%+v, %v", g, err)
	}
}
