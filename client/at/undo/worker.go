package undo

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// Limits of a Worker.
const (
	// queueMax is how many undo logs wait for their deletion before those who bring more delete them by themselves.
	queueMax = 16 * deleteMax
	// workerPause is the longest time that an undo log waits while the database answers.
	workerPause = time.Second
	// finishMax bounds what is done after the end of Run's context.
	finishMax = 5 * time.Second
)

// Worker deletes the undo logs of branches that have committed, in batches, behind the back of those who wait for the
// answer. What it has not deleted when the process ends stays until DeleteOlder; that is harmless.
type Worker struct {
	db *sql.DB
	o  Options

	delete func(ctx context.Context, keys []Key) error // Delete, save in tests

	wake chan struct{} // has room for one

	mu    sync.Mutex
	queue []Key
	ended bool
}

// NewWorker makes a worker for one database. Run has to be started for it to do anything.
func NewWorker(db *sql.DB, o Options) *Worker {
	w := &Worker{db: db, o: o.filled(), wake: make(chan struct{}, 1)}
	w.delete = func(ctx context.Context, keys []Key) error { return Delete(ctx, w.db, keys, w.o) }
	return w
}

// Add has an undo log deleted soon. If too many wait already, or Run has ended, it deletes it at once and returns what
// came of that; otherwise there is no error. It may be called concurrently.
func (w *Worker) Add(ctx context.Context, key Key) error {
	w.mu.Lock()
	full := w.ended || len(w.queue) >= queueMax
	if !full {
		w.queue = append(w.queue, key)
	}
	ready := len(w.queue) >= deleteMax
	w.mu.Unlock()
	if full {
		return w.delete(ctx, []Key{key})
	}
	if ready {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Run deletes a thousand undo logs as soon as they wait, and fewer each second, until ctx ends; then what still waits,
// for at most five seconds. It returns nil. Where the database does not answer, it tries again each second.
func (w *Worker) Run(ctx context.Context) error {
	ticker := time.NewTicker(workerPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			w.mu.Lock()
			w.ended = true
			w.mu.Unlock()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishMax)
			defer cancel()
			w.drain(last, 1)
			return nil
		case <-w.wake:
			w.drain(ctx, deleteMax)
		case <-ticker.C:
			w.drain(ctx, 1)
		}
	}
}

// drain deletes while at least so many wait. What could not be deleted waits again, before the others.
func (w *Worker) drain(ctx context.Context, atLeast int) {
	for {
		w.mu.Lock()
		if len(w.queue) < atLeast {
			w.mu.Unlock()
			return
		}
		n := min(len(w.queue), deleteMax)
		keys := w.queue[:n:n]
		w.queue = w.queue[n:]
		w.mu.Unlock()
		err := w.delete(ctx, keys)
		if err == nil {
			continue
		}
		w.o.Logger.Warn("undo logs are deleted later", "count", n, "err", err)
		w.mu.Lock()
		w.queue = append(keys, w.queue...)
		w.mu.Unlock()
		return
	}
}
