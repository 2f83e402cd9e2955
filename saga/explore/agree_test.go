package explore_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/explore/random"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// agreement counts what was compared.
type agreement struct {
	definitions, unsound int
	whole, again         int // explored as a whole; explored again with a larger bound, since it was cut
	replayed             int // counter-examples, each confirmed by what participants have done
	runs, bad            int
	harmful              int // definitions of which a random run has ended badly
	refused              int // definitions that cannot be compiled
}

// The bounds of an exploration, of the first one and of that which is made if it is cut.
const (
	states     = 1_500
	statesMore = 5_000
)

// lint returns what the lint says of a definition of a library.
func (l library) lint(name string) []definition.Finding {
	return validate.Check(l[name], validate.Options{Sagas: func(name string, _ int) (*definition.Definition, bool) {
		d, ok := l[name]
		return d, ok
	}})
}

// compare explores a definition, has each counter-example happen, and looks whether random runs find anything else.
// Sound is what the definition was made of. It returns what was told, and whether a run ended badly.
func (a *agreement) compare(
	t *testing.T, all, forced library, name string, sound *plan.Program, r *rand.Rand, runs int,
) (told explore.Report, harmful bool) {
	t.Helper()
	told, err := explore.Run(all[name], all.resolve, explore.Options{StatesMax: states})
	if err != nil {
		if a.refused++; !definition.Broken(all.lint(name)) {
			t.Errorf("%s cannot be compiled, and the lint finds no error: %v\n%s", name, err, all[name].Canonical())
		}
		return told, false
	}
	a.definitions++
	if cut := !told.Exhaustive && len(told.Failures) < 20; cut {
		a.again++
		if told, err = explore.Run(all[name], all.resolve, explore.Options{StatesMax: statesMore}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if told.Exhaustive {
		a.whole++
	}
	if len(told.Failures) > 0 {
		a.unsound++
	}
	program := forced.program(t, name)
	changes := natures(sound, program)
	for _, f := range told.Failures {
		a.replayed++
		if no := confirm(t, program, forced[name], f, changes); no != "" {
			t.Errorf("%s: told %s: %s, but %s\n%v\n%s", name, f.Step, f.Text, no, f.Timeline, forced[name].Canonical())
		}
	}
	for range runs {
		w := &roamer{r: r, def: forced[name]}
		w.coordinator = begin(program, forced[name], inputOf(t, draw(r, all, name, "")), people(changes))
		end := w.roam()
		if a.runs++; end == "" {
			continue
		}
		harmful = true
		if a.bad++; len(told.Failures) == 0 && told.Exhaustive {
			t.Errorf("%s is told to be sound, but: %s\n%s", name, end, forced[name].Canonical())
			break
		}
	}
	if harmful {
		a.harmful++
	}
	return told, harmful
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
	t.Logf("%d definitions, %d explored as a whole, for which %d were explored again with %d states; %d told to be "+
		"unsound; %d counter-examples confirmed; %d random runs, of which %d of %d definitions ended badly; %d refused "+
		"by the compiler and by the lint", a.definitions, a.whole, a.again, statesMore, a.unsound, a.replayed, a.runs,
		a.bad, a.harmful, a.refused)
}

// share asserts that so many in a hundred were explored as a whole.
func (a *agreement) share(t *testing.T, least int) {
	t.Helper()
	if a.whole*100 < least*a.definitions {
		t.Errorf("%d of %d explored as a whole; at least %d %% have to be", a.whole, a.definitions, least)
	}
}

func TestExplorationAndEngineAgreeOnTheCorpus(t *testing.T) {
	t.Parallel()
	all, r, a := corpus(t), rand.New(rand.NewPCG(1, 2)), &agreement{}
	forced := all.forced(t)
	for _, name := range all.names() {
		a.compare(t, all, forced, name, forced.program(t, name), r, 40)
	}
	a.share(t, 100)
	if a.log(t); a.unsound > 0 || a.bad > 0 || a.definitions < 20 {
		t.Error("they are sound")
	}
}

func TestExplorationAndEngineAgreeOnRandomDefinitions(t *testing.T) {
	t.Parallel()
	r, a := rand.New(rand.NewPCG(3, 4)), &agreement{}
	for n := 0; a.definitions < 100; n++ {
		s := random.New(r, "top")
		all := library{}
		for _, one := range append(s.Subs, s) {
			all[one.Name], _ = definition.Parse([]byte(one.Text))
		}
		if n > 40 && strings.Count(s.Text, "- {id") > 5 {
			continue // there have been enough large ones
		}
		for _, f := range all.lint("top") {
			// Deadlines are drawn, and so is whether somebody is waited for with one.
			if notHint(f) && f.Rule != validate.RuleTightDeadline && f.Rule != validate.RuleWaitsForever {
				t.Errorf("a false alarm: %s: %s\n%s", f.Rule, f.Text, s.Text)
			}
		}
		forced := all.forced(t)
		a.compare(t, all, forced, "top", forced.program(t, "top"), r, 15)
	}
	a.share(t, 90)
	if a.log(t); a.unsound > 0 || a.bad > 0 {
		t.Error("they are sound")
	}
}
