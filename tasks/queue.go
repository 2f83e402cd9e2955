package tasks

import (
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

var _ orchestrator.Transport = (*Queue)(nil)

// Coordinator is what a queue needs of the runtime. *orchestrator.Coordinator is the real one.
type Coordinator interface {
	Get(id int64, done func(*txn.Global, error))
	Reply(id int64, r txn.Reply)
	Task(id int64, ev txn.Task, done func(*txn.Global, error))
}

// Options are the parts and parameters of a [Queue]. All may be missing.
type Options struct {
	// Clock is the store's time; nil: the machine's.
	Clock orchestrator.Clock
	// Valid says whether the lease of this node certainly holds. Nil: always.
	Valid func() bool
	// Elsewhere hands a command over to another node at which its task is polled. It returns at once; an error says
	// that there is none, or that it cannot be asked. Nil: one machine.
	Elsewhere func(cmd txn.Command) error
	// Changed is called when [Queue.SessionEntries] may return something else than before.
	Changed func()
	Limits  Limits
	Logger  *slog.Logger // nil: discarded
}

// Queue hands tasks to workers. All methods may be called concurrently.
type Queue struct {
	clock       orchestrator.Clock
	valid       func() bool
	elsewhere   func(cmd txn.Command) error
	changed     func()
	limits      Limits
	logger      *slog.Logger
	coordinator Coordinator

	mu      sync.Mutex
	piles   map[string]*pile // by the name of the task
	entries map[key]*entry   // what is parked or leased
	due     dueHeap          // the same, by when it has to be looked at
	seq     uint64
	waiting int
	tidyAt  txn.Millis
	numbers Numbers
}

// key names a task, whatever the attempt.
type key struct {
	global, branch int64
	op             txn.Outcome
}

// entry is a task that is parked or with a worker.
type entry struct {
	cmd  txn.Command // without its data once a worker certainly has it
	seq  uint64      // in the order of arrival
	pile *pile
	// lane is where it is parked, with its neighbours; nil: a worker has it.
	lane         *lane
	older, newer *entry
	bytes        int
	foreign      bool       // it came from another node, and stays here
	since        txn.Millis // when it came
	until        txn.Millis // when it is not parked any more, or the end of its lease
	told         txn.Millis // until when the core waits for an answer, as far as is known here
	margin       txn.Millis // how long before that the core is told otherwise
	lookAt       txn.Millis
	index        int // in the heap
}

// New builds a queue. [Queue.Bind] has to be called before it is used.
func New(o Options) *Queue {
	q := &Queue{
		clock: o.Clock, valid: o.Valid, elsewhere: o.Elsewhere, changed: o.Changed, limits: o.Limits.withDefaults(),
		logger: o.Logger, piles: make(map[string]*pile), entries: make(map[key]*entry),
	}
	if q.clock == nil {
		q.clock = orchestrator.SystemClock{}
	}
	if q.valid == nil {
		q.valid = func() bool { return true }
	}
	if q.changed == nil {
		q.changed = func() {}
	}
	if q.logger == nil {
		q.logger = slog.New(slog.DiscardHandler)
	}
	return q
}

// Bind tells the queue of the coordinator. It is called once, before anything else.
func (q *Queue) Bind(c Coordinator) { q.coordinator = c }

// Send implements orchestrator.Transport: the task goes to a worker that waits for it here or at another node, or is
// parked. It never blocks. Errors: [orchestrator.ErrBusy] if too much is parked.
func (q *Queue) Send(cmd txn.Command) error {
	if q.elsewhere != nil && !q.polled(&cmd) && q.elsewhere(cmd) == nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.numbers.HandedOver++
		return nil
	}
	return q.put(cmd, false)
}

// Take is Send for a command of another node, which is never handed on. It returns [orchestrator.ErrNobody] if no
// worker polls for the task here. From then on the task is this node's, and its end is told to the coordinator here.
func (q *Queue) Take(cmd txn.Command) error {
	if !q.polled(&cmd) {
		return orchestrator.ErrNobody
	}
	return q.put(cmd, true)
}

// polled reports whether a worker polls here, or has a moment ago, that may be given the task.
func (q *Queue) polled(cmd *txn.Command) bool {
	return q.Polled(cmd.Resource, cmd.Application, cmd.Group)
}

