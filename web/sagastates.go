package web

import (
	"context"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/machine"
)

// nameStates says of the steps of a state machine of Seata which states they are, and what their services have thrown:
// the machine may go on after that, and then the step is done.
func (s *Server) nameStates(ctx context.Context, g *txn.Global, v *SagaRun) {
	if s.o.Sagas == nil {
		return
	}
	_, compiled, err := s.o.Sagas.Ready(ctx, g.Saga.Definition, g.Saga.Version)
	if err != nil {
		return
	}
	p, ok := compiled.Planner.(*machine.Program)
	if !ok {
		return
	}
	at := 0
	for _, b := range g.Branches {
		if b.Step == nil {
			continue
		}
		state, threw := p.Describe(b)
		if step := &v.Steps[at]; state != "" {
			step.ID = state
			if step.Failure == "" {
				step.Failure = threw
			}
		}
		at++
	}
}
