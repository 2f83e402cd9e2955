package pebble

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// fixedClock stands still.
type fixedClock txn.Millis

func (c fixedClock) Now() txn.Millis { return txn.Millis(c) }

func put(t *testing.T, s *Store, key string, version uint64, expires txn.Millis) {
	t.Helper()
	d := orchestrator.Document{Kind: "k", Key: key, Version: version, ExpiresAt: expires}
	if err := s.PutDocument(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// expiryEntries returns the index of expiry.
func expiryEntries(t *testing.T, s *Store) (all []string) {
	t.Helper()
	lower, upper := spaceBounds(spaceExpiry)
	err := scan(s.db, lower, upper, func(key, _ []byte) error {
		all = append(all, string(key[expiryHeader:]))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestExpiryIndexFollowsTheDocuments(t *testing.T) {
	t.Parallel()
	o := memOptions(t)
	o.Clock = fixedClock(1000)
	s := openTest(t, o)
	put(t, s, "a", 1, 2000)
	put(t, s, "a", 2, 3000)
	put(t, s, "a", 3, 3000)
	put(t, s, "b", 1, 2000)
	put(t, s, "b", 2, 0)
	put(t, s, "c", 1, 2000)
	if err := s.DeleteDocument(t.Context(), "k", "c", 1); err != nil {
		t.Fatal(err)
	}
	put(t, s, "d", 1, 500)
	put(t, s, "d", 1, 600)
	if got, want := fmt.Sprintf("%q", expiryEntries(t, s)), `["k\x00d" "k\x00a"]`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if err := s.retainDocuments(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%q", expiryEntries(t, s)), `["k\x00a"]`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

// TestRetentionLooksAtTheDocument has an entry in the index whose document was changed, as when retention has read it
// just before.
func TestRetentionLooksAtTheDocument(t *testing.T) {
	t.Parallel()
	o := memOptions(t)
	o.Clock = fixedClock(1000)
	s := openTest(t, o)
	put(t, s, "a", 1, 5000)
	put(t, s, "b", 1, 0)
	for _, key := range []string{"a", "b", "none"} {
		if err := s.db.Set(appendExpiryKey(nil, 900, documentName("k", key)), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.retainDocuments(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if _, err := s.GetDocument(t.Context(), "k", key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if got, want := fmt.Sprintf("%q", expiryEntries(t, s)), `["k\x00a"]`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

// TestDocumentsShareSyncs counts the syncs of many concurrent puts.
func TestDocumentsShareSyncs(t *testing.T) {
	t.Parallel()
	const n = 400
	syncs := &atomic.Int64{}
	gate := make(chan struct{})
	o := memOptions(t)
	o.FS = gatedFS{vfs.NewMem(), syncs, gate}
	s := openTest(t, o)
	var wg sync.WaitGroup
	before := syncs.Load()
	for i := range n {
		wg.Go(func() { put(t, s, fmt.Sprint(i), 1, 0) })
	}
	waitFor(t, "all are queued", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.underway == n
	})
	close(gate)
	wg.Wait()
	if got := syncs.Load() - before; got < 1 || got > 10 {
		t.Errorf("%d puts took %d syncs", n, got)
	}
	if n := len(s.documents.held); n != 0 {
		t.Errorf("%d documents are still held", n)
	}
}

// gatedFS counts the syncs of logs, and holds them up until the gate is open.
type gatedFS struct {
	vfs.FS
	syncs *atomic.Int64
	gate  chan struct{}
}

type gatedFile struct {
	vfs.File
	fs gatedFS
}

func (f gatedFS) Create(name string) (vfs.File, error) {
	file, err := f.FS.Create(name)
	if err == nil && len(name) > 4 && name[len(name)-4:] == ".log" {
		file = gatedFile{file, f}
	}
	return file, err
}

func (f gatedFile) Sync() error {
	f.fs.syncs.Add(1)
	<-f.fs.gate
	return f.File.Sync()
}

func (f gatedFile) SyncData() error { return f.Sync() }

func TestDocumentsEndWithTheStore(t *testing.T) {
	t.Parallel()
	var fail atomic.Bool
	o := memOptions(t)
	o.FS = failingFS{vfs.NewMem(), &fail}
	o.Fatal = func(error) {}
	s, err := Open(t.Context(), "data", o)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", 1, 0)
	fail.Store(true)
	d := orchestrator.Document{Kind: "k", Key: "a", Version: 2}
	if err := s.PutDocument(t.Context(), d); err == nil || errors.Is(err, orchestrator.ErrConflict) {
		t.Errorf("put on a broken disk: %v", err)
	}
	if _, err := s.GetDocument(t.Context(), "k", "a"); err == nil || errors.Is(err, orchestrator.ErrNoDocument) {
		t.Errorf("get from a broken store: %v", err)
	}
	if _, err := s.ListDocuments(t.Context(), orchestrator.DocumentQuery{Kind: "k"}); err == nil {
		t.Error("a broken store lists")
	}
	_ = s.Close()
	if err := s.PutDocument(t.Context(), d); err == nil {
		t.Error("a closed store stores")
	}
}

func TestDocumentsAreBoundedByTheQueue(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	o := memOptions(t)
	o.QueueChanges = 4
	o.FS = gatedFS{vfs.NewMem(), &atomic.Int64{}, gate}
	s := openTest(t, o)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { put(t, s, fmt.Sprint(i), 1, 0) })
	}
	waitFor(t, "the queue is full", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.underway == 4
	})
	d := orchestrator.Document{Kind: "k", Key: "more", Version: 1}
	if err := s.PutDocument(t.Context(), d); !errors.Is(err, orchestrator.ErrBusy) {
		t.Errorf("got %v, want %v", err, orchestrator.ErrBusy)
	}
	close(gate)
	wg.Wait()
	if err := s.PutDocument(t.Context(), d); err != nil {
		t.Error(err)
	}
}

// BenchmarkPutDocument is what stored replies cost: documents of 300 bytes from 200 goroutines, with fsync.
func BenchmarkPutDocument(b *testing.B) {
	o := DefaultOptions()
	o.DiskReserveBytes = 0
	s, err := Open(b.Context(), b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 300)
	expires := txn.MillisOf(time.Now()).Add(time.Hour)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 200 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				d := orchestrator.Document{
					Kind: "reply", Key: fmt.Sprintf("%016x", i), Version: 1, Value: value, ExpiresAt: expires,
				}
				if err := s.PutDocument(b.Context(), d); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
