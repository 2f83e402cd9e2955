package pebble

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"time"

	cockroach "github.com/cockroachdb/pebble"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const (
	// lazyDelayMax is how long a lazy change waits for one that is not.
	lazyDelayMax = 5 * time.Millisecond
	// groupBytesMax bounds a batch, save that one change is never split.
	groupBytesMax = 4 << 20
	// batchHeader is a sequence number of 8 bytes and a count of 4.
	// Pebble batch.go: batchHeaderLen.
	batchHeader = 12
	// groupsInFlight is how many batches may be written before the first of them is synced.
	groupsInFlight = 1
)

// group is what is written at once.
type group struct {
	batch  *cockroach.Batch
	buf    []byte
	writes []*write
	err    error
}

// endedCounts counts ended transactions since the store was created.
type endedCounts struct{ committed, rolledBack int64 }

func (c *endedCounts) add(s txn.Status) {
	switch s {
	case txn.Committed:
		c.committed++
	case txn.RolledBack:
		c.rolledBack++
	}
}

// commitLoop is the committer. It ends when the store is closing and the queue is empty. durable are the counts as of
// the last group.
func (s *Store) commitLoop(durable endedCounts) {
	defer close(s.groups)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var writes []*write
	crowd := 0 // changes in the largest of the last groups, nearly
	for {
		var wait time.Duration
		var closing bool
		letIn(crowd)
		writes, wait, closing = s.takeQueue(writes)
		if len(writes) == 0 {
			if closing {
				return
			}
			timer.Reset(wait)
			select {
			case <-s.wake:
			case <-timer.C:
			}
			continue
		}
		for len(writes) > 0 {
			n := cut(writes)
			g := s.newGroup(writes[:n:n])
			s.fill(g, &durable)
			s.commit(g)
			s.groups <- g
			writes, crowd = writes[n:], max(n, crowd-crowd/8)
		}
		writes = nil
	}
}

// letIns is how often whoever can run is let run before a group is closed, if the last groups were of crowdLeast
// changes or more. Measured with bench's sagas, in turns: 4 do less, 32 no more.
const (
	letIns     = 8
	crowdLeast = 8
)

// letIn lets those run first who are about to queue something, where there are many: their changes then share the group
// and its sync. crowd is how many were in the last groups.
func letIn(crowd int) {
	if crowd < crowdLeast {
		return // yielding would wake idle processors
	}
	for range letIns {
		runtime.Gosched()
	}
}

// takeQueue returns what is queued if it is time to write it, else how long to wait for that.
func (s *Store) takeQueue(spare []*write) (writes []*write, wait time.Duration, closing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return spare, time.Hour, s.closing
	}
	if !s.urgent && !s.closing {
		if wait := lazyDelayMax - time.Since(s.lazySince); wait > 0 {
			return spare, wait, false
		}
	}
	writes = s.queue
	s.queue, s.urgent = s.spareQueue[:0], false
	s.spareQueue = nil
	return writes, 0, s.closing
}

// cut returns how many of the writes go into the next group.
func cut(writes []*write) int {
	size := 0
	for i, w := range writes {
		if size += len(w.ops.buf); size > groupBytesMax && i > 0 {
			return i
		}
	}
	return len(writes)
}

func (s *Store) newGroup(writes []*write) *group {
	select {
	case g := <-s.spareGroups:
		g.writes = writes
		return g
	default:
		return &group{writes: writes}
	}
}

// fill joins the operations of the writes into one batch, with the counts of ended transactions if they changed.
func (s *Store) fill(g *group, counts *endedCounts) {
	size := batchHeader + 64
	for _, w := range g.writes {
		size += len(w.ops.buf)
	}
	if cap(g.buf) < size {
		g.buf = make([]byte, 0, size+size/4)
	}
	o := ops{buf: append(g.buf[:0], make([]byte, batchHeader)...)}
	before := *counts
	for _, w := range g.writes {
		o.buf = append(o.buf, w.ops.buf...)
		o.n += w.ops.n
		counts.add(w.ended)
	}
	if *counts != before {
		o.set(metaKey(metaEnded), counts.encode())
	}
	binary.LittleEndian.PutUint32(o.buf[8:], o.n)
	g.buf = o.buf
}

