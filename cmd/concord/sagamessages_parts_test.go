//go:build parts

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	library "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"github.com/concord-tx/concord/mq"
)

// clerk is a participant of sagas on the broker: it reads topics and answers what it is told to, by the operation and
// the order. What it is told nothing about it leaves unanswered.
type clerk struct {
	t    *testing.T
	out  library.Producer
	mu   sync.Mutex
	tell map[string][]string // "stock forward 7": outcomes
	seen map[string]*primitive.MessageExt
	got  []string
}

func (s *site) clerk(topics ...string) *clerk {
	s.t.Helper()
	c := &clerk{t: s.t, tell: map[string][]string{}, seen: map[string]*primitive.MessageExt{}}
	names := primitive.NewPassthroughResolver([]string{s.outside.nameServer(s.t)})
	group := s.name + "-clerk"
	s.topic("%RETRY%" + group) // the library finds a topic that is made later only half a minute after it
	var err error
	if c.out, err = library.NewProducer(producer.WithNsResolver(names), producer.WithInstanceName(group),
		producer.WithGroupName(group+"-out")); err == nil {
		err = c.out.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	in, err := library.NewPushConsumer(consumer.WithNsResolver(names), consumer.WithGroupName(group),
		consumer.WithInstance(group+"-in"), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	for _, topic := range topics {
		if err == nil {
			err = in.Subscribe(topic, consumer.MessageSelector{}, c.consume)
		}
	}
	if err == nil {
		err = in.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = in.Shutdown()
		_ = c.out.Shutdown()
	})
	return c
}

func (c *clerk) consume(_ context.Context, all ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	for _, m := range all {
		at := strings.LastIndex(m.Topic, "-")
		what := m.Topic[at+1:] + " " + m.GetProperty(mq.PropertyOperation) + " " + string(m.Body)
		c.mu.Lock()
		c.got, c.seen[what] = append(c.got, what), m
		outcomes := c.tell[what]
		c.mu.Unlock()
		for _, outcome := range outcomes {
			c.reply(m, outcome)
		}
	}
	return consumer.ConsumeSuccess, nil
}

// reply answers a message with its id, the outcome and a body.
func (c *clerk) reply(m *primitive.MessageExt, outcome string) {
	r := primitive.NewMessage(m.GetProperty(mq.PropertyReply), []byte(`{"place":"A4"}`))
	r.WithProperties(map[string]string{
		mq.PropertyID: m.GetProperty(mq.PropertyID), mq.PropertyAttempt: m.GetProperty(mq.PropertyAttempt),
		mq.PropertyOutcome: outcome,
	})
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := c.out.SendSync(context.Background(), r)
		if err == nil {
			return
		}
		select {
		case <-tick.C: // the topic was made just now, and the name server may not know it yet
		case <-deadline.C:
			c.t.Errorf("reply: %v", err)
			return
		}
	}
}

// asked waits for a message.
func (c *clerk) asked(what string) (m *primitive.MessageExt) {
	c.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		m = c.seen[what]
		c.mu.Unlock()
		if m != nil {
			return m
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			c.t.Fatalf("nobody has asked for %s; the clerk has %q", what, c.got)
		}
	}
}

// times counts the messages that are what.
func (c *clerk) times(what string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, got := range c.got {
		if got == what {
			n++
		}
	}
	return n
}

// TestMessagesOfSagasOnABroker: steps are answered on a topic, whichever node asked and whichever is left.
func TestMessagesOfSagasOnABroker(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	topics := []string{s.topic(s.name + "-stock"), s.topic(s.name + "-back"), s.topic(s.name + "-bank")}
	text := ordering
	for old, topic := range map[string]string{
		"stock-back,": topics[1] + ",", "stock\n": topics[0] + "\n", "bank,": topics[2] + ",",
	} {
		text = strings.ReplaceAll(text, "topic: "+old, "topic: "+topic)
	}
	for _, reply := range []string{"stock-answers", "bank-answers"} {
		text = strings.ReplaceAll(text, "reply: "+reply, "reply: "+s.name+"-"+reply)
	}
	forward := func(order string) string { return fmt.Sprintf(`stock forward {"order":%q}`, order) }
	pay := func(order string) string { return fmt.Sprintf(`bank forward {"order":%q}`, order) }
	const back = `back compensate {"place":"A4"}`
	c := s.clerk(topics...)
	c.tell = map[string][]string{
		forward("twice"): {"done", "done"}, pay("twice"): {"ongoing", "done"},
		forward("refused"): {"refused"},
		forward("back"):    {"done"}, pay("back"): {"refused"}, back: {"done"},
		pay("orphan"): {"done"},
	}
	a, b := s.node("a"), s.node("b")
	a.post("POST", "/sagas/definitions", text, nil)
	run := func(order string) string { return a.run("order", order, fmt.Sprintf(`{"order":%q}`, order)) }
	twice, refused, undone := run("twice"), run("refused"), run("back")
	b.eventually("Committed", "tx", "show", twice)
	b.eventually("RolledBack", "tx", "show", refused)
	b.eventually("RolledBack", "tx", "show", undone)
	c.reply(c.asked(forward("back")), "done") // late: it is undone
	if n := c.times(back); n != 1 {
		t.Errorf("compensated %d times", n)
	}

	orphan := run("orphan")
	m := c.asked(forward("orphan"))
	a.kill()
	c.reply(m, "done")
	b.eventually("Committed", "tx", "show", orphan)
	b.eventually("RolledBack", "tx", "show", undone)
	for what, want := range map[string]int{
		forward("twice"): 1, pay("twice"): 1, forward("refused"): 1, pay("refused"): 0, pay("back"): 1,
	} {
		if n := c.times(what); n != want {
			t.Errorf("%s: %d messages, want %d", what, n, want)
		}
	}
	if tag := m.GetTags(); tag != "eu" || !slices.Contains(strings.Fields(m.GetKeys()), "orphan") ||
		m.GetProperty("origin") != "shop" || m.GetProperty(mq.PropertySaga) != "order" {
		t.Errorf("%s", m)
	}
}
