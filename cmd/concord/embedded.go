package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/embedded"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/pebble"
	"github.com/concord-tx/concord/tasks"
	"github.com/concord-tx/concord/web"
)

// oneMachine is the engine that needs nothing but a directory.
type oneMachine struct {
	config    *config.Config
	logger    *slog.Logger
	options   pebble.Options
	store     *pebble.Store
	decisions *embedded.Log
	messages  *mq.TopicTransport
}

// damageAdvice is what to do about a damaged store.
const damageAdvice = "do not delete or mend files: see \"A damaged data directory\" in docs/OPERATIONS.md"

func (a *app) newEmbedded(c *config.Config, logger *slog.Logger) *oneMachine {
	o := pebble.DefaultOptions()
	o.Logger = logger
	o.Fatal = func(err error) {
		if errors.Is(err, pebble.ErrDamaged) {
			logger.Error("store is damaged, the process ends at once", "err", err, "advice", damageAdvice)
		} else {
			logger.Error("store failed, the process ends at once; what was answered is safe, start it again", "err", err)
		}
		a.exit(exitFailure)
	}
	o.Retention = c.Store.Retention
	o.DiskReserveBytes = uint64(c.Store.DiskReserve)
	o.CacheBytes = int64(c.Store.Cache)
	if a.adjustStore != nil {
		a.adjustStore(&o)
	}
	return &oneMachine{config: c, logger: logger, options: o}
}

func (m *oneMachine) open(ctx context.Context, n *node, o *orchestrator.Options) (err error) {
	m.store, err = pebble.Open(ctx, m.config.Data, m.options)
	switch {
	case errors.Is(err, pebble.ErrDamaged):
		return fmt.Errorf("%w; %s", err, damageAdvice)
	case err != nil:
		return fmt.Errorf("%w; choose another one with --data", err)
	}
	m.decisions, err = embedded.Open(m.store, m.store.Apply, embedded.Options{
		TopicPrefix: m.config.MQ.Prefix, Logger: m.logger, AttemptsMax: attemptsMax(m.config),
	})
	if err != nil {
		return fmt.Errorf("open the decision log: %w", err)
	}
	m.messages = mq.NewTopicTransport(m.decisions.Publish).Steps(
		mq.StepEvents(m.decisions.Publish), m.config.MQ.Prefix)
	o.Store, o.Log, o.Admit = m.store, m.decisions, m.store.Admit
	routes := orchestrator.Routes{txn.Topic: m.messages, txn.StepMessage: m.messages}.Fallback(o.Transport)
	o.Transport = routes
	n.openTasks(routes, o, tasks.Options{})
	return n.openCallback(routes, nil, nil)
}

// attemptsMax is how often a group is given an event before it becomes a dead letter; 0 is the log's own number. In
// development nobody wants to wait a quarter of an hour for one.
func attemptsMax(c *config.Config) int {
	if c.Dev {
		return 4
	}
	return 0
}

func (m *oneMachine) bind(c *orchestrator.Coordinator) { m.messages.Bind(c.Reply) }

func (m *oneMachine) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (m *oneMachine) leave(context.Context) {}

func (m *oneMachine) ready() []web.Reason {
	if err := m.store.Writable(); err != nil {
		return []web.Reason{{Code: "storeNotWritable", Sentence: "The store accepts no new work: " + err.Error()}}
	}
	return nil
}

func (m *oneMachine) degraded() []web.Reason { return nil }

func (m *oneMachine) web(o *web.Options) {
	o.Events = m.decisions
	publishes(o, m.config.MQ.Prefix, orchestrator.SystemClock{})
}

func (m *oneMachine) documents() (orchestrator.Documents, orchestrator.Clock) {
	return m.store, orchestrator.SystemClock{}
}

func (m *oneMachine) checkTopic(name string) error { return mq.CheckTopic(name, m.config.MQ.Prefix) }

func (m *oneMachine) describe() []any { return []any{"data", m.config.Data} }

func (m *oneMachine) close() error {
	if m.store == nil {
		return nil
	}
	if err := m.store.Close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// lag is how far the slowest consumer group is behind.
func (m *oneMachine) lag() (lag int64) {
	for _, g := range m.decisions.Groups() {
		lag = max(lag, int64(g.End-g.Offset))
	}
	return lag
}

// samples are the numbers of Pebble that say how the disk is doing.
func (m *oneMachine) samples() []web.Sample {
	p := m.store.Metrics()
	first, next := m.store.OutboxBounds()
	writable := int64(1)
	if m.store.Writable() != nil {
		writable = 0
	}
	samples := []web.Sample{
		gauge("tx_store_writable", "1 while there is room for new work on the disk.", writable),
		gauge("tx_store_disk_bytes", "Size of the data directory.", int64(p.DiskSpaceUsage())),
		gauge("tx_store_wal_bytes", "Size of the write-ahead log.", int64(p.WAL.Size)),
		counter("tx_store_wal_written_bytes_total", "Bytes written to the log.", int64(p.WAL.BytesWritten)),
		counter("tx_store_flushes_total", "Memtables written to disk.", p.Flush.Count),
		counter("tx_store_compactions_total", "Compactions.", p.Compact.Count),
		gauge("tx_store_compaction_debt_bytes", "Bytes that wait to be compacted.", int64(p.Compact.EstimatedDebt)),
		gauge("tx_store_read_amplification", "Tables that a read may have to look at.", int64(p.ReadAmp())),
		gauge("tx_outbox_entries", "Decisions that a consumer may need still.", int64(next-first)),
		gauge("tx_event_group_lag", "Entries that the slowest consumer group has not settled.", m.lag()),
	}
	samples = append(samples, messageSamples(m.messages)...)
	for i := range p.Levels {
		samples = append(samples, labelled("level", strconv.Itoa(i),
			gauge("tx_store_level_bytes", "Size of a level of the store.", p.Levels[i].Size)))
	}
	return samples
}
