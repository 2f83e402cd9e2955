package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// silentSender says why the sender of a two-phase message has not answered what became of it.
func (k *known) silentSender() (all []Cause) {
	b := k.g.Branches[0]
	d := k.data(b)
	if c, dead := k.target(d); dead {
		all = append(all, c)
	}
	switch {
	case b.InFlight(k.now):
		return append(all, cause(weighsAnswer, "checkInFlight", d,
			"Its sender was silent until the deadline and is being asked now what became of it."))
	case b.Failure != "":
		return append(all, cause(weighsFailing, "checkFailing", d,
			"Its sender was silent until the deadline, and asking it what became of the message fails: %q.", b.Failure))
	case b.Ongoing > 0:
		return append(all, cause(weighsOngoing, "checkOngoing", d,
			"Its sender was asked, and says that it does not know yet."))
	}
	return append(all, cause(weighsSoon, "checkDue", d,
		"Its sender was silent until the deadline and is about to be asked what became of it."))
}

// phaseTwo are the causes why what is decided is not done.
func (k *known) phaseTwo() (all []Cause) {
	turns := k.g.Turns()
	spent := k.spent()
	open := 0
	places := map[string]bool{} // which resources and targets were named already
	for i, b := range k.g.Branches {
		if !b.NeedsPhaseTwo() {
			continue
		}
		open++
		if after, _ := k.g.Branch(turns[i]); after != nil {
			all = append(all, k.waitsFor(b, after))
			continue
		}
		d := k.data(b)
		if c, away := k.place(b, d); away && !places[c.Code+c.Data.Resource+c.Data.Target] {
			places[c.Code+c.Data.Resource+c.Data.Target] = true
			all = append(all, c)
		}
		all = append(all, k.branch(b, d, spent[b.ID]))
	}
	if open == 0 {
		return append(all, cause(weighsSoon, "endIsWritten", CauseData{}, "All branches are done; its end is being written."))
	}
	if late := time.Duration(k.now-k.g.DueAt) * time.Millisecond; k.g.DueAt != 0 && late > lateAfter {
		all = append(all, cause(weighsExpired, "attemptLate",
			CauseData{Since: when(k.g.DueAt), AgeMs: late.Milliseconds()},
			"Its next attempt was due %s ago: the coordinator is behind, or cannot write.", late))
	}
	return all
}

// spent returns the branches whose attempts are used up.
func (k *known) spent() map[int64]bool {
	if k.g.Stuck != txn.StuckRetriesUsedUp {
		return nil
	}
	spent := map[int64]bool{}
	for _, e := range k.g.History.Entries() {
		if e.Kind == txn.HistoryRetriesUsed {
			spent[e.Branch] = true
		}
	}
	return spent
}

// waitsFor is the cause of a branch whose turn comes after that of another one.
func (k *known) waitsFor(b, after *txn.Branch) Cause {
	d := k.data(b)
	d.After = decimal(after.ID)
	if after.State == txn.Refused {
		return cause(weighsTurn, "undoBlocked", d,
			"Branch %d is undone after branch %d of the same database, which has refused.", b.ID, after.ID)
	}
	return cause(weighsOther, "waitsItsTurn", d, "Branch %d has its turn after branch %d.", b.ID, after.ID)
}