func (c *endedCounts) encode() []byte {
	v := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(c.committed))
	return binary.BigEndian.AppendUint64(v, uint64(c.rolledBack))
}

// commit writes the group to the log and makes it visible; the completer waits until it is synced.
func (s *Store) commit(g *group) {
	defer func() {
		if r := recover(); r != nil { // Pebble panics when the log is broken already
			g.err = fmt.Errorf("write to the log: %v", r)
			s.fail(g.err)
		}
	}()
	if g.err = s.failure(); g.err != nil {
		return
	}
	g.batch = new(cockroach.Batch)
	err := g.batch.SetRepr(g.buf)
	if err == nil {
		err = s.db.ApplyNoSyncWait(g.batch, cockroach.Sync)
	}
	if err != nil {
		g.batch, g.err = nil, fmt.Errorf("write to the log: %w", err)
		s.fail(g.err)
	}
}

// completeLoop is the completer. It ends when the committer has.
func (s *Store) completeLoop() {
	for g := range s.groups {
		if g.batch != nil {
			if err := g.batch.SyncWait(); err != nil {
				g.err = fmt.Errorf("sync the log: %w", err)
				s.fail(g.err)
			}
		}
		if g.err == nil {
			g.err = s.failure()
		}
		s.complete(g)
	}
}

// complete answers the writes of a group.
func (s *Store) complete(g *group) {
	if g.err == nil {
		s.outbox.append(g.writes)
	}
	s.mu.Lock()
	for _, w := range g.writes {
		s.underway--
		s.underwayBytes -= len(w.ops.buf)
		if w.id != 0 && s.pending[w.id] == w {
			delete(s.pending, w.id)
		}
	}
	s.mu.Unlock()
	for i, w := range g.writes {
		g.writes[i] = nil
		done := w.done
		if w.freed != nil {
			s.answerWhenFreed(w, g.err)
			continue
		}
		s.writes.put(w)
		if done != nil {
			done(g.err)
		}
	}
	s.mu.Lock()
	if cap(g.writes) > cap(s.spareQueue) {
		s.spareQueue = g.writes[:0]
	}
	s.mu.Unlock()
	if len(g.buf) <= groupBytesMax && !s.kept(g) {
		g.batch, g.writes, g.err = nil, nil, nil
		select {
		case s.spareGroups <- g:
		default:
		}
	}
}

// nodeBytesMax is above what an operation takes in a memtable beside its key and value.
// Pebble internal/arenaskl/node.go: maxNodeSize.
const nodeBytesMax = 256

// kept reports whether Pebble may still need the buffer: a batch that would fill half a memtable is flushed as it is.
// Pebble db.go: largeBatchThreshold.
func (s *Store) kept(g *group) bool {
	n := binary.LittleEndian.Uint32(g.buf[8:])
	return uint64(len(g.buf))+uint64(n)*nodeBytesMax > s.opts.MemTableBytes/4
}

// answerWhenFreed waits for the end of a very large release without holding up the others.
func (s *Store) answerWhenFreed(w *write, err error) {
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		<-w.freed
		if w.done != nil {
			w.done(err)
		}
	}()
}

// fail ends the store: from now on everything is answered with the error, and the process should end.
func (s *Store) fail(err error) {
	err = damaged(err)
	s.mu.Lock()
	first := s.failed == nil
	if first {
		s.failed = fmt.Errorf("store is broken: %w", err)
	}
	s.mu.Unlock()
	if first && s.opts.Fatal != nil {
		s.opts.Fatal(err)
	}
}

func (s *Store) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// writeState queues a write that belongs to no transaction.
func (s *Store) writeState(w *write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed != nil:
		return s.failed
	case s.closing:
		return orchestrator.ErrStopped
	}
	s.append(w)
	return nil
}
