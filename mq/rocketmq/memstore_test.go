package rocketmq

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// disk is a store's contents: what survives a crash. Several nodes may share one.
type disk struct {
	mu      sync.Mutex
	globals map[int64]*txn.Global
	packs   map[orchestrator.PackID]bool // true: stored, false: aborted
	outbox  map[int64]*outboxRow
	decided map[int64]orchestrator.OutboxEntry // all there ever were
	fences  int
}

type outboxRow struct {
	orchestrator.OutboxEntry
	claimed time.Time
}

func newDisk() *disk {
	return &disk{
		globals: map[int64]*txn.Global{}, packs: map[orchestrator.PackID]bool{}, outbox: map[int64]*outboxRow{},
		decided: map[int64]orchestrator.OutboxEntry{},
	}
}

// memStore is a node's view of a disk: an orchestrator.Store as far as mqtest needs it, and a PackStore. Writes take
// a moment; those that are under way at a crash are lost or not, and nobody is told.
type memStore struct {
	orchestrator.Store
	disk  *disk
	queue chan func(crashed bool)
	done  sync.WaitGroup
	stop  chan struct{}
	dead  atomic.Bool
	// failNext makes that many ApplyPack calls end with an unknown outcome, although they were written.
	failNext atomic.Int32
}

func newMemStore(d *disk) *memStore {
	s := &memStore{disk: d, queue: make(chan func(bool), 10_000), stop: make(chan struct{})}
	for range 4 {
		s.done.Go(s.work)
	}
	return s
}

func (s *memStore) work() {
	for {
		select {
		case f := <-s.queue:
			f(s.dead.Load())
		case <-s.stop:
			return
		}
	}
}

// crash ends the node without telling anybody.
func (s *memStore) crash() {
	s.dead.Store(true)
	close(s.stop)
	s.done.Wait()
}

func (s *memStore) submit(f func(crashed bool)) { s.queue <- f }

func (s *memStore) Load(id int64, done func(*txn.Global, error)) {
	s.disk.mu.Lock()
	g := s.disk.globals[id]
	s.disk.mu.Unlock()
	if g == nil {
		done(nil, orchestrator.ErrNotFound)
		return
	}
	done(g, nil)
}

func (s *memStore) Apply(ch *orchestrator.Change, done func(error)) {
	s.submit(func(crashed bool) {
		s.disk.mu.Lock()
		err := s.disk.apply(ch, "")
		s.disk.mu.Unlock()
		if !crashed {
			done(err)
		}
	})
}

var errUnknown = errors.New("connection was lost, outcome unknown")

func (s *memStore) ApplyPack(id orchestrator.PackID, changes []*orchestrator.Change, done func([]error, error)) {
	s.submit(func(crashed bool) {
		errs, err := s.disk.applyPack(id, changes)
		if s.failNext.Load() > 0 && s.failNext.Add(-1) >= 0 {
			errs, err = nil, errUnknown
		}
		if !crashed {
			done(errs, err)
		}
	})
}

func (d *disk) check(ch *orchestrator.Change) error {
	old := uint64(0)
	if g := d.globals[ch.Global.XID.ID]; g != nil {
		old = g.Version
	}
	if ch.Global.Version != old+1 {
		return orchestrator.ErrConflict
	}
	return nil
}

func (d *disk) apply(ch *orchestrator.Change, pack orchestrator.PackID) error {
	if err := d.check(ch); err != nil {
		return err
	}
	g := *ch.Global
	d.globals[g.XID.ID] = &g
	if ch.Decision {
		e := orchestrator.OutboxEntry{
			ID: g.XID.ID, Pack: pack, Topic: ch.Topic, Group: g.Group, Event: slices.Clone(ch.Event),
			RecordedAt: txn.MillisOf(time.Now()),
		}
		d.outbox[e.ID] = &outboxRow{OutboxEntry: e}
		d.decided[e.ID] = e
	}
	return nil
}

func (d *disk) applyPack(id orchestrator.PackID, changes []*orchestrator.Change) ([]error, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.packs[id]; known {
		return nil, orchestrator.ErrPackAborted
	}
	errs := make([]error, len(changes))
	seen := map[int64]bool{}
	bad := false
	for i, ch := range changes {
		if errs[i] = d.check(ch); seen[ch.Global.XID.ID] && errs[i] == nil {
			errs[i] = orchestrator.ErrConflict
		}
		seen[ch.Global.XID.ID] = true
		bad = bad || errs[i] != nil
	}
	if bad {
		return errs, orchestrator.ErrPackRefused
	}
	for _, ch := range changes {
		_ = d.apply(ch, id) // was checked
	}
	d.packs[id] = true
	return nil, nil
}

func (s *memStore) FencePack(_ context.Context, id orchestrator.PackID) (bool, error) {
	if s.dead.Load() {
		return false, errUnknown
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	s.disk.fences++
	stored, known := s.disk.packs[id]
	if !known {
		s.disk.packs[id] = false
	}
	return stored, nil
}

func (s *memStore) Unread(_ context.Context, before txn.Millis, claim time.Duration, limit int) (
	[]orchestrator.OutboxEntry, error,
) {
	if s.dead.Load() {
		return nil, errUnknown
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	var all []orchestrator.OutboxEntry
	for _, row := range s.disk.outbox {
		if len(all) < limit && row.RecordedAt < before && time.Now().After(row.claimed) {
			row.claimed = time.Now().Add(claim)
			all = append(all, row.OutboxEntry)
		}
	}
	sortByTime(all)
	return all, nil
}

func (s *memStore) Repack(_ context.Context, id orchestrator.PackID, _ []int64) error {
	if s.dead.Load() {
		return errUnknown
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if _, known := s.disk.packs[id]; known {
		return orchestrator.ErrPackAborted
	}
	s.disk.packs[id] = true
	return nil
}

func (s *memStore) ClearOutbox(pack orchestrator.PackID, ids []int64) {
	if s.dead.Load() {
		return
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	for id, row := range s.disk.outbox {
		if row.Pack == pack && (ids == nil || slices.Contains(ids, id)) {
			delete(s.disk.outbox, id)
		}
	}
}

func (s *memStore) OutboxState(context.Context) (n int64, oldest txn.Millis, err error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	for _, row := range s.disk.outbox {
		if n++; oldest == 0 || row.RecordedAt < oldest {
			oldest = row.RecordedAt
		}
	}
	return n, oldest, nil
}

// unread counts what is not cleared.
func (d *disk) unread() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.outbox)
}

// decisions copies all that were ever decided.
func (d *disk) decisions() map[int64]orchestrator.OutboxEntry {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make(map[int64]orchestrator.OutboxEntry, len(d.decided))
	for id, e := range d.decided {
		all[id] = e
	}
	return all
}

var (
	_ orchestrator.Store     = (*memStore)(nil)
	_ orchestrator.PackStore = (*memStore)(nil)
)

// hmacOf signs text as brokers do.
func hmacOf(secret, text string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
