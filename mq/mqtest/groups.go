package mqtest

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Message is a delivery to a consumer group.
type Message struct {
	Seq     uint64
	XID     int64
	Topic   string
	Event   []byte
	Attempt int
	Receipt string
}

// Groups is a log that has consumer groups.
type Groups interface {
	Subscribe(ctx context.Context, group string, topics []string, fromOldest bool) error
	Poll(ctx context.Context, group string, limit int, wait time.Duration) ([]Message, error)
	Ack(group string, receipts ...string) error
	Nack(ctx context.Context, group, receipt, reason string) error
	// DeadLetters returns the sequence numbers of the dead letters.
	DeadLetters(group string) ([]uint64, error)
	Replay(ctx context.Context, group string, seq uint64) error
	Discard(ctx context.Context, group string, seq uint64) error
	Seek(ctx context.Context, group string, seq uint64) error
	SeekTime(ctx context.Context, group string, at txn.Millis) error
	// Publish adds a message that is no decision.
	Publish(topic, tag, key string, event []byte, done func(error))
}

// GroupHarness is a harness whose log has groups. It is opened with a delay of retries below 50 ms, a time to answer
// between 200 ms and 1 s, and [GroupAttempts] attempts.
type GroupHarness interface {
	Harness
	Groups() Groups
}

// GroupAttempts is after how many attempts a message is a dead letter in these tests.
const GroupAttempts = 3

// RunGroups runs the part of the suite that is about consumer groups.
func RunGroups(t *testing.T, open func(t *testing.T) GroupHarness) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c *groupScene)
	}{
		{"GroupsAreIndependent", testGroups},
		{"TopicsAreFiltered", testTopics},
		{"PollIsWokenByTheDecision", testPollWakes},
		{"RefusedMessagesComeAgain", testNack},
		{"UnansweredMessagesComeAgain", testUnanswered},
		{"DeadLettersAreKept", testDead},
		{"GroupsReplay", testReplay},
		{"RestartKeepsGroups", testGroupRestart},
		{"MessagesReachTheirTopic", testMessages},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			defer h.Close()
			test.run(t, &groupScene{scene{t: t, h: h, id: 100}, h})
		})
	}
}

type groupScene struct {
	scene
	gh GroupHarness
}

func (c *groupScene) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// poll waits for n messages.
func (c *groupScene) poll(group string, n int) []Message {
	c.t.Helper()
	var all []Message
	for len(all) < n {
		got, err := c.gh.Groups().Poll(c.t.Context(), group, n-len(all), patience)
		c.must(err)
		if len(got) == 0 {
			c.t.Fatalf("%d messages for %s, want %d", len(all), group, n)
		}
		all = append(all, got...)
	}
	return all
}

// none checks that nothing can be delivered now.
func (c *groupScene) none(group string) {
	c.t.Helper()
	got, err := c.gh.Groups().Poll(c.t.Context(), group, 10, 20*time.Millisecond)
	c.must(err)
	if len(got) > 0 {
		c.t.Fatalf("%s got %+v", group, got)
	}
}

func (c *groupScene) ack(group string, all []Message) {
	c.t.Helper()
	var receipts []string
	for _, m := range all {
		receipts = append(receipts, m.Receipt)
	}
	c.must(c.gh.Groups().Ack(group, receipts...))
}

func xidsOf(all []Message) []int64 {
	var xids []int64
	for _, m := range all {
		xids = append(xids, m.XID)
	}
	return xids
}

func testGroups(t *testing.T, c *groupScene) {
	old := c.decide(txn.Commit)
	c.must(c.gh.Groups().Subscribe(t.Context(), "a", nil, true))
	c.must(c.gh.Groups().Subscribe(t.Context(), "b", nil, false))
	want := []int64{old.XID.ID}
	for range 20 {
		want = append(want, c.decide(txn.Commit).XID.ID)
	}
	a, b := c.poll("a", 21), c.poll("b", 20)
	if !slices.Equal(xidsOf(a), want) || !slices.Equal(xidsOf(b), want[1:]) {
		t.Errorf("a %v\nb %v\nwant %v", xidsOf(a), xidsOf(b), want)
	}
	if !bytes.Equal(a[0].Event, mq.AppendDecision(nil, old)) || a[0].Attempt != 1 || a[0].Topic != mq.TopicCommit {
		t.Errorf("%+v", a[0])
	}
	c.ack("a", a)
	c.none("a")
	c.must(c.gh.Groups().Ack("a", a[0].Receipt)) // once more does nothing
	if err := c.gh.Groups().Ack("a", "nonsense"); err == nil {
		t.Error("a receipt of nobody was accepted")
	}
	if _, err := c.gh.Groups().Poll(t.Context(), "nobody", 1, 0); err == nil {
		t.Error("a group of nobody was polled")
	}
}

func testTopics(t *testing.T, c *groupScene) {
	c.must(c.gh.Groups().Subscribe(t.Context(), "r", []string{mq.TopicRollback}, true))
	c.decide(txn.Commit)
	one := c.decide(txn.Rollback)
	c.decide(txn.Commit)
	two := c.decide(txn.Rollback)
	got := c.poll("r", 2)
	if !slices.Equal(xidsOf(got), []int64{one.XID.ID, two.XID.ID}) {
		t.Errorf("got %v", xidsOf(got))
	}
	c.ack("r", got)
	c.none("r")
}

