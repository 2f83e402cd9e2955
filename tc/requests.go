package tc

import (
	"errors"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

var (
	errUnexpected   = errors.New("message that a client does not send, or not here")
	errUnregistered = errors.New("request from a session that has to register first")
	errTooMany      = errors.New("too many requests of one session wait for an answer")
)

// route hands the frame that was just read to who it is for. Whether an answer is due is told by the type of the
// message, not by the frame: Java sends merged requests and late registrations as one-way.
func (s *session) route() {
	if s.in.header.Empty {
		if s.admitted() {
			s.emptyAnswer()
		}
		return
	}
	if s.in.failed != nil {
		s.brokenBody()
		return
	}
	stats := &s.server.stats
	stats.framesIn[classOf(s.in.message.TypeCode())].Add(1)
	switch m := s.in.message.(type) {
	case *seata.Heartbeat:
		s.heartbeat(m)
	case *seata.RegisterTMRequest:
		s.registerTM(m)
	case *seata.RegisterRMRequest:
		s.registerRM(m)
	case *seata.BranchCommitResponse:
		if s.admitted() {
			s.answered(txn.Commit, m)
		}
	case *seata.BranchRollbackResponse:
		if s.admitted() {
			s.answered(txn.Rollback, (*seata.BranchCommitResponse)(m))
		}
	case *seata.MergedRequest:
		if s.admitted() {
			s.merges()
			s.merged(m)
		}
	default:
		if s.admitted() {
			s.single(m)
		}
	}
}

// heartbeat answers a PING, also before registration.
func (s *session) heartbeat(m *seata.Heartbeat) {
	if !m.Ping {
		return
	}
	if !s.pinged.Load() {
		s.pinged.Store(true)
	}
	env := s.reply()
	s.answer(&env, &seata.Heartbeat{})
}

// brokenBody answers a request that was cut short or holds an unknown value, if there is a truthful failed answer.
func (s *session) brokenBody() {
	failed := s.in.failed
	if msg := seata.NewFailure(failed.Type, seata.FailedWith(seata.ExceptionUnknown, failed.Error())); msg != nil {
		s.server.stats.faults[FaultBody].Add(1)
		env := s.reply()
		s.answer(&env, msg)
		return
	}
	s.kill(FaultBody, failed)
}

// admitted reports whether the session may do more than register. A Java client registers every connection before it
// uses it, and Seata's server closes one that does not. seata-go registers through its load balancer, so with several
// coordinators a registration may never come here: what could be seata-go is served. It speaks SEATA, does not compress
// and does not merge. (Reference: seata-protocol.md, 5.1 (4) and 12.)
func (s *session) admitted() bool {
	who := s.who.Load()
	if who.trusted {
		return true
	}
	h := s.in.header
	if s.server.auth != AuthEnforce && h.Codec == seata.CodecSeata && h.Compressor == seata.CompressorNone {
		if _, merged := s.in.message.(*seata.MergedRequest); !merged {
			s.out.paced.Store(true)
			return true
		}
	}
	s.kill(FaultUnregistered, errUnregistered)
	return false
}

// single handles a request that came alone.
func (s *session) single(m seata.Message) {
	if over, hard := s.overBound(m.TypeCode()); over {
		s.refuseBusy(m, hard)
		return
	}
	o := s.operation(m.TypeCode())
	if !s.start(o, m, true) {
		o.claim()
		s.kill(FaultBody, errUnexpected)
	}
}

// merged handles the children of a merged request at once and answers when the last one is done, in their order. With
// more than one child none waits for a lock: it would hold up the others, who may be what it waits for.
func (s *session) merged(m *seata.MergedRequest) {
	all := &mergedAnswer{
		session: s, header: s.in.header, pkg: s.in.pkg,
		messages: make([]seata.Message, len(m.Messages)),
	}
	all.left.Store(int32(len(m.Messages)) + 1)
	for i, child := range m.Messages {
		if over, hard := s.overBound(child.TypeCode()); over {
			failed := seata.NewFailure(child.TypeCode(), busyResult(child.TypeCode()))
			if hard || failed == nil {
				s.kill(FaultBusy, errTooMany) // and the answer will not be sent
			} else {
				s.server.stats.faults[FaultBusy].Add(1)
			}
			all.messages[i] = failed
			all.done()
			continue
		}
		o := s.operation(child.TypeCode())
		o.parent, o.index = all, i
		if !s.start(o, child, len(m.Messages) == 1) {
			s.server.stats.faults[FaultBody].Add(1)
			o.finish(unexpectedAnswer(child.TypeCode()))
		}
	}
	all.done()
}

// unexpectedAnswer is the failed answer to a child that cannot be handled: its own kind of answer if there is one.
func unexpectedAnswer(t seata.TypeCode) seata.Message {
	result := seata.FailedWith(seata.ExceptionUnknown, errUnexpected.Error())
	if failed := seata.NewFailure(t, result); failed != nil {
		return failed
	}
	return &seata.BranchReportResponse{Result: result}
}

// overBound reports whether a request of the type is one too many. To a commit or rollback there is no harmless failed
// answer, and it makes room, so these may go up to twice as far; hard is true when even that is used up.
func (s *session) overBound(t seata.TypeCode) (over, hard bool) {
	bound := int32(s.server.limits.RequestsMax)
	n := s.requests.Load()
	if t == seata.TypeGlobalCommit || t == seata.TypeGlobalRollback {
		return n >= 2*bound, n >= 2*bound
	}
	return n >= bound, false
}

// refuseBusy answers a request that is over the bound at once; nothing is queued.
func (s *session) refuseBusy(m seata.Message, hard bool) {
	failed := seata.NewFailure(m.TypeCode(), busyResult(m.TypeCode()))
	if hard || failed == nil {
		s.kill(FaultBusy, errTooMany)
		return
	}
	s.server.stats.faults[FaultBusy].Add(1)
	env := s.reply()
	s.answer(&env, failed)
}

func busyResult(t seata.TypeCode) seata.Result {
	code := seata.ExceptionFailedStore
	if t == seata.TypeGlobalBegin {
		code = seata.ExceptionBeginFailed
	}
	return seata.FailedWith(code, "TransactionException["+errTooMany.Error()+"]")
}

// start hands a request to the coordinator; false if m is none. wait: a registration may wait for a lock.
func (s *session) start(o *operation, m seata.Message, wait bool) bool {
	if s.leaveBy.Load() != 0 {
		return s.turnAway(o, m)
	}
	c := s.server.coordinator
	switch m := m.(type) {
	case *seata.GlobalBeginRequest:
		s.begin(o, m)
	case *seata.BranchRegisterRequest:
		s.registerBranch(o, m, wait)
	case *seata.BranchReportRequest:
		o.setXID(m.XID)
		c.Report(orchestrator.ReportRequest{
			ID: o.xid, BranchID: m.BranchID, State: reportedState(m.Status), Data: m.ApplicationData,
		}, o.reportDone)
	case *seata.GlobalLockQueryRequest:
		s.queryLock(o, m)
	case *seata.GlobalCommitRequest:
		o.setXID(m.XID)
		o.decide(orchestrator.DecideRequest{Outcome: txn.Commit, Cause: txn.CauseRequested}, askedCommit)
	case *seata.GlobalRollbackRequest:
		o.setXID(m.XID)
		o.decide(orchestrator.DecideRequest{Outcome: txn.Rollback, Cause: txn.CauseRequested}, askedRollback)
	case *seata.GlobalStatusRequest:
		o.setXID(m.XID)
		c.Get(o.xid, o.state)
	case *seata.GlobalReportRequest:
		o.setXID(m.XID)
		o.reported = m.Status
		c.Get(o.xid, o.globalReported)
	default:
		return false
	}
	return true
}

// begin starts a transaction under the application and group of the session.
func (s *session) begin(o *operation, m *seata.GlobalBeginRequest) {
	if s.server.draining.Load() {
		o.begun(txn.XID{}, orchestrator.ErrStopped)
		return
	}
	who := s.who.Load()
	s.server.coordinator.Begin(orchestrator.BeginRequest{
		Application: who.application, Group: who.group, Name: m.TransactionName, Timeout: millis(m.TimeoutMillis),
	}, o.begun)
}

func (s *session) registerBranch(o *operation, m *seata.BranchRegisterRequest, wait bool) {
	kind, ok := kindOf(m.BranchType)
	if !ok {
		o.finish(&seata.BranchRegisterResponse{
			Result: seata.FailedWith(seata.ExceptionBranchRegisterFailed, "unknown branch type"),
		})
		return
	}
	o.setXID(m.XID)
	o.data = m.ApplicationData
	var id int64
	if id, o.ahead = seata.FindHeadID(s.in.head, seata.HeadBranch); id != 0 {
		id = s.ahead.use(id)
	}
	s.server.coordinator.Register(orchestrator.RegisterRequest{
		ID: o.xid, BranchID: id, Kind: kind, Resource: s.intern(m.ResourceID), Client: s.who.Load().client,
		LockKey: m.LockKey, Data: m.ApplicationData, Trace: traceIn(m.ApplicationData), Wait: wait,
	}, o.registered)
}

// queryLock: the branch type of the request says nothing, and the xid may be missing, when any holder counts.
func (s *session) queryLock(o *operation, m *seata.GlobalLockQueryRequest) {
	if m.LockKey == "" {
		o.locked(nil, nil)
		return
	}
	o.setXID(m.XID)
	s.server.coordinator.Locked(o.xid, m.ResourceID, m.LockKey, o.locked)
}
