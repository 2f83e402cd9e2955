package undo

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// deleteTimeout bounds one statement of a Worker.
const deleteTimeout = 30 * time.Second

// errWorkerEnded answers who comes after the end of a Worker.
var errWorkerEnded = errors.New("the worker that deletes undo logs has ended")

// Worker deletes the undo logs of branches that have committed. Those that come while the database deletes others are
// deleted together: one at a time when there is little to do, up to a thousand in a statement when there is much. Who
// asks is told when it is done, so that no undo log is forgotten if the process dies.
type Worker struct {
	delete func(ctx context.Context, keys []Key) error // Delete, save in tests

	wake chan struct{} // has room for one

	mu    sync.Mutex
	queue []deletion // as many as there are callers of Do
	ended bool
}

// deletion is an undo log that somebody waits for to be gone.
type deletion struct {
	key  Key
	done chan error // has room for the answer
}

// NewWorker makes a worker for one database. Run has to be started for it to do anything.
func NewWorker(db *sql.DB, o Options) *Worker {
	return &Worker{
		delete: func(ctx context.Context, keys []Key) error { return Delete(ctx, db, keys, o) },
		wake:   make(chan struct{}, 1),
	}
}

// Do deletes an undo log and returns when it is gone, or with the reason why it may not be; then it may be asked for
// again. One that is not there is no error. It may be called concurrently; that is what makes it cheap.
func (w *Worker) Do(ctx context.Context, key Key) error {
	d := deletion{key: key, done: make(chan error, 1)}
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return errWorkerEnded
	}
	w.queue = append(w.queue, d)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already, and looks again
	}
	select {
	case err := <-d.done:
		return err
	case <-ctx.Done():
		return ctx.Err() // it is deleted nevertheless, which does no harm
	}
}

// Run deletes what is asked for until ctx ends. It returns nil when everybody who waits has an answer.
func (w *Worker) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			w.mu.Lock()
			w.ended = true
			w.mu.Unlock()
			for _, d := range w.take() {
				d.done <- errWorkerEnded
			}
			return nil
		case <-w.wake:
			for batch := w.take(); len(batch) > 0; batch = w.take() {
				w.finish(ctx, batch)
			}
		}
	}
}

// take removes all that wait.
func (w *Worker) take() []deletion {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := w.queue
	w.queue = nil
	return batch
}

// finish deletes a batch and answers.
func (w *Worker) finish(ctx context.Context, batch []deletion) {
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	keys := make([]Key, len(batch))
	for i, d := range batch {
		keys[i] = d.key
	}
	err := w.delete(ctx, keys)
	for _, d := range batch {
		d.done <- err
	}
}
