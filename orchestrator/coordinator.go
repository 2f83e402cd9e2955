package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Options are the parts and parameters of a [Coordinator]. Store, Log and Transport are required.
type Options struct {
	Store     Store
	Log       DecisionLog
	Transport Transport
	Clock     Clock     // nil: SystemClock
	Rules     txn.Rules // zero: txn.DefaultRules
	Limits    Limits
	// Admit says why no transaction may begin now, such as [ErrReadOnly]. It is asked for each one, so that clients learn
	// of a full disk before they work for a transaction that no branch could join. Nil: all may.
	Admit func() error
	// Sagas has the definitions of sagas; nil: none can run here.
	Sagas Sagas
	// Shared is the store again if several nodes write to it, else nil.
	Shared Shared
	// Member says whether this node's lease certainly holds. While it does not, no command leaves, and the attempt counts
	// as one that has reached nobody. Nil: always.
	Member func() bool
	// Advertise is the "host:port" under which clients reach this node; it is the prefix of every xid begun here.
	Advertise string
	Observer  Observer // nil: nobody is told
	// Recall is called when a saga is decided: what was sent for its steps and nobody has begun may be taken back, and is
	// answered as unreachable then. It must not block. Nil: nothing is taken back.
	Recall func(g *txn.Global)
	Logger *slog.Logger // nil: discarded
}

// Coordinator runs global transactions. All methods may be called concurrently; none of those that take a completion
// function blocks.
type Coordinator struct {
	store     Store
	log       DecisionLog
	transport Transport
	clock     Clock
	tuned     atomic.Pointer[tuning]
	admit     func() error
	sagas     Sagas  // nil: none
	shared    Shared // nil: this is the only node
	member    func() bool
	prefix    string
	observer  Observer // nil: none
	recall    func(*txn.Global)
	tracing   bool // observer wants traces
	logger    *slog.Logger

	shards   [shardCount]shard
	cached   atomic.Int64 // entries in all shards
	live     atomic.Int64 // transactions that have not ended; see recount
	unstored atomic.Int64 // entries with a state that was never stored
	sweeps   atomic.Int64
	stopping atomic.Bool

	ids   idRange
	fresh deadlines // transactions that are not stored yet
	ends  endWaits
	rows  rowWaits
	stats counters

	flights flights // of a node of a cluster
	unread  unread
}

