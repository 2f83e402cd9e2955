package check

import (
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

const patientOne, patientBranch = 60, 61

// patient is the good run with a participant that wants to be asked again after ten seconds, and is.
func patient() *run {
	r := good()
	r.End.Pace.Slow = 20 * time.Second
	r.answer(OpBegin, patientOne, 0, 0)
	r.register(patientOne, txn.Branch{ID: patientBranch, Kind: txn.HTTP, Resource: "http://p"})
	r.decide(patientOne, txn.Committing, txn.CauseRequested, false)
	r.call(1, 0)
	r.Replies = append(r.Replies, Reply{
		Seq: r.next(), At: time.Second, Now: 1000, Epoch: 1, ID: patientOne, Branch: patientBranch, Attempt: 1,
		Result: txn.ResultOngoing, After: 10 * time.Second,
	})
	r.write(patientOne, func(g *txn.Global, w *Write) {
		w.DurableAt = time.Second
		b := *g.Branches[0]
		b.Attempts, b.NextAt = 1, 11_000
		g.Branches = []*txn.Branch{&b}
	})
	r.call(2, 12*time.Second)
	r.deed(Deed{ID: patientOne, Branch: patientBranch, Kind: txn.HTTP, Action: Confirm, Effect: true})
	r.end(patientOne, txn.Committed, false)
	r.End.Committed++
	return r
}

// call sends an attempt to the patient participant.
func (r *run) call(attempt uint32, at time.Duration) {
	r.command(patientOne, patientBranch, txn.Commit)
	s := &r.Sent[len(r.Sent)-1]
	s.Command.Attempt, s.By, s.Given, s.At, s.Now = attempt, 1, s.Seq, at, txn.Millis(at.Milliseconds())
}

// badlyPatient lists ways to spoil the run with a participant that wants to wait.
func badlyPatient() map[string][]func(r *run) {
	last := func(r *run) *Sent { return &r.Sent[len(r.Sent)-1] }
	return map[string][]func(r *run){
		"RetryAfter": {
			func(r *run) { last(r).Now = 10_999 },
			func(r *run) { r.Replies[0].After = time.Hour }, // no longer than the slow pace, which is not over
			func(r *run) { last(r).At = time.Minute },
		},
	}
}
