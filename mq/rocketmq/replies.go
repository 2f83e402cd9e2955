package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Replies reads the topics on which the messages of sagas are answered, in one consumer group for all nodes, and gives
// what it finds to the coordinator of this node: any node writes any transaction. A message is acknowledged when its
// reply is durable, or when it is certain that nobody waits for it.
//
// Which topics there are is remembered in documents: the first message that names a topic is published when its
// document is durable, so that a reply is read whichever nodes die, however long it takes, and whatever has become of
// the definition. Nodes look for new ones every few seconds.
type Replies struct {
	log  *Log
	docs orchestrator.Documents
	take TakeReply

	wake  chan struct{}
	stats replyStats

	mu     sync.Mutex
	topics map[string]time.Time // when their documents were last seen to be fresh
	routes map[string]topicRoute
}

// TakeReply is the StepReply of the coordinator.
type TakeReply func(xid txn.XID, r txn.Reply, done func(g *txn.Global, taken bool, err error))

// replyStats counts replies by their end.
type replyStats struct{ taken, ignored, failed, dead atomic.Uint64 }

// ReplyNumbers are counts of messages on reply topics: that somebody has waited for, that nobody has, that were given
// back to be read again later, and that became dead letters.
type ReplyNumbers struct{ Taken, Ignored, Failed, Dead uint64 }

// Numbers returns what has become of replies so far.
func (r *Replies) Numbers() ReplyNumbers {
	return ReplyNumbers{r.stats.taken.Load(), r.stats.ignored.Load(), r.stats.failed.Load(), r.stats.dead.Load()}
}

// RepliesGroup names the consumer group of the replies of a prefix.
func RepliesGroup(prefix string) string { return prefix + "-replies" }

const (
	replyTopicKind = "reply-topic"
	// replyTopicsMax bounds the topics for replies: each queue of each is a pull that waits.
	replyTopicsMax = 500
	// replyTopicKept is how long a topic is read after the last message that named it: longer than any wait of a saga.
	replyTopicKept = 400 * 24 * time.Hour
	// replyTopicFresh is how long nobody looks whether a document is to be renewed.
	replyTopicFresh = 24 * time.Hour
	replyLookEvery  = 3 * time.Second
	replyDocWithin  = 5 * time.Second
)

// Replies returns a reader of replies. Its Run must run, beside that of the log.
func (l *Log) Replies(docs orchestrator.Documents, take TakeReply) *Replies {
	r := &Replies{
		log: l, docs: docs, take: take, wake: make(chan struct{}, 1), topics: map[string]time.Time{},
		routes: map[string]topicRoute{},
	}
	l.onReplies.Store(r)
	return r
}

// Steps has messages that are answered on a topic published when all nodes are sure to read it.
func (r *Replies) Steps(publish mq.StepFunc) mq.StepFunc {
	return func(m *mq.StepMessage, done func(error)) {
		if m.Reply == "" || r.known(m.Reply) {
			publish(m, done)
			return
		}
		started := r.log.spawn(func() {
			ctx, cancel := context.WithTimeout(context.Background(), replyDocWithin)
			defer cancel()
			if err := r.enter(ctx, m.Reply); err != nil {
				done(fmt.Errorf("enter the topic %s for replies: %w", m.Reply, err))
				return
			}
			publish(m, done)
		})
		if !started {
			go done(orchestrator.ErrStopped)
		}
	}
}

// known reports whether a topic has a document that is fresh.
func (r *Replies) known(topic string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, ok := r.topics[topic]
	return ok && time.Since(seen) < replyTopicFresh
}

// errManyTopics says that there are too many topics for replies.
var errManyTopics = fmt.Errorf("there are %d topics for replies, which are the most", replyTopicsMax)

