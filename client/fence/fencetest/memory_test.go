package fencetest_test

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/fencetest"
)

func TestMemoryFollowsTheTable(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	rapid.Check(t, func(r *rapid.T) {
		memory, key, state := &fencetest.Memory{}, fence.Key{XID: "h:1:2", Branch: 3}, fence.Absent
		for _, event := range rapid.SliceOf(rapid.SampledFrom([]fence.Event{
			fence.Try, fence.Confirm, fence.Cancel, fence.Action, fence.Compensation, fence.Consume, fence.Forbid,
		})).Draw(r, "events") {
			fails, ran := rapid.Bool().Draw(r, "fails"), false
			next, want := fence.Decide(state, event)
			got, err := memory.Guard(t.Context(), key, event, func(context.Context) error {
				if ran = true; fails {
					return boom
				}
				return nil
			})
			switch {
			case want == fence.Refuse:
				if !errors.Is(err, fence.ErrRefused) {
					r.Fatalf("%s in %s: %v", event, state, err)
				}
			case want == fence.Run && fails:
				if !errors.Is(err, boom) {
					r.Fatalf("%s in %s: %v", event, state, err)
				}
				next = state
			case err != nil || got != want:
				r.Fatalf("%s in %s: %s, %v; want %s", event, state, got, err, want)
			}
			if state = next; memory.State(key) != state || ran != (want == fence.Run) {
				r.Fatalf("%s: the record says %s, want %s; ran %t", event, memory.State(key), state, ran)
			}
		}
	})
}
