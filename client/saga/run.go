package saga

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/concord-tx/concord/client/api"
)

// Status is where a run is.
type Status string

// The statuses. A run that is Committing or RollingBack is decided and cannot end otherwise.
const (
	Active      Status = "Active"
	Committing  Status = "Committing"
	RollingBack Status = "RollingBack"
	Committed   Status = "Committed"  // it is done
	RolledBack  Status = "RolledBack" // it is undone
)

// State is a run as it is now.
type State struct {
	XID, Saga, Key string
	Version        int
	Application    string
	Status         Status
	// Stuck says that it needs a person; Explanation and Advice are for that person.
	Stuck               bool
	Explanation, Advice string
	// Heuristic says that a person has declared of a step that it is done, or undone.
	Heuristic bool
	// Late says that it was not decided when its deadline passed, and LateMs for how many milliseconds it has gone on
	// since, until now or until it was decided.
	Late   bool
	LateMs int64
	// Cause is who decided: completed, refused, requested, timeout, operator; "" before that.
	Cause string
	// Failure is why it is rolled back, or stuck.
	Failure            string
	BeganAt            time.Time
	DeadlineAt         time.Time
	DecidedAt, EndedAt time.Time
	Input, Output      json.RawMessage
	Steps              []StepState
	Waits              []Wait
	// Actions are what the rules allow now: approve, cancel, resume, retry, signal, skip.
	Actions []string
}

// StepState is a step of a run.
type StepState struct {
	// Name is with items of loops, turns of repetitions and sub-sagas: trip/hotel[3]#2. ID is in the definition.
	Name, ID, Branch, Kind string
	// State is pending, running, waiting, retrying, done, refused, unknown or abandoned.
	State    string
	Attempts int
	Failure  string
	Answer   json.RawMessage
	// Undo is nil if it is not undone.
	Undo *UndoState
}

// UndoState is the compensation of a step: waiting, running, retrying, done, refused or skipped.
type UndoState struct {
	State    string
	Attempts int
	Failure  string
}

// Wait is what a run waits for from outside.
type Wait struct {
	// Step is the name, Kind is signal, approval or timer, Name that of the signal.
	Step, Kind, Name, Prompt string
	By                       []string
	Data                     json.RawMessage
	Until                    time.Time
}

// Look returns a run as it is now.
func (c *Client) Look(ctx context.Context, xid string) (s State, err error) {
	_, err = c.api.Do(ctx, api.Request{Method: http.MethodGet, Path: api.Path("sagas", "runs", xid)}, &s)
	return s, refusal(err)
}

// Find returns the xid of the run with a key, or ErrNotFound.
func (c *Client) Find(ctx context.Context, saga, key string) (xid string, err error) {
	var page struct{ Items []struct{ XID string } }
	r := api.Request{Method: http.MethodGet, Path: "/sagas/runs", Query: url.Values{"saga": {saga}, "key": {key}}}
	if _, err = c.api.Do(ctx, r, &page); err != nil {
		return "", refusal(err)
	}
	if len(page.Items) == 0 {
		return "", ErrNotFound
	}
	return page.Items[0].XID, nil
}

// at are the names of the steps that a run is at.
func (s *State) at() (names []string) {
	for _, step := range s.Steps {
		state := step.State
		if step.Undo != nil {
			state = step.Undo.State
		}
		switch state {
		case "pending", "running", "waiting", "retrying", "unknown":
			names = append(names, step.Name)
		}
	}
	return names
}

const (
	// awaitFirst and awaitMost are how long the server is asked to wait: what is stuck is seen that late. awaitPause is
	// how long a server that cannot be reached is left alone.
	awaitFirst = 500 * time.Millisecond
	awaitMost  = 5 * time.Second
	awaitPause = time.Second
)

