package relay

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestCommandReachesTheNodeWithTheSessionAndItsEndComesBack(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	want := commit(7, txn.TCC, "r")
	a.send(want)
	q := b.ask()
	if diff := cmp.Diff(want, q.cmd); diff != "" {
		t.Error(diff)
	}
	q.end(txn.ResultRefused, "dirty \xfe")
	r := a.want(txn.ResultRefused)
	if r.id != 7 || r.BranchID != 8 || r.Op != txn.Commit || r.Attempt != 3 || r.Text != "dirty \xfe" {
		t.Errorf("told %+v", r)
	}
	if len(a.told) > 0 || len(b.told) > 0 {
		t.Error("somebody was told twice")
	}
}

func TestOwnParticipantsAreAskedFirst(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.connect(orders("r"))
	a.send(commit(7, txn.TCC, "r"))
	if a.ask().report != nil {
		t.Error("the end would not go to the coordinator directly")
	}
	b.sees("r", 1)
	b.connect() // and the other way round
	b.send(commit(8, txn.AT, "r"))
	a.ask().end(txn.ResultDone, "")
	b.want(txn.ResultDone)
	if s := a.Stats(); s.HandedOver != 0 {
		t.Errorf("%d commands left the node that could do them", s.HandedOver)
	}
}

func TestOtherErrorsOfOwnParticipantsStayHere(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	owed := errors.New("they owe too many answers")
	a.rms.mu.Lock()
	a.rms.err = owed
	a.rms.mu.Unlock()
	if err := a.Send(commit(7, txn.TCC, "r")); !errors.Is(err, owed) {
		t.Errorf("got %v", err)
	}
	if len(b.rms.asked) > 0 {
		t.Error("another node was asked")
	}
}

func TestCommandThatNobodyHasWaitsForALookIntoTheDirectory(t *testing.T) {
	t.Parallel()
	d := newCluster()
	slow := func(o *Options) { o.Limits.RefreshEvery = time.Hour } // only misses have it looked at
	a, b := d.join(t, "a", slow), d.join(t, "b")
	eventually(t, "a knows b", func() bool { a.Rejoined(); return a.Stats().Nodes == 1 })
	a.send(commit(7, txn.TCC, "r"))
	a.want(txn.ResultUnreachable)
	b.connect(orders("r"))
	eventually(t, "b has published", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.sessions["b"]) == 1
	})
	a.send(commit(8, txn.TCC, "r"))
	b.ask().end(txn.ResultDone, "")
	a.want(txn.ResultDone)
}

func TestAloneThereIsNobodyToAsk(t *testing.T) {
	t.Parallel()
	a := newCluster().join(t, "a")
	eventually(t, "the directory was read", func() bool { return a.Stats().Lookups > 1 })
	if err := a.Send(commit(7, txn.TCC, "r")); !errors.Is(err, orchestrator.ErrNobody) {
		t.Errorf("got %v", err)
	}
}

