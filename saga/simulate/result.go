package simulate

import (
	"encoding"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// End is how a simulation ended.
type End uint8

// The ends.
const (
	EndDone        End = iota + 1 // all steps are done
	EndCompensated                // what was done is undone
	EndStuck                      // it needs a person
	EndRunning                    // it had not ended at the horizon
)

var endNames = [...]string{EndDone: "done", EndCompensated: "compensated", EndStuck: "stuck", EndRunning: "running"}

// String returns the word for the end.
func (e End) String() string {
	if e > 0 && int(e) < len(endNames) {
		return endNames[e]
	}
	return "invalid"
}

// MarshalText writes the word.
func (e End) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

var _ encoding.TextUnmarshaler = (*End)(nil)

// UnmarshalText reads the word.
func (e *End) UnmarshalText(text []byte) error {
	i := slices.Index(endNames[1:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no end; there are done, compensated, stuck and running", text)
	}
	*e = End(i + 1)
	return nil
}

// Event is one thing that happened.
type Event struct {
	// At is when, by the virtual clock; AfterMs the milliseconds since the begin.
	At      time.Time `json:"at"`
	AfterMs int64     `json:"afterMs"`
	// Step is the name of the step, with the items and sub-sagas around it; "" for the saga itself.
	Step string `json:"step,omitempty"`
	// Event is as in the history of a transaction, and undoStarted.
	Event   string `json:"event"`
	Attempt uint32 `json:"attempt,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Step is what became of a step. Times are milliseconds since the begin; those that have not come are missing.
type Step struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// State is running, done, refused, gaveUp, undone, undoRefused, or stopped: it was under way at the end, and had
	// nothing to undo.
	State        string `json:"state"`
	FromMs       int64  `json:"fromMs"`
	ToMs         *int64 `json:"toMs,omitempty"`
	Attempts     uint32 `json:"attempts"`
	UndoFromMs   *int64 `json:"undoFromMs,omitempty"`
	UndoToMs     *int64 `json:"undoToMs,omitempty"`
	UndoAttempts uint32 `json:"undoAttempts,omitempty"`
	Failure      string `json:"failure,omitempty"`
}

// Result is what came of a scenario.
type Result struct {
	Saga string `json:"saga"`
	End  End    `json:"end"`
	// Seed is what was drawn from, missing if nothing was.
	Seed   *uint64 `json:"seed,omitempty"`
	TookMs int64   `json:"tookMs"`
	// Output is that of a saga that is done, Failure why one is not.
	Output  json.RawMessage `json:"output,omitempty"`
	Failure string          `json:"failure,omitempty"`
	// Left are steps that may have run, change something, and were not undone although the saga was.
	Left []string `json:"left,omitempty"`
	// Order is in what order steps and compensations came to an end: "reserve", "pay refused", "ship gave up",
	// "reserve.undo", "reserve.undo refused".
	Order    []string `json:"order"`
	Steps    []Step   `json:"steps"`
	Timeline []Event  `json:"timeline"`
	// Cut says that the limit of events was reached.
	Cut bool `json:"cut,omitempty"`
	// Drawn are the answers that were drawn, so that they can be written into a test.
	Drawn map[string][]Answer `json:"-"`
}

// Bad reports whether somebody would have to see to it.
func (r *Result) Bad() bool { return r.End == EndStuck || r.End == EndRunning || len(r.Left) > 0 }

// Took is how long it took by the virtual clock.
func (r *Result) Took() time.Duration { return time.Duration(r.TookMs) * time.Millisecond }
