package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
	"github.com/concord-tx/concord/web/access"
)

// Runs of sagas: they are begun, listed and looked at here. What is done to them is in sagahands.go.

// sagaStart begins a run.
type sagaStart struct {
	Saga string `json:"saga"`
	// Version is 0 for the newest.
	Version uint32 `json:"version"`
	// Key is the caller's name of the run: however often it is begun with the same key, there is one. It may be missing.
	Key         *string         `json:"key"`
	Input       json.RawMessage `json:"input"`
	Application string          `json:"application"`
	// Timeout is a duration such as 90m, in place of the definition's deadline.
	Timeout string `json:"timeout"`
}

func (b *sagaStart) key() string {
	if b.Key == nil {
		return ""
	}
	return *b.Key
}

// SagaStarted answers a start.
type SagaStarted struct {
	XID     string `json:"xid"`
	Saga    string `json:"saga"`
	Version uint32 `json:"version"`
	Key     string `json:"key,omitempty"`
	Status  string `json:"status"`
	Href    string `json:"href"`
}

// SagaInputProblem is a problem with data that do not fit their schema.
type SagaInputProblem struct {
	Problem
	Findings []validate.Problem `json:"findings"`
}

var (
	problemBadInput = Problem{
		Status: http.StatusUnprocessableEntity, Code: "badInput",
		Title: "The data do not fit the schema of the definition; findings say where.",
	}
	problemKeyTaken = Problem{
		Status: http.StatusConflict, Code: "keyTaken",
		Title: "A run of this saga has the key, and it was begun with another input.",
	}
	problemRunGone = Problem{
		Status: http.StatusConflict, Code: "runGone",
		Title: "The run that had the key has ended, and its record is no longer kept; a key begins one run.",
	}
	problemNoRun = Problem{
		Status: http.StatusNotFound, Code: "sagaRunNotFound",
		Title: "This transaction is no run of a saga; look at it at /api/v1/transactions.",
	}
	problemUnreadable = Problem{
		Status: http.StatusConflict, Code: string(orchestrator.CodeUnreadable),
		Title: "This server cannot read the definition, so that it does not run it.",
	}
)

// runRoutes are those of runs.
func (s *Server) runRoutes(v1 *gin.RouterGroup) {
	v1.POST("/sagas/runs", s.withSagas(s.startRun))
	v1.GET("/sagas/runs", s.listRuns)
	v1.GET("/sagas/runs/:xid", s.showRun)
	v1.POST("/sagas/runs/:xid/signals/:signal", s.withSagas(s.signalRun))
	v1.POST("/sagas/runs/:xid/approvals/:step", s.answerApproval)
	v1.POST("/sagas/runs/:xid/cancel", s.cancelRun)
	v1.POST("/sagas/runs/:xid/retry", s.retryRun)
	v1.POST("/sagas/runs/:xid/resume", s.resumeRun)
	v1.POST("/sagas/runs/:xid/skip", s.skipStep)
}

// startRun answers POST /api/v1/sagas/runs.
func (s *Server) startRun(c *gin.Context, sagas Sagas) {
	var body sagaStart
	err := readBody(c, &body)
	if err == nil {
		err = s.parameters(c).err
	}
	var req orchestrator.SagaRequest
	if err == nil {
		req, err = s.sagaRequest(c, sagas, &body)
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	var g *txn.Global
	fresh := true
	if req.Run.Key == "" {
		g, err = await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.StartSaga(req, done) })
	} else {
		g, fresh, err = s.startKeyed(c, req)
	}
	if err == nil {
		err = allowed(access.From(c.Request.Context()), g.Application, g.Group)
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	s.about(c, g)
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	s.tellStarted(c, status, g)
}

// runPath is the address of a run.
func runPath(g *txn.Global) string {
	var scratch [64]byte
	return string(strconv.AppendInt(append(scratch[:0], v1+"/sagas/runs/"...), g.XID.ID, 10))
}

