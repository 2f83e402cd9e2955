package web

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func limitedIn(parent context.Context, bound time.Duration) *limited {
	return &limited{Context: parent, until: time.Now().Add(bound)}
}

func TestALimitedContextEndsAsAnyOther(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, c := range map[string]struct {
		end  func(l *limited, cancelParent context.CancelFunc)
		want error
	}{
		"its time is over":    {func(*limited, context.CancelFunc) { <-time.After(time.Minute) }, context.DeadlineExceeded},
		"the client is gone":  {func(_ *limited, cancel context.CancelFunc) { cancel() }, context.Canceled},
		"it is answered":      {func(l *limited, _ context.CancelFunc) { l.end() }, context.Canceled},
		"it is answered late": {func(l *limited, _ context.CancelFunc) { <-time.After(time.Hour); l.end() }, nil},
	} {
		for _, asked := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
				defer cancel()
				l := limitedIn(parent, time.Minute)
				defer l.end()
				var child context.Context
				if asked {
					var stop context.CancelFunc
					child, stop = context.WithCancel(l)
					defer stop()
				}
				if err := l.Err(); err != nil || l.Value(key{}) != "value" {
					t.Fatalf("%s: begins with %v, %v", name, err, l.Value(key{}))
				}
				c.end(l, cancel)
				synctest.Wait()
				if err := l.Err(); err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%s, asked %v: ended with %v, not %v", name, asked, err, c.want)
				}
				select {
				case <-l.Done():
				default:
					t.Errorf("%s, asked %v: the channel is open", name, asked)
				}
				if child != nil && child.Err() == nil {
					t.Errorf("%s: what was derived goes on", name)
				}
			})
		}
	}
}

func TestWaitsAreBoundedWithoutTheChannel(t *testing.T) {
	t.Parallel()
	never := func(func(int, error)) {}
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		began := time.Now()
		l := limitedIn(parent, time.Second)
		if _, err := await(l, never); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("ended with %v after %v", err, time.Since(began))
		}
		l = limitedIn(parent, time.Hour)
		_, err := await(l, never)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second+answerWait {
			t.Errorf("ended with %v after %v", err, time.Since(began))
		}
		answered := make(chan result[int], 1)
		if r, late := within(l, answered, time.Second); !late || r.err != nil {
			t.Errorf("after the time to wait: %v, %v", r, late)
		}
		time.AfterFunc(time.Second, func() { answered <- result[int]{7, nil} })
		if r, late := within(l, answered, time.Minute); late || r.err != nil || r.value != 7 {
			t.Errorf("answered: %v, %v", r, late)
		}
		time.AfterFunc(time.Second, cancel)
		if _, err := await(l, never); !errors.Is(err, context.Canceled) {
			t.Errorf("the client is gone: %v", err)
		}
		if l.full != nil {
			t.Error("the whole context was made for a wait")
		}
		derived, stop := context.WithTimeout(limitedIn(context.Background(), time.Hour), time.Second)
		defer stop()
		if _, err := await(derived, never); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a derived context: %v", err)
		}
	})
}

// lateNews is a parent of which what is derived does not hear: as in the moment between its end and theirs.
type lateNews struct{ context.Context }

// AfterFunc is what contexts ask for to be told.
func (lateNews) AfterFunc(func()) (stop func() bool) { return func() bool { return true } }

// Value implements context.Context. Nobody finds the parent behind it.
func (lateNews) Value(any) any { return nil }

// TestWhoIsGoneIsNoAnswer: a wait that the client ends has an error, also before the whole context has ended.
func TestWhoIsGoneIsNoAnswer(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithCancel(context.Background())
	l := limitedIn(lateNews{parent}, time.Hour)
	defer l.end()
	whole := l.whole()
	cancel()
	if _, err := await(l, func(func(int, error)) {}); !errors.Is(err, context.Canceled) || whole.Err() != nil {
		t.Errorf("the client is gone: %v; whole: %v", err, whole.Err())
	}
}
