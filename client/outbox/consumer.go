package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/concord-tx/concord/client/api"
)

// Handler takes events. It is called again after an error, and may be called again after success: [Inbox.Handler] has
// each event take effect once.
type Handler func(ctx context.Context, e Event) error

// ConsumerOptions say what is read. API, Group, Topics and Handler are required.
type ConsumerOptions struct {
	API *api.Client
	// Group is a place in Concord's log; processes that share it share the events.
	Group string
	// Topics are those of events, such as "orders", and concord-commit and concord-rollback for decisions.
	Topics []string
	// Next has a new group begin with the next event. Otherwise it begins with the oldest that is kept.
	Next bool
	// Handler is called for each event.
	Handler Handler
	// Concurrency is how many events are handled at once, of one key one after the other; 1 if 0.
	Concurrency int
	// Batch is how many events are taken at once; 100 if 0.
	Batch int
	// Wait is how long a poll waits at the server; 15 s if 0, 20 s at most.
	Wait time.Duration
	// Logger is told of failures; nil: nobody is.
	Logger *slog.Logger
}

// Consumer reads events from Concord's own log, where it has one (docs/EVENTS.md); package outbox/rocketmq reads them
// where it publishes on RocketMQ. Make it with NewConsumer.
//
// Events of one key are handled in the order in which they were published. One that fails comes again later, so that
// those behind it, which are not held up, come before it then.
type Consumer struct{ o ConsumerOptions }

const (
	// answerTime is how long after a poll its last event may be begun: the server gives it to others after 30 s.
	answerTime = 20 * time.Second
	ackEvery   = time.Second
	acksMax    = 50
)

