package tasks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestATaskIsDoneByTheWorkerThatPolls(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	id := c.start("charge", "shop")
	c.pass(3 * time.Second)
	got := c.one("other", "charge")
	if got.Command.Data != `{"n":1}` || got.ID.Global != id || got.Global.XID.ID != id ||
		got.LeaseUntil != c.Now().Add(time.Minute) {
		t.Errorf("%+v", got)
	}
	if b := c.poll(10, "charge"); len(b.Tasks) != 0 {
		t.Error("it was given twice")
	}
	c.pass(50 * time.Second)
	if b := c.poll(10, "charge"); len(b.Tasks) != 0 {
		t.Error("it was given to another while the lease lasted")
	}
	if err := c.end(got.ID, txn.ResultDone); err != nil || c.global(id).Status != txn.Committed {
		t.Error(err, c.global(id).Status)
	}
	if n := c.queue.Numbers(); n.Leased != 0 || n.Parked != 0 || n.ParkedBytes != 0 || n.Given != 1 || n.Ended != 1 {
		t.Errorf("%+v", n)
	}
}

func TestAWorkerThatWaitsIsGivenATaskAtOnce(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	got := make(chan *orchestrator.TaskBatch, 1)
	go func() {
		b, err := c.queue.Poll(context.Background(), pollOf("charge", 30*time.Second))
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	waits(t, c.queue, 1)
	id := c.start("charge", "shop")
	if b := <-got; len(b.Tasks) != 1 || b.Tasks[0].ID.Global != id {
		t.Errorf("%+v", b)
	}
	if n := c.queue.Numbers(); n.Waiting != 0 || n.Leased != 1 {
		t.Errorf("%+v", n)
	}
}

func pollOf(task string, wait time.Duration) orchestrator.TaskPoll {
	return orchestrator.TaskPoll{Tasks: []string{task}, Max: 5, Wait: wait}
}

// waits waits until so many polls wait.
func waits(t *testing.T, q *Queue, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); q.Numbers().Waiting != n; {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", q.Numbers())
		}
	}
}

func TestATaskOfADeadWorkerGoesToAnother(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	id := c.startFor("charge", "shop", "plain", 5*time.Second)
	dead := c.one("charge")
	c.pass(4900 * time.Millisecond)
	if b := c.poll(1, "charge"); len(b.Tasks) != 0 {
		t.Fatal("it was given to another before the lease was over")
	}
	c.pass(1200 * time.Millisecond) // the rest of the lease, and the first pause
	heir := c.one("charge")
	if heir.ID.Attempt != 2 || c.global(id).Branches[0].Failure != "its worker did not end it in time" {
		t.Fatalf("%+v %+v", heir.ID, c.global(id).Branches[0])
	}
	if err := c.end(dead.ID, txn.ResultFailed); code(err) != orchestrator.CodeLeaseLost {
		t.Error(err)
	}
	if err := c.end(heir.ID, txn.ResultDone); err != nil || c.global(id).Status != txn.Committed {
		t.Error(err)
	}
}

func code(err error) orchestrator.Code { return orchestrator.Describe(err).Code }

