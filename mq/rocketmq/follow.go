package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// Following topics, for people and for streams: one goroutine, which is the caller's, asks all queues in turn. It takes
// part in no group and keeps no place at the brokers.

const (
	followEvery  = 250 * time.Millisecond // between two rounds that found nothing
	followRoutes = 3 * time.Second        // between two looks at the routes
	followWithin = 2 * time.Second        // for the answer of a broker
	followPause  = 2 * time.Second        // how long a broker that does not answer is left alone
	followLost   = 15 * time.Second       // without any answer the reading ends
)

// Step is one step of [Follow]. The zero step ends a round through all queues.
type Step struct {
	// Message is a message, or nil.
	Message *Message
	// Gap says that messages are missing, or is nil.
	Gap *Gap
	// Places is the place behind the step. It changes with the next one.
	Places *Places
}

// Gap is messages that the broker does not have any more: First is the oldest that it has. They were deleted for their
// age, or the queue was made anew.
type Gap struct {
	Topic, Broker string
	Queue         int
	First         int64
}

// Follow gives messages of o.Topics as they come, from a place on, nil being the end: those of one queue in order. It
// ends with ctx, with the first error of yield, which it returns, or with orchestrator.ErrUnavailable if nobody
// answers for a while. yield is called every few seconds even if nothing comes; a broker that does not answer is left
// out until it does. Messages may come twice.
func Follow(ctx context.Context, o ReadOptions, from *Places, yield func(Step) error) error {
	servers, err := resolve(ctx, o.NameServers)
	if err != nil {
		return fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, err)
	}
	w := newWire(o.AccessKey, o.SecretKey, nil)
	defer w.close()
	f := &follower{
		o: o, wire: w, names: &nameServers{wire: w, all: servers}, yield: yield, places: from,
		routes: map[string]topicRoute{}, away: map[string]time.Time{}, answered: time.Now(),
	}
	if err := f.look(ctx); err != nil {
		return fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, err)
	}
	if from == nil {
		if err := f.end(ctx); err != nil {
			return fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, err)
		}
	}
	return f.run(ctx)
}

// follower is one call of Follow.
type follower struct {
	o        ReadOptions
	wire     *wire
	names    *nameServers
	yield    func(Step) error
	places   *Places
	routes   map[string]topicRoute
	looked   time.Time
	away     map[string]time.Time // by broker: until when it is left alone
	answered time.Time
	trouble  error // what the last broker or name server has done wrong
}

// look reads the routes.
func (f *follower) look(ctx context.Context) error {
	f.looked = time.Now()
	for _, topic := range f.o.Topics {
		r, err := f.names.route(ctx, topic)
		if err != nil {
			return fmt.Errorf("follow topic %s: %w", topic, err)
		}
		f.routes[topic] = r
	}
	return nil
}

// end sets the places behind all that is there.
func (f *follower) end(ctx context.Context) error {
	f.places = &Places{since: time.Now(), next: map[queue]int64{}}
	for _, topic := range f.o.Topics {
		r := f.routes[topic]
		for _, q := range r.readable(topic) {
			end, err := f.wire.offset(ctx, r.masters[q.broker], codeMaxOffset, q)
			if err != nil {
				return fmt.Errorf("follow topic %s on %s: %w", topic, q.broker, err)
			}
			f.places.next[q] = end
		}
	}
	return nil
}

// errNothingToRead says that nobody was asked.
var errNothingToRead = errors.New("no broker has a master and a queue of the topics that may be read")

// run goes through the queues again and again.
func (f *follower) run(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for ctx.Err() == nil {
		if time.Since(f.looked) > followRoutes {
			if err := f.look(ctx); err != nil { // the old routes may still be good
				f.trouble = err
			}
		}
		found := 0
		for _, topic := range f.o.Topics {
			r := f.routes[topic]
			for _, q := range r.readable(topic) {
				n, err := f.queue(ctx, r.masters[q.broker], q)
				if err != nil {
					return err
				}
				found += n
			}
		}
		if time.Since(f.answered) > followLost {
			if f.trouble == nil {
				f.trouble = errNothingToRead
			}
			return fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, f.trouble)
		}
		if err := f.yield(Step{Places: f.places}); err != nil {
			return err
		}
		if found > 0 {
			continue
		}
		pause.Reset(followEvery)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// queue gives what is new in a queue, one pull of it. Its error is yield's.
func (f *follower) queue(ctx context.Context, addr string, q queue) (n int, err error) {
	if time.Now().Before(f.away[q.broker]) || ctx.Err() != nil {
		return 0, nil
	}
	within, cancel := context.WithTimeout(ctx, followWithin)
	defer cancel()
	steps, err := f.pull(within, addr, q)
	if err != nil {
		f.away[q.broker] = time.Now().Add(followPause)
		f.trouble = fmt.Errorf("read queue %d of topic %s on %s: %w", q.id, q.topic, q.broker, err)
		return 0, nil
	}
	for _, s := range steps {
		if s.Message != nil {
			f.places.next[q] = s.Message.Offset + 1
		}
		s.Places = f.places
		if err := f.yield(s); err != nil {
			return n, err
		}
		n++
	}
	f.answered = time.Now() // and not before: yield may take long
	return n, nil
}

// pull asks for what is new in a queue.
func (f *follower) pull(ctx context.Context, addr string, q queue) (steps []Step, err error) {
	next, known := f.places.next[q]
	if !known {
		if next, err = f.begin(ctx, addr, q); err != nil {
			return nil, err
		}
		f.places.next[q] = next
	}
	messages, to, _, err := f.wire.pull(ctx, addr, pull{group: readGroup(f.o.Prefix), queue: q, offset: next})
	switch {
	case err != nil:
		return nil, err
	case len(messages) == 0 && to != next: // what lies between is gone
		if to < next { // the queue was made anew; brokers differ in what they answer then
			if to, err = f.wire.offset(ctx, addr, codeMinOffset, q); err != nil {
				return nil, err
			}
		}
		f.places.next[q] = to
		return []Step{{Gap: &Gap{Topic: q.topic, Broker: q.broker, Queue: q.id, First: to}}}, nil
	case len(messages) == 0:
		return nil, nil
	}
	if first := messages[0].QueueOffset; known && first > next {
		steps = append(steps, Step{Gap: &Gap{Topic: q.topic, Broker: q.broker, Queue: q.id, First: first}})
	}
	for _, m := range messages {
		one := messageOf(q, m)
		steps = append(steps, Step{Message: &one})
	}
	return steps, nil
}

// begin returns where a queue begins that was not seen before.
func (f *follower) begin(ctx context.Context, addr string, q queue) (int64, error) {
	first, err := f.wire.offset(ctx, addr, codeMinOffset, q)
	if err != nil || f.places.since.IsZero() {
		return first, err
	}
	at, err := f.wire.offsetAt(ctx, addr, q, f.places.since.Add(-clockSlack))
	return max(at, first), err
}

// clockSlack is how far the clocks of a broker and of a node may be apart.
const clockSlack = 10 * time.Second
