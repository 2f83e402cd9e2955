package datasync

import (
	"errors"
	"sync"
	"sync/atomic"
)

// waitersMax is how many syncs may wait in the kernel at the same time; what is beyond blocks a thread instead.
const waitersMax = 8

// Syncer makes data durable. Its zero value is ready, and its methods may be called concurrently.
type Syncer struct {
	off atomic.Bool // the kernel gives no waiters

	mu     sync.Mutex
	closed bool
	n      int // waiters there are
	idle   []*waiter
}

// errUnable says that the kernel was asked and has not begun.
var errUnable = errors.New("the kernel does not sync this file asynchronously")

// Sync returns when the data written to the file, and what is needed to find them, are durable, as fdatasync(2) does.
// Errors are those of the kernel; nobody can say then what is durable. plain does the same in any way: it is called
// where the kernel cannot be asked, which is no error.
func (s *Syncer) Sync(fd uintptr, plain func() error) error {
	w := s.take()
	if w == nil {
		return plain()
	}
	err := w.sync(fd)
	if err != nil && !errors.Is(err, errUnable) {
		s.drop(w)
		return err
	}
	s.give(w)
	if err != nil {
		return plain()
	}
	return nil
}

// Close gives back what the kernel keeps. A Sync that is under way ends first; later ones are plain.
func (s *Syncer) Close() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.n -= len(idle)
	s.mu.Unlock()
	for _, w := range idle {
		w.close()
	}
}

// take returns a waiter for the caller alone, or nil if there is none.
func (s *Syncer) take() *waiter {
	if s.off.Load() {
		return nil
	}
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		w := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return w
	}
	if s.closed || s.n == waitersMax {
		s.mu.Unlock()
		return nil
	}
	s.n++
	s.mu.Unlock()
	w, err := newWaiter()
	if err != nil {
		s.off.Store(true)
		s.mu.Lock()
		s.n--
		s.mu.Unlock()
		return nil
	}
	return w
}

// give takes a waiter back.
func (s *Syncer) give(w *waiter) {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.idle = append(s.idle, w)
	}
	s.mu.Unlock()
	if closed {
		s.drop(w)
	}
}

// drop ends a waiter.
func (s *Syncer) drop(w *waiter) {
	s.mu.Lock()
	s.n--
	s.mu.Unlock()
	w.close()
}
