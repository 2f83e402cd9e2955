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
}

func (p *phaseTwo) init(ctx context.Context, c *Client) {
	p.client = c
	p.idle.L = &p.mu
	p.deadline = func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, c.o.PhaseTwoTimeout) }
}

// submit has something done, at once or later; false: there is too much to do, or the client is being closed.
func (p *phaseTwo) submit(do func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
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

func (p *phaseTwo) commit(l *link, id int32, m *seata.BranchCommitRequest) {
	b := Branch{XID: m.XID, ID: m.BranchID, Type: m.BranchType, Resource: m.ResourceID, Data: m.ApplicationData}
	answer := func(s seata.BranchStatus, why error) {
		p.answer(l, outgoing{kind: seata.Response, id: id, msg: &seata.BranchCommitResponse{
			Result: resultOf(why), XID: b.XID, BranchID: b.ID, Status: s,
		}})
	}
	if !p.submit(func() { answer(p.do(b, "commit", Resource.Commit, seata.BranchCommitFailedRetryable)) }) {
		answer(seata.BranchCommitFailedRetryable, errBusy)
	}
}

func (p *phaseTwo) rollback(l *link, id int32, m *seata.BranchRollbackRequest) {
	b := Branch{XID: m.XID, ID: m.BranchID, Type: m.BranchType, Resource: m.ResourceID, Data: m.ApplicationData}
	answer := func(s seata.BranchStatus, why error) {
		p.answer(l, outgoing{kind: seata.Response, id: id, msg: &seata.BranchRollbackResponse{
			Result: resultOf(why), XID: b.XID, BranchID: b.ID, Status: s,
		}})
	}
	if !p.submit(func() { answer(p.do(b, "rollback", Resource.Rollback, seata.BranchRollbackFailedRetryable)) }) {
		answer(seata.BranchRollbackFailedRetryable, errBusy)
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
	b Branch, op string, method func(Resource, context.Context, Branch) (seata.BranchStatus, error),
	retry seata.BranchStatus,
) (status seata.BranchStatus, err error) {
	ctx, cancel := p.deadline()
	defer cancel()
	log := p.client.log.With("op", op, "xid", b.XID, "branch", b.ID, "resource", b.Resource)
	defer func() {
		if v := recover(); v != nil {
			log.Error("second phase panicked, to be repeated", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			status, err = retry, fmt.Errorf("panic: %v", v)
		}
	}()
	r := p.client.resource(resourceKey{b.Type, b.Resource})
	if r == nil {
		log.Warn("second phase of a resource that is not served here, to be repeated", "type", b.Type.String())
		return retry, errNotServed
	}
	status, err = method(r, ctx, b)
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
