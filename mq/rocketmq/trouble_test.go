//go:build parts

package rocketmq

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestTopicThatTheBrokerRefusesIsNamedAndHealed(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	d := newDisk()
	prefix := newPrefix()
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	setPerm := func(perm int) { setPerm(t, n.log, CommitTopic(prefix), perm) }
	setPerm(permRead)
	eventually(t, "the log names the topic", func() bool {
		err := n.log.Health()
		return err != nil && strings.Contains(err.Error(), CommitTopic(prefix)+" is not writable")
	})
	if err := n.record(decide(t, d.begin(t, 10, ""), txn.Commit)); err != nil {
		t.Fatal(err)
	}
	if err := n.record(decide(t, d.begin(t, 20, ""), txn.Rollback)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are driven", func() bool { return s.has(10, 20) })
	if d.unread() == 0 {
		t.Errorf("a message went out on a topic that is read only: %+v", n.log.Stats())
	}
	setPerm(topicPerms)
	eventually(t, "the log has recovered", func() bool { return n.log.Health() == nil })
	drained(t, d)
	audit(t, c, prefix, d)
}

// setPerm changes what may be done with a topic, and returns when the name server knows. It may never be told: a broker
// registers each change with its newest version, so that of two that are made at the same time, here and by the first
// heartbeat of a group, which makes a topic for it, the second to arrive has a version that is known, and is ignored.
// What differs is registered anew.
func setPerm(t *testing.T, l *Log, topic string, perm int) {
	t.Helper()
	masters, err := l.names.masters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	queues := 4
	eventually(t, "the name server is told", func() bool {
		if time.Since(last) > 3*time.Second {
			for _, addr := range masters {
				if err := l.wire.createTopic(t.Context(), addr, topic, queues, perm); err != nil {
					t.Fatal(err)
				}
			}
			last = time.Now()
			queues++
		}
		r, err := l.names.route(t.Context(), topic)
		return err == nil && (len(r.write) > 0) == (perm&permWrite != 0)
	})
}

// acl is the access control of a broker with one account.
const acl = `globalWhiteRemoteAddresses:
accounts:
- accessKey: concord-node
  secretKey: secret-of-the-node
  whiteRemoteAddress:
  admin: true
  defaultTopicPerm: PUB|SUB
  defaultGroupPerm: PUB|SUB
`

func TestWrongCredentialsAreNamedAtTheStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "acl.yml")
	if err := os.WriteFile(file, []byte(acl), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCluster(t, "single", "ROCKETMQ_ACL="+file)
	d := newDisk()
	o := c.options(t, newPrefix(), newMemStore(d))
	for _, keys := range [][2]string{{"", ""}, {"concord-node", "wrong"}, {"nobody", "secret-of-the-node"}} {
		o.AccessKey, o.SecretKey = keys[0], keys[1]
		l, err := Open(t.Context(), o)
		if err == nil {
			_ = l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "--rocketmq-access-key") {
			t.Errorf("with %q: %v", keys, err)
		}
	}
	o.AccessKey, o.SecretKey = "concord-node", "secret-of-the-node"
	n := startNode(t, d, o)
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	if err := n.record(decide(t, d.begin(t, 10, ""), txn.Commit)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the decision is read", func() bool { return s.has(10) && d.unread() == 0 })
	look := ReadOptions{
		NameServers: []string{c.names()}, Prefix: o.Prefix, AccessKey: o.AccessKey, SecretKey: o.SecretKey,
	}
	read := 0
	if err := Read(t.Context(), look, func(Message) error { read++; return nil }); err != nil || read != 1 {
		t.Errorf("%d messages, %v", read, err)
	}
	looksWithKey(t, look)
	look.SecretKey = "wrong"
	if _, err := NewDeadLetters(look, &someDocuments{}).Groups(t.Context()); !errors.Is(err, orchestrator.ErrUnavailable) {
		t.Errorf("with a wrong key: %v", err)
	}
}

// looksWithKey uses what people look with, where one decision, 10, was published and read.
func looksWithKey(t *testing.T, o ReadOptions) {
	t.Helper()
	o.Topics, o.From = []string{CommitTopic(o.Prefix)}, time.Now().Add(-time.Hour)
	found := 0
	if err := Find(t.Context(), o, "10.0.0.1:8091:10", func(Message) { found++ }); err != nil || found != 1 {
		t.Errorf("by key: %d messages, %v", found, err)
	}
	err := Follow(t.Context(), o, OldestPlaces(), func(s Step) error {
		if s.Message != nil {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("followed: %v", err)
	}
	group := "acl-" + o.Prefix
	w := newWire(o.AccessKey, o.SecretKey, nil)
	defer w.close()
	names := &nameServers{wire: w, all: o.NameServers}
	masters, err := names.masters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dead := queue{deadPrefix + group, "broker-a", 0}
	err = w.createTopic(t.Context(), masters[dead.broker], dead.topic, 1, topicPerms)
	if err == nil {
		err = w.send(t.Context(), masters[dead.broker], "test", dead, []byte(`[{}]`),
			map[string]string{primitive.PropertyRetryTopic: CommitTopic(o.Prefix)})
	}
	if err != nil {
		t.Fatal(err)
	}
	d := NewDeadLetters(o, &someDocuments{})
	all := await(t, "the letter is listed", func() ([]Letter, bool) {
		all, _, err := d.List(t.Context(), group, nil, 10)
		return all, err == nil && len(all) == 1
	})
	groups, err := d.Groups(t.Context())
	if err == nil {
		err = d.Replay(t.Context(), group, all[0].Place)
	}
	if err != nil || len(groups) != 1 {
		t.Errorf("%+v %v", groups, err)
	}
}

func TestMissingTopicsAreNamedAtTheStart(t *testing.T) {
	t.Parallel()
	o := theBroker(t).options(t, newPrefix(), newMemStore(newDisk()))
	o.CreateTopics = false
	l, err := Open(t.Context(), o)
	if err == nil {
		_ = l.Close()
	}
	if err == nil || !strings.Contains(err.Error(), CommitTopic(o.Prefix)) ||
		!strings.Contains(err.Error(), "--rocketmq-create-topics") {
		t.Errorf("missing topics: %v", err)
	}
}

// large makes an active transaction with that much application data.
func large(t *testing.T, d *disk, id int64, size int) *txn.Global {
	t.Helper()
	g := *d.begin(t, id, "")
	b := *g.Branches[0]
	raw := make([]byte, size*3/4) // such that compression does not help much
	_, _ = rand.Read(raw)
	b.Data = base64.StdEncoding.EncodeToString(raw)
	g.Branches = []*txn.Branch{&b}
	d.mu.Lock()
	d.globals[id] = &g
	d.mu.Unlock()
	return &g
}

func overTheLimit(t *testing.T, c cluster) {
	d := newDisk()
	prefix := newPrefix()
	o := c.options(t, prefix, nil)
	o.LanePacks = 1
	n := startNode(t, d, o)
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	var group sync.WaitGroup
	for id := int64(10); id < 110; id += 2 { // 50 of 40 KB: several times what a message may hold
		ch := decide(t, large(t, d, id, 40<<10), txn.Commit)
		group.Add(1)
		n.log.Record(ch, func(err error) {
			defer group.Done()
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	eventually(t, "all are delivered", func() bool { return s.count() == 50 })
	drained(t, d)
	audit(t, c, prefix, d)
	if n.log.learned.Load() == 0 {
		t.Error("no pack was too large; the test proves nothing")
	}
	if err := n.record(decide(t, large(t, d, 1000, 250<<10), txn.Commit)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is driven", func() bool { return s.has(1000) })
	eventually(t, "the log names the limit", func() bool {
		err := n.log.Health()
		return err != nil && strings.Contains(err.Error(), "maxMessageSize")
	})
	if err := n.record(decide(t, d.begin(t, 2000, ""), txn.Commit)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "others are published", func() bool { return d.unread() == 1 && s.has(2000) })
}

func TestPublishSendsOrdinaryMessages(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	prefix := newPrefix()
	n := startNode(t, newDisk(), c.options(t, prefix, nil))
	defer n.end()
	send := func(topic string) error {
		done := make(chan error, 1)
		n.log.Publish(topic, "a tag", "key", []byte("hello"), map[string]string{"DELAY": "3", "trace": "t"},
			func(err error) { done <- err })
		return <-done
	}
	topic := prefix + "-orders"
	if err := send(topic); err == nil {
		t.Error("a topic that does not exist took a message")
	}
	masters, err := n.log.names.masters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range masters {
		if err := n.log.wire.createTopic(t.Context(), addr, topic, 2, topicPerms); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the topic takes messages", func() bool { return send(topic) == nil })
	var got []Message
	if err := Read(t.Context(), ReadOptions{NameServers: []string{c.names()}, Topics: []string{topic}},
		func(m Message) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || string(got[0].Body) != "hello" || got[0].Tag != "a_tag" || got[0].Keys != "key" {
		t.Errorf("%+v", got)
	}
}

func TestDecisionsThatArriveTogetherTravelTogether(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	d := newDisk()
	prefix := newPrefix()
	o := c.options(t, prefix, nil)
	o.Epoch = func() int64 { return 42 }
	n := startNode(t, d, o)
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	const decisions = 2000
	var group sync.WaitGroup
	var mu sync.Mutex
	won := map[int64]int{}
	record := func(id int64, ch *orchestrator.Change) {
		group.Add(1)
		n.log.Record(ch, func(err error) {
			defer group.Done()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won[id]++
			case !errors.Is(err, orchestrator.ErrConflict):
				t.Errorf("%d: %v", id, err)
			}
		})
	}
	for i := range decisions {
		id := int64(10 + 2*i)
		g := d.begin(t, id, "group one")
		record(id, decide(t, g, txn.Commit))
		if i%100 == 0 { // and a rival, in the same pack or after it
			record(id, decide(t, g, txn.Commit))
		}
	}
	group.Wait()
	for id, times := range won {
		if times != 1 {
			t.Errorf("%d was decided %d times", id, times)
		}
	}
	if len(won) != decisions {
		t.Errorf("%d of %d were decided", len(won), decisions)
	}
	drained(t, d)
	eventually(t, "all are delivered", func() bool { return s.count() == decisions })
	audit(t, c, prefix, d)
	st := n.log.Stats()
	t.Logf("%d decisions in %d packs, %d aborted", st.Decisions, st.Packs, st.Aborted)
	if st.Packs > decisions/5 {
		t.Errorf("%d decisions went in %d packs", decisions, st.Packs)
	}
	if err := Read(t.Context(), ReadOptions{NameServers: []string{c.names()}, Prefix: prefix}, func(m Message) error {
		decided, err := Decode(m.Body)
		n := len(strings.Fields(m.Keys))
		if err != nil || n != len(decided) || n > 400 || m.Tag != "group_one" || m.Pack == "" {
			return fmt.Errorf("%d keys, %d decisions, tag %s, pack %s: %w", n, len(decided), m.Tag, m.Pack, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestTwoNodesShareTheQueues(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	d := newDisk()
	prefix := newPrefix()
	one := startNode(t, d, c.options(t, prefix, nil))
	defer one.end()
	two := startNode(t, d, c.options(t, prefix, nil))
	defer two.end()
	a, b := one.consume(nil), two.consume(nil)
	defer b.stop()
	own := func(n *node) int {
		n.log.table.mu.Lock()
		defer n.log.table.mu.Unlock()
		return len(n.log.table.own)
	}
	eventually(t, "each has half of the queues", func() bool { return own(one) == 4 && own(two) == 4 })
	work := newLoad()
	stop := work.start(one, 200)
	eventually(t, "the node that decides drives", func() bool { return a.count() > 200 })
	stop()
	if n := b.count(); n > 20 {
		t.Errorf("the other node was given %d decisions", n)
	}
	a.stop()
	eventually(t, "the other takes over", func() bool { return own(two) == 8 })
	stop = work.start(one, 200)
	eventually(t, "the other drives", func() bool { return b.count() > 200 })
	stop()
	drained(t, d)
	audit(t, c, prefix, d)
}

func TestUnreadEntriesOfADeadNodeArePublishedByAnother(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	d := newDisk()
	prefix := newPrefix()
	maker := &Log{opts: Options{Prefix: prefix, Epoch: func() int64 { return 0 }}, name: unique()}
	for id := int64(10); id < 1210; id += 2 { // stored, and the node died before it sent anything
		ch := decide(t, d.begin(t, id, ""), txn.Outcome(1+(id/2)%2))
		maker.describe(ch)
		if _, err := d.applyPack(maker.newPack(laneKey{}).id, []*orchestrator.Change{ch}); err != nil {
			t.Fatal(err)
		}
	}
	n := startNode(t, d, c.options(t, prefix, nil))
	defer n.end()
	s := n.consume(nil)
	defer s.stop()
	eventually(t, "all are delivered", func() bool { return s.count() == 600 })
	drained(t, d)
	audit(t, c, prefix, d)
}

func TestHealthAndStateWithoutTheStore(t *testing.T) {
	t.Parallel()
	c := theBroker(t)
	n := startNode(t, newDisk(), c.options(t, newPrefix(), nil))
	defer n.end()
	state, err := n.log.State(context.Background())
	if err != nil || !state.Publishing || state.Unread != 0 || state.OldestUnread != 0 || n.log.Health() != nil {
		t.Errorf("%s, %v", state, err)
	}
	if err := n.record(decide(t, n.store.disk.begin(t, 10, ""), txn.Commit)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "age of the entry that nobody reads", func() bool {
		state, err := n.log.State(context.Background())
		return err == nil && state.Unread == 1 && state.OldestUnread > 100*time.Millisecond
	})
}
