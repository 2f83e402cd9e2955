package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/worker"
)

// yard is a real coordinator.
type yard struct {
	t      *testing.T
	server *clienttest.Process
	api    *api.Client
}

func setup(t *testing.T) *yard {
	t.Helper()
	y := &yard{t: t, server: clienttest.Run(t, "--retry-first", "100ms", "--retry-max", "300ms")}
	y.api = y.client(nil)
	return y
}

// in is the same coordinator for another test.
func (y *yard) in(t *testing.T) *yard { return &yard{t: t, server: y.server, api: y.api} }

func (y *yard) client(transport http.RoundTripper) *api.Client {
	y.t.Helper()
	c, err := api.New(api.Options{Endpoints: []string{y.server.URL()}, Transport: transport})
	if err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(func() { _ = c.Close() })
	return c
}

// work runs a worker until the test, or what is returned, ends it.
func (y *yard) work(o worker.Options, tasks map[string]worker.Handler) (stop func()) {
	y.t.Helper()
	if o.API == nil {
		o.API = y.api
	}
	w, err := worker.New(o, tasks)
	if err != nil {
		y.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			y.t.Errorf("the worker ended with %v", err)
		}
	})
	y.t.Cleanup(stop)
	return stop
}

// start publishes a saga and begins a run of it.
func (y *yard) start(name, steps string, input any) (xid string) {
	y.t.Helper()
	text := "saga: 1\nname: " + name + "\ndeadline: 1h\nsteps:\n" + strings.TrimLeft(steps, "\n")
	r := api.Request{
		Method: http.MethodPost, Path: "/sagas/definitions", Body: []byte(text), ContentType: "application/yaml",
	}
	if _, err := y.api.Do(y.t.Context(), r, nil); err != nil {
		y.t.Fatalf("publish: %v\n%s", err, text)
	}
	var out struct{ XID string }
	r = api.Request{
		Method: http.MethodPost, Path: "/sagas/runs", Body: map[string]any{"saga": name, "input": input},
	}
	if _, err := y.api.Do(y.t.Context(), r, &out); err != nil {
		y.t.Fatalf("start: %v", err)
	}
	return out.XID
}

// run is what the server says of a run.
type run struct {
	Status string
	Output json.RawMessage
	Steps  []struct {
		Name, State, Failure string
		Attempts             int
		Answer               json.RawMessage
		Undo                 *struct{ State string }
	}
}

// ends waits until a run has a status.
func (y *yard) ends(xid, status string) run {
	y.t.Helper()
	for deadline := time.Now().Add(clienttest.Patience); ; {
		r := api.Request{
			Method: http.MethodGet, Path: api.Path("transactions", xid), Query: map[string][]string{"waitMs": {"5000"}},
			Wait: 5 * time.Second,
		}
		if _, err := y.api.Do(y.t.Context(), r, nil); err != nil {
			y.t.Fatal(err)
		}
		got := y.look(xid)
		if got.Status == status {
			return got
		}
		if got.Status == "Committed" || got.Status == "RolledBack" || time.Now().After(deadline) {
			y.t.Fatalf("the run is %s, not %s: %+v", got.Status, status, got.Steps)
		}
	}
}

func (y *yard) look(xid string) (got run) {
	y.t.Helper()
	r := api.Request{Method: http.MethodGet, Path: api.Path("sagas", "runs", xid)}
	if _, err := y.api.Do(y.t.Context(), r, &got); err != nil {
		y.t.Fatal(err)
	}
	return got
}

// receipt and order are the types of a shop.
type (
	order   struct{ Total int }
	receipt struct{ Paid int }
)

func TestTasks(t *testing.T) {
	t.Parallel()
	y := setup(t)
	for _, c := range []struct {
		name string
		run  func(*yard)
	}{
		{"a result is the output of its step", typed},
		{"a refusal compensates what was done", refusal},
		{"a failure is tried again", failure},
		{"a lease lasts as long as its handler", lease},
		{"a handler ends when its task is not wanted any more", unwanted},
		{"what goes on is ended by whoever knows", ongoing},
		{"no more run at once than are allowed", crowd},
		{"a worker that is told to stop finishes what it does", drain},
		{"a handler that goes on for too long is told to stop", drainOver},
		{"the task of a worker that dies goes to another", death},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(y.in(t))
		})
	}
}

