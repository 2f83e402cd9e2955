package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// tally is how many orders came to which end.
type tally struct{ committed, rolledBack, unknown int }

func (t tally) all() int { return t.committed + t.rolledBack + t.unknown }

func (t tally) String() string {
	return fmt.Sprintf("%d orders are committed, %d rolled back, %d unknown or not begun",
		t.committed, t.rolledBack, t.unknown)
}

// tally counts the orders by what customers were told.
func (h *history) tally() (t tally, last string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, told := range h.told {
		switch told {
		case committed:
			t.committed++
		case rolledBack:
			t.rolledBack++
		default:
			t.unknown++
		}
	}
	return t, h.last
}

// progress writes a line each period, until ctx ends.
func progress(ctx context.Context, h *history, every time.Duration, out io.Writer) {
	began, before := time.Now(), 0
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		now, _ := h.tally()
		_, _ = fmt.Fprintf(out, "%4.0f s: %v; %.0f a second\n", time.Since(began).Seconds(), now,
			float64(now.all()-before)/every.Seconds())
		before = now.all()
	}
}

// summary says what came of all orders.
func summary(h *history, took time.Duration) string {
	all, last := h.tally()
	text := fmt.Sprintf("%v.\nThat took %.1f s: %.0f orders a second, each at three services.", all, took.Seconds(),
		float64(all.all())/max(took.Seconds(), 0.001))
	if last != "" {
		text += "\nThe last order that was not committed: " + last
	}
	return text
}
