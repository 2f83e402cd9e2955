package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Why a saga that is not decided has not ended.

// steps are the causes of an active saga: what its steps wait for, or why it is stuck.
func (k *known) steps() (all []Cause) {
	g := k.g
	places := map[string]bool{}
	for _, b := range g.Branches {
		if b.Step == nil {
			continue
		}
		d := k.data(b)
		if c, away := k.target(d); away && stepOpen(b) && !b.InFlight(k.now) && !places[c.Data.Target] {
			places[c.Data.Target] = true
			all = append(all, c)
		}
		if c, open := k.step(b, d); open {
			all = append(all, c)
		}
	}
	left := (time.Duration(g.Deadline()-k.now) * time.Millisecond).Round(time.Millisecond)
	deadline := CauseData{Until: when(g.Deadline())}
	switch {
	case g.Stuck == txn.StuckRefused && !g.Pivoted():
		all = append(all, cause(weighsPerson, "sagaStuck", CauseData{Error: g.Saga.Failure},
			"It cannot go on, because nobody knows what was done: %q. Find out, then retry it, skip a step with a result, or "+
				"cancel it, which undoes what may have run; a skip without a step ends the whole as done.", g.Saga.Failure))
	case g.Stuck == txn.StuckRefused:
		all = append(all, cause(weighsPerson, "sagaStuck", CauseData{Error: g.Saga.Failure},
			"It cannot go on, and behind a pivot there is no way back: %q. Mend what is wrong and resume it, or skip the step "+
				"that was refused; if an expression failed, move it to a version that stands what has come; a skip without a "+
				"step ends the whole as done.", g.Saga.Failure))
	case g.Expired(k.now):
		deadline.AgeMs = -left.Milliseconds()
		all = append(all, cause(weighsOther, "deadlinePassed", deadline,
			"Its deadline has passed %s ago, and it goes on: behind a pivot, or because its definition says so.", -left))
	case len(all) == 0:
		all = append(all, cause(weighsSoon, "startsSoon", deadline, "Its next steps are about to begin."))
	}
	return all
}

// stepOpen reports whether a step has not ended.
func stepOpen(b *txn.Branch) bool {
	return (b.State == txn.Registered || b.State == txn.Published) && !b.Step.GaveUp
}

// step is the cause of a step.
func (k *known) step(b *txn.Branch, d CauseData) (c Cause, open bool) {
	name, until := b.Step.Name, ""
	if b.Step.Until != 0 {
		d.Until = when(b.Step.Until)
		until = ", until " + moment(b.Step.Until)
	}
	failed := b.State == txn.PhaseOneFailed || b.State == txn.Registered && b.Step.GaveUp
	switch {
	case failed && k.g.Stuck == txn.StuckRefused:
		return cause(weighsPerson, "stepFailed", d,
			"Step %s has failed, and it is needed: %q. Nothing more is tried until a person acts.", name, b.Failure), true
	case !stepOpen(b):
		return c, false
	case b.Kind == txn.StepTimer:
		return cause(weighsOther, "waitsForTimer", d, "Step %s is a pause%s.", name, until), true
	case b.Approval():
		q, prompt := asks(b)
		whose := "anybody who operates it"
		if len(q.By) > 0 {
			whose = strings.Join(q.By, " or ")
		}
		return cause(weighsOpen, "waitsForApproval", d, "Step %s waits for an approval by %s%s: %q.", name, whose, until,
			prompt), true
	case b.Kind == txn.StepSignal:
		return cause(weighsOpen, "waitsForSignal", d, "Step %s waits for the signal %s%s.", name, b.Resource, until), true
	case b.State == txn.Published:
		return cause(weighsAnswer, "awaitsReply", d,
			"The message of step %s is out on topic %s, and its reply is waited for.", name, b.Resource), true
	case b.InFlight(k.now):
		return cause(weighsAnswer, "answerAwaited", d, "Step %s (%s) was asked and has not answered yet.", name,
			stepKind(b)), true
	case k.g.Stuck == txn.StuckRetriesUsedUp && b.Failure != "":
		return cause(weighsSpent, "attemptsUsedUp", d,
			"The attempts at step %s are used up, there is no way back, and it is tried slowly; the last said: %q.", name,
			b.Failure), true
	case b.Failure != "":
		return cause(weighsFailing, "stepFailing", d, "Step %s (%s) fails, and is tried again at %s: %q.", name, stepKind(b),
			d.NextAttemptAt, b.Failure), true
	case b.Ongoing > 0:
		return cause(weighsOngoing, "stepOngoing", d, "Step %s says that it is still at it; it is asked again at %s.", name,
			d.NextAttemptAt), true
	}
	return cause(weighsSoon, "startsSoon", d, "Step %s is about to be asked.", name), true
}

