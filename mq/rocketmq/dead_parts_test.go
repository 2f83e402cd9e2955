//go:build parts

package rocketmq

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	library "github.com/apache/rocketmq-client-go/v2"
	reading "github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// failing is a consumer of the library's that fails until it is mended.
type failing struct {
	mu     sync.Mutex
	mended bool
	got    []*primitive.MessageExt
}

func (f *failing) consume(_ context.Context, all ...*primitive.MessageExt) (reading.ConsumeResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.mended {
		return reading.ConsumeRetryLater, nil
	}
	f.got = append(f.got, all...)
	return reading.ConsumeSuccess, nil
}

func (f *failing) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.got)
}

// reads starts a consumer group that gives up at the first failure.
func (p *published) reads(group string) *failing {
	p.t.Helper()
	masters, err := p.node.log.names.masters(p.t.Context())
	for _, addr := range masters { // the library finds a topic that is made later only half a minute after it
		err = errors.Join(err, p.node.log.wire.createTopic(p.t.Context(), addr, retryPrefix+group, 1, topicPerms))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	f := &failing{}
	c, err := library.NewPushConsumer(
		reading.WithNsResolver(primitive.NewPassthroughResolver([]string{p.cluster.names()})),
		reading.WithGroupName(group), reading.WithInstance(group), reading.WithMaxReconsumeTimes(0),
		reading.WithConsumeFromWhere(reading.ConsumeFromFirstOffset),
	)
	if err == nil {
		err = c.Subscribe(CommitTopic(p.prefix), reading.MessageSelector{}, f.consume)
	}
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Shutdown() })
	return f
}