func TestALeaseIsExtendedAtAnyNode(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	id := c.start("charge", "shop")
	got := c.one("charge")
	other := New(Options{Clock: c}) // another node, which has never heard of it
	other.Bind(c)
	until, _, err := other.Extend(context.Background(), got.ID, 10*time.Minute)
	if err != nil || until != c.Now().Add(10*time.Minute) {
		t.Fatal(until, err)
	}
	c.pass(9 * time.Minute)
	if b := c.poll(1, "charge"); len(b.Tasks) != 0 {
		t.Fatal("it was given to another although the lease was extended")
	}
	if until, _, err = c.queue.Extend(context.Background(), got.ID, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	c.pass(until.Time().Sub(c.Now().Time()) - time.Second)
	if b := c.poll(1, "charge"); len(b.Tasks) != 0 {
		t.Fatal("the second extension was cut")
	}
	c.pass(10 * time.Second)
	if c.one("charge").ID.Attempt != 2 {
		t.Error("it goes on for ever")
	}
	if _, _, err = other.Extend(context.Background(), got.ID, time.Minute); code(err) != orchestrator.CodeLeaseLost {
		t.Error(err)
	}
	if _, err := other.End(context.Background(), got.ID, txn.Reply{Result: txn.ResultDone}); err != nil ||
		c.global(id).Status != txn.Committed {
		t.Error("what was done is not believed:", err)
	}
}

func TestAShortExtensionDoesNotCutTheLease(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	c.start("charge", "shop")
	got := c.one("charge")
	if _, _, err := c.queue.Extend(context.Background(), got.ID, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	c.pass(59 * time.Second)
	if b := c.poll(1, "charge"); len(b.Tasks) != 0 {
		t.Error("a lease of a minute was cut to twenty seconds")
	}
}

func TestNobodyWhoTakesATaskCostsNoneOfItsAttempts(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	id := c.start("charge", "shop") // it has three attempts
	c.pass(5 * time.Minute)
	b := c.global(id).Branches[0]
	if b.Step.GaveUp || b.Attempts < 4 || b.Attempts > 6 || b.Ongoing+1 < b.Attempts {
		t.Errorf("%+v", b)
	}
	if !strings.Contains(b.Failure, "no worker took task charge") {
		t.Error(b.Failure)
	}
	c.pass(2 * time.Second)
	if got := c.one("charge"); c.end(got.ID, txn.ResultDone) != nil || c.global(id).Status != txn.Committed {
		t.Errorf("%+v", c.global(id))
	}
}

func TestTasksAreGivenInOrderOverAllNames(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	names := []string{"a", "b", "c"}
	var want []int64
	for i := range 300 {
		want = append(want, c.start(names[i%3], "shop"))
	}
	var got []int64
	take := func(most int) *orchestrator.TaskBatch {
		b := c.poll(most, names...)
		for _, g := range b.Tasks {
			got = append(got, g.ID.Global)
		}
		return b
	}
	take(100).Settle(true)
	returned := take(50)
	returned.Settle(false)
	got = got[:100]
	for len(take(7).Tasks) > 0 {
		continue
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestAWorkerOfOneApplicationGetsNothingOfAnother(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	poll := pollOf("charge", 30*time.Second)
	poll.Applications = []string{"mine"}
	foreign := c.start("charge", "other")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan *orchestrator.TaskBatch)
	go func() {
		b, _ := c.queue.Poll(ctx, poll)
		done <- b
	}()
	waits(t, c.queue, 1)
	c.start("charge", "other")
	if c.queue.Numbers().Parked != 2 {
		t.Fatal("a task of another application was given away")
	}
	own := c.start("charge", "mine")
	if b := <-done; len(b.Tasks) != 1 || b.Tasks[0].ID.Global != own {
		t.Errorf("%+v", b)
	}
	cancel()
	if b := c.poll(1, "charge"); len(b.Tasks) != 1 || b.Tasks[0].ID.Global != foreign {
		t.Errorf("%+v", b)
	}
}

func TestAPollThatIsGivenUpLosesNothing(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		b, err := c.queue.Poll(ctx, pollOf("charge", 30*time.Second))
		if err == nil && len(b.Tasks) > 0 {
			b.Settle(false) // as whoever cannot write the answer does
		}
		ended <- err
	}()
	waits(t, c.queue, 1)
	cancel()
	c.start("charge", "shop")
	<-ended
	if c.queue.Numbers().Leased != 0 || len(c.poll(1, "charge").Tasks) != 1 {
		t.Errorf("%+v", c.queue.Numbers())
	}
}

func TestWhatIsNotWantedAnyMoreIsNotGiven(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	id := c.startFor("charge", "shop", "u", 0)
	if _, err := c.apply(id, txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested}); err != nil {
		t.Fatal(err)
	}
	if b := c.poll(5, "charge"); len(b.Tasks) != 0 {
		t.Fatal("a step was given out that is to be undone")
	}
	undo := c.one("undo")
	if undo.Command.Op != txn.Rollback {
		t.Errorf("%+v", undo)
	}
	if err := c.end(undo.ID, txn.ResultDone); err != nil || c.global(id).Status != txn.RolledBack {
		t.Error(err, c.global(id).Status)
	}
	c.start("charge", "shop")
	c.fault = errors.New("disk on fire")
	if _, err := c.queue.Poll(context.Background(), pollOf("charge", 0)); err == nil {
		t.Error("a task was given out although nobody knows whether it is wanted")
	}
	c.fault = nil
	c.one("charge")
}

func TestAStepThatNobodyHasBegunHoldsUpNoUndoing(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	id := c.startFor("charge", "shop", "u", 0)
	c.pass(30 * time.Second) // by now the core waits for a minute
	if c.queue.Withdraw(id, 1, txn.Rollback) {
		t.Error("what was not asked was taken back")
	}
	if _, err := c.apply(id, txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested}); err != nil {
		t.Fatal(err)
	}
	if got := c.one("undo", "charge"); got.Command.Op != txn.Rollback {
		t.Errorf("%+v", got)
	}
	id = c.startFor("charge", "shop", "u", 0)
	taken := c.one("charge")
	if _, err := c.apply(id, txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested}); err != nil {
		t.Fatal(err)
	}
	if b := c.poll(5, "undo"); len(b.Tasks) != 0 {
		t.Fatal("a step is undone while a worker is at it")
	}
	if err := c.end(taken.ID, txn.ResultDone); err != nil {
		t.Error(err)
	}
	c.one("undo")
}

