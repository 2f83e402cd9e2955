package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/concord-tx/concord/tc/seata"
)

// client plays one process: a connection as transaction manager and one or more as resource managers. Each connection
// has a reader goroutine; all of them, and the pacer, work on the transactions under mu. Whoever has put frames flushes
// the connections after giving up mu.
type client struct {
	clock clock
	w     workload
	tm    *link
	rms   []*link
	// resources are the names of resources by number of the branch.
	resources []string
	faults    chan error // for the cell; full is full
	// others hands a stray to whom it belongs.
	others func(from *client, s stray, now int64) error

	mu     sync.Mutex
	choose *chooser
	trans  []tran          // by slot
	free   []int32         // slots
	slots  map[int64]int32 // by branch id
	strays []stray         // commands for branches of other clients
	tally  tally
	lat    *latencies
	window window
	ended  sample // what was asked of transactions, for the check afterwards

	// limit and again steer what follows the end of a transaction: the closed loop starts another one while again is
	// set, until limit transactions have been started (0: no limit).
	limit int64
	again bool

	// Messages that are written again and again, to spare the garbage.
	beginMsg    seata.GlobalBeginRequest
	registerMsg seata.BranchRegisterRequest
	commitMsg   seata.GlobalCommitRequest
	rollbackMsg seata.GlobalRollbackRequest
	committed   seata.BranchCommitResponse
	rolledBack  seata.BranchRollbackResponse
}

// The kinds of request in the low bits of a frame's id; the rest is the slot.
const (
	askBegin    = 0
	askRegister = 1
	askEnd      = 2
	askPing     = 3
	askBits     = 2
)

// connect opens a client's connections and registers them.
func connect(address string, number, rms int, w workload, clk clock) (*client, error) {
	c := &client{clock: clk, w: w, slots: make(map[int64]int32), lat: newLatencies()}
	for i := range resourcesMax {
		c.resources = append(c.resources, w.resource(i))
	}
	app := "bench-" + strconv.Itoa(number)
	var err error
	if c.tm, err = dial(address); err != nil {
		return nil, err
	}
	answer, err := c.tm.ask(request(0), &seata.RegisterTMRequest{
		Version: clientVersionText, ApplicationID: app, TransactionServiceGroup: "bench_group",
		ExtraData: "vgroup=bench_group\nip=127.0.0.1\n",
	})
	if err != nil {
		return nil, fmt.Errorf("register transaction manager: %w", err)
	}
	if r, ok := answer.(*seata.RegisterTMResponse); !ok || !r.Identified {
		return nil, fmt.Errorf("register transaction manager: refused with %T", answer)
	}
	for range rms {
		rm, err := connectRM(address, app)
		if err != nil {
			return nil, err
		}
		c.rms = append(c.rms, rm)
	}
	return c, nil
}

// resourcesMax is how many different resources are registered; branches beyond it use them again.
const resourcesMax = 64

func connectRM(address, app string) (*link, error) {
	rm, err := dial(address)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, kind := range []seata.BranchType{seata.BranchAT, seata.BranchTCC} {
		for i := range resourcesMax {
			ids = append(ids, workload{kind: kind}.resource(i))
		}
	}
	answer, err := rm.ask(request(0), &seata.RegisterRMRequest{
		Version: clientVersionText, ApplicationID: app, TransactionServiceGroup: "bench_group",
		ResourceIDs: strings.Join(ids, ","),
	})
	if err != nil {
		return nil, fmt.Errorf("register resource manager: %w", err)
	}
	if r, ok := answer.(*seata.RegisterRMResponse); !ok || !r.Identified {
		return nil, fmt.Errorf("register resource manager: refused with %T", answer)
	}
	return rm, nil
}

func request(id int32) seata.Envelope {
	return seata.Envelope{MsgType: seata.RequestSync, Codec: seata.CodecSeata, ID: id, Version: clientVersion()}
}

func reply(id int32) seata.Envelope {
	return seata.Envelope{MsgType: seata.Response, Codec: seata.CodecSeata, ID: id, Version: clientVersion()}
}

// run starts the readers; they end when the connections are closed.
func (c *client) run(readers *sync.WaitGroup) {
	for _, l := range append([]*link{c.tm}, c.rms...) {
		readers.Go(func() {
			if err := c.read(l); err != nil {
				c.fault(err)
			}
		})
	}
}

func (c *client) fault(err error) {
	select {
	case c.faults <- err:
	default: // the first ones are enough
	}
}