// put gives the task to a worker that waits, or parks it.
func (q *Queue) put(cmd txn.Command, foreign bool) error {
	now := q.clock.Now()
	k := key{cmd.XID.ID, cmd.BranchID, cmd.Op}
	q.mu.Lock()
	defer q.mu.Unlock()
	if old := q.entries[k]; old != nil {
		q.remove(old) // its attempt is over, whatever its number: a person's retry counts from 1 again
	}
	p := q.piles[cmd.Resource]
	if p == nil {
		if p = q.pile(cmd.Resource); p == nil {
			q.numbers.Full++
			return fmt.Errorf("park a task: %d are known: %w", q.limits.Names, orchestrator.ErrBusy)
		}
	}
	q.seq++
	window := max(cmd.Until-now, 0)
	e := &entry{
		cmd: cmd, seq: q.seq, pile: p, bytes: taskBytes + len(cmd.Data) + len(cmd.Application) + len(cmd.Group),
		foreign: foreign, since: now, told: cmd.Until, index: -1,
		margin: min(window/3, txn.Millis(marginMax.Milliseconds())),
	}
	e.until = now.Add(q.limits.Park)
	if w := q.waiter(e); w != nil {
		q.lease(e, now)
		w.give(e)
		return nil
	}
	if !q.fits(e) {
		q.numbers.Full++
		return fmt.Errorf("park a task: %w", orchestrator.ErrBusy)
	}
	q.park(e, now)
	return nil
}

// fits reports whether one more task may be parked.
func (q *Queue) fits(e *entry) bool {
	return q.numbers.Parked < q.limits.Parked && q.numbers.ParkedBytes+e.bytes <= q.limits.ParkedBytes &&
		e.pile.parked < q.limits.TaskParked && e.pile.bytes+e.bytes <= q.limits.TaskBytes
}

// park puts an entry, which is new or with a worker, among those that wait.
func (q *Queue) park(e *entry, now txn.Millis) {
	q.entries[keyOf(e)] = e
	e.pile.lane(e.cmd.Application, e.cmd.Group).insert(e)
	e.pile.parked, e.pile.bytes = e.pile.parked+1, e.pile.bytes+e.bytes
	q.numbers.Parked, q.numbers.ParkedBytes = q.numbers.Parked+1, q.numbers.ParkedBytes+e.bytes
	q.plan(e, now)
}

// offer gives an entry that was out of the queue for a moment to a worker that waits, or parks it again.
func (q *Queue) offer(e *entry, now txn.Millis) {
	if w := q.waiter(e); w != nil {
		q.lease(e, now)
		w.give(e)
		return
	}
	q.park(e, now)
}

// lease notes that a worker has the task now.
func (q *Queue) lease(e *entry, now txn.Millis) {
	q.unpark(e)
	q.entries[keyOf(e)] = e
	lease := q.limits.Lease
	if e.cmd.Call != nil && e.cmd.Call.Timeout > 0 {
		lease = e.cmd.Call.Timeout
	}
	e.until = now.Add(lease)
	e.pile.leased++
	q.numbers.Leased++
	q.numbers.Given++
	q.plan(e, now)
}

// unpark takes an entry out of its lane, if it is in one.
func (q *Queue) unpark(e *entry) {
	if e.lane == nil {
		return
	}
	e.pile.parked, e.pile.bytes = e.pile.parked-1, e.pile.bytes-e.bytes
	q.numbers.Parked, q.numbers.ParkedBytes = q.numbers.Parked-1, q.numbers.ParkedBytes-e.bytes
	e.pile.unlink(e)
}

// remove forgets an entry.
func (q *Queue) remove(e *entry) {
	if q.entries[keyOf(e)] != e {
		return
	}
	delete(q.entries, keyOf(e))
	if e.lane != nil {
		q.unpark(e)
	} else {
		e.pile.leased--
		q.numbers.Leased--
	}
	if e.index >= 0 {
		heap.Remove(&q.due, e.index)
	}
}

// plan says when an entry is looked at: when its time is over, or before the core gives it up.
func (q *Queue) plan(e *entry, now txn.Millis) {
	at := e.until
	if e.told < at.Add(slack) {
		at = min(at, e.told-e.margin)
	}
	e.lookAt = max(now, at)
	if e.index >= 0 {
		heap.Fix(&q.due, e.index)
	} else {
		heap.Push(&q.due, e)
	}
}

// Forget drops what is parked and what is known of leases: the lease of this node is lost, so others take it over.
func (q *Queue) Forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.entries {
		q.remove(e)
	}
}

// Run looks after what is due until ctx ends. Then the core is told that nobody took what is parked, so that it is
// planned anew soon after a restart, or by another node. It returns nil.
func (q *Queue) Run(ctx context.Context) error {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			q.release()
			return nil
		case <-ticker.C:
			q.Tick()
		}
	}
}

// release takes back what is parked.
func (q *Queue) release() {
	if !q.valid() {
		return
	}
	var all []txn.Command
	q.mu.Lock()
	for _, e := range q.entries {
		if e.lane != nil {
			all = append(all, e.cmd)
			q.remove(e)
		}
	}
	q.mu.Unlock()
	for i := range all {
		q.nobody(&all[i], "the server stopped before a worker took it")
	}
}

func keyOf(e *entry) key { return key{e.cmd.XID.ID, e.cmd.BranchID, e.cmd.Op} }

// dueHeap is the entries by when they have to be looked at.
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].lookAt < h[j].lookAt }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.index = -1
	return e
}
