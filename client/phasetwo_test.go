package client

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// fakeResource does what the test says.
type fakeResource struct {
	id string
	do func(ctx context.Context, b Branch) (seata.BranchStatus, error)
}

func (r *fakeResource) ID() string             { return r.id }
func (r *fakeResource) Type() seata.BranchType { return seata.BranchTCC }

func (r *fakeResource) Commit(ctx context.Context, b Branch) (seata.BranchStatus, error) {
	return r.do(ctx, b)
}

func (r *fakeResource) Rollback(ctx context.Context, b Branch) (seata.BranchStatus, error) {
	return r.do(ctx, b)
}

// commitBranch asks for a second phase.
func (c *fakeConn) commitBranch(id int32) {
	c.send(seata.RequestSync, id, &seata.BranchCommitRequest{
		XID: "a:1:1", BranchID: int64(id), BranchType: seata.BranchTCC, ResourceID: "r", ApplicationData: "d",
	})
}

func (c *fakeConn) rollbackBranch(id int32) {
	c.send(seata.RequestSync, id, &seata.BranchRollbackRequest{
		XID: "a:1:1", BranchID: int64(id), BranchType: seata.BranchTCC, ResourceID: "r", ApplicationData: "d",
	})
}

// answers are the statuses of the second phases that were answered, by id, and the texts with them.
func (f *fakeTC) answers() map[int32]string {
	all := map[int32]string{}
	for _, frame := range f.seen() {
		switch m := frame.Message.(type) {
		case *seata.BranchCommitResponse:
			all[frame.Header.ID] = m.Status.String() + " " + m.Msg
		case *seata.BranchRollbackResponse:
			all[frame.Header.ID] = m.Status.String() + " " + m.Msg
		}
	}
	return all
}

func TestAnswersToSecondPhases(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(ctx context.Context, b Branch) (seata.BranchStatus, error)
		want string // without PhaseTwo_
	}{
		"done": {
			func(context.Context, Branch) (seata.BranchStatus, error) { return seata.BranchCommitted, nil }, "Committed ",
		},
		"error": {
			func(context.Context, Branch) (seata.BranchStatus, error) { return 0, errors.New("no disk") },
			"CommitFailed_Retryable no disk",
		},
		"nothing": {
			func(context.Context, Branch) (seata.BranchStatus, error) { return 0, nil },
			"CommitFailed_Retryable resource returned neither status nor error",
		},
		"refusal": {
			func(context.Context, Branch) (seata.BranchStatus, error) {
				return seata.BranchCommitFailedUnretryable, errors.New("never")
			}, "CommitFailed_Unretryable never",
		},
		"panic": {
			func(context.Context, Branch) (seata.BranchStatus, error) { panic("oh") }, "CommitFailed_Retryable panic: oh",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			c := open(t, Options{}, f)
			got := make(chan Branch, 1)
			err := c.Serve(t.Context(), &fakeResource{"r", func(ctx context.Context, b Branch) (seata.BranchStatus, error) {
				got <- b
				return tt.do(ctx, b)
			}})
			if err != nil {
				t.Fatal(err)
			}
			f.conn().commitBranch(7)
			f.wait("an answer", func(frames []seata.Frame) bool { return len(frames) > 0 })
			if answer := strings.TrimPrefix(f.answers()[7], "PhaseTwo_"); answer != tt.want {
				t.Errorf("answered %q, want %q", answer, tt.want)
			}
			want := Branch{XID: "a:1:1", ID: 7, Type: seata.BranchTCC, Resource: "r", Data: "d"}
			if b := <-got; b != want {
				t.Errorf("%+v, want %+v", b, want)
			}
		})
	}
}

