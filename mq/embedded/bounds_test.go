package embedded_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/concord-tx/concord/mq/embedded"
	"github.com/concord-tx/concord/orchestrator"
)

// TestDeliveriesAreBounded: large messages are taken a few at a time, and no more once too many bytes are unanswered.
func TestDeliveriesAreBounded(t *testing.T) {
	t.Parallel()
	h := openPatient(t, time.Hour)
	defer h.Close()
	const size, all = 3 << 20, 30
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.log.Subscribe(t.Context(), "large", []string{"large"}, true))
	for range all {
		done := make(chan error, 1)
		h.log.Publish("large", "", "", make([]byte, size), func(err error) { done <- err })
		must(<-done)
	}
	take := func() []embedded.Message {
		t.Helper()
		got, err := h.log.Poll(t.Context(), "large", all, 0)
		must(err)
		if len(got) > 2 {
			t.Fatalf("one poll took %d messages of %d bytes", len(got), size)
		}
		return got
	}
	var taken []embedded.Message
	for got := take(); len(got) > 0; got = take() {
		taken = append(taken, got...)
	}
	if n := len(taken); n != 22 { // 64 MiB, and the one that goes over it
		t.Errorf("%d messages of %d bytes are unanswered", n, size)
	}
	for len(taken) < all {
		must(h.log.Ack("large", taken[len(taken)-1].Receipt))
		got := take()
		if len(got) == 0 {
			t.Fatalf("nothing more after %d messages", len(taken))
		}
		taken = append(taken, got...)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t)
	defer h.Close()
	var err error
	n := 0
	for ; err == nil && n < 2000; n++ {
		err = h.log.Subscribe(t.Context(), fmt.Sprintf("group%d", n), nil, true)
	}
	if !errors.Is(err, orchestrator.ErrBusy) || n != 1001 {
		t.Errorf("group %d: %v", n, err)
	}
	if err := h.log.Remove(t.Context(), "group0"); err != nil {
		t.Error(err)
	}
	if err := h.log.Subscribe(t.Context(), "late", nil, true); err != nil {
		t.Error(err)
	}
}
