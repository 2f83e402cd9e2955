package rocketmq

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
)

// askAbout has a pack checked whose half is on no broker that is known.
func askAbout(l *Log, id orchestrator.PackID, born time.Time) verdict {
	v, _ := l.check(half{pack: id, born: born})
	return v
}

// fenceStore answers each check-back after a time, as a database does, and any number at the same time; none while it
// is held.
type fenceStore struct {
	orchestrator.PackStore
	takes       time.Duration
	held        chan struct{} // until it is closed, if there is one
	asked       atomic.Int64
	busy, worst atomic.Int64
}

func (s *fenceStore) FencePack(ctx context.Context, id orchestrator.PackID) (bool, error) {
	s.asked.Add(1)
	n := s.busy.Add(1)
	defer s.busy.Add(-1)
	for old := s.worst.Load(); n > old && !s.worst.CompareAndSwap(old, n); old = s.worst.Load() {
	}
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if s.held != nil {
		<-s.held
	}
	return strings.HasPrefix(string(id), "stored"), nil
}

// halfBroker is a broker with half messages, which takes their ends.
type halfBroker struct {
	addr  string
	mu    sync.Mutex
	packs []string       // by offset
	ends  map[string]int // what was said of each, added up
}

// offsetOf tells the offset of a half in the log from that in its queue.
func offsetOf(i int) int64 { return int64(1000 * i) }

func newHalfBroker(t *testing.T, packs ...string) *halfBroker {
	t.Helper()
	b := &halfBroker{packs: packs, ends: map[string]int{}}
	b.addr = fakeServer(t, func(req *command) *command {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch req.Code {
		case codeViewMessage:
			at, _ := strconv.ParseInt(req.Ext["offset"], 10, 64)
			i := int(at / 1000)
			return &command{body: stored(b.packs[i], int64(i), at)}
		case codeEndTransaction:
			i, _ := strconv.Atoi(req.Ext["tranStateTableOffset"])
			what, _ := strconv.Atoi(req.Ext["commitOrRollback"])
			if req.Ext["commitLogOffset"] != strconv.FormatInt(offsetOf(i), 10) || req.Ext["producerGroup"] == "" {
				return &command{Code: 1, Remark: "no such half"}
			}
			b.ends[b.packs[i]] += what
			return &command{}
		}
		return &command{Code: 1}
	})
	return b
}

// said is what the broker was told of a pack.
func (b *halfBroker) said(pack string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ends[pack]
}

// question is the check-back of a half.
func (b *halfBroker) question(i int) *primitive.MessageExt {
	all := primitive.DecodeMessage(stored(b.packs[i], int64(i), offsetOf(i)))
	m := all[0]
	m.Topic, m.StoreHost, m.BornTimestamp = "t", b.addr, time.Now().UnixMilli()
	return m
}

// stored encodes a half as brokers keep it. Source: common/message/MessageDecoder.java.
func stored(pack string, index, offset int64) []byte {
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.BigEndian, v) // a buffer takes everything
		}
	}
	host := net.IPv4(127, 0, 0, 1).To4()
	properties := PropertyPack + "\x01" + pack + "\x02" + "UNIQ_KEY\x01u" + pack + "\x02"
	topic := "RMQ_SYS_TRANS_HALF_TOPIC"
	put(int32(0), int32(0), int32(0), int32(0), int32(0), index, offset, int32(0))
	put(int64(0), host, int32(1), int64(0), host, int32(2), int32(0), int64(0))
	put(int32(2), []byte("[]"), int8(len(topic)), []byte(topic), int16(len(properties)), []byte(properties))
	binary.BigEndian.PutUint32(b.Bytes(), uint32(b.Len()))
	return b.Bytes()
}

// checkLog is a log that knows a broker at an address as the master of topic "t".
func checkLog(t *testing.T, s orchestrator.PackStore, addr string) *Log {
	t.Helper()
	l := &Log{opts: Options{Store: s}, packs: map[orchestrator.PackID]*pack{}, table: newTable()}
	if err := l.opts.complete(); err != nil {
		t.Fatal(err)
	}
	l.table.set("t", topicRoute{masters: map[string]string{"b": addr}})
	l.wire = newWire("", "", nil)
	t.Cleanup(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		l.work.Wait()
		l.wire.close()
	})
	return l
}

