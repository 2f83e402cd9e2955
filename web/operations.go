package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// What people do to transactions: first a plan, then the operation, which is carried out only if its plan is still the
// one that was shown.

// operationBody names an operation. Digest and Reason are not part of the request for a plan.
type operationBody struct {
	Action string `json:"action"`
	// Branch is the id of the branch that is meant; "" is the whole transaction.
	Branch string `json:"branch"`
	// Digest is that of the plan, Reason why it is done; both are needed.
	Digest string `json:"digest"`
	Reason string `json:"reason"`
}

// planBody asks for a plan.
type planBody struct {
	Action string `json:"action"`
	Branch string `json:"branch"`
}

// PlanView is how a plan looks.
type PlanView struct {
	XID    string `json:"xid"`
	Action string `json:"action"`
	Branch string `json:"branch,omitempty"`
	// Status is the present one, ResultingStatus the one when all calls have succeeded.
	Status          string `json:"status"`
	ResultingStatus string `json:"resultingStatus"`
	// Decides is the outcome that is decided by the operation; absent if none is.
	Decides   string           `json:"decides,omitempty"`
	Heuristic bool             `json:"heuristic"`
	Calls     []PlannedCall    `json:"calls"`
	Frees     []PlannedRelease `json:"frees"`
	Messages  []PlannedMessage `json:"messages"`
	// Leaves are the branches whose phase two is not done and will not be tried.
	Leaves []string `json:"leaves"`
	// Digest is what the operation has to be asked for with.
	Digest string `json:"digest"`
}

// PlannedCall is a branch that is asked to do its phase two.
type PlannedCall struct {
	Branch    string `json:"branch"`
	Kind      string `json:"kind"`
	Operation string `json:"operation"`
	Resource  string `json:"resource"`
	URL       string `json:"url,omitempty"`
}

// PlannedRelease is a number of rows that are unlocked, at once or when the calls have succeeded.
type PlannedRelease struct {
	Branch   string `json:"branch"`
	Resource string `json:"resource"`
	Rows     int    `json:"rows"`
	AtOnce   bool   `json:"atOnce"`
}

// PlannedMessage is a message that is published.
type PlannedMessage struct {
	Topic string `json:"topic"`
	// About is decision, heuristic or branch.
	About  string `json:"about"`
	Branch string `json:"branch,omitempty"`
}

// operation reads what is meant.
func operationOf(action, branch string) (op txn.Operation, err error) {
	var ok bool
	if op.Action, ok = txn.ParseAction(action); !ok {
		return op, &argumentError{fmt.Sprintf("action is commit, rollback, retry, skip, release or finish, not %q", action)}
	}
	if branch != "" {
		if op.BranchID, err = strconv.ParseInt(branch, 10, 64); err != nil || op.BranchID == 0 {
			return op, &argumentError{fmt.Sprintf("branch: %q is not the id of a branch", branch)}
		}
	}
	switch {
	case op.Action == txn.ActionSkip && branch == "":
		return op, &argumentError{"skip needs a branch"}
	case (op.Action <= txn.ActionRollback || op.Action == txn.ActionFinish) && branch != "":
		return op, &argumentError{op.Action.String() + " is of the whole transaction, not of a branch"}
	}
	return op, nil
}

// planOperation answers POST /api/v1/transactions/{xid}/plan. It changes nothing.
func (s *Server) planOperation(c *gin.Context) {
	id, err := xidOf(c.Param("xid"))
	var body planBody
	if err == nil {
		err = readBody(c, &body)
	}
	var op txn.Operation
	if err == nil {
		op, err = operationOf(body.Action, body.Branch)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	plan, err := await(c, func(done func(txn.Plan, error)) { s.o.Coordinator.Plan(id, op, done) })
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, s.viewPlan(plan))
}