// Await waits until a run has ended, a person is needed, or ctx ends, and returns its output as JSON. Servers that
// cannot be reached meanwhile are asked again. The error is nil, a [*CompensatedError], or an [*UnknownError].
func (c *Client) Await(ctx context.Context, xid string) (json.RawMessage, error) {
	var last State
	for wait := awaitFirst; ; wait = min(2*wait, awaitMost) {
		s, err := c.wait(ctx, xid, wait)
		if err == nil {
			last = s
		}
		switch {
		case err != nil && !passing(err) || ctx.Err() != nil:
			return nil, &UnknownError{
				XID: xid, Status: last.Status, Steps: last.at(), Err: errors.Join(ctx.Err(), err),
			}
		case err != nil:
			select {
			case <-ctx.Done():
			case <-time.After(awaitPause):
			}
			continue
		}
		switch {
		case s.Status == Committed:
			return s.Output, nil
		case s.Status == RolledBack:
			return nil, &CompensatedError{XID: xid, Cause: s.Cause, Failure: s.Failure, Heuristic: s.Heuristic}
		case s.Stuck:
			return nil, &UnknownError{
				XID: xid, Status: s.Status, Steps: s.at(), Stuck: true, Advice: s.Advice,
				Err: errors.New(or(s.Failure, or(s.Explanation, "it is stuck"))),
			}
		}
	}
}

// wait waits once, for as long as one request may, and then looks.
func (c *Client) wait(ctx context.Context, xid string, wait time.Duration) (State, error) {
	_, err := c.api.Do(ctx, api.Request{
		Method: http.MethodGet, Path: api.Path("transactions", xid), Wait: wait,
		Query: url.Values{"waitMs": {strconv.FormatInt(wait.Milliseconds(), 10)}},
	}, nil)
	if err != nil {
		return State{}, refusal(err)
	}
	return c.Look(ctx, xid)
}

// passing reports whether an error may be gone soon.
func passing(err error) bool {
	var p *api.Problem
	if errors.As(err, &p) {
		return p.Retryable || p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests
	}
	return errors.Is(err, api.ErrUnreachable) || errors.Is(err, api.ErrUnknown)
}

// Signal gives a run a signal.
type Signal struct {
	// Name is that of the signal, Data any JSON that fits the schema of its step.
	Name string
	Data any
	// Step says which of several steps is meant that wait for it.
	Step string
	// Patience is how long the signal is given again while no step waits for it yet; signals are not kept.
	Patience time.Duration
}

// Signal gives a run a signal that a step waits for. The error is [ErrNotAwaited] if none does. A signal whose answer
// is lost is given again with the same Idempotency-Key, so that it counts once.
func (c *Client) Signal(ctx context.Context, xid string, s Signal) error {
	body := map[string]any{}
	if s.Data != nil {
		body["data"] = s.Data
	}
	text(body, "step", s.Step)
	patience := time.NewTimer(s.Patience)
	defer patience.Stop()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := c.act(ctx, body, "sagas", "runs", xid, "signals", s.Name)
		if !errors.Is(err, ErrNotAwaited) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-patience.C:
			return err
		case <-time.After(pause):
		}
	}
}

// Answer is one to an approval.
type Answer struct {
	Approve bool
	Comment string
	// Data is any JSON; later steps see it.
	Data any
}

// Answer answers the approval that a step of a run waits for. Only those may whom the definition names.
func (c *Client) Answer(ctx context.Context, xid, step string, a Answer) error {
	body := map[string]any{"approve": a.Approve}
	text(body, "comment", a.Comment)
	if a.Data != nil {
		body["data"] = a.Data
	}
	return c.act(ctx, body, "sagas", "runs", xid, "approvals", step)
}

// Approve approves what a step waits for.
func (c *Client) Approve(ctx context.Context, xid, step, comment string) error {
	return c.Answer(ctx, xid, step, Answer{Approve: true, Comment: comment})
}

// Reject rejects what a step waits for: the step is refused.
func (c *Client) Reject(ctx context.Context, xid, step, comment string) error {
	return c.Answer(ctx, xid, step, Answer{Comment: comment})
}

// Cancel has what has run of a run undone. The error is [ErrPastPivot] if there is no way back.
func (c *Client) Cancel(ctx context.Context, xid, reason string) error {
	return c.act(ctx, map[string]any{"reason": reason}, "sagas", "runs", xid, "cancel")
}

// Retry tries now what waits for its next attempt, and again what has failed: one step, or all if it is empty. It needs
// the role operator.
func (c *Client) Retry(ctx context.Context, xid, step string) error {
	body := map[string]any{}
	text(body, "step", step)
	return c.act(ctx, body, "sagas", "runs", xid, "retry")
}

// act does something with a run, once.
func (c *Client) act(ctx context.Context, body any, path ...string) error {
	_, err := c.api.Do(ctx, api.Request{Method: http.MethodPost, Path: api.Path(path...), Body: body}, nil)
	return refusal(err)
}