func typed(y *yard) {
	pay := func(_ context.Context, t *worker.Task, in order) (receipt, error) {
		if t.Compensation || t.Attempt != 1 || t.Saga != "typed" || t.Step != "pay" || t.Branch == 0 || t.Version != 1 {
			return receipt{}, fmt.Errorf("%+v", t)
		}
		return receipt{Paid: 2 * in.Total}, nil
	}
	tell := func(_ context.Context, _ *worker.Task, paid int) (any, error) {
		if paid != 42 {
			return nil, fmt.Errorf("%d was paid", paid)
		}
		return nil, nil
	}
	y.work(worker.Options{}, map[string]worker.Handler{"typed-pay": worker.Typed(pay), "typed-tell": worker.Typed(tell)})
	xid := y.start("typed", `
  - {id: pay, worker: {task: typed-pay, input: "${input}"}, readOnly: true}
  - {id: tell, worker: {task: typed-tell, input: "${steps.pay.output.Paid}"}, readOnly: true}
`, order{21})
	if got := y.ends(xid, "Committed"); got.Steps[0].Attempts != 1 || got.Steps[1].Attempts != 1 {
		y.t.Errorf("%+v", got.Steps)
	}
}

func refusal(y *yard) {
	var undone atomic.Int32
	y.work(worker.Options{}, map[string]worker.Handler{
		"refusal-book": worker.Typed(func(context.Context, *worker.Task, any) (string, error) { return "seat 4", nil }),
		"refusal-unbook": worker.Typed(func(_ context.Context, t *worker.Task, seat string) (any, error) {
			if !t.Compensation || seat != "seat 4" {
				return nil, fmt.Errorf("%q %+v", seat, t)
			}
			undone.Add(1)
			return nil, nil
		}),
		"refusal-pay": worker.Typed(func(context.Context, *worker.Task, any) (any, error) {
			return nil, fmt.Errorf("pay: %w", worker.Fail("the card has expired"))
		}),
	})
	xid := y.start("refusal", `
  - id: book
    worker: {task: refusal-book}
    compensate: {worker: {task: refusal-unbook, input: "${output}"}}
  - {id: pay, worker: {task: refusal-pay}, readOnly: true}
`, nil)
	got := y.ends(xid, "RolledBack")
	if undone.Load() != 1 || got.Steps[0].Undo.State != "done" || !strings.Contains(got.Steps[1].Failure, "expired") {
		y.t.Errorf("undone %d times; %+v", undone.Load(), got.Steps)
	}
}

// explosive is a result that panics when it is written.
type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("a result") }

