package explore_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/plan"
)

// answer is what participants of forced definitions say if they are done.
const answer = `{"id":1}`

// follow lets a counter-example happen, in its order. What is lost, was done; so is what is still on its way when the
// last line has happened. Before the deadline passes, the time for which the coordinator waits goes by so often. It
// returns why that cannot be, "" if it can.
func (c *coordinator) follow(timeline []explore.Event, waits int) string {
	for _, e := range timeline {
		for n := 0; e.Text == deadlinePasses && n < waits; n++ {
			c.later()
		}
		if !c.happens(e) {
			return "this does not happen: " + e.String()
		}
	}
	for {
		cmd, ok := c.take(func(cmd txn.Command) bool { return cmd.Op == txn.Forward })
		if !ok {
			break
		}
		c.does(cmd)
	}
	for range 5_000 { // and then all is well
		cmd, ok := c.take(func(txn.Command) bool { return true })
		switch {
		case c.g.Status.Ended() || c.g.Stuck == txn.StuckRefused:
			return ""
		case ok:
			c.replies(cmd, txn.ResultDone)
		case c.awaited("") != nil:
			c.apply(txn.Signal{Step: c.awaited("").Step.Name})
		case !c.later():
			return ""
		}
	}
	return "it goes on for ever"
}

// deadlinePasses is what a timeline says of the deadline. It does not say how long that takes.
const deadlinePasses = "the deadline passes"

// happens has one line of a timeline happen.
func (c *coordinator) happens(e explore.Event) bool {
	switch {
	case e.Step == "" && e.Text == deadlinePasses:
		c.now = max(c.now, c.g.Deadline())
		c.apply(txn.Wake{})
		return true
	case e.Step == "":
		return true // a decision, which has to follow by itself, and data, which are in the input
	case strings.HasPrefix(e.Text, "the signal"):
		return c.somebody(e)
	}
	results := map[string]txn.Result{
		"done": txn.ResultDone, "refused": txn.ResultRefused, "compensated": txn.ResultDone,
		"lost: nobody knows whether it has run": txn.ResultNoAnswer,
	}
	result, known := results[e.Text]
	for known {
		cmd, ok := c.take(func(cmd txn.Command) bool {
			b, _ := c.g.Branch(cmd.BranchID)
			old := cmd.Op == txn.Forward && cmd.Attempt < b.Attempts && c.g.Status == txn.Active
			return cmd.Step == e.Step && !old && (cmd.Op == txn.Rollback) == (e.Text == "compensated")
		})
		if ok {
			c.replies(cmd, result)
			return true
		}
		if len(c.asked) > 0 || c.awaited("") != nil || !c.later() {
			return false
		}
	}
	return false
}

// somebody answers a step that waits, or does not in time.
func (c *coordinator) somebody(e explore.Event) bool {
	for c.awaited(e.Step) == nil {
		if c.awaited("") != nil || !c.later() {
			return false
		}
	}
	switch b := c.awaited(e.Step); e.Text {
	case "the signal comes":
		c.apply(txn.Signal{Step: e.Step})
	case "the signal is a no":
		c.apply(txn.Signal{Step: e.Step, Refuse: true})
	default:
		c.now = max(c.now, b.Step.Until)
		c.apply(txn.Wake{})
	}
	return true
}

// replies has a participant do what it is asked and say so, or not.
func (c *coordinator) replies(cmd txn.Command, result txn.Result) {
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: result, Answer: answer}
	switch {
	case cmd.Op == txn.Rollback:
		c.undoes(cmd)
	case result == txn.ResultRefused:
		r.Answer = ""
	default:
		c.does(cmd)
	}
	if result == txn.ResultDone && cmd.Op == txn.Forward {
		c.learns(cmd.Step)
	}
	c.apply(r)
}

