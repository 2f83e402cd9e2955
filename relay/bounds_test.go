package relay

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestQueuesAreBounded(t *testing.T) {
	t.Parallel()
	d, f := newCluster(), new(flaky)
	a := d.join(t, "a", through(f), func(o *Options) { o.Limits.CommandsMax, o.Limits.PendingMax = 3, 6 })
	b := d.join(t, "b", func(o *Options) { o.Limits.EndingsMax = 2 })
	b.connect(orders("r"))
	a.sees("r", 1)
	release, held := make(chan struct{}), make(chan struct{}, 1)
	f.with(func() {
		f.before = func(*http.Request) error {
			held <- struct{}{}
			<-release
			return nil
		}
	})
	a.send(commit(1, txn.TCC, "r"))
	<-held // 1 is under way
	for id := range int64(3) {
		a.send(commit(id+2, txn.TCC, "r"))
	}
	if err := a.Send(commit(5, txn.TCC, "r")); err == nil || err.Error() != queueText {
		t.Errorf("got %v", err)
	}
	if s := a.Stats(); s.Queued != 3 || s.Pending != 4 || s.Overflows != 1 {
		t.Errorf("stats %+v", s)
	}
	f.with(func() { f.before = nil })
	close(release)
	for range 4 {
		b.ask()
	}
	for id := range int64(2) {
		a.send(commit(id+6, txn.TCC, "r"))
		b.ask()
	}
	if err := a.Send(commit(9, txn.TCC, "r")); !errors.Is(err, orchestrator.ErrBusy) {
		t.Errorf("more are pending than allowed: %v", err)
	}
}

func TestBytesOfAQueueAreBounded(t *testing.T) {
	t.Parallel()
	var l lane[handover]
	big := handover{cmd: txn.Command{Data: strings.Repeat("x", 1000)}}
	for i, want := range []bool{true, true, false} {
		if _, ok := l.add(big, 10, 2500); ok != want {
			t.Errorf("command %d: %t", i, ok)
		}
	}
	if batch := l.take(10, 500); len(batch) != 1 {
		t.Errorf("a large command goes alone, not %d", len(batch))
	}
	if _, ok := l.add(big, 10, 2500); !ok {
		t.Error("the bytes of what was taken still count")
	}
	if batch := l.take(10, 5000); len(batch) != 2 || l.take(10, 5000) != nil || !l.idle() {
		t.Errorf("%d commands, idle %t", len(batch), l.idle())
	}
	if _, ok := l.add(handover{cmd: txn.Command{Data: strings.Repeat("x", 9000)}}, 10, 2500); !ok {
		t.Error("a single command that is larger than the bound is refused")
	}
	if rest := l.close(); len(rest) != 1 {
		t.Errorf("%d were left", len(rest))
	}
	if _, ok := l.add(big, 10, 2500); ok {
		t.Error("something was added after the end")
	}
}

func TestNothingLeavesWithoutALease(t *testing.T) {
	t.Parallel()
	d, f := newCluster(), new(flaky)
	var lost [2]atomic.Bool
	gate := func(i int) func(*Options) {
		return func(o *Options) { o.Valid = func() bool { return !lost[i].Load() } }
	}
	a, b := d.join(t, "a", gate(0), through(f)), d.join(t, "b", gate(1))
	b.connect(orders("r"))
	a.connect(orders("q"))
	a.sees("r", 1)
	release, held := make(chan struct{}), make(chan struct{}, 10)
	f.with(func() {
		f.before = func(*http.Request) error {
			held <- struct{}{}
			<-release
			return nil
		}
	})
	a.send(commit(1, txn.TCC, "r")) // under way
	<-held
	a.send(commit(2, txn.TCC, "r")) // queued
	lost[0].Store(true)
	a.send(commit(3, txn.TCC, "r"))
	a.send(commit(4, txn.TCC, "q")) // could be done here
	for _, id := range []int64{3, 4} {
		if r := a.want(txn.ResultNoAnswer); r.id != id {
			t.Errorf("told %+v, want %d", r, id)
		}
	}
	close(release)
	if r := a.want(txn.ResultNoAnswer); r.id != 2 {
		t.Errorf("told %+v", r)
	}
	b.ask().end(txn.ResultDone, "")
	if r := a.want(txn.ResultDone); r.id != 1 || len(a.rms.asked) > 0 || len(b.rms.asked) > 0 || a.Stats().Withheld != 3 {
		t.Errorf("told %+v, stats %+v", r, a.Stats())
	}
	lost[0].Store(false)
	lost[1].Store(true)
	a.send(commit(5, txn.TCC, "r"))
	if r := a.want(txn.ResultUnreachable); !strings.Contains(r.Text, leaseText) || len(b.rms.asked) > 0 {
		t.Errorf("a node without a lease asked for another one: %+v", r)
	}
}

