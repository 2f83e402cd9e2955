package rocketmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
)

// Dead letters are messages that a consumer group has failed to handle too often: the broker has put them on the topic
// %DLQ%group, from which nothing can be removed. Which of them were replayed or discarded is remembered in documents.
//
// A letter is replayed by a copy on %RETRY%group, the topic on which the broker itself gives messages to a group again:
// every consumer of the group reads it, no other group sees the message twice, and its attempts count from the
// beginning.

// The topics of a group. Source: MixAll.java.
const (
	deadPrefix  = "%DLQ%"
	retryPrefix = "%RETRY%"
)

// The properties of dead letters. Source: MessageConst.java, AbstractSendMessageProcessor.java.
const (
	propertyDeadTopic   = "DLQ_ORIGIN_TOPIC"
	propertyDeadMessage = "DLQ_ORIGIN_MESSAGE_ID"
)

// DeadTopic names the topic of a group's dead letters.
func DeadTopic(group string) string { return deadPrefix + group }

// DeadLetters are the dead letters of the groups that read decisions, messages of branches or steps, or the replies to
// these. Those of other topics are not shown.
type DeadLetters struct {
	o       ReadOptions
	settled settled
	notice  string // topic of heuristic operations
}

// NewDeadLetters returns those on the brokers of o; docs remember which were replayed or discarded.
func NewDeadLetters(o ReadOptions, docs orchestrator.Documents) *DeadLetters {
	if o.Prefix == "" {
		o.Prefix = mq.TopicPrefix
	}
	return &DeadLetters{o: o, settled: settled{docs}, notice: mq.NoticeTopic(o.Prefix)}
}

// LetterGroup is a consumer group. Letters is how many dead letters it has at most: those of other topics are counted.
type LetterGroup struct {
	Group   string
	Letters int64
}

// Letter is a dead letter. Place.Topic is %DLQ%group; Message has the topic and the place that the message came from.
type Letter struct {
	Message
	Place Place
	// OriginKnown says that Message has broker, queue and offset; the original may be past the broker's retention.
	OriginKnown bool
	// OriginID is the broker's id of the original.
	OriginID string
	// Attempts counts the deliveries that failed. FailedAt is when the last one had.
	Attempts         int
	BornAt, FailedAt time.Time
	// Properties are all of the message, with what the broker and the clients have added.
	Properties map[string]string
}

// lettersSeenMax bounds the messages that one page looks at; originWithin is how long it looks for the originals.
const (
	lettersSeenMax = 5000
	originWithin   = time.Second
)

// session is the connections of one request.
type session struct {
	wire  *wire
	names *nameServers
}

func (d *DeadLetters) session(ctx context.Context) (*session, error) {
	servers, err := resolve(ctx, d.o.NameServers)
	if err != nil {
		return nil, unavailable(err)
	}
	w := newWire(d.o.AccessKey, d.o.SecretKey, nil)
	return &session{w, &nameServers{wire: w, all: servers}}, nil
}

// end asks a broker where a queue ends, and keeps the last answer in kept.
func (s *session) end(ctx context.Context, addr string, q queue, kept *int64) func() (int64, error) {
	return func() (n int64, err error) {
		n, err = s.wire.offset(ctx, addr, codeMaxOffset, q)
		*kept = n
		return n, unavailable(err)
	}
}

// unavailable marks what brokers and name servers did wrong, unless it has a meaning already.
func unavailable(err error) error {
	if err == nil || errors.Is(err, orchestrator.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, err)
}

// Groups lists the consumer groups that have read the topics of decisions and those that have a topic of dead letters.
func (d *DeadLetters) Groups(ctx context.Context) ([]LetterGroup, error) {
	s, err := d.session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.wire.close()
	names, err := d.groups(ctx, s)
	if err != nil {
		return nil, unavailable(fmt.Errorf("list consumer groups: %w", err))
	}
	var all []LetterGroup
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n, err := d.count(ctx, s, name)
		if err != nil {
			return nil, unavailable(fmt.Errorf("count the dead letters of %s: %w", name, err))
		}
		all = append(all, LetterGroup{name, n})
	}
	return all, nil
}

