//go:build parts

package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// ListDocuments makes the documents those that Replies needs.
func (s *someDocuments) ListDocuments(_ context.Context, q orchestrator.DocumentQuery) (
	all []orchestrator.Document, err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.all {
		if d.Kind == q.Kind {
			all = append(all, d)
		}
	}
	return all, nil
}

// office is what takes replies, and what it does about those to a step.
type office struct {
	mu     sync.Mutex
	got    []string // via, outcome and answer, by node
	fail   map[string]error
	failed map[string]int
	member string // the only one that may write; "": all
}

func (o *office) take(node string) TakeReply {
	return func(xid txn.XID, r txn.Reply, done func(*txn.Global, bool, error)) {
		o.mu.Lock()
		err := o.fail[r.Answer]
		if o.member != "" && node != o.member {
			err = orchestrator.ErrNotMember
		}
		if err != nil {
			o.failed[r.Answer]++
		} else {
			o.got = append(o.got, fmt.Sprint(node, " ", xid.ID, " ", r.BranchID, " ", r.Via, " ", r.Result, " ", r.Answer))
		}
		o.mu.Unlock()
		go done(nil, err == nil, err)
	}
}

func (o *office) has(want ...string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range want {
		if !slices.ContainsFunc(o.got, func(s string) bool { return strings.HasSuffix(s, w) }) {
			return false
		}
	}
	return true
}

func (o *office) tries(answer string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed[answer]
}

func (o *office) only(node string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.member = node
}

func (o *office) mend(answer string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.fail, answer)
}

// desk is a node that reads replies.
type desk struct {
	*node
	replies *Replies
	valid   *atomic.Bool // whether its lease holds
	stop    func()
}

func (c cluster) desk(t *testing.T, prefix, name string, docs orchestrator.Documents, o *office) *desk {
	t.Helper()
	options := c.options(t, prefix, nil)
	options.Instance = name
	valid := &atomic.Bool{}
	valid.Store(true)
	options.Valid = valid.Load
	d := &desk{valid: valid, node: startNode(t, newDisk(), options)}
	d.replies = d.log.Replies(docs, o.take(name))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.replies.Run(ctx) // ends with ctx
	}()
	var once sync.Once
	d.stop = func() {
		once.Do(func() {
			cancel()
			<-ended
			d.end()
		})
	}
	t.Cleanup(d.stop)
	return d
}

