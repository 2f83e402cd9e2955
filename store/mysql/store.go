package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Store is a node's hold on the shared database. It implements [orchestrator.Shared], [orchestrator.PackStore],
// [orchestrator.Directory], [orchestrator.SettingStore], [orchestrator.Documents] and [orchestrator.Clock].
type Store struct {
	records
	opts    Options
	logger  *slog.Logger
	server  server
	writers *sql.DB
	// insertWide is insertOutbox for one row, prepared on the writers.
	insertWide *sql.Stmt
	keeper     *sql.DB // keeps the lease, and does not queue behind those who read lists
	clock      clock
	health     health
	stats      statistics

	// members is held for reading by a write and for writing while the node joins, so that no write sees half a join.
	// It is taken before mu.
	members sync.RWMutex
	epoch   atomic.Int64
	tokens  atomic.Int64
	// reserved is the end of the ids that were reserved last.
	reserved atomic.Int64

	mu      sync.Mutex
	pending map[int64]*chain
	// queue is what the lanes take next; urgent says that it holds something that is not lazy.
	queue []*unit
	// writing are the needs of the units that are being written.
	writing marks
	// clear are outbox entries whose message was read, clearSince when the first of them came.
	clear                   clearing
	clearSince              time.Time
	urgent                  bool
	underway, underwayBytes int
	closing, aborted        bool
	rank, nodes             int64  // the slice of due work
	lastWaits               string // as they are stored; unknownWaits if nobody knows

	wake     [lanes]chan struct{}
	cancels  [lanes]context.CancelFunc // guarded by mu; see underLease
	refusals refusals
	loads    loads
	member   membership
	claims   atomic.Int64

	closed  chan struct{}
	abort   context.CancelFunc
	halt    context.CancelFunc
	lane    sync.WaitGroup
	running sync.WaitGroup
}

var (
	_ orchestrator.Shared       = (*Store)(nil)
	_ orchestrator.PackStore    = (*Store)(nil)
	_ orchestrator.Directory    = (*Store)(nil)
	_ orchestrator.SettingStore = (*Store)(nil)
	_ orchestrator.Clock        = (*Store)(nil)
)

// The sizes of the pools: the lanes write, and whoever resolves their outcomes; the keeper keeps the lease; the rest
// reads.
const (
	writersMax = 2 * lanes
	readersMax = 12
	keepersMax = 2
)

// Open connects, checks the server and the tables, and joins the cluster. An error says which setting to change. Run
// must be called to stay a member, Close to end.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Migrate {
		if _, _, err := Migrate(ctx, o.DSN, o.Logger); err != nil {
			return nil, err
		}
	}
	s := &Store{
		opts: o, logger: o.Logger, pending: map[int64]*chain{}, writing: marks{},
		refusals: refusals{wake: make(chan struct{}, 1)}, closed: make(chan struct{}), nodes: 1,
	}
	for i := range s.wake {
		s.wake[i] = make(chan struct{}, 1)
	}
	s.clock.start(o.ClockOffset)
	s.loads.init()
	s.member.init()
	if err := s.connect(ctx); err != nil {
		s.closePools()
		return nil, err
	}
	s.start()
	return s, nil
}

func (s *Store) connect(ctx context.Context) error {
	c, err := parseDSN(s.opts.DSN)
	if err != nil {
		return err
	}
	setIdle(c, idleOf(s.opts.Lease))
	if s.pool, err = openPool(c, readersMax); err != nil {
		return err
	}
	if s.server, err = inspect(ctx, s.pool); err != nil {
		return err
	}
	s.packetMax = s.server.packetMax
	c.MaxAllowedPacket = s.packetMax
	if err := s.pool.Close(); err != nil {
		return fmt.Errorf("close a connection: %w", err)
	}
	if s.pool, err = openPool(c, readersMax); err != nil {
		return err
	}
	if s.writers, err = openPool(c, writersMax); err != nil {
		return err
	}
	if s.keeper, err = openPool(c, keepersMax); err != nil {
		return err
	}
	if err := checkSchema(ctx, s.pool); err != nil {
		return err
	}
	if s.insertWide, err = s.writers.PrepareContext(ctx, insertOutbox.text(1)); err != nil {
		return fmt.Errorf("prepare a statement: %w", startError(err))
	}
	if err := s.measure(ctx); err != nil {
		return fmt.Errorf("read the database's clock: %w", startError(err))
	}
	if err := s.join(ctx); err != nil {
		return fmt.Errorf("join the cluster: %w", startError(err))
	}
	if err := s.findSlice(ctx); err != nil {
		return fmt.Errorf("read the nodes: %w", startError(err))
	}
	s.logger.Info("database is in use", "kind", s.server.kind, "version", s.server.version, "epoch", s.Epoch())
	return nil
}

func (s *Store) start() {
	base, abort := context.WithCancel(context.Background())
	s.abort = abort
	ctx, halt := context.WithCancel(base)
	s.halt = halt
	for i := range s.opts.Lanes {
		s.lane.Go(func() { s.laneLoop(base, i) })
	}
	s.running.Go(func() { s.refusals.run(ctx.Done()) })
	for range loaders {
		s.running.Go(func() { s.loadLoop(ctx) })
	}
}

// Close makes durable what was accepted, as far as the database can be reached, answers it, and ends the connections.
// The lease stays; call [Store.Leave] before, to have the other nodes know at once.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.closing = true
	close(s.closed)
	s.mu.Unlock()
	s.wakeLanes()
	s.lane.Wait()
	s.halt()
	s.running.Wait()
	s.abort()
	s.closePools()
	return nil
}