func testPollWakes(t *testing.T, c *groupScene) {
	c.must(c.gh.Groups().Subscribe(t.Context(), "a", nil, true))
	for range 20 {
		g := c.begin()
		got := make(chan []Message, 1)
		go func() {
			m, _ := c.gh.Groups().Poll(context.Background(), "a", 1, patience)
			got <- m
		}()
		c.must(c.record(c.decision(g, txn.Commit)))
		m := <-got
		if len(m) != 1 || m[0].XID != g.XID.ID {
			t.Fatalf("got %+v", m)
		}
		c.ack("a", m)
	}
}

func testNack(t *testing.T, c *groupScene) {
	c.must(c.gh.Groups().Subscribe(t.Context(), "a", nil, true))
	one, two := c.decide(txn.Commit), c.decide(txn.Commit)
	got := c.poll("a", 2)
	c.must(c.gh.Groups().Nack(t.Context(), "a", got[0].Receipt, "busy"))
	again := c.poll("a", 1)
	if again[0].XID != one.XID.ID || again[0].Attempt != 2 || !bytes.Equal(again[0].Event, got[0].Event) {
		t.Errorf("%+v", again[0])
	}
	c.must(c.gh.Groups().Ack("a", got[0].Receipt)) // the receipt of the first attempt is void
	c.ack("a", got[1:])
	c.must(c.gh.Groups().Nack(t.Context(), "a", again[0].Receipt, "busy"))
	c.h.Crash(t)
	for {
		m := c.poll("a", 1) // those that were handled may come once more
		c.ack("a", m)
		if m[0].XID == one.XID.ID {
			if m[0].Attempt != 3 {
				t.Errorf("attempt %d", m[0].Attempt)
			}
			break
		}
		if m[0].XID != two.XID.ID {
			t.Errorf("%+v", m[0])
		}
	}
}

func testUnanswered(t *testing.T, c *groupScene) {
	c.must(c.gh.Groups().Subscribe(t.Context(), "a", nil, true))
	g := c.decide(txn.Rollback)
	first := c.poll("a", 1)
	again := c.poll("a", 1)
	if again[0].XID != g.XID.ID || again[0].Attempt != 2 || again[0].Receipt == first[0].Receipt {
		t.Errorf("%+v after %+v", again[0], first[0])
	}
	c.ack("a", again)
	c.none("a")
}

func (c *groupScene) kill(group string) Message {
	c.t.Helper()
	var m Message
	for range GroupAttempts {
		m = c.poll(group, 1)[0]
		c.must(c.gh.Groups().Nack(c.t.Context(), group, m.Receipt, "broken"))
	}
	return m
}

func (c *groupScene) wantDead(group string, want ...uint64) {
	c.t.Helper()
	got, err := c.gh.Groups().DeadLetters(group)
	c.must(err)
	if !slices.Equal(got, want) {
		c.t.Fatalf("dead letters %v, want %v", got, want)
	}
}

func testDead(t *testing.T, c *groupScene) {
	c.must(c.gh.Groups().Subscribe(t.Context(), "a", nil, true))
	g := c.decide(txn.Commit)
	m := c.kill("a")
	c.wantDead("a", m.Seq)
	c.none("a")
	c.h.Crash(t)
	c.wantDead("a", m.Seq)
	c.must(c.gh.Groups().Replay(t.Context(), "a", m.Seq))
	c.wantDead("a")
	again := c.poll("a", 1)
	if again[0].XID != g.XID.ID || !bytes.Equal(again[0].Event, m.Event) || again[0].Attempt != 1 {
		t.Fatalf("%+v", again)
	}
	c.ack("a", again)
	c.decide(txn.Commit)
	m = c.kill("a")
	c.must(c.gh.Groups().Discard(t.Context(), "a", m.Seq))
	c.wantDead("a")
	if err := c.gh.Groups().Replay(t.Context(), "a", m.Seq); err == nil {
		t.Error("replayed what was discarded")
	}
}

func testReplay(t *testing.T, c *groupScene) {
	c.must(c.gh.Groups().Subscribe(t.Context(), "a", nil, true))
	for range 10 {
		c.decide(txn.Commit)
	}
	all := c.poll("a", 10)
	c.ack("a", all)
	c.must(c.gh.Groups().Seek(t.Context(), "a", all[4].Seq))
	again := c.poll("a", 6)
	if !slices.Equal(xidsOf(again), xidsOf(all[4:])) {
		t.Errorf("from the fifth: %v of %v", xidsOf(again), xidsOf(all))
	}
	c.must(c.gh.Groups().SeekTime(t.Context(), "a", 1))
	if got := c.poll("a", 10); !slices.Equal(xidsOf(got), xidsOf(all)) {
		t.Errorf("from the beginning: %v", xidsOf(got))
	}
	c.must(c.gh.Groups().SeekTime(t.Context(), "a", 2001)) // all were decided at 2000
	c.none("a")
}

func testGroupRestart(t *testing.T, c *groupScene) {
	c.must(c.gh.Groups().Subscribe(t.Context(), "a", []string{mq.TopicCommit}, true))
	seen := map[int64]bool{}
	var all []int64
	for range 3 {
		for range 30 {
			all = append(all, c.decide(txn.Commit).XID.ID)
			c.decide(txn.Rollback)
		}
		for len(seen) < len(all) {
			m := c.poll("a", 1)
			if m[0].Topic != mq.TopicCommit {
				t.Fatalf("%+v", m[0])
			}
			seen[m[0].XID] = true
			c.ack("a", m)
		}
		c.h.Crash(t)
	}
	for _, xid := range all {
		if !seen[xid] {
			t.Errorf("%d was not delivered", xid)
		}
	}
}
