package direct

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/concord-tx/concord/orchestrator"
)

// queueMax bounds the decisions that wait to be driven; the sweeper drives those beyond it.
const queueMax = 100_000

// Log implements [orchestrator.DecisionLog] without a message.
type Log struct {
	apply   func(ch *orchestrator.Change, done func(error))
	dropped atomic.Int64
	wake    chan struct{}

	mu    sync.Mutex
	queue []int64 // transactions that are decided and not yet driven
	spare []int64
}

// New returns a log that writes with apply. It has no goroutine of its own and needs no Close.
func New(apply func(ch *orchestrator.Change, done func(error))) *Log {
	return &Log{apply: apply, wake: make(chan struct{}, 1)}
}

// Record implements [orchestrator.DecisionLog].
func (l *Log) Record(ch *orchestrator.Change, done func(error)) {
	ch.Decision = true
	id := ch.Global.XID.ID
	l.apply(ch, func(err error) {
		done(err)
		if err == nil {
			l.push(id)
		}
	})
}

func (l *Log) push(id int64) {
	l.mu.Lock()
	if len(l.queue) >= queueMax {
		l.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	l.queue = append(l.queue, id)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Consume implements [orchestrator.DecisionLog]. A decision whose handling fails is left to the sweeper.
func (l *Log) Consume(ctx context.Context, handle func(ctx context.Context, xid int64) error) error {
	for {
		for _, id := range l.take() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := handle(ctx, id); err != nil {
				l.dropped.Add(1)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.wake:
		}
	}
}

// take returns what has queued. The slice is valid until the next take.
func (l *Log) take() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.queue
	l.queue, l.spare = l.spare[:0], ids
	return ids
}

// Dropped counts the decisions that were left to the sweeper.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

var _ orchestrator.DecisionLog = (*Log)(nil)