func TestSecondPhasesOfWhatIsNotServedAreToBeRepeated(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{}, f)
	r := &fakeResource{"r", func(context.Context, Branch) (seata.BranchStatus, error) {
		return seata.BranchCommitted, nil
	}}
	if err := c.Serve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := c.Serve(t.Context(), &fakeResource{id: "r"}); err == nil {
		t.Error("a second resource with the same id was taken")
	}
	c.Withdraw(&fakeResource{id: "r"}) // is another one
	f.conn().commitBranch(1)
	f.wait("an answer", func(frames []seata.Frame) bool { return len(frames) == 1 })
	c.Withdraw(r)
	f.conn().commitBranch(2)
	f.conn().rollbackBranch(3)
	f.wait("all answers", func(frames []seata.Frame) bool { return len(frames) == 3 })
	want := map[int32]string{
		1: "PhaseTwo_Committed ", 2: "PhaseTwo_CommitFailed_Retryable " + errNotServed.Error(),
		3: "PhaseTwo_RollbackFailed_Retryable " + errNotServed.Error(),
	}
	for id, answer := range f.answers() {
		if answer != want[id] {
			t.Errorf("%d was answered %q, want %q", id, answer, want[id])
		}
	}
	if err := c.Serve(t.Context(), r); err != nil {
		t.Errorf("served again: %v", err)
	}
}

