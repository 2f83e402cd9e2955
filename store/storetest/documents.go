package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// DocumentHarness is one store of documents under test: Store also implements [orchestrator.Documents]. Advance takes
// negative durations, too.
type DocumentHarness interface {
	Harness
	// Now is the store's time.
	Now() txn.Millis
}

// RunDocuments runs the suite of [orchestrator.Documents]. open returns a fresh, empty store each time.
func RunDocuments(t *testing.T, open func(t *testing.T) DocumentHarness) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s *shelf)
	}{
		{"ChangesNeedTheNextVersion", testDocumentVersions},
		{"NamesAreBytes", testDocumentNames},
		{"OneOfManyCreatorsWins", testDocumentCreators},
		{"CountersLoseNothing", testDocumentCounter},
		{"ExpiredIsGone", testDocumentExpiry},
		{"ExpiryMoves", testDocumentRenewal},
		{"RetentionRemovesTheExpired", testDocumentRetention},
		{"RetentionSparesWhatIsMadeAnew", testDocumentRecreated},
		{"ListsGoBothWays", testDocumentLists},
		{"TenThousandAreListedInOrder", testDocumentMany},
		{"LimitsAreKept", testDocumentLimits},
		{"LongListsEndEarly", testDocumentLongList},
		{"CrashKeepsWhatWasAnswered", testDocumentCrash},
		{"ReopenKeepsEverything", testDocumentReopen},
		{"RandomChangesEqualTheModel", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.run == nil {
				testDocumentModel(t, open)
				return
			}
			h := open(t)
			defer h.Close()
			test.run(t, &shelf{t: t, h: h})
		})
	}
}

// shelf is the vocabulary of these tests.
type shelf struct {
	t T
	h DocumentHarness
}

func (s *shelf) docs() orchestrator.Documents { return s.h.Store().(orchestrator.Documents) }

// ctx is for calls that wait as long as it takes.
func (s *shelf) ctx() context.Context { return context.Background() }

func document(kind, key string, version uint64, value string) orchestrator.Document {
	return orchestrator.Document{Kind: kind, Key: key, Version: version, Value: []byte(value)}
}

// put stores a document or ends the test.
func (s *shelf) put(d orchestrator.Document) orchestrator.Document {
	s.t.Helper()
	if err := s.docs().PutDocument(s.ctx(), d); err != nil {
		s.t.Fatalf("put %s %q version %d: %v", d.Kind, d.Key, d.Version, err)
	}
	return d
}

// refuse tries to store a document and wants an error.
func (s *shelf) refuse(d orchestrator.Document, want error) {
	s.t.Helper()
	if err := s.docs().PutDocument(s.ctx(), d); !errors.Is(err, want) {
		s.t.Fatalf("put %s %.80q version %d: got %v, want %v", d.Kind, d.Key, d.Version, err, want)
	}
}

func (s *shelf) remove(kind, key string, version uint64, want error) {
	s.t.Helper()
	if err := s.docs().DeleteDocument(s.ctx(), kind, key, version); !errors.Is(err, want) {
		s.t.Fatalf("delete %s %q version %d: got %v, want %v", kind, key, version, err, want)
	}
}

// expect compares a stored document.
func (s *shelf) expect(want orchestrator.Document) {
	s.t.Helper()
	got, err := s.docs().GetDocument(s.ctx(), want.Kind, want.Key)
	if err != nil {
		s.t.Fatalf("get %s %q: %v", want.Kind, want.Key, err)
	}
	s.same([]orchestrator.Document{got}, []orchestrator.Document{want})
}

func (s *shelf) expectNone(kind, key string) {
	s.t.Helper()
	if d, err := s.docs().GetDocument(s.ctx(), kind, key); !errors.Is(err, orchestrator.ErrNoDocument) {
		s.t.Fatalf("get %s %q: got version %d, %v, want %v", kind, key, d.Version, err, orchestrator.ErrNoDocument)
	}
}

