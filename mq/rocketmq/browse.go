package rocketmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// ReadSome is [Read] from a place on, nil being the beginning, until yield returns false. next is the first message
// that was not taken, nil if there are no more.
func ReadSome(ctx context.Context, o ReadOptions, from *Place, yield func(Message) bool) (next *Place, err error) {
	o.from = from
	err = Read(ctx, o, func(m Message) error {
		if yield(m) {
			return nil
		}
		next = &Place{m.Topic, m.Broker, m.Queue, m.Offset}
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return next, err
}

// GivenUp is the topic where brokers put halves that they have checked too often.
const GivenUp = givenUpTopic
