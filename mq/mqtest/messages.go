package mqtest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func (c *groupScene) publish(topic, text string) {
	c.t.Helper()
	c.must(c.wait(func(done func(error)) { c.gh.Groups().Publish(topic, "g", "k", []byte(text), done) }))
}

// testMessages: what is published beside the decisions is durable, goes to those who asked for its topic, and is no
// decision to anybody.
func testMessages(t *testing.T, c *groupScene) {
	c.must(c.gh.Groups().Subscribe(t.Context(), "all", nil, true))
	c.must(c.gh.Groups().Subscribe(t.Context(), "stock", []string{"stock"}, true))
	c.must(c.gh.Groups().Subscribe(t.Context(), "both", []string{"stock", mq.TopicCommit}, true))
	c.publish("stock", "one")
	g := c.decide(txn.Commit)
	c.publish("mails", "two")
	c.publish("stock", "three")
	c.h.Crash(t)
	if got := c.poll("all", 1); got[0].XID != g.XID.ID {
		t.Errorf("without topics a group gets %+v", got)
	}
	c.none("all")
	var texts []string
	for _, m := range c.poll("stock", 2) {
		texts = append(texts, string(m.Event))
		if m.XID != 0 || m.Topic != "stock" {
			t.Errorf("%+v", m)
		}
	}
	if !slices.Equal(texts, []string{"one", "three"}) {
		t.Errorf("on the topic is %q", texts)
	}
	if got := xidsOf(c.poll("both", 3)); !slices.Equal(got, []int64{0, g.XID.ID, 0}) {
		t.Errorf("topic and commits: %v", got)
	}
	last := c.decide(txn.Rollback)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var handled []int64
	err := c.h.Log().Consume(ctx, func(_ context.Context, xid int64) error {
		handled = append(handled, xid)
		if xid == last.XID.ID {
			time.AfterFunc(10*time.Millisecond, cancel)
		}
		return nil
	})
	if err == nil || !slices.Equal(handled, []int64{g.XID.ID, last.XID.ID}) {
		t.Errorf("the coordinator was given %v, %v", handled, err)
	}
}
