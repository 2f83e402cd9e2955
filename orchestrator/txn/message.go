package txn

import "time"

// The message of a saga's step, and the one by which a step is undone, is done when the broker has it; or, where its
// call names a topic for replies, when the reply is there. What attempts send is the same message again, for the
// participant knows it by its id. So a reply may answer any of them, and one that names no attempt answers all.

// awaitsReply reports whether a message to b is answered on a topic.
func (b *Branch) awaitsReply() bool { return b.Step != nil && b.Call != nil && b.Call.Reply != "" }

// heard reads what is told of an attempt at a step: awaited is false if it came where no reply to b is waited for. An
// attempt that is not named is the given one, the newest. A message that nobody answers is done with its publication.
func (b *Branch) heard(ev Reply, newest uint32) (_ Reply, awaited bool) {
	switch {
	case ev.Via == "":
		if ev.Result == ResultPublished && !b.awaitsReply() {
			ev.Result = ResultDone
		}
		return ev, true
	case !b.awaitsReply() || ev.Via != ViaAPI && ev.Via != b.Call.Reply:
		return ev, false
	case ev.Attempt == 0:
		ev.Attempt = newest
	}
	return ev, true
}

// heardUndo is heard for the undoing of b, with what its definition makes of it. Before that was asked for, nothing is
// awaited.
func (r Rules) heardUndo(g *Global, b *Branch, ev Reply) (_ Reply, awaited bool) {
	if ev.Result == ResultPublished && b.Attempts == 0 {
		return ev, false // it was sent, and that was forgotten: the call here is still the step's own
	}
	ev, awaited = b.heard(ev, b.Attempts)
	if awaited && ev.Result != ResultPublished {
		ev.Result = r.planner(g).Judge(g, b, ev).Result
	}
	return ev, awaited && (ev.Via == "" || b.Attempts > 0)
}

// settles reports whether a reply refuses b for good between two attempts: nothing newer was sent that could be done.
func (ev *Reply) settles(b *Branch, v Verdict) bool {
	return ev.Via != "" && v.Result == ResultRefused && ev.Attempt == b.Attempts
}

// stepPublished notes that the message of a step is out: its reply is waited for from now on. It is stored, so that a
// restart does not send it again.
func (r Rules) stepPublished(g *Global, i int, ev Reply, now Millis) Effects {
	b := g.Branches[i]
	if ev.Attempt != b.Attempts || b.InFlightUntil == 0 || b.State == Published {
		return Effects{} // told twice, or given up
	}
	d := edit(g)
	r.await(d, i, now)
	r.advance(d, now)
	if d.eff.Decided || len(d.eff.Commands) > 0 {
		return d.done(WriteDurable)
	}
	return d.done(WriteLazy)
}

// await waits for the reply to a message, anew if it was waited for already.
func (r Rules) await(d *draft, i int, now Millis) {
	b := d.branch(i)
	b.State, b.InFlightUntil = Published, now.Add(r.Retry.reply(b))
}

// reply is how long the reply to a message is waited for.
func (p RetryPolicy) reply(b *Branch) time.Duration {
	if b.Call.Timeout > 0 {
		return b.Call.Timeout
	}
	return p.Report
}

// unpublish has b be as before its message was sent.
func (b *Branch) unpublish() {
	if b.State == Published {
		b.State = Registered
	}
}

// unanswered is the end of an attempt of which nobody has told it. Of a message it is told soon whether it is out;
// where that is missing the node has died, the message is sent again, and that costs nothing of a budget of its own.
func (r Rules) unanswered(b *Branch) Reply {
	switch {
	case b.State == Published:
		return Reply{Result: ResultNoAnswer, Text: "no reply within " + r.Retry.reply(b).String()}
	case b.awaitsReply():
		return Reply{Result: ResultUnreachable, Text: "nobody knows whether its message was sent"}
	}
	return Reply{Result: ResultNoAnswer}
}

// unansweredUndo plans the next attempt at undoing step i, if nobody has told in time how the last one ended: no reply
// to its message came, a worker has not ended its task, or the node that asked has died.
func (r Rules) unansweredUndo(d *draft, i int, now Millis) {
	if i < 0 {
		return
	}
	if b := d.Branches[i]; b.Attempts > 0 && b.InFlightUntil != 0 && b.InFlightUntil <= now {
		r.fail(d, i, r.unanswered(b), now)
	}
}

// hurry has replies that are under way at a decision waited for no longer than the answer to a call: a participant has
// to stand that a step is undone which it has not done yet, and a reply may take days.
func (r Rules) hurry(d *draft, now Millis) {
	for i, b := range d.Branches {
		if until := now.Add(r.Retry.Answer); b.awaitsReply() && b.State == Published && b.InFlightUntil > until {
			d.branch(i).InFlightUntil = until
		}
	}
}
