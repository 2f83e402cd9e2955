package tc

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// operation is one request under way: where its answer goes. It is small and not pooled: a completion function that is
// called twice, by a defect, must not answer somebody else's request.
type operation struct {
	session    *session
	parent     *mergedAnswer // nil: the request came alone
	index      int           // in parent
	xid        int64         // 0: the text was no xid, which no transaction has
	data       string        // of a registration
	id         int32
	kind       seata.TypeCode
	codec      seata.Codec
	compressor seata.Compressor
	pkg        seata.ProtoPackage
	asked      asked
	ahead      bool // the client of a registration takes ids ahead
	reported   seata.GlobalStatus
	began      time.Time // zero if nobody observes requests
	over       atomic.Bool

	// Guarded by underway.mu.
	prev, next *operation // in the list of the session
	refused    bool       // it came while the session is let go, and its answer is held back for a moment
}

// underway are a session's requests that wait for an answer.
type underway struct {
	mu    sync.Mutex
	first *operation
}

func (u *underway) add(o *operation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o.next = u.first
	if u.first != nil {
		u.first.prev = o
	}
	u.first = o
}

func (u *underway) remove(o *operation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if o.prev != nil {
		o.prev.next = o.next
	} else {
		u.first = o.next
	}
	if o.next != nil {
		o.next.prev = o.prev
	}
	o.prev, o.next = nil, nil
}

// hold marks o as refused.
func (u *underway) hold(o *operation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o.refused = true
}

// list returns those that are under way, or only those of them that were refused.
func (u *underway) list(refused bool) (some []*operation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for o := u.first; o != nil; o = o.next {
		if o.refused || !refused {
			some = append(some, o)
		}
	}
	return some
}

// operation begins an operation for the frame that was just read.
func (s *session) operation(kind seata.TypeCode) *operation {
	s.requests.Add(1)
	s.server.requests.Add(1)
	h := &s.in.header
	o := &operation{
		session: s, id: h.ID, kind: kind, codec: h.Codec, compressor: h.Compressor, pkg: s.in.pkg,
		began: s.server.beganAt(),
	}
	s.underway.add(o)
	return o
}

// claim reports whether this is the end of the operation; it is so only once.
func (o *operation) claim() bool {
	if !o.over.CompareAndSwap(false, true) {
		return false
	}
	o.session.underway.remove(o)
	o.session.requests.Add(-1)
	o.session.server.requests.Add(-1)
	return true
}

// setXID reads the id; a text that is no xid stays 0.
func (o *operation) setXID(text string) {
	xid, _ := txn.ParseXID(text)
	o.xid = xid.ID
}

// finish sends the answer, or adds it to those of the merged request.
func (o *operation) finish(msg seata.Message) {
	if !o.claim() {
		return
	}
	o.session.server.observe(o, msg)
	if o.parent != nil {
		o.parent.messages[o.index] = msg
		o.parent.done()
		return
	}
	s := o.session
	env := seata.Envelope{
		MsgType: seata.Response, Codec: o.codec, Compressor: o.compressor, ID: o.id,
		Version: s.who.Load().version, Package: o.pkg, Compressors: &s.server.compressors,
	}
	if o.ahead {
		if id := s.ahead.give(s.server.coordinator.ReserveID); id != 0 {
			env.HeadMap = []seata.HeadEntry{seata.HeadID(seata.HeadNextBranch, id)}
		}
	}
	s.answer(&env, msg)
}

