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
		o.Limits.AnswerLimit, o.Limits.AnswerMargin = 200*time.Millisecond, 200*time.Millisecond
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
	a := d.join(t, "a", func(o *Options) {
		o.Limits.CallLimit, o.Limits.DownFor, o.Limits.BatchMax = time.Second, time.Hour, 1
	})
	release := make(chan struct{})
	hung := d.join(t, "b")
	hung.server.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	hung.connect(orders("r"))
	a.sees("r", 1)
	n := int64(100)
	for id := range n {
		if a.Send(commit(id+1, txn.TCC, "r")) != nil { // it is known to be down already
			n = id
			break
		}
	}
	none := 0
	for range n {
		if r := a.reply(); r.Result == txn.ResultNoAnswer {
			none++
		} else if r.Result != txn.ResultUnreachable {
			t.Errorf("told %+v", r)
		}
	}
	if s := a.Stats(); none != 1 || s.Calls != 1 || s.Failed != n {
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
