package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// What services call to run a transaction: begin, branches, reports, commit and rollback.

// beginBody is the body of a begin.
type beginBody struct {
	Application string          `json:"application"`
	Group       string          `json:"group"`
	Name        string          `json:"name"`
	TimeoutMs   int64           `json:"timeoutMs"`
	Data        json.RawMessage `json:"data"`
	// Branches join at once, in the same durable write.
	Branches []branchBody `json:"branches"`
}

// timeoutDefault is the timeout of a transaction that asks for none, as Seata's clients have it.
const timeoutDefault = time.Minute

// beginTransaction answers POST /api/v1/transactions.
func (s *Server) beginTransaction(c *gin.Context) {
	var body beginBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	req, err := s.beginRequest(c, &body)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.start(c, req)
}

// start begins a transaction and answers 201.
func (s *Server) start(c *gin.Context, req orchestrator.BeginRequest) {
	g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Start(req, done) })
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Location", "/api/v1/transactions/"+decimal(g.XID.ID))
	s.tell(c, http.StatusCreated, g)
}

// beginRequest checks the body of a begin and makes what the runtime wants.
func (s *Server) beginRequest(c *gin.Context, body *beginBody) (req orchestrator.BeginRequest, err error) {
	if body.TimeoutMs < 0 {
		return req, &argumentError{"timeoutMs is a positive number"}
	}
	if err := allowed(access.From(c), body.Application, body.Group); err != nil {
		return req, err
	}
	req = orchestrator.BeginRequest{
		Application: body.Application, Group: body.Group, Name: body.Name, Trace: s.traceOf(c),
		Data: payloadText(body.Data), Timeout: cmp.Or(millis(body.TimeoutMs), timeoutDefault),
	}
	req.Branches, err = s.registrations(body.Branches, clientOf(c))
	return req, err
}

// clientOf names who registers a branch: the principal and its address.
func clientOf(c *gin.Context) string { return actorOf(c) + ":" + c.ClientIP() }

// registerBranch answers POST /api/v1/transactions/{xid}/branches.
func (s *Server) registerBranch(c *gin.Context) {
	id, err := xidOf(c.Param("xid"))
	var body branchBody
	if err == nil {
		err = readBody(c, &body)
	}
	if body.Key == "" {
		body.Key = clean(c.GetHeader(idempotencyHeader), keyBytesMax)
	}
	var req orchestrator.RegisterRequest
	if err == nil {
		req, err = s.registration(&body, clientOf(c))
		req.Trace = s.traceOf(c)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := await(c, func(done func(*txn.Global, error)) {
		s.o.Coordinator.Enlist(id, []orchestrator.RegisterRequest{req}, done)
	})
	if err != nil {
		s.fail(c, err)
		return
	}
	s.about(c, g)
	b := g.Branches[len(g.Branches)-1] // the one that was added last, unless the key was known
	for _, known := range g.Branches {
		if req.Key != "" && known.Key == req.Key {
			b = known
		}
	}
	c.JSON(http.StatusCreated, viewBranch(b, s.o.Clock.Now()))
}

// decideBody is the body of a commit or rollback. All fields may be missing, and the body too.
type decideBody struct {
	// WaitMs is how long to wait for the end, from 0 to waitMax; absent means waitDefault.
	WaitMs *int64 `json:"waitMs"`
}

// decide answers POST /api/v1/transactions/{xid}/commit and rollback.
func (s *Server) decide(outcome txn.Outcome) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := xidOf(c.Param("xid"))
		var body decideBody
		if err == nil {
			err = readBody(c, &body)
		}
		wait := waitDefault
		if err == nil && body.WaitMs != nil {
			wait, err = waitOf(*body.WaitMs)
		}
		if err != nil {
			s.fail(c, err)
			return
		}
		s.decideAndWait(c, id, outcome, wait)
	}
}

func waitOf(ms int64) (time.Duration, error) {
	if ms < 0 || ms > waitMax.Milliseconds() {
		return 0, &argumentError{fmt.Sprintf("waitMs is a number from 0 to %d", waitMax.Milliseconds())}
	}
	return millis(ms), nil
}

