package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

var _ orchestrator.Transport = (*Relay)(nil)

// Relay is the transport of a node in a cluster. All methods may be called concurrently.
type Relay struct {
	self     string
	local    Local
	places   orchestrator.Directory
	secret   []byte
	reply    func(id int64, r txn.Reply)
	sessions func() []orchestrator.SessionEntry
	changed  <-chan struct{}
	valid    func() bool
	clock    orchestrator.Clock
	client   *http.Client
	limits   Limits
	logger   *slog.Logger

	started  time.Time
	instance uint64        // drawn at the start: what an earlier process of this node was asked for is not ours
	calls    atomic.Uint64 // made by this instance
	turn     atomic.Uint32 // spreads commands over equals
	stopping atomic.Bool   // nothing is handed over any more
	view     atomic.Pointer[view]
	guard    guard
	peers    peers
	pending  pending
	missed   lane[handover] // nobody had the resource; they wait for a look into the directory
	work     work
	look     chan struct{} // one slot: look into the directory soon
	again    chan struct{} // one slot: publish, changed or not
	nudged   chan struct{} // one slot: publish what has changed
	lines    throttle
	stats    counters
}

// New builds a relay. It makes no call and starts nothing before [Relay.Run].
func New(o Options) (*Relay, error) {
	switch {
	case o.Self == "" || o.Local == nil || o.Directory == nil || o.Reply == nil || o.Sessions == nil:
		return nil, errors.New("relay: a required option is missing")
	case len(o.Secret) < SecretBytesMin:
		return nil, fmt.Errorf("relay: the cluster's secret has %d bytes; it needs %d", len(o.Secret), SecretBytesMin)
	}
	r := &Relay{
		self: o.Self, local: o.Local, places: o.Directory, secret: o.Secret, reply: o.Reply, sessions: o.Sessions,
		changed: o.Changed, valid: o.Valid, clock: o.Clock, client: o.Client, limits: o.Limits.withDefaults(),
		logger: o.Logger, started: time.Now(), instance: rand.Uint64(),
		look: make(chan struct{}, 1), again: make(chan struct{}, 1),
		nudged: make(chan struct{}, 1),
	}
	if r.valid == nil {
		r.valid = func() bool { return true }
	}
	if r.clock == nil {
		r.clock = orchestrator.SystemClock{}
	}
	if r.client == nil {
		r.client = newClient(r.limits)
	}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	r.guard = guard{
		self: r.self, window: r.limits.Window, clock: r.clock, started: r.started, last: make(map[caller]seen),
	}
	r.peers.byID = make(map[string]*peer)
	r.pending.bySeq = make(map[uint64]*attempt)
	r.work.wake = make(chan struct{}, 1)
	r.view.Store(new(view))
	return r, nil
}

// Send implements orchestrator.Transport: it asks a participant that is connected here, or hands the command over to a
// node that has one. It never blocks. While the lease does not hold nothing leaves, and the attempt has no answer.
func (r *Relay) Send(cmd txn.Command) error {
	if !r.valid() {
		r.stats.withheld.Add(1)
		r.reply(cmd.XID.ID, txn.Reply{
			BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultNoAnswer, Text: leaseText,
		})
		return nil
	}
	err := r.local.Send(cmd)
	if errors.Is(err, orchestrator.ErrNobody) {
		return r.handOver(cmd, err)
	}
	return err
}

const leaseText = "the lease of this node does not certainly hold, so nobody was asked"

// Rejoined says that this node has become a member again, so that what it had published may be lost. It is enough to
// wait for the directory to be read, which shows it too.
func (r *Relay) Rejoined() {
	signal(r.again)
	signal(r.look)
}

// SessionsChanged says that Options.Sessions may return something else than before, as Options.Changed does.
func (r *Relay) SessionsChanged() { signal(r.nudged) }

// signal puts a value into a channel with one slot.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// now is the time since the start; unlike the clock it cannot be set.
func (r *Relay) now() time.Duration { return time.Since(r.started) }

// end tells how an attempt ended, unless that was done before.
func (r *Relay) end(seq uint64, result txn.Result, text string) {
	if a := r.pending.take(seq); a != nil {
		r.reply(a.id, a.reply(result, text))
	}
}

// Run reads the directory, publishes the sessions and makes calls until ctx ends. Then it hands over nothing more,
// takes no more commands, and says what is queued, at most for Limits.DrainLimit. Attempts whose end is still not known
// end without an answer before it returns, and no goroutine of this package is left. It must be called once. It returns
// nil.
func (r *Relay) Run(ctx context.Context) error {
	outlive, cut := context.WithCancel(context.WithoutCancel(ctx)) // for calls, which go on for a moment
	defer cut()
	var running sync.WaitGroup
	running.Go(func() { r.lookUp(ctx) })
	running.Go(func() { r.publish(ctx) })
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	done, stopAt := ctx.Done(), time.Duration(0)
	for stopAt == 0 || r.now() < stopAt && !r.quiet() {
		select {
		case <-done:
			r.stopping.Store(true)
			done, stopAt = nil, r.now()+r.limits.DrainLimit
		case <-ticker.C:
			r.expire()
		case <-r.work.wake:
			for _, task := range r.work.take() {
				running.Go(func() { task(outlive) })
			}
		}
	}
	r.work.stop()
	cut()
	running.Wait()
	r.leave()
	r.client.CloseIdleConnections()
	return nil
}

// expire ends the attempts that nothing was heard of.
func (r *Relay) expire() {
	for a := r.pending.expired(r.now()); a != nil; a = r.pending.expired(r.now()) {
		r.stats.timedOut.Add(1)
		r.reply(a.id, a.reply(txn.ResultNoAnswer, "no answer from another node in time"))
	}
}

// quiet reports whether nothing is queued or under way.
func (r *Relay) quiet() bool {
	for _, p := range r.peers.all() {
		if !p.commands.idle() || !p.endings.idle() {
			return false
		}
	}
	return true
}

// leave ends what can no more be said or heard.
func (r *Relay) leave() {
	for _, p := range r.peers.all() {
		r.keepConfirmations(p.endings.close())
	}
	for _, a := range r.pending.close() {
		r.reply(a.id, a.reply(txn.ResultNoAnswer, "this node was stopped before the answer"))
	}
}

// work is what waits for a goroutine: at most one task for each lane.
type work struct {
	mu      sync.Mutex
	tasks   []func(context.Context)
	stopped bool
	wake    chan struct{} // one slot
}

// start has Run start a goroutine for the task; false if it has ended.
func (w *work) start(task func(context.Context)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return false
	}
	w.tasks = append(w.tasks, task)
	signal(w.wake)
	return true
}

// take removes the tasks.
func (w *work) take() []func(context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tasks := w.tasks
	w.tasks = nil
	return tasks
}

func (w *work) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}
