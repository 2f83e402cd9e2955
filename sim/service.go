package sim

import (
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// Participants that are called by HTTP, and two-phase messages.

// The resources of HTTP: a participant with confirm and cancel, one with commit and perhaps rollback, and the senders
// of messages, of whom the coordinator asks what became of one.
const (
	confirmable = "http:g"
	plainHTTP   = "http:h"
	senderHTTP  = "http:i"
)

// callOf draws how a participant is called. Some leave the retries as they are configured, some have their own.
func (w *World) callOf(r *resource) *txn.Call {
	c := &txn.Call{CommitURL: r.name + "/commit", RollbackURL: r.name + "/rollback"}
	if w.chance(0.3) {
		c.First, c.Max, c.Attempts = 100*time.Millisecond, time.Duration(1+w.rng.IntN(5))*time.Second, uint32(w.rng.IntN(4))
	}
	if w.chance(0.3) {
		c.Timeout = time.Duration(1+w.rng.IntN(4)) * time.Second
	}
	return c
}

// phaseTwoHTTP commits or rolls back as a TCC participant does. One without a URL for rollback has had no phase one:
// it does its work once on commit.
func (r *resource) phaseTwoHTTP(cmd txn.Command, reply func(txn.Result, string)) {
	if cmd.Call.RollbackURL != "" {
		r.phaseTwoTCC(cmd, reply)
		return
	}
	f, d := r.fenceOf(cmd.BranchID), ofCommand(cmd)
	d.Effect = !f.confirmed || r.w.mutation == NoFence
	f.confirmed = true
	r.deed(d)
	reply(txn.ResultDone, "")
}

// sent is what a sender knows of its message.
type sent uint8

const (
	undecided sent = iota // its own transaction is open, or it has never heard of the message
	submitted             // committed
	withdrawn             // rolled back, or it never will commit
)

// answerCheck answers the coordinator's question about a message. Whoever says that it was rolled back sees to it that
// it stays so.
func (r *resource) answerCheck(cmd txn.Command, reply func(txn.Result, string)) {
	w, id := r.w, cmd.XID.ID
	if w.trouble(w.plan.hang) {
		return
	}
	if w.trouble(w.plan.fail) {
		reply(txn.ResultFailed, "it failed")
		return
	}
	result := txn.ResultDone
	switch r.senders[id] {
	case undecided:
		if w.trouble(0.5) {
			w.note("sender is still at it", id, cmd.BranchID, "")
			if w.mutation == HastyCheck {
				reply(txn.ResultRefused, "no answer is taken for a no")
				return
			}
			reply(txn.ResultOngoing, "")
			return
		}
		r.senders[id] = withdrawn
		result = txn.ResultRefused
	case withdrawn:
		result = txn.ResultRefused
	}
	w.note("sender is asked", id, cmd.BranchID, result.String())
	reply(result, "")
}

// planMessage draws where a message goes.
func (c *client) planMessage() {
	w := c.w
	for range 1 + w.rng.IntN(3) {
		kind := txn.HTTP
		if w.chance(0.3) {
			kind = txn.Topic
		}
		c.jobs = append(c.jobs, job{r: w.byRM[plainHTTP]})
		if kind == txn.Topic {
			c.jobs[len(c.jobs)-1].r = w.ofKind(txn.Topic)
		}
	}
}

// prepare begins a message: whom to ask and all deliveries, in one request.
func (c *client) prepare() {
	w := c.w
	check0 := orchestrator.RegisterRequest{
		Kind: txn.Check, Resource: senderHTTP, Client: clientOfRM,
		Call: &txn.Call{CommitURL: senderHTTP + "/check", First: 100 * time.Millisecond, Max: 2 * time.Second},
	}
	req := orchestrator.BeginRequest{
		Application: sagaApp, Group: sagaGroup, Name: "message", Timeout: max(c.timeout, 300*time.Millisecond),
		Branches: []orchestrator.RegisterRequest{check0},
	}
	for _, j := range c.jobs {
		b := c.registration(j, "")
		b.ID, b.Wait = 0, false
		switch j.r.kind {
		case txn.HTTP:
			b.Call = w.callOf(j.r)
			b.Call.RollbackURL = ""
		case txn.Topic:
			b.Ack = txn.AckBroker
		}
		req.Branches = append(req.Branches, b)
	}
	k := &call{w: w, op: check.OpBegin, session: c.session, recv: c.prepared}
	k.ask = func(_ *node, co *orchestrator.Coordinator, reply func(check.Answer)) {
		co.Start(req, func(g *txn.Global, err error) {
			a := answered(nil, err)
			if g != nil {
				a.ID = g.XID.ID
			}
			reply(a)
		})
	}
	k.send(true)
}

// prepared does the sender's own transaction, and submits or withdraws; or the sender dies before or after it.
func (c *client) prepared(a check.Answer) {
	w := c.w
	if a.Class != check.OK || a.ID == 0 {
		c.end()
		return
	}
	c.id = a.ID
	w.known = append(w.known, c.id)
	if c.crashes() {
		return
	}
	w.after(w.upTo(4*time.Second), func() {
		r := w.byRM[senderHTTP]
		if r.senders[c.id] == undecided {
			r.senders[c.id] = withdrawn
			if w.chance(0.7) {
				r.senders[c.id] = submitted
			}
		}
		w.note("sender has decided", c.id, 0, [...]string{"", "submitted", "withdrawn"}[r.senders[c.id]])
		if c.crashes() || w.trouble(w.plan.clientCrash) {
			c.end()
			return
		}
		c.decide(r.senders[c.id] == submitted, 0)
	})
}