func (s *Store) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// closePools closes the connections. What goes wrong then is that one is gone already, because the server has idled it
// out or was stopped, and that must not make an orderly end look like a failure.
func (s *Store) closePools() {
	for _, db := range []*sql.DB{s.pool, s.writers, s.keeper} {
		if db == nil {
			continue
		}
		if err := db.Close(); err != nil {
			s.logger.Debug("connection was gone before it was closed", "err", err)
		}
	}
}

const (
	// addMeta and selectMeta work on one counter, by the primary key.
	addMeta    = `UPDATE concord_meta SET value = value + ? WHERE name = ?`
	selectMeta = `SELECT value FROM concord_meta WHERE name = ?`
)

// The counters.
const (
	metaIDs      = "ids"
	metaEpoch    = "epoch"
	metaSettings = "settings"
)

// count adds to a counter and returns its value before.
func count(ctx context.Context, x executor, name string, n int64) (before int64, err error) {
	if _, err := x.ExecContext(ctx, addMeta, n, []byte(name)); err != nil {
		return 0, err
	}
	seen := false
	err = each(ctx, x, func(rows *sql.Rows) error { seen = true; return rows.Scan(&before) }, selectMeta, []byte(name))
	if err == nil && !seen {
		err = fmt.Errorf("table concord_meta lacks the row %q: run `concord migrate`", name)
	}
	return before - n, err
}

// setAhead adds to a counter.
func setAhead(ctx context.Context, x executor, name string, n int64) error {
	_, err := x.ExecContext(ctx, addMeta, n, []byte(name))
	return err
}

// inTransaction calls do in a transaction of its own, and again after a failure that changed nothing. When the answer
// to the commit is lost, it does it again too: it is for what may be done twice.
func (s *Store) inTransaction(ctx context.Context, do func(tx *sql.Tx) error) error {
	return patiently(ctx, s.opts.RetryFor, func() error {
		tx, err := s.pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := do(tx); err != nil {
			_ = tx.Rollback()
			return err
		}
		return tx.Commit()
	})
}

// ReserveIDs implements [orchestrator.Store]. If the answer of the database is lost, a range is lost with it.
func (s *Store) ReserveIDs(ctx context.Context, n int64) (first int64, err error) {
	if n <= 0 {
		return 0, fmt.Errorf("reserve %d ids: out of range", n)
	}
	// A database that was replaced by a copy without the last writes must not give what this node has had before.
	err = s.inTransaction(ctx, func(tx *sql.Tx) error {
		first, err = count(ctx, tx, metaIDs, n)
		if had := s.reserved.Load(); err == nil && first < had {
			s.logger.Error("database has lost writes that it had confirmed", "ids", had-first)
			first, err = had, setAhead(ctx, tx, metaIDs, had-first)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reserve %d ids: %w", n, err)
	}
	for had := s.reserved.Load(); had < first+n && !s.reserved.CompareAndSwap(had, first+n); {
		had = s.reserved.Load()
	}
	return first, nil
}

// selectCounts adds up a few rows.
const selectCounts = `SELECT COALESCE(SUM(n_active), 0), COALESCE(SUM(n_committing), 0),
	COALESCE(SUM(n_rolling_back), 0), COALESCE(SUM(n_stuck), 0), COALESCE(SUM(n_locks), 0),
	COALESCE(SUM(n_committed), 0), COALESCE(SUM(n_rolled_back), 0) FROM concord_node`

// Counts implements [orchestrator.Store]. The numbers are exact: each write adds what it changes.
func (s *Store) Counts(ctx context.Context) (orchestrator.Counts, error) {
	var n orchestrator.Counts
	err := patiently(ctx, s.opts.RetryFor, func() error {
		return s.pool.QueryRowContext(ctx, selectCounts).Scan(&n.Active, &n.Committing, &n.RollingBack, &n.Stuck,
			&n.Locks, &n.Committed, &n.RolledBack)
	})
	if err != nil {
		return n, fmt.Errorf("count transactions: %w", err)
	}
	return n, nil
}

// selectOldestOf finds the first entry of the index for a state.
const selectOldestOf = `SELECT MIN(began_at) AS at FROM concord_live WHERE state = ?`

// selectOldest does so for each state that a live transaction may have.
func selectOldest() string {
	var each []string
	for _, s := range sources(orchestrator.Query{Live: true}) {
		each = append(each, strings.Replace(selectOldestOf, "?", strconv.FormatInt(s.key, 10), 1))
	}
	return "SELECT COALESCE(MIN(at), 0) FROM (" + strings.Join(each, " UNION ALL ") + ") AS firsts"
}

// Oldest implements [orchestrator.Store].
func (s *Store) Oldest(ctx context.Context) (oldest txn.Millis, err error) {
	err = patiently(ctx, s.opts.RetryFor, func() error {
		return s.pool.QueryRowContext(ctx, selectOldest()).Scan(&oldest)
	})
	if err != nil {
		return 0, fmt.Errorf("look for the oldest transaction: %w", err)
	}
	return oldest, nil
}

// Now implements [orchestrator.Clock]: the database's time. It runs with this machine's monotonic clock and is put
// right with each renewal of the lease, so it may go back by what is put right, which is less than a millisecond or two
// unless the database's own clock was set.
func (s *Store) Now() txn.Millis { return s.clock.now() }
