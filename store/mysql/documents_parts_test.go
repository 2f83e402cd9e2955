//go:build parts

package mysql

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/store/storetest"
)

func TestDocuments(t *testing.T) {
	storetest.RunDocuments(t, func(t *testing.T) storetest.DocumentHarness { return openHarness(t) })
}

// TestDocumentsOnBothLanes runs the suite with as many batches at the same time as there can be.
func TestDocumentsOnBothLanes(t *testing.T) {
	storetest.RunDocuments(t, func(t *testing.T) storetest.DocumentHarness { return openWith(t, true) })
}

func TestSharedDocuments(t *testing.T) {
	storetest.RunSharedDocuments(t, func(t *testing.T) storetest.Nodes { return openCluster(t) })
}

func reply(key string, version uint64) orchestrator.Document {
	return orchestrator.Document{Kind: "reply", Key: key, Version: version, Value: []byte(strings.Repeat("v", 300))}
}

// TestDocumentsShareCommits has many puts and a few transactions in flight: all travel in common writes.
func TestDocumentsShareCommits(t *testing.T) {
	t.Parallel()
	s := openNode(t, options(t, newDatabase(t), "n1"))
	const workers, rounds = 100, 20
	before := s.Stats().Commits
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				if err := s.PutDocument(t.Context(), reply(fmt.Sprint(w, " ", i), 1)); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	for i := range 10 {
		wg.Go(func() {
			if err := begin(s, int64(100+10*i)).whole(fmt.Sprintf("t:%d", i)); err != nil {
				t.Errorf("transaction: %v", err)
			}
		})
	}
	wg.Wait()
	if n := s.Stats().Commits - before; n > workers*rounds/4 {
		t.Errorf("%d puts took %d commits", workers*rounds, n)
	}
}

// TestLostCommitOfADocumentIsResolved loses the connection at every COMMIT. A put that was made is not taken for a
// conflict with itself.
func TestLostCommitOfADocumentIsResolved(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN = rootDSN(p.port(), name)
	s := openNode(t, o)
	for version := uint64(1); version <= 10; version++ {
		if version%2 == 0 {
			p.before.Store(1)
		} else {
			p.after.Store(1)
		}
		if err := s.PutDocument(t.Context(), reply("a", version)); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if d, err := s.GetDocument(t.Context(), "reply", "a"); err != nil || d.Version != version {
			t.Fatalf("version %d: got %d, %v", version, d.Version, err)
		}
	}
	if st := s.Stats(); st.Unknown < 10 || p.cuts.Load() < 10 {
		t.Errorf("%d cuts, %+v", p.cuts.Load(), st)
	}
}

