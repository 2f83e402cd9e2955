package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/saga/definition"
)

// What the server says no to that a caller branches on. errors.Is finds them, and errors.As the [*api.Problem].
var (
	// ErrKeyTaken says that a run has the key, with another input.
	ErrKeyTaken = errors.New("a run has this key, with another input")
	// ErrRunGone says that the run that had the key has ended, and its record is no longer kept.
	ErrRunGone = errors.New("the run that had this key is past retention")
	// ErrBadInput says that the input, or the data of a signal, does not fit its schema.
	ErrBadInput = errors.New("it does not fit the schema")
	// ErrNotAwaited says that no step waits for the signal now.
	ErrNotAwaited = errors.New("no step waits for it now")
	// ErrSeveralAwait says that several steps wait for the signal; name one.
	ErrSeveralAwait = errors.New("several steps wait for it")
	// ErrPastPivot says that a step has begun after which there is no way back.
	ErrPastPivot = errors.New("there is no way back")
	// ErrNotFound says that there is no such saga, or run.
	ErrNotFound = errors.New("there is none")
)

// refusal adds the sentinel of a code to an error.
func refusal(err error) error {
	switch api.CodeOf(err) {
	case "keyTaken":
		return fmt.Errorf("%w: %w", ErrKeyTaken, err)
	case "runGone":
		return fmt.Errorf("%w: %w", ErrRunGone, err)
	case "badInput":
		return fmt.Errorf("%w: %w", ErrBadInput, err)
	case "notAwaited":
		return fmt.Errorf("%w: %w", ErrNotAwaited, err)
	case "severalAwait":
		return fmt.Errorf("%w: %w", ErrSeveralAwait, err)
	case "pastPivot":
		return fmt.Errorf("%w: %w", ErrPastPivot, err)
	}
	var p *api.Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// Client publishes, starts and steers sagas. Make it with NewClient.
type Client struct{ api *api.Client }

// NewClient makes a client of a connection to the servers.
func NewClient(c *api.Client) *Client { return &Client{api: c} }

// Finding is one thing that the server's rules say of a definition; docs/SAGAS.md has the rules.
type Finding struct {
	Rule, Severity, Path, Text, Advice string
	Line, Column                       int
}

// Failure is a way to a bad end that the server has found by letting everything happen.
type Failure struct {
	Step, Text string
	Timeline   []string
}

// Review is what the server says of a definition.
type Review struct {
	// Name is that of the saga, Sound whether it may be published.
	Name     string
	Sound    bool
	Findings []Finding
	Explored struct {
		States, Paths int
		Exhaustive    bool
		Part          string // that was looked at as a whole, in words; "" if all was
		Failures      []Failure
	}
}

// UnsoundError is the refusal to publish a definition.
type UnsoundError struct {
	Findings []Finding
	Failures []Failure
	// Err is the server's answer.
	Err error
}

// Error lists what was found.
func (e *UnsoundError) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n\t%s: %s: %s", or(f.Path, "/"), f.Rule, f.Text)
	}
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "\n\tstep %s: %s: after %s", f.Step, f.Text, strings.Join(f.Timeline, ", "))
	}
	return b.String()
}

// Unwrap returns the server's answer.
func (e *UnsoundError) Unwrap() error { return e.Err }

// Version is a published definition.
type Version struct {
	Name    string
	Version int
	// Digest is the hash of what it means.
	Digest string
	// Subs are the versions of its sub-sagas.
	Subs map[string]int
	// Findings are warnings and hints.
	Findings []Finding
	// New is false if the newest version meant the same already.
	New bool
}

// Review applies the server's rules to a definition, and lets everything happen that can, without publishing it.
func (c *Client) Review(ctx context.Context, d *definition.Definition) (r Review, err error) {
	body, err := document(d)
	if err != nil {
		return r, err
	}
	_, err = c.api.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/sagas/review", Body: body, NoKey: true, Repeatable: true,
	}, &r)
	return r, err
}

// Publish makes a definition the newest version of its saga, or finds that it is. The note, which may be empty, is for
// people. What is not sound is an [*UnsoundError]. It needs the role operator.
func (c *Client) Publish(ctx context.Context, d *definition.Definition, note string) (Version, error) {
	body, err := document(d)
	if err != nil {
		return Version{}, err
	}
	return c.PublishText(ctx, body, note)
}

// PublishText is Publish for a definition as it stands in a file, YAML or JSON, with its comments.
func (c *Client) PublishText(ctx context.Context, text []byte, note string) (v Version, err error) {
	r := api.Request{
		Method: http.MethodPost, Path: "/sagas/definitions", Body: text, ContentType: "application/yaml", Repeatable: true,
	}
	if note != "" {
		r.Query = url.Values{"note": {note}}
	}
	answer, err := c.api.Do(ctx, r, &v)
	v.New = answer.Status == http.StatusCreated
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != http.StatusUnprocessableEntity {
		return v, err
	}
	unsound := &UnsoundError{Err: err}
	var body struct {
		Findings []Finding
		Explored struct{ Failures []Failure }
	}
	if json.Unmarshal(p.Body, &body) == nil {
		unsound.Findings, unsound.Failures = body.Findings, body.Explored.Failures
	}
	return v, unsound
}

// document is a definition as people read it.
func document(d *definition.Definition) ([]byte, error) {
	return json.MarshalIndent(json.RawMessage(d.Canonical()), "", "  ")
}

// Start says which run is to begin. Only Saga is required.
type Start struct {
	// Saga is the name of a published definition; Version the newest if 0.
	Saga    string
	Version int
	// Key is the business's own name of the run, of at most 200 bytes: with one key there is one run, however often it
	// is started. Without a key each Start begins a run, two perhaps if an answer is lost for longer than a day.
	Key string
	// Input is JSON, which has to fit the schema of the definition.
	Input any
	// Application is whose run it is.
	Application string
	// Timeout is there in place of the deadline of the definition.
	Timeout time.Duration
}

// Started is a run that has begun.
type Started struct {
	XID, Saga, Key string
	Version        int
	Status         Status
	// New is false if there was a run with the key.
	New bool
}

// Start begins a run, durably, or finds the one that has its key. The error is a [*NotStartedError], or an
// [*UnknownError] without an xid if no answer has come: then start again, with the same key.
func (c *Client) Start(ctx context.Context, s Start) (started Started, err error) {
	body := map[string]any{"saga": s.Saga}
	number(body, "version", s.Version)
	text(body, "key", s.Key)
	text(body, "application", s.Application)
	duration(body, "timeout", s.Timeout)
	if s.Input != nil {
		body["input"] = s.Input
	}
	r := api.Request{Method: http.MethodPost, Path: "/sagas/runs", Body: body, Repeatable: s.Key != ""}
	answer, err := c.api.Do(ctx, r, &started)
	switch {
	case errors.Is(err, api.ErrUnknown) || err != nil && answer.Status == http.StatusCreated:
		return started, &UnknownError{Err: err}
	case err != nil:
		return started, &NotStartedError{Saga: s.Saga, Key: s.Key, Err: refusal(err)}
	}
	started.New = answer.Status == http.StatusCreated
	return started, nil
}