func (c *client) close() {
	for _, l := range append([]*link{c.tm}, c.rms...) {
		_ = l.conn.Close() // the readers are what is told by it
	}
}

// read takes what arrives on a connection, everything that is there at once, then flushes what follows from it.
func (c *client) read(l *link) error {
	options := seata.DecodeOptions{Version: clientVersion()}
	for {
		if err := l.fill(); err != nil {
			return err
		}
		now := c.clock.now()
		c.mu.Lock()
		for {
			frame, ok, err := l.next(options)
			if err != nil {
				c.mu.Unlock()
				return fmt.Errorf("read frame: %w", err)
			}
			if !ok {
				break
			}
			c.take(l, frame, now)
		}
		strays := c.strays
		c.strays = nil
		c.mu.Unlock()
		if err := c.flush(); err != nil {
			return err
		}
		for _, s := range strays {
			if err := c.others(c, s, now); err != nil {
				return err
			}
		}
	}
}

// stray is a command for a branch of another client: a coordinator may give it to anybody who has the resource, when
// the one that registered it has too much to answer.
type stray struct {
	branchID int64
	rollback bool
}

func (c *client) flush() error {
	err := c.tm.flush()
	for _, rm := range c.rms {
		if e := rm.flush(); err == nil {
			err = e
		}
	}
	return err
}

// take handles one frame under mu.
func (c *client) take(l *link, frame seata.Frame, now int64) {
	slot := frame.Header.ID >> askBits
	switch m := frame.Message.(type) {
	case *seata.GlobalBeginResponse:
		c.begun(slot, m, now)
	case *seata.BranchRegisterResponse:
		c.registered(slot, m, now)
	case *seata.GlobalCommitResponse:
		c.endAnswered(slot, m.Status, now)
	case *seata.GlobalRollbackResponse:
		c.endAnswered(slot, m.Status, now)
	case *seata.BranchCommitRequest:
		c.committed = seata.BranchCommitResponse{
			Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: seata.BranchCommitted,
		}
		l.put(reply(frame.Header.ID), &c.committed)
		c.told(m.BranchID, false, now)
	case *seata.BranchRollbackRequest:
		c.rolledBack = seata.BranchRollbackResponse{
			Result: seata.Succeeded(), XID: m.XID, BranchID: m.BranchID, Status: seata.BranchRollbacked,
		}
		l.put(reply(frame.Header.ID), &c.rolledBack)
		c.told(m.BranchID, true, now)
	}
}

// start begins a transaction that was due at start. Call it under mu.
func (c *client) start(start, now int64) {
	var slot int32
	if n := len(c.free); n > 0 {
		slot = c.free[n-1]
		c.free = c.free[:n-1]
	} else {
		slot = int32(len(c.trans))
		c.trans = append(c.trans, tran{})
	}
	t := &c.trans[slot]
	*t = tran{
		start: start, sent: now, branches: t.branches[:0], told: t.told[:0], rollback: c.choose.rollback(), held: c.w.hold,
	}
	c.tally.Begun++
	c.beginMsg = seata.GlobalBeginRequest{TimeoutMillis: c.w.timeout, TransactionName: "bench.order(long,int)"}
	c.tm.put(request(slot<<askBits|askBegin), &c.beginMsg)
}

func (c *client) begun(slot int32, m *seata.GlobalBeginResponse, now int64) {
	t := &c.trans[slot]
	if m.Code != seata.Success {
		c.refused(slot, "begin: "+m.Msg, now)
		return
	}
	t.xid = m.XID
	if c.window.contains(t.start) {
		c.lat.late.record(t.start, t.sent)
		c.lat.begin.record(t.start, now)
	}
	c.next(slot, now)
}

// next registers another branch, or asks for the end.
func (c *client) next(slot int32, now int64) {
	t := &c.trans[slot]
	if n := len(t.branches); n < c.w.branches && !t.conflicted {
		t.sent = now
		c.registerMsg = seata.BranchRegisterRequest{
			XID: t.xid, BranchType: c.w.kind, ResourceID: c.resources[n%resourcesMax], LockKey: c.choose.lockKey(),
			ApplicationData: c.w.data(),
		}
		c.rms[n%len(c.rms)].put(request(slot<<askBits|askRegister), &c.registerMsg)
		return
	}
	if t.held {
		c.tally.Held++
		c.forget(slot)
		c.follow(now)
		return
	}
	t.decided = now
	c.ended.add(ending{t.xid, t.rollback})
	if t.rollback {
		c.tally.Rollbacks++
		c.rollbackMsg = seata.GlobalRollbackRequest{XID: t.xid}
		c.tm.put(request(slot<<askBits|askEnd), &c.rollbackMsg)
		return
	}
	c.tally.Commits++
	c.commitMsg = seata.GlobalCommitRequest{XID: t.xid}
	c.tm.put(request(slot<<askBits|askEnd), &c.commitMsg)
}