func TestParticipantThatLeftIsUnreachable(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a, b := d.join(t, "a"), d.join(t, "b", func(o *Options) { o.Limits.PublishDelay = time.Hour })
	b.connect(orders("r"))
	b.Rejoined()
	a.sees("r", 1)
	b.connect() // not published
	a.send(commit(7, txn.TCC, "r"))
	if r := a.want(txn.ResultUnreachable); r.Text != "node b: "+orchestrator.ErrNobody.Error() {
		t.Errorf("told %+v", r)
	}
	if s := a.Stats(); s.Refused != 1 || s.Down != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestStoppingRelaySaysWhatIsQueuedAndEndsEveryAttempt(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.send(commit(7, txn.TCC, "r"))
	q := b.ask()
	q.end(txn.ResultDone, "")
	b.stop()
	a.want(txn.ResultDone)
	a.send(commit(8, txn.TCC, "r"))
	if r := a.want(txn.ResultUnreachable); !strings.Contains(r.Text, "shuttingDown") {
		t.Errorf("told %+v", r)
	}
	if err := b.Send(commit(9, txn.TCC, "q")); !errors.Is(err, orchestrator.ErrNobody) {
		t.Errorf("a stopped relay took a command: %v", err)
	}
	q.end(txn.ResultDone, "")
	if r := b.want(txn.ResultDone); r.id != 7 {
		t.Errorf("told %+v", r)
	}
}

func TestAttemptsEndWithTheRelay(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	for id := range int64(100) {
		a.send(commit(id+1, txn.TCC, "r"))
	}
	b.ask()
	a.stop()
	for range 100 {
		if r := a.reply(); r.Result == txn.ResultDone {
			t.Errorf("told %+v", r)
		}
	}
	if s := a.Stats(); s.Pending != 0 || len(a.told) > 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestStorm has three nodes hand over ten thousand commands each while one of them is killed and comes back.
func TestStorm(t *testing.T) {
	t.Parallel()
	d := newCluster()
	nodes := []*node{d.join(t, "a"), d.join(t, "b"), d.join(t, "c")}
	for _, n := range nodes {
		n.connect(orders("r" + n.self))
		go answerAll(n)
	}
	for _, n := range nodes {
		for _, other := range nodes {
			if n != other {
				n.sees("r"+other.self, 1)
			}
		}
	}
	const each = 10_000
	ends := make(chan map[int64]int, len(nodes))
	for i, n := range nodes {
		go func() {
			count := map[int64]int{}
			for k := range int64(each) {
				cmd := commit(k+1, txn.TCC, "r"+nodes[(i+1+int(k%2))%3].self)
				if n.Send(cmd) != nil {
					count[k+1]++ // told at once
				}
				if k == each/2 && i == 0 {
					n.kill()
					n.listen()
				}
			}
			deadline := time.After(patience)
			for len(count) < each {
				select {
				case r := <-n.told:
					count[r.id]++
				case <-deadline:
					t.Errorf("%s: %d of %d commands have an end", n.self, len(count), each)
					ends <- nil
					return
				}
			}
			ends <- count
		}()
	}
	for range nodes {
		for id, n := range <-ends {
			if n != 1 {
				t.Errorf("command %d has %d ends", id, n)
			}
		}
	}
	for _, n := range nodes {
		s := n.Stats()
		t.Logf("%s: %d handed over, %d failed, %d refused, %d late, %d calls", n.self, s.HandedOver, s.Failed, s.Refused,
			s.Late, s.Calls)
		if s.Forged+s.Panics > 0 || s.Pending != 0 {
			t.Errorf("stats %+v", s)
		}
		close(n.rms.asked)
	}
	nodes[0].kill()
}

// answerAll has the participants of a node answer at once, until the channel is closed.
func answerAll(n *node) {
	for q := range n.rms.asked {
		q.end(txn.ResultFailed, "") // a confirmation may be told twice
	}
}

func TestEndMustBeOneOfTheAttempt(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.send(commit(7, txn.TCC, "r"))
	b.ask()
	right := ending{instance: a.instance, seq: 1, id: 7, reply: txn.Reply{
		BranchID: 8, Op: txn.Commit, Attempt: 3, Result: txn.ResultFailed,
	}}
	for name, spoil := range map[string]func(*ending){
		"another process":     func(e *ending) { e.instance++ },
		"another number":      func(e *ending) { e.seq++ },
		"another transaction": func(e *ending) { e.id++ },
		"another branch":      func(e *ending) { e.reply.BranchID++ },
		"another decision":    func(e *ending) { e.reply.Op = txn.Rollback },
	} {
		wrong := right
		spoil(&wrong)
		a.broughtHome(&wrong)
		if len(a.told) > 0 {
			t.Fatalf("%s: told %+v", name, a.reply())
		}
	}
	a.broughtHome(&right)
	a.want(txn.ResultFailed)
}

func TestCommandThatWaitedTooLongIsNotSent(t *testing.T) {
	t.Parallel()
	d, f := newCluster(), new(flaky)
	a := d.join(t, "a", through(f), func(o *Options) {
		o.Limits.AnswerLimit, o.Limits.AnswerMargin = time.Second, time.Millisecond
	})
	b := d.join(t, "b")
	b.connect(orders("r"))
	a.sees("r", 1)
	release, held := make(chan struct{}), make(chan struct{}, 10)
	f.with(func() {
		f.before = func(*http.Request) error {
			held <- struct{}{}
			<-release
			return nil
		}
	})
	a.send(commit(1, txn.TCC, "r"))
	<-held
	a.send(commit(2, txn.TCC, "r"))
	for range 2 {
		a.want(txn.ResultNoAnswer)
	}
	close(release)
	if q := b.ask(); q.cmd.XID.ID != 1 {
		t.Errorf("asked for %d", q.cmd.XID.ID)
	}
	eventually(t, "nothing is under way", a.quiet)
	if s := a.Stats(); s.Calls != 1 || len(b.rms.asked) > 0 {
		t.Errorf("an attempt that was over was sent, stats %+v", s)
	}
}

func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.send(commit(7, txn.TCC, "r"))
	b.ask().end(txn.ResultFailed, strings.Repeat("x", 2*textBytesMax))
	if r := a.want(txn.ResultFailed); len(r.Text) != textBytesMax {
		t.Errorf("%d bytes", len(r.Text))
	}
}

func TestConfirmationThatIsQueuedAtTheEndIsKept(t *testing.T) {
	t.Parallel()
	for range 20 {
		told := make(chan int64, 1)
		r, err := New(Options{
			Self: "a", Local: &participants{}, Directory: place{newCluster(), "a"}, Secret: secret(),
			Reply: func(id int64, _ txn.Reply) { told <- id }, Limits: Limits{DrainLimit: 1},
			Sessions: func() []orchestrator.SessionEntry { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		r.bringBack(origin{"b", 1}, 1, 7, txn.Reply{BranchID: 8, Op: txn.Commit, Result: txn.ResultDone})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(told) != 1 || <-told != 7 {
			t.Fatal("a confirmation was lost")
		}
		if _, ok := r.pending.add(&txn.Command{}, 0, 10); ok {
			t.Fatal("an attempt began that nobody would end")
		}
	}
}
