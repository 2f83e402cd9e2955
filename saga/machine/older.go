package machine

import (
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/statelang"
)

// older reports whether a reply is not to the newest attempt at a call.
func older(g *txn.Global, b *txn.Branch, r txn.Reply) bool {
	newest := b.Attempts
	if g.Status != txn.Active {
		newest = b.Step.Tries
	}
	return r.Attempt != 0 && r.Attempt != newest
}

// overtaken is what an answer to an older attempt means. That a service has done its work is believed whenever it
// comes; but if it has not, whoever does the newest attempt may still do it, and its answer is what counts.
func (p *Program) overtaken(g *txn.Global, b *txn.Branch, v txn.Verdict) txn.Verdict {
	failed := txn.Verdict{Result: txn.ResultFailed}
	f, _, err := p.look(g, g.BeganAt)
	if err != nil || f.places[b.Step.Name] == nil {
		return failed
	}
	o, _ := outcomeOf(answeredBy(b, 0, v.Answer))
	d, err := f.statusOf(f.places[b.Step.Name].in.state, o)
	if err != nil || o.Exception != nil || d.Status != statelang.Succeeded {
		return failed
	}
	return v
}

// answeredBy is a branch as it is when an answer is known.
func answeredBy(b *txn.Branch, code uint16, answer string) *txn.Branch {
	out, step := *b, *b.Step
	step.Seq, step.Code, step.Answer = 1, code, answer
	out.Step = &step
	return &out
}
