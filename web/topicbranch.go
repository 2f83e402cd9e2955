package web

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// What is needed to use branches of kind topic over HTTP.

// beginBody is the body of a begin.
type beginBody struct {
	Application   string `json:"application"`
	Group         string `json:"group"`
	Name          string `json:"name"`
	TimeoutMillis int64  `json:"timeoutMillis"`
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
	trace := c.GetHeader("traceparent")
	if !txn.ValidTrace(trace) {
		trace = "" // as W3C Trace Context asks for: a header that is not understood is passed over
	}
	if body.TimeoutMillis < 0 || body.TimeoutMillis > time.Duration(1<<62).Milliseconds() {
		s.fail(c, &argumentError{"timeoutMillis is a positive number"})
		return
	}
	req := orchestrator.BeginRequest{
		Application: body.Application, Group: body.Group, Name: body.Name, Trace: trace,
		Timeout: orDefault(time.Duration(body.TimeoutMillis)*time.Millisecond, timeoutDefault),
	}
	xid, err := await(c, func(done func(txn.XID, error)) { s.o.Coordinator.Begin(req, done) })
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(xid.ID, done) })
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Location", "/api/v1/transactions/"+decimal(xid.ID))
	c.JSON(http.StatusCreated, viewDetail(g, s.o.Clock.Now()))
}

// branchBody is the body of a registration.
type branchBody struct {
	Kind    string `json:"kind"`
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	Ack     string `json:"ack"`
}

// registerBranch answers POST /api/v1/transactions/{xid}/branches.
func (s *Server) registerBranch(c *gin.Context) {
	id, err := xidOf(c.Param("xid"))
	if err != nil {
		s.fail(c, err)
		return
	}
	var body branchBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	ack, ok := txn.ParseAck(orDefault(body.Ack, txn.AckBroker.String()))
	switch {
	case body.Kind != "topic":
		err = &argumentError{fmt.Sprintf("kind is topic, not %q", body.Kind)}
	case !ok:
		err = &argumentError{fmt.Sprintf("ack is broker or report, not %q", body.Ack)}
	case body.Topic == "":
		err = &argumentError{"topic is missing"}
	case s.o.CheckTopic != nil:
		if wrong := s.o.CheckTopic(body.Topic); wrong != nil {
			err = &argumentError{wrong.Error()}
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	branch, err := await(c, func(done func(int64, error)) {
		s.o.Coordinator.Register(orchestrator.RegisterRequest{
			ID: id, Kind: txn.Topic, Ack: ack, Resource: body.Topic, Client: actorOf(c), Data: body.Payload,
		}, done)
	})
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
	if err != nil {
		s.fail(c, err)
		return
	}
	b, _ := g.Branch(branch)
	if b == nil {
		s.fail(c, orchestrator.ErrConflict)
		return
	}
	c.JSON(http.StatusCreated, viewBranch(b, s.o.Clock.Now()))
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
	id, err := xidOf(c.Param("xid"))
	branch, wrong := strconv.ParseInt(c.Param("branch"), 10, 64)
	if err == nil && wrong != nil {
		err = &argumentError{fmt.Sprintf("%q is not the id of a branch", c.Param("branch"))}
	}
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
	if err == nil && body.Message != "" && clean(body.Message, 256) == "" {
		err = &argumentError{"message is longer than 256 bytes, or not printable"}
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
