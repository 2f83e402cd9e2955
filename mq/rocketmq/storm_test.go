//go:build parts

package rocketmq

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// silent never decides: its halves are left without an end, as those of a node that was killed.
type silent struct{}

func (silent) ExecuteLocalTransaction(*primitive.Message) primitive.LocalTransactionState {
	return primitive.UnknowState
}

func (silent) CheckLocalTransaction(*primitive.MessageExt) primitive.LocalTransactionState {
	return primitive.UnknowState
}

// leaveHalves sends n halves, each with one decision, and lets their producer die. Every second pack is stored.
func leaveHalves(t *testing.T, c cluster, prefix string, d *disk, n int) {
	t.Helper()
	p, err := rocketmq.NewTransactionProducer(silent{},
		producer.WithNsResolver(primitive.NewPassthroughResolver([]string{c.names()})),
		producer.WithGroupName(producerGroup(prefix)), producer.WithInstanceName("dead-"+unique()), producer.WithRetry(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	maker := &Log{opts: Options{Prefix: prefix, Epoch: func() int64 { return 7 }}, name: unique()}
	s := newMemStore(d)
	defer s.crash()
	var group sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range n {
		ch := decide(t, d.begin(t, int64(10+2*i), "g"), txn.Commit)
		maker.describe(ch)
		pk := maker.newPack(laneKey{ch.Topic, "g"})
		pk.entries = []orchestrator.OutboxEntry{{ID: ch.Global.XID.ID, Topic: ch.Topic, Group: "g", Event: ch.Event}}
		if i%2 == 0 {
			if _, err := d.applyPack(pk.id, []*orchestrator.Change{ch}); err != nil {
				t.Fatal(err)
			}
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			for range 10 { // a loaded machine may need more than the library's 3 s; twice is no harm
				m := maker.message(pk)
				m.Queue = nil
				if r, err := transact(p, m); err == nil && r.Status == primitive.SendOK {
					return
				}
			}
			t.Error("a half was not taken")
		})
	}
	group.Wait()
	_ = p.Shutdown() // always nil
}

func TestTenThousandHalvesWithoutAnEndAreAnsweredByAnotherNode(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	d := newDisk()
	prefix := newPrefix()
	o := c.options(t, prefix, nil)
	o.OutboxAfter = 10 * time.Minute // only check-backs may bring the messages
	warm := startNode(t, newDisk(), o)
	warm.end() // made the topics
	const halves = 10_000
	leaveHalves(t, c, prefix, d, halves)
	if n := len(readAll(t, c, prefix)); n != 0 {
		t.Fatalf("%d messages are visible without an end", n)
	}
	began := time.Now()
	n := startNode(t, d, o)
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	eventually(t, "every half was asked for", func() bool {
		st := n.log.Stats()
		return st.ChecksCommit >= halves/2 && st.ChecksRollback >= halves/2
	})
	asked := time.Since(began)
	eventually(t, "every decision is delivered", func() bool { return s.count() == halves/2 })
	t.Logf("asked for all %d in %s, delivered all %d in %s; %+v", halves, asked, s.count(), time.Since(began),
		n.log.Stats())
	audit(t, c, prefix, d)
	d.mu.Lock()
	defer d.mu.Unlock()
	aborted := 0
	for _, stored := range d.packs {
		if !stored {
			aborted++
		}
	}
	if aborted < halves/2 {
		t.Errorf("%d packs are fenced", aborted)
	}
}

func TestBrokerThatGivesUpEarlyAndTakesLittle(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "single", "ROCKETMQ_BROKER_CONF=transactionCheckMax=1\ntransactionTimeOut=1000\n"+
		"transactionCheckInterval=1000\nmaxMessageSize=131072")
	t.Run("HalvesThatWereGivenUp", func(t *testing.T) { halvesGivenUp(t, cluster{t, c.dir}) })
	t.Run("MessageOverTheLimitIsSplitOrNamed", func(t *testing.T) { overTheLimit(t, cluster{t, c.dir}) })
}

func halvesGivenUp(t *testing.T, c cluster) {
	d := newDisk()
	prefix := newPrefix()
	o := c.options(t, prefix, nil)
	o.OutboxAfter = 10 * time.Minute
	warm := startNode(t, newDisk(), o)
	warm.end()
	leaveHalves(t, c, prefix, d, 10) // nobody answers for them
	eventually(t, "the broker gives up", func() bool {
		given := 0
		err := Read(context.Background(), ReadOptions{NameServers: []string{c.names()}, Topics: []string{givenUpTopic}},
			func(Message) error { given++; return nil })
		return err == nil && given >= 10
	})
	n := startNode(t, d, o)
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	eventually(t, "decisions are delivered all the same", func() bool { return s.count() == 5 })
	if st := n.log.Stats(); st.GivenUp < 10 || st.Republished < 5 {
		t.Errorf("%+v", st)
	}
	audit(t, c, prefix, d)
}

