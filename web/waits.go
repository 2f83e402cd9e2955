package web

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// waits are the requests that wait for the runtime. One timer looks after all of them while there are any; one for
// each, and an ear for its client, would cost more than the waiting does. Its zero value is ready.
type waits struct {
	mu    sync.Mutex
	first *waiter
	timer *time.Timer // nil: not made yet
	armed bool
}

// waitLook is how often is looked whether clients are gone, or the time of their requests is over.
const waitLook = 50 * time.Millisecond

// waiter is one request that waits.
type waiter struct {
	limit      *limited
	over       atomic.Bool   // there is an answer, or none is waited for any more
	ready      chan struct{} // one slot
	cut        error         // why there is no answer
	prev, next *waiter
}

// answered is what has come, or why nothing has.
type answered[T any] struct {
	waiter
	value T
	err   error
}

// awaitIn is [await] in a request with a limit, which is over before answerWait is.
func awaitIn[T any](l *limited, start func(done func(T, error))) (T, error) {
	a := &answered[T]{waiter: waiter{limit: l, ready: make(chan struct{}, 1)}}
	start(func(value T, err error) {
		if a.over.CompareAndSwap(false, true) {
			a.value, a.err = value, err
			a.ready <- struct{}{}
		}
	})
	select {
	case <-a.ready:
		return a.value, a.err
	default:
	}
	l.waits.add(&a.waiter)
	<-a.ready
	l.waits.remove(&a.waiter)
	if a.cut != nil {
		var none T
		return none, a.cut
	}
	return a.value, a.err
}

// add begins to look after a request.
func (w *waits) add(a *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.next = w.first; a.next != nil {
		a.next.prev = a
	}
	w.first = a
	switch {
	case w.armed:
		return
	case w.timer == nil:
		w.timer = time.AfterFunc(waitLook, w.look)
	default:
		w.timer.Reset(waitLook)
	}
	w.armed = true
}

// remove ends that.
func (w *waits) remove(a *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.prev == nil {
		w.first = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
}

// look ends what is not to be waited for any longer.
func (w *waits) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for a := w.first; a != nil; a = a.next {
		err := a.limit.Context.Err()
		if err == nil && !now.Before(a.limit.until) {
			err = context.DeadlineExceeded
		}
		if err != nil && a.over.CompareAndSwap(false, true) {
			a.cut = err
			a.ready <- struct{}{}
		}
	}
	if w.armed = w.first != nil; w.armed {
		w.timer.Reset(waitLook)
	}
}