// groups asks the name server for topics of dead letters, and the brokers for who reads ours.
func (d *DeadLetters) groups(ctx context.Context, s *session) (map[string]bool, error) {
	got, err := s.names.ask(ctx, codeTopics, nil)
	if err != nil {
		return nil, err
	}
	var topics struct {
		TopicList []string `json:"topicList"`
	}
	if err := json.Unmarshal(got.body, &topics); err != nil {
		return nil, fmt.Errorf("list of topics: %w", err)
	}
	names := map[string]bool{}
	for _, topic := range topics.TopicList {
		if name, found := strings.CutPrefix(topic, deadPrefix); found {
			names[name] = true
		}
	}
	for _, topic := range []string{CommitTopic(d.o.Prefix), RollbackTopic(d.o.Prefix), d.notice} {
		r, err := s.names.route(ctx, topic)
		if errors.Is(err, errNoTopic) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, addr := range r.masters {
			readers, err := s.wire.readers(ctx, addr, topic)
			if err != nil {
				return nil, err
			}
			for _, name := range readers {
				names[name] = true
			}
		}
	}
	delete(names, readGroup(d.o.Prefix)) // we ourselves, who never give up
	delete(names, Group(d.o.Prefix))
	return names, nil
}

// readers asks a broker which groups have read a topic. Source: QUERY_TOPIC_CONSUME_BY_WHO.
func (w *wire) readers(ctx context.Context, addr, topic string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetWithin)
	defer cancel()
	got, err := w.call(ctx, addr, codeReaders, map[string]string{"topic": topic}, nil)
	if err != nil {
		return nil, err
	}
	var all struct {
		GroupList []string `json:"groupList"`
	}
	err = json.Unmarshal(got.body, &all)
	return all.GroupList, err
}

// route of a group's dead letters; there are none without error if the topic is not there.
func (d *DeadLetters) route(ctx context.Context, s *session, group string) (topicRoute, error) {
	r, err := s.names.route(ctx, deadPrefix+group)
	if errors.Is(err, errNoTopic) {
		return topicRoute{}, nil
	}
	if err == nil && len(r.read) == 0 && len(r.write) > 0 {
		err = fmt.Errorf("topic %s%s may not be read; give it the permission to (updateTopicPerm -p 6)", deadPrefix, group)
	}
	return r, err
}

// count is at most how many letters of a group are not settled. It is told for topics, too, that may not be read: those
// of one group, which may be somebody else's, must not hide all others.
func (d *DeadLetters) count(ctx context.Context, s *session, group string) (n int64, err error) {
	topic := deadPrefix + group
	r, err := s.names.route(ctx, topic)
	if errors.Is(err, errNoTopic) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, q := range r.known(topic) {
		first, err := s.wire.offset(ctx, r.masters[q.broker], codeMinOffset, q)
		if err != nil {
			return 0, err
		}
		var end int64
		done, _, err := d.settled.of(ctx, q, s.end(ctx, r.masters[q.broker], q, &end))
		if err != nil {
			return 0, err
		}
		n += max(end-first-done.between(first, end), 0)
	}
	return n, nil
}

