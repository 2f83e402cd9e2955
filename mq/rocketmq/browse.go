package rocketmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// Place is where a message is. Places are in the order in which [Read] gives messages of one topic.
type Place struct {
	Topic, Broker string
	Queue         int
	Offset        int64
}

// String returns the text form; [ParsePlace] reads it.
func (p Place) String() string {
	return fmt.Sprintf("%s/%s/%d/%d", p.Topic, p.Broker, p.Queue, p.Offset)
}

// ParsePlace is the reverse of [Place.String].
func ParsePlace(text string) (p Place, ok bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 4 {
		return p, false
	}
	queue, err := strconv.Atoi(parts[2])
	offset, wrong := strconv.ParseInt(parts[3], 10, 64)
	if err != nil || wrong != nil || queue < 0 || offset < 0 || parts[0] == "" {
		return p, false
	}
	return Place{parts[0], parts[1], queue, offset}, true
}

// begin returns where to begin in a queue, and whether all of it lies before p.
func (p *Place) begin(q queue, order []string) (offset int64, over bool) {
	if p == nil {
		return 0, false
	}
	at := func(topic string) int {
		for i, t := range order {
			if t == topic {
				return i
			}
		}
		return -1
	}
	c := cmp.Or(cmp.Compare(at(q.topic), at(p.Topic)), cmp.Compare(q.broker, p.Broker), cmp.Compare(q.id, p.Queue))
	switch {
	case c < 0:
		return 0, true
	case c == 0:
		return p.Offset, false
	}
	return 0, false
}

// errEnough ends a reading.
var errEnough = errors.New("enough")

// ReadSome is [Read] from a place on, nil being the beginning, until yield returns false or o.Within is over. next is
// where to go on, nil if there are no more.
func ReadSome(ctx context.Context, o ReadOptions, from *Place, yield func(Message) bool) (next *Place, err error) {
	o.from = from
	if o.Within > 0 {
		o.pause = time.Now().Add(o.Within)
	}
	err = Read(ctx, o, func(m Message) error {
		if yield(m) {
			return nil
		}
		next = &Place{m.Topic, m.Broker, m.Queue, m.Offset}
		return errEnough
	})
	var pause *pauseError
	switch {
	case errors.Is(err, errEnough):
		err = nil
	case errors.As(err, &pause):
		next, err = &pause.at, nil
	}
	return next, err
}

// foundMax bounds the messages with one key that are looked for; brokers answer with no more.
const foundMax = 64

// Find gives the messages of the topics with a key to yield, in the order of their times. It asks the brokers' index of
// keys, which has each message a moment after it is stored, so that it reads nothing else.
func Find(ctx context.Context, o ReadOptions, key string, yield func(Message)) error {
	servers, err := resolve(ctx, o.NameServers)
	if err != nil {
		return err
	}
	w := newWire(o.AccessKey, o.SecretKey, nil)
	defer w.close()
	names := &nameServers{wire: w, all: servers}
	var all []Message
	for _, topic := range o.Topics {
		r, err := names.route(ctx, topic)
		if err != nil {
			return fmt.Errorf("look for %s in topic %s: %w", key, topic, err)
		}
		for _, broker := range slices.Sorted(maps.Keys(r.read)) {
			addr := r.masters[broker]
			if addr == "" {
				return fmt.Errorf("look for %s in topic %s: broker %s has no master", key, topic, broker)
			}
			found, err := w.find(ctx, addr, topic, key, o)
			if err != nil {
				return fmt.Errorf("look for %s in topic %s on %s: %w", key, topic, broker, err)
			}
			for _, m := range found {
				all = append(all, messageOf(queue{topic, broker, m.Queue.QueueId}, m))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Message) int { return a.StoredAt.Compare(b.StoredAt) })
	for _, m := range all {
		yield(m)
	}
	return nil
}

// find asks one broker. Source: QueryMessageProcessor.java.
func (w *wire) find(ctx context.Context, addr, topic, key string, o ReadOptions) ([]*primitive.MessageExt, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetWithin)
	defer cancel()
	from, until := int64(0), time.Now().Add(time.Hour).UnixMilli()
	if !o.From.IsZero() {
		from = o.From.Add(-timeSlack).UnixMilli()
	}
	if !o.Until.IsZero() {
		until = o.Until.Add(timeSlack).UnixMilli()
	}
	got, err := w.call(ctx, addr, codeFind, map[string]string{
		"topic": topic, "key": key, "maxNum": strconv.Itoa(foundMax),
		"beginTimestamp": strconv.FormatInt(from, 10), "endTimestamp": strconv.FormatInt(until, 10),
	}, nil, answerQueryNone)
	if err != nil || got.Code == answerQueryNone {
		return nil, err
	}
	all, err := decodeMessages(got.body)
	seen := map[int64]bool{}
	return slices.DeleteFunc(all, func(m *primitive.MessageExt) bool { // the index holds hashes of keys
		known := seen[m.CommitLogOffset]
		seen[m.CommitLogOffset] = true
		return known || m.Topic != topic || !slices.Contains(strings.Fields(m.GetKeys()), key)
	}), err
}

// GivenUp is the topic where brokers put halves that they have checked too often.
const GivenUp = givenUpTopic
