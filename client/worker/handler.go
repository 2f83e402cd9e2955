package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Task is one step of a saga that is to be done, or undone.
type Task struct {
	// ID is what it is ended with, at any node of the cluster, by any process.
	ID string
	// Name is the task as the definition has it.
	Name string
	// XID, Branch and Compensation are the same together whenever it is the same work. Attempt counts.
	XID          string
	Branch       int64
	Compensation bool
	Attempt      int
	// Step is its name in the definition, with the index of each loop around it; Saga and Version are the definition,
	// and Key is the business key of the run.
	Step, Saga, Key string
	Version         int
	// Application has begun the run.
	Application string
	// Input is what the definition gives it, as JSON.
	Input json.RawMessage
	// Until is by when the step, or the saga, has to be done; zero if there is no such time.
	Until time.Time
	// Traceparent is the W3C trace context, which the handler's context has, too; "" if there is none.
	Traceparent string
}

// Handler does tasks. It may be called concurrently, and again for a task that it has done. Its result is the output of
// the step, any JSON. Its context ends when the task is not wanted any more, or must be given up.
type Handler interface {
	Handle(ctx context.Context, t *Task) (result any, err error)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, t *Task) (result any, err error)

// Handle implements Handler.
func (f HandlerFunc) Handle(ctx context.Context, t *Task) (any, error) { return f(ctx, t) }

// Typed makes a Handler of a function with types of its own for input and output, which are JSON on their way. Input
// that does not fit is a failure: it is tried again, by another version of the program perhaps.
func Typed[In, Out any](do func(ctx context.Context, t *Task, in In) (Out, error)) Handler {
	return HandlerFunc(func(ctx context.Context, t *Task) (any, error) {
		in, err := inputOf[In](t)
		if err != nil {
			return nil, err
		}
		return do(ctx, t, in)
	})
}

func inputOf[In any](t *Task) (in In, err error) {
	if len(t.Input) == 0 {
		return in, nil
	}
	if err = json.Unmarshal(t.Input, &in); err != nil {
		err = fmt.Errorf("the input does not fit: %w", err)
	}
	return in, err
}

// ErrLeaseLost is the cause with which the context of a handler ends when its task was given to another worker, was
// ended, or is not wanted any more.
var ErrLeaseLost = errors.New("the task belongs to another worker, or is not wanted any more")

// ErrDrained is the cause with which it ends when the worker stops and Options.Drain is over.
var ErrDrained = errors.New("the worker stops")

// RetryError is what Retry returns.
type RetryError struct {
	After time.Duration
	Err   error
}

// Retry says that a task has failed, and is not to be tried again before some time has passed. err, which may be nil,
// is shown to people.
func Retry(after time.Duration, err error) error { return &RetryError{After: after, Err: err} }

// Error says when it is tried again, and why.
func (e *RetryError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("try again after %v", e.After)
	}
	return fmt.Sprintf("%v (try again after %v)", e.Err, e.After)
}

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }

// FailError is what Fail and FailWith return.
type FailError struct {
	Reason string
	Result any
}

// Fail says that a task never will be done and that nothing was changed: the saga is compensated, or what onRefused of
// the step says. The reason is shown to people.
func Fail(reason string) error { return &FailError{Reason: reason} }

// FailWith is Fail with an answer, which rules of the step's result see as body.
func FailWith(reason string, result any) error { return &FailError{Reason: reason, Result: result} }

// Error returns the reason.
func (e *FailError) Error() string { return e.Reason }

// OngoingError is what Ongoing returns.
type OngoingError struct{ For time.Duration }

// Ongoing says that a handler has started something that goes on without it, for at most so long. Whoever knows the end
// tells it with the task's ID: [Worker.Done], [Worker.Refuse], [Worker.Failed]. If nobody has by then the task is given
// out again.
func Ongoing(atMost time.Duration) error { return &OngoingError{For: atMost} }

// Error says so.
func (e *OngoingError) Error() string { return fmt.Sprintf("goes on, for at most %v", e.For) }