// sagaRequest checks what a run is begun with. Nothing has happened yet.
func (s *Server) sagaRequest(
	c *gin.Context, sagas Sagas, body *sagaStart,
) (req orchestrator.SagaRequest, err error) {
	switch {
	case body.Saga == "":
		return req, &argumentError{"saga is missing: the name of a published definition"}
	case body.Key != nil && *body.Key == "":
		return req, &argumentError{
			"key is empty, so that each repetition would start another run; leave it out if that is meant",
		}
	case clean(body.key(), keyBytesMax) != body.key():
		return req, &argumentError{fmt.Sprintf("key is longer than %d bytes, or not printable", keyBytesMax)}
	case body.Key != nil && s.o.Documents == nil:
		return req, &argumentError{"this server cannot keep keys"}
	}
	if err := allowed(access.From(c.Request.Context()), body.Application, ""); err != nil {
		return req, err
	}
	version, compiled, err := sagas.Ready(c, body.Saga, body.Version)
	if errors.Is(err, orchestrator.ErrNoDocument) && body.Version != 0 {
		if newest, _, err := sagas.Ready(c, body.Saga, 0); err == nil {
			p := problemNoSaga
			p.Detail = fmt.Sprintf("%s has no version %d; the newest is %d", body.Saga, body.Version, newest)
			return req, &p
		}
	}
	if err != nil {
		return req, err
	}
	input, value, err := readInput(body.Input)
	if err == nil && compiled.Verbatim && input != "" {
		var text bytes.Buffer
		err = json.Compact(&text, body.Input)
		input = text.String()
	}
	if err == nil {
		if err = unfit(inputFindings(compiled, input, value)); err != nil && body.Version == 0 {
			version, err = s.versionOfKey(c, body, input, err)
		}
	}
	timeout := compiled.Deadline
	if err == nil && body.Timeout != "" {
		timeout, err = timeoutOf(body.Timeout)
	}
	if err == nil && timeout == 0 {
		timeout = sagaDeadline
	}
	req = orchestrator.SagaRequest{
		BeginRequest: orchestrator.BeginRequest{
			Application: body.Application, Name: body.Saga, Trace: s.traceOf(c), Data: input, Timeout: timeout,
		},
		Run: txn.SagaRun{Definition: body.Saga, Version: version, Key: body.key()},
	}
	if _, ours := compiled.Planner.(*plan.Program); ours && input != "" {
		plan.KeepInput(&req.Run, value)
	}
	return req, err
}

// sagaDeadline is that of sagas whose language has none and whose caller names none.
const sagaDeadline = 24 * time.Hour

func timeoutOf(text string) (time.Duration, error) {
	d, err := definition.ParseDuration(text)
	if err != nil || d < time.Millisecond || d > limits.DurationMax {
		return 0, &argumentError{fmt.Sprintf("timeout is a duration such as 90m or 2d, at most %s, not %q",
			definition.FormatDuration(limits.DurationMax), text)}
	}
	return d, nil
}

// unfitError says what is wrong with data.
type unfitError struct {
	findings []validate.Problem
	// title says it in a sentence, "" if they do not fit their schema.
	title string
}

// Error counts what is wrong.
func (e *unfitError) Error() string { return fmt.Sprintf("%d problems with the data", len(e.findings)) }

func unfit(findings []validate.Problem) error {
	if len(findings) == 0 {
		return nil
	}
	return &unfitError{findings: findings}
}

// inputText returns a value as expressions read it, written in one way: texts that say the same are the same. Nothing
// and null are "".
func inputText(raw json.RawMessage) (string, error) {
	text, _, err := readInput(raw)
	return text, err
}

// readInput is inputText, and what was read.
func readInput(raw json.RawMessage) (text string, value any, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil, nil
	}
	if len(raw) > limits.PayloadBytesMax {
		return "", nil, unfit([]validate.Problem{{Text: fmt.Sprintf("%d bytes; %d are the most", len(raw),
			limits.PayloadBytesMax)}})
	}
	if value, err = expressions.Decode(raw); err != nil {
		return "", nil, unfit([]validate.Problem{{Text: err.Error()}})
	}
	written, err := expressions.Encode(value)
	if err != nil {
		return "", nil, unfit([]validate.Problem{{Text: err.Error()}})
	}
	return string(written), value, nil
}

// inputFindings says what is wrong with an input, of which value is what was read.
func inputFindings(compiled *catalog.Compiled, input string, value any) []validate.Problem {
	switch {
	case compiled.CheckInput == nil:
		return nil
	case compiled.CheckValue != nil && len(input) <= limits.PayloadBytesMax:
		return compiled.CheckValue(value)
	}
	return compiled.CheckInput([]byte(cmp.Or(input, "null")))
}

// hashText is a short name of a long text.
func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// failRun answers what an error about runs means.
func (s *Server) failRun(c *gin.Context, err error) {
	var unfit *unfitError
	var taken *keyTakenError
	var gone *runGoneError
	switch {
	case errors.As(err, &unfit):
		problem := SagaInputProblem{Problem: problemBadInput, Findings: unfit.findings}
		problem.Title = cmp.Or(unfit.title, problem.Title)
		s.complete(c, &problem.Problem)
		c.AbortWithStatusJSON(problem.Status, problem)
	case errors.As(err, &taken):
		p := problemKeyTaken
		p.Detail = taken.Error()
		s.refuse(c, p)
	case errors.As(err, &gone):
		p := problemRunGone
		p.Detail = gone.Error()
		s.refuse(c, p)
	case errors.Is(err, orchestrator.ErrUnreadable):
		p := problemUnreadable
		p.Detail = err.Error()
		s.refuse(c, p)
	default:
		s.failSaga(c, err)
	}
}

