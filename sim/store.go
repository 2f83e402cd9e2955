package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// StoreOptions are a simulated store's surroundings. After is required; the others may be nil for a store without
// faults and without logs.
type StoreOptions struct {
	// After calls do later, from the one goroutine on which everything of the store runs.
	After func(d time.Duration, do func())
	// Sync draws the time of one sync.
	Sync func() time.Duration
	// Boundary is called before and after every step to the disk. It may call Crash.
	Boundary func(what string)
	// Fault chooses what goes wrong with a change.
	Fault func(ch *orchestrator.Change) Fault
	// Skip chooses whether Due forgets about a transaction for once, or returns it in spite of a claim.
	Skip, Repeat func() bool
	// NoIDs chooses whether ids that are reserved are lost on the way to who asked for them.
	NoIDs func() bool
	// Survivors chooses how many of n changes that are being written outlive a crash.
	Survivors func(n int) int
	// Accepted is told of each change that will be durable unless a crash comes first, Durable when it is.
	Accepted func(ch *orchestrator.Change, stored string) *check.Write
	Durable  func(w *check.Write, e *entry)
	// Refused is told when it is said that a change is not durable, or that nobody knows, Read of each look at what is
	// stored of a transaction.
	Refused, Read func(id int64)
	// Reserved is told of each range of ids.
	Reserved func(first, n int64)
	// Shared says that several nodes use the store: then nobody sees what is not durable, as it may be another's.
	Shared   bool
	Mutation Mutation
}

// Fault is what goes wrong with one change.
type Fault uint8

// The faults.
const (
	NoFault      Fault = iota
	FaultBusy          // refused, nothing changed
	FaultLost          // not written; reported as an unknown outcome
	FaultTimeout       // written; reported as an unknown outcome
	FaultReadOnly
)

// Store implements [orchestrator.Store] on a [Disk]. It is not safe for concurrent use: it belongs to one goroutine.
type Store struct {
	disk  *Disk
	o     StoreOptions
	epoch int
	dead  bool

	all   map[int64]*stored
	ids   []int64 // of all, ascending
	live  []int64 // of those that have not ended, ascending
	locks map[txn.Row]held
	queue []*pending
	wrote []*pending // being synced
	timer bool
	// refused counts, by transaction, the refusals that are not reported yet: what was built on those is refused too.
	refused map[int64]int
	counts  orchestrator.Counts
}

// stored is the newest state of a transaction.
type stored struct {
	rec     record
	xid     txn.XID
	version uint64
	durable uint64
	status  txn.Status
	stuck   bool
	due     txn.Millis
	claimed txn.Millis // not due before this
	claimer int        // the epoch that holds it, in a cluster
}

// held is a row that a transaction has locked, with as many of its branches as count says.
type held struct {
	holder int64
	count  int
}

// pending is a change that is not durable yet.
type pending struct {
	id      int64
	version uint64
	rec     record
	lazy    bool
	report  error
	done    func(error)
	entry   *entry
	log     *check.Write
	acked   bool
}

// The unknown outcomes.
var (
	errTimedOut = errors.New("the store did not answer in time")
	errDead     = errors.New("the process is dead")
)

// OpenStore opens a disk and rebuilds what is kept in memory. Whoever had it open before can write no more.
func OpenStore(d *Disk, o StoreOptions) (*Store, error) {
	d.epoch++
	s := &Store{disk: d, o: o, epoch: d.epoch, all: make(map[int64]*stored), locks: make(map[txn.Row]held),
		refused: make(map[int64]int)}
	for _, id := range d.ids {
		rec := d.records[id]
		if o.Mutation == ForgetBranch && len(rec.branches) > 1 {
			rec.branches = rec.branches[:len(rec.branches)-1]
		}
		g, err := rec.decode()
		if err != nil {
			return nil, err
		}
		s.remember(id, g, rec)
		s.all[id].durable = g.Version
		if g.Status.Ended() {
			continue
		}
		for _, b := range g.Branches {
			if b.LockKey != "" && !b.Released {
				s.take(id, b)
			}
		}
	}
	return s, nil
}