// topic makes a topic, as those do who read it.
func (d *desk) topic(name string) string {
	d.t.Helper()
	masters, err := d.log.names.masters(d.t.Context())
	for _, addr := range masters {
		err = errors.Join(err, d.log.wire.createTopic(d.t.Context(), addr, name, 4, topicPerms))
	}
	if err == nil {
		err = d.log.awaitTopic(d.t.Context(), name, len(masters))
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return name
}

// send publishes a message and waits for the broker.
func (d *desk) send(topic string, props map[string]string, body string) {
	d.t.Helper()
	done := make(chan error, 1)
	d.log.Publish(topic, "", "", []byte(body), props, func(err error) { done <- err })
	if err := <-done; err != nil {
		d.t.Fatal(err)
	}
}

// answer is a participant's reply to the step of a transaction.
func (d *desk) answer(topic string, id int, body string) {
	d.t.Helper()
	d.send(topic, map[string]string{mq.PropertyID: fmt.Sprintf("h:1:%d/7/forward", id)}, body)
}

// ask publishes the message of a step.
func (d *desk) ask(topic, reply string) {
	d.t.Helper()
	done := make(chan error, 1)
	d.replies.Steps(mq.StepBodies(d.log.Publish))(&mq.StepMessage{
		Topic: topic, Reply: reply, ID: "h:1:1/7/forward", XID: txn.XID{Prefix: "h:1", ID: 1}, Branch: 7, Data: `{"n":1}`,
	}, func(err error) { done <- err })
	if err := <-done; err != nil {
		d.t.Fatal(err)
	}
}

func TestRepliesAreReadByTheWholeCluster(t *testing.T) {
	t.Parallel()
	c, prefix, docs := theBroker(t), newPrefix(), &someDocuments{}
	o := &office{fail: map[string]error{}, failed: map[string]int{}}
	reply := prefix + "-answers"
	a, b := c.desk(t, prefix, "a", docs, o), c.desk(t, prefix, "b", docs, o)
	a.ask(a.topic(prefix+"-stock"), reply)
	n := 0
	answer := func(d *desk, count int) {
		t.Helper()
		want := make([]string, count)
		for i := range count {
			n++
			want[i] = fmt.Sprintf(` %d 7 %s done "%d"`, n, reply, n)
			d.answer(reply, n, fmt.Sprintf("%q", fmt.Sprint(n)))
		}
		eventually(t, "all replies are taken", func() bool { return o.has(want...) })
	}
	answer(a, 20)
	eventually(t, "both nodes read", func() bool {
		answer(a, 4)
		o.mu.Lock()
		defer o.mu.Unlock()
		by := func(node string) func(string) bool {
			return func(s string) bool { return strings.HasPrefix(s, node+" ") }
		}
		return slices.ContainsFunc(o.got, by("a")) && slices.ContainsFunc(o.got, by("b"))
	})
	b.valid.Store(false) // it may write nothing, and leaves all to the other
	o.only("a")
	answer(a, 8)
	b.valid.Store(true)
	o.only("")
	a.stop()
	answer(b, 20)
	fresh := c.desk(t, prefix, "c", docs, o) // it was told of no topic
	b.stop()
	answer(fresh, 8)
	if got := fresh.replies.Numbers(); got.Taken == 0 || got.Dead+got.Failed+got.Ignored > 0 {
		t.Errorf("%+v", got)
	}
}

func TestRepliesThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	c, prefix, docs := theBroker(t), newPrefix(), &someDocuments{}
	o := &office{failed: map[string]int{}, fail: map[string]error{
		`"held"`: orchestrator.ErrUnavailable, `"own"`: errors.New("its definition is not read"),
		`"gone"`: orchestrator.ErrNotFound,
	}}
	reply := prefix + "-answers"
	d := c.desk(t, prefix, "a", docs, o)
	d.ask(d.topic(prefix+"-stock"), reply)
	d.send(reply, nil, "no reply at all")
	d.send(reply, map[string]string{mq.PropertyID: "h:1:1/7/forward", mq.PropertyOutcome: "perhaps"}, "x")
	d.answer(reply, 1, `"gone"`)
	d.answer(reply, 2, `"held"`)
	d.answer(reply, 3, `"own"`)
	d.answer(reply, 4, `"fine"`)
	eventually(t, "the good one is taken", func() bool { return o.has(` done "fine"`) })
	eventually(t, "what the node cannot take is tried again here", func() bool { return o.tries(`"held"`) > 2 })
	o.mend(`"held"`)
	eventually(t, "it is taken when the store is back", func() bool { return o.has(` done "held"`) })
	eventually(t, "what one reply is to blame for is given back", func() bool { return d.replies.Numbers().Failed > 0 })
	o.mend(`"own"`)
	eventually(t, "the broker gives it again", func() bool { return o.has(" 3 7 " + reply + ` done "own"`) })
	letters := NewDeadLetters(ReadOptions{NameServers: []string{c.names()}, Prefix: prefix}, docs)
	group := RepliesGroup(prefix)
	dead := await(t, "what is none is a dead letter", func() ([]Letter, bool) {
		all, _, err := letters.List(t.Context(), group, nil, 10)
		if err != nil && !errors.Is(err, orchestrator.ErrNoGroup) {
			t.Fatal(err)
		}
		return all, len(all) == 2
	})
	for _, l := range dead {
		if l.Topic != reply {
			t.Errorf("%+v", l)
		}
	}
	if got := d.replies.Numbers(); got.Dead != 2 || got.Ignored != 1 || got.Taken != 3 {
		t.Errorf("%+v", got)
	}
}

// TestAReplyThatIsFasterThanItsReader: what was there before anybody read the topic is read, too.
func TestAReplyThatIsFasterThanItsReader(t *testing.T) {
	t.Parallel()
	c, prefix, docs := theBroker(t), newPrefix(), &someDocuments{}
	o := &office{}
	reply := prefix + "-answers"
	d := c.desk(t, prefix, "a", docs, o)
	d.answer(d.topic(reply), 1, `"early"`)
	d.ask(d.topic(prefix+"-stock"), reply)
	eventually(t, "it is taken", func() bool { return o.has(` done "early"`) })
	var e []string
	err := Read(t.Context(), ReadOptions{
		NameServers: []string{c.names()}, Prefix: prefix, Topics: []string{prefix + "-stock"},
	}, func(m Message) error {
		e = append(e, string(m.Body))
		return nil
	})
	if err != nil || len(e) != 1 || e[0] != `{"n":1}` {
		t.Errorf("%v %q", err, e)
	}
}