// List returns dead letters of a group from a place on, nil being the beginning. next is where to go on, nil if there
// are no more. ErrNoGroup says that the brokers know no such group.
func (d *DeadLetters) List(ctx context.Context, group string, from *Place, limit int) (
	all []Letter, next *Place, err error,
) {
	s, err := d.session(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer s.wire.close()
	r, err := d.route(ctx, s, group)
	if err == nil && len(r.read) == 0 {
		var names map[string]bool
		if names, err = d.groups(ctx, s); err == nil && !names[group] {
			return nil, nil, orchestrator.ErrNoGroup
		}
	}
	if err != nil {
		return nil, nil, unavailable(fmt.Errorf("dead letters of %s: %w", group, err))
	}
	seen, size := 0, 0
	originUntil := time.Now().Add(originWithin)
	for _, q := range r.readable(deadPrefix + group) {
		offset, over := from.begin(q, []string{q.topic})
		if over {
			continue
		}
		next, err = d.read(ctx, s, r.masters[q.broker], q, offset, func(m *primitive.MessageExt) bool {
			if seen++; len(all) >= limit || seen > lettersSeenMax || size > letterBytesMax {
				return false
			}
			if letter, ok := d.letter(q, m); ok {
				if time.Now().Before(originUntil) {
					s.findOrigin(ctx, r.masters[q.broker], &letter)
				}
				size += len(m.Body)
				all = append(all, letter)
			}
			return true
		})
		if err != nil || next != nil {
			return all, next, unavailable(err)
		}
	}
	return all, nil, nil
}

// letterBytesMax bounds the bodies of a page.
const letterBytesMax = 8 << 20

// read gives the letters of one queue that are not settled to yield until that returns false; next is that one.
func (d *DeadLetters) read(
	ctx context.Context, s *session, addr string, q queue, from int64, yield func(*primitive.MessageExt) bool,
) (next *Place, err error) {
	first, err := s.wire.offset(ctx, addr, codeMinOffset, q)
	if err != nil {
		return nil, err
	}
	var end int64
	done, _, err := d.settled.of(ctx, q, s.end(ctx, addr, q, &end))
	if err != nil {
		return nil, err
	}
	for at := done.skip(max(first, from)); at < end; {
		messages, to, _, err := s.wire.pull(ctx, addr, pull{group: readGroup(d.o.Prefix), queue: q, offset: at})
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			if m.QueueOffset < end && !done.has(m.QueueOffset) && !yield(m) {
				return &Place{q.topic, q.broker, q.id, m.QueueOffset}, nil
			}
		}
		if to <= at {
			return nil, fmt.Errorf("nothing at offset %d of %d", at, end)
		}
		at = done.skip(to)
	}
	return nil, nil
}

// letter reads a message. ok is false if it is neither a decision, nor a message of ours, nor a reply to one.
func (d *DeadLetters) letter(q queue, m *primitive.MessageExt) (l Letter, ok bool) {
	topic := m.GetProperty(primitive.PropertyRetryTopic)
	if topic == "" {
		topic = m.GetProperty(propertyDeadTopic)
	}
	l = Letter{
		Message: messageOf(q, m), Place: Place{q.topic, q.broker, q.id, m.QueueOffset},
		OriginID: m.GetProperty(primitive.PropertyOriginMessageId), Attempts: int(m.ReconsumeTimes),
		BornAt: time.UnixMilli(m.BornTimestamp), FailedAt: time.UnixMilli(m.StoreTimestamp),
		Properties: m.GetProperties(),
	}
	if l.OriginID == "" {
		l.OriginID = m.GetProperty(propertyDeadMessage)
	}
	l.Topic, l.Broker, l.Queue, l.Offset = topic, "", 0, 0
	return l, slices.Contains([]string{CommitTopic(d.o.Prefix), RollbackTopic(d.o.Prefix), d.notice}, topic) ||
		ofBranch(m.Body) || m.GetProperty(mq.PropertyID) != "" || q.topic == deadPrefix+RepliesGroup(d.o.Prefix)
}

// ofBranch reports whether a body is a batch of messages of branches.
func ofBranch(body []byte) bool {
	var events []struct {
		Source string `json:"source"`
		Type   string `json:"type"`
	}
	return json.Unmarshal(body, &events) == nil && len(events) > 0 && events[0].Source == mq.EventSource &&
		events[0].Type == mq.EventTypeBranch
}

// findOrigin looks for the message that a letter is a copy of, on the letter's own broker, to which consumers give it
// back. The id of a message is the address of its broker and its place in the commit log, in hexadecimal digits.
func (s *session) findOrigin(ctx context.Context, addr string, l *Letter) {
	if len(l.OriginID) < 16 {
		return
	}
	offset, err := strconv.ParseUint(l.OriginID[len(l.OriginID)-16:], 16, 64)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, originWithin)
	defer cancel()
	got, err := s.wire.call(ctx, addr, codeMessage, map[string]string{"offset": strconv.FormatUint(offset, 10)}, nil)
	if err != nil {
		return // it is not kept any more
	}
	all, err := decodeMessages(got.body)
	if err != nil || len(all) != 1 || all[0].Topic != l.Topic {
		return
	}
	l.OriginKnown, l.Broker, l.Queue, l.Offset = true, l.Place.Broker, all[0].Queue.QueueId, all[0].QueueOffset
}