func TestNodeThatIsGoneIsUnreachableAndOthersAreTaken(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a, b, c := d.join(t, "a", func(o *Options) { o.Limits.DownFor = time.Hour }), d.join(t, "b"), d.join(t, "c")
	b.connect(orders("r"))
	a.sees("r", 1)
	b.kill()
	a.send(commit(7, txn.TCC, "r"))
	if r := a.want(txn.ResultUnreachable); !strings.Contains(r.Text, "node b cannot be asked") {
		t.Errorf("text %q", r.Text)
	}
	if err := a.Send(commit(7, txn.TCC, "r")); !errors.Is(err, errDown) {
		t.Errorf("a node that is down was asked again: %v", err)
	}
	c.connect(orders("r"))
	a.sees("r", 2)
	for id := range int64(10) { // b is worth as much, but does not answer
		a.send(commit(id+1, txn.TCC, "r"))
		c.ask().end(txn.ResultDone, "")
		a.want(txn.ResultDone)
	}
	if s := a.Stats(); s.Down != 1 || s.Failed != 1 || a.log.count("another node does not answer") != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestNodeThatComesBackElsewhereIsFound(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	b.kill()
	a.send(commit(7, txn.TCC, "r"))
	a.want(txn.ResultUnreachable)
	b.listen() // on another port, with the next epoch
	eventually(t, "b answers again", func() bool {
		if a.Send(commit(8, txn.TCC, "r")) != nil {
			return false
		}
		select {
		case q := <-b.rms.asked:
			q.end(txn.ResultDone, "")
			return true
		case <-a.told:
			return false
		}
	})
	a.want(txn.ResultDone)
	b.kill()
}

func TestProcessThatReplacesAnotherOneIsTrusted(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a, old := d.join(t, "a"), d.join(t, "b")
	old.connect(orders("r"))
	a.sees("r", 1)
	a.send(commit(7, txn.TCC, "r"))
	lost := old.ask()
	old.stop()
	old.kill()
	again := d.join(t, "b")
	again.connect(orders("r"))
	eventually(t, "the new process is asked", func() bool {
		if err := a.Send(commit(8, txn.TCC, "r")); err != nil {
			return false
		}
		select {
		case q := <-again.rms.asked:
			q.end(txn.ResultDone, "")
			return true
		case <-a.told:
			return false
		}
	})
	a.want(txn.ResultDone)
	lost.end(txn.ResultDone, "") // the old process hears it after its relay has ended
	if r := old.want(txn.ResultDone); r.id != 7 {
		t.Errorf("the coordinator that is left was told %+v", r)
	}
}

func TestAttemptWithoutNewsHasNoAnswer(t *testing.T) {
	t.Parallel()
	a, b := pair(t, func(o *Options) {
		o.Limits.AnswerLimit, o.Limits.AnswerMargin = 50*time.Millisecond, 50*time.Millisecond
	})
	a.send(commit(7, txn.TCC, "r"))
	q := b.ask()
	a.want(txn.ResultNoAnswer)
	q.end(txn.ResultDone, "") // late, and still true
	if r := a.want(txn.ResultDone); r.id != 7 || a.Stats().Late != 1 {
		t.Errorf("told %+v", r)
	}
	a.send(commit(7, txn.TCC, "r"))
	q = b.ask()
	a.want(txn.ResultNoAnswer)
	q.end(txn.ResultFailed, "") // late, and of no use
	eventually(t, "the late failure came", func() bool { return a.Stats().Late == 2 })
	if len(a.told) > 0 {
		t.Error("a late failure was told")
	}
}

func TestCallWhoseAnswerIsLostMayHaveBeenHeard(t *testing.T) {
	t.Parallel()
	d, f := newCluster(), new(flaky)
	a, b := d.join(t, "a", through(f)), d.join(t, "b")
	b.connect(orders("r"))
	a.sees("r", 1)
	f.with(func() { f.after = func(*http.Request) error { return errLost } })
	a.send(commit(7, txn.TCC, "r"))
	q := b.ask()
	a.want(txn.ResultNoAnswer)
	f.with(func() { f.after, f.before = nil, func(*http.Request) error { return errLost } })
	q.end(txn.ResultDone, "")
	a.want(txn.ResultDone)
	eventually(t, "b is asked again", func() bool { return a.Send(commit(8, txn.TCC, "r")) == nil })
	a.want(txn.ResultUnreachable)
	if len(b.rms.asked) > 0 {
		t.Error("a call that was not made was heard")
	}
}

func TestNodeThatHangsCostsOneCall(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a := d.join(t, "a", func(o *Options) { o.Limits.CallLimit, o.Limits.DownFor = 50*time.Millisecond, time.Hour })
	release := make(chan struct{})
	hung := d.join(t, "b")
	hung.server.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	hung.connect(orders("r"))
	a.sees("r", 1)
	const n = 100
	for id := range int64(n) {
		a.send(commit(id+1, txn.TCC, "r"))
	}
	none := 0
	for range n {
		if r := a.reply(); r.Result == txn.ResultNoAnswer {
			none++
		} else if r.Result != txn.ResultUnreachable {
			t.Errorf("told %+v", r)
		}
	}
	if s := a.Stats(); none == 0 || s.Calls != 1 || s.Failed != n {
		t.Errorf("%d without answer, stats %+v", none, s)
	}
}

func TestEndOfADoubtfulCallIsToldOnceMoreAndHeardOnce(t *testing.T) {
	t.Parallel()
	d, f := newCluster(), new(flaky)
	a, b := d.join(t, "a"), d.join(t, "b", through(f))
	b.connect(orders("r"))
	a.sees("r", 1)
	var calls atomic.Int32
	f.with(func() {
		f.after = func(*http.Request) error {
			if calls.Add(1) == 1 {
				return errLost
			}
			return nil
		}
	})
	a.send(commit(7, txn.TCC, "r"))
	b.ask().end(txn.ResultFailed, "busy")
	a.want(txn.ResultFailed)
	eventually(t, "the end was told again", func() bool { return b.Stats().BroughtBack == 1 })
	if s := a.Stats(); len(a.told) > 0 || s.Late != 1 || s.Ended != 1 || b.Stats().Retried != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestConfirmationIsKeptIfItsOriginIsGone(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.send(commit(7, txn.TCC, "r"))
	a.send(commit(9, txn.TCC, "r"))
	first, second := b.ask(), b.ask()
	a.kill()
	first.end(txn.ResultDone, "")
	if r := b.want(txn.ResultDone); r.id != 7 || r.BranchID != 8 || r.Op != txn.Commit {
		t.Errorf("told %+v", r)
	}
	second.end(txn.ResultFailed, "busy")
	eventually(t, "the failure was dropped", func() bool { return b.Stats().Dropped == 1 })
	if s := b.Stats(); len(b.told) > 0 || s.Kept != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestEndForAnEarlierProcessIsTakenIfItIsAConfirmation(t *testing.T) {
	t.Parallel()
	d := newCluster()
	old, b := d.join(t, "a"), d.join(t, "b")
	b.connect(orders("r"))
	old.sees("r", 1)
	old.send(commit(7, txn.TCC, "r"))
	old.send(commit(9, txn.TCC, "r"))
	done, failed := b.ask(), b.ask()
	old.stop()
	old.kill()
	for range 2 {
		old.want(txn.ResultNoAnswer)
	}
	again := d.join(t, "a")
	again.sees("r", 1)
	again.send(commit(11, txn.TCC, "r")) // with the number that the old process used
	b.ask()
	eventually(t, "b knows where a is", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return b.view.Load().addresses["a"] == d.nodes["a"].Internal
	})
	done.end(txn.ResultDone, "")
	failed.end(txn.ResultFailed, "")
	if r := again.want(txn.ResultDone); r.id != 7 {
		t.Errorf("told %+v", r)
	}
	eventually(t, "both came", func() bool { return again.Stats().Late == 2 })
	if len(again.told) > 0 || again.Stats().Pending != 1 {
		t.Error("the end of an earlier process's attempt was taken for one of now")
	}
}

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
	for i, n := range nodes {
		n.connect(orders("r" + n.self))
		go answerAll(n, i)
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
func answerAll(n *node, _ int) {
	for q := range n.rms.asked {
		q.end(txn.ResultFailed, "") // a confirmation may be told twice
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := Options{
		Self: "a", Local: &participants{}, Directory: place{}, Secret: secret(), Reply: func(int64, txn.Reply) {},
		Sessions: func() []orchestrator.SessionEntry { return nil },
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Options){
		"self": func(o *Options) { o.Self = "" }, "local": func(o *Options) { o.Local = nil },
		"directory": func(o *Options) { o.Directory = nil }, "secret": func(o *Options) { o.Secret = nil },
		"short secret": func(o *Options) { o.Secret = []byte("short") }, "reply": func(o *Options) { o.Reply = nil },
		"sessions": func(o *Options) { o.Sessions = nil },
	} {
		o := good
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRelayThatNeverRanCanBeDropped(t *testing.T) {
	t.Parallel()
	r, err := New(Options{
		Self: "a", Local: &participants{}, Directory: place{newCluster(), "a"}, Secret: secret(),
		Reply: func(int64, txn.Reply) {}, Sessions: func() []orchestrator.SessionEntry { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Send(commit(7, txn.TCC, "r")); !errors.Is(err, orchestrator.ErrNobody) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Error(err)
	}
}
