package worker_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/worker"
)

// memory is a Fence that keeps everything in memory.
type memory struct {
	states  map[string]fence.State
	results map[string][]byte
}

func (m *memory) Once(ctx context.Context, t *worker.Task, work worker.Work) ([]byte, error) {
	event := fence.Action
	if t.Compensation {
		event = fence.Compensation
	}
	key := fence.Key{XID: t.XID, Branch: t.Branch}
	next, verdict := fence.Decide(m.states[key.String()], event)
	switch verdict {
	case fence.Refuse:
		return nil, &fence.RefusedError{Key: key, Event: event, State: m.states[key.String()]}
	case fence.Run:
		result, err := work(ctx, nil)
		if err != nil {
			return nil, err
		}
		m.results[key.String()+event.String()] = result
	}
	m.states[key.String()] = next
	return m.results[key.String()+event.String()], nil
}

// TestFencedWork goes through what may come, in order: the answer of each, and how often the work was run by then.
func TestFencedWork(t *testing.T) {
	t.Parallel()
	m := &memory{states: map[string]fence.State{}, results: map[string][]byte{}}
	runs := 0
	h := worker.Fenced(m, func(_ context.Context, _ *sql.Tx, t *worker.Task, in order) (receipt, error) {
		if in.Total < 0 {
			return receipt{}, worker.Fail("negative")
		}
		runs++
		return receipt{Paid: in.Total}, nil
	})
	for i, c := range []struct {
		branch int64
		undo   bool
		total  int
		want   string
		runs   int
	}{
		{1, false, -1, "fail: negative", 0},
		{1, false, 5, `{"Paid":5}`, 1},
		{1, false, 6, `{"Paid":5}`, 1}, // a copy gets the first answer
		{1, true, 5, `{"Paid":5}`, 2},
		{1, true, 5, `{"Paid":5}`, 2},
		{1, false, 5, "fail: action of x:1:2/1 refused by the fence: it was undone", 2},
		{2, true, 5, "null", 2}, // nothing to compensate
		{2, false, 5, "fail: action of x:1:2/2 refused by the fence: it comes too late, after its compensation", 2},
	} {
		in, _ := json.Marshal(order{c.total})
		out, err := h.Handle(t.Context(), &worker.Task{XID: "x:1:2", Branch: c.branch, Compensation: c.undo, Input: in})
		text, _ := json.Marshal(out)
		got := string(text)
		var fail *worker.FailError
		if errors.As(err, &fail) {
			got = "fail: " + fail.Reason
		} else if err != nil {
			got = fmt.Sprint("error: ", err)
		}
		if got != c.want || runs != c.runs {
			t.Errorf("%d: %s after %d runs, not %s after %d", i, got, runs, c.want, c.runs)
		}
	}
	_, err := h.Handle(t.Context(), &worker.Task{XID: "x:1:2", Branch: 3, Input: []byte(`"text"`)})
	if err == nil || runs != 2 {
		t.Errorf("input that does not fit: %v", err)
	}
}

// TestARefusalBehindTheWorkIsAFailure: only the task's own fence knows that it never will be done.
func TestARefusalBehindTheWorkIsAFailure(t *testing.T) {
	t.Parallel()
	m := &memory{states: map[string]fence.State{}, results: map[string][]byte{}}
	h := worker.Fenced(m, func(context.Context, *sql.Tx, *worker.Task, order) (any, error) {
		return nil, &fence.RefusedError{Key: fence.Key{XID: "another"}, Event: fence.Try, State: fence.Suspended}
	})
	_, err := h.Handle(t.Context(), &worker.Task{XID: "x:1:2", Branch: 1})
	var fail *worker.FailError
	if !errors.Is(err, fence.ErrRefused) || errors.As(err, &fail) {
		t.Error(err)
	}
}