// same compares documents; an empty value may come back as nil.
func (s *shelf) same(got, want []orchestrator.Document) {
	s.t.Helper()
	if len(got) != len(want) {
		s.t.Fatalf("got %d documents, want %d: %.200v", len(got), len(want), keysOf(got))
	}
	for i := range got {
		g, w := got[i], want[i]
		if !bytes.Equal(g.Value, w.Value) {
			s.t.Fatalf("%s %q has %d other bytes: %.80q", g.Kind, g.Key, len(g.Value), g.Value)
		}
		g.Value, w.Value = nil, nil
		if diff := cmp.Diff(w, g); diff != "" {
			s.t.Fatalf("document %d: (-want +got)\n%s", i, diff)
		}
	}
}

func keysOf(all []orchestrator.Document) []string {
	var keys []string
	for _, d := range all {
		keys = append(keys, d.Key)
	}
	return keys
}

func (s *shelf) list(q orchestrator.DocumentQuery) []orchestrator.Document {
	s.t.Helper()
	all, err := s.docs().ListDocuments(s.ctx(), q)
	if err != nil {
		s.t.Fatalf("list %+v: %v", q, err)
	}
	return all
}

// pages lists everything that the query selects, page by page.
func (s *shelf) pages(q orchestrator.DocumentQuery) (all []orchestrator.Document, n int) {
	s.t.Helper()
	for {
		page := s.list(q)
		if len(page) == 0 {
			return all, n
		}
		last := page[len(page)-1].Key
		if last == q.After || q.After != "" && (last < q.After) != q.Newest {
			s.t.Fatalf("list %+v ends with %q", q, last)
		}
		all, n, q.After = append(all, page...), n+1, last
	}
}

func testDocumentVersions(_ *testing.T, s *shelf) {
	s.expectNone("key", "a")
	for _, version := range []uint64{0, 2, 1 << 62} {
		s.refuse(document("key", "a", version, "x"), orchestrator.ErrConflict)
	}
	s.expectNone("key", "a")
	first := s.put(document("key", "a", 1, "one"))
	s.expect(first)
	for _, version := range []uint64{0, 1, 3} {
		s.refuse(document("key", "a", version, "x"), orchestrator.ErrConflict)
	}
	s.expect(first)
	s.remove("key", "a", 2, orchestrator.ErrConflict)
	second := s.put(document("key", "a", 2, ""))
	s.remove("key", "a", 1, orchestrator.ErrConflict)
	s.expect(second)
	s.remove("key", "a", 2, nil)
	s.expectNone("key", "a")
	s.remove("key", "a", 2, nil)
	s.remove("key", "a", 0, nil)
	s.refuse(document("key", "a", 3, "x"), orchestrator.ErrConflict)
	s.put(document("key", "a", 1, "anew"))
	s.remove("key", "a", 0, nil)
	s.expectNone("key", "a")
}

