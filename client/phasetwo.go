package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// phaseTwo does second phases: a bounded number at once, and a bounded number waits. Goroutines exist only while there
// is something to do.
type phaseTwo struct {
	client *Client
	// deadline makes the context of one second phase; all of them end with the client.
	deadline func() (context.Context, context.CancelFunc)

	mu      sync.Mutex
	closed  bool
	workers int
	queue   []func() // in order of arrival
	idle    sync.Cond
	// underway are second phases that wait or run, and who is to be told of their end.
	underway map[task][]answer
}

func (p *phaseTwo) init(ctx context.Context, c *Client) {
	p.client = c
	p.idle.L = &p.mu
	p.underway = make(map[task][]answer)
	p.deadline = func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, c.o.PhaseTwoTimeout) }
}

// submit has something done, at once or later; false: there is too much to do, or the client is being closed. The mutex
// is held.
func (p *phaseTwo) submit(do func()) bool {
	switch {
	case p.closed:
		return false
	case p.workers < p.client.o.PhaseTwoConcurrency:
		p.workers++
		go p.work(do)
	case len(p.queue) < p.client.o.PhaseTwoQueueMax:
		p.queue = append(p.queue, do)
	default:
		return false
	}
	return true
}

// work does one thing after the other until nothing is left.
func (p *phaseTwo) work(do func()) {
	for do != nil {
		do()
		p.mu.Lock()
		do = nil
		if len(p.queue) > 0 {
			do = p.queue[0]
			p.queue[0] = nil
			p.queue = p.queue[1:]
		} else {
			p.workers--
			if p.workers == 0 {
				p.idle.Broadcast()
			}
		}
		p.mu.Unlock()
	}
}

// close takes nothing more and waits for what is under way, but not for ever. What waits is given up: the coordinator
// asks again, here or elsewhere. It returns how many are left.
func (p *phaseTwo) close() int {
	p.mu.Lock()
	p.closed, p.queue = true, nil
	p.mu.Unlock()
	return p.wait()
}

// wait waits for what is under way, but not for ever, and returns how many are left.
func (p *phaseTwo) wait() int {
	over := false
	timer := time.AfterFunc(p.client.o.CloseWait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		over = true
		p.idle.Broadcast()
	})
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.workers > 0 && !over {
		p.idle.Wait()
	}
	return p.workers
}

// task is a second phase. A coordinator that has waited for its answer for too long asks for it again.
type task struct {
	Branch
	op string
}

// answer tells a coordinator how a second phase went.
type answer func(s seata.BranchStatus, why error)

func (p *phaseTwo) commit(l *link, id int32, m *seata.BranchCommitRequest) {
	b := Branch{XID: m.XID, ID: m.BranchID, Type: m.BranchType, Resource: m.ResourceID, Data: m.ApplicationData}
	p.handle(task{b, "commit"}, Resource.Commit, seata.BranchCommitFailedRetryable,
		func(s seata.BranchStatus, why error) {
			p.answer(l, outgoing{kind: seata.Response, id: id, msg: &seata.BranchCommitResponse{
				Result: resultOf(why), XID: b.XID, BranchID: b.ID, Status: s,
			}})
		})
}

func (p *phaseTwo) rollback(l *link, id int32, m *seata.BranchRollbackRequest) {
	b := Branch{XID: m.XID, ID: m.BranchID, Type: m.BranchType, Resource: m.ResourceID, Data: m.ApplicationData}
	p.handle(task{b, "rollback"}, Resource.Rollback, seata.BranchRollbackFailedRetryable,
		func(s seata.BranchStatus, why error) {
			p.answer(l, outgoing{kind: seata.Response, id: id, msg: &seata.BranchRollbackResponse{
				Result: resultOf(why), XID: b.XID, BranchID: b.ID, Status: s,
			}})
		})
}

// method is Resource.Commit or Resource.Rollback.
type method func(Resource, context.Context, Branch) (seata.BranchStatus, error)

