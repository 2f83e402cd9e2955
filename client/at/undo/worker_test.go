package undo

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// deletions is a database that a worker deletes from.
type deletions struct {
	mu      sync.Mutex
	batches [][]Key
	err     error
}

func (d *deletions) delete(_ context.Context, keys []Key) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	d.batches = append(d.batches, slices.Clone(keys))
	return nil
}

func (d *deletions) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// sizes returns how many were deleted at once.
func (d *deletions) sizes() (sizes []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

// withWorker runs a test beside a running worker.
func withWorker(t *testing.T, test func(w *Worker, d *deletions)) {
	synctest.Test(t, func(t *testing.T) {
		d := &deletions{}
		w := NewWorker(nil, Options{})
		w.delete = d.delete
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		test(w, d)
		cancel()
		group.Wait()
	})
}

func addMany(t *testing.T, w *Worker, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := w.Add(t.Context(), Key{XID: "x", BranchID: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUndoLogsAreDeletedTogetherWithinASecond(t *testing.T) {
	t.Parallel()
	withWorker(t, func(w *Worker, d *deletions) {
		addMany(t, w, 0, 10)
		synctest.Wait()
		if got := d.sizes(); len(got) != 0 {
			t.Errorf("deleted at once: %v", got)
		}
		<-time.After(workerPause)
		synctest.Wait()
		if got := d.sizes(); !slices.Equal(got, []int{10}) {
			t.Errorf("%v", got)
		}
	})
}

func TestAThousandUndoLogsDoNotWait(t *testing.T) {
	t.Parallel()
	withWorker(t, func(w *Worker, d *deletions) {
		addMany(t, w, 0, deleteMax+5)
		synctest.Wait()
		if got := d.sizes(); !slices.Equal(got, []int{deleteMax}) {
			t.Errorf("%v", got)
		}
	})
}

func TestAFullQueueHasItsBringersDelete(t *testing.T) {
	t.Parallel()
	withWorker(t, func(w *Worker, d *deletions) {
		away := errors.New("away")
		d.fail(away)
		addMany(t, w, 0, queueMax)
		if err := w.Add(t.Context(), Key{XID: "y"}); !errors.Is(err, away) {
			t.Errorf("%v", err)
		}
		d.fail(nil)
		if err := w.Add(t.Context(), Key{XID: "y"}); err != nil {
			t.Error(err)
		}
		if got := d.sizes(); !slices.Equal(got, []int{1}) {
			t.Errorf("%v", got)
		}
		<-time.After(workerPause)
		synctest.Wait()
		if got := d.sizes(); len(got) != 1+queueMax/deleteMax {
			t.Errorf("what could not be deleted was not tried again: %v", got)
		}
	})
}

func TestTheEndOfTheWorkerDeletesWhatWaits(t *testing.T) {
	t.Parallel()
	d := &deletions{}
	w := NewWorker(nil, Options{})
	w.delete = d.delete
	ctx, cancel := context.WithCancel(t.Context())
	addMany(t, w, 0, 7)
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
	addMany(t, w, 7, 8)
	if got := d.sizes(); !slices.Equal(got, []int{7, 1}) {
		t.Errorf("%v", got)
	}
}