// operate answers POST /api/v1/transactions/{xid}/operations.
func (s *Server) operate(c *gin.Context) {
	id, err := xidOf(c.Param("xid"))
	var body operationBody
	if err == nil {
		err = readBody(c, &body)
	}
	var op txn.Operation
	if err == nil {
		op, err = operationOf(body.Action, body.Branch)
	}
	switch {
	case err != nil:
	case body.Digest == "":
		err = &argumentError{"digest is missing: ask for the plan first"}
	case clean(body.Reason, reasonBytesMax) == "":
		err = &argumentError{fmt.Sprintf("reason is missing, longer than %d bytes, or not printable", reasonBytesMax)}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if op.Action.Heuristic() {
		if err := must(c, access.Resolver); err != nil {
			s.fail(c, err)
			return
		}
	}
	if s.fourEyes(op.Action.String()) {
		s.askToOperate(c, id, op, &body)
		return
	}
	who := operator{name: actorOf(c), reason: clean(body.Reason, reasonBytesMax)}
	g, err := s.carryOutOperation(c, who, id, op, body.Digest)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.about(c, g)
	c.JSON(http.StatusOK, detailFor(s.maskFor(c), g, s.o.Clock.Now()))
}

// operator is who asks for an operation, and why.
type operator struct{ name, reason string }

// carryOutOperation does what an operator asks for.
func (s *Server) carryOutOperation(
	ctx context.Context, who operator, id int64, op txn.Operation, digest string,
) (*txn.Global, error) {
	actor := who.name + ": " + who.reason
	req := orchestrator.OperateRequest{ID: id, Operation: op, Digest: digest, Actor: actor, NoticeTopic: s.o.NoticeTopic}
	if s.o.Notice != nil {
		req.Notice = func(g *txn.Global, id int64) string { return s.o.Notice(g, op, id, actor) }
	}
	if op.Action == txn.ActionSkip {
		s.withdraw(id, op.BranchID)
	}
	g, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Operate(req, done) })
	if err == nil {
		s.o.Logger.InfoContext(ctx, "operator acted", "xid", g.XID.String(), "action", op.Action.String(), "actor", actor)
	}
	return g, err
}

func (s *Server) viewPlan(p txn.Plan) PlanView {
	v := PlanView{
		XID: p.XID.String(), Action: p.Operation.Action.String(), Status: p.Before.String(),
		ResultingStatus: p.After.String(), Heuristic: p.Heuristic, Calls: []PlannedCall{}, Frees: []PlannedRelease{},
		Messages: []PlannedMessage{}, Leaves: []string{}, Digest: orchestrator.PlanDigest(p),
	}
	if p.Operation.BranchID != 0 {
		v.Branch = decimal(p.Operation.BranchID)
	}
	if p.Decides != 0 {
		v.Decides = p.Decides.String()
		if s.o.DecisionTopic != nil {
			v.Messages = append(v.Messages, PlannedMessage{Topic: s.o.DecisionTopic(p.Decides), About: "decision"})
		}
	}
	for _, call := range p.Calls {
		if call.Kind == txn.Topic {
			v.Messages = append(v.Messages, PlannedMessage{
				Topic: call.Resource, About: "branch", Branch: decimal(call.BranchID),
			})
			continue
		}
		v.Calls = append(v.Calls, PlannedCall{
			Branch: decimal(call.BranchID), Kind: call.Kind.String(), Operation: call.Op.String(),
			Resource: call.Resource, URL: call.URL,
		})
	}
	for _, f := range p.Frees {
		v.Frees = append(v.Frees, PlannedRelease{
			Branch: decimal(f.BranchID), Resource: f.Resource, Rows: f.Rows, AtOnce: f.Now,
		})
	}
	if p.Heuristic && s.o.NoticeTopic != "" && p.Before != txn.Active {
		v.Messages = append(v.Messages, PlannedMessage{Topic: s.o.NoticeTopic, About: "heuristic"})
	}
	for _, id := range p.Leaves {
		v.Leaves = append(v.Leaves, decimal(id))
	}
	return v
}