func failure(y *yard) {
	var log bytes.Buffer
	var mu sync.Mutex
	y.work(worker.Options{Concurrency: 1, Logger: slog.New(slog.NewTextHandler(&locked{&mu, &log}, nil))},
		map[string]worker.Handler{"failure": worker.HandlerFunc(func(_ context.Context, t *worker.Task) (any, error) {
			switch t.Attempt {
			case 1:
				panic("boom")
			case 2:
				return nil, worker.Retry(200*time.Millisecond, errors.New("not now"))
			case 3:
				return func() {}, nil // no JSON
			case 4:
				return nil, errors.New("again")
			case 5:
				return explosive{}, nil
			case 6:
				return nil, (*worker.FailError)(nil)
			}
			return t.Attempt, nil
		})})
	began := time.Now()
	xid := y.start("failure", "  - {id: a, worker: {task: failure}, readOnly: true, retry: {first: 10ms, max: 10ms}}", nil)
	got := y.ends(xid, "Committed")
	mu.Lock()
	defer mu.Unlock()
	if got.Steps[0].Attempts != 7 || time.Since(began) < 200*time.Millisecond {
		y.t.Errorf("after %v: %+v", time.Since(began), got.Steps)
	}
	if !strings.Contains(log.String(), "panic=boom") || !strings.Contains(log.String(), "worker_test.go") {
		y.t.Errorf("the log has no report of the panic:\n%s", log.String())
	}
	if n := strings.Count(log.String(), "a task has failed"); n != 6 {
		y.t.Errorf("%d failures are logged:\n%s", n, log.String())
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func lease(y *yard) {
	y.work(worker.Options{Lease: 4 * time.Second}, map[string]worker.Handler{
		"lease": worker.HandlerFunc(func(ctx context.Context, _ *worker.Task) (any, error) {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(9 * time.Second): // more than twice as long as its first lease
				return "done", nil
			}
		}),
	})
	xid := y.start("lease", "  - {id: a, worker: {task: lease}, readOnly: true, timeout: 4s}", nil)
	if got := y.ends(xid, "Committed"); got.Steps[0].Attempts != 1 {
		y.t.Errorf("%+v", got.Steps)
	}
}

func unwanted(y *yard) {
	begun, ended := make(chan string, 1), make(chan error, 1)
	y.work(worker.Options{}, map[string]worker.Handler{
		"unwanted": worker.HandlerFunc(func(ctx context.Context, t *worker.Task) (any, error) {
			begun <- t.XID
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, ctx.Err()
		}),
	})
	y.start("unwanted", "  - {id: a, worker: {task: unwanted}, readOnly: true, timeout: 1s}", nil)
	r := api.Request{
		Method: http.MethodPost, Path: api.Path("sagas", "runs", <-begun, "cancel"),
		Body: map[string]string{"reason": "test"},
	}
	if _, err := y.api.Do(y.t.Context(), r, nil); err != nil {
		y.t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, worker.ErrLeaseLost) {
		y.t.Error(err)
	}
}

func ongoing(y *yard) {
	ids := make(chan string, 10)
	y.work(worker.Options{}, map[string]worker.Handler{
		"ongoing": worker.HandlerFunc(func(_ context.Context, t *worker.Task) (any, error) {
			ids <- t.ID
			return nil, worker.Ongoing(time.Minute)
		}),
	})
	xid := y.start("ongoing", `
  - {id: a, worker: {task: ongoing}, readOnly: true, timeout: 30s, output: {said: "${body}"}}
  - {id: b, timer: {for: 1ms}, when: "steps.a.output.said == 'at last'"}
`, nil)
	other, err := worker.New(worker.Options{API: y.api}, map[string]worker.Handler{"none": worker.HandlerFunc(nil)})
	if err != nil {
		y.t.Fatal(err)
	}
	id := <-ids
	for range 2 { // the same twice is once
		if err := other.Done(y.t.Context(), id, "at last"); err != nil {
			y.t.Error(err)
		}
	}
	if got := y.ends(xid, "Committed"); got.Steps[0].Attempts != 1 || len(got.Steps) != 2 {
		y.t.Errorf("%+v", got.Steps)
	}
	if err := other.Refuse(y.t.Context(), id, "too late", nil); !errors.Is(err, worker.ErrLeaseLost) {
		y.t.Error(err)
	}
}

func crowd(y *yard) {
	const most = 3
	var running, peak, done atomic.Int32
	full := make(chan struct{})
	var fill sync.Once
	y.work(worker.Options{Concurrency: most}, map[string]worker.Handler{
		"crowd": worker.HandlerFunc(func(ctx context.Context, _ *worker.Task) (any, error) {
			n := running.Add(1)
			defer running.Add(-1)
			for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
			}
			if n == most {
				fill.Do(func() { close(full) })
			}
			select {
			case <-full:
			case <-ctx.Done():
			}
			<-time.After(20 * time.Millisecond) // more would come now
			done.Add(1)
			return nil, nil
		}),
	})
	xid := y.start("crowd",
		"  - {id: a, worker: {task: crowd}, readOnly: true, forEach: {in: input, parallel: 30}}", make([]int, 30))
	y.ends(xid, "Committed")
	if peak.Load() != most || done.Load() != 30 {
		y.t.Errorf("%d at once, %d in all", peak.Load(), done.Load())
	}
}

