package tm_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/tc/seata"
)

func TestMain(m *testing.M) {
	// getty and gost keep a timer wheel for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// fault is what goes wrong with one call to the fake coordinator.
type fault uint8

const (
	fine        fault = iota
	unsent            // nothing was sent
	lost              // the request is lost on its way
	late              // the same for who waits, but it arrives later
	lostReply         // it is done, and the answer is lost
	hangs             // not done, and no answer until the caller gives up
	hangsDone         // done, and no answer until the caller gives up
	refused           // a coordinator answers that it does not do it
	trouble           // a coordinator answers that its store failed; it is not done
	troubleDone       // the same, but it is
	unclear           // not done, and answered with a status that says nothing
	shut              // the client was closed
	faults
)

func (f fault) String() string {
	return [...]string{
		"fine", "unsent", "lost", "late", "lostReply", "hangs", "hangsDone", "refused", "trouble", "troubleDone", "unclear",
		"shut",
	}[f]
}

// record is what the fake knows of one transaction.
type record struct {
	outcome  tm.Outcome // 0: not decided
	timedOut bool
	kept     bool // a person committed it: coordinators keep such a record for longer than a transaction may take
	gone     bool // removed: asked for, it is Finished
}

// fake is a coordinator in memory with faults. The n-th call has the n-th fault; those beyond are fine.
type fake struct {
	mu       sync.Mutex
	faults   []fault
	before   func(n int, op string) // called without the mutex before the n-th call is done, n from 0
	calls    []string
	records  map[string]*record
	begun    []string
	later    []func()
	progress tm.Progress // of phase two when it is asked for
	removes  bool        // as Seata's server, which forgets what is done
	late6    bool        // as Seata's server, which answers every commit after the timeout with TimeoutRollbacking
}

func newFake(faults ...fault) *fake {
	return &fake{faults: faults, records: map[string]*record{}, progress: tm.Done}
}

// do carries one call through its fault.
func (f *fake) do(ctx context.Context, op string, done func() (seata.GlobalStatus, error)) (seata.GlobalStatus, error) {
	f.mu.Lock()
	n, before := len(f.calls), f.before
	f.calls = append(f.calls, op)
	what := fine
	if n < len(f.faults) {
		what = f.faults[n]
	}
	f.mu.Unlock()
	if before != nil {
		before(n, op)
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%s: %w: %w", op, client.ErrNoCoordinator, ctx.Err())
	}
	locked := func() (seata.GlobalStatus, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return done()
	}
	switch what {
	case unsent:
		return 0, fmt.Errorf("%s: %w", op, client.ErrNoCoordinator)
	case lost:
		return 0, fmt.Errorf("%s: %w", op, client.ErrUnknown)
	case late:
		f.mu.Lock()
		f.later = append(f.later, func() { _, _ = locked() })
		f.mu.Unlock()
		return 0, fmt.Errorf("%s: %w", op, client.ErrUnknown)
	case lostReply:
		_, _ = locked()
		return 0, fmt.Errorf("%s: %w", op, client.ErrUnknown)
	case hangs, hangsDone:
		if what == hangsDone {
			_, _ = locked()
		}
		<-ctx.Done()
		return 0, fmt.Errorf("%s: %w: %w", op, client.ErrUnknown, ctx.Err())
	case refused:
		return 0, &client.Error{Op: op, Code: seata.ExceptionBroken, Message: "not from here"}
	case trouble, troubleDone:
		if what == troubleDone {
			_, _ = locked()
		}
		return 0, &client.Error{Op: op, Code: seata.ExceptionFailedStore, Message: "the disk is full"}
	case unclear:
		return seata.GlobalUnknown, nil
	case shut:
		return 0, client.ErrClosed
	}
	return locked()
}

func (f *fake) Begin(ctx context.Context, _ string, _ time.Duration) (xid string, err error) {
	_, err = f.do(ctx, "begin", func() (seata.GlobalStatus, error) {
		xid = fmt.Sprintf("127.0.0.1:8091:%d", len(f.begun)+1)
		f.begun = append(f.begun, xid)
		f.records[xid] = &record{}
		return 0, nil
	})
	if err == nil && xid == "" { // the fault unclear, which a begin does not have
		return "", fmt.Errorf("begin: %w", client.ErrUnknown)
	}
	return xid, err
}

func (f *fake) Commit(ctx context.Context, xid string) (seata.GlobalStatus, error) {
	return f.do(ctx, "commit", func() (seata.GlobalStatus, error) { return f.end(xid, tm.Committed), nil })
}

func (f *fake) Rollback(ctx context.Context, xid string) (seata.GlobalStatus, error) {
	return f.do(ctx, "rollback", func() (seata.GlobalStatus, error) { return f.end(xid, tm.RolledBack), nil })
}

func (f *fake) Status(ctx context.Context, xid string) (seata.GlobalStatus, error) {
	return f.do(ctx, "status", func() (seata.GlobalStatus, error) { return f.end(xid, 0), nil })
}

// end decides what is not decided, and returns the status. The mutex is held.
func (f *fake) end(xid string, asked tm.Outcome) seata.GlobalStatus {
	r := f.records[xid]
	if r == nil || r.gone {
		return seata.GlobalFinished
	}
	if f.late6 && r.timedOut && asked == tm.Committed {
		return seata.GlobalTimeoutRollbacking
	}
	if r.outcome == 0 {
		if asked == 0 {
			return seata.GlobalBegin
		}
		r.outcome = asked
	}
	r.gone = f.removes && !r.kept
	switch {
	case r.outcome == tm.Committed && f.progress == tm.Done:
		return seata.GlobalCommitted
	case r.outcome == tm.Committed && f.progress == tm.Pending:
		return seata.GlobalCommitRetrying
	case r.outcome == tm.Committed:
		return seata.GlobalCommitFailed
	case f.progress == tm.Failed:
		return seata.GlobalRollbackFailed
	case asked == tm.Committed: // decision 4 of Concord
		return seata.GlobalTimeoutRollbacked
	case f.progress == tm.Pending:
		return seata.GlobalRollbackRetrying
	}
	return seata.GlobalRollbacked
}

// decide is somebody else's decision about all transactions: a person's, or the coordinator's at its timeout.
func (f *fake) decide(o tm.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.records {
		if r.outcome == 0 {
			r.outcome, r.kept = o, o == tm.Committed
		}
	}
}

// expire has all transactions pass their timeout, which rolls back those that are not decided.
func (f *fake) expire() {
	f.decide(tm.RolledBack)
	f.overdue()
}

// overdue has all transactions pass their timeout, before anybody has looked.
func (f *fake) overdue() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.records {
		r.timedOut = true
	}
}

// forget removes all transactions that are decided.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.records {
		r.gone = r.gone || r.outcome != 0 && !r.kept
	}
}

// arrive has late requests arrive.
func (f *fake) arrive() {
	f.mu.Lock()
	later := f.later
	f.later = nil
	f.mu.Unlock()
	for _, do := range later {
		do()
	}
}

// truth is what became of a transaction when everything has arrived and all timeouts have passed.
func (f *fake) truth(xid string) tm.Outcome {
	f.arrive()
	f.expire()
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.records[xid]; r != nil {
		return r.outcome
	}
	return tm.RolledBack
}

// only returns the truth about the one transaction that was begun, or RolledBack if there was none.
func (f *fake) only(t testing.TB) tm.Outcome {
	t.Helper()
	f.mu.Lock()
	begun := f.begun
	f.mu.Unlock()
	if len(begun) == 0 {
		return tm.RolledBack
	}
	if len(begun) > 1 {
		t.Fatalf("%d transactions were begun", len(begun))
	}
	return f.truth(begun[0])
}

// made returns the calls so far.
func (f *fake) made() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint(f.calls)
}