func TestAnAttemptReplacesTheOneBeforeWhateverItsNumber(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	c.start("charge", "shop")
	c.one("charge")
	c.pass(63 * time.Second)
	old := c.one("charge") // attempt 2
	g := *c.global(1)      // as a retry by a person leaves it
	b := *g.Branches[0]
	b.Attempts, b.InFlightUntil, b.NextAt, g.DueAt, g.Branches = 0, 0, c.Now(), c.Now(), []*txn.Branch{&b}
	c.all[1] = &g
	if _, err := c.apply(1, txn.Wake{}); err != nil {
		t.Fatal(err)
	}
	if got := c.one("charge"); old.ID.Attempt != 2 || got.ID.Attempt != 1 {
		t.Errorf("%+v %+v", old.ID, got.ID)
	}
	if n := c.queue.Numbers(); n.Leased != 1 || n.Parked != 0 {
		t.Errorf("%+v", n)
	}
}

func TestWhatIsParkedComesBackAfterAStop(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(q *Queue){
		"killed": func(q *Queue) { q.Forget() },
		"stopped": func(q *Queue) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = q.Run(ctx)
		},
	} {
		c := newCore(t, Options{})
		c.start("charge", "shop")
		c.pass(40 * time.Second)
		stop(c.queue)
		if name == "stopped" {
			c.pass(2 * time.Second)
		} else {
			c.pass(22 * time.Second)
		}
		if b := c.poll(1, "charge"); len(b.Tasks) != 1 {
			t.Errorf("%s: nothing came back: %+v", name, c.global(1).Branches[0])
		}
	}
}

func TestAWorkerThatUndoesAndDiesIsReplaced(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{})
	id := c.startFor("charge", "shop", "u hold", 0)
	if err := c.end(c.one("charge").ID, txn.ResultDone); err != nil {
		t.Fatal(err)
	}
	if _, err := c.apply(id, txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested}); err != nil {
		t.Fatal(err)
	}
	first := c.one("undo")
	c.queue.Forget() // as when the server was killed
	c.pass(20 * time.Second)
	second := c.one("undo")
	if second.ID.Attempt <= first.ID.Attempt {
		t.Fatalf("%+v", second.ID)
	}
	if err := c.end(first.ID, txn.ResultDone); err != nil || c.global(id).Status != txn.RolledBack {
		t.Error(err, c.global(id).Status)
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	c := newCore(t, Options{Limits: Limits{Parked: 3, TaskParked: 2, Names: 2, Waiting: 1, Leased: 2}})
	for _, task := range []string{"a", "a", "a", "b", "b", "c"} {
		c.start(task, "shop")
	}
	if n := c.queue.Numbers(); n.Parked != 3 || n.Full != 3 {
		t.Errorf("%+v", n)
	}
	if got := c.poll(10, "a", "b"); len(got.Tasks) != 2 {
		t.Errorf("%d leases", len(got.Tasks))
	}
	if _, err := c.queue.Poll(context.Background(), pollOf("x", 0)); !errors.Is(err, orchestrator.ErrBusy) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		_, _ = c.queue.Poll(ctx, pollOf("b", time.Minute))
		close(ended)
	}()
	waits(t, c.queue, 1)
	if _, err := c.queue.Poll(ctx, pollOf("b", time.Minute)); !errors.Is(err, orchestrator.ErrBusy) {
		t.Error(err)
	}
	cancel()
	<-ended
	large := newCore(t, Options{Limits: Limits{ParkedBytes: 2000}})
	for range 5 {
		large.start("a", "shop")
	}
	if n := large.queue.Numbers(); n.Parked != 3 || n.ParkedBytes > 2000 {
		t.Errorf("%+v", n)
	}
}

func TestANodeWithoutItsLeaseGivesNothing(t *testing.T) {
	t.Parallel()
	valid := true
	c := newCore(t, Options{Valid: func() bool { return valid }})
	c.start("a", "shop")
	valid = false
	if _, err := c.queue.Poll(context.Background(), pollOf("a", 0)); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Error(err)
	}
	c.queue.Forget()
	if n := c.queue.Numbers(); n.Parked != 0 || n.ParkedBytes != 0 {
		t.Errorf("%+v", n)
	}
}

func TestTasksThatNobodyPollsAreForgotten(t *testing.T) {
	t.Parallel()
	changes := 0
	c := newCore(t, Options{Changed: func() { changes++ }})
	c.poll(1, "a")
	want := []orchestrator.SessionEntry{{Resource: "task:a", Clients: 1}}
	if got := c.queue.SessionEntries(); changes != 1 || !slices.Equal(got, want) {
		t.Fatal(changes, got)
	}
	c.pass(4 * time.Second)
	c.poll(1, "a")
	c.pass(4 * time.Second)
	if changes != 1 || len(c.queue.SessionEntries()) != 1 {
		t.Fatal("a pause of some seconds is a change", changes)
	}
	c.pass(6 * time.Second)
	if changes != 2 || len(c.queue.SessionEntries()) != 0 || c.queue.Numbers().Names != 0 {
		t.Error(changes, c.queue.SessionEntries(), c.queue.Numbers())
	}
}
