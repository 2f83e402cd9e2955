package undo

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// deletions is a database that a worker deletes from. A statement ends when the test says how.
type deletions struct {
	end chan error

	mu      sync.Mutex
	batches []int
}

func (d *deletions) delete(ctx context.Context, keys []Key) error {
	d.mu.Lock()
	d.batches = append(d.batches, len(keys))
	d.mu.Unlock()
	select {
	case err := <-d.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sizes returns how many were deleted at once.
func (d *deletions) sizes() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.batches)
}

// withWorker runs a test beside a running worker, which ends when stop is called, or with the test.
func withWorker(t *testing.T, test func(t *testing.T, w *Worker, d *deletions, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		d := &deletions{end: make(chan error)}
		w := NewWorker(nil, Options{})
		w.delete = d.delete
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		stop := func() { cancel(); group.Wait() }
		defer stop()
		test(t, w, d, stop)
	})
}

// do asks for so many deletions at once and returns where their answers come.
func do(ctx context.Context, w *Worker, n int) chan error {
	answers := make(chan error, n)
	for i := range n {
		go func() { answers <- w.Do(ctx, Key{XID: "x", BranchID: int64(i)}) }()
	}
	return answers
}

func TestWhoComesWhileOthersAreDeletedIsDeletedTogether(t *testing.T) {
	t.Parallel()
	withWorker(t, func(t *testing.T, w *Worker, d *deletions, _ func()) {
		first := do(t.Context(), w, 1)
		synctest.Wait()
		rest := do(t.Context(), w, 9)
		synctest.Wait()
		if got := d.sizes(); !slices.Equal(got, []int{1}) || len(first)+len(rest) != 0 {
			t.Errorf("while the first is deleted: %v", got)
		}
		d.end <- nil
		synctest.Wait()
		if got := d.sizes(); !slices.Equal(got, []int{1, 9}) || len(first) != 1 || len(rest) != 0 {
			t.Errorf("behind the first: %v", got)
		}
		d.end <- nil
		synctest.Wait()
		for range 9 {
			if err := <-rest; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWhoAsksIsToldThatItWasNotDeleted(t *testing.T) {
	t.Parallel()
	withWorker(t, func(t *testing.T, w *Worker, d *deletions, _ func()) {
		answer := do(t.Context(), w, 1)
		away := errors.New("away")
		d.end <- away
		if err := <-answer; !errors.Is(err, away) {
			t.Errorf("%v", err)
		}
		answer = do(t.Context(), w, 1) // and may ask again
		d.end <- nil
		if err := <-answer; err != nil {
			t.Error(err)
		}
	})
}

func TestACancelledCallerDoesNotWait(t *testing.T) {
	t.Parallel()
	withWorker(t, func(t *testing.T, w *Worker, d *deletions, _ func()) {
		ctx, cancel := context.WithCancel(t.Context())
		answer := do(ctx, w, 1)
		synctest.Wait()
		cancel()
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		d.end <- nil
	})
}

func TestTheEndOfTheWorkerAnswersAll(t *testing.T) {
	t.Parallel()
	withWorker(t, func(t *testing.T, w *Worker, _ *deletions, stop func()) {
		under := do(t.Context(), w, 1)
		synctest.Wait()
		waiting := do(t.Context(), w, 3)
		synctest.Wait()
		stop()
		if err := <-under; err == nil {
			t.Error("an interrupted deletion is no success")
		}
		for range 3 {
			if err := <-waiting; err == nil {
				t.Error("nothing was deleted, and that was called success")
			}
		}
		if err := w.Do(t.Context(), Key{}); !errors.Is(err, errWorkerEnded) {
			t.Errorf("after the end: %v", err)
		}
	})
}
