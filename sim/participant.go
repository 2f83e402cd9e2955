package sim

import (
	"strconv"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// resource is a participant: a process with a session to the coordinator, and a database that survives everything.
// It is of one kind; the others' fields are nil.
type resource struct {
	w     *World
	name  string
	kind  txn.Kind
	down  bool // no session, no process
	home  int  // in a cluster: the node that it is connected to, if it is only one
	moods map[int64]mood
	table *table           // AT
	fence map[int64]*fence // TCC, XA, HTTP and topics, by branch: written in the same local transaction as the effect
	sagas map[int64]*instance
	// senders are the messages that this process has sent, by transaction.
	senders map[int64]sent
}

// mood is what a participant has in mind for one branch.
type mood uint8

const (
	willing  mood = iota
	refusing      // says that it can never do it, until the world heals
	hopeless      // says so for ever
	failing       // fails for ever
)

// fence is what a participant knows of a branch of kind TCC or XA.
type fence struct{ tried, confirmed, cancelled bool }

// The resources' names.
const (
	sagaGroup = "group"
	sagaApp   = "engine"
)

// addResources builds the participants: two of AT, two of TCC, one of XA, one saga engine, one behind
// a topic, and those of service.go, which are called by HTTP.
func (w *World) addResources() {
	add := func(name string, kind txn.Kind) {
		r := &resource{w: w, name: name, kind: kind, moods: make(map[int64]mood), fence: make(map[int64]*fence)}
		switch kind {
		case txn.AT:
			r.table = newTable(r, w.plan.rows)
		case txn.Saga:
			r.sagas = make(map[int64]*instance)
		case txn.Check:
			r.senders = make(map[int64]sent)
		}
		w.rms = append(w.rms, r)
		w.byRM[name] = r
	}
	add("jdbc:a", txn.AT)
	add("jdbc:b", txn.AT)
	add("tcc:c", txn.TCC)
	add("tcc:d", txn.TCC)
	add("xa:e", txn.XA)
	add(sagaApp+"#"+sagaGroup, txn.Saga)
	add("topic:f", txn.Topic)
	add(confirmable, txn.HTTPTCC)
	add(plainHTTP, txn.HTTP)
	add(senderHTTP, txn.Check)
	if len(w.shelf.sagas) > 0 {
		add(stepCalls, txn.StepCall)
		add(stepMessages, txn.StepMessage)
		add(stepWorkers, txn.StepWorker)
	}
	if w.plan.heuristics || w.plan.kinds == runs {
		add(check.NoticeTopic, txn.Topic)
	}
}

// ofKind draws a resource of the kind.
func (w *World) ofKind(kind txn.Kind) *resource {
	var fit []*resource
	for _, r := range w.rms {
		if r.kind == kind && r.name != check.NoticeTopic {
			fit = append(fit, r)
		}
	}
	return fit[w.rng.IntN(len(fit))]
}

// outage stops a participant's process for a while: what it was doing in open local transactions is rolled back.
func (w *World) outage() {
	r := w.rms[w.rng.IntN(len(w.rms))]
	if w.healed || r.down {
		return
	}
	w.note("participant stops", 0, 0, r.name)
	r.down = true
	if r.table != nil {
		r.table.abortAll()
	}
	w.after(100*time.Millisecond+w.upTo(8*time.Second), func() {
		w.note("participant starts", 0, 0, r.name)
		r.down = false
	})
}

// mood returns what the participant has in mind for a branch.
func (r *resource) mood(branch int64) mood {
	m, known := r.moods[branch]
	w := r.w
	if !known && !w.healed {
		switch {
		case w.chance(w.plan.refuse):
			m = refusing
		case w.chance(w.plan.hopeless):
			m = hopeless
		case w.chance(w.plan.hopeless):
			m = failing
		}
	}
	if !known && branch != txn.SagaBranchID {
		r.moods[branch] = m
		if m >= hopeless {
			w.hopeless(branch)
		}
	}
	if m >= hopeless && branch == txn.SagaBranchID || m == refusing && w.healed {
		return willing
	}
	return m
}

func (w *World) hopeless(branch int64) {
	if w.logs.End.Hopeless == nil {
		w.logs.End.Hopeless = make(map[int64]bool)
	}
	w.logs.End.Hopeless[branch] = true
}

// command does one attempt at phase two and replies, or never does.
func (r *resource) command(cmd txn.Command, reply func(txn.Result, string)) {
	w := r.w
	switch {
	case r.kind == txn.Check:
		r.answerCheck(cmd, reply)
		return
	case r.kind == txn.StepMessage:
		r.message(cmd, reply)
		return
	case r.kind == txn.StepWorker:
		r.work(cmd)
		return
	case r.kind.Step():
		r.step(cmd, reply)
		return
	}
	if r.kind.Called() && w.trouble(w.plan.fail/2) {
		reply(txn.ResultOngoing, "")
		return
	}
	switch m := r.mood(cmd.BranchID); {
	case m == refusing || m == hopeless:
		reply(txn.ResultRefused, "it can never be done")
		return
	case m == failing:
		reply(txn.ResultFailed, "it fails always")
		return
	}
	if w.trouble(w.plan.hang) {
		if w.chance(0.5) {
			r.perform(cmd, func(txn.Result, string) {})
		}
		return
	}
	if w.trouble(w.plan.fail) {
		if w.chance(0.5) {
			r.perform(cmd, func(txn.Result, string) { reply(txn.ResultFailed, "done, but it says that it failed") })
		} else {
			reply(txn.ResultFailed, "it failed")
		}
		return
	}
	r.perform(cmd, reply)
}

// perform does phase two of a branch.
func (r *resource) perform(cmd txn.Command, reply func(txn.Result, string)) {
	switch r.kind {
	case txn.AT:
		r.table.phaseTwo(cmd, reply)
	case txn.TCC, txn.HTTPTCC:
		r.phaseTwoTCC(cmd, reply)
	case txn.HTTP:
		r.phaseTwoHTTP(cmd, reply)
	case txn.XA:
		r.phaseTwoXA(cmd, reply)
	case txn.Saga:
		r.phaseTwoSaga(cmd, reply)
	case txn.Topic:
		r.phaseTwoTopic(cmd, reply)
	}
}

// deed writes to the participants' log.
func (r *resource) deed(d check.Deed) {
	w := r.w
	d.At, d.Kind, d.Resource = w.now, r.kind, r.name
	word := d.Action.String()
	if d.Effect {
		word += ", with effect"
	}
	d.Seq = w.note("participant", d.ID, d.Branch, word)
	w.logs.Deeds = append(w.logs.Deeds, d)
}

// ofCommand starts the entry of an attempt at phase two.
func ofCommand(cmd txn.Command) check.Deed {
	action := check.Confirm
	if cmd.Op == txn.Rollback {
		action = check.Cancel
	}
	return check.Deed{
		ID: cmd.XID.ID, Branch: cmd.BranchID, Action: action, Attempt: cmd.Attempt, Payload: cmd.Data,
		Result: txn.ResultDone,
	}
}

// fenceOf returns the fence row of a branch, and makes it if it is missing.
func (r *resource) fenceOf(branch int64) *fence {
	f := r.fence[branch]
	if f == nil {
		f = &fence{}
		r.fence[branch] = f
	}
	return f
}

// try does phase one of a TCC branch and says whether it worked.
func (r *resource) try(id, branch int64) bool {
	f := r.fenceOf(branch)
	d := check.Deed{ID: id, Branch: branch, Action: check.Try, Effect: true, Result: txn.ResultDone}
	if f.cancelled && r.w.mutation != NoFence {
		d.Action, d.Effect = check.TryRefused, false
		r.deed(d)
		return false
	}
	f.tried = true
	r.deed(d)
	return true
}

func (r *resource) phaseTwoTCC(cmd txn.Command, reply func(txn.Result, string)) {
	f, d := r.fenceOf(cmd.BranchID), ofCommand(cmd)
	switch {
	case cmd.Op == txn.Commit && !f.tried:
		d.Result = txn.ResultFailed
	case cmd.Op == txn.Commit:
		d.Effect = !f.confirmed || r.w.mutation == NoFence
		f.confirmed = true
	default:
		d.Effect = f.tried && !f.cancelled || r.w.mutation == NoFence && f.tried
		f.cancelled = true // without a try: the empty cancel, which has the try refused when it comes
	}
	r.deed(d)
	if d.Result != txn.ResultDone {
		reply(d.Result, "there was no try")
		return
	}
	reply(txn.ResultDone, "")
}

// prepare does phase one of an XA branch, up to its prepare.
func (r *resource) prepare(id, branch int64) {
	r.fenceOf(branch).tried = true
	r.deed(check.Deed{ID: id, Branch: branch, Action: check.Try, Effect: true, Result: txn.ResultDone})
}

// phaseTwoXA ends a prepared branch. A database forgets it then, so that it is unknown when asked again.
func (r *resource) phaseTwoXA(cmd txn.Command, reply func(txn.Result, string)) {
	f, d := r.fenceOf(cmd.BranchID), ofCommand(cmd)
	if !f.tried || f.confirmed || f.cancelled {
		d.Result = txn.ResultXANotFound
		r.deed(d)
		reply(d.Result, "XAER_NOTA")
		return
	}
	d.Effect = true
	f.confirmed, f.cancelled = cmd.Op == txn.Commit, cmd.Op == txn.Rollback
	r.deed(d)
	reply(txn.ResultDone, "")
}

// payloadOf draws application data for a branch.
func (w *World) payloadOf() string {
	w.payload++
	return "payload-" + strconv.FormatInt(w.payload, 10)
}
