package datasync

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errPlain = errors.New("plain")

// create makes a file that has something to be synced.
func create(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.WriteString("data"); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestNobodySyncsPlainlyWhoNeedNot(t *testing.T) {
	t.Parallel()
	w, err := newWaiter()
	if err != nil {
		t.Logf("this system has no other way than the plain one: %v", err)
		return
	}
	w.close()
	var s Syncer
	defer s.Close()
	f := create(t)
	for range 3 {
		if err := s.Sync(f.Fd(), func() error { return errPlain }); err != nil {
			t.Fatal(err)
		}
	}
	if s.n != 1 || len(s.idle) != 1 {
		t.Errorf("%d waiters for one sync at a time, %d of them idle", s.n, len(s.idle))
	}
}

func TestWhereTheKernelCannotItIsPlain(t *testing.T) {
	t.Parallel()
	var s Syncer
	defer s.Close()
	r, w, err := os.Pipe() // nothing to be synced
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	for range 2 {
		if err := s.Sync(w.Fd(), func() error { return errPlain }); !errors.Is(err, errPlain) {
			t.Errorf("a pipe: %v", err)
		}
	}
	if s.n > 1 {
		t.Errorf("%d waiters", s.n)
	}
	s.off.Store(true)
	if err := s.Sync(create(t).Fd(), func() error { return errPlain }); !errors.Is(err, errPlain) {
		t.Errorf("without waiters: %v", err)
	}
}

func TestBeyondTheBoundItIsPlain(t *testing.T) {
	t.Parallel()
	var s Syncer
	defer s.Close()
	var taken []*waiter
	for range waitersMax {
		if w := s.take(); w != nil {
			taken = append(taken, w)
		}
	}
	if err := s.Sync(create(t).Fd(), func() error { return errPlain }); !errors.Is(err, errPlain) {
		t.Error(err)
	}
	for _, w := range taken {
		s.give(w)
	}
	if s.n != len(taken) {
		t.Errorf("%d waiters of %d", s.n, len(taken))
	}
}

func TestManySyncTogetherUntilTheEnd(t *testing.T) {
	t.Parallel()
	var s Syncer
	var files []*os.File
	for range 4 {
		files = append(files, create(t))
	}
	var plain atomic.Int64
	var running sync.WaitGroup
	for i := range 3 * waitersMax {
		running.Go(func() {
			for range 20 {
				f := files[i%len(files)]
				err := s.Sync(f.Fd(), func() error { plain.Add(1); return f.Sync() })
				if err != nil {
					t.Error(err)
				}
			}
			if i == 0 {
				s.Close() // beside the others
			}
		})
	}
	running.Wait()
	if s.n != 0 || len(s.idle) != 0 {
		t.Errorf("%d waiters are left, %d of them idle", s.n, len(s.idle))
	}
	before := plain.Load()
	if err := s.Sync(files[0].Fd(), func() error { plain.Add(1); return nil }); err != nil || plain.Load() != before+1 {
		t.Errorf("after the end: %v, %d plain ones", err, plain.Load()-before)
	}
}
