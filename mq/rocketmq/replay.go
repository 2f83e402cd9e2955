package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
)

// sendWithin bounds the wait for the broker's acknowledgement of a copy.
const sendWithin = 5 * time.Second

// Replay gives a dead letter to its group again, and settles it. If the second fails after the first has succeeded,
// the letter is still listed, and a second replay is a duplicate. Errors: ErrNoLetter, also when it is settled
// already; ErrUnavailable; faults of the documents.
func (d *DeadLetters) Replay(ctx context.Context, group string, at Place) error {
	return d.settle(ctx, group, at, func(s *session, l *Letter) error { return d.resend(ctx, s, group, l) })
}

// Discard settles a dead letter, so that it is not shown again. The broker keeps it as long as its other messages.
// Errors are those of [DeadLetters.Replay].
func (d *DeadLetters) Discard(ctx context.Context, group string, at Place) error {
	return d.settle(ctx, group, at, func(*session, *Letter) error { return nil })
}

// Get returns a dead letter that is not settled. Errors: ErrNoLetter, ErrUnavailable.
func (d *DeadLetters) Get(ctx context.Context, group string, at Place) (*Letter, error) {
	s, err := d.session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.wire.close()
	l, addr, err := d.get(ctx, s, group, at)
	if err == nil {
		s.findOrigin(ctx, addr, l)
	}
	return l, err
}

// get reads a dead letter, and returns the address of its broker.
func (d *DeadLetters) get(ctx context.Context, s *session, group string, at Place) (l *Letter, addr string, err error) {
	q := queue{deadPrefix + group, at.Broker, at.Queue}
	r, err := d.route(ctx, s, group)
	if err != nil {
		return nil, "", unavailable(fmt.Errorf("dead letters of %s: %w", group, err))
	}
	if !slices.Contains(r.readable(q.topic), q) {
		return nil, "", orchestrator.ErrNoLetter
	}
	addr = r.masters[q.broker]
	_, err = d.read(ctx, s, addr, q, at.Offset, func(m *primitive.MessageExt) bool {
		if found, ours := d.letter(q, m); ours && m.QueueOffset == at.Offset {
			l = &found
		}
		return false
	})
	if err == nil && l == nil {
		return nil, "", orchestrator.ErrNoLetter
	}
	if err != nil {
		err = unavailable(fmt.Errorf("dead letter %d of %s: %w", at.Offset, group, err))
	}
	return l, addr, err
}

// settle does something about a letter and remembers it.
func (d *DeadLetters) settle(ctx context.Context, group string, at Place, do func(*session, *Letter) error) error {
	s, err := d.session(ctx)
	if err != nil {
		return err
	}
	defer s.wire.close()
	letter, addr, err := d.get(ctx, s, group, at)
	if err != nil {
		return err
	}
	if err := do(s, letter); err != nil {
		err = fmt.Errorf("replay dead letter %d of %s: %w", at.Offset, group, err)
		var refused *answerError
		if errors.As(err, &refused) || errors.Is(err, errNowhere) || errors.Is(err, errNameServers) {
			return unavailable(err)
		}
		return err // perhaps it was sent
	}
	q := queue{deadPrefix + group, at.Broker, at.Queue}
	first, err := s.wire.offset(ctx, addr, codeMinOffset, q)
	if err != nil {
		return unavailable(err)
	}
	var end int64
	done, err := d.settled.add(ctx, q, at.Offset, first, s.end(ctx, addr, q, &end))
	if err == nil && !done { // somebody else was faster
		err = orchestrator.ErrNoLetter
	}
	return err
}

// errNowhere says that no broker takes a copy.
var errNowhere = errors.New("no broker has a master that takes messages of the topic")

// resend sends a copy of a letter to the group's topic of retries.
func (d *DeadLetters) resend(ctx context.Context, s *session, group string, l *Letter) error {
	topic := retryPrefix + group
	r, err := s.names.route(ctx, topic)
	if errors.Is(err, errNoTopic) { // no consumer of the group has ever come, or the topic was deleted
		r, err = d.makeRetryTopic(ctx, s, topic, l.Place.Broker)
	}
	if err != nil {
		return err
	}
	all := r.writable(topic)
	if len(all) == 0 {
		return fmt.Errorf("%s: %w", topic, errNowhere)
	}
	q := all[0]
	for _, x := range all { // the broker of the letter is the one that the group reads for certain
		if x.broker == l.Place.Broker {
			q = x
			break
		}
	}
	return s.wire.send(ctx, r.masters[q.broker], Group(d.o.Prefix), q, l.Body, replayedProperties(l))
}

// makeRetryTopic makes the topic on the broker of a letter. The name server need not know it: consumers ask it later.
func (d *DeadLetters) makeRetryTopic(ctx context.Context, s *session, topic, broker string) (topicRoute, error) {
	masters, err := s.names.masters(ctx)
	if err != nil {
		return topicRoute{}, err
	}
	addr := masters[broker]
	if addr == "" {
		return topicRoute{}, fmt.Errorf("%s: %w", topic, errNowhere)
	}
	if err := s.wire.createTopic(ctx, addr, topic, 1, topicPerms); err != nil {
		return topicRoute{}, err
	}
	return topicRoute{masters: masters, write: map[string]int{broker: 1}}, nil
}

// notReplayed are the properties that brokers and clients have added on the way to a dead letter. With some of them the
// copy would be taken for a half message, or come late, or be a dead letter at once.
var notReplayed = []string{
	primitive.PropertyTransactionPrepared, primitive.PropertyProducerGroup, primitive.PropertyDelayTimeLevel,
	primitive.PropertyRealTopic, primitive.PropertyRealQueueId, primitive.PropertyMinOffset, primitive.PropertyMaxOffset,
	primitive.PropertyReconsumeTime, primitive.PropertyMaxReconsumeTimes, primitive.PropertyConsumeStartTime,
	primitive.PropertyTranscationPreparedQueueOffset, primitive.PropertyTranscationCheckTimes,
	primitive.PropertyCheckImmunityTimeInSeconds, propertyDeadTopic, propertyDeadMessage,
}

// replayedProperties are those of a letter's copy: the message's own, and where it came from.
func replayedProperties(l *Letter) map[string]string {
	all := maps.Clone(l.Properties)
	for name := range all {
		if slices.Contains(notReplayed, name) || strings.HasPrefix(name, "TIMER_") {
			delete(all, name)
		}
	}
	all[primitive.PropertyRetryTopic] = l.Topic // by which clients give it its topic back
	return all
}

// send sends one message and waits until the broker has it as safely as it is configured to.
// Source: SendMessageRequestHeader.java, MessageDecoder.java messageProperties2String.
func (w *wire) send(
	ctx context.Context, addr, group string, q queue, body []byte, properties map[string]string,
) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		text.WriteString(name + "\x01" + properties[name] + "\x02")
	}
	_, err := w.call(ctx, addr, codeSend, map[string]string{
		"producerGroup": group, "topic": q.topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": "4",
		"queueId": strconv.Itoa(q.id), "sysFlag": "0", "bornTimestamp": strconv.FormatInt(time.Now().UnixMilli(), 10),
		"flag": "0", "properties": text.String(), "reconsumeTimes": "0", "unitMode": "false", "batch": "false",
	}, body)
	return err
}
