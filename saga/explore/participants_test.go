package explore_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
)

// coordinator is the real planner and core, and around them nothing but a clock and participants.
type coordinator struct {
	rules txn.Rules
	g     *txn.Global
	now   txn.Millis
	asked []txn.Command // not answered yet
	*participants
}

// one has one planner.
type one struct{ planner txn.Planner }

func (o *one) Planner(*txn.SagaRun) txn.Planner { return o.planner }

// hour is the deadline of sagas that have none.
const hour = 3_600_000_000_000

// begin begins a run.
func begin(program *plan.Program, def *definition.Definition, input string, p *participants) *coordinator {
	c := &coordinator{rules: txn.DefaultRules(), now: 1_700_000_000_000, participants: p}
	c.rules.Planners = &one{program}
	c.rules.Retry.Attempts = 1
	c.apply(txn.Begin{
		XID: txn.XID{Prefix: "real", ID: 1}, Name: def.Name, Timeout: max(def.Deadline, hour), Data: input,
		Saga: &txn.SagaRun{Definition: def.Name, Version: 1},
	})
	c.apply(txn.Wake{})
	return c
}

// apply applies an event, and what the decision log does with a decision.
func (c *coordinator) apply(ev txn.Event) {
	eff, err := c.rules.Apply(c.g, ev, c.now)
	if err != nil || eff.Next == nil {
		return
	}
	c.g = eff.Next
	for _, cmd := range eff.Commands {
		c.sent(cmd)
	}
	if c.asked = append(c.asked, eff.Commands...); eff.Decided && !eff.Ended {
		c.apply(txn.Wake{})
	}
}

// take takes the first command that fits.
func (c *coordinator) take(fits func(txn.Command) bool) (txn.Command, bool) {
	i := slices.IndexFunc(c.asked, fits)
	if i < 0 {
		return txn.Command{}, false
	}
	cmd := c.asked[i]
	c.asked = slices.Delete(c.asked, i, i+1)
	return cmd, true
}

// awaited is the oldest step that waits for somebody, nil if none does.
func (c *coordinator) awaited(step string) *txn.Branch {
	for _, b := range c.g.Branches {
		waits := b.Kind == txn.StepSignal && b.State == txn.Registered && b.Step.Seq == 0
		if waits && c.g.Status == txn.Active && (step == "" || b.Step.Name == step) {
			return b
		}
	}
	return nil
}

// later lets the time go by that the coordinator waits for. It returns false if it waits for none.
func (c *coordinator) later() bool {
	if c.g.DueAt == 0 {
		return false
	}
	c.now = max(c.now+1, c.g.DueAt)
	c.apply(txn.Wake{})
	return true
}

// stuck reports whether the saga does not end, however long it takes, though participants do all that they are asked.
func (c *coordinator) stuck() bool {
	for quiet := 0; quiet < 20; {
		cmd, ok := c.take(func(txn.Command) bool { return true })
		switch {
		case c.g.Status.Ended():
			return false
		case ok:
			quiet = 0
			c.replies(cmd, txn.ResultDone)
		default:
			quiet++
			if !c.later() {
				c.now += 1_000_000
				c.apply(txn.Wake{})
			}
		}
	}
	return true
}

// work is what is true of one step, whatever the coordinator believes.
type work struct {
	standing map[int64]bool // by branch: whether what it has done stands
	undone   map[int64]bool
	refused  map[int64]bool
	begun    int // when it was first asked, counted in commands and answers
	known    int // when it was first known to be done; 0: never
}

// participants are all those whom a saga asks. They do what they are asked once, whatever comes how often, and never
// what was undone before.
type participants struct {
	changes func(step string) bool // whether a step has an effect
	works   map[string]*work
	clock   int
	bad     []string // what must never be, as it has happened
}

func people(changes func(string) bool) *participants {
	return &participants{changes: changes, works: map[string]*work{}}
}

func (p *participants) work(step string) *work {
	w := p.works[step]
	if w == nil {
		w = &work{standing: map[int64]bool{}, undone: map[int64]bool{}, refused: map[int64]bool{}}
		p.works[step] = w
	}
	return w
}

// sent notes a command.
func (p *participants) sent(cmd txn.Command) {
	p.clock++
	if w := p.work(cmd.Step); w.begun == 0 && cmd.Op == txn.Forward {
		w.begun = p.clock
	}
}

// does has a step done, unless it was undone or refused before.
func (p *participants) does(cmd txn.Command) bool {
	w := p.work(cmd.Step)
	if w.undone[cmd.BranchID] || w.refused[cmd.BranchID] {
		return false
	}
	for branch, stands := range w.standing {
		if stands && branch != cmd.BranchID && p.changes(cmd.Step) {
			p.bad = append(p.bad, cmd.Step+" is doubled")
		}
	}
	w.standing[cmd.BranchID] = true
	return true
}

// undoes has it undone.
func (p *participants) undoes(cmd txn.Command) {
	w := p.work(cmd.Step)
	if w.standing[cmd.BranchID] && w.known > 0 {
		for name, other := range p.works {
			if other.begun > w.known && other.stands() && p.changes(name) {
				p.bad = append(p.bad, cmd.Step+" is undone before "+name)
			}
		}
	}
	if w.undone[cmd.BranchID] = true; w.standing[cmd.BranchID] {
		w.standing[cmd.BranchID] = false
	}
}

// learns notes that the coordinator knows of a step that it is done.
func (p *participants) learns(step string) {
	p.clock++
	if w := p.work(step); w.known == 0 {
		w.known = p.clock
	}
}

func (w *work) stands() bool {
	for _, stands := range w.standing {
		if stands {
			return true
		}
	}
	return false
}

// left are the steps whose effects stand.
func (p *participants) left() []string {
	var out []string
	for name, w := range p.works {
		if w.stands() && p.changes(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// undone are those that were done and undone.
func (p *participants) undone() []string {
	var out []string
	for name, w := range p.works {
		for branch := range w.undone {
			if _, did := w.standing[branch]; did && !w.standing[branch] && p.changes(name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// verdict says what is bad about an end, by what participants have done; "" if nothing is.
func (c *coordinator) verdict() string {
	switch left, undone := c.left(), c.undone(); {
	case len(c.bad) > 0:
		return strings.Join(c.bad, ", ")
	case !c.g.Status.Ended():
		return fmt.Sprintf("it does not end, and %v stand", left)
	case c.g.Status == txn.RolledBack && len(left) > 0:
		return fmt.Sprintf("it is compensated, and %v stand", left)
	case c.g.Status == txn.Committed && len(undone) > 0:
		return fmt.Sprintf("it is done, and %v are undone", undone)
	}
	return ""
}

// natures says of steps whether they have an effect: just those of which neither definition says that they change
// nothing. The one is sound, the other the one that runs.
func natures(programs ...*plan.Program) func(string) bool {
	known := map[string]bool{}
	return func(step string) bool {
		changes, ok := known[step]
		if ok {
			return changes
		}
		for _, p := range programs {
			if s := p.StepOf(step); s != nil {
				asks := s.Kind == definition.KindCall && s.Call.Method != "GET" || s.Kind == definition.KindWorker ||
					s.Kind == definition.KindMessage
				changes = changes || asks && !s.ReadOnly
			}
		}
		known[step] = changes
		return changes
	}
}
