package message

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/concord-tx/concord/client/api"
)

// Message is what others are told, and where.
type Message struct {
	// Name is for people, such as "order placed".
	Name string
	// Application and Group are those of Options if empty. The group is the tag of events on RocketMQ.
	Application, Group string
	// Timeout is how long the sender may be silent before it is asked; 10 s if 0.
	Timeout time.Duration
	// Data is kept with the message, as JSON, for people; nil: nothing.
	Data any
	// Deliveries are where it goes; at least one.
	Deliveries []Delivery
	// Key makes Prepare idempotent: the same key within a day is the same message, whatever became of it since. One at
	// random if empty, as it has to be for Do.
	Key string
}

// Delivery is one destination: a URL that is called until it confirms (docs/PARTICIPANTS.md), or a topic
// (docs/EVENTS.md). Exactly one of the two is set.
type Delivery struct {
	URL, Topic string
	// Payload is sent as it is if it is a string or a []byte of text, anything else as its JSON.
	Payload any
	// Headers are sent along to a URL.
	Headers map[string]string
	// Report: a topic's delivery is done when its consumer has reported so, and not when the message is durable.
	Report bool
	// Timeout bounds one call of a URL; 0: the server's limit.
	Timeout time.Duration
	// Retry spaces the attempts; its zero values are the server's.
	Retry Retry
}

// Retry says how a URL is tried again.
type Retry struct {
	First, Max time.Duration // the first pause, which doubles up to Max
	Attempts   int           // failures after which a person is needed
}

// Options say who sends.
type Options struct {
	// API is required.
	API *api.Client
	// Store keeps the records that answer the coordinator's question; Do needs it. sqlfence.Store is one.
	Store Store
	// CheckURL is where the coordinator asks; required. Its handler is CheckHandler of the same database, and the
	// server's callback.allow lists its host.
	CheckURL string
	// CheckHeaders are sent along with the question, such as one that authenticates the coordinator.
	CheckHeaders map[string]string
	// CheckTimeout bounds one question; 0: the server's limit. The handler waits in it for a local transaction that is
	// under way.
	CheckTimeout time.Duration
	// CheckRetry spaces the questions; its zero values are the server's.
	CheckRetry Retry
	// Application and Group name the sender, where a message does not.
	Application, Group string
	// EndTimeout bounds what is done after the local transaction: finding out whether it has committed, submitting and
	// withdrawing. It goes on when ctx has ended; 15 s if 0.
	EndTimeout time.Duration
	// Logger is told of messages that are left to the coordinator's question; nil: nobody is.
	Logger *slog.Logger
}

// Sender sends messages. Make it with New; all methods may be called concurrently.
type Sender struct{ o Options }