// New builds a coordinator and reserves its first ids. It reads nothing else: what has to be recovered is found by the
// sweeper and by the decision log, once Run is called.
func New(ctx context.Context, o Options) (*Coordinator, error) {
	c := &Coordinator{
		store: o.Store, log: o.Log, transport: o.Transport, clock: o.Clock, admit: o.Admit, prefix: o.Advertise,
		logger: o.Logger, sagas: o.Sagas, shared: o.Shared, member: o.Member, observer: o.Observer,
		tracing: o.Observer != nil && o.Observer.Tracing(), recall: o.Recall,
	}
	c.Tune(o.Rules, o.Limits)
	if c.admit == nil {
		c.admit = func() error { return nil }
	}
	if c.member == nil {
		c.member = func() bool { return true }
	}
	if c.clock == nil {
		c.clock = SystemClock{}
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	for i := range c.shards {
		c.shards[i].entries = make(map[int64]*entry)
	}
	c.fresh.init()
	c.rows.init()
	if err := c.refillIDs(ctx); err != nil {
		return nil, err
	}
	counts, err := c.store.Counts(ctx)
	if err != nil {
		return nil, fmt.Errorf("count live transactions: %w", err)
	}
	c.live.Store(counts.Active + counts.Committing + counts.RollingBack)
	return c, nil
}

// request is one event for one transaction, or with a nil event a look at it.
type request struct {
	ev txn.Event
	// make, unless nil, makes ev from the state to which it is applied, or says why it is not.
	make func(*txn.Global) (txn.Event, error)
	// done gets the state after the event, or the present state and why the event was refused. The state is nil if
	// the transaction is unknown or could not be read.
	done func(*txn.Global, error)
	// settled replaces done for requests that may have to wait for the end of phase two.
	settled *endWait
	tries   int
	// check has the state compared with the store's before anything else, where other nodes write to it.
	check bool
	// read is true when the state was read from the store for this request.
	read bool
	// swept is true of what the sweeper found; late is then by how much, in milliseconds.
	swept bool
	late  txn.Millis
	// at is when the request came, wrote when its change was given to the store; see [Coordinator.stamp].
	at, wrote int64
}

// entry is the runtime's hold on one transaction.
type entry struct {
	id int64

	// Guarded by the shard's mutex. busy is true while an event is under way; then the others queue.
	busy    bool
	queue   []request
	g       *txn.Global // the state that may be shown; nil: not loaded
	fresh   *txn.Global // the state before the first write, while the outcome of that is unknown; else nil
	waiters []*endWait
	lazy    int      // lazy writes that are not durable yet
	refused int      // lazy writes that were refused
	parked  *request // the one under way, if it goes on when no lazy write is left

	// The busy mark's owner's.
	seen    int     // refused when the state was taken for the event
	stuck   bool    // was stuck before the event
	touched []int   // branches of g that differ from what was given to the store, since only memory was written
	asked   []asked // attempts under way, if somebody observes them
}

// shardCount spreads the mutexes. Ids are consecutive, so neighbours fall into different shards.
const shardCount = 64

type shard struct {
	mu      sync.Mutex
	entries map[int64]*entry
	order   []int64 // ids in order of arrival, for eviction; may name entries that are gone
	// over are transactions that ended with their decision, which the log is about to hand out for nothing.
	over map[int64]struct{}
}

func (c *Coordinator) shard(id int64) *shard { return &c.shards[uint64(id)%shardCount] }

// handle is the one way in: it applies req to the transaction, at once if nothing is under way for it.
func (c *Coordinator) handle(id int64, req request) {
	s := c.shard(id)
	s.mu.Lock()
	e := s.entries[id]
	if e == nil {
		e = c.insert(s, &entry{id: id})
	}
	if e.busy {
		if len(e.queue) >= c.limits().QueuedMax {
			g := e.g
			s.mu.Unlock()
			c.answer(req, g, ErrBusy)
			return
		}
		e.queue = append(e.queue, req)
		s.mu.Unlock()
		return
	}
	e.busy = true
	s.mu.Unlock()
	c.serve(e, req)
}

// serve handles req and then what has queued behind it. The caller owns e's busy mark.
func (c *Coordinator) serve(e *entry, req request) {
	for c.attempt(e, req) {
		var more bool
		if req, more = c.next(e); !more {
			return
		}
	}
}

// next takes the next queued request, or gives up the busy mark.
func (c *Coordinator) next(e *entry) (request, bool) {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(e.queue) > 0 {
		req := e.queue[0]
		e.queue[0] = request{}
		e.queue = e.queue[1:]
		return req, true
	}
	e.busy, e.queue = false, nil
	if e.forgettable() {
		c.remove(s, e)
	}
	return request{}, false
}

// attempt handles one request. It returns false if a completion function goes on with it later.
func (c *Coordinator) attempt(e *entry, req request) (finished bool) {
	defer func() {
		if p := recover(); p != nil {
			finished = true
			c.broken(e, req, p)
		}
	}()
	g := c.takeState(e)
	if g == nil {
		c.load(e, req)
		return false
	}
	if c.shared != nil && !req.read && g.Version > 0 && (req.check || req.ev == nil && req.make == nil) {
		c.compare(e, req, g)
		return false
	}
	if (req.ev != nil || req.make != nil) && !c.ready(e, req, g) {
		return false
	}
	if req.make != nil {
		ev, err := req.make(g)
		if err != nil {
			c.answer(req, g, err)
			return true
		}
		req.ev = ev
	}
	if req.ev == nil {
		c.answer(req, g, nil)
		return true
	}
	eff, err := c.rules().Apply(g, req.ev, c.clock.Now())
	if c.stale(req, g, eff, err) {
		c.compare(e, req, g)
		return false
	}
	if err != nil || eff.Write == txn.WriteNone {
		c.answerIn(e, req, g, err)
		return true
	}
	if req.swept && g.DueAt != 0 {
		req.late = max(c.clock.Now()-g.DueAt, 1)
		c.stats.foundLate(int64(req.late))
	}
	return c.write(e, req, eff)
}

// load reads the transaction and then goes on.
func (c *Coordinator) load(e *entry, req request) {
	c.store.Load(e.id, func(g *txn.Global, err error) {
		if errors.Is(err, ErrNotFound) && e.fresh != nil {
			g, err = e.fresh, nil // the first write came to nothing
		}
		if err != nil {
			c.answer(req, nil, err)
			c.resume(e)
			return
		}
		c.install(e, g)
		c.learned(e, g)
		req.read = true
		c.serve(e, req)
	})
}

// compare looks whether the store has a newer state than g, by which an event changes nothing or is refused: another
// node may have written one. If the store cannot be asked, nobody is told what may be long past.
func (c *Coordinator) compare(e *entry, req request, g *txn.Global) {
	c.store.Load(e.id, func(stored *txn.Global, err error) {
		if err != nil && c.shared != nil && !errors.Is(err, ErrNotFound) {
			c.answer(req, nil, err)
			c.resume(e)
			return
		}
		// Lazy changes that are under way count as made in g, but perhaps another node was faster with a decision, or with
		// the end.
		newer := err == nil && (stored.Version > g.Version || stored.Status.Ended() && !g.Status.Ended() ||
			stored.Status.Decided() && !g.Status.Decided())
		if newer {
			e.touched = nil
			c.install(e, stored)
			c.learned(e, stored)
		}
		req.read = true
		c.serve(e, req)
	})
}

// resume goes on with what has queued.
func (c *Coordinator) resume(e *entry) {
	if req, more := c.next(e); more {
		c.serve(e, req)
	}
}

// write makes the effects as durable as they ask to be, then carries them out.
func (c *Coordinator) write(e *entry, req request, eff txn.Effects) (finished bool) {
	if c.shared != nil && eff.Next.Saga != nil && len(eff.Commands) > 0 {
		// What undoes a step, and whose turn it is, follows from the state. Another node may have a newer one: only who
		// could write on top of it sends.
		eff.Write = txn.WriteDurable
	}
	if eff.Write == txn.WriteMemory {
		if !c.holds(e, func() { e.g = eff.Next }) {
			return c.attempt(e, req)
		}
		e.touched = append(e.touched, eff.Touched...)
		c.carryOut(e, req, eff)
		return true
	}
	if eff.Decided && c.waitsForLazy(e, &req) {
		return false
	}
	eff.Next.Version++ // nobody else has it yet
	ch := Change{
		Global: eff.Next, Ended: eff.Ended, Acquire: eff.Acquire, Release: eff.Release,
		Touched:  union(eff.Touched, e.touched),
		Decision: eff.Decided,
	}
	if eff.Write == txn.WriteLazy && !eff.Ended {
		ch.Lazy = true
		if lazy := ch; !c.writeLazily(e, &lazy) {
			return c.attempt(e, req)
		}
		e.touched = nil
		c.carryOut(e, req, eff)
		return true
	}
	record := c.store.Apply
	if eff.Decided {
		record, ch.Trace = c.log.Record, c.handOn(eff.Next)
	} else {
		// An ending is lazy unless a client waits for it: what a client is told must not be forgotten.
		ch.Lazy = eff.Write == txn.WriteLazy && !c.awaited(e)
	}
	req.wrote = c.stamp()
	w := &durableWrite{c: c, e: e, req: req, eff: eff, change: ch}
	if eff.Decided && eff.Ended {
		c.noteOver(e.id) // the log may hand it out before we are told that it is written
	}
	if !c.holds(e, func() { record(&w.change, w.done) }) {
		c.takeOver(e.id)
		return c.attempt(e, req)
	}
	return false
}

// durableWrite is what is remembered of a change while it is being written.
type durableWrite struct {
	c      *Coordinator
	e      *entry
	req    request
	eff    txn.Effects
	change Change
}

func (w *durableWrite) done(err error) { w.c.written(w.e, w.req, w.eff, err) }

// written takes the end of a durable write.
func (c *Coordinator) written(e *entry, req request, eff txn.Effects, err error) {
	c.observeWrite(req, eff, err)
	if err != nil {
		c.takeOver(e.id)
	}
	var locked *LockedError
	switch {
	case err == nil:
		e.touched = nil
		c.install(e, eff.Next)
		c.carryOut(e, req, eff)
	case errors.As(err, &locked) || unchanged(err):
		c.answer(req, c.state(e), err) // nothing was changed
	case errors.Is(err, ErrConflict) && req.tries < conflictTriesMax:
		c.stats.conflicts.Add(1)
		c.reload(e)
		req.tries++
		c.serve(e, req)
		return
	default:
		c.stats.writeErrors.Add(1)
		c.logger.Error("change was not stored", "xid", eff.Next.XID.String(), "err", err)
		c.reload(e)
		c.answer(req, nil, err)
		c.rows.recheck(c, eff.Next)
	}
	c.resume(e)
}

// unchanged reports whether an error says that nothing was changed, for reasons that are no defect.
func unchanged(err error) bool {
	return errors.Is(err, ErrReadOnly) || errors.Is(err, ErrBusy) || errors.Is(err, ErrTooLarge) ||
		errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNotMember)
}