// confirm lets a counter-example happen to the real planner and core, and judges by what participants have done
// whether it ends as was told: "" if it does.
func confirm(
	t *testing.T, program *plan.Program, def *definition.Definition, f explore.Failure, changes func(string) bool,
) (no string) {
	t.Helper()
	for waits := range 10 {
		c := begin(program, def, answered(t, f.Timeline), people(changes))
		if no = c.follow(f.Timeline, waits); no != "" {
			continue
		}
		if c.endsAs(f) {
			return ""
		}
		no = "it ends otherwise: " + c.verdict()
	}
	return no
}

// endsAs reports whether participants have been left as a failure says.
func (c *coordinator) endsAs(f explore.Failure) bool {
	stands := f.Step != "" && c.work(f.Step).stands() && c.changes(f.Step)
	switch {
	case strings.HasPrefix(f.Text, "it may have run"):
		return c.g.Status == txn.RolledBack && stands
	case strings.HasPrefix(f.Text, "compensation:"):
		return c.stuck() && stands
	case strings.HasPrefix(f.Text, "it fails after the pivot"):
		return c.stuck() && (!stands || c.work(f.Step).known == 0)
	}
	return c.stuck() // it stands still, or cannot go on behind the pivot
}

// roamer drives the real planner and core at random: answers in any order, lost, doubled and late, people who say yes
// or no, and the deadline at any time.
type roamer struct {
	*coordinator
	r       *rand.Rand
	def     *definition.Definition
	replied []txn.Reply
}

// roam runs to the end, and returns what is bad about it, "" if nothing.
func (w *roamer) roam() string {
	w.rules.Retry.Attempts = 1 + uint32(w.r.IntN(2))
	for range 5_000 {
		switch {
		case w.g.Stuck == txn.StuckRefused:
			return "stuck: " + w.g.Saga.Failure + ", " + w.verdict()
		case w.g.Status.Ended():
			for len(w.asked) > 0 { // what is still on its way comes, unless it is too late
				cmd := w.asked[0]
				if w.asked = w.asked[1:]; cmd.Until == 0 || cmd.Until > w.now {
					w.does(cmd)
				}
			}
			return w.verdict()
		case len(w.replied) > 0 && w.r.IntN(4) == 0:
			w.apply(w.replied[w.r.IntN(len(w.replied))])
		case w.def.Deadline > 0 && w.r.IntN(40) == 0:
			w.now = max(w.now, w.g.Deadline())
			w.apply(txn.Wake{})
		case len(w.asked) > 0 && w.r.IntN(5) > 0:
			i := w.r.IntN(len(w.asked))
			cmd := w.asked[i]
			w.asked = slices.Delete(w.asked, i, i+1)
			w.do(cmd)
		case w.awaited("") != nil:
			w.apply(txn.Signal{Step: w.awaited("").Step.Name, Refuse: w.r.IntN(4) == 0})
		case len(w.asked) == 0 && !w.later():
			return "it stands still, " + w.verdict()
		}
	}
	return "it does not end"
}

// do has a participant do what it is asked for, and perhaps tell.
func (w *roamer) do(cmd txn.Command) {
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone, Answer: answer}
	it, trouble := w.work(cmd.Step), w.r.IntN(6)
	switch {
	case cmd.Op == txn.Rollback && trouble == 0:
		r.Result, r.Answer = txn.ResultFailed, ""
	case cmd.Op == txn.Rollback:
		w.undoes(cmd)
	case trouble == 1:
		if w.r.IntN(2) == 0 {
			w.does(cmd)
		}
		r.Result, r.Answer = txn.ResultNoAnswer, ""
	case trouble == 0 && !it.standing[cmd.BranchID] || !w.does(cmd):
		r.Result, r.Answer = txn.ResultRefused, ""
		it.refused[cmd.BranchID] = !w.g.Pivoted() // behind the pivot it is tried until it is done
	}
	if r.Result == txn.ResultDone && cmd.Op == txn.Forward {
		w.learns(cmd.Step)
	}
	w.replied = append(w.replied, r)
	w.apply(r)
}
