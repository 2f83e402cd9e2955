package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/mq/direct"
	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/registry/zookeeper"
	"github.com/concord-tx/concord/relay"
	"github.com/concord-tx/concord/store/mysql"
	"github.com/concord-tx/concord/tasks"
	"github.com/concord-tx/concord/tc"
	"github.com/concord-tx/concord/telemetry"
	"github.com/concord-tx/concord/web"
)

// cluster is the engine of a node that shares a database with others.
type cluster struct {
	config      *config.Config
	logger      *slog.Logger
	id          string // of this node
	seata       *tc.Server
	store       *mysql.Store
	decisions   *rocketmq.Log // nil: nothing is published
	direct      *direct.Log   // nil: decisions are published
	topics      *mq.TopicTransport
	replies     *rocketmq.Replies // nil as topics is
	noMessages  mq.NoMessages     // where topics is nil
	relay       *relay.Relay      // nil: no hand-over
	registry    *zookeeper.Registry
	coordinator *orchestrator.Coordinator
	telemetry   *telemetry.Telemetry
	client      *http.Client                       // for calls to other nodes; nil: the relay's own
	entered     atomic.Pointer[zookeeper.Registry] // registry, for callbacks of the store, which runs already
	live        atomic.Pointer[liveSettings]
	tasks       atomic.Pointer[tasks.Queue] // for callbacks of the store, too
	// drained says that clients are to go elsewhere until somebody takes that back; leaving, that the process ends.
	drained, leaving atomic.Bool
}

func newCluster(c *config.Config, logger *slog.Logger) *cluster {
	return &cluster{config: c, logger: logger}
}

// openLimit bounds how long a part may take to come up.
const openLimit = 30 * time.Second

func (m *cluster) open(ctx context.Context, n *node, o *orchestrator.Options) error {
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	m.seata, m.id, m.telemetry, m.client = n.seata, m.config.Node.ID, n.telemetry, n.nodeClient()
	if m.id == "" {
		m.id = n.advertise
	}
	if err := m.openStore(ctx, n); err != nil {
		return err
	}
	o.Store, o.Shared, o.Clock, o.Member, o.Admit = m.store, m.store, m.store, m.store.Valid, m.admit
	if err := m.openLog(ctx); err != nil {
		return err
	}
	routes := orchestrator.Routes{}.Fallback(m.seata)
	if m.decisions != nil {
		o.Log = m.decisions
		m.replies = m.decisions.Replies(m.store, func(
			xid txn.XID, r txn.Reply, done func(*txn.Global, bool, error),
		) {
			m.coordinator.StepReply(xid, r, done)
		})
		m.topics = mq.NewTopicTransport(mq.Batched(m.decisions.Publish)).Steps(
			m.replies.Steps(mq.StepBodies(m.decisions.Publish)), m.config.MQ.Prefix)
		routes[txn.Topic], routes[txn.StepMessage] = m.topics, m.topics
	} else {
		o.Log = m.direct
		routes[txn.StepMessage] = &m.noMessages
	}
	m.openTasks(n, routes, o)
	if err := m.openRelay(n, routes); err != nil {
		return err
	}
	if err := n.openCallback(routes, m.store, m.store.Valid); err != nil {
		return err
	}
	o.Transport = routes
	return m.openRegistry(ctx, n)
}

func (m *cluster) openStore(ctx context.Context, n *node) (err error) {
	c := m.config
	m.store, err = mysql.Open(ctx, mysql.Options{
		DSN: c.MySQL.DSN, Migrate: c.MySQL.Migrate, Lease: c.Node.Lease, Retention: c.Store.Retention,
		ClockOffset: c.Node.ClockOffset, Logger: m.logger, Lost: m.lost, Joined: m.joined,
		Node: mysql.NodeOptions{
			ID: m.id, Advertise: n.advertise, Internal: c.InternalAddress(n.advertise, n.listener.Addr().String()),
			Version: buildVersion().Version,
		},
	})
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	return nil
}