// unknowable answers a commit or rollback of which nothing true can be said but that it is not known to be done. A TM
// looks at nothing but the status, and takes one that it does not know to be bad for success. So the answer is that to
// another question: failed, status unknown. A Java client, which expects a GlobalCommitResponse, cannot take a
// GlobalStatusResponse for one: it throws, and asks again at once, up to five times, perhaps another node. For others,
// for which this is not known, the session is closed. (Seata 1.4 to 2.x DefaultTransactionManager.java: commit;
// DefaultGlobalTransaction.java catches Throwable. Reference: seata-protocol.md, rule 8, 6.7, 10.9.)
func (o *operation) unknowable(err error) {
	s := o.session
	if who := s.who.Load(); who.tm && !who.seataGoTM && !s.out.paced.Load() {
		s.server.stats.faults[FaultUnknowable].Add(1)
		o.finish(&seata.GlobalStatusResponse{Result: failure(err), Status: seata.GlobalUnknown})
		return
	}
	if !o.claim() {
		return
	}
	s.server.observe(o, nil)
	s.kill(FaultUnknowable, err)
	if o.parent != nil {
		o.parent.done()
	}
}

// refuse answers a request that nothing was done for, or of which it is not known.
func (o *operation) refuse(err error) {
	switch o.kind {
	case seata.TypeGlobalBegin:
		o.begun(txn.XID{}, err)
	case seata.TypeBranchRegister:
		o.registered(0, err)
	case seata.TypeBranchReport:
		o.reportDone(err)
	case seata.TypeGlobalLockQuery:
		o.locked(nil, err)
	case seata.TypeGlobalCommit, seata.TypeGlobalRollback:
		o.unknowable(err)
	case seata.TypeGlobalReport:
		o.statusFailed(err, o.reportedOr(seata.GlobalUnknown))
	default:
		o.statusFailed(err, seata.GlobalUnknown)
	}
}

// mergedAnswer gathers the answers to a merged request.
type mergedAnswer struct {
	session  *session
	header   seata.Header
	pkg      seata.ProtoPackage
	messages []seata.Message
	left     atomic.Int32 // children without an answer, and one for the loop that starts them
}

// done counts one child; the last one sends the answer.
func (a *mergedAnswer) done() {
	if a.left.Add(-1) > 0 {
		return
	}
	if a.session.dead.Load() {
		return // perhaps because a child has no answer
	}
	env := a.session.envelope(a.header, a.pkg)
	a.session.answer(&env, &seata.MergeResult{Messages: a.messages})
}

// begun answers a begin.
func (o *operation) begun(xid txn.XID, err error) {
	if err != nil {
		a := &seata.GlobalBeginResponse{Result: failure(err)}
		a.Exception = seata.ExceptionBeginFailed
		o.finish(a)
		return
	}
	o.finish(&seata.GlobalBeginResponse{Result: seata.Succeeded(), XID: xid.String()})
}

func (o *operation) registered(branchID int64, err error) {
	if err != nil {
		o.finish(&seata.BranchRegisterResponse{Result: registerFailure(err, o.data)})
		return
	}
	o.finish(&seata.BranchRegisterResponse{Result: seata.Succeeded(), BranchID: branchID})
}

func (o *operation) reportDone(err error) {
	result := seata.Succeeded()
	if err != nil {
		result = failure(err)
	}
	o.finish(&seata.BranchReportResponse{Result: result})
}

// locked answers a lock query. A fault is answered "not lockable", as Seata does: the client asks again.
// Seata DefaultCore.java: lockQuery.
func (o *operation) locked(row *orchestrator.LockedError, err error) {
	o.finish(&seata.GlobalLockQueryResponse{Result: seata.Succeeded(), Lockable: row == nil && err == nil})
}

// decide asks for an outcome, and remembers what its answer will mean to the client.
func (o *operation) decide(req orchestrator.DecideRequest, a asked) {
	req.ID, o.asked = o.xid, a
	o.session.server.coordinator.Decide(req, o.decided)
}

// decided answers a commit, a rollback or a report that ended a saga.
func (o *operation) decided(g *txn.Global, err error) {
	var illegal *txn.IllegalEventError
	switch {
	case err == nil:
		o.status(statusFor(g, o.asked))
	case errors.Is(err, orchestrator.ErrNotFound):
		o.status(seata.GlobalFinished)
	case errors.As(err, &illegal) && g != nil:
		o.status(statusFor(g, o.asked)) // the other outcome: a TM looks at nothing but the status
	case o.kind != seata.TypeGlobalReport &&
		(errors.Is(err, orchestrator.ErrUnavailable) || errors.Is(err, orchestrator.ErrNotMember)):
		o.unknowable(err) // to ask what cannot be reached would only take longer
	default:
		o.session.server.coordinator.Get(o.xid, func(g *txn.Global, unread error) { o.truth(g, unread, err) })
	}
}

