package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// replyAnswer says what became of the reply to the message of a saga's step.
type replyAnswer struct {
	XID    string `json:"xid"`
	Branch string `json:"branch"`
	// Taken is false if nobody waits for the reply: it was there before, or the step has ended without it.
	Taken bool `json:"taken"`
	// Status is that of the run and State that of the step, "" if there is no such step.
	Status string `json:"status"`
	State  string `json:"state"`
}

// takeReply answers POST /api/v1/sagas/replies.
func (s *Server) takeReply(c *gin.Context) {
	var body orchestrator.ReplyBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	reply, err := body.Read()
	if errors.Is(err, orchestrator.ErrReply) {
		err = &argumentError{err.Error()}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(reply.XID.ID, done) })
	if err == nil && reply.XID.Prefix != "" && g.XID != reply.XID {
		err = orchestrator.ErrNotFound
	}
	if err == nil {
		err = allowed(access.From(c), g.Application, g.Group)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.about(c, g)
	reply.Reply.Via = txn.ViaAPI
	taken := false
	g, err = await(c, func(done func(*txn.Global, error)) {
		s.o.Coordinator.StepReply(reply.XID, reply.Reply, func(g *txn.Global, was bool, err error) {
			taken = was
			done(g, err)
		})
	})
	if err != nil {
		s.fail(c, err)
		return
	}
	answer := replyAnswer{
		XID: g.XID.String(), Branch: strconv.FormatInt(reply.Reply.BranchID, 10), Taken: taken, Status: g.Status.String(),
	}
	if b, _ := g.Branch(reply.Reply.BranchID); b != nil {
		answer.State = b.State.String()
	}
	c.JSON(http.StatusOK, answer)
}
