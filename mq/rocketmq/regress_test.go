package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// absent is a store that is away for check-backs.
type absent struct {
	*memStore
	asked int
}

var errAway = errors.New("store is away")

func (s *absent) FencePack(context.Context, orchestrator.PackID) (bool, error) {
	s.asked++
	return false, errAway
}

// givenUpHalf is a half with one decision as a broker gives it up.
func givenUpHalf(t *testing.T, s *memStore, topic string) *primitive.MessageExt {
	t.Helper()
	ch := decideOne(t, s)
	m := &primitive.MessageExt{}
	m.Body = mq.AppendBatch(nil, mq.AppendDecision(nil, ch.Global))
	m.WithProperties(map[string]string{PropertyPack: "p", primitive.PropertyRealTopic: topic})
	return m
}

func TestAHalfThatWasGivenUpIsNotPublishedWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{})
	s := l.opts.Store.(*memStore)
	m := givenUpHalf(t, s, CommitTopic("concord"))
	l.opts.Store = &absent{memStore: s}
	if l.givenUp(t.Context(), m) {
		t.Error("nobody knows whether it is stored, and it is not looked at again")
	}
	if n := l.outbox.len(); n != 0 {
		t.Errorf("%d decisions would be published that were perhaps never made", n)
	}
	l.opts.Store = s
	if !l.givenUp(t.Context(), m) || l.outbox.len() != 0 || l.stats.givenUp.Load() != 1 {
		t.Errorf("a pack that is not stored: %d to publish, %+v", l.outbox.len(), l.Stats())
	}
	s.disk.mu.Lock()
	s.disk.packs["p"] = true
	s.disk.mu.Unlock()
	if !l.givenUp(t.Context(), m) || l.outbox.len() != 1 {
		t.Errorf("a pack that is stored: %d to publish", l.outbox.len())
	}
	if m.WithProperty(primitive.PropertyRealTopic, "elsewhere"); !l.givenUp(t.Context(), m) || l.outbox.len() != 1 {
		t.Error("a half of another topic is published")
	}
}

func TestATimerThatFiresDuringCloseSendsNothing(t *testing.T) {
	t.Parallel()
	o := optionsFor(t, "127.0.0.1:1")
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, 8)
	d := decision{change: decideOne(t, o.Store.(*memStore)), done: func(err error) { answers <- err }}
	ln := &lane{key: laneKey{CommitTopic("concord"), "default"}, waiting: []decision{d}}
	ln.timer, ln.pacer = time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	l.mu.Lock()
	l.lanes[ln.key], l.waiting = ln, 1
	l.mu.Unlock()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if ln.timer.Stop() || ln.pacer.Stop() {
		t.Error("a timer is left behind")
	}
	l.flush(ln) // it was waiting for the mutex while Close had it
	if err := <-answers; !errors.Is(err, orchestrator.ErrStopped) {
		t.Errorf("the decision was answered with %v", err)
	}
	if st := l.Stats(); st.Packs != 0 || st.Waiting != 0 {
		t.Errorf("it was answered with %v, and is stored all the same: %+v", orchestrator.ErrStopped, st)
	}
	ended := make(chan error, 1)
	l.Publish("t", "", "", nil, nil, func(err error) { ended <- err })
	if err := <-ended; !errors.Is(err, orchestrator.ErrStopped) {
		t.Errorf("publish after Close: %v", err)
	}
}

