package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
)

// Log implements [orchestrator.DecisionLog] on RocketMQ.
type Log struct {
	opts  Options
	name  string // begins the ids of our packs; nobody else has it
	wire  *wire
	names *nameServers
	table *table

	mode       atomic.Int32
	client     atomic.Pointer[client]
	rebuilding sync.Mutex // held while a client is replaced
	retired    []*client  // guarded by rebuilding
	pace       pace       // the same
	stale      atomic.Bool
	publishers chan struct{}
	counter    atomic.Uint64
	backlog    atomic.Int64 // messages on the queues that this node reads, beyond those that it has pulled
	learned    atomic.Int64 // the largest body that brokers take, if we had to find out
	stats      stats
	lag        lag
	stored     answers // packs that are stored
	aborted    answers // packs that were aborted
	fences     fences
	allowance  allowance
	doubt      doubt // of the store's answers to check-backs
	endings    doubt // of brokers' answers to the ends that we send ourselves
	noise      noise
	outbox     outbox
	local      local
	onReplies  atomic.Pointer[Replies] // nil: nobody reads replies
	wakeRoutes chan struct{}
	wakeQueues chan struct{}
	eating     atomic.Bool
	undone     []retry // what the last run of Consume could not deliver; owned by whoever has set eating

	work sync.WaitGroup // what Close waits for

	mu       sync.Mutex
	lanes    map[laneKey]*lane
	packs    map[orchestrator.PackID]*pack // in flight
	starving []*lane                       // those without any pack in flight, since others have all; the oldest first
	waiting  int                           // decisions in lanes
	taken    map[int64]struct{}            // the transactions of the pack that is being made
	halves   int                           // packs in flight
	closed   bool
	down     time.Time // since when nothing can be published; zero: it can
	fault    error     // what has to be mended by a person, or nil
}

// Open checks what can be checked: name servers, brokers, their versions, our credentials, the topics. What a person
// must change is an error that names the key. Brokers or name servers that cannot be reached are no error: the log
// opens, says so in [Log.Health], and goes on by itself when they are there; meanwhile its mode says what a decision
// does. [Log.Run] must run from then on; Close ends what Open began.
func Open(ctx context.Context, o Options) (*Log, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	servers, err := resolve(ctx, o.NameServers)
	if err != nil {
		return nil, err
	}
	tameLibrary(o.Logger)
	l := &Log{
		opts: o, name: unique(), table: newTable(), publishers: make(chan struct{}, publishersMax),
		lanes: map[laneKey]*lane{}, packs: map[orchestrator.PackID]*pack{},
		wakeRoutes: make(chan struct{}, 1), wakeQueues: make(chan struct{}, 1),
	}
	l.SetMode(o.Mode)
	l.lag.max = o.LagMax
	l.local.wake, l.outbox.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	l.wire = newWire(o.AccessKey, o.SecretKey, func(code int) {
		if code == codeConsumerChanged {
			poke(l.wakeQueues)
			if r := l.onReplies.Load(); r != nil {
				poke(r.wake)
			}
		}
	})
	l.names = &nameServers{wire: l.wire, all: servers}
	if err := l.connect(ctx); err != nil {
		if isFault(err) {
			_ = l.Close()
			return nil, err
		}
		l.noise.warn(o.Logger, "decisions cannot be published yet", "err", err)
	}
	l.judgeState()
	return l, nil
}

// faultError is what a person must mend.
type faultError struct{ err error }

func (e *faultError) Error() string { return e.err.Error() }
func (e *faultError) Unwrap() error { return e.err }

func fault(format string, args ...any) error { return &faultError{fmt.Errorf(format, args...)} }

func isFault(err error) bool {
	var f *faultError
	return errors.As(err, &f)
}

// connect checks the brokers, makes topics, and builds a client.
func (l *Log) connect(ctx context.Context) error {
	masters, err := l.names.masters(ctx)
	if err != nil {
		l.table.setErr(err)
		return err
	}
	if len(masters) == 0 {
		return errors.New("no broker has a master")
	}
	for _, broker := range slices.Sorted(maps.Keys(masters)) {
		if err := l.inspect(ctx, broker, masters[broker]); err != nil {
			return err
		}
	}
	topics := l.opts.topics()
	for _, topic := range append(topics[:], mq.NoticeTopic(l.opts.Prefix)) {
		if err := l.ensure(ctx, topic, masters); err != nil {
			return err
		}
	}
	return l.rebuild(ctx)
}