func TestDeadLettersAreReplayedAndDiscarded(t *testing.T) {
	t.Parallel()
	p := publish(t)
	ids := p.decide(5, txn.Commit)
	group, other := p.prefix+"-mail", p.prefix+"-other"
	f := p.reads(group)
	docs := &someDocuments{}
	d := NewDeadLetters(p.options(), docs)
	list := func(from *Place, limit int) ([]Letter, *Place) {
		t.Helper()
		all, next, err := d.List(t.Context(), group, from, limit)
		if err != nil && !errors.Is(err, orchestrator.ErrNoGroup) {
			t.Fatal(err)
		}
		return all, next
	}
	count := func() (n int) {
		all, _ := list(nil, 100)
		for _, l := range all {
			n += len(idsIn(t, l.Message))
		}
		return n
	}
	eventually(t, "all are given up", func() bool { return count() == len(ids) })
	letters, _ := list(nil, 100)
	for _, l := range letters {
		if l.Topic != CommitTopic(p.prefix) || l.Attempts < 1 || l.Pack == "" || !l.OriginKnown ||
			l.Properties[PropertyPack] != l.Pack || l.FailedAt.Before(l.BornAt) || len(l.OriginID) != 32 {
			t.Errorf("%+v", l)
		}
		o := p.options()
		o.Topics = []string{l.Topic}
		_, err := ReadSome(t.Context(), o, &Place{l.Topic, l.Broker, l.Queue, l.Offset}, func(m Message) bool {
			if string(m.Body) != string(l.Body) {
				t.Errorf("the original of %v is not at its place", l.Place)
			}
			return false
		})
		if err != nil {
			t.Error(err)
		}
	}
	groups, err := d.Groups(t.Context())
	if at := slices.Index(groups, LetterGroup{group, int64(len(letters))}); at < 0 || err != nil {
		t.Errorf("%+v %v", groups, err)
	}
	var paged []string
	for at := (*Place)(nil); ; {
		page, next := list(at, 2)
		for _, l := range page {
			paged = append(paged, l.Place.String())
		}
		if at = next; next == nil {
			break
		}
	}
	if len(paged) != len(letters) || len(slices.Compact(slices.Clone(paged))) != len(paged) {
		t.Errorf("pages have %v", paged)
	}

	f.mu.Lock()
	f.mended = true
	f.mu.Unlock()
	first, second := letters[0], letters[1]
	if err := d.Discard(t.Context(), group, first.Place); err != nil {
		t.Fatal(err)
	}
	if err := d.Replay(t.Context(), group, second.Place); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group gets it again", func() bool { return f.count() == 1 })
	f.mu.Lock()
	m := f.got[0]
	f.mu.Unlock()
	if string(m.Body) != string(second.Body) || m.GetKeys() != second.Keys || m.ReconsumeTimes != 0 ||
		m.GetProperty(primitive.PropertyRetryTopic) != CommitTopic(p.prefix) || m.GetProperty(PropertyPack) != second.Pack ||
		m.GetProperty(primitive.PropertyTransactionPrepared) != "" {
		t.Errorf("the copy has %+v", m)
	}
	again := NewDeadLetters(p.options(), docs) // on another node
	all, _, err := again.List(t.Context(), group, nil, 100)
	if err != nil || len(all) != len(letters)-2 || all[0].Place != letters[2].Place {
		t.Errorf("%d left of %d: %v", len(all), len(letters), err)
	}
	for name, err := range map[string]error{
		"discarded": again.Replay(t.Context(), group, first.Place), "replayed": d.Discard(t.Context(), group, second.Place),
		"elsewhere": d.Replay(t.Context(), group, Place{Broker: "nowhere", Offset: first.Place.Offset}),
		"later":     d.Replay(t.Context(), group, Place{Broker: first.Place.Broker, Offset: 1 << 30}),
		"no group":  d.Discard(t.Context(), other, first.Place),
	} {
		if !errors.Is(err, orchestrator.ErrNoLetter) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := d.List(t.Context(), other, nil, 10); !errors.Is(err, orchestrator.ErrNoGroup) {
		t.Errorf("%v", err)
	}
	if read := p.read.count(); read != len(ids) || f.count() != 1 {
		t.Errorf("others have read %d, the group %d", read, f.count())
	}
}

// TestDeadLettersOfOthersAreNotShown: people of ours see no messages of other topics, and can do nothing to them.
func TestDeadLettersOfOthersAreNotShown(t *testing.T) {
	t.Parallel()
	p := publish(t)
	group := p.prefix + "-foreign"
	w := p.node.log.wire
	masters, err := p.node.log.names.masters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	q := queue{deadPrefix + group, "broker-a", 0}
	addr := masters[q.broker]
	if err := w.createTopic(t.Context(), addr, q.topic, 1, topicPerms); err != nil {
		t.Fatal(err)
	}
	send := func(topic, body string) {
		t.Helper()
		properties := map[string]string{primitive.PropertyRetryTopic: topic}
		if err := w.send(t.Context(), addr, "test", q, []byte(body), properties); err != nil {
			t.Fatal(err)
		}
	}
	send("payroll", `{"salary":1}`)
	send("payroll", `[{"source":"/concord","type":"io.concord.branch.commit","data":{}}]`)
	send(p.prefix+"-heuristic", `[{"source":"/concord","type":"io.concord.heuristic"}]`)
	d := NewDeadLetters(p.options(), &someDocuments{})
	all := await(t, "the letters are listed", func() ([]Letter, bool) {
		all, _, err := d.List(t.Context(), group, nil, 10)
		return all, err == nil && len(all) == 2
	})
	if all[0].Place.Offset != 1 || all[1].Place.Offset != 2 {
		t.Errorf("%+v", all)
	}
	hidden := Place{Broker: q.broker, Offset: 0}
	for name, err := range map[string]error{
		"replay": d.Replay(t.Context(), group, hidden), "discard": d.Discard(t.Context(), group, hidden),
	} {
		if !errors.Is(err, orchestrator.ErrNoLetter) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nobody has ever read as this group, so that its topic of retries has to be made.
	if err := d.Replay(t.Context(), group, all[1].Place); err != nil {
		t.Fatal(err)
	}
	o := p.options()
	o.Topics = []string{retryPrefix + group}
	got := await(t, "the copy is there", func() (string, bool) {
		var bodies []string
		err := Read(t.Context(), o, func(m Message) error { bodies = append(bodies, string(m.Body)); return nil })
		return strings.Join(bodies, "\n"), err == nil && len(bodies) > 0
	})
	if got != string(all[1].Body) {
		t.Errorf("the copies are %s", got)
	}
}