// enter makes sure that a topic has a document, and that it exists if topics are made here.
func (r *Replies) enter(ctx context.Context, topic string) error {
	for {
		r.mu.Lock()
		_, ours := r.topics[topic]
		full := !ours && len(r.topics) >= replyTopicsMax
		r.mu.Unlock()
		if full {
			return errManyTopics
		}
		d, err := r.docs.GetDocument(ctx, replyTopicKind, topic)
		if err != nil && !errors.Is(err, orchestrator.ErrNoDocument) {
			return unavailable(err)
		}
		until := r.log.opts.Clock.Now().Add(replyTopicKept)
		if err != nil || d.ExpiresAt < until.Add(-2*replyTopicFresh) {
			err = r.docs.PutDocument(ctx, orchestrator.Document{
				Kind: replyTopicKind, Key: topic, Version: d.Version + 1, Value: []byte("{}"), ExpiresAt: until,
			})
		}
		switch {
		case errors.Is(err, orchestrator.ErrConflict) && ctx.Err() == nil:
			continue // another node was faster
		case err != nil:
			return unavailable(err)
		}
		r.make(ctx, topic)
		r.mu.Lock()
		r.topics[topic] = time.Now()
		r.mu.Unlock()
		poke(r.wake)
		return nil
	}
}

// make makes a topic that is not there, so that the first reply need not. If that fails, those who reply make it.
func (r *Replies) make(ctx context.Context, topic string) {
	l := r.log
	if _, err := l.names.route(ctx, topic); !l.opts.CreateTopics || !errors.Is(err, errNoTopic) {
		return
	}
	masters, err := l.names.masters(ctx)
	for _, addr := range masters {
		err = errors.Join(err, l.wire.createTopic(ctx, addr, topic, l.opts.TopicQueues, topicPerms))
	}
	if err != nil {
		l.noise.warn(l.opts.Logger, "topic for replies was not made", "topic", topic, "err", err)
	}
}

// Run reads replies until ctx ends, and returns its error.
func (r *Replies) Run(ctx context.Context) error {
	c := &replyConsumer{
		replies: r, pullers: map[queue]*replyPuller{},
		member: newMember(r.log, RepliesGroup(r.log.opts.Prefix), r.names),
	}
	tick := time.NewTicker(balanceEvery)
	defer tick.Stop()
	looked := time.Time{}
	for {
		if time.Since(looked) >= replyLookEvery {
			r.look(ctx)
			looked = time.Now()
		}
		switch {
		case !r.log.opts.Valid(): // it can write nothing, so that replies are better read by others
			c.end()
		case len(r.names()) > 0:
			c.divide(ctx)
		}
		select {
		case <-ctx.Done():
			c.end()
			return ctx.Err()
		case <-tick.C:
		case <-r.wake:
		}
	}
}

// names are the topics to be read: those that are known, and that on which brokers give messages to the group again.
func (r *Replies) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.topics) == 0 {
		return nil
	}
	all := []string{retryPrefix + RepliesGroup(r.log.opts.Prefix)}
	for topic := range r.topics {
		all = append(all, topic)
	}
	return all
}

// look reads which topics there are. They do not become fewer while the process runs.
func (r *Replies) look(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, replyDocWithin)
	defer cancel()
	all, err := r.docs.ListDocuments(within, orchestrator.DocumentQuery{Kind: replyTopicKind, Limit: replyTopicsMax})
	if err != nil {
		if ctx.Err() == nil {
			r.log.noise.warn(r.log.opts.Logger, "topics for replies cannot be listed", "err", err)
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range all {
		if _, known := r.topics[d.Key]; !known {
			r.topics[d.Key] = time.Time{}
		}
	}
}

// refresh reads the routes of all topics, and returns those that are known. What cannot be read stays as it was.
func (r *Replies) refresh(ctx context.Context) map[string]topicRoute {
	for _, topic := range r.names() {
		route, err := r.log.names.route(ctx, topic)
		r.mu.Lock()
		switch {
		case err == nil:
			r.routes[topic] = route
		case errors.Is(err, errNoTopic):
			delete(r.routes, topic)
		default:
			r.mu.Unlock()
			r.log.noise.warn(r.log.opts.Logger, "routes of topics for replies cannot be read", "err", err)
			return r.copied()
		}
		r.mu.Unlock()
	}
	return r.copied()
}

func (r *Replies) copied() map[string]topicRoute {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.routes)
}