// inspect asks a broker for its version, and so whether it accepts our signature.
func (l *Log) inspect(ctx context.Context, broker, addr string) error {
	one, cancel := context.WithTimeout(ctx, 2*askWithin)
	defer cancel()
	got, err := l.wire.call(one, addr, codeRuntimeInfo, nil, nil)
	var refused *answerError
	switch {
	case errors.As(err, &refused) && (refused.Code == answerNoPermission || strings.Contains(refused.Remark, "AclEx")):
		return fault("broker %s refuses us; check --rocketmq-access-key and --rocketmq-secret-key: %w", broker, err)
	case err != nil && refused == nil:
		return fmt.Errorf("broker %s: %w", broker, err)
	case got.Version < oldestKnown:
		return fault("broker %s at %s is older than RocketMQ 4.9; check --rocketmq-namesrv", broker, addr)
	}
	return nil
}

// ensure finds a topic, or makes it on every master.
func (l *Log) ensure(ctx context.Context, topic string, masters map[string]string) error {
	r, err := l.names.route(ctx, topic)
	missing := maps.Clone(masters)
	if err == nil {
		for broker := range r.masters {
			delete(missing, broker)
		}
		if len(missing) < len(masters) && (len(missing) == 0 || !l.opts.CreateTopics) {
			l.table.set(topic, r)
			return nil
		}
	}
	if err != nil && !errors.Is(err, errNoTopic) {
		return err
	}
	if !l.opts.CreateTopics {
		return fault("topic %s does not exist: make it on every broker, or set --rocketmq-create-topics", topic)
	}
	for broker, addr := range missing {
		one, cancel := context.WithTimeout(ctx, 3*askWithin)
		err := l.wire.createTopic(one, addr, topic, l.opts.TopicQueues, topicPerms)
		cancel()
		var refused *answerError
		if errors.As(err, &refused) {
			return fault("broker %s: %w; make the topic, or check --rocketmq-access-key", broker, err)
		}
		if err != nil {
			return err
		}
	}
	return l.awaitTopic(ctx, topic, len(masters))
}

// awaitTopic waits until the name server knows a topic that was made, which takes some milliseconds.
func (l *Log) awaitTopic(ctx context.Context, topic string, brokers int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if r, err := l.names.route(ctx, topic); err == nil && len(r.masters) >= brokers {
			l.table.set(topic, r)
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("topic %s was made, but the name server does not know it: %w", topic, ctx.Err())
		}
	}
}

// Run watches routes and brokers, publishes what is left in the outbox, and reads what brokers have given up. It
// returns ctx's error.
func (l *Log) Run(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { l.watch(ctx) })
	group.Go(func() { l.mend(ctx) })
	group.Go(func() { l.scan(ctx) })
	group.Go(func() { l.readGivenUp(ctx) })
	group.Wait()
	return ctx.Err()
}

// Close ends what is under way and the connections. Run and Consume have ended before. Decisions whose store write was
// started are answered; their messages are published by whoever finds them in the outbox.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	var left []decision
	for _, ln := range l.lanes {
		if ln.timer != nil {
			ln.timer.Stop()
		}
		if ln.pacer != nil {
			ln.pacer.Stop()
		}
		left = append(left, ln.waiting...)
		ln.waiting = nil // its timer may be firing
	}
	l.waiting = 0
	clear(l.lanes)
	l.mu.Unlock()
	for _, d := range left {
		d.done(orchestrator.ErrStopped)
	}
	drained := make(chan struct{})
	go func() {
		l.work.Wait()
		close(drained)
	}()
	timer := time.NewTimer(ackWithin)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C: // a library call that does not return holds nothing of ours
	}
	l.rebuilding.Lock()
	for _, c := range l.retired {
		c.close()
	}
	l.retired = nil
	l.rebuilding.Unlock()
	if c := l.client.Load(); c != nil {
		c.close()
	}
	l.wire.close()
	return nil
}

// spawn runs f on a goroutine that Close waits for, unless Close was called.
func (l *Log) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.work.Go(f)
	return true
}

// inFlight returns a pack of this process that has not ended.
func (l *Log) inFlight(id orchestrator.PackID) *pack {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.packs[id]
}

// up reports whether messages of a topic can be sent.
func (l *Log) up(topic string) bool { return l.client.Load() != nil && l.table.open(topic) }

// bodyMax is the largest body that is tried.
func (l *Log) bodyMax() int {
	if n := int(l.learned.Load()); n > 0 {
		return min(n, l.opts.PackBytesMax)
	}
	return l.opts.PackBytesMax
}

// learnLimit makes packs smaller, because a broker has refused one.
func (l *Log) learnLimit(n int) {
	n = max(n, 1024)
	if old := int(l.learned.Load()); old == 0 || n < old {
		l.learned.Store(int64(n))
		l.opts.Logger.Warn("packs are made smaller, a broker refuses large messages", "bytes", n)
	}
}

// poke wakes whoever waits on a channel with room for one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

var _ orchestrator.DecisionLog = (*Log)(nil)
