package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	cockroach "github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/intern"
)

// Store is the embedded store. It implements [orchestrator.Store], [orchestrator.Documents] and the storage of package
// mq/embedded.
type Store struct {
	opts   Options
	dir    string
	db     *cockroach.DB
	cache  *cockroach.Cache
	unlock func() error
	names  intern.Names
	hasher rowHasher
	writes writePool

	// large is held while very many rows are locked for one branch. It is taken before mu.
	large sync.Mutex

	mu    sync.Mutex
	live  liveTable
	locks lockTable
	ended endedCounts
	// lastEnded is the greatest id of a transaction that has ended.
	lastEnded  int64
	outboxNext uint64
	// pending holds the newest change of every transaction that has one under way.
	pending map[int64]*write
	// queue is what the committer takes next; urgent says that it holds something that is not lazy, lazySince when it
	// began to hold anything else.
	queue, spareQueue []*write
	urgent            bool
	lazySince         time.Time
	// underway and underwayBytes count what is queued or being written.
	underway, underwayBytes int
	closing                 bool
	failed                  error
	passes                  int // of retention, ended ones

	wake        chan struct{}
	groups      chan *group
	spareGroups chan *group
	refusals    refusals
	outbox      outbox
	documents   documents
	readOnly    atomic.Pointer[error]

	idMu    sync.Mutex
	ceiling int64

	stop    context.CancelFunc
	running sync.WaitGroup // the goroutines beside committer and completer
	commits sync.WaitGroup // these two
	closed  chan struct{}
}

const (
	metaIDs   = "ids"
	metaEnded = "ended"
)

// Open opens the store in dir, which is created if need be, and reads what is live. The directory belongs to one
// process at a time. Close must be called.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{
		opts: o, dir: dir, hasher: newRowHasher(), live: newLiveTable(), locks: lockTable{},
		pending: map[int64]*write{}, wake: make(chan struct{}, 1), groups: make(chan *group, groupsInFlight),
		spareGroups: make(chan *group, 4), refusals: refusals{wake: make(chan struct{}, 1)},
		closed: make(chan struct{}),
	}
	if err := createDir(o.FS, dir); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	unlock, err := lockDir(o.FS, dir)
	if err != nil {
		return nil, err
	}
	s.unlock = unlock
	if err := checkFiles(o.FS, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open data directory %s: %w", dir, err), unlock())
	}
	// Pebble reserves its memtables' bytes out of the cache; without this there would be none left for blocks.
	s.cache = cockroach.NewCache(o.CacheBytes + memTablesMax*int64(o.MemTableBytes))
	s.db, err = cockroach.Open(dir, pebbleOptions(o, s.cache, s.fail))
	if err != nil {
		s.cache.Unref()
		return nil, errors.Join(fmt.Errorf("open data directory %s: %w", dir, damaged(err)), unlock())
	}
	if err := s.recover(ctx); err != nil {
		err = fmt.Errorf("read data directory %s: %w", dir, damaged(err))
		return nil, errors.Join(err, s.closeFiles())
	}
	s.checkDisk()
	s.start()
	return s, nil
}

// createDir creates the directory and makes its entry in the parent durable, which Pebble does not.
func createDir(fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	parent, err := fs.OpenDir(fs.PathDir(dir))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

func (s *Store) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	ended := s.ended
	s.commits.Go(func() { s.commitLoop(ended) })
	s.commits.Go(s.completeLoop)
	s.running.Go(func() { s.refusals.run(ctx.Done()) })
	s.running.Go(func() { s.retentionLoop(ctx) })
	if s.opts.DiskReserveBytes > 0 {
		s.running.Go(func() { s.diskLoop(ctx) })
	}
}

// Close makes durable what was accepted, answers it, and gives the directory back. It must be called once.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.closing = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	s.commits.Wait()
	s.stop()
	s.running.Wait()
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	err := s.db.Close()
	s.cache.Unref()
	if err != nil {
		err = fmt.Errorf("close data directory: %w", err)
	}
	return errors.Join(err, s.unlock())
}

// ReserveIDs implements [orchestrator.Store].
func (s *Store) ReserveIDs(_ context.Context, n int64) (int64, error) {
	s.idMu.Lock()
	defer s.idMu.Unlock()
	if n <= 0 || s.ceiling > 1<<63-1-n {
		return 0, fmt.Errorf("reserve %d ids: out of range", n)
	}
	if err := s.failure(); err != nil {
		return 0, err
	}
	first := s.ceiling
	value := binary.BigEndian.AppendUint64(nil, uint64(first+n))
	if err := s.db.Set(metaKey(metaIDs), value, cockroach.Sync); err != nil {
		return 0, fmt.Errorf("reserve %d ids: %w", n, err)
	}
	if err := s.failure(); err != nil {
		return 0, err
	}
	s.ceiling = first + n
	return first, nil
}

// Counts implements [orchestrator.Store].
func (s *Store) Counts(context.Context) (orchestrator.Counts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return orchestrator.Counts{
		Active:      s.live.byStatus[txn.Active],
		Committing:  s.live.byStatus[txn.Committing],
		RollingBack: s.live.byStatus[txn.RollingBack],
		Stuck:       s.live.stuck,
		Locks:       int64(len(s.locks)),
		Committed:   s.ended.committed,
		RolledBack:  s.ended.rolledBack,
	}, s.failed
}

// Oldest implements [orchestrator.Store].
func (s *Store) Oldest(context.Context) (txn.Millis, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live.oldest == noRecord {
		return 0, s.failed
	}
	return s.live.at(s.live.oldest).began, s.failed
}

// Due implements [orchestrator.Store]. Claims are kept in memory: after a restart everything that is due is due again.
func (s *Store) Due(_ context.Context, now txn.Millis, claim time.Duration, limit int) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, s.failed
	}
	var ids []int64
	again := max(now.Add(claim), now+1)
	for len(ids) < limit && len(s.live.due) > 0 && s.live.due[0].at <= now {
		ref := s.live.due[0].ref
		ids = append(ids, s.live.at(ref).id)
		s.live.setDue(ref, again)
	}
	return ids, nil
}

// Metrics returns Pebble's own numbers, for diagnosis.
func (s *Store) Metrics() *cockroach.Metrics { return s.db.Metrics() }
