package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// What people and programs do to runs of sagas. All of it is by the operations that all transactions have, or by the
// signals of sagas; steps are called by their names here.

var problemNoStep = Problem{
	Status: http.StatusNotFound, Code: string(orchestrator.CodeBranchNotFound),
	Title: "The run has no such step, or it has not begun.",
}

// sagaSignal is what a step waits for.
type sagaSignal struct {
	Data json.RawMessage `json:"data"`
	// Step is needed if several wait for a signal of this name.
	Step string `json:"step"`
}

// signalRun answers POST /api/v1/sagas/runs/{xid}/signals/{signal}.
func (s *Server) signalRun(c *gin.Context, sagas Sagas) {
	g, err := s.run(c)
	var body sagaSignal
	if err == nil {
		err = readBody(c, &body)
	}
	var data string
	if err == nil {
		data, err = inputText(body.Data)
	}
	name := c.Param("signal")
	if err == nil {
		err = s.checkSignal(c, sagas, g, name, &body, data)
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	s.signal(c, g, txn.Signal{Name: name, Step: stepName(g, body.Step), Data: data, Actor: actorOf(c)})
}

// checkSignal compares the data of a signal with the schema of the step that waits for it.
func (s *Server) checkSignal(
	ctx context.Context, sagas Sagas, g *txn.Global, name string, body *sagaSignal, data string,
) error {
	if g.Status.Ended() {
		return nil // it is refused
	}
	_, compiled, err := sagas.Ready(ctx, g.Saga.Definition, g.Saga.Version)
	if err != nil || compiled.CheckSignal == nil {
		return err
	}
	step := stepName(g, body.Step)
	for _, b := range g.Branches {
		if b.Kind != txn.StepSignal || b.Approval() || b.Resource != name || b.State != txn.Registered ||
			step != "" && b.Step.Name != step {
			continue
		}
		if data == "" {
			data = "null"
		}
		return unfit(compiled.CheckSignal(b.Step.Name, []byte(data)))
	}
	return nil
}

// stepName is the name of the step that is meant by its name, or by the id of its branch.
func stepName(g *txn.Global, step string) string {
	if b := stepOfRun(g, step); b != nil {
		return b.Step.Name
	}
	return step
}

// stepOfRun finds the branch of a step by its name or its number, nil if there is none.
func stepOfRun(g *txn.Global, step string) *txn.Branch {
	for _, b := range g.Branches {
		if b.Step != nil && step != "" && (b.Step.Name == step || decimal(b.ID) == step) {
			return b
		}
	}
	return nil
}

// signal gives a signal and answers with the run.
func (s *Server) signal(c *gin.Context, g *txn.Global, ev txn.Signal) {
	g, err := await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Signal(g.XID.ID, ev, done) })
	if err != nil {
		s.failRun(c, err)
		return
	}
	s.tellRun(c, http.StatusOK, g)
}

// sagaCancel undoes what has run.
type sagaCancel struct {
	Reason string `json:"reason"`
}

// cancelRun answers POST /api/v1/sagas/runs/{xid}/cancel.
func (s *Server) cancelRun(c *gin.Context) {
	g, err := s.run(c)
	var body sagaCancel
	if err == nil {
		err = readBody(c, &body)
	}
	if err == nil {
		err = reasonProblem(body.Reason)
	}
	if err == nil {
		req := orchestrator.DecideRequest{
			ID: g.XID.ID, Outcome: txn.Rollback, Cause: txn.CauseRequested, NoWait: true,
			Actor: actorOf(c) + ": " + clean(body.Reason, reasonBytesMax),
		}
		g, err = await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Decide(req, done) })
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	s.tellRun(c, http.StatusOK, g)
}

func reasonProblem(reason string) error {
	if clean(reason, reasonBytesMax) == "" {
		return &argumentError{fmt.Sprintf("reason is missing, longer than %d bytes, or not printable", reasonBytesMax)}
	}
	return nil
}

// sagaRetry tries a step again, or all that there is to be tried.
type sagaRetry struct {
	Step string `json:"step"`
}

// retryRun answers POST /api/v1/sagas/runs/{xid}/retry.
func (s *Server) retryRun(c *gin.Context) {
	var body sagaRetry
	if err := readBody(c, &body); err != nil {
		s.failRun(c, err)
		return
	}
	s.tryAgain(c, body.Step, "")
}

// resumeRun answers POST /api/v1/sagas/runs/{xid}/resume: the run goes on from what has failed. It is a retry of the
// whole, by the name that people know.
func (s *Server) resumeRun(c *gin.Context) {
	var body struct{}
	if err := readBody(c, &body); err != nil {
		s.failRun(c, err)
		return
	}
	s.tryAgain(c, "", "resume")
}

