package rocketmq

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Mode says what a decision does while no broker takes messages.
type Mode int

// The modes. The zero value is Queue.
const (
	// Queue stores decisions, drives them on the node that decided, and publishes them later.
	Queue Mode = iota
	// Refuse makes no decision without the broker: the half message is acknowledged before the store writes.
	Refuse
)

// String returns the word used in the configuration.
func (m Mode) String() string {
	if m == Refuse {
		return "refuse"
	}
	return "queue"
}

// SetMode changes what happens without a broker. A decision that is under way ends as it has begun.
func (l *Log) SetMode(m Mode) { l.mode.Store(int32(m)) }

// Mode returns what happens without a broker now.
func (l *Log) Mode() Mode { return Mode(l.mode.Load()) }

// Options are the parameters of [Open]. Zero fields take the defaults.
type Options struct {
	// NameServers are "host:port"; hosts are resolved here, and again when none of them answers.
	NameServers []string
	// Prefix names the topics (Prefix-commit, Prefix-rollback) and the groups. Default "concord". All nodes of a
	// cluster have the same, and no other cluster on these brokers has it.
	Prefix string
	// Instance is the node's id, part of the name under which brokers know it.
	Instance string
	// Store holds packs and the outbox.
	Store orchestrator.PackStore
	// Clock is the store's time; the default is the machine's.
	Clock orchestrator.Clock
	// Mode is what happens without a broker, until [Log.SetMode] changes it.
	Mode Mode
	// AccessKey and SecretKey sign every request, where the brokers want that.
	AccessKey, SecretKey string
	// Epoch is the node's epoch, which travels as a property. nil: 0.
	Epoch func() int64
	// Valid reports whether the node's lease holds; otherwise nothing is recorded. nil: always.
	Valid func() bool
	// PackMax and PackBytesMax bound a pack: default 400 decisions, 1 MiB.
	PackMax, PackBytesMax int
	// LanePacks is how many packs of one topic and tag may be in flight before decisions are gathered. Default 1; in mode
	// refuse one more, because there a half that is slow holds up those behind it.
	LanePacks int
	// GateWithin is the longest that a decision waits for a pack before it; then it goes without. Default 40 ms.
	GateWithin time.Duration
	// Pace is how long after a large pack the next one of its topic and tag goes, unless it is full before: a message
	// costs the broker the same whatever it carries. Default 24 ms.
	Pace time.Duration
	// InFlightMax bounds the halves that are in flight, all topics and tags together. Default 64.
	InFlightMax int
	// QueueMax bounds the decisions that wait for a pack; beyond it they are refused as busy. Default 65,536.
	QueueMax int
	// OutboxAfter is how old an unread entry must be to be published again. Default 30 s.
	OutboxAfter time.Duration
	// RetryFirst and RetryMax are the delays after which a failed delivery is tried again. Default 200 ms, 30 s.
	RetryFirst, RetryMax time.Duration
	// LagMax is how long a message may take from its commit to our consumer before half sends slow down. Default 2 s.
	LagMax time.Duration
	// PackMemory is how long the store keeps packs. A check-back of an older one is not answered. Default 72 h.
	PackMemory time.Duration
	// CreateTopics has topics that are missing made on every master. TopicQueues is how many queues. Default 8.
	CreateTopics bool
	TopicQueues  int
	// Halves, unless nil, is told how each message of decisions went out. It returns at once.
	Halves func(Half)
	Logger *slog.Logger
}

// Half is how the half message of a pack and its end went out: from the send to the acknowledgement of its end, with
// the store's write in between.
type Half struct {
	Pack          orchestrator.PackID
	Topic, Broker string
	// Entries are the decisions in it. They must not be changed.
	Entries  []orchestrator.OutboxEntry
	From, To time.Time
	// Sent is true if the broker has the message and its commit; Err is nil also when the store has refused the pack.
	Sent bool
	Err  error
}

// CommitTopic and RollbackTopic name the topics of a prefix.
func CommitTopic(prefix string) string { return prefix + "-commit" }

// RollbackTopic names the topic of rollbacks of a prefix.
func RollbackTopic(prefix string) string { return prefix + "-rollback" }

// Group names the consumer group of the coordinators of a prefix.
func Group(prefix string) string { return prefix + "-coordinator" }

// producerGroup names the group of transactional producers. Brokers ask any member about any pack.
func producerGroup(prefix string) string { return prefix + "-decisions" }

// topicOf names the topic of an outcome.
func (o *Options) topicOf(outcome txn.Outcome) string {
	if outcome == txn.Commit {
		return CommitTopic(o.Prefix)
	}
	return RollbackTopic(o.Prefix)
}

func (o *Options) topics() [2]string {
	return [2]string{CommitTopic(o.Prefix), RollbackTopic(o.Prefix)}
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// allowedName is what brokers accept in the names of topics and groups. Source: TopicValidator.java.
var allowedName = regexp.MustCompile(`^[%|a-zA-Z0-9_-]{1,100}$`)

func (o *Options) complete() error {
	if o.Prefix == "" {
		o.Prefix = "concord"
	}
	if !allowedName.MatchString(o.Prefix) {
		return fmt.Errorf("--mq-prefix: %q is not 1 to 100 of letters, digits, _, - and %%", o.Prefix)
	}
	if o.Store == nil {
		return errors.New("decision log on RocketMQ needs a store with packs; check --store")
	}
	if (o.AccessKey == "") != (o.SecretKey == "") {
		return errors.New("--rocketmq-access-key and --rocketmq-secret-key go together")
	}
	if o.Clock == nil {
		o.Clock = orchestrator.SystemClock{}
	}
	if o.Epoch == nil {
		o.Epoch = func() int64 { return 0 }
	}
	if o.Valid == nil {
		o.Valid = func() bool { return true }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.PackMax, 400)
	setDefault(&o.PackBytesMax, 1<<20)
	setDefault(&o.LanePacks, 1)
	setDefault(&o.GateWithin, 40*time.Millisecond)
	setDefault(&o.Pace, 24*time.Millisecond)
	setDefault(&o.InFlightMax, 64)
	setDefault(&o.QueueMax, 1<<16)
	setDefault(&o.OutboxAfter, 30*time.Second)
	setDefault(&o.RetryFirst, 200*time.Millisecond)
	setDefault(&o.RetryMax, 30*time.Second)
	setDefault(&o.LagMax, 2*time.Second)
	setDefault(&o.PackMemory, 72*time.Hour)
	setDefault(&o.TopicQueues, 8)
	return nil
}

// resolve turns "host:port" into addresses. The library accepts IPv4 addresses only, and so do offsets of messages on
// brokers with others.
func resolve(ctx context.Context, servers []string) ([]string, error) {
	var all []string
	for _, s := range servers {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			return nil, fmt.Errorf("--rocketmq-namesrv: %q is not HOST:PORT: %w", s, err)
		}
		ips, err := net.DefaultResolver.LookupIP(ctx, "ip4", host)
		if err != nil {
			return nil, fmt.Errorf("--rocketmq-namesrv: %w", err)
		}
		for _, ip := range ips {
			all = append(all, net.JoinHostPort(ip.String(), port))
		}
	}
	if len(all) == 0 {
		return nil, errors.New("--rocketmq-namesrv: no name server is given")
	}
	return all, nil
}

// unique returns text that nobody else has.
func unique() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
