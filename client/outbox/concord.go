package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
// docs/EVENTS.md, whose keys are the ids of the events, and published when that has ended. Consumers find the event in
// the payload of the message; [Consumer] and [Decode] take it out. A topic has to be subscribed to by a group, or exist
// as a topic of RocketMQ.
func NewConcordPublisher(c *api.Client, o ConcordOptions) Publisher {
	o.Timeout = or(o.Timeout, 10*time.Second)
	return &concordPublisher{api: c, o: o}
}

type concordPublisher struct {
	api *api.Client
	o   ConcordOptions
}

// Publish implements Publisher. A batch that the server refuses is halved until it is known which events it does not
// take, so that these do not hold up the others. Those that are under way are not begun again.
func (p *concordPublisher) Publish(ctx context.Context, events []Event) []error {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	errs := make([]error, len(events))
	fresh, at := p.goOn(ctx, events, errs)
	all := make([]error, len(fresh))
	p.parts(ctx, fresh, all)
	for i, err := range all {
		errs[at[i]] = err
	}
	for _, err := range errs {
		if err != nil {
			return errs
		}
	}
	return nil
}

// goOn looks what became of the events that are under way, and does not wait for them. It returns those to begin with,
// and where they are in errs.
func (p *concordPublisher) goOn(ctx context.Context, events []Event, errs []error) (fresh []Event, at []int) {
	xids, ends := underWayOf(ctx), map[string]error{}
	for i, e := range events {
		xid := xids[e.ID]
		err, asked := ends[xid]
		if !asked && xid != "" {
			err = p.end(ctx, xid, 0)
			ends[xid] = err
		}
		if xid == "" || err != nil && underWay(err) == "" { // it was rolled back, or was never stored
			fresh, at = append(fresh, e), append(at, i)
			continue
		}
		errs[i] = errorOf(e.ID, err)
	}
	return fresh, at
}

// parts publishes a batch, in halves if it is refused.
func (p *concordPublisher) parts(ctx context.Context, events []Event, errs []error) {
	if len(events) == 0 {
		return
	}
	err := p.publish(ctx, events)
	if half := len(events) / 2; half > 0 && refused(err) {
		p.parts(ctx, events[:half], errs[:half])
		p.parts(ctx, events[half:], errs[half:])
		return
	}
	for i, e := range events {
		errs[i] = errorOf(e.ID, err)
	}
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
	branches, times := make([]map[string]any, len(events)), map[string]int{}
	for _, e := range events {
		times[e.ID]++
	}
	for i, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return &refusedError{fmt.Errorf("event %s: %w", e.ID, err)}
		}
		branches[i] = map[string]any{"kind": "topic", "topic": e.Topic, "payload": string(text)}
		if isKey(e.ID) && times[e.ID] == 1 { // two branches with one key would be one
			branches[i]["key"] = e.ID
		}
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
	return p.end(ctx, begun.XID, 5*time.Second)
}

// end commits a transaction, and waits until it has ended, or not at all if wait is 0. An underWayError says that it
// may publish its events yet; after any other error it never will, or nobody knows it any more.
func (p *concordPublisher) end(ctx context.Context, xid string, wait time.Duration) error {
	var now progress
	_, err := p.api.Do(ctx, api.Request{
		Method: http.MethodPost, Path: api.Path("transactions", xid, "commit"), Repeatable: true,
		Body: map[string]any{"waitMs": wait.Milliseconds()}, Wait: wait,
	}, &now)
	switch api.CodeOf(err) {
	case "otherOutcomeDecided", "transactionNotFound":
		return fmt.Errorf("publish in transaction %s: %w", xid, err)
	}
	for err == nil && now.Status != "Committed" { // decided, and being published
		if err = ctx.Err(); err != nil {
			break
		}
		if wait == 0 {
			err = fmt.Errorf("it is decided and has not ended: %s", now.Status)
			break
		}
		var next progress
		_, err = p.api.Do(ctx, api.Request{
			Method: http.MethodGet, Path: api.Path("transactions", xid), Wait: time.Second,
			Query: url.Values{"waitMs": {"1000"}},
		}, &next)
		if err == nil {
			now = next
		}
	}
	if err != nil {
		return &underWayError{XID: xid, Err: err, published: now.published()}
	}
	return nil
}

// progress is how far a transaction is.
type progress struct {
	Status   string
	Branches []struct{ Key, State string }
}

// published are the ids of the events that are out.
func (p *progress) published() map[string]bool {
	if p.Status != "Committing" {
		return nil
	}
	ids := map[string]bool{}
	for _, b := range p.Branches {
		if b.Key != "" && (b.State == "Finished" || b.State == "Published") {
			ids[b.Key] = true
		}
	}
	return ids
}

// isKey reports whether the server takes an id for the key of a branch.
func isKey(id string) bool {
	return strings.TrimSpace(id) == id && !strings.ContainsFunc(id, func(r rune) bool { return !strconv.IsPrint(r) })
}

// errNoTopics says that a consumer of nothing makes no sense.
var errNoTopics = errors.New("outbox: a consumer needs Topics; [\"concord-commit\"] are the decisions")