func (m *cluster) openLog(ctx context.Context) (err error) {
	c := m.config
	if c.DecisionLog() == config.EngineOff {
		m.direct = direct.New(m.store.Apply)
		return nil
	}
	m.decisions, err = rocketmq.Open(ctx, rocketmq.Options{
		NameServers: c.RocketMQ.Namesrv, Prefix: c.MQ.Prefix, Instance: m.id, Store: m.store, Clock: m.store,
		Mode: modeOf(c), AccessKey: c.RocketMQ.AccessKey, SecretKey: c.RocketMQ.SecretKey, Epoch: m.store.Epoch,
		Valid: m.store.Valid, OutboxAfter: c.RocketMQ.UnreadAfter, CreateTopics: c.RocketMQ.CreateTopics,
		Halves: observeHalf(m.telemetry), Logger: m.logger,
	})
	if err != nil {
		return fmt.Errorf("open the decision log: %w", err)
	}
	return nil
}

func modeOf(c *config.Config) rocketmq.Mode {
	if c.RocketMQ.Mode == "refuse" {
		return rocketmq.Refuse
	}
	return rocketmq.Queue
}

func (m *cluster) openRelay(n *node, routes orchestrator.Routes) (err error) {
	if m.config.Node.Secret == "" {
		m.logger.Warn("node.secret is not set: phase two reaches only clients that are connected to the driving node")
		return nil
	}
	here := local{m.seata, n.tasks}
	m.relay, err = relay.New(relay.Options{
		Self: m.id, Client: m.client, Local: here, Directory: m.store, Secret: []byte(m.config.Node.Secret),
		Reply:    func(id int64, r txn.Reply) { m.coordinator.Reply(id, r) },
		Sessions: here.sessions, Changed: m.seata.SessionsChanged(), Valid: m.store.Valid, Clock: m.store,
		Limits: relay.Limits{AnswerLimit: m.config.Retry.Answer}, Logger: m.logger,
	})
	if err != nil {
		return fmt.Errorf("open the relay: %w", err)
	}
	routes.Fallback(m.relay)
	return nil
}

func (m *cluster) openRegistry(ctx context.Context, n *node) (err error) {
	c := m.config
	if c.Registry.Engine != config.EngineZooKeeper {
		return nil
	}
	m.registry, err = zookeeper.Open(ctx, zookeeper.Options{
		Servers: c.ZooKeeper.Servers, Cluster: c.ZooKeeper.Cluster, Root: c.ZooKeeper.Root,
		SessionTimeout: c.ZooKeeper.SessionTimeout, Digest: c.ZooKeeper.Digest, Address: n.advertise, Logger: m.logger,
	})
	if err != nil {
		return fmt.Errorf("open the registry: %w", err)
	}
	m.entered.Store(m.registry)
	return nil
}

// admit lets no transaction begin here while the node is no member.
func (m *cluster) admit() error {
	if !m.store.Valid() {
		return orchestrator.ErrNotMember
	}
	return nil
}

func (m *cluster) bind(c *orchestrator.Coordinator) {
	m.coordinator = c
	m.noMessages.Bind(c.Reply)
	if m.topics != nil {
		m.topics.Bind(c.Reply)
	}
	m.live.Store(&liveSettings{config: m.config})
}

// lost lets the clients' connections go when another node may have taken over; they connect again, here or elsewhere.
func (m *cluster) lost() {
	m.logger.Warn("lease is lost: clients are sent elsewhere until the node is a member again", "node", m.id)
	if r := m.entered.Load(); r != nil {
		r.Withdraw(orchestrator.ErrNotMember)
	}
	if m.coordinator != nil {
		m.coordinator.Suspend()
	}
	if q := m.tasks.Load(); q != nil {
		q.Forget()
	}
	m.seata.DropSessions()
}

// joined begins anew after a lost lease.
func (m *cluster) joined(epoch int64) {
	m.logger.Info("node is a member again", "node", m.id, "epoch", epoch)
	if m.coordinator != nil {
		m.coordinator.Rejoin()
	}
	if m.relay != nil {
		m.relay.Rejoined()
	}
	if r := m.entered.Load(); r != nil && !m.drained.Load() {
		r.Enter()
	}
}

