package web

import (
	"context"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// limited is the context of a request that is to be answered within a bound. What most requests wait for is the
// runtime, with a timer of their own, so the one behind the channel is made only when somebody asks for that.
type limited struct {
	context.Context // who asks; ends when the client is gone
	until           time.Time
	waits           *waits // nil: none

	mu   sync.Mutex
	over bool
	full context.Context // nil: not made yet
	stop context.CancelFunc
}

// Deadline implements context.Context.
func (l *limited) Deadline() (time.Time, bool) { return l.until, true }

// Done implements context.Context.
func (l *limited) Done() <-chan struct{} { return l.whole().Done() }

// Err implements context.Context.
func (l *limited) Err() error {
	l.mu.Lock()
	made := l.full != nil || l.over
	l.mu.Unlock()
	switch {
	case made:
		return l.whole().Err()
	case l.Context.Err() != nil:
		return l.Context.Err()
	case !time.Now().Before(l.until):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. What is derived from l is told by the whole context when that ends.
func (l *limited) Value(key any) any {
	l.mu.Lock()
	full := l.full
	l.mu.Unlock()
	if full != nil {
		return full.Value(key)
	}
	return l.Context.Value(key)
}

// whole returns the context that l stands for.
func (l *limited) whole() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.full, l.stop = context.WithDeadline(l.Context, l.until)
		if l.over {
			l.stop()
		}
	}
	return l.full
}

// end ends l: its request is answered.
func (l *limited) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.full != nil {
		l.stop()
	}
}

// result is the answer of the runtime.
type result[T any] struct {
	value T
	err   error
}

// await starts something that answers by a completion function, and waits for that, at most answerWait.
func await[T any](ctx context.Context, start func(done func(T, error))) (T, error) {
	if l := limitOf(ctx); l != nil && l.waits != nil {
		return awaitIn(l, start)
	}
	answered := make(chan result[T], 1)
	start(func(value T, err error) { answered <- result[T]{value, err} })
	r, late := within(ctx, answered, answerWait)
	if late {
		return r.value, context.DeadlineExceeded
	}
	return r.value, r.err
}

// within waits for an answer, at most so long; late says that it has not come by then. If the context ends before, its
// error is the answer.
func within[T any](ctx context.Context, answered <-chan result[T], most time.Duration) (r result[T], late bool) {
	select {
	case r = <-answered:
		return r, false
	default:
	}
	gone, left := ctx, most
	if l := limitOf(ctx); l != nil { // its end is looked at here, which costs less than its channel
		gone, left = l.Context, min(most, time.Until(l.until))
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case r = <-answered:
	case <-gone.Done():
		r.err = gone.Err() // what is derived from it may have ended a moment later only
	case <-timer.C:
		if left < most {
			r.err = context.DeadlineExceeded
		}
		return r, left == most
	}
	return r, false
}

// limitOf returns the limited context that ctx is, or that of the request that it is; nil if it is another one.
func limitOf(ctx context.Context) *limited {
	if c, ok := ctx.(*gin.Context); ok && c.Request != nil {
		ctx = c.Request.Context()
	}
	l, _ := ctx.(*limited)
	return l
}
