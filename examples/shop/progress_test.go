package main

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgressIsToldEachSecond has orders come to each end while it is looked at.
func TestProgressIsToldEachSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, out := newHistory(), &bytes.Buffer{}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); progress(ctx, h, time.Second, out) }()
		wait(ctx, 1500*time.Millisecond)
		h.note("a", committed, "")
		h.note("b", committed, "")
		h.note("c", rolledBack, "no money")
		wait(ctx, time.Second)
		h.note("d", "", "nobody answers")
		wait(ctx, time.Second)
		cancel()
		<-ended
		want := "   1 s: 0 orders are committed, 0 rolled back, 0 unknown or not begun; 0 a second\n" +
			"   2 s: 2 orders are committed, 1 rolled back, 0 unknown or not begun; 3 a second\n" +
			"   3 s: 2 orders are committed, 1 rolled back, 1 unknown or not begun; 1 a second\n"
		if out.String() != want {
			t.Errorf("\n%s, want\n%s", out, want)
		}
		want = "2 orders are committed, 1 rolled back, 1 unknown or not begun.\n" +
			"That took 2.0 s: 2 orders a second, each at three services.\n" +
			"The last order that was not committed: nobody answers"
		if got := summary(h, 2*time.Second); got != want {
			t.Errorf("\n%s, want\n%s", got, want)
		}
	})
}
