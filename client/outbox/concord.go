package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/concord-tx/concord/client/api"
)

// ConcordOptions say how events are published through Concord.
type ConcordOptions struct {
	// Application and Group name who publishes. On RocketMQ the group is the tag of the messages.
	Application, Group string
	// Timeout is how long a batch may take; 10 s if 0.
	Timeout time.Duration
}

// NewConcordPublisher makes a Publisher that needs nothing but Concord: a batch is one transaction of topic branches,
// docs/EVENTS.md, and published when that has ended. Consumers find the event in the payload of the message; [Consumer]
// and [Decode] take it out. A topic has to be subscribed to by a group, or exist as a topic of RocketMQ.
func NewConcordPublisher(c *api.Client, o ConcordOptions) Publisher {
	o.Timeout = or(o.Timeout, 10*time.Second)
	return &concordPublisher{api: c, o: o}
}

type concordPublisher struct {
	api *api.Client
	o   ConcordOptions
}

// Publish implements Publisher. All events of a transaction have one outcome. A batch that the server refuses is halved
// until it is known which events it does not take, so that these do not hold up the others.
func (p *concordPublisher) Publish(ctx context.Context, events []Event) []error {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	errs := make([]error, len(events))
	if !p.parts(ctx, events, errs) {
		return errs
	}
	return nil
}

// parts publishes a batch, in halves if it is refused, and reports whether all of it is published.
func (p *concordPublisher) parts(ctx context.Context, events []Event, errs []error) bool {
	err := p.publish(ctx, events)
	if half := len(events) / 2; half > 0 && refused(err) {
		first := p.parts(ctx, events[:half], errs[:half])
		return p.parts(ctx, events[half:], errs[half:]) && first
	}
	for i := range errs {
		errs[i] = err
	}
	return err == nil
}

// refusedError is an error that says that a batch, as it is, will never be taken, and that nothing was published.
type refusedError struct{ error }

// Unwrap returns what was said.
func (e *refusedError) Unwrap() error { return e.error }

func refused(err error) bool {
	var r *refusedError
	return errors.As(err, &r)
}

func (p *concordPublisher) publish(ctx context.Context, events []Event) error {
	branches := make([]map[string]any, len(events))
	for i, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return &refusedError{fmt.Errorf("event %s: %w", e.ID, err)}
		}
		branches[i] = map[string]any{"kind": "topic", "topic": e.Topic, "payload": string(text)}
	}
	var begun struct{ XID string }
	_, err := p.api.Do(ctx, api.Request{Method: http.MethodPost, Path: "/transactions", Body: map[string]any{
		"application": p.o.Application, "group": p.o.Group, "name": "outbox",
		"timeoutMs": (p.o.Timeout + time.Second).Milliseconds(), "branches": branches,
	}}, &begun)
	var problem *api.Problem
	if errors.As(err, &problem) && !errors.Is(err, api.ErrUnknown) {
		switch problem.Status {
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
			return &refusedError{err}
		}
	}
	if err != nil {
		return err
	}
	var now struct{ Status string }
	_, err = p.api.Do(ctx, api.Request{
		Method: http.MethodPost, Path: api.Path("transactions", begun.XID, "commit"), Repeatable: true,
		Body: map[string]any{"waitMs": 5000}, Wait: 5 * time.Second,
	}, &now)
	for err == nil && now.Status != "Committed" { // decided, and being published
		if err = ctx.Err(); err != nil {
			break
		}
		_, err = p.api.Do(ctx, api.Request{
			Method: http.MethodGet, Path: api.Path("transactions", begun.XID), Wait: time.Second,
			Query: url.Values{"waitMs": {"1000"}},
		}, &now)
	}
	if err != nil {
		return fmt.Errorf("publish in transaction %s: %w", begun.XID, err)
	}
	return nil
}

// errNoTopics says that a consumer of nothing makes no sense.
var errNoTopics = errors.New("outbox: a consumer needs Topics; [\"concord-commit\"] are the decisions")
