package explore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore/random"
	"github.com/concord-tx/concord/saga/plan"
)

// real is a planner with data, whose participants say one thing if they are done.
type real struct{ *plan.Program }

func (p real) Judge(g *txn.Global, b *txn.Branch, r txn.Reply) txn.Verdict {
	if r.Result == txn.ResultDone {
		r.Answer = `{"id":1}`
	}
	return p.Program.Judge(g, b, r)
}

// engine begins a run of the real planner and core.
func engine(program *plan.Program, def *definition.Definition, input string, s *script) *world {
	x := newExplorer(&own{program, def})
	x.script = s
	w := x.begin().clone()
	w.rules.Planners = &planners{real{program}}
	w.apply(txn.Begin{
		XID: txn.XID{Prefix: "real", ID: 1}, Name: def.Name, Timeout: max(def.Deadline, time.Hour), Data: input,
		Saga: &txn.SagaRun{Definition: def.Name, Version: 1},
	})
	w.apply(txn.Wake{})
	return w
}

// category is what two failures have in common that are the same to people: how they are worded depends on data.
func category(f Failure) string {
	for _, kind := range []string{"compensation:", "it may have run", "it fails after the pivot", "it stands still"} {
		if strings.HasPrefix(f.Text, kind) {
			return f.Step + " " + kind
		}
	}
	return f.Step + " after the pivot"
}

// replayReal lets a counter-example happen to the real planner and core, and returns how that ends.
func replayReal(t *testing.T, forced library, name string, f Failure) []string {
	t.Helper()
	s := &script{events: f.Timeline, used: make([]bool, len(f.Timeline)), moments: map[string]int{}}
	w := engine(forced.program(t, name), forced[name], answered(t, f.Timeline), s)
	for range 5_000 {
		if w.g.Status.Ended() || w.g.Stuck == txn.StuckRefused {
			w.judge()
			break
		}
		if !w.happen() {
			return []string{" it stands still"}
		}
	}
	var ends []string
	for _, f := range w.x.failures {
		ends = append(ends, category(f))
	}
	return ends
}

// participant is what is true of a step, whatever the coordinator believes.
type participant struct{ done, undone, refused bool }

// roamer drives the real planner and core at random: answers in any order, lost, doubled and late, people who say yes
// or no, and the deadline at any time.
type roamer struct {
	*world
	r       *rand.Rand
	truth   map[string]*participant
	replies []txn.Reply
}

// roam runs to the end and returns what is bad about it, "" if nothing.
func (w *roamer) roam() string {
	w.rules.Retry.Attempts = 1 + uint32(w.r.IntN(2))
	for range 5_000 {
		switch {
		case w.g.Stuck == txn.StuckRefused:
			return "stuck: " + w.g.Saga.Failure
		case w.g.Status.Ended():
			return w.verdict()
		case len(w.replies) > 0 && w.r.IntN(4) == 0:
			w.apply(w.replies[w.r.IntN(len(w.replies))])
		case w.x.of.(*own).def.Deadline > 0 && w.r.IntN(40) == 0:
			w.now = max(w.now, w.g.Deadline())
			w.apply(txn.Wake{})
		case len(w.asked) > 0 && w.r.IntN(5) > 0:
			i := w.r.IntN(len(w.asked))
			cmd := w.asked[i]
			w.asked = slices.Delete(w.asked, i, i+1)
			w.do(cmd)
		case w.signalled():
		case w.g.DueAt != 0 && len(w.asked) == 0:
			w.now = max(w.now+1, w.g.DueAt)
			w.apply(txn.Wake{})
		case len(w.asked) == 0:
			return "it stands still"
		}
	}
	return "it does not end"
}

