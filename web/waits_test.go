package web

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// busy reports whether somebody is looked after, or would be.
func (w *waits) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first != nil || w.armed
}

// TestRequestsThatWaitAreLookedAfter: each gets its answer, or the reason why there is none soon after there is one.
func TestRequestsThatWaitAreLookedAfter(t *testing.T) {
	t.Parallel()
	late := errors.New("refused")
	for name, c := range map[string]struct {
		answer time.Duration // 0: at once; -1: never
		err    error
		gone   time.Duration // 0: the client stays
		want   error
		took   time.Duration
	}{
		"answered at once":          {},
		"answered":                  {answer: time.Second, took: time.Second},
		"refused":                   {answer: time.Second, err: late, want: late, took: time.Second},
		"never answered":            {answer: -1, want: context.DeadlineExceeded, took: time.Minute},
		"answered too late":         {answer: time.Hour, want: context.DeadlineExceeded, took: time.Minute},
		"the client is gone":        {answer: -1, gone: 10 * time.Second, want: context.Canceled, took: 10 * time.Second},
		"gone, and answered so too": {answer: 20 * time.Second, gone: time.Second, want: context.Canceled, took: time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var w waits
			l := limitedIn(ctx, time.Minute)
			l.waits = &w
			if c.gone > 0 {
				time.AfterFunc(c.gone, cancel)
			}
			began := time.Now()
			got, err := await(l, func(done func(int, error)) {
				switch {
				case c.answer > 0:
					time.AfterFunc(c.answer, func() { done(7, c.err) })
				case c.answer == 0:
					done(7, c.err)
				}
			})
			if took := time.Since(began); took < c.took || took > c.took+waitLook {
				t.Errorf("%s: took %v", name, took)
			}
			if !errors.Is(err, c.want) || c.want == nil && (got != 7 || err != nil) || c.want == context.Canceled && got != 0 {
				t.Errorf("%s: %d, %v", name, got, err)
			}
			<-time.After(2 * time.Hour) // what comes too late changes nothing
			if w.busy() {
				t.Errorf("%s: somebody is still looked after", name)
			}
		})
	}
}

// TestWaitsEndEachByItself: one timer looks after many, of which some are answered and others are not.
func TestWaitsEndEachByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w waits
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				l := limitedIn(t.Context(), time.Duration(i+1)*time.Second)
				l.waits = &w
				got, err := await(l, func(done func(int, error)) {
					if i%3 != 0 {
						time.AfterFunc(time.Duration(i)*time.Second, func() { done(i, nil) })
					}
				})
				if i%3 != 0 && (got != i || err != nil) || i%3 == 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%d: %d, %v", i, got, err)
				}
			})
		}
		all.Wait()
		<-time.After(time.Minute)
		if w.busy() {
			t.Error("somebody is still looked after")
		}
	})
}
