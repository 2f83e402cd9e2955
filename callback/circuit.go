package callback

import (
	"math/rand/v2"
	"time"
)

// CircuitState says whether a target is called.
type CircuitState uint8

// The states of a circuit.
const (
	CircuitClosed   CircuitState = 1 + iota // it is called
	CircuitOpen                             // it is dead: nobody is sent there for a while
	CircuitHalfOpen                         // one call finds out whether it still is
)

// String returns the name that the API shows.
func (s CircuitState) String() string {
	switch s {
	case CircuitClosed:
		return "closed"
	case CircuitOpen:
		return "open"
	case CircuitHalfOpen:
		return "halfOpen"
	}
	return "invalid"
}

const (
	// backoffFirst and backoffMax bound how long an open circuit waits for its probe; it doubles each time.
	backoffFirst = time.Second
	backoffMax   = 30 * time.Second
	// awayEach is how far apart calls that were sent away come back, awayMax for how long at most.
	awayEach = 2 * time.Millisecond
	awayMax  = 30 * time.Second
)

// circuit keeps calls away from a target that is dead. Times are since the transport's start.
type circuit struct {
	state CircuitState
	since time.Duration // of the state
	// failures counts what went wrong without anything in between that did not.
	failures int
	backoff  time.Duration
	// until is when an open circuit lets a probe through.
	until time.Duration
	// sent counts the calls that were sent away since the circuit opened, or since the last probe.
	sent int
}

// pass reports whether a call may be made, and if so whether it is the probe; else when to come again.
func (c *circuit) pass(now time.Duration) (ok, probe bool, after time.Duration) {
	switch {
	case c.state == CircuitClosed:
		return true, false, 0
	case c.state == CircuitOpen && now >= c.until:
		c.state, c.sent = CircuitHalfOpen, 0
		return true, true, 0
	}
	c.sent++
	return false, false, c.away(now)
}

// away is how long a call is sent away: until after the next probe, and then, since each return costs a little, at some
// time in a window that is as wide as there are many.
func (c *circuit) away(now time.Duration) time.Duration {
	window := max(c.backoff, min(time.Duration(c.sent)*awayEach, awayMax))
	return max(c.until-now, 0) + backoffFirst/2 + spread(window)
}

// learn takes what a call says about the target. It returns true if the state is another one now, which a probe that
// has not helped is not.
func (c *circuit) learn(h health, probe bool, now time.Duration, threshold int) (changed bool) {
	switch {
	case h == alive:
		c.failures = 0
		if c.state == CircuitClosed {
			return false
		}
		*c = circuit{state: CircuitClosed, since: now}
		return true
	case probe && c.state == CircuitHalfOpen:
		if h == dead {
			c.backoff = min(2*c.backoff, backoffMax)
		}
		c.state, c.until = CircuitOpen, now+c.backoff+spread(c.backoff/4)
	case h == dead && c.state == CircuitClosed:
		if c.failures++; c.failures < threshold {
			return false
		}
		c.state, c.since, c.backoff, c.sent = CircuitOpen, now, backoffFirst, 0
		c.until = now + c.backoff + spread(c.backoff/4)
		return true
	}
	return false
}

// spread returns a random time below d.
func spread(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// budget bounds the attempts that repeat a failure: a share of the first attempts, and some more each second. What a
// target confirms costs nothing, so that after its recovery nobody waits for the budget. Times are since the
// transport's start.
type budget struct {
	tokens float64
	filled time.Duration // when it was looked at last
	// refused counts the attempts that were told to come again and did not yet.
	refused int
}

// pay takes a token for a repeated attempt, or says when to come again.
func (b *budget) pay(l *Limits, now time.Duration) (ok bool, after time.Duration) {
	b.fill(l, now)
	if b.tokens >= 1 {
		b.tokens--
		b.refused = max(b.refused-1, 0)
		return true, 0
	}
	b.refused++
	wait := time.Duration(float64(b.refused) / float64(l.RetryRate) * float64(time.Second))
	wait = min(max(wait, time.Second), budgetWaitMax)
	return false, wait/2 + spread(wait)
}

// budgetWaitMax bounds for how long the budget sends an attempt away.
const budgetWaitMax = 30 * time.Second

// earn adds tokens: a share for a first attempt, a whole one for an attempt that needs not be paid for.
func (b *budget) earn(l *Limits, tokens float64) {
	b.tokens = min(b.tokens+tokens, float64(l.retryBurst()))
}

func (b *budget) fill(l *Limits, now time.Duration) {
	b.earn(l, (now-b.filled).Seconds()*float64(l.RetryRate))
	b.filled = now
}