// do has a participant do what it is asked for, and perhaps tell.
func (w *roamer) do(cmd txn.Command) {
	p := w.truth[cmd.Step]
	if p == nil {
		p = &participant{}
		w.truth[cmd.Step] = p
	}
	r := txn.Reply{BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone}
	trouble := w.r.IntN(6)
	switch {
	case cmd.Op == txn.Rollback && trouble == 0:
		r.Result = txn.ResultFailed
	case cmd.Op == txn.Rollback:
		p.undone = true
	case p.undone || p.refused || trouble == 0 && !p.done:
		p.refused = !p.done
		r.Result = txn.ResultRefused
	case trouble == 1:
		p.done = p.done || w.r.IntN(2) == 0
		r.Result = txn.ResultNoAnswer
	default:
		p.done = true
	}
	if p.refused && r.Result == txn.ResultRefused && w.g.Pivoted() {
		p.refused = false // behind the pivot it is tried until it is done
	}
	w.replies = append(w.replies, r)
	w.apply(r)
}

// signalled answers somebody who is waited for.
func (w *roamer) signalled() bool {
	for _, b := range w.g.Branches {
		if b.Kind == txn.StepSignal && b.State == txn.Registered && w.g.Status == txn.Active && b.Step.Seq == 0 {
			w.apply(txn.Signal{Step: b.Step.Name, Refuse: w.r.IntN(4) == 0})
			return true
		}
	}
	return false
}

// verdict compares the end with what is true.
func (w *roamer) verdict() string {
	for _, b := range w.g.Branches {
		p := w.truth[b.Step.Name]
		switch {
		case p == nil:
		case w.g.Status == txn.Committed && p.undone:
			return b.Step.Name + " is undone, though the saga is done"
		case w.g.Status == txn.RolledBack && p.done && !p.undone && w.x.of.(*own).changes(b):
			return b.Step.Name + " is not undone"
		}
	}
	return ""
}

// agreement counts what was compared.
type agreement struct {
	definitions, unsound, replayed, runs, bad int
	harmful                                   int // definitions of which a random run has ended badly
}

// compare explores a definition, replays what is found, and looks whether random runs find anything else.
func (a *agreement) compare(t *testing.T, all, forced library, name string, r *rand.Rand, runs int) {
	t.Helper()
	told, err := Run(all[name], all.resolve, Options{StatesMax: 600})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	a.definitions++
	if len(told.Failures) > 0 {
		a.unsound++
	}
	for _, f := range told.Failures {
		a.replayed++
		if ends := replayReal(t, forced, name, f); !slices.Contains(ends, category(f)) {
			t.Errorf("%s: told %s, and it ends %q by way of\n%v\n%s", name, category(f), ends, f.Timeline,
				forced[name].Canonical())
		}
	}
	program, harmful := forced.program(t, name), false
	defer func() {
		if harmful {
			a.harmful++
		}
	}()
	for range runs {
		w := &roamer{r: r, truth: map[string]*participant{}}
		w.world = engine(program, forced[name], inputOf(t, draw(r, all, name, "")), nil)
		end := w.roam()
		a.runs++
		if end == "" {
			continue
		}
		harmful = true
		if a.bad++; len(told.Failures) == 0 && told.Exhaustive {
			t.Errorf("%s is told to be sound, but: %s\n%v\n%s", name, end, w.timeline, forced[name].Canonical())
			return
		}
	}
}

// draw chooses at random what the oracle could be asked for.
func draw(r *rand.Rand, all library, name, prefix string) map[string]any {
	out := map[string]any{}
	if strings.Count(prefix, "/") > 3 {
		return out
	}
	for _, s := range all[name].Steps {
		out["condition of "+prefix+s.ID] = r.IntN(3) > 0
		out["items of "+prefix+s.ID] = make([]int, r.IntN(3))
		inside := []string{""}
		if s.ForEach != nil {
			if s.ForEach.Max == 1 {
				out["items of "+prefix+s.ID] = make([]int, 1)
			}
			inside = []string{"[0]", "[1]"}
		}
		if s.Kind == definition.KindChoice {
			ways := len(s.Choice.Cases)
			if s.Choice.Else != "" || r.IntN(4) == 0 {
				ways++
			}
			out["case of "+prefix+s.ID] = fmt.Sprintf("k%d", r.IntN(ways))
		}
		for _, at := range inside {
			for turn := 1; turn < 3; turn++ {
				out[fmt.Sprintf("end of %s%s%s at turn %d", prefix, s.ID, at, turn)] = r.IntN(2) == 0
			}
			if s.Kind == definition.KindSubSaga {
				for what, took := range draw(r, all, s.Sub.Saga, prefix+s.ID+at+"/") {
					out[what] = took
				}
			}
		}
	}
	return out
}

