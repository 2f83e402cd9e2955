package plan

import (
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
)

// Judge implements [txn.Planner]: the first rule that fits, or what the status means by itself. An answer that says
// nothing of a status means what the transport has made of it.
//
// After the pivot a step that has no other way to go on is tried until it is done: a refusal is a failed attempt then.
func (p *Program) Judge(g *txn.Global, b *txn.Branch, r txn.Reply) txn.Verdict {
	v := p.judge(g, b, r)
	if v.Result == txn.ResultRefused && r.Op == txn.Forward && !b.Step.Pivot && g.Status == txn.Active && g.Pivoted() {
		if s := p.stepOf(b.Step.Name); s != nil && s.fails() {
			v.Result = txn.ResultFailed
		}
	}
	return v
}

func (p *Program) judge(g *txn.Global, b *txn.Branch, r txn.Reply) txn.Verdict {
	v := txn.Verdict{Result: r.Result, Answer: definition.AnswerJSON(r.Answer)}
	s := p.stepOf(b.Step.Name)
	if s != nil && s.keepsHeaders && r.Op == txn.Forward {
		v.Headers = r.Headers
	}
	if len(v.Answer) > limits.PayloadBytesMax {
		if r.Op == txn.Forward {
			return txn.Verdict{Result: txn.ResultNoAnswer} // it may have run, so it is undone in the end
		}
		v.Answer = "" // what a compensation says is not kept
	}
	if s == nil || p.oracle != nil {
		return v
	}
	rules := s.results
	if r.Op == txn.Rollback {
		rules = s.undone
	}
	if len(rules) > 0 && (r.Code != 0 || r.Answer != "" || r.Headers != "") {
		fits := false
		p.find(g, b, func(w *walk, _ *step, item map[string]any) {
			v.Result, fits = w.classify(rules, v, r, item)
		})
		if fits {
			return v
		}
	}
	if r.Code != 0 {
		v.Result = resultOf(definition.DefaultOutcome(int(r.Code)))
		if v.Result == txn.ResultRefused && r.Op == txn.Forward && b.Step.Undo && !g.Pivoted() && repeated(g, b, r) {
			v.Result, v.GiveUp, v.Why = txn.ResultFailed, true, "an earlier attempt may have done it"
		}
	}
	return v
}

// repeated reports whether something was asked before of which nobody knows what came of it. A 409 may say then that it
// is there already, or that it is being done; so it is undone, which a participant that has done nothing has to stand.
func repeated(g *txn.Global, b *txn.Branch, r txn.Reply) bool {
	asked := b.Attempts - min(b.Ongoing, b.Attempts)
	if g.Status != txn.Active {
		asked = b.Step.Tries // which of them were only answered with "not yet" is not known any more
	}
	return r.Resent || asked > 1
}

// classify returns what the first rule that fits says of an answer.
func (w *walk) classify(
	rules []rule, v txn.Verdict, r txn.Reply, item map[string]any,
) (result txn.Result, fits bool) {
	answer := map[string]any{"status": int(r.Code), "headers": headers(r.Headers), "body": body(v.Answer), "attempt": 1}
	for _, rule := range rules {
		if ok, err := rule.when.Bool(w.variables(item, answer)); ok && err == nil { // what cannot be computed does not fit
			return resultOf(rule.is), true
		}
	}
	return v.Result, false
}

// resultOf translates an outcome.
func resultOf(o definition.Outcome) txn.Result {
	switch o {
	case definition.Done:
		return txn.ResultDone
	case definition.Refused:
		return txn.ResultRefused
	case definition.Ongoing:
		return txn.ResultOngoing
	}
	return txn.ResultFailed
}

// headers reads those of an answer: a JSON object, or none.
func headers(text string) map[string]any {
	if text == "" {
		return map[string]any{}
	}
	if v, err := expressions.Decode([]byte(text)); err == nil {
		if all, ok := v.(map[string]any); ok {
			return all
		}
	}
	return map[string]any{}
}
