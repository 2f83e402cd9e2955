package pebble

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// write is one change on its way: encoded, queued, written, answered.
type write struct {
	done   func(error)
	id     int64       // transaction; 0 for state of consumer groups
	global *txn.Global // what Load answers while this is the newest change of its transaction
	ended  txn.Status  // the outcome that this change ends with, or 0
	lazy   bool
	layout layout
	ops    ops
	seqAt  int // where in ops the outbox sequence number goes; 0 if there is none
	entry  outboxEntry

	take, free []rowHash
	// freed is closed when all rows of a very large release are free; nil when they were free at once.
	// Until then free belongs to the goroutine that frees them.
	freed chan struct{}

	key, value []byte // scratch
}

// writePool keeps writes with their buffers. Its zero value is ready.
type writePool struct{ pool sync.Pool }

// scratchBytesMax bounds what a pooled write keeps.
const scratchBytesMax = 64 << 10

func (p *writePool) get() *write {
	if w, ok := p.pool.Get().(*write); ok {
		return w
	}
	return &write{ops: ops{buf: make([]byte, 0, 2048)}, value: make([]byte, 0, 1024), key: make([]byte, 0, 64)}
}

func (p *writePool) put(w *write) {
	if cap(w.ops.buf) > scratchBytesMax || cap(w.value) > scratchBytesMax || cap(w.take)+cap(w.free) > lockChunk {
		return
	}
	*w = write{
		ops: ops{buf: w.ops.buf[:0]}, key: w.key[:0], value: w.value[:0], take: w.take[:0], free: w.free[:0],
	}
	p.pool.Put(w)
}

// Apply implements [orchestrator.Store].
func (s *Store) Apply(ch *orchestrator.Change, done func(error)) {
	w := s.writes.get()
	w.done, w.id, w.lazy = done, ch.Global.XID.ID, ch.Lazy
	if err := s.apply(ch, w); err != nil {
		s.writes.put(w)
		s.refusals.post(done, err)
	}
}

func (s *Store) apply(ch *orchestrator.Change, w *write) error {
	prev, err := s.admit(ch)
	if err != nil {
		return err
	}
	if err := w.encode(ch, prev); err != nil {
		return err
	}
	if ch.Acquire != nil {
		w.take = s.hasher.append(w.take, ch.Acquire.Resource, ch.Acquire.LockKey)
	}
	for _, b := range ch.Release {
		w.free = s.hasher.append(w.free, b.Resource, b.LockKey)
	}
	if len(w.take) > lockChunk {
		return s.enqueueLarge(ch, w)
	}
	s.mu.Lock()
	err = s.enqueue(ch, w, w.take)
	freed, rows := w.freed, w.free // w belongs to the completer from here on
	s.mu.Unlock()
	if freed != nil {
		s.finishRelease(ch.Global.XID.ID, rows, freed)
	}
	return err
}

// admit refuses what can be refused before it is encoded, and returns the layout of the stored state.
func (s *Store) admit(ch *orchestrator.Change) (layout, error) {
	id := ch.Global.XID.ID
	if id <= 0 {
		return layout{}, fmt.Errorf("apply change: %d is no transaction id", id)
	}
	s.mu.Lock()
	prev, err := s.check(ch)
	perhapsEnded := id <= s.lastEnded
	s.mu.Unlock()
	if err != nil {
		return layout{}, err
	}
	if ch.Global.Version == 1 && perhapsEnded {
		// Ids are never reused, so this finds nothing unless the caller is wrong.
		var key [10]byte
		_, closer, err := s.db.Get(appendIDKey(key[:0], spaceEnded, id))
		if err == nil {
			_ = closer.Close()
			return layout{}, orchestrator.ErrConflict
		}
	}
	if reason := s.readOnly.Load(); reason != nil && isNewWork(ch, prev) {
		return layout{}, orchestrator.ErrReadOnly
	}
	return prev, nil
}

// isNewWork tells what is refused when the disk is nearly full: to create a transaction, or to add a branch to an
// active one. Decisions, phase two and endings are never refused: they let locks go and make room.
func isNewWork(ch *orchestrator.Change, prev layout) bool {
	return !ch.Decision && !ch.Ended && ch.Global.Status == txn.Active &&
		(ch.Global.Version == 1 || ch.Acquire != nil || len(ch.Global.Branches) > int(prev.branches))
}