// explainSaga says in words what a saga waits for that has not ended, and what a person can do about it.
func explainSaga(g *txn.Global, now txn.Millis) (explanation, advice string) {
	done, undone, begun, xid := 0, 0, 0, g.XID.String()
	var trouble *txn.Branch
	var open []string
	for _, b := range g.Branches {
		if b.Step == nil {
			continue
		}
		begun++
		switch {
		case b.Step.Seq > 0:
			done++
		case g.Status == txn.Active && stepOpen(b):
			open = append(open, b.Step.Name)
		}
		if g.Status == txn.RollingBack && b.NeedsPhaseTwo() {
			undone++
		}
		if b.Failure != "" && (b.NeedsPhaseTwo() || g.Status == txn.Active) {
			trouble = b
		}
	}
	said := ""
	if trouble != nil {
		said = fmt.Sprintf("; step %s said: %q", trouble.Step.Name, trouble.Failure)
	}
	switch {
	case g.Status == txn.Active && g.Stuck == txn.StuckRefused && !g.Pivoted():
		return fmt.Sprintf("Stuck, because nobody knows what was done: %s.", g.Saga.Failure),
			"Find out what was done, then: concord saga retry " + xid +
				", or skip a step with a result, or cancel it, which compensates what may have run."
	case g.Status == txn.Active && g.Stuck == txn.StuckRefused:
		return fmt.Sprintf("Stuck behind its pivot, where there is no way back: %s.", g.Saga.Failure),
			"Mend what is wrong, then: concord saga resume " + xid + ", or skip the step that was refused. If an expression " +
				"failed: publish a version that stands what has come, then: concord saga move " + xid
	case g.Status == txn.Active && g.Stuck != 0:
		return fmt.Sprintf("Stuck behind its pivot: attempts are used up%s.", said),
			"It goes on trying slowly. When the participant works again: concord saga retry " + xid
	case g.Status == txn.Active && len(open) == 0:
		return fmt.Sprintf("%d of %d steps that have begun are done; the next are about to begin.", done, begun), ""
	case g.Status == txn.Active:
		return fmt.Sprintf("%d of %d steps that have begun are done; under way: %s%s.", done, begun, few(open), said), ""
	case g.Stuck == txn.StuckRefused:
		return fmt.Sprintf("Stuck: %s not undone, and %s cannot be%s.", stepsAre(undone), oneOf(undone), said),
			"Nothing more is sent to it. Mend what it complains about, then: concord saga retry " + xid
	case g.Stuck != 0:
		return fmt.Sprintf("Stuck: %s not undone, and attempts are used up%s.", stepsAre(undone), said),
			"It goes on trying slowly. When the participant works again: concord saga retry " + xid
	}
	return fmt.Sprintf("The %s is decided; %s not undone yet%s.", g.Status.Outcome(), stepsAre(undone), said), ""
}

// stepsAre counts steps.
func stepsAre(n int) string {
	if n == 1 {
		return "1 step is"
	}
	return fmt.Sprintf("%d steps are", n)
}

// oneOf is one of some things that were counted.
func oneOf(n int) string {
	if n == 1 {
		return "it"
	}
	return "one of them"
}

// few names at most some things.
func few(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