func (c *client) registered(slot int32, m *seata.BranchRegisterResponse, now int64) {
	t := &c.trans[slot]
	if c.window.contains(t.start) {
		c.lat.register.record(t.sent, now)
	}
	switch {
	case m.Code == seata.Success:
		t.branches = append(t.branches, m.BranchID)
		t.told = append(t.told, false)
		t.left++
		if !t.held {
			c.slots[m.BranchID] = slot
		}
	case m.Exception == seata.ExceptionLockKeyConflict || m.Exception == seata.ExceptionLockKeyConflictFailFast:
		c.tally.Conflicts++
		t.rollback, t.conflicted = true, true
	default:
		c.tally.Refused++
		c.note("register: " + m.Msg)
		t.rollback, t.conflicted = true, true
	}
	c.next(slot, now)
}

func (c *client) endAnswered(slot int32, status seata.GlobalStatus, now int64) {
	t := &c.trans[slot]
	t.answered = true
	c.tally.Answered++
	if now >= c.window.from && now < c.window.to {
		c.tally.AnsweredIn++
	}
	if c.window.contains(t.start) {
		c.lat.end.record(t.decided, now)
		c.lat.whole.record(t.start, now)
	}
	asked, retrying := seata.GlobalCommitted, seata.GlobalCommitRetrying
	if t.rollback {
		asked, retrying = seata.GlobalRollbacked, seata.GlobalRollbackRetrying
	}
	switch status {
	case asked:
	case retrying:
		c.tally.Retrying++
	default:
		c.tally.WrongAnswers++
		c.note("end: answered " + status.String() + " instead of " + asked.String())
	}
	c.finish(slot, now)
	c.follow(now)
}

// told takes a command of phase two.
func (c *client) told(branchID int64, rollback bool, now int64) {
	slot, known := c.slots[branchID]
	if !known {
		c.strays = append(c.strays, stray{branchID, rollback})
		return
	}
	t := &c.trans[slot]
	i := slices.Index(t.branches, branchID)
	switch {
	case t.rollback != rollback || t.decided == 0:
		c.tally.WrongCommands++
		return
	case t.told[i]:
		c.tally.Repeated++
		return
	}
	t.told[i] = true
	t.left--
	if t.left == 0 && c.window.contains(t.start) {
		c.lat.phaseTwo.record(t.decided, now)
	}
	c.finish(slot, now)
}

// finish ends the driver's part in a transaction once it is answered and all branches are told.
func (c *client) finish(slot int32, now int64) {
	t := &c.trans[slot]
	if !t.answered || t.left > 0 {
		return
	}
	c.tally.Finished++
	if now >= c.window.from && now < c.window.to {
		c.tally.FinishedIn++
	}
	if c.window.contains(t.start) {
		c.lat.finished.record(t.start, now)
	}
	c.forget(slot)
}

func (c *client) forget(slot int32) {
	for _, id := range c.trans[slot].branches {
		delete(c.slots, id)
	}
	c.trans[slot].xid = ""
	c.free = append(c.free, slot)
}

// follow starts the next transaction of the closed loop.
func (c *client) follow(now int64) {
	if c.again && (c.limit == 0 || c.tally.Begun < c.limit) {
		c.start(now, now)
	}
}

// refused takes a begin that failed.
func (c *client) refused(slot int32, text string, now int64) {
	c.tally.Begun--
	c.tally.Refused++
	c.note(text)
	c.forget(slot)
	c.follow(now)
}

// refusedMax is how many refusals end a cell: it measures nothing useful then.
const refusedMax = 1000

func (c *client) note(text string) {
	if c.tally.ErrorText == "" {
		c.tally.ErrorText = text
	}
	if c.tally.Refused+c.tally.WrongAnswers > refusedMax {
		c.again = false
		c.fault(fmt.Errorf("too many refusals, the first: %s", c.tally.ErrorText))
	}
}