// allSettled waits until nothing is asked any more.
func allSettled(t *testing.T, l *Log) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		l.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("not within a minute")
	}
	l.fences.mu.Lock()
	defer l.fences.mu.Unlock()
	if len(l.fences.asking) > 0 || len(l.fences.queue) > 0 || l.fences.workers > 0 {
		t.Errorf("%d are asked about for ever, %d wait, %d workers", len(l.fences.asking), len(l.fences.queue),
			l.fences.workers)
	}
}

// TestAStormOfCheckBacksPassesInOneRound: the library hands over one after the other. Answered one by one, these would
// take a minute, and a second round would come only when the broker asks again.
func TestAStormOfCheckBacksPassesInOneRound(t *testing.T) {
	t.Parallel()
	const storm = 3000
	var packs []string
	for i := range storm {
		packs = append(packs, []string{"stored", "never"}[i%2]+strconv.Itoa(i))
	}
	b := newHalfBroker(t, packs...)
	s := &fenceStore{takes: 20 * time.Millisecond}
	l := checkLog(t, s, b.addr)
	began := time.Now()
	answered := map[string]bool{}
	for i := range packs {
		switch (listener{l}).CheckLocalTransaction(b.question(i)) {
		case primitive.UnknowState:
		case primitive.CommitMessageState:
			answered[packs[i]] = i%2 == 0
		default:
			answered[packs[i]] = i%2 == 1
		}
	}
	allSettled(t, l)
	for i, pack := range packs {
		want := []int{primitive.TransactionCommitType, primitive.TransactionRollbackType}[i%2]
		right, bySomeone := answered[pack]
		if got := b.said(pack); bySomeone && (got != 0 || !right) || !bySomeone && got != want {
			t.Fatalf("%s: by the library %t, by us %d; want once %d", pack, bySomeone, got, want)
		}
	}
	if n := s.asked.Load(); n != storm {
		t.Errorf("the store was asked %d times", n)
	}
	if n := s.worst.Load(); n > fenceWorkers || n < 2 {
		t.Errorf("the store was asked %d at the same time", n)
	}
	st := l.Stats()
	if st.ChecksCommit != storm/2 || st.ChecksRollback != storm/2 || st.ChecksUnknown != 0 || st.Panics != 0 {
		t.Errorf("%+v", st)
	}
	t.Logf("%d in %s, %d of them answered by the library", storm, time.Since(began), len(answered))
}

func TestACheckBackThatIsAloneIsAnsweredByTheLibrary(t *testing.T) {
	t.Parallel()
	b := newHalfBroker(t, "stored", "never")
	synctest.Test(t, func(t *testing.T) {
		l := checkLog(t, &fenceStore{takes: time.Millisecond}, b.addr)
		for i, want := range []primitive.LocalTransactionState{primitive.CommitMessageState, primitive.RollbackMessageState} {
			if got := (listener{l}).CheckLocalTransaction(b.question(i)); got != want {
				t.Errorf("%s: %d", b.packs[i], got)
			}
		}
		allSettled(t, l)
	})
	if n := b.said("stored") + b.said("never"); n != 0 {
		t.Errorf("ended twice: %d", n)
	}
}

// TestOnlyTheHalfThatWasAskedAboutIsEnded: addresses pass from one broker to another, and offsets can be the same.
func TestOnlyTheHalfThatWasAskedAboutIsEnded(t *testing.T) {
	t.Parallel()
	b := newHalfBroker(t, "stored-a", "stored-b", "stored-c")
	elsewhere := newHalfBroker(t, "stored-a", "stored-b", "stored-c")
	s := &fenceStore{held: make(chan struct{})}
	l := checkLog(t, s, b.addr)
	l.allowance.at, l.allowance.spent = time.Now(), time.Hour // nothing is waited for
	moved := b.question(0)
	moved.StoreHost = elsewhere.addr // not in the route
	other := b.question(1)
	other.CommitLogOffset = offsetOf(2)
	older := b.question(2)
	older.QueueOffset = 7
	for _, m := range []*primitive.MessageExt{moved, other, older} {
		if got := (listener{l}).CheckLocalTransaction(m); got != primitive.UnknowState {
			t.Errorf("nothing may be waited for, and it is answered with %d", got)
		}
	}
	close(s.held)
	allSettled(t, l)
	for _, pack := range b.packs {
		if b.said(pack) != 0 || elsewhere.said(pack) != 0 {
			t.Errorf("%s was ended by somebody who could not know whether it is that half", pack)
		}
	}
	for i := range b.packs { // but the answer is known when the broker asks again
		if got := (listener{l}).CheckLocalTransaction(b.question(i)); got != primitive.CommitMessageState {
			t.Errorf("%s: %d", b.packs[i], got)
		}
	}
	if st := l.Stats(); st.ChecksUnknown != 3 || st.ChecksCommit != 3 {
		t.Errorf("%+v", st)
	}
}