// Crash ends the store: nothing is called back any more, and what is not durable is lost, except for the first part of
// what was being written.
func (s *Store) Crash() {
	if s.dead {
		return
	}
	s.dead = true
	if n := len(s.wrote); n > 0 {
		keep := 0
		if s.o.Survivors != nil {
			keep = s.o.Survivors(n)
		}
		for _, p := range s.wrote[:keep] {
			s.persist(p)
		}
	}
}

// remember makes g the newest state.
func (s *Store) remember(id int64, g *txn.Global, rec record) {
	st := s.all[id]
	if st == nil {
		st = &stored{xid: g.XID}
		s.all[id] = st
		s.ids = insertID(s.ids, id)
		if !g.Status.Ended() {
			s.live = insertID(s.live, id)
		}
	} else {
		s.tally(st, -1)
	}
	if st.due != g.DueAt {
		st.claimed, st.claimer = 0, 0
	}
	st.rec, st.version, st.status, st.stuck, st.due = rec, g.Version, g.Status, g.Stuck != 0, g.DueAt
	s.tally(st, 1)
	if g.Status.Ended() {
		if i, found := slices.BinarySearch(s.live, id); found {
			s.live = slices.Delete(s.live, i, i+1)
		}
	}
}

func insertID(ids []int64, id int64) []int64 {
	i, _ := slices.BinarySearch(ids, id)
	return slices.Insert(ids, i, id)
}

// tally keeps the counts.
func (s *Store) tally(st *stored, by int64) {
	switch st.status {
	case txn.Active:
		s.counts.Active += by
	case txn.Committing:
		s.counts.Committing += by
	case txn.RollingBack:
		s.counts.RollingBack += by
	case txn.Committed:
		s.counts.Committed += by
	case txn.RolledBack:
		s.counts.RolledBack += by
	}
	if st.stuck {
		s.counts.Stuck += by
	}
}

// Load implements [orchestrator.Store].
func (s *Store) Load(id int64, done func(*txn.Global, error)) {
	if s.dead {
		return
	}
	var answer func()
	answer = func() {
		if s.dead {
			return
		}
		st := s.all[id]
		if st != nil && s.o.Shared && st.version > st.durable {
			s.o.After(time.Millisecond, answer)
			return
		}
		if st == nil {
			done(nil, orchestrator.ErrNotFound)
			return
		}
		rec := st.rec
		if old, known := s.disk.records[id]; known && s.o.Mutation == StaleLoad {
			rec = s.stale(id, old)
		}
		if s.o.Read != nil {
			s.o.Read(id)
		}
		done(rec.decode())
	}
	if s.o.Sync == nil || s.o.Sync()%3 == 0 {
		answer()
		return
	}
	s.o.After(s.o.Sync()/4, answer)
}

// Due implements [orchestrator.Store].
func (s *Store) Due(_ context.Context, now txn.Millis, claim time.Duration, limit int) ([]int64, error) {
	if s.dead {
		return nil, errDead
	}
	if s.o.Mutation == NeverDue {
		return nil, nil
	}
	if s.o.Mutation == Drowsy {
		now = now.Add(-2 * time.Minute)
	}
	var due []int64
	for _, id := range s.live {
		st := s.all[id]
		if st.due == 0 || st.due > now {
			continue
		}
		if st.claimed > now && (s.o.Repeat == nil || !s.o.Repeat()) || s.o.Skip != nil && s.o.Skip() {
			continue
		}
		due = append(due, id)
	}
	slices.SortStableFunc(due, func(a, b int64) int { return int(s.all[a].due - s.all[b].due) })
	due = due[:min(len(due), limit)]
	for _, id := range due {
		s.all[id].claimed, s.all[id].claimer = now.Add(claim), 0
	}
	return due, nil
}

// ReserveIDs implements [orchestrator.Store].
func (s *Store) ReserveIDs(_ context.Context, n int64) (int64, error) {
	if s.dead {
		return 0, errDead
	}
	if n <= 0 || n > math.MaxInt64-s.disk.nextID {
		return 0, fmt.Errorf("reserve %d ids", n)
	}
	first := s.disk.nextID
	s.disk.nextID += n
	if s.o.Mutation == ReuseIDs && s.epoch > 1 {
		first = 1
	}
	if s.o.Reserved != nil {
		s.o.Reserved(first, n)
	}
	if s.o.NoIDs != nil && s.o.NoIDs() {
		return 0, errTimedOut
	}
	return first, nil
}