func TestSecondPhasesHaveABound(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{PhaseTwoConcurrency: 2, PhaseTwoQueueMax: 3}, f)
	var running, most atomic.Int32
	release := make(chan struct{})
	err := c.Serve(t.Context(), &fakeResource{"r", func(context.Context, Branch) (seata.BranchStatus, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		return seata.BranchCommitted, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for id := range int32(10) {
		f.conn().commitBranch(id + 1)
	}
	f.wait("refusals", func(frames []seata.Frame) bool { return len(frames) == 5 })
	close(release)
	f.wait("all answers", func(frames []seata.Frame) bool { return len(frames) == 10 })
	done, refused := 0, 0
	for _, answer := range f.answers() {
		switch answer {
		case "PhaseTwo_Committed ":
			done++
		case "PhaseTwo_CommitFailed_Retryable " + errBusy.Error():
			refused++
		}
	}
	if done != 5 || refused != 5 || most.Load() != 2 {
		t.Errorf("%d done, %d refused, %d at once", done, refused, most.Load())
	}
}

func TestASecondPhaseThatIsAskedForAgainIsDoneOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{}, f)
	var runs atomic.Int32
	release := make(chan struct{})
	err := c.Serve(t.Context(), &fakeResource{"r", func(context.Context, Branch) (seata.BranchStatus, error) {
		runs.Add(1)
		<-release
		return seata.BranchCommitted, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	const extra = 3
	for id := range int32(repeatsMax + extra) {
		f.conn().send(seata.RequestSync, id+1, &seata.BranchCommitRequest{
			XID: "a:1:1", BranchID: 7, BranchType: seata.BranchTCC, ResourceID: "r",
		})
	}
	f.wait("refusals", func(frames []seata.Frame) bool { return len(frames) == extra })
	close(release)
	f.wait("all answers", func(frames []seata.Frame) bool { return len(frames) == repeatsMax+extra })
	done := 0
	for _, answer := range f.answers() {
		if answer == "PhaseTwo_Committed " {
			done++
		}
	}
	if done != repeatsMax || runs.Load() != 1 {
		t.Errorf("%d answers of %d runs", done, runs.Load())
	}
	f.conn().commitBranch(1000) // when it has ended, it is done again
	f.wait("another answer", func(frames []seata.Frame) bool { return len(frames) == repeatsMax+extra+1 })
	if runs.Load() != 2 {
		t.Errorf("%d runs", runs.Load())
	}
}

func TestAnAnswerGoesBackOnTheNextConnection(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{}, f)
	release := make(chan struct{})
	err := c.Serve(t.Context(), &fakeResource{"r", func(context.Context, Branch) (seata.BranchStatus, error) {
		<-release
		return seata.BranchRollbacked, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	first := f.conn()
	first.rollbackBranch(9)
	eventually(t, "it has begun", func() bool {
		c.two.mu.Lock()
		defer c.two.mu.Unlock()
		return c.two.workers == 1
	})
	old := c.linkTo(f.listener.Addr().String())
	_ = first.Close()
	eventually(t, "it is connected again", func() bool {
		l := c.linkTo(f.listener.Addr().String())
		return l != nil && l != old
	})
	close(release)
	f.wait("an answer", func(frames []seata.Frame) bool { return len(frames) == 1 })
	if answer := f.answers()[9]; answer != "PhaseTwo_Rollbacked " {
		t.Errorf("%q", answer)
	}
}

func TestCloseWaitsForSecondPhasesButNotForEver(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"in time": time.Minute, "too late": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			c := open(t, Options{CloseWait: wait}, f)
			begun, release := make(chan struct{}), make(chan struct{})
			var interrupted atomic.Bool
			err := c.Serve(t.Context(), &fakeResource{"r", func(ctx context.Context, _ Branch) (seata.BranchStatus, error) {
				close(begun)
				select {
				case <-release:
					return seata.BranchCommitted, nil
				case <-ctx.Done():
					interrupted.Store(true)
					return 0, ctx.Err()
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			f.conn().commitBranch(1)
			<-begun
			if name == "in time" {
				go close(release)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if name == "in time" {
				f.wait("an answer", func(frames []seata.Frame) bool { return len(frames) == 1 })
				if answer := f.answers()[1]; answer != "PhaseTwo_Committed " {
					t.Errorf("%q", answer)
				}
			} else if !interrupted.Load() {
				t.Error("its context did not end")
			}
		})
	}
}

func TestCloseTellsOfSecondPhasesThatDoNotHeedTheirContext(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{CloseWait: 10 * time.Millisecond}, f)
	begun, release := make(chan struct{}), make(chan struct{})
	err := c.Serve(t.Context(), &fakeResource{"r", func(context.Context, Branch) (seata.BranchStatus, error) {
		close(begun)
		<-release
		return seata.BranchCommitted, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.conn().commitBranch(1)
	<-begun
	if err := c.Close(); err == nil {
		t.Error("no error")
	}
	close(release)
	if left := c.two.wait(); left != 0 {
		t.Errorf("%d are left", left)
	}
}

// cleaner is a resource with undo logs.
type cleaner struct {
	fakeResource
	asked chan time.Duration
}

func (c *cleaner) Type() seata.BranchType { return seata.BranchAT }

func (c *cleaner) DeleteUndoLog(_ context.Context, olderThan time.Duration) error {
	c.asked <- olderThan
	panic("logged, not fatal")
}

func TestUndoLogsAreDeletedOnRequest(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, Options{}, f)
	r := &cleaner{fakeResource{id: "db"}, make(chan time.Duration)}
	if err := c.Serve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"other", "db", "db"} {
		f.conn().send(seata.RequestOneway, 1, &seata.UndoLogDeleteRequest{
			BranchType: seata.BranchAT, ResourceID: id, SaveDays: 7,
		})
	}
	for range 2 {
		if d := <-r.asked; d != 7*24*time.Hour {
			t.Errorf("older than %s", d)
		}
	}
}

func TestResourcesOfManyAreRegisteredTogether(t *testing.T) {
	t.Parallel()
	var ids sync.Map
	f := newFake(t, nil)
	c := open(t, Options{}, f)
	var all sync.WaitGroup
	for _, id := range []string{"a", "b", "c"} {
		all.Go(func() {
			if err := c.Serve(t.Context(), &fakeResource{id: id}); err != nil {
				t.Error(err)
			}
			ids.Store(id, true)
		})
	}
	all.Wait()
	for _, id := range []string{"", "a,b", strings.Repeat("x", 5000)} {
		if err := c.Serve(t.Context(), &fakeResource{id: id}); err == nil {
			t.Errorf("%.10q was taken", id)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := strings.Join(c.resourceIDs(), ","); got != "a,b,c" {
		t.Errorf("served: %s", got)
	}
}