func TestStoreThatDoesNotAnswerIsAskedByCheckBack(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	d := newDisk()
	prefix := newPrefix()
	o := c.options(t, prefix, nil)
	o.OutboxAfter = 10 * time.Minute
	n := startNode(t, d, o)
	defer n.end()
	n.store.failNext.Store(1)
	ch := decide(t, d.begin(t, 10, ""), txn.Commit)
	if err := n.record(ch); err == nil {
		t.Fatal("an unknown outcome was answered as a success")
	}
	s := n.consume(nil)
	defer s.stop()
	eventually(t, "the decision that was made is delivered", func() bool { return s.has(10) })
	if n.log.Stats().ChecksCommit == 0 {
		t.Error("not by a check-back")
	}
	audit(t, c, prefix, d)
}

func TestCheckBacksAreAnsweredFromTheStoreAlone(t *testing.T) {
	t.Parallel()
	d := newDisk()
	s := newMemStore(d)
	defer s.crash()
	l := &Log{opts: Options{Store: s}, packs: map[orchestrator.PackID]*pack{}}
	if err := l.opts.complete(); err != nil {
		t.Fatal(err)
	}
	ask := func(id string, born time.Time) primitive.LocalTransactionState {
		m := &primitive.MessageExt{BornTimestamp: born.UnixMilli()}
		m.WithProperty(PropertyPack, id)
		return listener{l}.CheckLocalTransaction(m)
	}
	now := time.Now()
	d.packs["stored"] = true
	for i, tt := range []struct {
		id   string
		born time.Time
		want primitive.LocalTransactionState
	}{
		{"stored", now, primitive.CommitMessageState},
		{"stored", now.Add(-1000 * time.Hour), primitive.CommitMessageState}, // known by now
		{"never", now, primitive.RollbackMessageState},
		{"forgotten", now.Add(-1000 * time.Hour), primitive.UnknowState},
		{"", now, primitive.UnknowState},
	} {
		if got := ask(tt.id, tt.born); got != tt.want {
			t.Errorf("%d: %q is answered with %d, want %d", i, tt.id, got, tt.want)
		}
	}
	fences := d.fences
	for range 100 {
		ask("stored", now)
	}
	if d.fences != fences {
		t.Error("a positive answer is asked for again and again")
	}
	if _, err := d.applyPack("never", nil); err == nil {
		t.Error("a fenced pack was stored")
	}
	p := l.newPack(laneKey{})
	l.packs[p.id] = p
	began := time.Now()
	if got := ask(string(p.id), now); got != primitive.UnknowState || time.Since(began) > 20*time.Second {
		t.Errorf("pack that is being stored: %d after %s", got, time.Since(began))
	}
	p.verdict = durable
	close(p.stored)
	if got := ask(string(p.id), now); got != primitive.CommitMessageState {
		t.Errorf("pack that was just stored: %d", got)
	}
	slow := &Log{opts: Options{Store: slowStore{s}}, packs: map[orchestrator.PackID]*pack{}}
	_ = slow.opts.complete()
	began = time.Now()
	if v := askAbout(slow, "x", now); v != unknown || time.Since(began) > 20*time.Second {
		t.Errorf("slow store: %d after %s", v, time.Since(began))
	}
	broken := &Log{opts: Options{Store: panicking{s}}}
	_ = broken.opts.complete()
	if got := (listener{broken}).ExecuteLocalTransaction(nil); got != primitive.UnknowState {
		t.Errorf("panic: %d", got)
	}
}

// slowStore answers no check-back in time.
type slowStore struct{ *memStore }

func (slowStore) FencePack(ctx context.Context, _ orchestrator.PackID) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// panicking is a program error.
type panicking struct{ *memStore }

func (panicking) FencePack(context.Context, orchestrator.PackID) (bool, error) { panic("wrong") }

func TestPackIDsFitTheContract(t *testing.T) {
	t.Parallel()
	l := &Log{name: unique()}
	l.counter.Store(1 << 63)
	if id := l.newPack(laneKey{}).id; len(id) > 64 || fmt.Sprintf("%q", string(id)) != `"`+string(id)+`"` {
		t.Errorf("pack id %s", id)
	}
}
