package saga_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/saga"
)

// yard is a real coordinator with a participant.
type yard struct {
	t      *testing.T
	server *clienttest.Process
	api    *api.Client
	client *saga.Client
	stock  *httptest.Server
	mu     sync.Mutex
	calls  map[string]int // by method and path
}

func setup(t *testing.T) *yard {
	t.Helper()
	y := &yard{t: t, server: clienttest.Run(t, "--retry-first", "50ms", "--retry-max", "200ms"), calls: map[string]int{}}
	y.stock = httptest.NewServer(http.HandlerFunc(y.serve))
	t.Cleanup(y.stock.Close)
	c, err := api.New(api.Options{Endpoints: []string{y.server.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	y.api, y.client = c, saga.NewClient(c)
	return y
}

// serve is the participant: what is below /refuse it refuses, and a poll below /poll is ready the third time.
func (y *yard) serve(w http.ResponseWriter, r *http.Request) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls[r.Method+" "+r.URL.Path]++
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/refuse" {
		w.WriteHeader(http.StatusConflict)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": y.calls["GET /poll"] >= 3, "path": r.URL.Path})
}

func (y *yard) called(what string) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.calls[what]
}

func (y *yard) publish(b *saga.Builder) saga.Version {
	y.t.Helper()
	d, err := b.Build()
	if err != nil {
		y.t.Fatal(err)
	}
	v, err := y.client.Publish(y.t.Context(), d, "test")
	if err != nil {
		y.t.Fatal(err)
	}
	return v
}

// order and receipt are the types of a shop.
type (
	order   struct{ Items []string }
	receipt struct {
		Booked []string
		Paid   int
		By     string
	}
)

// shop is a saga with nine of the ten kinds of steps; a worker has tests of its own in package worker.
func shop(y *yard, name string) {
	y.publish(saga.Define(name + "-part").Step(
		saga.Do("note", saga.POST(y.stock.URL+"/note", nil)).Compensate(saga.DELETE(y.stock.URL + "/note"))))
	y.publish(saga.Define(name).Deadline(time.Hour).Output(saga.Map{
		"booked": saga.E("steps.book.output"), "paid": saga.E("steps.pay.output.amount"),
		"by": saga.E("steps.ask.output.comment"),
	}).Step(
		saga.Do("poll", saga.GET(y.stock.URL+"/poll")).Repeat("body.ready", 10*time.Millisecond, 10),
		saga.Do("book", saga.PUT(y.stock.URL+"/book/${item}", nil)).
			ForEach(saga.Loop{In: "input.Items", As: "item"}).Output(saga.Map{"path": saga.E("body.path")}).
			Compensate(saga.DELETE(y.stock.URL+"/book/${item}")),
		saga.Sub("part", name+"-part", 0, nil),
		saga.Do("tell", saga.Publish("told", saga.E("input"))).ReadOnly(),
		saga.AwaitSignal("pay", "payment", saga.Map{"type": "object", "required": []string{"amount"}}),
		saga.Ask("ask", "Send it?"),
		saga.Choose("way", "rest", saga.Case{Name: "first", When: "steps.pay.output.amount == 5"}),
		saga.Pause("pause", time.Millisecond).After("way.first"),
		saga.Do("refuse", saga.POST(y.stock.URL+"/refuse", nil)).ReadOnly().After("way.rest"),
	))
}

func TestASagaIsRunFromBeginToEnd(t *testing.T) {
	t.Parallel()
	y := setup(t)
	shop(y, "shop")
	run, err := saga.Of[order, any](y.client, "shop").For("till").Start(t.Context(), "order-7", order{[]string{"a", "b"}})
	if err != nil || !run.New || run.Version != 1 {
		t.Fatalf("%+v %v", run, err)
	}
	again, err := saga.Of[order, any](y.client, "shop").Start(t.Context(), "order-7", order{[]string{"a", "b"}})
	if err != nil || again.New || again.XID != run.XID {
		t.Errorf("%+v %v", again, err)
	}
	_, err = saga.Of[order, any](y.client, "shop").Start(t.Context(), "order-7", order{[]string{"c"}})
	if !errors.Is(err, saga.ErrKeyTaken) {
		t.Error(err)
	}
	if xid, err := y.client.Find(t.Context(), "shop", "order-7"); err != nil || xid != run.XID {
		t.Errorf("%s %v", xid, err)
	}
	bad := saga.Signal{Name: "payment", Data: saga.Map{"sum": 5}, Patience: 10 * time.Second}
	if err := y.client.Signal(t.Context(), run.XID, bad); !errors.Is(err, saga.ErrBadInput) {
		t.Error(err)
	}
	s := saga.Signal{Name: "payment", Data: saga.Map{"amount": 5}}
	if err := y.client.Signal(t.Context(), run.XID, s); err != nil {
		t.Error(err)
	}
	if err := y.client.Signal(t.Context(), run.XID, s); !errors.Is(err, saga.ErrNotAwaited) {
		t.Error(err)
	}
	y.awaits(run.XID, "approval")
	if err := y.client.Approve(t.Context(), run.XID, "ask", "kim"); err != nil {
		t.Error(err)
	}
	got, err := saga.Attach[struct {
		Booked []struct{ Path string }
		Paid   int
		By     string
	}](y.client, run.XID).Await(t.Context())
	if err != nil || len(got.Booked) != 2 || got.Booked[1].Path != "/book/b" || got.Paid != 5 || got.By != "kim" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := saga.Attach[int](y.client, run.XID).Await(t.Context()); saga.OutcomeOf(err) != saga.Done || err == nil {
		t.Errorf("an output of another type: %v", err)
	}
	if n := y.called("GET /poll"); n != 3 {
		t.Errorf("polled %d times", n)
	}
}

// awaits waits until a run waits for something from outside.
func (y *yard) awaits(xid, kind string) {
	y.t.Helper()
	for deadline := time.Now().Add(clienttest.Patience); ; <-time.After(20 * time.Millisecond) {
		s, err := y.client.Look(y.t.Context(), xid)
		if err != nil || time.Now().After(deadline) {
			y.t.Fatalf("%+v %v", s, err)
		}
		if len(s.Waits) > 0 && s.Waits[0].Kind == kind {
			return
		}
	}
}

func TestASagaIsUndone(t *testing.T) {
	t.Parallel()
	y := setup(t)
	shop(y, "undone")
	for i, how := range []func(xid string) error{
		func(xid string) error {
			return y.client.Signal(t.Context(), xid, saga.Signal{Name: "payment", Data: saga.Map{"amount": 1}})
		},
		func(xid string) error { return y.client.Cancel(t.Context(), xid, "not wanted") },
	} {
		run, err := saga.Of[order, receipt](y.client, "undone").Start(t.Context(), "", order{[]string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		y.awaits(run.XID, "signal")
		if err := how(run.XID); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			y.awaits(run.XID, "approval")
			if err := y.client.Reject(t.Context(), run.XID, "ask", "too dear"); err != nil {
				t.Fatal(err)
			}
		}
		_, err = run.Await(t.Context())
		var undone *saga.CompensatedError
		if !errors.As(err, &undone) || undone.Cause != []string{"refused", "requested"}[i] || undone.Heuristic {
			t.Errorf("%v", err)
		}
		if n, m := y.called("DELETE /book/a"), y.called("DELETE /note"); n != i+1 || m != i+1 {
			t.Errorf("undone %d and %d times", n, m)
		}
	}
}

// TestARunThatGoesOnIsNotCalledFailed looks at what Await says before the end.
func TestARunThatGoesOnIsNotCalledFailed(t *testing.T) {
	t.Parallel()
	y := setup(t)
	y.publish(saga.Define("slow").Deadline(time.Hour).Step(saga.Pause("wait", 30*time.Minute)))
	run, err := saga.Of[any, any](y.client, "slow").Start(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = run.Await(ctx)
	var unknown *saga.UnknownError
	if !errors.As(err, &unknown) || unknown.Stuck || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	_, err = y.client.Await(t.Context(), "127.0.0.1:8091:1")
	if saga.OutcomeOf(err) != saga.Unknown || !errors.Is(err, saga.ErrNotFound) {
		t.Error(err)
	}
}

// TestAStuckRunIsSaidToBeStuck has a step behind the pivot refused for ever.
func TestAStuckRunIsSaidToBeStuck(t *testing.T) {
	t.Parallel()
	y := setup(t)
	y.publish(saga.Define("stuck").Deadline(time.Hour).Step(
		saga.Do("pay", saga.POST(y.stock.URL+"/pay", nil)).Pivot(),
		saga.Do("send", saga.POST(y.stock.URL+"/refuse", nil)).Retry(saga.Retry{First: time.Millisecond, Attempts: 2}),
	))
	run, err := saga.Of[any, any](y.client, "stuck").Start(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = run.Await(t.Context())
	var unknown *saga.UnknownError
	if !errors.As(err, &unknown) || !unknown.Stuck || unknown.Advice == "" ||
		!slices.Equal(unknown.Steps, []string{"send"}) {
		t.Error(err)
	}
	if err := y.client.Cancel(t.Context(), run.XID, "no"); !errors.Is(err, saga.ErrPastPivot) {
		t.Error(err)
	}
	if err := y.client.Retry(t.Context(), run.XID, "send"); err != nil {
		t.Error(err)
	}
}

// TestAwaitOutlastsARestart has the coordinator killed and restarted while somebody waits.
func TestAwaitOutlastsARestart(t *testing.T) {
	t.Parallel()
	y := setup(t)
	y.publish(saga.Define("long").Deadline(time.Hour).Step(saga.AwaitSignal("go", "go", nil)).Output(saga.Map{"n": 7}))
	run, err := saga.Of[any, struct{ N int }](y.client, "long").Start(t.Context(), "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	ended := make(chan error, 1)
	go func() {
		out, err := run.Await(t.Context())
		done.Store(out.N == 7)
		ended <- err
	}()
	y.server.Restart()
	if err := y.client.Signal(t.Context(), run.XID, saga.Signal{Name: "go", Patience: 10 * time.Second}); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil || !done.Load() {
		t.Error(err)
	}
}

// TestEachEndHasItsOutcome goes through the ends of Run, which starts and awaits, and reads what their errors say.
func TestEachEndHasItsOutcome(t *testing.T) {
	t.Parallel()
	y := setup(t)
	shape := saga.Map{"type": "object", "required": []string{"path"}}
	v := y.publish(saga.Define("ends").Input(shape).Deadline(time.Hour).Output(saga.Map{"path": saga.E("input.path")}).
		Step(saga.Do("a", saga.PATCH(y.stock.URL+"/${input.path}", nil)).ReadOnly()))
	type in struct {
		Path string `json:"path,omitempty"`
	}
	of := func(c *saga.Client) saga.Saga[in, in] { return saga.Of[in, in](c, "ends") }
	ends := of(y.client).Version(v.Version)
	gone, err := api.New(api.Options{Endpoints: []string{"http://127.0.0.1:1"}, Patience: -1})
	if err != nil {
		t.Fatal(err)
	}
	lost, err := api.New(api.Options{Endpoints: []string{y.server.URL()}, Patience: -1, Transport: forgetful{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = gone.Close(), lost.Close() })
	for _, c := range []struct {
		name string
		saga saga.Saga[in, in]
		in   in
		want saga.Outcome
		is   error
		text string
	}{
		{"done", ends, in{"go"}, saga.Done, nil, ""},
		{"compensated", ends, in{"refuse"}, saga.Compensated, nil, "compensated: step a"},
		{"bad input", ends, in{}, saga.NotStarted, saga.ErrBadInput, `saga "ends": not started`},
		{"no such saga", of(y.client).Version(99), in{"go"}, saga.NotStarted, saga.ErrNotFound, "not started"},
		{"nobody there", of(saga.NewClient(gone)), in{"go"}, saga.NotStarted, api.ErrUnreachable, "dial"},
		{"answer lost", of(saga.NewClient(lost)), in{"go"}, saga.Unknown, api.ErrUnknown, "not known"},
	} {
		out, err := c.saga.Run(t.Context(), "", c.in)
		got := saga.OutcomeOf(err)
		if got != c.want || c.is != nil && !errors.Is(err, c.is) || got == saga.Done && out != c.in {
			t.Errorf("%s: %v, not %v: %v", c.name, got, c.want, err)
		}
		if c.text != "" && !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%s says %v", c.name, err)
		}
	}
}

// forgetful loses every answer.
type forgetful struct{}

func (forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		err = errors.New("lost")
	}
	return nil, err
}

func TestPublishingTwiceIsOneVersion(t *testing.T) {
	t.Parallel()
	y := setup(t)
	b := func(d time.Duration) *saga.Builder {
		return saga.Define("v").Step(saga.Pause("a", d)).Deadline(time.Hour)
	}
	var got []any
	for _, d := range []time.Duration{time.Second, time.Second, 2 * time.Second} {
		v := y.publish(b(d))
		got = append(got, v.Version, v.New)
	}
	if diff := cmp.Diff([]any{1, true, 1, false, 2, true}, got); diff != "" {
		t.Error(diff)
	}
	d, err := saga.Define("unsound").Step(saga.Do("a", saga.Task("t", nil)), saga.Do("b", saga.Task("t", nil))).Build()
	if err != nil {
		t.Fatal(err)
	}
	_, err = y.client.Publish(t.Context(), d, "")
	var unsound *saga.UnsoundError
	if !errors.As(err, &unsound) || len(unsound.Findings) == 0 || unsound.Findings[0].Rule != "no-compensation" {
		t.Errorf("%v", err)
	}
	r, err := y.client.Review(t.Context(), d)
	if err != nil || r.Sound || len(r.Findings) == 0 || r.Name != "unsound" {
		t.Errorf("%+v %v", r, err)
	}
	text := []byte("saga: 1\nname: text\nsteps: [{id: a, timer: {for: 1s}}]")
	if _, err := y.client.PublishText(t.Context(), text, "n"); err != nil {
		t.Error(err)
	}
}