func drain(y *yard) {
	begun := make(chan struct{})
	stop := y.work(worker.Options{}, map[string]worker.Handler{
		"drain": worker.HandlerFunc(func(ctx context.Context, _ *worker.Task) (any, error) {
			close(begun)
			<-time.After(300 * time.Millisecond)
			return "done", ctx.Err()
		}),
	})
	xid := y.start("drain", "  - {id: a, worker: {task: drain}, readOnly: true}", nil)
	<-begun
	stop()
	if got := y.look(xid); got.Steps[0].State != "done" || got.Steps[0].Attempts != 1 {
		y.t.Errorf("%+v", got)
	}
}

func drainOver(y *yard) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	stop := y.work(worker.Options{Drain: 50 * time.Millisecond}, map[string]worker.Handler{
		"drain-over": worker.HandlerFunc(func(ctx context.Context, _ *worker.Task) (any, error) {
			close(begun)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, context.Cause(ctx)
		}),
	})
	y.start("drain-over", "  - {id: a, worker: {task: drain-over}, readOnly: true}", nil)
	<-begun
	stop()
	if err := <-ended; !errors.Is(err, worker.ErrDrained) {
		y.t.Error(err)
	}
}

// cut is a connection that can be cut: the process behind it is dead to the world.
type cut struct{ dead atomic.Bool }

func (c *cut) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.dead.Load() {
		return nil, errors.New("dead")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func death(y *yard) {
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	line, begun := &cut{}, make(chan struct{})
	stop := y.work(worker.Options{API: y.client(line), Concurrency: 1}, map[string]worker.Handler{
		"death": worker.HandlerFunc(func(ctx context.Context, _ *worker.Task) (any, error) {
			line.dead.Store(true)
			close(begun)
			<-ctx.Done() // its lease is over, and it notices without being told
			return nil, context.Cause(ctx)
		}),
	})
	xid := y.start("death", "  - {id: a, worker: {task: death}, readOnly: true, timeout: 1s}", nil)
	<-begun
	y.work(worker.Options{}, map[string]worker.Handler{
		"death": worker.HandlerFunc(func(_ context.Context, t *worker.Task) (any, error) { return t.Attempt, nil }),
	})
	if got := y.ends(xid, "Committed"); string(got.Steps[0].Answer) != "2" {
		y.t.Errorf("%+v %s", got.Steps, got.Steps[0].Answer)
	}
	stop()
}

// TestAResultCountsAfterARestart has the coordinator killed while a handler runs.
func TestAResultCountsAfterARestart(t *testing.T) {
	t.Parallel()
	y := setup(t)
	begun, on := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	y.work(worker.Options{}, map[string]worker.Handler{
		"slow": worker.HandlerFunc(func(context.Context, *worker.Task) (any, error) {
			if calls.Add(1) == 1 {
				close(begun)
			}
			<-on
			return "done", nil
		}),
	})
	xid := y.start("slow", "  - {id: a, worker: {task: slow}, readOnly: true}", nil)
	<-begun
	y.server.Kill()
	close(on) // it is told while nobody listens
	y.server.Restart()
	if got := y.ends(xid, "Committed"); calls.Load() != 1 || got.Steps[0].Attempts != 1 {
		t.Errorf("%d calls; %+v", calls.Load(), got.Steps)
	}
}

func TestAWorkerNeedsTasks(t *testing.T) {
	t.Parallel()
	c, err := api.New(api.Options{Endpoints: []string{"http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	does := map[string]worker.Handler{"a": worker.HandlerFunc(nil)}
	for _, w := range []struct {
		name  string
		o     worker.Options
		tasks map[string]worker.Handler
	}{
		{"no api", worker.Options{}, does},
		{"no tasks", worker.Options{API: c}, nil},
		{"no handler", worker.Options{API: c}, map[string]worker.Handler{"a": nil}},
		{"too many at once", worker.Options{API: c, Concurrency: 101}, does},
		{"polls without end", worker.Options{API: c, Wait: time.Hour}, does},
	} {
		if _, err := worker.New(w.o, w.tasks); err == nil {
			t.Errorf("%s: it was made", w.name)
		}
	}
}
