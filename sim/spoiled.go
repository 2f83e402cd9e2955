package sim

import (
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	planner "github.com/concord-tx/concord/saga/plan"
)

// plans reports whether the defect is one of the planner.
func (m Mutation) plans() bool { return m >= ForgetUndo && m <= Deaf }

// spoiled is a planner with a defect.
type spoiled struct {
	*planner.Program
	w *World
	n *node
}

// Next implements [txn.Planner].
func (p *spoiled) Next(g *txn.Global, now txn.Millis) txn.Next {
	switch p.w.mutation {
	case Twice:
		if len(g.Branches) > 1 && g.Branches[0].Step.Seq > 0 && p.n.epoch > 1 {
			short := *g
			short.Branches = g.Branches[:len(g.Branches)-1]
			return p.Program.Next(&short, now)
		}
	case WallClock:
		if next := p.Program.Next(g, now); next.Decide == 0 && p.w.Now() > g.BeganAt.Add(20*time.Second) {
			return txn.Next{Decide: txn.Rollback, Text: "it takes too long"}
		}
	}
	next := p.Program.Next(g, now)
	for i := range next.Start {
		s := &next.Start[i]
		switch p.w.mutation {
		case ForgetUndo:
			s.Undo = s.Undo && len(g.Branches)%3 != 1
		case NoPivot:
			s.Pivot = false
		}
	}
	if p.w.mutation == AlwaysDone && next.Decide == txn.Rollback && strings.HasPrefix(next.Text, "step ") {
		return txn.Next{Decide: txn.Commit}
	}
	return next
}

// Judge implements [txn.Planner].
func (p *spoiled) Judge(g *txn.Global, b *txn.Branch, r txn.Reply) txn.Verdict {
	v := p.Program.Judge(g, b, r)
	switch p.w.mutation {
	case LostIsRefused:
		if v.Result == txn.ResultNoAnswer && r.Op == txn.Forward {
			v.Result = txn.ResultRefused
		}
	case Deaf:
		if v.Result == txn.ResultRefused && r.Op == txn.Forward {
			v.Result = txn.ResultDone
		}
	}
	return v
}