func testDocumentNames(_ *testing.T, s *shelf) {
	var all []orchestrator.Document
	for _, kind := range []string{"a", "a-b", "b", "0", strings.Repeat("k", orchestrator.DocumentKindBytesMax)} {
		for _, key := range []string{
			"a", "A", "a ", " a", "a\x00", "a\x00b", "\x00", "\xff", "\xff\xff", "ä", "a/b", "a%", "a_", `a\`, "'",
			strings.Repeat("\xff", orchestrator.DocumentKeyBytesMax), strings.Repeat("a", orchestrator.DocumentKeyBytesMax),
		} {
			all = append(all, s.put(document(kind, key, 1, kind+" "+key)))
		}
	}
	for _, d := range all {
		s.expect(d)
	}
	for i, d := range all {
		s.remove(d.Kind, d.Key, 1, nil)
		s.expectNone(d.Kind, d.Key)
		if i+1 < len(all) {
			s.expect(all[i+1])
		}
	}
}

func testDocumentCreators(t *testing.T, s *shelf) {
	creators(t, func(int) orchestrator.Documents { return s.docs() })
}

// creators has several goroutines create each of several documents.
func creators(t *testing.T, store func(i int) orchestrator.Documents) {
	t.Helper()
	const keys, rivals = 50, 8
	var won [keys]atomic.Int64
	var winner [keys]atomic.Pointer[orchestrator.Document]
	var wg sync.WaitGroup
	for i := range rivals {
		wg.Go(func() {
			for k := range keys {
				d := document("reply", fmt.Sprint(k), 1, fmt.Sprint("of ", i))
				switch err := store(i).PutDocument(t.Context(), d); {
				case err == nil:
					won[k].Add(1)
					winner[k].Store(&d)
				case !errors.Is(err, orchestrator.ErrConflict):
					t.Errorf("loser got %v", err)
				}
			}
		})
	}
	wg.Wait()
	for k := range keys {
		if n := won[k].Load(); n != 1 {
			t.Fatalf("document %d was created %d times", k, n)
		}
		got, err := store(k).GetDocument(t.Context(), "reply", fmt.Sprint(k))
		if err != nil || string(got.Value) != string(winner[k].Load().Value) {
			t.Fatalf("document %d: got %q, %v, want %q", k, got.Value, err, winner[k].Load().Value)
		}
	}
}

func testDocumentCounter(t *testing.T, s *shelf) {
	counter(t, func(int) orchestrator.Documents { return s.docs() })
}

// counter has several goroutines count one document up, and sometimes remove another.
func counter(t *testing.T, store func(i int) orchestrator.Documents) {
	t.Helper()
	const workers, rounds = 8, 12
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range rounds {
				if err := countUp(t, store(i)); err != nil {
					t.Errorf("count: %v", err)
					return
				}
				if err := store(i).DeleteDocument(t.Context(), "job", "other", 0); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
	}
	wg.Wait()
	d, err := store(0).GetDocument(t.Context(), "job", "n")
	if want := fmt.Sprint(workers * rounds); err != nil || string(d.Value) != want || d.Version != workers*rounds {
		t.Fatalf("counted to %q in version %d, %v, want %s", d.Value, d.Version, err, want)
	}
}

// countUp adds one to a document, against whatever others do.
func countUp(t *testing.T, store orchestrator.Documents) error {
	for {
		d, err := store.GetDocument(t.Context(), "job", "n")
		if err != nil && !errors.Is(err, orchestrator.ErrNoDocument) {
			return err
		}
		n := 0
		if d.Version > 0 {
			if _, err := fmt.Sscan(string(d.Value), &n); err != nil {
				return err
			}
		}
		err = store.PutDocument(t.Context(), document("job", "n", d.Version+1, fmt.Sprint(n+1)))
		if !errors.Is(err, orchestrator.ErrConflict) {
			return err
		}
		_ = store.PutDocument(t.Context(), document("job", "other", 1, "x"))
	}
}

func testDocumentExpiry(_ *testing.T, s *shelf) {
	d := document("session", "a", 1, "x")
	d.ExpiresAt = s.h.Now().Add(time.Hour)
	s.put(d)
	d.Version = 2
	s.put(d)
	keeps := s.put(document("session", "b", 1, "y"))
	s.expect(d)
	s.same(s.list(orchestrator.DocumentQuery{Kind: "session"}), []orchestrator.Document{d, keeps})
	gone := document("session", "c", 1, "z")
	gone.ExpiresAt = s.h.Now().Add(-time.Millisecond)
	s.put(gone)
	s.expectNone("session", "c")
	s.put(gone)
	s.h.Advance(time.Hour)
	s.expectNone("session", "a")
	s.same(s.list(orchestrator.DocumentQuery{Kind: "session", Newest: true}), []orchestrator.Document{keeps})
	s.refuse(document("session", "a", 3, "x"), orchestrator.ErrConflict)
	s.remove("session", "a", 2, nil)
	s.remove("session", "a", 7, nil)
	s.expect(s.put(document("session", "a", 1, "anew")))
}

func testDocumentRenewal(_ *testing.T, s *shelf) {
	var all []orchestrator.Document
	for i, after := range []time.Duration{2 * time.Minute, 0, time.Minute} {
		d := document("session", fmt.Sprint(i), 1, "x")
		d.ExpiresAt = s.h.Now().Add(time.Minute)
		s.put(d)
		d.Version, d.ExpiresAt = 2, 0
		if after > 0 {
			d.ExpiresAt = s.h.Now().Add(after)
		}
		all = append(all, s.put(d))
	}
	shorter := document("session", "3", 1, "x")
	s.put(shorter)
	shorter.Version, shorter.ExpiresAt = 2, s.h.Now().Add(time.Second)
	s.put(shorter)
	s.h.Advance(30 * time.Second)
	s.same(s.list(orchestrator.DocumentQuery{Kind: "session"}), all)
	s.h.Advance(30 * time.Second)
	s.same(s.list(orchestrator.DocumentQuery{Kind: "session"}), all[:2])
	s.h.Advance(time.Hour)
	s.same(s.list(orchestrator.DocumentQuery{Kind: "session"}), all[1:2])
}

// testDocumentRetention turns the clock back to see what was removed: documents that only have expired come back.
func testDocumentRetention(t *testing.T, s *shelf) {
	const n = 1200
	at := s.h.Now().Add(time.Minute)
	fill(t, s.docs(), "reply", n, func(i int, d *orchestrator.Document) {
		if i%10 != 0 {
			d.ExpiresAt = at
		}
	})
	for _, i := range []int{1, 2, n - 1} {
		d := document("reply", fmt.Sprintf("%06d", i), 2, "changed, with the same expiry")
		d.ExpiresAt = at
		s.put(d)
	}
	s.h.Advance(2 * time.Minute)
	s.h.Advance(-2 * time.Minute)
	all, _ := s.pages(orchestrator.DocumentQuery{Kind: "reply", Limit: orchestrator.PageItemsMax})
	if len(all) != n/10 {
		t.Fatalf("%d of %d documents are left, want %d", len(all), n, n/10)
	}
	for _, d := range all {
		if d.ExpiresAt != 0 {
			t.Fatalf("%q is left", d.Key)
		}
	}
}

// testDocumentRecreated has documents expire and be made anew, while retention runs.
func testDocumentRecreated(t *testing.T, s *shelf) {
	const n = 300
	for round := range 3 {
		at := s.h.Now().Add(time.Minute)
		fill(t, s.docs(), "reply", n, func(_ int, d *orchestrator.Document) { d.ExpiresAt = at })
		var wg sync.WaitGroup
		began := s.h.Now()
		wg.Go(func() { s.h.Advance(time.Minute) })
		wg.Go(func() {
			for s.h.Now() == began {
				if err := s.docs().DeleteDocument(t.Context(), "reply", "none", 0); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
			// Anew, some of them, and not to expire.
			fill(t, s.docs(), "reply", n/2, func(i int, d *orchestrator.Document) { d.Value = fmt.Append(nil, round, i) })
		})
		wg.Wait()
		s.h.Advance(time.Minute)
		all, _ := s.pages(orchestrator.DocumentQuery{Kind: "reply", Limit: orchestrator.PageItemsMax})
		if len(all) != n/2 {
			t.Fatalf("round %d: %d documents are left, want %d", round, len(all), n/2)
		}
		for i, d := range all {
			if string(d.Value) != fmt.Sprint(round, i) {
				t.Fatalf("round %d: %q holds %q", round, d.Key, d.Value)
			}
			s.remove(d.Kind, d.Key, 1, nil)
		}
	}
}

// fillers is how many goroutines fill a store: as many puts share a write.
const fillers = 64

// fill stores n documents with keys in order.
func fill(t *testing.T, store orchestrator.Documents, kind string, n int, change func(int, *orchestrator.Document)) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range fillers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				d := document(kind, fmt.Sprintf("%06d", i), 1, fmt.Sprint("value ", i))
				if change != nil {
					change(i, &d)
				}
				if err := store.PutDocument(t.Context(), d); err != nil {
					t.Errorf("put %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