// TestDocumentsAndABrokenNetwork cuts all connections now and then, while documents are counted up.
func TestDocumentsAndABrokenNetwork(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN, o.RetryFor = rootDSN(p.port(), name), 30*time.Second
	s := openNode(t, o)
	const workers, rounds = 8, 30
	var wg sync.WaitGroup
	var puts atomic.Int64
	for w := range workers {
		wg.Go(func() {
			key := fmt.Sprint(w)
			for version := uint64(1); version <= rounds; version++ {
				if puts.Add(1)%10 == 0 {
					p.bytes.Store(2000)
				}
				if err := s.PutDocument(t.Context(), reply(key, version)); err != nil {
					t.Errorf("put %s version %d: %v", key, version, err)
					return
				}
			}
		})
	}
	wg.Wait()
	p.bytes.Store(0)
	all, err := s.ListDocuments(t.Context(), orchestrator.DocumentQuery{Kind: "reply"})
	if err != nil || len(all) != workers {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	for _, d := range all {
		if d.Version != rounds {
			t.Errorf("%s has version %d", d.Key, d.Version)
		}
	}
	if p.cuts.Load() < 5 {
		t.Errorf("only %d cuts", p.cuts.Load())
	}
}

// TestUnreachableDocuments has the database away for longer than a change waits.
func TestUnreachableDocuments(t *testing.T) {
	t.Parallel()
	name := newDatabase(t)
	p := newProxy(t, "127.0.0.1:"+maria.port)
	o := options(t, name, "n1")
	o.DSN, o.RetryFor = rootDSN(p.port(), name), 300*time.Millisecond
	s := openNode(t, o)
	p.down.Store(true)
	p.cutAll()
	if err := s.PutDocument(t.Context(), reply("a", 1)); !errors.Is(err, orchestrator.ErrUnavailable) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.GetDocument(t.Context(), "reply", "a"); !errors.Is(err, orchestrator.ErrUnavailable) {
		t.Errorf("get: %v", err)
	}
	_, err := s.ListDocuments(t.Context(), orchestrator.DocumentQuery{Kind: "reply"})
	if !errors.Is(err, orchestrator.ErrUnavailable) {
		t.Errorf("list: %v", err)
	}
	p.down.Store(false)
	if err := s.PutDocument(t.Context(), reply("a", 1)); err != nil {
		t.Error(err)
	}
}

// fillDocuments stores n documents, of which each tenth expires.
func fillDocuments(t *testing.T, s *Store, n int) {
	t.Helper()
	for _, query := range []string{
		fmt.Sprintf(`INSERT INTO concord_document (kind, k, version, expires_at, epoch, bytes, value)
		SELECT 'reply', LPAD(seq, 6, '0'), 1, IF(seq %% 10 = 0, seq, 0), 1, 300, REPEAT('x', 300) FROM %s`, numbers(n)),
		`ANALYZE TABLE concord_document`,
	} {
		if _, err := s.pool.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoDocumentQuerySorts(t *testing.T) {
	t.Parallel()
	s := openNode(t, options(t, newDatabase(t), "n1"))
	fillDocuments(t, s, 20_000)
	kind, key := []byte("reply"), []byte("000007")
	two := []any{kind, key, kind, []byte("019999")}
	page := []any{kind, key, []byte("00"), []byte(lastKeyWith("00")), int64(5), 50}
	for _, tt := range []struct {
		query, index string
		args         []any
	}{
		{selectDocument, "PRIMARY", []any{kind, key}},
		{selectDocuments.text(2), "PRIMARY", two},
		{readListed.text(2), "PRIMARY", two},
		{deleteDocument.text(2), "PRIMARY", two},
		{listDocuments, "PRIMARY", page},
		{listNewest, "PRIMARY", page},
		{deleteOldDocuments, "k_expires", []any{int64(5000), retainRows}},
	} {
		for _, p := range explain(t, s.pool, tt.query, tt.args...) {
			if p.index != tt.index || p.access == "ALL" || p.access == "index" ||
				strings.Contains(p.extra, "filesort") || strings.Contains(p.extra, "temporary") {
				t.Errorf("%.70q: %+v, want index %s", tt.query, p, tt.index)
			}
		}
	}
}

// TestDocumentStatementsLockOnlyWhatTheyName is as its namesake for transactions.
func TestDocumentStatementsLockOnlyWhatTheyName(t *testing.T) {
	t.Parallel()
	const n = 2400
	s := openNode(t, options(t, newDatabase(t), "n1"))
	fillDocuments(t, s, n)
	keys := func(m multi, first, step int) *list {
		l := newList(m)
		for i := first; i <= n; i += step {
			l.add([]byte("reply"), fmt.Appendf(nil, "%06d", i))
		}
		return l
	}
	for _, m := range []multi{selectDocuments, deleteDocument} {
		other, err := s.pool.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.exec(t.Context(), other, m, keys(m, 3, n)); err != nil {
			t.Fatal(err)
		}
		tx, err := s.pool.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.exec(t.Context(), tx, m, keys(m, 2, 2)); err != nil {
			t.Errorf("%.60s… waits for what it does not name: %v", m.head, err)
		}
		_, _ = tx.Rollback(), other.Rollback()
	}
}

// BenchmarkPutDocument is what stored replies cost: documents of 300 bytes from 200 goroutines. Run it with
// -benchtime 20000x.
func BenchmarkPutDocument(b *testing.B) {
	o := options(b, newDatabase(b), "n1")
	o.Logger = nil
	s, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	expires := s.Now().Add(time.Hour)
	var next atomic.Int64
	var wg sync.WaitGroup
	before, database := selfCPU(), serverCPU(b)
	b.ResetTimer()
	for range 200 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				d := reply(fmt.Sprintf("%016x", i), 1)
				d.ExpiresAt = expires
				if err := s.PutDocument(b.Context(), d); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	own, theirs := selfCPU()-before, serverCPU(b)-database
	commits := s.Stats().Commits
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	b.ReportMetric(float64(b.N)/float64(commits), "puts/commit")
	b.ReportMetric(float64(commits)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(own.Microseconds())/float64(b.N), "own-cpu-µs/put")
	b.ReportMetric(float64(theirs.Microseconds())/float64(b.N), "db-cpu-µs/put")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