func (a *agreement) log(t *testing.T) {
	t.Logf("%d definitions, %d told to be unsound; %d counter-examples replayed; %d random runs, of which %d of %d "+
		"definitions ended badly", a.definitions, a.unsound, a.replayed, a.runs, a.bad, a.harmful)
}

func TestExplorationAndEngineAgreeOnTheCorpus(t *testing.T) {
	t.Parallel()
	all, r, a := corpus(t), rand.New(rand.NewPCG(1, 2)), &agreement{}
	forced := all.forced(t)
	for _, name := range all.names() {
		a.compare(t, all, forced, name, r, 40)
	}
	if a.log(t); a.unsound > 0 || a.bad > 0 || a.definitions < 20 {
		t.Error("they are sound")
	}
}

func TestExplorationAndEngineAgreeOnRandomDefinitions(t *testing.T) {
	t.Parallel()
	r, a := rand.New(rand.NewPCG(3, 4)), &agreement{}
	for range 60 {
		s := random.New(r, "top")
		all := library{}
		for _, one := range append(s.Subs, s) {
			all[one.Name], _ = definition.Parse([]byte(one.Text))
		}
		a.compare(t, all, all.forced(t), "top", r, 15)
	}
	if a.log(t); a.unsound > 0 || a.bad > 0 {
		t.Error("they are sound")
	}
}

func TestExplorationAndEngineAgreeOnMutants(t *testing.T) {
	t.Parallel()
	all, r, a := corpus(t), rand.New(rand.NewPCG(5, 6)), &agreement{}
	forcedAll := all.forced(t)
	for _, name := range all.names() {
		for _, spoil := range spoilers() {
			for i := range all[name].Steps {
				d := tree(t, all[name])
				if !spoil(d["steps"].([]any)[i].(map[string]any)) {
					continue
				}
				spoiled, forced := maps.Clone(all), maps.Clone(forcedAll)
				spoiled[name] = parseTree(t, d)
				forced[name] = parseTree(t, force(tree(t, spoiled[name])))
				if _, err := plan.Compile(spoiled[name], spoiled.resolve); err != nil {
					continue // the lint has it
				}
				a.compare(t, spoiled, forced, name, r, 10)
			}
		}
	}
	if a.log(t); a.definitions < 200 || a.unsound < 100 || a.replayed < 120 || a.harmful < 60 {
		t.Error("there is too little to agree on")
	}
}

// spoilers change a step for the worse; they return false if there is nothing to change.
func spoilers() []func(s map[string]any) bool {
	drop := func(key string) func(map[string]any) bool {
		return func(s map[string]any) bool {
			had := s[key] != nil
			delete(s, key)
			return had
		}
	}
	return []func(map[string]any) bool{
		drop("compensate"), drop("readOnly"), drop("pivot"), drop("onRefused"),
		drop("after"), drop("when"), drop("repeat"),
		func(s map[string]any) bool { // a choice that may have no way
			c, ok := s["choice"].(map[string]any)
			if ok {
				delete(c, "else")
			}
			return ok
		},
		func(s map[string]any) bool { // a refusal that is passed over
			had := s["compensate"] != nil && s["onRefused"] == nil
			s["onRefused"] = "continue"
			return had
		},
		func(s map[string]any) bool { // no way back, and nobody has thought of it
			had := s["compensate"] != nil
			s["pivot"] = true
			return had
		},
		func(s map[string]any) bool { // no way back too early
			if s["compensate"] == nil {
				return false
			}
			delete(s, "compensate")
			s["pivot"] = true
			return true
		},
		func(s map[string]any) bool { // what undoes it needs what nobody knows
			if s["compensate"] == nil {
				return false
			}
			s["compensate"] = map[string]any{"call": map[string]any{"url": "http://u/${output.id}"}}
			return true
		},
	}
}