// branch is the cause of a branch whose turn it is.
func (k *known) branch(b *txn.Branch, d CauseData, spent bool) Cause {
	switch {
	case b.State == txn.Refused:
		return cause(weighsPerson, "branchRefused", d,
			"%s answered that it can never %s%s. Nothing more is sent until a person acts.", upper(whose(b)), d.Operation,
			reason(b.Failure))
	case b.State == txn.Published:
		return cause(weighsAnswer, "awaitsReport", d,
			"The message of branch %d is out on topic %s, and its participant has not reported back.", b.ID, b.Resource)
	case spent:
		return cause(weighsSpent, "attemptsUsedUp", d,
			"The attempts of %s are used up, and it is tried slowly; the last said: %q.", whose(b), b.Failure)
	case b.Kind == txn.Topic && b.Ack == txn.AckReport && strings.HasPrefix(b.Failure, "no report"):
		return cause(weighsFailing, "reportMissing", d,
			"The message of branch %d was published %d times on topic %s, and nobody has reported back.", b.ID, b.Attempts,
			b.Resource)
	case b.Kind == txn.Topic && b.Failure != "":
		return cause(weighsFailing, "publicationFailing", d,
			"The message of branch %d cannot be published on topic %s: %q.", b.ID, b.Resource, b.Failure)
	case b.InFlight(k.now):
		return cause(weighsAnswer, "answerAwaited", d,
			"%s was asked and has not answered yet.", upper(whose(b)))
	case b.Failure != "":
		return cause(weighsFailing, "branchFailing", d, "%s fails: %q.", upper(whose(b)), b.Failure)
	case b.Ongoing > 0:
		return cause(weighsOngoing, "branchOngoing", d,
			"%s says that it is still at it; it is asked again.", upper(whose(b)))
	}
	d.NextAttemptAt = when(max(b.NextAt, k.g.DueAt))
	return cause(weighsSoon, "startsSoon", d, "%s is about to be asked.", upper(whose(b)))
}

// whose calls a branch as people know it: phase two of a step of a saga is its compensation.
func whose(b *txn.Branch) string {
	if b.Step != nil {
		return "the compensation of step " + b.Step.Name
	}
	return fmt.Sprintf("branch %d (%s, %s)", b.ID, b.Kind, b.Resource)
}

// upper begins a sentence.
func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// reason is what a participant has said, behind a colon; "" if it gave no reason.
func reason(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}

// place says that nobody is there who could be asked.
func (k *known) place(b *txn.Branch, d CauseData) (c Cause, away bool) {
	switch {
	case b.State == txn.Refused || b.InFlight(k.now):
		return c, false
	case b.Kind.Called():
		return k.target(d)
	case b.Kind > txn.SagaAnnotation:
		return c, false
	}
	serves := func(s Session) bool {
		return s.RM && slices.Contains(s.Resources, b.Resource) && k.may(b, s.Application)
	}
	far := func(s orchestrator.RemoteSession) bool { return s.Resource == b.Resource && k.may(b, s.Application) }
	if slices.ContainsFunc(k.sessions, serves) || slices.ContainsFunc(k.elsewhere, far) {
		return c, false
	}
	where := "any node"
	if k.elsewhereUnknown {
		where = "this node, and who is connected to others is not known now"
	}
	return cause(weighsPlace, "noSession", CauseData{Resource: b.Resource, Kind: b.Kind.String(), Operation: d.Operation},
		"No client that has %s is connected to %s.", b.Resource, where), true
}

// may reports whether clients of an application are asked for a branch: only the undo of AT is in the database, where
// all find it, and a saga engine's command names its application itself.
func (k *known) may(b *txn.Branch, application string) bool {
	if b.Kind == txn.AT || b.ID == txn.SagaBranchID {
		return true
	}
	owner, _, _ := strings.Cut(b.Client, ":")
	return owner == "" || owner == application
}

// target says that the place that is called does not take calls.
func (k *known) target(d CauseData) (c Cause, away bool) {
	t, found := k.targets[d.Target]
	if !found {
		return c, false
	}
	say := CauseData{Target: t.Origin, Error: t.LastError, Count: int64(t.Queued)}
	if !t.Since.IsZero() {
		say.Since = when(txn.MillisOf(t.Since))
	}
	if !t.ProbeAt.IsZero() {
		say.NextAttemptAt = when(txn.MillisOf(t.ProbeAt))
	}
	switch {
	case t.Probing:
		return cause(weighsPlace, "targetProbed", say,
			"%s was dead, and one call finds out now whether it is still; the others wait. It said: %q.", t.Origin,
			t.LastError), true
	case t.Dead:
		return cause(weighsPlace, "targetDead", say,
			"%s does not answer, so that calls are kept away from it; it said: %q.", t.Origin, t.LastError), true
	case t.Full:
		return cause(weighsPlace, "targetFull", say, "%d calls wait for %s; there is no room for more.", t.Queued,
			t.Origin), true
	}
	return c, false
}
