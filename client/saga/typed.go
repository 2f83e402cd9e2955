package saga

import (
	"context"
	"encoding/json"
	"fmt"
)

// Saga is a published saga with types of its own for input and output, which are JSON on their way.
type Saga[In, Out any] struct {
	client      *Client
	name        string
	version     int
	application string
}

// Of gives a saga types. Whether they fit is seen when it is started, and when it is done.
func Of[In, Out any](c *Client, name string) Saga[In, Out] {
	return Saga[In, Out]{client: c, name: name}
}

// Version returns the same for one version, and not the newest.
func (s Saga[In, Out]) Version(n int) Saga[In, Out] { s.version = n; return s }

// For returns the same for runs of an application.
func (s Saga[In, Out]) For(application string) Saga[In, Out] { s.application = application; return s }

// Start begins a run, or finds the one that has the key: see [Client.Start].
func (s Saga[In, Out]) Start(ctx context.Context, key string, in In) (Run[Out], error) {
	started, err := s.client.Start(ctx, Start{
		Saga: s.name, Version: s.version, Key: key, Input: in, Application: s.application,
	})
	return Run[Out]{Started: started, client: s.client}, err
}

// Run begins a run and awaits it.
func (s Saga[In, Out]) Run(ctx context.Context, key string, in In) (out Out, err error) {
	r, err := s.Start(ctx, key, in)
	if err != nil {
		return out, err
	}
	return r.Await(ctx)
}

// Run is a run of a saga whose output has a type.
type Run[Out any] struct {
	Started
	client *Client
}

// Attach returns a run that was started elsewhere.
func Attach[Out any](c *Client, xid string) Run[Out] {
	return Run[Out]{Started: Started{XID: xid}, client: c}
}

// Await waits for the end: see [Client.Await]. Output that does not fit its type is an error of its own; the saga is
// done all the same.
func (r Run[Out]) Await(ctx context.Context) (out Out, err error) {
	text, err := r.client.Await(ctx, r.XID)
	if err != nil || len(text) == 0 {
		return out, err
	}
	if err = json.Unmarshal(text, &out); err != nil {
		return out, &OutputError{XID: r.XID, Output: text, Err: fmt.Errorf("the output does not fit: %w", err)}
	}
	return out, nil
}

// Look returns the run as it is now.
func (r Run[Out]) Look(ctx context.Context) (State, error) { return r.client.Look(ctx, r.XID) }

// OutputError says that a saga is done, and that its output is of another type than was asked for.
type OutputError struct {
	XID    string
	Output json.RawMessage
	Err    error
}

// Error says so.
func (e *OutputError) Error() string { return fmt.Sprintf("saga %s: done: %v", e.XID, e.Err) }

// Unwrap returns what does not fit.
func (e *OutputError) Unwrap() error { return e.Err }