// conflictTriesMax is how often an event is applied again to a state that somebody else changed.
const conflictTriesMax = 5

// carryOut does what follows from a change that is written: first the answer, then everybody who waited, then the
// commands.
func (c *Coordinator) carryOut(e *entry, req request, eff txn.Effects) {
	g := eff.Next
	c.count(e, eff)
	c.observe(e, req, eff)
	c.answerIn(e, req, g, nil)
	if eff.Decided {
		c.rows.decided(c, g)
		if c.recall != nil && g.Saga != nil {
			c.recall(g)
		}
	}
	if len(eff.Release) > 0 {
		c.rows.released(c, eff.Release)
	}
	detached := eff.Write == txn.WriteDurable && g.Status == txn.Committing && g.AnswersCommit()
	if eff.Ended || g.Stuck == txn.StuckRefused || detached {
		c.settle(e, g)
	}
	for i := range eff.Commands {
		c.send(e, &eff.Commands[i])
	}
}

// answerIn answers a request of an entry whose busy mark is held, or has it wait for the end of phase two.
func (c *Coordinator) answerIn(e *entry, req request, g *txn.Global, err error) {
	if req.settled == nil || !c.park(e, req.settled, g, err) {
		c.answer(req, g, err)
	}
}

// answer calls the request's completion function.
func (c *Coordinator) answer(req request, g *txn.Global, err error) {
	switch {
	case req.settled != nil:
		req.settled.done(g, err)
	case req.done != nil:
		req.done(g, err)
	}
}

// broken takes a panic: the program is wrong, but one transaction must not take the others along. Its state is read
// again from the store, which is the truth.
func (c *Coordinator) broken(e *entry, req request, p any) {
	c.stats.panics.Add(1)
	c.logger.Error("event handling panicked", "id", e.id, "event", fmt.Sprintf("%T", req.ev), "panic", fmt.Sprint(p),
		"stack", string(debug.Stack()))
	c.reload(e)
	c.answer(req, nil, ErrInternal)
}

// ErrInternal: a defect of Concord; the log has its stack. The outcome of the request is unknown.
var ErrInternal = errors.New("internal error")
