package validate

import (
	"strconv"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// pivots checks what stands behind, beside and in a step from which there is no way back.
func (c *checker) pivots() {
	for i, s := range c.def.Steps {
		if p := c.graph.pivotBefore(i); p >= 0 {
			c.behind(i, s, c.def.Steps[p].ID)
		}
		if s.Pivot {
			c.pivot(i, s)
		}
	}
}

func (c *checker) behind(i int, s *definition.Step, pivot string) {
	if s.Compensate != nil && c.graph.passed[i] {
		c.find(RuleAfterPivot, stepPath(i, "compensate"), "remove it, or move the pivot behind this step",
			"%q is behind a pivot and is never compensated", s.ID)
	}
	if !mayRefuse(s) {
		return
	}
	const advice = "use onRefused: continue or another step, or move the pivot behind this step"
	for n, r := range s.Result {
		if r.Is == definition.Refused {
			c.find(RuleNoWayBack, stepPath(i, "result", strconv.Itoa(n)), advice,
				"%q may be refused, and there is no way back behind the pivot", s.ID)
		}
	}
	switch {
	case s.Pivot:
		c.find(RuleNoWayBack, stepPath(i, "pivot"), "leave one pivot on each way; a step behind it is tried until it is done",
			"%q may be refused when the pivot %q is done", s.ID, pivot)
	case s.Kind == definition.KindApproval:
		c.find(RuleNoWayBack, stepPath(i), advice, "%q may be rejected, and there is no way back behind the pivot", s.ID)
	case s.Kind == definition.KindSignal:
		c.find(RuleNoWayBack, stepPath(i, "timeout"), advice,
			"%q may time out, and there is no way back behind the pivot", s.ID)
	case s.Retry != nil && s.Retry.Attempts > 0:
		c.find(RuleNoWayBack, stepPath(i, "retry", "attempts"), "remove it; a step behind a pivot is tried until it is done",
			"%q would give up, and there is no way back behind the pivot", s.ID)
	case s.ForEach != nil && s.ForEach.Max > 0 && s.ForEach.Max < limits.LoopItemsMax: // and not by default
		c.find(RuleNoWayBack, stepPath(i, "forEach", "max"), "put a limit before the pivot",
			"a longer list is refused, and there is no way back behind the pivot")
	case s.Repeat != nil && s.Repeat.Max > 0:
		c.find(RuleNoWayBack, stepPath(i, "repeat", "max"), advice,
			"%q would give up, and there is no way back behind the pivot", s.ID)
	}
}

func (c *checker) pivot(i int, s *definition.Step) {
	if s.ForEach != nil {
		c.find(RulePivotLoop, stepPath(i, "pivot"), "make the pivot a step of its own, behind the loop",
			"one item of %q may be done, from which there is no way back, and another refused", s.ID)
	}
	if s.Retry != nil && s.Retry.Attempts > 0 && s.Compensate == nil && changes(s) {
		c.find(RulePivotGivesUp, stepPath(i, "retry", "attempts"), "remove attempts, or add compensate",
			"%q gives up after %d attempts, though one of them may have been done", s.ID, s.Retry.Attempts)
	}
	for j, other := range c.def.Steps {
		if len(c.findings) > limits.FindingsMax {
			return // more are not shown
		}
		if c.graph.beside(i, j) && (mayRefuse(other) || other.Pivot) && !c.graph.passed[j] {
			c.find(RuleBesidePivot, stepPath(j), "put it before the pivot, with after",
				"%q may be refused when the pivot %q is done, and there is no way back", other.ID, s.ID)
		}
	}
}
