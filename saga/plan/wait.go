package plan

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// until is when a timer is over.
func (w *walk) until(s *step, v map[string]any) (txn.Millis, error) {
	if s.timerUntil == nil {
		return w.now.Add(max(s.Timer.For, time.Millisecond)), nil
	}
	at, err := s.timerUntil.Eval(v)
	if err != nil {
		return 0, err
	}
	t, err := time.Parse(time.RFC3339, fmt.Sprint(at))
	if err != nil {
		return 0, fmt.Errorf("the timer's time is not one: %w", err)
	}
	if t.After(w.now.Time().Add(limits.DurationMax)) {
		return 0, fmt.Errorf("the timer's time is more than %s away", definition.FormatDuration(limits.DurationMax))
	}
	return max(txn.MillisOf(t), w.now.Add(time.Millisecond)), nil
}

// within is when a wait is over, 0 if never.
func (w *walk) within(d time.Duration) txn.Millis {
	if d == 0 {
		return 0
	}
	return w.now.Add(d)
}

// question is what a person is asked.
func (w *walk) question(s *step, v map[string]any) (string, error) {
	q := map[string]any{"by": s.Approval.By}
	prompt, err := s.prompt.Eval(v)
	if err != nil {
		return "", fmt.Errorf("prompt: %w", err)
	}
	q["prompt"] = prompt
	if s.show != nil {
		if q["data"], err = s.show.Eval(v); err != nil {
			return "", fmt.Errorf("data: %w", err)
		}
	}
	text, err := json.Marshal(q)
	if err == nil {
		err = fits("question", len(text), limits.PayloadBytesMax)
	}
	return string(text), err
}