// check compares the version and looks at the bounds of the queue. The caller holds s.mu.
func (s *Store) check(ch *orchestrator.Change) (layout, error) {
	switch {
	case s.failed != nil:
		return layout{}, s.failed
	case s.closing:
		return layout{}, orchestrator.ErrStopped
	case s.underway >= s.opts.QueueChanges || s.underwayBytes >= s.opts.QueueBytes:
		return layout{}, orchestrator.ErrBusy
	}
	r := s.live.get(ch.Global.XID.ID)
	if r == nil {
		if _, ok := s.pending[ch.Global.XID.ID]; ok || ch.Global.Version != 1 {
			return layout{}, orchestrator.ErrConflict
		}
		return layout{}, nil
	}
	if r.version+1 != ch.Global.Version {
		return layout{}, orchestrator.ErrConflict
	}
	return r.layout, nil
}

// enqueueLarge is enqueue for a branch with very many rows.
func (s *Store) enqueueLarge(ch *orchestrator.Change, w *write) error {
	s.large.Lock()
	defer s.large.Unlock()
	if err := s.acquireLarge(ch.Acquire, w.id, w.take); err != nil {
		return err
	}
	s.mu.Lock()
	take := w.take
	err := s.enqueue(ch, w, nil)
	freed, rows := w.freed, w.free
	s.mu.Unlock()
	if err != nil {
		s.releaseLarge(w.id, take)
		return err
	}
	if freed != nil {
		s.finishRelease(ch.Global.XID.ID, rows, freed)
	}
	return nil
}

// enqueue makes the change true in memory and appends it to the queue, or changes nothing. The caller holds s.mu.
func (s *Store) enqueue(ch *orchestrator.Change, w *write, take []rowHash) error {
	if _, err := s.check(ch); err != nil {
		return err
	}
	g := ch.Global
	if n := s.locks.acquire(w.id, take); n < len(take) {
		s.locks.release(w.id, take[:n])
		return s.lockedError(take[n], rowAt(ch.Acquire.Resource, ch.Acquire.LockKey, n))
	}
	if len(w.free) <= lockChunk {
		s.locks.release(w.id, w.free)
	} else {
		w.freed = make(chan struct{})
	}
	if ch.Ended {
		w.ended = g.Status
		s.lastEnded = max(s.lastEnded, w.id)
		s.ended.add(g.Status)
		s.live.remove(w.id)
	} else {
		s.live.store(g, w.layout)
	}
	w.global = g
	s.pending[w.id] = w
	s.append(w)
	return nil
}

// append puts w into the queue, with the number of its outbox entry if it has one, and wakes the committer if that is
// in order. The caller holds s.mu.
func (s *Store) append(w *write) {
	if w.seqAt > 0 {
		w.entry.seq = s.outboxNext
		s.outboxNext++
		binary.BigEndian.PutUint64(w.ops.buf[w.seqAt:], w.entry.seq)
	}
	wake := false
	if !w.lazy {
		wake = !s.urgent
		s.urgent = true
	} else if len(s.queue) == 0 {
		s.lazySince = time.Now()
		wake = true
	}
	s.queue = append(s.queue, w)
	s.underway++
	s.underwayBytes += len(w.ops.buf)
	if wake {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// finishRelease frees the rows of a very large release. They are freed after the change was queued, so that whoever
// gets them is queued later.
func (s *Store) finishRelease(id int64, rows []rowHash, freed chan<- struct{}) {
	s.releaseLarge(id, rows)
	close(freed)
}

// refusals answers changes that were not made, from a goroutine of its own: never from the caller's, and not behind a
// write that is waiting for the disk. Its length is bounded by the number of callers, since an answer does not block.
type refusals struct {
	mu      sync.Mutex
	list    []refusal
	closing bool
	wake    chan struct{}
}

type refusal struct {
	done func(error)
	err  error
}

func (r *refusals) post(done func(error), err error) {
	r.mu.Lock()
	r.list = append(r.list, refusal{done, err})
	first := len(r.list) == 1
	r.mu.Unlock()
	if first {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// run answers until stop is closed and nothing is left.
func (r *refusals) run(stop <-chan struct{}) {
	var list []refusal
	for stopped := false; ; {
		r.mu.Lock()
		list, r.list = r.list, list[:0]
		r.mu.Unlock()
		for i, x := range list {
			x.done(x.err)
			list[i] = refusal{}
		}
		if len(list) > 0 {
			continue
		}
		if stopped {
			return
		}
		select {
		case <-r.wake:
		case <-stop:
			stopped = true
		}
	}
}