// decideAndWait decides, waits for the end as long as asked for, and answers with one of three: 200 done, 202 still
// going on, or 409 because the other outcome is decided.
func (s *Server) decideAndWait(c *gin.Context, id int64, outcome txn.Outcome, wait time.Duration) {
	req := orchestrator.DecideRequest{ID: id, Outcome: outcome, Cause: txn.CauseRequested, NoWait: wait == 0}
	answered := make(chan result[*txn.Global], 1)
	s.o.Coordinator.Decide(req, func(g *txn.Global, err error) { answered <- result[*txn.Global]{g, err} })
	r, late := within(c, answered, cmp.Or(wait, answerWait))
	if late { // the decision is made or on its way; what is known now is told
		r.value, r.err = await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
	}
	if r.err != nil {
		s.fail(c, r.err)
		return
	}
	g := r.value
	s.about(c, g)
	switch {
	case g.Status == txn.Active:
		s.fail(c, context.DeadlineExceeded) // the decision itself takes longer than the client wanted to wait
	case g.Status.Outcome() != outcome:
		s.fail(c, &txn.IllegalEventError{
			XID: g.XID, Event: outcome.String(), Status: g.Status, Cause: g.Cause, Reason: txn.OtherOutcome,
		})
	case g.Status.Ended() || g.Status == txn.Committing && g.AnswersCommit():
		s.tell(c, http.StatusOK, g)
	default:
		s.tell(c, http.StatusAccepted, g)
	}
}

// reportBody is the body of a report.
type reportBody struct {
	State   string `json:"state"`
	Message string `json:"message"`
}

// problemNoReport answers a report that nobody waits for.
var problemNoReport = Problem{
	Status: http.StatusConflict, Code: "reportNotExpected",
	Title: "Only a branch of kind topic with ack report is reported here.",
}

// reportBranch answers POST /api/v1/transactions/{xid}/branches/{branch}/report.
func (s *Server) reportBranch(c *gin.Context) {
	id, branch, err := branchParam(c)
	var body reportBody
	if err == nil {
		err = readBody(c, &body)
	}
	results := map[string]txn.Result{
		"done": txn.ResultDone, "failed": txn.ResultFailed, "refused": txn.ResultRefused,
	}
	result, ok := results[body.State]
	if err == nil && !ok {
		err = &argumentError{fmt.Sprintf("state is done, failed or refused, not %q", body.State)}
	}
	if err == nil && body.Message != "" && clean(body.Message, messageBytesMax) == "" {
		err = &argumentError{fmt.Sprintf("message is longer than %d bytes, or not printable", messageBytesMax)}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
	if err != nil {
		s.fail(c, err)
		return
	}
	s.about(c, g)
	b, _ := g.Branch(branch)
	switch {
	case b == nil:
		s.fail(c, &txn.IllegalEventError{XID: g.XID, Event: "report", Status: g.Status, Reason: txn.NoSuchBranch})
	case b.Ack != txn.AckReport:
		s.refuse(c, problemNoReport)
	case !g.Status.Decided():
		s.fail(c, &txn.IllegalEventError{XID: g.XID, Event: "report", Status: g.Status, Reason: txn.NotDecided})
	default:
		s.o.Coordinator.Reply(id, txn.Reply{BranchID: branch, Op: txn.Commit, Result: result, Text: body.Message})
		c.JSON(http.StatusAccepted, gin.H{})
	}
}

// branchParam reads the transaction and the branch in a path.
func branchParam(c *gin.Context) (id, branch int64, err error) {
	if id, err = xidOf(c.Param("xid")); err != nil {
		return 0, 0, err
	}
	if branch, err = strconv.ParseInt(c.Param("branch"), 10, 64); err != nil {
		return 0, 0, &argumentError{fmt.Sprintf("%q is not the id of a branch", c.Param("branch"))}
	}
	return id, branch, nil
}