func TestALaneWithoutAPackInFlightIsServedWhenOneEnds(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{Mode: Refuse, InFlightMax: 2})
	l.SetMode(Refuse)
	busy, other, third := laneKey{"t", "busy"}, laneKey{"t", "other"}, laneKey{"t", "third"}
	first := l.enqueue(busy, decisions(1)...)
	second := l.enqueue(busy, decisions(2)...)
	l.enqueue(busy, decisions(3)...)
	if l.enqueue(other, decisions(4)...) != nil || l.enqueue(third, decisions(5)...) != nil {
		t.Fatal("the bound of halves in flight is passed")
	}
	for _, tt := range []struct {
		ends *pack
		next laneKey
	}{{first[0], other}, {second[0], third}} {
		got := l.ended(tt.ends)
		if len(got) != 1 || got[0].key != tt.next || got[0].mute {
			t.Fatalf("%v, want one pack of %v: nothing else would send it", sizes(got), tt.next)
		}
	}
	if l.halves != 2 || l.lanes[busy].halves != 0 || len(l.lanes[busy].waiting) != 1 {
		t.Errorf("%d in flight", l.halves)
	}
	if got := l.ended(l.newPack(other)); len(got) != 1 || got[0].key != other && got[0].key != busy {
		t.Errorf("%v", sizes(got))
	}
}

func TestMessagesOnQueuesOfOtherNodesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	tb := tableOf(2, "a")
	kept, given := queue{"t", "a", 0}, queue{"t", "a", 1}
	tb.readMine(map[queue]bool{kept: true, given: true})
	g := lag{max: time.Second}
	g.sent("kept", kept, tb)
	g.sent("given", given, tb)
	g.since["given"] = committed{given, time.Now().Add(-10 * time.Second)}
	g.order = []orchestrator.PackID{"given", "kept"}
	if !g.late() {
		t.Fatal("a message is not seen for 10 s, and nothing is late")
	}
	own := map[queue]bool{kept: true}
	tb.readMine(own)
	g.keep(own) // another node has joined
	if g.late() || len(g.since) != 1 {
		t.Errorf("late by %s because of a queue that another node reads", g.oldest())
	}
}

func TestAStoreThatIsAwayIsNotAskedAboutEachPack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := formLog(t, Options{})
		s := &absent{memStore: l.opts.Store.(*memStore)}
		l.opts.Store = s
		for i := range 1000 {
			if v := askAbout(l, orchestrator.PackID("p"+txn.XID{ID: int64(i)}.String()), time.Now()); v != unknown {
				t.Fatalf("answered with %d", v)
			}
		}
		if s.asked > doubtAfter+2 {
			t.Errorf("asked %d times; each may wait %s, and brokers ask again", s.asked, answerWithin)
		}
		p := l.newPack(laneKey{"t", "g"})
		l.packs[p.id] = p
		began := time.Now()
		if v := askAbout(l, p.id, began); v != unknown || time.Since(began) > answerWithin/2 {
			t.Errorf("pack that is being stored: %d after %s", v, time.Since(began))
		}
		p.verdict = durable
		close(p.stored)
		if v := askAbout(l, p.id, began); v != durable {
			t.Errorf("what is known is answered with %d", v)
		}
		l.opts.Store = s.memStore
		s.disk.packs["stored"] = true
		if pause := time.Until(l.doubt.until); pause <= 0 || pause > doubtFor {
			t.Errorf("the store is left alone for %s", pause)
		}
		l.doubt.until = time.Now() // the pause is over
		if v := askAbout(l, "stored", time.Now()); v != durable {
			t.Errorf("a store that is back is not asked: %d", v)
		}
		if v := askAbout(l, "never", time.Now()); v != refused {
			t.Errorf("answered with %d", v)
		}
	})
}

func TestEntriesWhoseMessagesWaitTheirTurnAreNotPublishedAgain(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{})
	l.table.topics[CommitTopic("concord")] = l.table.topics["t"]
	s := l.opts.Store.(*memStore)
	ch := decideOne(t, s)
	l.describe(ch)
	if _, err := s.disk.applyPack("p", []*orchestrator.Change{ch}); err != nil {
		t.Fatal(err)
	}
	l.backlog.Store(backlogMax + 1)
	l.fromStore(t.Context(), -time.Minute)
	if n := l.stats.republished.Load(); n != 0 {
		t.Errorf("%d entries were published again although the queues are long", n)
	}
	l.backlog.Store(backlogMax)
	l.fromStore(t.Context(), -time.Minute)
	if n := l.stats.republished.Load(); n != 1 {
		t.Errorf("%d entries were published again, want 1", n)
	}
}

