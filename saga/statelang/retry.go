package statelang

import (
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/saga/limits"
)

// RetryDecision says whether a service that failed is called again, and after which wait. Counts has the retries so far
// by entry; entry is the one that matched and whose count grows by this retry, or -1 if none matched. The wait grows
// linearly, as in Seata: first the interval, then interval times rate times the retries so far.
func RetryDecision(entries []Retry, counts []int, e *Exception) (entry int, wait time.Duration, again bool) {
	if e == nil {
		return -1, 0, false
	}
	for i, r := range entries {
		if len(r.Exceptions) == 0 && e.Network() == NotNetwork || len(r.Exceptions) > 0 && !e.matches(r.Exceptions) {
			continue
		}
		count := 0
		if i < len(counts) {
			count = counts[i]
		}
		if count >= r.MaxAttempts {
			return i, 0, false
		}
		millis := r.IntervalSeconds * 1000
		if count > 0 {
			millis = r.IntervalSeconds * r.BackoffRate * float64(count) * 1000
		}
		return i, duration(millis), true
	}
	return -1, 0, false
}

// duration is a number of milliseconds, cut to whole ones; no wait is longer than a day.
func duration(millis float64) time.Duration {
	if !(millis > 0) {
		return 0
	}
	if millis >= float64(limits.MachineRetryPauseMax/time.Millisecond) {
		return limits.MachineRetryPauseMax
	}
	return time.Duration(millis) * time.Millisecond
}

// CatchTarget returns where an exception of a task leads, and whether it is caught at all. One that is not caught
// breaks the machine off.
func CatchTarget(s *State, e *Exception) (next string, caught bool) {
	if e == nil {
		return "", false
	}
	for _, c := range s.Catch {
		if e.matches(c.Exceptions) {
			return c.Next.Name, true
		}
	}
	return "", false
}

// ErrNoChoice means that no choice is true and there is no default: the machine fails by StateMachineNoChoiceMatched.
var ErrNoChoice = errors.New("no choice matched (StateMachineNoChoiceMatched)")

// Choose returns where a Choice leads: the first choice whose expression is true, or the default.
func Choose(s *State, context map[string]any) (next string, err error) {
	for _, c := range s.Choices {
		if c.Expression == nil {
			continue
		}
		value, err := c.Expression.eval(context, nil)
		if err != nil {
			return "", fmt.Errorf("evaluate the choice %q of %s: %w", c.Expression.Text, s.Name, err)
		}
		if value == true {
			return c.Next.Name, nil
		}
	}
	if s.Default.Name == "" {
		return "", fmt.Errorf("%s: %w", s.Name, ErrNoChoice)
	}
	return s.Default.Name, nil
}
