//go:build parts

package rocketmq

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// published is a prefix with decisions on its topics.
type published struct {
	t       testing.TB
	cluster cluster
	prefix  string
	disk    *disk
	node    *node
	read    *seen
	next    int64
}

func publish(t testing.TB) *published {
	t.Helper()
	return publishOn(t, theBroker(t))
}

func publishOn(t testing.TB, c cluster) *published {
	t.Helper()
	p := &published{t: t, cluster: c, prefix: newPrefix(), disk: newDisk(), next: 10}
	p.node = startNode(t, p.disk, c.options(t, p.prefix, nil))
	p.read = p.node.consume(nil)
	t.Cleanup(func() { p.read.stop(); p.node.end() })
	return p
}

// decide publishes n decisions, one after the other, and returns their numbers.
func (p *published) decide(n int, o txn.Outcome) (ids []int64) {
	p.t.Helper()
	for range n {
		p.next += 10
		if err := p.node.record(decide(p.t, p.disk.begin(p.t, p.next, ""), o)); err != nil {
			p.t.Fatal(err)
		}
		ids = append(ids, p.next)
	}
	eventually(p.t, "decisions are published", func() bool { return p.read.has(ids...) })
	return ids
}

func (p *published) options() ReadOptions {
	return ReadOptions{
		NameServers: []string{p.cluster.names()}, Prefix: p.prefix,
		Topics: []string{CommitTopic(p.prefix), RollbackTopic(p.prefix)},
	}
}