// Counts implements [orchestrator.Store].
func (s *Store) Counts(context.Context) (orchestrator.Counts, error) {
	c := s.counts
	c.Locks = int64(len(s.locks))
	c.Committed += s.disk.forgotten[txn.Committed]
	c.RolledBack += s.disk.forgotten[txn.RolledBack]
	if s.o.Mutation == Miscount {
		c.Stuck++
		c.Committed++
	}
	return c, nil
}

// Oldest implements [orchestrator.Store].
func (s *Store) Oldest(context.Context) (oldest txn.Millis, err error) {
	for _, id := range s.live {
		if began := s.global(id).BeganAt; oldest == 0 || began < oldest {
			oldest = began
		}
	}
	return oldest, nil
}

// Forget removes what ended before the given time and is durable.
func (s *Store) Forget(before txn.Millis) {
	for _, id := range slices.Clone(s.ids) {
		st := s.all[id]
		if !st.status.Ended() || st.version > st.durable || s.global(id).EndedAt >= before {
			continue
		}
		s.tally(st, -1)
		delete(s.all, id)
		i, _ := slices.BinarySearch(s.ids, id)
		s.ids = slices.Delete(s.ids, i, i+1)
		s.disk.remove(id, st.status)
	}
}

// check refuses a change that cannot be made.
func (s *Store) check(ch *orchestrator.Change) error {
	g := ch.Global
	var version uint64
	if st := s.all[g.XID.ID]; st != nil {
		version = st.version
		if st.status.Ended() {
			return orchestrator.ErrConflict
		}
	}
	if version+1 != g.Version || s.refused[g.XID.ID] > 0 {
		return orchestrator.ErrConflict
	}
	if ch.Acquire == nil || s.o.Mutation == NoLocks {
		return nil
	}
	for _, row := range check.Rows(ch.Acquire) {
		if l := s.locks[row]; l.holder != 0 && l.holder != g.XID.ID {
			if s.o.Mutation == PartialGrant && s.all[g.XID.ID] != nil {
				s.take(g.XID.ID, ch.Acquire)
			}
			return s.locked(asAsked(row, ch.Acquire.LockKey), l.holder)
		}
	}
	return nil
}

// asAsked returns a row with its table spelled as in the lock key of who asked for it.
func asAsked(row txn.Row, lockKey string) txn.Row {
	txn.EachLock(lockKey, func(table, pk string) bool {
		if pk != row.PK || txn.FoldTable(table) != row.Table {
			return true
		}
		row.Table = table
		return false
	})
	return row
}

func (s *Store) locked(row txn.Row, holder int64) *orchestrator.LockedError {
	st := s.all[holder]
	return &orchestrator.LockedError{Row: row, Holder: st.xid, RollingBack: st.status == txn.RollingBack}
}

// take locks the rows of a branch that nobody else holds.
func (s *Store) take(id int64, b *txn.Branch) {
	for _, row := range check.Rows(b) {
		if l := s.locks[row]; l.holder == 0 || l.holder == id {
			s.locks[row] = held{id, l.count + 1}
		}
	}
}

// free unlocks the rows of a branch.
func (s *Store) free(id int64, b *txn.Branch) {
	for _, row := range check.Rows(b) {
		switch l := s.locks[row]; {
		case l.holder != id:
		case l.count > 1:
			s.locks[row] = held{id, l.count - 1}
		default:
			delete(s.locks, row)
		}
	}
}

// Locked implements [orchestrator.Store].
func (s *Store) Locked(id int64, resource, lockKey string, done func(*orchestrator.LockedError, error)) {
	if s.dead {
		return
	}
	for _, row := range check.Rows(&txn.Branch{Resource: resource, LockKey: lockKey}) {
		if l := s.locks[row]; l.holder != 0 && l.holder != id {
			done(s.locked(asAsked(row, lockKey), l.holder), nil)
			return
		}
	}
	done(nil, nil)
}

// global decodes the newest state of a transaction.
func (s *Store) global(id int64) *txn.Global {
	g, err := s.all[id].rec.decode()
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	return g
}
