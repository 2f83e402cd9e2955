package web

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
)

func TestQueuesOfBrokersAreShownAndKeptForAMoment(t *testing.T) {
	t.Parallel()
	asked := 0
	var fault error
	r := setup(t, func(o *Options) {
		o.Queues = func(ctx context.Context) (Queues, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the question has no bound")
			}
			asked++
			return Queues{
				Group: "g", Silent: []SilentBroker{{"b", "no answer"}}, Queues: []Queue{
					{Topic: "t", Broker: "a", Oldest: 5, End: 9, Committed: 7, Lag: 2},
					{Topic: "t", Broker: "a", Number: 1, Oldest: 0, End: 4, Committed: -1, Lag: 4},
				},
			}, fault
		}
	})
	r.now = whyNow
	want := map[string]any{
		"at": "2023-11-14T22:13:20.000Z", "partial": true,
		"silent": []any{map[string]any{"broker": "b", "reason": "no answer"}},
		"items": []any{
			map[string]any{
				"topic": "t", "broker": "a", "queue": 0.0, "group": "g", "oldest": 5.0, "end": 9.0, "committed": 7.0, "lag": 2.0,
			},
			map[string]any{
				"topic": "t", "broker": "a", "queue": 1.0, "group": "g", "oldest": 0.0, "end": 4.0, "lag": 4.0,
			},
		},
	}
	for range 3 {
		status, got, _ := r.do(t, "GET", "/api/v1/queues", "")
		if diff := cmp.Diff(want, got); status != 200 || diff != "" {
			t.Errorf("%d %s", status, diff)
		}
	}
	if asked != 1 {
		t.Errorf("brokers were asked %d times", asked)
	}
	r.now += queuesKept
	fault = fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, errors.New("no name server answers"))
	for range 2 {
		if status, got, _ := r.do(t, "GET", "/api/v1/queues", ""); status != 503 {
			t.Errorf("%d %v", status, got)
		}
	}
	if asked != 2 {
		t.Errorf("brokers were asked %d times", asked)
	}
	if status, got, _ := r.do(t, "GET", "/api/v1/queues?x=1", ""); status != 400 {
		t.Errorf("%d %v", status, got)
	}
}

func TestQueuesOfOneMachineAreItsLogAndItsGroups(t *testing.T) {
	t.Parallel()
	log := newFakeEvents(4)
	first, end := log.Bounds()
	r := setup(t, func(o *Options) { o.Events = log })
	r.now = whyNow
	look := func() map[string]any {
		t.Helper()
		status, got, _ := r.do(t, "GET", "/api/v1/queues", "")
		if status != 200 {
			t.Fatalf("%d %v", status, got)
		}
		return got
	}
	own := map[string]any{"queue": 0.0, "oldest": float64(first), "end": float64(end)}
	want := map[string]any{
		"at": "2023-11-14T22:13:20.000Z", "partial": false, "silent": []any{}, "items": []any{own},
	}
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Error(diff)
	}
	if err := log.Subscribe(t.Context(), "mail", nil, true); err != nil {
		t.Fatal(err)
	}
	g := log.Groups()[0]
	want["items"] = []any{own, map[string]any{
		"queue": 0.0, "group": "mail", "oldest": float64(first), "end": float64(g.End), "committed": float64(g.Offset),
		"lag": float64(g.End) - float64(g.Offset),
	}}
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Error(diff)
	}
	r = setup(t, nil)
	if status, got, _ := r.do(t, "GET", "/api/v1/queues", ""); status != 409 || got["code"] != "decisionsNotPublished" {
		t.Errorf("%d %v", status, got)
	}
}
