package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// Approvals: what a step of a run asks a person, and who may answer.

var (
	problemNotBy = Problem{
		Status: http.StatusForbidden, Code: "approvalOthers", Title: "The approval is for others to give.",
	}
	problemAnswered = Problem{
		Status: http.StatusConflict, Code: string(orchestrator.CodeNotAwaited), Title: "It was answered before.",
	}
)

// sagaAnswer answers an approval.
type sagaAnswer struct {
	Approve *bool           `json:"approve"`
	Comment string          `json:"comment"`
	Data    json.RawMessage `json:"data"`
}

// approvalOutput is what later steps see of an approval.
type approvalOutput struct {
	Approved bool            `json:"approved"`
	By       string          `json:"by"`
	At       string          `json:"at"`
	Comment  string          `json:"comment,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// answerApproval answers POST /api/v1/sagas/runs/{xid}/approvals/{step}.
func (s *Server) answerApproval(c *gin.Context) {
	g, err := s.run(c)
	var body sagaAnswer
	if err == nil {
		err = readBody(c, &body)
	}
	switch {
	case err != nil:
	case body.Approve == nil:
		err = &argumentError{"approve is missing: true or false"}
	case body.Comment != "" && clean(body.Comment, reasonBytesMax) == "":
		err = &argumentError{fmt.Sprintf("comment is longer than %d bytes, or not printable", reasonBytesMax)}
	}
	var data string
	if err == nil {
		data, err = inputText(body.Data)
	}
	if err == nil {
		err = s.mayApprove(c, g)
	}
	var answer []byte
	if err == nil {
		answer, err = json.Marshal(approvalOutput{
			Approved: *body.Approve, By: access.From(c).Name, At: when(s.o.Clock.Now()),
			Comment: clean(body.Comment, reasonBytesMax), Data: document(data),
		})
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	actor := actorOf(c)
	if comment := clean(body.Comment, reasonBytesMax); comment != "" {
		actor += ": " + comment
	}
	ev := txn.Signal{
		Step: stepName(g, c.Param("step")), Data: string(answer), Actor: actor, Refuse: !*body.Approve,
	}
	if g, err = s.answerOnce(c, g, ev); err != nil {
		s.failRun(c, err)
		return
	}
	s.tellRun(c, http.StatusOK, g)
}

// answerOnce gives an answer, unless there is one. The same answer by the same person is taken again and changes
// nothing: who has not heard of the first one sends it twice.
func (s *Server) answerOnce(ctx context.Context, g *txn.Global, ev txn.Signal) (*txn.Global, error) {
	get := func(done func(*txn.Global, error)) { s.o.Coordinator.Get(g.XID.ID, done) }
	if b := stepOfRun(g, ev.Step); b.State != txn.Registered || g.Status != txn.Active {
		return g, answeredAs(g, ev, notAwaited(g))
	}
	after, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Signal(g.XID.ID, ev, done) })
	if illegal := (*txn.IllegalEventError)(nil); !errors.As(err, &illegal) {
		return after, err
	}
	if after, e := await(ctx, get); e == nil { // somebody was faster
		return after, answeredAs(after, ev, err)
	}
	return nil, err
}

// answeredAs returns nil if the answer to an approval is the one that was given before, who has given another one, or
// else err.
func answeredAs(g *txn.Global, ev txn.Signal, err error) error {
	var was, now approvalOutput
	b := stepOfRun(g, ev.Step)
	switch {
	case b == nil || b.Step.Answer == "" || json.Unmarshal([]byte(b.Step.Answer), &was) != nil || was.By == "":
		return err // nobody has answered: it was skipped, its time was over, or the saga was decided
	case json.Unmarshal([]byte(ev.Data), &now) != nil:
		return err
	}
	said := "rejected"
	if was.Approved {
		said = "approved"
	}
	p := problemAnswered
	p.Detail = fmt.Sprintf("%s was %s by %s at %s.", b.Step.Name, said, was.By, was.At)
	if now.At = was.At; reflect.DeepEqual(was, now) {
		return nil
	}
	return &p
}

// notAwaited says that no step waits for an approval.
func notAwaited(g *txn.Global) error {
	return &txn.IllegalEventError{
		XID: g.XID, Event: "approval", Status: g.Status, Cause: g.Cause, Reason: txn.NotAwaited,
	}
}

// mayApprove refuses who is not among those whom the approval in the path is for: by name or by role. Without such a
// list it takes an operator, or a service.
func (s *Server) mayApprove(c *gin.Context, g *txn.Global) error {
	b := stepOfRun(g, c.Param("step"))
	switch {
	case b == nil:
		return &problemNoStep
	case !b.Approval():
		return notAwaited(g)
	}
	p := access.From(c)
	q, _ := asks(b)
	if len(q.By) == 0 {
		if p.Roles.Has(access.Operator) || p.Roles.Has(access.Service) {
			return nil
		}
		return access.Lacking(access.Operator)
	}
	if p.Kind == access.Developer || slices.ContainsFunc(q.By, func(by string) bool { return isApprover(p, by) }) {
		return nil
	}
	problem := problemNotBy
	problem.Detail = fmt.Sprintf("It is for %q.", q.By)
	return &problem
}

// isApprover reports whether a principal is the person, or has the role, that an approval is for. Where by is a role
// the name does not count: people may choose theirs at the provider.
func isApprover(p *access.Principal, by string) bool {
	for role := access.Viewer; role <= access.Service; role++ {
		if role.String() == by {
			return p.Roles.Has(role)
		}
	}
	return p.Name == by || p.ID == by
}