// repeatsMax is how many answers one second phase that is under way may owe.
const repeatsMax = 64

// handle has a second phase done, and answered. One that is asked for again while it is under way is not done twice:
// its end answers both.
func (p *phaseTwo) handle(t task, do method, retry seata.BranchStatus, tell answer) {
	p.mu.Lock()
	owed, underway := p.underway[t]
	switch {
	case underway && len(owed) < repeatsMax:
		p.underway[t] = append(owed, tell)
		p.mu.Unlock()
		return
	case !underway && p.submit(func() { p.carryOut(t, do, retry) }):
		p.underway[t] = []answer{tell}
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	tell(retry, errBusy)
}

// carryOut does a second phase and tells all who have asked for it.
func (p *phaseTwo) carryOut(t task, do method, retry seata.BranchStatus) {
	status, why := p.do(t, do, retry)
	p.mu.Lock()
	owed := p.underway[t]
	delete(p.underway, t)
	p.mu.Unlock()
	for _, tell := range owed {
		tell(status, why)
	}
}

// Why a second phase is not done.
var (
	errBusy      = errors.New("too many second phases wait here, or the client is closing")
	errNotServed = errors.New("resource is not served here")
	errSilentEnd = errors.New("resource returned neither status nor error")
)

// resultOf tells the coordinator, and who looks there, why a second phase is not done.
func resultOf(why error) seata.Result {
	if why == nil {
		return seata.Succeeded()
	}
	return seata.FailedWith(seata.ExceptionUnknown, why.Error())
}

// do does one second phase and returns the status to answer, and why it is not better.
func (p *phaseTwo) do(
	t task, do method, retry seata.BranchStatus,
) (status seata.BranchStatus, err error) {
	ctx, cancel := p.deadline()
	defer cancel()
	log := p.client.log.With("op", t.op, "xid", t.XID, "branch", t.ID, "resource", t.Resource)
	defer func() {
		if v := recover(); v != nil {
			log.Error("second phase panicked, to be repeated", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			status, err = retry, fmt.Errorf("panic: %v", v)
		}
	}()
	r := p.client.resource(resourceKey{t.Type, t.Resource})
	if r == nil {
		log.Warn("second phase of a resource that is not served here, to be repeated", "type", t.Type.String())
		return retry, errNotServed
	}
	status, err = do(r, ctx, t.Branch)
	if err == nil && status == 0 {
		err = errSilentEnd
	}
	if err != nil {
		log.Warn("second phase did not end well", "status", cmp.Or(status, retry).String(), "err", err)
	}
	return cmp.Or(status, retry), err
}

// answer sends the answer on the link that the command came by, or on another one to the same coordinator.
func (p *phaseTwo) answer(l *link, o outgoing) {
	if l.answer(o) {
		return
	}
	if other := p.client.linkTo(l.node.address); other != nil && other != l {
		other.answer(o)
	}
}

// linkTo returns the connection to a coordinator, or nil.
func (c *Client) linkTo(address string) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links {
		if l.node.address == address {
			return l
		}
	}
	return nil
}

// deleteUndoLog has old undo logs deleted. It is not answered.
func (p *phaseTwo) deleteUndoLog(m *seata.UndoLogDeleteRequest) {
	cleaner, ok := p.client.resource(resourceKey{m.BranchType, m.ResourceID}).(UndoCleaner)
	if !ok {
		return
	}
	const day = 24 * time.Hour
	p.mu.Lock()
	defer p.mu.Unlock()
	p.submit(func() {
		ctx, cancel := p.deadline()
		defer cancel()
		log := p.client.log.With("resource", m.ResourceID)
		defer func() {
			if v := recover(); v != nil {
				log.Error("deleting undo logs panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			}
		}()
		if err := cleaner.DeleteUndoLog(ctx, time.Duration(m.SaveDays)*day); err != nil {
			log.Warn("deleting undo logs failed", "err", err)
		}
	})
}