// NewConsumer makes a consumer.
func NewConsumer(o ConsumerOptions) (*Consumer, error) {
	switch {
	case o.API == nil || o.Group == "" || o.Handler == nil:
		return nil, errors.New("outbox: a consumer needs an API, a Group and a Handler")
	case len(o.Topics) == 0:
		return nil, errNoTopics
	case o.Concurrency < 0 || o.Batch < 0 || o.Wait < 0 || o.Wait > 20*time.Second:
		return nil, errors.New("outbox: Concurrency, Batch or Wait is out of range")
	}
	if o.Concurrency == 0 {
		o.Concurrency = 1
	}
	if o.Batch == 0 {
		o.Batch = 100
	}
	o.Wait = or(o.Wait, 15*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Consumer{o: o}, nil
}

// ErrElsewhere says that the server publishes on RocketMQ: read there, with package outbox/rocketmq.
var ErrElsewhere = errors.New("outbox: the events are on RocketMQ, and not in Concord's own log")

// Run reads until ctx ends, and returns its cause. It waits for the handlers that run then, whose contexts have ended,
// too; what they have not finished comes again. A server that cannot be reached is asked again, with growing pauses;
// one that has no events of its own is [ErrElsewhere]. Several may run, here and elsewhere.
func (c *Consumer) Run(ctx context.Context) error {
	joined := false
	for pause := time.Duration(0); ctx.Err() == nil; {
		err := c.round(ctx, &joined)
		if err == nil || ctx.Err() != nil {
			pause = 0
			continue
		}
		if api.CodeOf(err) == "eventsElsewhere" {
			return fmt.Errorf("%w: %w", ErrElsewhere, err)
		}
		joined = false // perhaps the group was deleted
		pause = min(max(2*pause, 100*time.Millisecond), 5*time.Second)
		c.o.Logger.WarnContext(ctx, "no events can be read", "group", c.o.Group, "pause", pause, "err", err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return context.Cause(ctx)
}

// delivery is an event as the server gives it.
type delivery struct {
	Delivery string          `json:"delivery"`
	Topic    string          `json:"topic"`
	Attempt  int             `json:"attempt"`
	Event    json.RawMessage `json:"event"`
}

// round joins the group if that was not done yet, and takes one batch.
func (c *Consumer) round(ctx context.Context, joined *bool) error {
	if !*joined {
		if err := c.join(ctx); err != nil {
			return err
		}
		*joined = true
	}
	var page struct{ Items []delivery }
	_, err := c.o.API.Do(ctx, api.Request{
		Method: http.MethodPost, Path: api.Path("events", "groups", c.o.Group, "poll"), NoKey: true, Wait: c.o.Wait,
		Query: url.Values{"wait": {c.o.Wait.String()}, "limit": {strconv.Itoa(c.o.Batch)}},
	}, &page)
	if err != nil {
		return err
	}
	b := &batch{Consumer: c, begun: time.Now(), flushed: time.Now()}
	return b.handle(ctx, page.Items)
}

// join makes the group, or changes its topics. One that is there goes on where it was.
func (c *Consumer) join(ctx context.Context) error {
	from := "oldest"
	if c.o.Next {
		from = "next"
	}
	_, err := c.o.API.Do(ctx, api.Request{
		Method: http.MethodPut, Path: api.Path("events", "groups", c.o.Group),
		Body: map[string]any{"topics": c.o.Topics, "from": from},
	}, nil)
	if err != nil {
		return fmt.Errorf("join group %s: %w", c.o.Group, err)
	}
	return nil
}

// batch is what one poll has brought, on its way.
type batch struct {
	*Consumer
	begun time.Time

	mu      sync.Mutex
	acks    []string
	flushed time.Time
	wrong   error // of the first answer that could not be given
}

// handle hands the events on: those of one key in order, the others beside each other.
func (b *batch) handle(ctx context.Context, all []delivery) error {
	slots := make(chan struct{}, b.o.Concurrency)
	var running sync.WaitGroup
	for _, line := range lines(all) {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			for _, d := range line {
				if ctx.Err() != nil || time.Since(b.begun) > answerTime {
					return // it comes again
				}
				b.one(ctx, d)
			}
		})
	}
	running.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush(ctx)
	return b.wrong
}

// parcel is a delivery with its event, or why it cannot be read.
type parcel struct {
	delivery
	event Event
	err   error
}

// lines are the events by key, each in order; an event without a key is a line of its own.
func lines(all []delivery) (lines [][]parcel) {
	at := map[string]int{}
	for _, d := range all {
		p := parcel{delivery: d}
		p.err = json.Unmarshal(d.Event, &p.event)
		if p.event.Topic == "" {
			p.event.Topic = d.Topic
		}
		key := p.event.Key
		i, known := at[key]
		if key == "" || !known {
			at[key] = len(lines)
			lines = append(lines, []parcel{p})
			continue
		}
		lines[i] = append(lines[i], p)
	}
	return lines
}

// one handles an event and answers.
func (b *batch) one(ctx context.Context, p parcel) {
	err := p.err
	if err == nil {
		err = b.call(ctx, p.event)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.acks = append(b.acks, p.Delivery)
		if len(b.acks) >= acksMax || time.Since(b.flushed) > ackEvery {
			b.flush(ctx)
		}
		return
	}
	b.o.Logger.WarnContext(ctx, "an event is not handled", "group", b.o.Group, "event", p.event.ID, "topic", p.Topic,
		"attempt", p.Attempt, "err", err)
	b.answer(ctx, "nack", map[string]any{"deliveries": []string{p.Delivery}, "reason": err.Error()})
}

// call calls the handler. A panic is an error, with its report in the log.
func (b *batch) call(ctx context.Context, e Event) (err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		what := recover()
		b.o.Logger.ErrorContext(ctx, "a handler of events has panicked", "event", e.ID, "panic", fmt.Sprint(what),
			"stack", string(debug.Stack()))
		err = fmt.Errorf("the handler has panicked: %v", what)
	}()
	err = b.o.Handler(api.WithTraceparent(ctx, e.Traceparent), e)
	finished = true
	return err
}

// flush says what was handled. The caller holds mu: answers go out one after the other.
func (b *batch) flush(ctx context.Context) {
	if len(b.acks) == 0 {
		return
	}
	b.answer(ctx, "ack", map[string]any{"deliveries": b.acks})
	b.acks, b.flushed = nil, time.Now()
}

// answer gives an answer, also when ctx has ended; the same twice is once.
func (b *batch) answer(ctx context.Context, how string, body any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	_, err := b.o.API.Do(ctx, api.Request{
		Method: http.MethodPost, Path: api.Path("events", "groups", b.o.Group, how), Body: body, NoKey: true,
		Repeatable: true,
	}, nil)
	if err != nil && b.wrong == nil {
		b.wrong = err
	}
}