// New makes a sender.
func New(o Options) (*Sender, error) {
	switch {
	case o.API == nil:
		return nil, errors.New("message: Options.API is missing")
	case o.CheckURL == "":
		return nil, errors.New("message: Options.CheckURL is missing: nobody could tell what became of a silent sender")
	}
	if o.EndTimeout == 0 {
		o.EndTimeout = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Sender{o: o}, nil
}

// Prepare has the coordinator keep a message, durably, until it is submitted or withdrawn, and returns its xid. After
// an error there may be a message all the same; it is asked about, and forgotten since nothing was recorded for it.
func (s *Sender) Prepare(ctx context.Context, m Message) (xid string, err error) {
	body, err := s.body(m)
	if err != nil {
		return "", fmt.Errorf("prepare message %q: %w", m.Name, err)
	}
	var out struct {
		XID string `json:"xid"`
	}
	r := api.Request{Method: http.MethodPost, Path: "/messages", Body: body, Key: m.Key}
	if _, err = s.o.API.Do(ctx, r, &out); err != nil {
		return "", fmt.Errorf("prepare message %q: %w", m.Name, err)
	}
	if out.XID == "" {
		return "", fmt.Errorf("prepare message %q: the answer has no xid", m.Name)
	}
	return out.XID, nil
}

// Submit has a prepared message delivered. It does not wait for the deliveries, and may be repeated. The error is
// [*WithdrawnError] if the message was withdrawn before.
func (s *Sender) Submit(ctx context.Context, xid string) error {
	err := s.settle(ctx, xid, "submit")
	if api.CodeOf(err) == "otherOutcomeDecided" {
		return &WithdrawnError{XID: xid}
	}
	return err
}

// Withdraw has a prepared message forgotten. It may be repeated.
func (s *Sender) Withdraw(ctx context.Context, xid string) error {
	return s.settle(ctx, xid, "withdraw")
}

func (s *Sender) settle(ctx context.Context, xid, what string) error {
	r := api.Request{
		Method: http.MethodPost, Path: api.Path("messages", xid, what), Key: xid + "/" + what, Repeatable: true,
	}
	if _, err := s.o.API.Do(ctx, r, nil); err != nil {
		return fmt.Errorf("%s message %s: %w", what, xid, err)
	}
	return nil
}

// The forms that messages have on the wire; web/openapi.yaml has them.
type (
	wireMessage struct {
		Application string          `json:"application,omitempty"`
		Group       string          `json:"group,omitempty"`
		Name        string          `json:"name,omitempty"`
		TimeoutMs   int64           `json:"timeoutMs,omitempty"`
		Data        json.RawMessage `json:"data,omitempty"`
		Check       wireCheck       `json:"check"`
		Deliveries  []wireDelivery  `json:"deliveries"`
	}
	wireCheck struct {
		URL       string            `json:"url"`
		Headers   map[string]string `json:"headers,omitempty"`
		TimeoutMs int64             `json:"timeoutMs,omitempty"`
		Retry     *wireRetry        `json:"retry,omitempty"`
	}
	wireDelivery struct {
		URL       string            `json:"url,omitempty"`
		Topic     string            `json:"topic,omitempty"`
		Ack       string            `json:"ack,omitempty"`
		Payload   json.RawMessage   `json:"payload,omitempty"`
		Headers   map[string]string `json:"headers,omitempty"`
		TimeoutMs int64             `json:"timeoutMs,omitempty"`
		Retry     *wireRetry        `json:"retry,omitempty"`
	}
	wireRetry struct {
		FirstMs  int64 `json:"firstMs,omitempty"`
		MaxMs    int64 `json:"maxMs,omitempty"`
		Attempts int   `json:"attempts,omitempty"`
	}
)

func (s *Sender) body(m Message) (w wireMessage, err error) {
	w = wireMessage{
		Application: or(m.Application, s.o.Application), Group: or(m.Group, s.o.Group), Name: m.Name,
		TimeoutMs: m.Timeout.Milliseconds(), Check: wireCheck{
			URL: s.o.CheckURL, Headers: s.o.CheckHeaders, TimeoutMs: s.o.CheckTimeout.Milliseconds(),
			Retry: s.o.CheckRetry.wire(),
		},
	}
	if w.Data, err = plain(m.Data); err != nil {
		return w, fmt.Errorf("its data: %w", err)
	}
	for i, d := range m.Deliveries {
		if (d.URL == "") == (d.Topic == "") {
			return w, fmt.Errorf("delivery %d: one of URL and Topic has to be set", i)
		}
		one := wireDelivery{
			URL: d.URL, Topic: d.Topic, Headers: d.Headers, TimeoutMs: d.Timeout.Milliseconds(), Retry: d.Retry.wire(),
		}
		if d.Report {
			one.Ack = "report"
		}
		if one.Payload, err = plain(d.Payload); err != nil {
			return w, fmt.Errorf("the payload of delivery %d: %w", i, err)
		}
		w.Deliveries = append(w.Deliveries, one)
	}
	return w, nil
}

func (r Retry) wire() *wireRetry {
	if r == (Retry{}) {
		return nil
	}
	return &wireRetry{FirstMs: r.First.Milliseconds(), MaxMs: r.Max.Milliseconds(), Attempts: r.Attempts}
}

// plain is a value as JSON: a text as a JSON string, which the server sends as it is.
func plain(v any) (json.RawMessage, error) {
	switch p := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		return json.Marshal(string(p))
	}
	return json.Marshal(v)
}

func or(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}
