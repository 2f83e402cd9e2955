package orchestrator

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// PlanDigest identifies what a plan says. An operation is carried out only if its plan has still the digest that the
// operator was shown.
func PlanDigest(p txn.Plan) string {
	sum := sha256.Sum256([]byte(p.Canonical()))
	return hex.EncodeToString(sum[:16])
}

// ErrPlanChanged: the transaction moved on since the plan was made. Nothing was done.
var ErrPlanChanged = errors.New("plan is out of date")

// Plan calls done with what an operation would do to a transaction. Nothing is changed. Errors: [ErrNotFound],
// [*txn.IllegalEventError] if it is not allowed, faults.
func (c *Coordinator) Plan(id int64, op txn.Operation, done func(txn.Plan, error)) {
	c.Get(id, func(g *txn.Global, err error) {
		if err != nil {
			done(txn.Plan{}, err)
			return
		}
		c.withDefinition(g, func(err error) {
			if err != nil {
				done(txn.Plan{}, err)
				return
			}
			done(c.rules().Plan(g, op, c.clock.Now()))
		})
	})
}

// Allowed calls done with nil if an operation may be carried out now. It costs less than a plan; the errors are the
// same.
func (c *Coordinator) Allowed(id int64, op txn.Operation, done func(error)) {
	c.Get(id, func(g *txn.Global, err error) {
		if err != nil {
			done(err)
			return
		}
		c.withDefinition(g, func(err error) {
			if err == nil {
				err = c.rules().Allowed(g, op, c.clock.Now())
			}
			done(err)
		})
	})
}

// OperateRequest carries out an operation that was planned.
type OperateRequest struct {
	ID        int64
	Operation txn.Operation
	// Digest is that of the plan; "" carries it out whatever the plan.
	Digest string
	// Actor is who asks, and why, for the history.
	Actor string
	// NoticeTopic and Notice are the message that tells consumers of a heuristic operation. Notice is asked for with the
	// state on which the operation is carried out and the id of the branch that it becomes; nil is no message.
	NoticeTopic string
	Notice      func(g *txn.Global, branchID int64) string
}

// Operate carries out an operation and calls done with the state after it, durable. Errors: those of
// [Coordinator.Plan], [ErrPlanChanged], [ErrBusy], faults, after which the outcome is unknown.
func (c *Coordinator) Operate(req OperateRequest, done func(*txn.Global, error)) {
	var notice txn.Notice
	if req.Operation.Action.Heuristic() && req.Notice != nil {
		id, err := c.nextID()
		if err != nil {
			done(nil, err)
			return
		}
		notice = txn.Notice{BranchID: id, Topic: req.NoticeTopic}
	}
	if req.Operation.Action == txn.ActionRetry {
		c.stats.operatorRetries.Add(1)
	}
	c.handle(req.ID, request{
		check: true, done: done,
		make: func(g *txn.Global) (txn.Event, error) {
			var plan txn.Plan
			var err error
			if req.Digest == "" {
				err = c.rules().Allowed(g, req.Operation, c.clock.Now())
			} else {
				plan, err = c.rules().Plan(g, req.Operation, c.clock.Now())
			}
			switch {
			case err != nil:
				return nil, err
			case req.Digest != "" && req.Digest != PlanDigest(plan):
				return nil, ErrPlanChanged
			case notice.Topic != "":
				if notice.BranchID, err = c.unlike(g, notice.BranchID); err != nil {
					return nil, err
				}
				notice.Data = req.Notice(g, notice.BranchID)
			}
			return req.Operation.Event(req.Actor, notice), nil
		},
	})
}

// unlike returns an id that no branch of g has: the steps of a saga are numbered from 1.
func (c *Coordinator) unlike(g *txn.Global, id int64) (int64, error) {
	for b, _ := g.Branch(id); b != nil; b, _ = g.Branch(id) {
		var err error
		if id, err = c.nextID(); err != nil {
			return 0, err
		}
	}
	return id, nil
}