// run reads the run in the path.
func (s *Server) run(c *gin.Context) (*txn.Global, error) {
	id, err := xidOf(c.Param("xid"))
	if err != nil {
		return nil, err
	}
	g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(id, done) })
	if err == nil && g.Saga == nil {
		return nil, &problemNoRun
	}
	return g, err
}

// showRun answers GET /api/v1/sagas/runs/{xid}.
func (s *Server) showRun(c *gin.Context) {
	g, err := s.run(c)
	if wrong := s.parameters(c).err; wrong != nil {
		err = wrong
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	s.tellRun(c, http.StatusOK, g)
}

// tellRun answers with a run.
func (s *Server) tellRun(c *gin.Context, status int, g *txn.Global) {
	s.about(c, g)
	view := viewRun(g, s.o.Clock.Now())
	view.Actions = s.runActions(c, g)
	s.markUnread(c, g, &view)
	s.nameStates(c, g, &view)
	if m := s.maskFor(c); m != nil {
		m.run(&view)
	}
	c.JSON(status, view)
}

// runPages bounds the pages of the store that one page of runs is gathered from: between them may be many transactions
// that are no sagas.
const runPages = 8

// listRuns answers GET /api/v1/sagas/runs.
func (s *Server) listRuns(c *gin.Context) {
	p := s.parameters(c, "saga", "key", "status", "stuck", "live", "late", "application", "from", "to", "cursor", "limit")
	q := orchestrator.Query{
		Sagas: true, Name: p.text("saga"), Live: p.boolean("live"), Stuck: p.boolean("stuck"),
		Application: p.text("application"), BeganFrom: p.time("from"), BeganTo: p.time("to"),
		Limit: cmp.Or(p.limit(), orchestrator.PageItemsDefault), Cursor: p.text("cursor"),
	}
	if name := p.text("status"); name != "" {
		q.Status = p.status(name)
	}
	key, late := p.text("key"), p.boolean("late")
	if key != "" && q.Name == "" {
		p.fail("a key is one of a saga: name it with the parameter saga")
	}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	out, err := Page[SagaRunItem]{Items: []SagaRunItem{}}, error(nil)
	if key != "" {
		err = s.runOfKey(c, &out, q, key, late)
	} else {
		err = s.gatherRuns(c, &out, q, late)
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	s.markUnreadItems(c, out.Items)
	c.JSON(http.StatusOK, out)
}

// gatherRuns reads pages until there are enough runs. Which are late changes with the time, so that no store has an
// index for it: they are looked for here.
func (s *Server) gatherRuns(ctx context.Context, out *Page[SagaRunItem], q orchestrator.Query, late bool) error {
	most, now := q.Limit, s.o.Clock.Now()
	for range runPages {
		q.Limit = most - len(out.Items)
		page, err := s.o.Coordinator.List(ctx, q)
		if err != nil {
			return err
		}
		for _, g := range page.Items {
			if g.Saga == nil {
				continue
			}
			if item := viewRunItem(g, now); item.Late || !late {
				out.Items = append(out.Items, item)
			}
		}
		q.Cursor, out.Next = page.Next, page.Next
		if page.Next == "" || len(out.Items) >= most {
			return nil
		}
	}
	return nil
}

// runOfKey finds the one run that has a key, if it is in the list.
func (s *Server) runOfKey(
	ctx context.Context, out *Page[SagaRunItem], q orchestrator.Query, key string, late bool,
) error {
	known, _, err := s.keyOfRun(ctx, q.Name, key)
	if err != nil || known == nil {
		return err
	}
	g, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(known.ID, done) })
	switch {
	case errors.Is(err, orchestrator.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if (q.Status == 0 || q.Status == g.Status) && (!q.Live || !g.Status.Ended()) && (!q.Stuck || g.Stuck != 0) &&
		(q.Application == "" || q.Application == g.Application) && g.BeganAt >= q.BeganFrom &&
		(q.BeganTo == 0 || g.BeganAt < q.BeganTo) {
		if item := viewRunItem(g, s.o.Clock.Now()); item.Late || !late {
			out.Items = append(out.Items, item)
		}
	}
	return nil
}
