package tc

import (
	"fmt"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

var _ orchestrator.Transport = (*Server)(nil)

// Send implements orchestrator.Transport for branches whose participants have Seata sessions. It never blocks. An error
// means that nobody was asked: no session has the resource, those that have it owe too many answers, or the command
// cannot be said in the session's codec. Otherwise the end of the attempt is given to Coordinator.Reply: what the
// participant answers, or [txn.ResultNoAnswer] after Limits.AnswerLimit or when the session is closed.
func (s *Server) Send(cmd txn.Command) error { return s.SendFor(cmd, nil) }

// SendFor is Send on behalf of another node: the end of the attempt is given to report instead of the coordinator. It
// is called exactly once if SendFor returns nil, perhaps before that, on any goroutine, and must not block.
func (s *Server) SendFor(cmd txn.Command, report func(id int64, r txn.Reply)) error {
	branchType, ok := branchTypeOf(cmd.Kind)
	if !ok {
		return fmt.Errorf("a branch of kind %s has no Seata client", cmd.Kind)
	}
	ss, err := s.registry.route(&cmd, int32(s.limits.CommandsMax))
	if err != nil {
		return err
	}
	deadline := s.clock.Load() + int64(s.limits.AnswerLimit+s.tick)
	id, ok := s.commands.add(ss, &cmd, report, deadline, s.limits.PendingMax)
	if !ok {
		return errBusy
	}
	m := &seata.BranchCommitRequest{
		XID: cmd.XID.String(), BranchID: cmd.BranchID, BranchType: branchType, ResourceID: cmd.Resource,
		ApplicationData: cmd.Data,
	}
	if cmd.BranchID == txn.SagaBranchID {
		m.ApplicationData = sagaStatus(&cmd).String()
	}
	err = ss.command(id, cmd.Op, m)
	if err == nil {
		s.stats.commandsSent.Add(1)
		return nil
	}
	if _, ok := s.commands.take(id, nil); ok {
		return err
	}
	return nil // the session was closed meanwhile, and the attempt reported with it
}

// command appends a command for the peer, in the codec that it registered with and never compressed: seata-go does not
// look whether it is.
func (s *session) command(id int32, op txn.Outcome, m *seata.BranchCommitRequest) error {
	var msg seata.Message = m
	if op == txn.Rollback {
		msg = (*seata.BranchRollbackRequest)(m)
	}
	who := s.who.Load()
	env := seata.Envelope{
		MsgType: seata.RequestSync, Codec: who.codec, ID: id, Version: who.version, Package: who.pkg,
	}
	result, err := s.out.append(&env, msg, s.server.limits.UnsentBytesMax)
	switch result {
	case appended:
		s.server.stats.framesOut[ClassPhaseTwo].Add(1)
		return nil
	case appendOverflow:
		s.kill(FaultSlowReader, nil)
		return nil // appended after all; reported when the session is cleaned up
	case appendRefused:
		return err
	}
	return orchestrator.ErrNobody
}

// answered takes a participant's answer to a command. It may come on any connection of the same client, and is
// recognised by its id; the rest has to agree, since ids repeat from one process of ours to the next.
func (s *session) answered(op txn.Outcome, m *seata.BranchCommitResponse) {
	c, ok := s.server.commands.take(s.in.header.ID, func(c *command) bool {
		xid, known := txn.ParseXID(m.XID)
		return c.op == op && (m.BranchID == c.branch || m.BranchID == 0) && (!known || xid.ID == c.xid) &&
			s.sameClient(c.session)
	})
	if !ok {
		s.server.stats.strayAnswers.Add(1)
		return
	}
	s.server.stats.answered.Add(1)
	result := resultOf(op, c.saga, m.Status)
	text := ""
	if result != txn.ResultDone {
		text = m.Status.String()
		if m.Msg != "" {
			text += ": " + m.Msg
		}
	}
	engine := txn.EngineState(0)
	if c.saga {
		engine = engineState(m.Status)
	}
	s.server.reportAll(c, txn.Reply{Result: result, Text: text, Engine: engine})
}

// emptyAnswer takes the 16 bytes by which an RM says, in effect, that it could not begin: it does not know the resource
// or the action. Seata ProtocolEncoderV1 writes them after a failed encoding; measured with 1.8.0 and 2.2.0.
func (s *session) emptyAnswer() {
	s.server.stats.emptyAnswers.Add(1)
	c, ok := s.server.commands.take(s.in.header.ID, func(c *command) bool { return s.sameClient(c.session) })
	if !ok {
		s.server.stats.strayAnswers.Add(1)
		return
	}
	s.server.stats.answered.Add(1)
	s.server.report(c, txn.ResultFailed, "participant does not know the resource")
}

// sameClient reports whether an answer to a command for other may come from s.
func (s *session) sameClient(other *session) bool {
	if s == other || s.ip == other.ip {
		return true
	}
	application := s.who.Load().branchApplication
	return application != "" && application == other.who.Load().branchApplication
}

// report tells the coordinator, or on whose behalf the command was sent, how an attempt ended.
func (s *Server) report(c command, result txn.Result, text string) {
	s.reportAll(c, txn.Reply{Result: result, Text: text})
}

// reportAll fills in which command it was.
func (s *Server) reportAll(c command, r txn.Reply) {
	r.BranchID, r.Op, r.Attempt = c.branch, c.op, c.attempt
	if c.report != nil {
		c.report(c.xid, r)
		return
	}
	s.coordinator.Reply(c.xid, r)
}

// expireCommands reports those that were not answered in time.
func (s *Server) expireCommands(now int64) {
	var expired [64]command
	for {
		n := s.commands.expire(now, expired[:])
		for _, c := range expired[:n] {
			s.stats.timedOut.Add(1)
			s.report(c, txn.ResultNoAnswer, "no answer within "+s.limits.AnswerLimit.String())
		}
		if n < len(expired) {
			return
		}
	}
}

// deleteUndoLogs tells one session per database to delete old undo logs. It is never answered.
// Seata DefaultCoordinator.java: undoLogDelete.
func (s *Server) deleteUndoLogs() {
	for resource, ss := range s.registry.atResources() {
		who := ss.who.Load()
		id := s.commands.spareID()
		ss.answer(&seata.Envelope{
			MsgType: seata.RequestOneway, Codec: who.codec, ID: id, Version: who.version, Package: who.pkg,
		}, &seata.UndoLogDeleteRequest{
			BranchType: seata.BranchAT, ResourceID: resource, SaveDays: s.limits.UndoLogDays,
		})
	}
}