func (s *Server) tryAgain(c *gin.Context, step, why string) {
	g, err := s.run(c)
	op := txn.Operation{Action: txn.ActionRetry}
	if b := (*txn.Branch)(nil); err == nil && step != "" {
		if b = stepOfRun(g, step); b == nil {
			err = &problemNoStep
		} else {
			op.BranchID = b.ID
		}
	}
	if err == nil {
		actor := actorOf(c)
		if why != "" {
			actor += ": " + why
		}
		req := orchestrator.OperateRequest{ID: g.XID.ID, Operation: op, Actor: actor}
		g, err = await(c, func(done func(*txn.Global, error)) { s.o.Coordinator.Operate(req, done) })
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	s.tellRun(c, http.StatusOK, g)
}

// sagaSkip has a step count as done, or as undone. Without a step the whole run that is stuck behind its pivot counts
// as done.
type sagaSkip struct {
	Step   string          `json:"step"`
	Result json.RawMessage `json:"result"`
	Reason string          `json:"reason"`
}

// skipStep answers POST /api/v1/sagas/runs/{xid}/skip.
func (s *Server) skipStep(c *gin.Context) {
	g, err := s.run(c)
	var body sagaSkip
	if err == nil {
		err = readBody(c, &body)
	}
	if err == nil {
		err = reasonProblem(body.Reason)
	}
	var op txn.Operation
	if err == nil {
		op, err = skipOf(g, &body)
	}
	if err == nil && op.Action == txn.ActionSkip && g.Status == txn.Active {
		err = s.checkSkip(c, g, op)
	}
	if err != nil {
		s.failRun(c, err)
		return
	}
	s.withdraw(g.XID.ID, op.BranchID)
	if s.fourEyes(op.Action.String()) {
		plan, err := await(c, func(done func(txn.Plan, error)) { s.o.Coordinator.Plan(g.XID.ID, op, done) })
		if err != nil {
			s.failRun(c, err)
			return
		}
		s.askToOperate(c, g.XID.ID, op, &operationBody{Digest: orchestrator.PlanDigest(plan), Reason: body.Reason})
		return
	}
	who := operator{name: actorOf(c), reason: clean(body.Reason, reasonBytesMax)}
	if g, err = s.carryOutOperation(c, who, g.XID.ID, op, ""); err != nil {
		s.failRun(c, err)
		return
	}
	s.tellRun(c, http.StatusOK, g)
}

// skipOf reads what is skipped: a step of a run that is not decided gets the result, a compensation has none. That a
// run has ended is said by the rules.
func skipOf(g *txn.Global, body *sagaSkip) (op txn.Operation, err error) {
	result, err := inputText(body.Result)
	undoing := g.Status.Decided() && !g.Status.Ended()
	switch {
	case err != nil:
		return op, err
	case result != "" && undoing:
		return op, unfit([]validate.Problem{{Text: "a compensation has no result"}})
	case body.Step == "" && undoing:
		return op, &argumentError{"step is missing: the one whose compensation counts as done"}
	case body.Step == "":
		return txn.Operation{Action: txn.ActionFinish, Result: result}, nil
	}
	b := stepOfRun(g, body.Step)
	if b == nil {
		return op, &problemNoStep
	}
	return txn.Operation{Action: txn.ActionSkip, BranchID: b.ID, Result: result}, nil
}

// checkSkip refuses a result with which the run could not go on. Whether the step may be skipped at all is said by the
// rules.
func (s *Server) checkSkip(ctx context.Context, g *txn.Global, op txn.Operation) error {
	b, _ := g.Branch(op.BranchID)
	if s.o.Sagas == nil || b.State == txn.PhaseOneDone {
		return nil
	}
	_, compiled, err := s.o.Sagas.Ready(ctx, g.Saga.Definition, g.Saga.Version)
	if err != nil {
		return err
	}
	program, ours := compiled.Planner.(*plan.Program)
	if !ours {
		return nil
	}
	if err := program.CheckSkip(g, b, op.Result, s.o.Clock.Now()); err != nil {
		return &unfitError{title: unfitResult, findings: []validate.Problem{{Text: err.Error()}}}
	}
	return nil
}

// unfitResult says that a step cannot be skipped so.
const unfitResult = "The run could not go on with this result; findings say why. Nothing was changed."

// stepsTried bounds the steps of which is looked at whether they could be skipped.
const stepsTried = 5

// runActions lists what the rules allow now.
func (s *Server) runActions(ctx context.Context, g *txn.Global) []string {
	out := []string{}
	if g.Status.Ended() {
		return out
	}
	may := func(op txn.Operation) bool {
		_, err := await(ctx, func(done func(struct{}, error)) {
			s.o.Coordinator.Allowed(g.XID.ID, op, func(err error) { done(struct{}{}, err) })
		})
		return err == nil
	}
	if g.Status == txn.Active && may(txn.Operation{Action: txn.ActionRollback}) {
		out = append(out, "cancel")
	}
	if may(txn.Operation{Action: txn.ActionRetry}) {
		out = append(out, "retry")
		if g.Stuck != 0 {
			out = append(out, "resume")
		}
	}
	skip, tried := g.Stuck == txn.StuckRefused && may(txn.Operation{Action: txn.ActionFinish}), 0
	signal, approve := false, false
	for _, b := range g.Branches {
		if b.Step == nil {
			continue
		}
		if w, waits := viewWait(g, b); waits {
			signal, approve = signal || w.Kind == "signal", approve || w.Kind == "approval"
		}
		open := b.NeedsPhaseTwo() && b.State != txn.PhaseOneDone || b.State == txn.PhaseOneFailed || g.Status != txn.Active
		if open && !skip && tried < stepsTried {
			tried++
			skip = s.unclaimed(g, b.ID) || may(txn.Operation{Action: txn.ActionSkip, BranchID: b.ID})
		}
	}
	for name, allowed := range map[string]bool{"skip": skip, "signal": signal, "approve": approve} {
		if allowed {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