// truth answers a commit or rollback that could not be processed because of cause, with what was found out about the
// transaction.
func (o *operation) truth(g *txn.Global, err, cause error) {
	switch {
	case errors.Is(err, orchestrator.ErrNotFound):
		o.status(seata.GlobalFinished)
	case err == nil && g.Status.Decided():
		o.status(statusFor(g, o.asked))
	case o.kind == seata.TypeGlobalReport:
		o.statusFailed(orchestrator.ErrBusy, o.reported)
	default:
		o.unknowable(cause)
	}
}

// state answers a status query.
func (o *operation) state(g *txn.Global, err error) {
	switch {
	case err == nil:
		o.status(StatusOf(g))
	case errors.Is(err, orchestrator.ErrNotFound):
		o.status(seata.GlobalFinished)
	default:
		o.statusFailed(err, seata.GlobalUnknown)
	}
}

// globalReported goes on with a GlobalReport when the transaction is known. Only a client's saga engine may end its
// transaction in this way; for others, and for other statuses, the present status is the answer.
// Seata SagaCore.java: doGlobalReport, DefaultCore.java: globalReport.
func (o *operation) globalReported(g *txn.Global, err error) {
	switch {
	case errors.Is(err, orchestrator.ErrNotFound):
		o.status(o.reportedOr(seata.GlobalFinished))
		return
	case err != nil:
		o.statusFailed(err, o.reportedOr(seata.GlobalUnknown))
		return
	case !g.ClientSaga():
		o.status(StatusOf(g))
		return
	}
	req := orchestrator.DecideRequest{Cause: txn.CauseReported, AllDone: true, NoWait: true}
	switch o.reported {
	case seata.GlobalCommitted:
		req.Outcome = txn.Commit
	case seata.GlobalRollbacked, seata.GlobalFinished:
		req.Outcome = txn.Rollback
	case seata.GlobalCommitRetrying:
		req.Outcome, req.AllDone, req.Ongoing = txn.Commit, false, true
	case seata.GlobalRollbackRetrying, seata.GlobalTimeoutRollbackRetrying, seata.GlobalUnknown:
		req.Outcome, req.AllDone, req.Ongoing = txn.Rollback, false, true
	default:
		o.status(StatusOf(g))
		return
	}
	o.decide(req, askedStatus)
}

// reportedOr is the status that the client reported, if it reported one.
func (o *operation) reportedOr(other seata.GlobalStatus) seata.GlobalStatus {
	if o.reported == seata.GlobalStatusNull {
		return other
	}
	return o.reported
}

// status answers any of the four requests that are answered with a status.
func (o *operation) status(s seata.GlobalStatus) {
	o.statusWith(seata.Succeeded(), s)
}

// statusFailed says that the request failed, and what status is believed.
func (o *operation) statusFailed(err error, s seata.GlobalStatus) {
	o.statusWith(failure(err), s)
}

func (o *operation) statusWith(r seata.Result, s seata.GlobalStatus) {
	a := &seata.GlobalStatusResponse{Result: r, Status: s}
	switch o.kind {
	case seata.TypeGlobalCommit:
		o.finish((*seata.GlobalCommitResponse)(a))
	case seata.TypeGlobalRollback:
		o.finish((*seata.GlobalRollbackResponse)(a))
	case seata.TypeGlobalReport:
		o.finish((*seata.GlobalReportResponse)(a))
	default:
		o.finish(a)
	}
}

func millis(n int32) time.Duration { return time.Duration(n) * time.Millisecond }