func TestTheStoreIsAskedOnceAboutAPackThatIsAskedForAgain(t *testing.T) {
	t.Parallel()
	b := newHalfBroker(t, "slow", "never")
	s := &fenceStore{held: make(chan struct{})}
	l := checkLog(t, s, b.addr)
	l.allowance.at, l.allowance.spent = time.Now(), time.Hour
	first := b.question(0)
	again := b.question(1) // the broker has written it anew
	again.WithProperty(PropertyPack, "slow")
	b.packs[1] = "slow"
	for _, m := range []*primitive.MessageExt{first, again} {
		if got := (listener{l}).CheckLocalTransaction(m); got != primitive.UnknowState {
			t.Errorf("answered with %d", got)
		}
	}
	close(s.held)
	allSettled(t, l)
	if n := s.asked.Load(); n != 1 || b.said("slow") != primitive.TransactionRollbackType {
		t.Errorf("asked %d times, said %d", n, b.said("slow"))
	}
	for range 100 {
		(listener{l}).CheckLocalTransaction(first)
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("an answer that never changes was asked for %d times", n)
	}
}

func TestAStoreThatHangsHoldsUpNoCheckBacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fenceStore{takes: time.Hour}
		l := checkLog(t, s, "127.0.0.1:1")
		began := time.Now()
		const checks = fencesMax + 1000
		for i := range checks {
			if v := askAbout(l, orchestrator.PackID(fmt.Sprint("p", i)), began); v != unknown {
				t.Fatalf("answered with %d", v)
			}
		}
		if d := time.Since(began); d > 20*time.Second { // with a wait for each it would be half an hour
			t.Errorf("%d took %s", checks, d)
		}
		l.fences.mu.Lock()
		asking, workers := len(l.fences.asking), l.fences.workers
		l.fences.mu.Unlock()
		if asking > fencesMax || workers > fenceWorkers {
			t.Errorf("%d wait, %d ask", asking, workers)
		}
		allSettled(t, l) // what waits is given up with what was asked
		if n := s.asked.Load(); n > 10*fenceWorkers {
			t.Errorf("asked %d times", n)
		}
	})
}

// wrongStore is a program error.
type wrongStore struct{ orchestrator.PackStore }

func (wrongStore) FencePack(context.Context, orchestrator.PackID) (bool, error) { panic("wrong") }

func TestAPanicOfTheStoreIsNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := checkLog(t, wrongStore{}, "127.0.0.1:1")
		for range 2 {
			if v := askAbout(l, "p", time.Now()); v != unknown {
				t.Errorf("answered with %d", v)
			}
		}
		allSettled(t, l)
		if st := l.Stats(); st.Panics != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestABrokerThatDoesNotTakeEndsIsLeftAlone(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	addr := fakeServer(t, func(*command) *command { // accepts, and says nothing
		calls.Add(1)
		return nil
	})
	l := checkLog(t, &fenceStore{}, addr)
	l.allowance.at, l.allowance.spent = time.Now(), time.Hour
	answered := uint64(0) // the store is fast: one may be answered while it is left
	for i := range 2000 {
		h := half{pack: orchestrator.PackID(fmt.Sprint("p", i)), born: time.Now(), topic: "t", host: addr}
		if v, _ := l.check(h); v != unknown {
			answered++
		}
	}
	allSettled(t, l)
	if n := calls.Load(); n > 10*fenceWorkers {
		t.Errorf("asked %d times", n)
	}
	if st := l.Stats(); st.ChecksUnknown+answered != 2000 {
		t.Errorf("%d answered, %+v", answered, st)
	}
}