func (m *cluster) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.store.Run(ctx) })
	group.Go(func() error { return m.watchSettings(ctx) })
	group.Go(func() error { return m.watchDraining(ctx) })
	if m.decisions != nil {
		group.Go(func() error { return m.decisions.Run(ctx) })
		group.Go(func() error { return m.replies.Run(ctx) })
	}
	if m.relay != nil {
		group.Go(func() error { return m.relay.Run(ctx) })
	}
	if m.registry != nil {
		group.Go(func() error { return m.registry.Run(ctx) })
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// leave takes the node out of the registry, and gives clients the time to notice if there is another one.
func (m *cluster) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, m.config.Node.Leave+2*time.Second)
	defer cancel()
	m.leaving.Store(true)
	if err := m.store.Drain(ctx); err != nil {
		m.logger.Warn("other nodes are not told that this one leaves", "err", err)
	}
	if m.registry != nil {
		if err := m.registry.Deregister(ctx); err != nil {
			m.logger.Warn("registry is not told that this node leaves", "err", err)
		}
	}
	nodes, err := m.store.Nodes(ctx)
	if err != nil {
		return
	}
	for _, other := range nodes {
		if other.ID != m.id && other.Alive && !other.Draining {
			select {
			case <-ctx.Done():
			case <-time.After(m.config.Node.Leave):
			}
			return
		}
	}
}

func (m *cluster) ready() []web.Reason {
	var reasons []web.Reason
	if m.drained.Load() {
		reasons = append(reasons, web.Reason{Code: "drained", Sentence: drainedSentence})
	}
	if err := m.store.Health(); err != nil {
		reasons = append(reasons, web.Reason{
			Code: "storeNotWritable", Sentence: "The store accepts no new work: " + err.Error(),
		})
	}
	if m.decisions != nil && modeOf(m.live.Load().config) == rocketmq.Refuse {
		if err := m.decisions.Health(); err != nil {
			reasons = append(reasons, web.Reason{
				Code: "brokerAway", Sentence: "Decisions are refused while they cannot be published: " + err.Error(),
			})
		}
	}
	return reasons
}

func (m *cluster) degraded() []web.Reason {
	var reasons []web.Reason
	if m.decisions != nil {
		if err := m.decisions.Health(); err != nil {
			reasons = append(reasons, web.Reason{
				Code: "publicationLate", Sentence: "Decisions are stored and will be published later: " + err.Error(),
			})
		}
	}
	if m.registry != nil && !m.drained.Load() {
		if err := m.registry.Health(); err != nil {
			reasons = append(reasons, web.Reason{
				Code: "registryAway", Sentence: "Clients cannot find this node: " + err.Error(),
			})
		}
	}
	return reasons
}

func (m *cluster) documents() (orchestrator.Documents, orchestrator.Clock) { return m.store, m.store }

func (m *cluster) web(o *web.Options) {
	o.Clock, o.Node, o.Nodes, o.Settings = m.store, m.id, m.store.Nodes, m
	o.Drain = m.store.SetDraining
	if m.relay != nil {
		o.Internal = m.relay.Handler()
	}
	m.webViews(o)
	prefix := m.config.MQ.Prefix
	if m.topics == nil {
		o.EventsElsewhere = "It publishes none: --mq is off."
		o.CheckTopic = m.checkTopic
		return
	}
	o.EventsElsewhere = fmt.Sprintf("They are on the RocketMQ topics %s and %s; see docs/EVENTS.md.",
		mq.TopicWith(prefix, txn.Commit), mq.TopicWith(prefix, txn.Rollback))
	publishes(o, prefix, m.store)
}

func (m *cluster) checkTopic(name string) error {
	if m.topics == nil {
		return errors.New("this server publishes nothing: --mq is off")
	}
	return mq.CheckTopic(name, m.config.MQ.Prefix)
}

func (m *cluster) describe() []any {
	log := "off"
	if m.decisions != nil {
		log = "rocketmq"
	}
	return []any{"node", m.id, "epoch", m.store.Epoch(), "store", "mysql", "mq", log, "registry", m.config.Registry.Engine}
}

// closeLimit bounds how long is tried to tell the others that this node is gone.
const closeLimit = 3 * time.Second

func (m *cluster) close() error {
	var errs []error
	if m.registry != nil {
		m.registry.Close()
	}
	if m.decisions != nil {
		errs = append(errs, m.decisions.Close())
	}
	if m.store != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		if err := m.store.Leave(ctx); err != nil {
			m.logger.Warn("other nodes are not told that this one has left; they will see its lease end", "err", err)
		}
		errs = append(errs, m.store.Close())
	}
	return errors.Join(errs...)
}
