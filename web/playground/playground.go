package playground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Bounds of what is started.
const (
	// RunsMax is how many runs are under way at once.
	RunsMax = 12
	// CountMax is how many transactions one run starts, RateMax how many in a second, and TimeMax how long it lasts.
	CountMax = 500
	RateMax  = 50
	TimeMax  = 10 * time.Minute

	runsKept    = 50 // those that have ended are shown, too
	requestsMax = 64 // to the API at once
	xidsKept    = 20 // of a run
)

// Refusals of [Playground.Start].
var (
	ErrUnknown = errors.New("there is no such scenario")
	ErrBusy    = errors.New("as many runs are under way as may be at once")
	ErrOptions = errors.New("the scenario does not take that")
)

// Options say what the playground is attached to.
type Options struct {
	// Base is where this server is reached from itself, as in http://127.0.0.1:8088.
	Base string
	// Seata is the address for Seata clients, HOST:PORT; empty: there are no scenarios with one.
	Seata  string
	Logger *slog.Logger // nil: discarded
}

// Playground starts samples.
type Playground struct {
	o      Options
	shaky  string // the base of those that may be silent
	api    *client
	starts chan *run
	ended  chan struct{} // closed when Run returns

	mu   sync.Mutex
	runs []*run // oldest first
	last int

	publishing sync.Mutex // held while definitions are published, never together with mu
	published  map[string]bool
}

// New makes a playground. It starts something only while Run runs.
func New(o Options) *Playground {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Playground{
		o: o, shaky: shakyOf(o.Base), api: newClient(o.Base), starts: make(chan *run, RunsMax), ended: make(chan struct{}),
		published: map[string]bool{},
	}
}

// Run carries out what is started until ctx ends.
func (p *Playground) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer p.api.close()
	defer close(p.ended)
	defer group.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-p.starts:
			group.Go(func() { p.carryOut(ctx, r) })
		}
	}
}

// Wish says what is started, and how.
type Wish struct {
	// Count is how many, Rate how many in a second at most, Seconds for how long. 0 is what the scenario has.
	Count, Rate, Seconds int
	// Failure is what goes wrong, of the scenario's own; empty or none: nothing.
	Failure string
}

// The states of a run.
const (
	Running = "running"
	Ended   = "ended"
	Stopped = "stopped"
	Failed  = "failed" // nothing of it could be begun
)

// View is what is known of a run.
type View struct {
	ID       string `json:"id"`
	Scenario string `json:"scenario"`
	State    string `json:"state"`
	Failure  string `json:"failure"`
	// Count is how many it begins in all, 0 if its time alone bounds it; Rate how many in a second.
	Count   int `json:"count"`
	Rate    int `json:"rate"`
	Seconds int `json:"seconds"`
	// Begun is how many it has begun, Refused how many were not taken.
	Begun   int `json:"begun"`
	Refused int `json:"refused"`
	// XIDs are those that were begun last.
	XIDs []string `json:"xids"`
	// Error is the last refusal, in the server's words.
	Error   string     `json:"error,omitempty"`
	BeganAt time.Time  `json:"beganAt"`
	EndedAt *time.Time `json:"endedAt,omitempty"`
}

// run is one start of a scenario.
type run struct {
	scenario *Scenario
	wish     Wish
	stop     chan struct{} // closed when it is to stop

	mu   sync.Mutex
	view View
}

// begun notes what was begun.
func (r *run) begun(xid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.Begun++
	r.view.XIDs = append(r.view.XIDs, xid)
	if len(r.view.XIDs) > xidsKept {
		r.view.XIDs = slices.Delete(r.view.XIDs, 0, 1)
	}
}

// refused notes what was not begun. What ends with the run itself is no refusal.
func (r *run) refused(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.Refused++
	r.view.Error = err.Error()
}

func (r *run) finish(state string) {
	now := time.Now().UTC()
	r.mu.Lock()
	defer r.mu.Unlock()
	if state == Ended && r.view.Begun == 0 && r.view.Error != "" {
		state = Failed
	}
	r.view.State, r.view.EndedAt = state, &now
}

func (r *run) look() View {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.view
	v.XIDs = append([]string{}, v.XIDs...)
	return v
}

// Start begins a run of a scenario. Errors: [ErrUnknown], [ErrBusy], [ErrOptions].
func (p *Playground) Start(name string, w Wish) (View, error) {
	s := p.scenario(name)
	if s == nil {
		return View{}, fmt.Errorf("%w: %.80q", ErrUnknown, name)
	}
	if err := s.check(&w); err != nil {
		return View{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	active := 0
	for _, r := range p.runs {
		if r.look().State == Running {
			active++
		}
	}
	if active >= RunsMax {
		return View{}, fmt.Errorf("%w: %d", ErrBusy, RunsMax)
	}
	p.last++
	r := &run{scenario: s, wish: w, stop: make(chan struct{}), view: View{
		ID: strconv.Itoa(p.last), Scenario: name, State: Running, Failure: w.Failure, Count: w.Count, Rate: w.Rate,
		Seconds: w.Seconds, BeganAt: time.Now().UTC(),
	}}
	p.starts <- r // there is room: it holds RunsMax, and no more are under way
	p.runs = append(p.runs, r)
	for i := 0; len(p.runs) > runsKept && i < len(p.runs); i++ {
		if p.runs[i].look().State != Running {
			p.runs = slices.Delete(p.runs, i, i+1)
			i--
		}
	}
	return r.look(), nil
}

// Stop ends a run. What it has begun goes on. It reports whether there is such a run.
func (p *Playground) Stop(id string) (View, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.runs {
		if r.view.ID != id { // it never changes
			continue
		}
		select {
		case <-r.stop:
		default:
			close(r.stop)
		}
		return r.look(), true
	}
	return View{}, false
}

// Runs lists runs, the newest first.
func (p *Playground) Runs() []View {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]View, 0, len(p.runs))
	for _, r := range slices.Backward(p.runs) {
		all = append(all, r.look())
	}
	return all
}

// carryOut does what a run is about until that is over, it is stopped, or ctx ends.
func (p *Playground) carryOut(ctx context.Context, r *run) {
	ctx, cancel := context.WithTimeout(ctx, TimeMax+time.Minute)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		select {
		case <-r.stop:
		case <-ctx.Done():
		}
	})
	r.refused(ctx, r.scenario.do(ctx, p, r))
	state := Ended
	if ctx.Err() != nil {
		state = Stopped
	}
	cancel()
	watch.Wait()
	r.finish(state)
}

// spread does one thing count times or for a time, at a rate, several at once, and waits for all of them.
func (p *Playground) spread(ctx context.Context, r *run, do func(ctx context.Context, i int) error) {
	var group sync.WaitGroup
	defer group.Wait()
	room := make(chan struct{}, requestsMax)
	ticker := time.NewTicker(time.Second / time.Duration(cmp.Or(r.wish.Rate, 10)))
	defer ticker.Stop()
	var over <-chan time.Time
	if r.scenario.Timed {
		timer := time.NewTimer(time.Duration(r.wish.Seconds) * time.Second)
		defer timer.Stop()
		over = timer.C
	}
	for i := 0; r.wish.Count == 0 || i < r.wish.Count; i++ {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		case <-over:
			return
		}
		group.Go(func() {
			defer func() { <-room }()
			r.refused(ctx, do(ctx, i))
		})
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-over:
			return
		}
	}
}

// pause waits. It reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
