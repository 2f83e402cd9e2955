package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/concord-tx/concord/client/api"
)

const (
	// tellTimeout bounds how long the end of a task is told for; after that it comes again.
	tellTimeout = 30 * time.Second
	// textBytesMax bounds what is told of an error.
	textBytesMax = 1024
)

// run does one task and says how that went.
func (w *Worker) run(ctx context.Context, g *given) {
	t := g.Task // a copy: the handler may do with it what it likes
	handling, cancel := context.WithCancelCause(api.WithTraceparent(ctx, t.Traceparent))
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		w.keep(handling, cancel, g)
	}()
	result, err := w.handle(handling, &t)
	lost := errors.Is(context.Cause(handling), ErrLeaseLost)
	cancel(nil)
	<-kept
	if lost && err != nil {
		w.o.Logger.InfoContext(ctx, "a task was taken away", "task", g.Name, "xid", g.XID, "branch", g.Branch)
		return
	}
	if failed(err) {
		w.o.Logger.WarnContext(ctx, "a task has failed", "task", g.Name, "xid", g.XID, "branch", g.Branch,
			"attempt", g.Attempt, "err", err)
	}
	telling, done := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
	defer done()
	if err := w.tell(telling, g.ID, result, err); err != nil {
		w.o.Logger.WarnContext(ctx, "the end of a task is not told", "task", g.Name, "xid", g.XID, "branch", g.Branch,
			"err", err)
	}
}

// handle calls the handler, and writes what it returns as JSON, which may be the handler's code as well. A panic is an
// error, with its report in the log.
func (w *Worker) handle(ctx context.Context, t *Task) (text json.RawMessage, err error) {
	name, xid, branch := t.Name, t.XID, t.Branch
	finished := false
	defer func() {
		if finished {
			return
		}
		what := recover() // nil: runtime.Goexit
		w.o.Logger.ErrorContext(ctx, "a handler has panicked", "task", name, "xid", xid, "branch", branch,
			"panic", fmt.Sprint(what), "stack", string(debug.Stack()))
		text, err = nil, fmt.Errorf("the handler has panicked: %v", what)
	}()
	h, ok := w.handlers[name]
	if !ok {
		finished = true
		return nil, fmt.Errorf("this worker does not do %q", name)
	}
	text, err = written(h.Handle(ctx, t))
	finished = true
	return text, err
}

// written is what a handler has returned, with JSON for values of its own types.
func written(result any, err error) (json.RawMessage, error) {
	var fail *FailError
	switch {
	case errors.As(err, &fail) && fail != nil && fail.Result != nil:
		text, wrong := json.Marshal(fail.Result)
		if wrong != nil {
			return nil, fmt.Errorf("%s; the result is no JSON: %w", fail.Reason, wrong)
		}
		return nil, FailWith(fail.Reason, json.RawMessage(text))
	case err != nil:
		return nil, err
	}
	text, wrong := json.Marshal(result)
	if wrong != nil {
		return nil, fmt.Errorf("the result is no JSON: %w", wrong)
	}
	return text, nil
}

// failed reports whether an attempt went wrong. Refusing a task, or ending it later, is no failure.
func failed(err error) bool {
	var fail *FailError
	var ongoing *OngoingError
	refused := errors.As(err, &fail) && fail != nil
	return err != nil && !refused && (!errors.As(err, &ongoing) || ongoing == nil)
}

// tell says how a task has ended.
func (w *Worker) tell(ctx context.Context, id string, result json.RawMessage, err error) error {
	var retry *RetryError
	var fail *FailError
	var ongoing *OngoingError
	switch {
	case err == nil:
		return w.Done(ctx, id, result)
	case errors.As(err, &fail) && fail != nil:
		return w.Refuse(ctx, id, fail.Reason, fail.Result)
	case errors.As(err, &ongoing) && ongoing != nil:
		return w.Extend(ctx, id, ongoing.For)
	case errors.As(err, &retry) && retry != nil:
		return w.Failed(ctx, id, retry.After, err)
	}
	return w.Failed(ctx, id, 0, err)
}

// Done says that a task is done, with the output of its step, any JSON. It may be repeated, and is believed after the
// lease, too, as long as nobody else has ended the step; otherwise the error wraps [ErrLeaseLost].
func (w *Worker) Done(ctx context.Context, id string, result any) error {
	return w.end(ctx, id, "done", map[string]any{"result": result})
}

// Refuse says that a task never will be done and has changed nothing.
func (w *Worker) Refuse(ctx context.Context, id, reason string, result any) error {
	body := map[string]any{"reason": cut(reason)}
	if result != nil {
		body["result"] = result
	}
	return w.end(ctx, id, "refused", body)
}

// Failed says that an attempt at a task has failed; it is tried again, not before after.
func (w *Worker) Failed(ctx context.Context, id string, after time.Duration, cause error) error {
	body := map[string]any{"error": cut(fmt.Sprint(cause))}
	if after > 0 {
		body["retryAfter"] = after.Round(time.Millisecond).String()
	}
	return w.end(ctx, id, "failed", body)
}

// Extend prolongs the lease of a task to so long from now on, at most a day.
func (w *Worker) Extend(ctx context.Context, id string, by time.Duration) error {
	return w.end(ctx, id, "extend", map[string]any{"by": by.Round(time.Millisecond).String()})
}

func (w *Worker) end(ctx context.Context, id, how string, body any) error {
	_, err := w.o.API.Do(ctx, api.Request{
		Method: http.MethodPost, Path: api.Path("sagas", "tasks", id, how), Body: body, NoKey: true, Repeatable: true,
	}, nil)
	if api.CodeOf(err) == "leaseLost" {
		return fmt.Errorf("%w: %w", ErrLeaseLost, err)
	}
	return err
}

// keep prolongs the lease of a task until ctx ends, and ends ctx when it is lost.
func (w *Worker) keep(ctx context.Context, cancel context.CancelCauseFunc, g *given) {
	by := w.o.Lease
	if by == 0 {
		by = min(max(g.lease, 10*time.Second), time.Minute)
	}
	for until := time.Now().Add(g.lease); ; {
		timer := time.NewTimer(time.Until(until) / 2)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		asked := time.Now()
		extending, done := context.WithDeadline(ctx, until)
		err := w.Extend(extending, g.ID, by)
		done()
		switch {
		case err == nil:
			until = later(until, asked.Add(by))
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrLeaseLost) || !time.Now().Before(until):
			cancel(ErrLeaseLost)
			return
		default: // again, in half of what is left
			w.o.Logger.WarnContext(ctx, "the lease of a task is not prolonged", "task", g.Name, "xid", g.XID, "err", err)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// cut bounds a text for people.
func cut(text string) string {
	if len(text) <= textBytesMax {
		return text
	}
	return text[:textBytesMax-3] + "..."
}