// idsIn are the transactions of a message.
func idsIn(t testing.TB, m Message) (ids []int64) {
	t.Helper()
	decided, err := Decode(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range decided {
		ids = append(ids, d.XID.ID)
	}
	return ids
}

func TestDecisionsAreFoundByTime(t *testing.T) {
	t.Parallel()
	p := publish(t)
	early := p.decide(20, txn.Commit)
	// Times of messages are the broker's, which is this machine. More than the slack lies between early and late.
	tick := time.NewTimer(3 * time.Second)
	defer tick.Stop()
	<-tick.C
	border := time.Now()
	late := p.decide(20, txn.Commit)
	within := func(from, until time.Time) (ids []int64, read int) {
		t.Helper()
		o := p.options()
		o.From, o.Until = from, until
		next, err := ReadSome(t.Context(), o, nil, func(m Message) bool {
			read++
			ids = append(ids, idsIn(t, m)...)
			return true
		})
		if next != nil || err != nil {
			t.Fatalf("%v %v", next, err)
		}
		slices.Sort(ids)
		return ids, read
	}
	for name, tt := range map[string]struct {
		from, until time.Time
		want        []int64
	}{
		"all":          {time.Time{}, time.Time{}, append(slices.Clone(early), late...)},
		"late":         {border, time.Time{}, late},
		"early":        {time.Time{}, border.Add(-timeSlack), early},
		"between":      {border.Add(-timeSlack), border.Add(-timeSlack), nil},
		"all by time":  {border.Add(-time.Hour), border.Add(time.Hour), append(slices.Clone(early), late...)},
		"in future":    {border.Add(time.Hour), time.Time{}, nil},
		"before there": {time.Time{}, border.Add(-time.Hour), nil},
	} {
		if got, _ := within(tt.from, tt.until); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestReadingPausesAndGoesOn(t *testing.T) {
	t.Parallel()
	p := publish(t)
	ids := append(p.decide(12, txn.Commit), p.decide(6, txn.Rollback)...)
	o := p.options()
	o.Within = time.Nanosecond // each page is one look
	var got []int64
	pages := 0
	for at := (*Place)(nil); ; pages++ {
		next, err := ReadSome(t.Context(), o, at, func(m Message) bool { got = append(got, idsIn(t, m)...); return true })
		if err != nil {
			t.Fatal(err)
		}
		if next == nil {
			break
		}
		if at != nil && *next == *at {
			o.Within *= 2 // the machine is slow
		}
		at = next
		if pages > 1000 {
			t.Fatal("it never ends")
		}
	}
	slices.Sort(got)
	slices.Sort(ids)
	if !slices.Equal(got, ids) || pages < 2 {
		t.Errorf("%d pages with %v, want %v", pages, got, ids)
	}
}

func TestDecisionsAreFoundByKey(t *testing.T) {
	t.Parallel()
	p := publish(t)
	commits, rollbacks := p.decide(10, txn.Commit), p.decide(3, txn.Rollback)
	find := func(id int64, o ReadOptions) (found []Message) {
		t.Helper()
		key := txn.XID{Prefix: "10.0.0.1:8091", ID: id}.String()
		if err := Find(t.Context(), o, key, func(m Message) { found = append(found, m) }); err != nil {
			t.Fatal(err)
		}
		return found
	}
	for topic, ids := range map[string][]int64{CommitTopic(p.prefix): commits, RollbackTopic(p.prefix): rollbacks} {
		for _, id := range ids {
			found := find(id, p.options())
			if len(found) == 0 || found[0].Topic != topic || !slices.Contains(idsIn(t, found[0]), id) {
				t.Errorf("%d: %+v", id, found)
				continue
			}
			// The place is that of the message: reading there gives the same one.
			m := found[0]
			o := p.options()
			o.Topics = []string{topic}
			_, err := ReadSome(t.Context(), o, &Place{topic, m.Broker, m.Queue, m.Offset}, func(x Message) bool {
				if x.Pack != m.Pack || x.Keys != m.Keys || string(x.Body) != string(m.Body) {
					t.Errorf("%+v is not %+v", x, m)
				}
				return false
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	if found := find(5, p.options()); len(found) != 0 {
		t.Errorf("what was never decided: %+v", found)
	}
	past := p.options()
	past.Until = time.Now().Add(-time.Hour)
	if found := find(commits[0], past); len(found) != 0 {
		t.Errorf("an hour ago: %+v", found)
	}
}

// follow collects what Follow gives until stop.
type follow struct {
	mu    sync.Mutex
	ids   []int64
	gaps  []Gap
	place string
	round atomic.Int64
	stop  func() error
}

func (p *published) follow(from *Places) *follow {
	f := &follow{}
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error, 1)
	o := p.options()
	go func() {
		ended <- Follow(ctx, o, from, func(s Step) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			switch {
			case s.Message != nil:
				f.ids = append(f.ids, idsIn(p.t, *s.Message)...)
			case s.Gap != nil:
				f.gaps = append(f.gaps, *s.Gap)
			default:
				f.round.Add(1)
			}
			f.place = s.Places.Text(o.Topics)
			return nil
		})
	}()
	f.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	p.t.Cleanup(func() { _ = f.stop() })
	return f
}

func (f *follow) has(ids ...int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if !slices.Contains(f.ids, id) {
			return false
		}
	}
	return true
}

func TestDecisionsAreFollowedFromAPlaceInAllQueues(t *testing.T) {
	t.Parallel()
	p := publish(t)
	early := append(p.decide(8, txn.Commit), p.decide(8, txn.Rollback)...)
	all, next := p.follow(OldestPlaces()), p.follow(nil)
	eventually(t, "both read", func() bool { return next.round.Load() > 0 && all.round.Load() > 0 })
	mid := p.decide(9, txn.Commit)
	eventually(t, "all that was there is read", func() bool { return all.has(early...) && all.has(mid...) })
	eventually(t, "what came is read", func() bool { return next.has(mid...) })
	if err := next.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	for _, id := range early {
		if next.has(id) {
			t.Errorf("%d was there before", id)
		}
	}
	if len(next.ids) != len(mid) {
		t.Errorf("%d of %d", len(next.ids), len(mid))
	}
	late := append(p.decide(7, txn.Rollback), p.decide(2, txn.Commit)...)
	place, ok := ParsePlaces(next.place, p.options().Topics)
	if !ok {
		t.Fatalf("%q is not read", next.place)
	}
	resumed := p.follow(place)
	eventually(t, "what came meanwhile is read", func() bool { return resumed.has(late...) })
	_ = resumed.stop()
	if len(resumed.ids) != len(late) || len(resumed.gaps)+len(all.gaps)+len(next.gaps) != 0 {
		t.Errorf("%v of %v, gaps %v", resumed.ids, late, resumed.gaps)
	}
	beyond := OldestPlaces() // of queues that were made anew since
	for id := range 4 {
		beyond.next[queue{CommitTopic(p.prefix), "broker-a", id}] = 1 << 30
	}
	again := p.follow(beyond)
	eventually(t, "all is read again", func() bool { return again.has(early...) && again.has(late...) })
	_ = again.stop()
	if len(again.gaps) == 0 || again.gaps[0].First != 0 {
		t.Errorf("gaps %+v", again.gaps)
	}
}

// TestLookingAtAStoppedBrokerEnds: pages fail within seconds, and a stream goes on when the broker does.
func TestLookingAtAStoppedBrokerEnds(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "single")
	p := publishOn(t, c)
	first := p.decide(1, txn.Commit)
	f := p.follow(OldestPlaces())
	eventually(t, "the stream reads", func() bool { return f.has(first...) })
	c.signal("broker-a", syscall.SIGSTOP)
	began := time.Now()
	find := Find(t.Context(), p.options(), "x", func(Message) {})
	_, read := ReadSome(t.Context(), p.options(), nil, func(Message) bool { return true })
	_, _, list := NewDeadLetters(p.options(), &someDocuments{}).List(t.Context(), "mail", nil, 1)
	took := time.Since(began)
	c.signal("broker-a", syscall.SIGCONT)
	if find == nil || read == nil || !errors.Is(list, orchestrator.ErrUnavailable) {
		t.Errorf("%v, %v, %v", find, read, list)
	}
	if took > 4*offsetWithin {
		t.Errorf("it took %v", took)
	}
	eventually(t, "the log has recovered", func() bool { return p.node.log.Health() == nil })
	second := p.decide(1, txn.Rollback)
	eventually(t, "the stream goes on", func() bool { return f.has(second...) })
}
