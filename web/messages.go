package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// A two-phase message: the sender prepares it, does its own local transaction, and submits or withdraws. If it does
// neither until the deadline, the coordinator asks its check URL. It is a transaction whose branches are deliveries.

// messageBody is the body of a prepare.
type messageBody struct {
	Application string          `json:"application"`
	Group       string          `json:"group"`
	Name        string          `json:"name"`
	TimeoutMs   int64           `json:"timeoutMs"`
	Data        json.RawMessage `json:"data"`
	// Check says whom to ask.
	Check checkBody `json:"check"`
	// Deliveries say where it goes on submit.
	Deliveries []deliveryBody `json:"deliveries"`
}

// checkBody says whom to ask when the sender is silent, and how.
type checkBody struct {
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	TimeoutMs int64             `json:"timeoutMs"`
	Retry     retryBody         `json:"retry"`
}

// deliveryBody is one destination of a message: a URL or a topic.
type deliveryBody struct {
	URL       string            `json:"url"`
	Topic     string            `json:"topic"`
	Ack       string            `json:"ack"`
	Payload   json.RawMessage   `json:"payload"`
	Headers   map[string]string `json:"headers"`
	TimeoutMs int64             `json:"timeoutMs"`
	Retry     retryBody         `json:"retry"`
	Key       string            `json:"key"`
}

// messageTimeoutDefault is how long a sender may be silent before it is asked.
const messageTimeoutDefault = 10 * time.Second

// prepareMessage answers POST /api/v1/messages.
func (s *Server) prepareMessage(c *gin.Context) {
	var body messageBody
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	begin := beginBody{
		Application: body.Application, Group: body.Group, Name: body.Name, Data: body.Data,
		TimeoutMs: cmp.Or(body.TimeoutMs, messageTimeoutDefault.Milliseconds()),
	}
	for _, d := range body.Deliveries {
		begin.Branches = append(begin.Branches, d.branch())
	}
	check, err := s.checkBranch(&body.Check, clientOf(c))
	if err == nil && len(body.Deliveries) == 0 {
		err = &argumentError{"deliveries is empty: a message goes to at least one url or topic"}
	}
	var req orchestrator.BeginRequest
	if err == nil {
		req, err = s.beginRequest(c, &begin)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	req.Branches = append([]orchestrator.RegisterRequest{check}, req.Branches...)
	s.start(c, req)
}

// branch is a delivery as a branch.
func (d *deliveryBody) branch() branchBody {
	b := branchBody{
		Topic: d.Topic, Ack: d.Ack, CommitURL: d.URL, Payload: d.Payload, Headers: d.Headers, TimeoutMs: d.TimeoutMs,
		Retry: d.Retry, Key: d.Key, Kind: "http",
	}
	if d.Topic != "" {
		b.Kind = "topic"
	}
	return b
}

// checkBranch makes the branch that says whom to ask.
func (s *Server) checkBranch(b *checkBody, client string) (r orchestrator.RegisterRequest, err error) {
	if b.URL == "" {
		return r, &argumentError{"check.url is missing: without it nobody could tell what became of a silent sender"}
	}
	body := branchBody{Headers: b.Headers, TimeoutMs: b.TimeoutMs, Retry: b.Retry}
	call, err := s.call(&body, named{"check.url", b.URL}, named{})
	if err != nil {
		return r, err
	}
	return orchestrator.RegisterRequest{
		Kind: txn.Check, Resource: resourceOf(call), Client: client, Call: call,
	}, nil
}

// problemNoMessage answers a submit or withdrawal of a transaction that is no message.
var problemNoMessage = Problem{
	Status: http.StatusConflict, Code: "notAMessage",
	Title: "This transaction is not a two-phase message; commit it or roll it back.",
}

// settleMessage answers POST /api/v1/messages/{xid}/submit and withdraw. It does not wait for the deliveries.
func (s *Server) settleMessage(outcome txn.Outcome) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := xidOf(c.Param("xid"))
		if err == nil {
			err = readBody(c, &struct{}{})
		}
		if err != nil {
			s.fail(c, err)
			return
		}
		g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
		switch {
		case err != nil:
			s.fail(c, err)
		case !g.Checked():
			s.refuse(c, problemNoMessage)
		default:
			s.decideAndWait(c, id, outcome, 0)
		}
	}
}