func TestPullersCountWhatWaits(t *testing.T) {
	t.Parallel()
	pulls := make(chan int, 8)
	n := 0
	addr := fakeServer(t, func(req *command) *command {
		switch req.Code {
		case codeQueryOffset:
			return &command{Ext: map[string]string{"offset": "5"}}
		case codePull:
			n++
			pulls <- n
			if n == 1 {
				return &command{Code: answerNotFound, Ext: map[string]string{"nextBeginOffset": "5", "maxOffset": "3000"}}
			}
			return nil
		}
		return &command{}
	})
	l := formLog(t, Options{})
	l.wire = newWire("", "", nil)
	defer l.wire.close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := &puller{c: &consumer{log: l}, queue: queue{"t", "a", 0}, addr: addr}
	ended := make(chan struct{})
	go func() { p.run(ctx); close(ended) }()
	<-pulls
	<-pulls // the answer to the first one was looked at
	if got := l.backlog.Load(); got != 2995 {
		t.Errorf("%d messages wait, want 2995", got)
	}
	cancel()
	<-ended
	if got := l.backlog.Load(); got != 0 {
		t.Errorf("%d messages of a queue that is not read any more", got)
	}
}

func TestAClientThatIsOutOfDateStaysSoUntilItIsReplaced(t *testing.T) {
	t.Parallel()
	l := formLog(t, Options{})
	l.wire = newWire("", "", nil)
	defer l.wire.close()
	l.table.topics[CommitTopic("concord")] = topicRoute{masters: map[string]string{"a": "127.0.0.1:1"}}
	l.stale.Store(true)
	if err := l.rebuild(t.Context()); err == nil || !l.stale.Load() {
		t.Errorf("nobody answers: %v, stale %t", err, l.stale.Load())
	}
	if err := l.rebuild(t.Context()); err != nil || !l.stale.Load() { // the pace does not allow it
		t.Errorf("too soon: %v, stale %t", err, l.stale.Load())
	}
}

// TestAClientIsReplacedWhenQueuesCanBeWrittenAgain: the library reads a route every 30 s. If it has read that a topic
// cannot be written, it refuses to send there for as long, whatever the topic is by then.
func TestAClientIsReplacedWhenQueuesCanBeWrittenAgain(t *testing.T) {
	t.Parallel()
	var perm, queues atomic.Int64
	addr := fakeServer(t, func(*command) *command {
		return &command{body: fmt.Appendf(nil, `{"brokerDatas":[{"brokerName":"a","brokerAddrs":{0:"127.0.0.1:1"}}],`+
			`"queueDatas":[{"brokerName":"a","perm":%d,"readQueueNums":2,"writeQueueNums":%d}]}`, perm.Load(), queues.Load())}
	})
	l := formLog(t, Options{})
	l.wire = newWire("", "", nil)
	defer l.wire.close()
	l.names = &nameServers{wire: l.wire, all: []string{addr}}
	for i, tt := range []struct {
		perm, queues int64
		stale        bool
	}{
		{topicPerms, 2, true}, // the first
		{topicPerms, 2, false},
		{permRead, 2, false}, // nothing is sent there, no matter what the client knows
		{topicPerms, 2, true},
		{topicPerms, 4, true},
		{topicPerms, 3, false},
	} {
		perm.Store(tt.perm)
		queues.Store(tt.queues)
		l.stale.Store(false)
		if l.refresh(t.Context()); l.stale.Load() != tt.stale {
			t.Errorf("%d: perm %d, %d queues: stale %t", i, tt.perm, tt.queues, l.stale.Load())
		}
	}
}
