package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/concord-tx/concord/client/api"
)

// namesMax is how many tasks one poll may ask for.
const namesMax = 100

// Options say how a worker works. Only API is required.
type Options struct {
	API *api.Client
	// Name is what people see of it, at most 128 bytes; the host's name if empty.
	Name string
	// Concurrency is how many handlers run at once; 10 if 0, 100 at most.
	Concurrency int
	// Wait is how long a poll waits at the server; 20 s if 0, a minute at most.
	Wait time.Duration
	// Lease is how long a task stays with a worker that dies: by so much the lease is prolonged, over and over, while a
	// handler runs. If 0 it is what the server gave it first, 10 s at least and a minute at most.
	Lease time.Duration
	// Drain is how long handlers may go on when Run is told to end; 30 s if 0. Then their contexts end.
	Drain time.Duration
	// Logger is told of failed attempts, panics, lost leases and servers that cannot be reached; nil: nobody is.
	Logger *slog.Logger
}

// Worker fetches tasks. Make it with New.
type Worker struct {
	o        Options
	names    []string
	handlers map[string]Handler
}

// New makes a worker for tasks, which it knows by the names that definitions call them.
func New(o Options, tasks map[string]Handler) (*Worker, error) {
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	o.Concurrency = orInt(o.Concurrency, 10)
	o.Wait, o.Drain = orDuration(o.Wait, 20*time.Second), orDuration(o.Drain, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Worker{o: o, handlers: map[string]Handler{}}
	for name, h := range tasks {
		if h == nil {
			return nil, fmt.Errorf("worker: task %q has no handler", name)
		}
		w.names, w.handlers[name] = append(w.names, name), h
	}
	slices.Sort(w.names)
	switch {
	case o.API == nil:
		return nil, errors.New("worker: Options.API is missing")
	case len(w.names) == 0 || len(w.names) > namesMax:
		return nil, fmt.Errorf("worker: %d tasks; 1 to %d are what one can fetch", len(w.names), namesMax)
	case o.Concurrency < 1 || o.Concurrency > 100:
		return nil, fmt.Errorf("worker: a concurrency of %d; 1 to 100 are possible", o.Concurrency)
	case o.Wait < 0 || o.Wait > time.Minute:
		return nil, fmt.Errorf("worker: polls of %v; a minute is the most", o.Wait)
	}
	return w, nil
}

// Run fetches tasks and does them until ctx ends and those under way are finished. It returns ctx's cause. A server
// that cannot be reached is asked again, with growing pauses.
func (w *Worker) Run(ctx context.Context) error {
	running, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	slots := make(chan struct{}, w.o.Concurrency)
	var tasks sync.WaitGroup
	for pause := time.Duration(0); ctx.Err() == nil; {
		free := w.take(ctx, slots)
		if free == 0 {
			break
		}
		got, err := w.poll(ctx, free)
		for _, t := range got {
			tasks.Go(func() {
				defer func() { <-slots }()
				w.run(running, t)
			})
		}
		for range free - len(got) {
			<-slots
		}
		if err == nil {
			pause = 0
			continue
		}
		pause = min(max(2*pause, 100*time.Millisecond), 5*time.Second)
		w.rest(ctx, pause, err)
	}
	drained := time.AfterFunc(w.o.Drain, func() { giveUp(ErrDrained) })
	defer drained.Stop()
	tasks.Wait()
	return context.Cause(ctx)
}

// take takes all free slots, at least one; none if ctx ends first.
func (w *Worker) take(ctx context.Context, slots chan struct{}) (n int) {
	select {
	case slots <- struct{}{}:
		n = 1
	case <-ctx.Done():
		return 0
	}
	for {
		select {
		case slots <- struct{}{}:
			n++
		default:
			return n
		}
	}
}

// rest waits until a server that has failed is asked again.
func (w *Worker) rest(ctx context.Context, pause time.Duration, err error) {
	if ctx.Err() != nil {
		return
	}
	w.o.Logger.WarnContext(ctx, "no tasks can be fetched", "pause", pause, "err", err)
	timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// given is a task with its lease.
type given struct {
	Task
	lease time.Duration // what was left of it when it came
}

// poll fetches at most so many tasks. A poll whose answer is lost loses nothing but time: the leases end.
func (w *Worker) poll(ctx context.Context, most int) ([]*given, error) {
	var out struct{ Tasks []wireTask }
	answer, err := w.o.API.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/sagas/tasks/poll", NoKey: true, Wait: w.o.Wait, Body: map[string]any{
			"tasks": w.names, "max": most, "wait": w.o.Wait.String(), "worker": w.o.Name,
		},
	}, &out)
	if err != nil {
		return nil, err
	}
	if len(out.Tasks) > most {
		return nil, fmt.Errorf("the server gave %d tasks, %d were asked for", len(out.Tasks), most)
	}
	now := serverTime(answer, time.Now())
	all := make([]*given, 0, len(out.Tasks))
	for _, t := range out.Tasks {
		g, err := t.task(now)
		if err != nil {
			w.o.Logger.ErrorContext(ctx, "a task cannot be read", "task", t.ID, "err", err)
			continue
		}
		all = append(all, g)
	}
	return all, nil
}

// serverTime is the time at the server, as far as it is known: our own unless that is off by seconds.
func serverTime(a api.Answer, now time.Time) time.Time {
	date, err := http.ParseTime(a.Header.Get("Date")) // whole seconds, cut off
	if err != nil || now.Sub(date).Abs() <= 2*time.Second {
		return now
	}
	return date.Add(time.Second)
}

// wireTask is a task as it comes; web/openapi.yaml has it.
type wireTask struct {
	ID, Task, XID, Branch, Step, Saga, Key, Application, Operation, Traceparent string

	Attempt, Version  int
	Input             json.RawMessage
	LeaseUntil, Until time.Time
}

func (t *wireTask) task(now time.Time) (*given, error) {
	branch, err := strconv.ParseInt(t.Branch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("its branch: %w", err)
	}
	return &given{
		lease: t.LeaseUntil.Sub(now), Task: Task{
			ID: t.ID, Name: t.Task, XID: t.XID, Branch: branch, Compensation: t.Operation == "compensate",
			Attempt: t.Attempt, Step: t.Step, Saga: t.Saga, Version: t.Version, Key: t.Key, Application: t.Application,
			Input: t.Input, Until: t.Until, Traceparent: t.Traceparent,
		},
	}, nil
}

func orInt(value, standard int) int {
	if value == 0 {
		return standard
	}
	return value
}

func orDuration(value, standard time.Duration) time.Duration {
	if value == 0 {
		return standard
	}
	return value
}
