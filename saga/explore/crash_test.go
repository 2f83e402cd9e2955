package explore

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
)

// fickle is a planner that does not go by the record alone, but by how often it was asked, or by what it remembers.
type fickle struct {
	*plan.Program
	counts bool
	asked  int
	known  map[*txn.Branch]bool
}

func (f *fickle) Next(g *txn.Global, now txn.Millis) txn.Next {
	next := f.Program.Next(g, now)
	f.asked++
	switch {
	case f.counts && len(next.Start) > 0:
		next.Start[0].Data = strings.Repeat("x", f.asked)
	case !f.counts && len(g.Branches) > 1 && !f.known[g.Branches[0]]:
		next.Start = []txn.NewStep{{Name: "more", Kind: txn.StepTimer, Until: now.Add(1000)}}
	}
	for _, b := range g.Branches {
		f.known[b] = true
	}
	return next
}

func TestAPlannerThatGoesByMoreThanTheRecordIsFound(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fickle{
		"before the record": {counts: true}, "behind the record": {},
	} {
		def, _ := definition.Parse([]byte(chain(2)))
		program, err := plan.Compile(def, nil)
		if err != nil {
			t.Fatal(err)
		}
		x := newExplorer(&own{program, def})
		x.budget, f.known = 0, map[*txn.Branch]bool{}
		w := x.begin().clone()
		f.Program = program.Abstract(w)
		w.rules.Planners = &planners{f}
		w.start()
		for range 30 {
			w.happen()
		}
		found := false
		for _, failure := range x.failures {
			found = found || strings.Contains(failure.Text, name)
		}
		if !found {
			t.Errorf("%s: %v", name, x.failures)
		}
	}
}

// TestAReportSaysAtHowManyEventsCrashesWereTried: at all of them unless there are many branches.
func TestAReportSaysAtHowManyEventsCrashesWereTried(t *testing.T) {
	t.Parallel()
	few, many := explore(t, chain(often-1), Options{}), explore(t, chain(2*often), Options{})
	if few.Crashes < 50 || few.Crashes != few.CrashesOf {
		t.Errorf("few branches: %d of %d", few.Crashes, few.CrashesOf)
	}
	if many.Crashes < 100 || many.Crashes >= many.CrashesOf || many.CrashesOf <= few.CrashesOf {
		t.Errorf("many branches: %d of %d", many.Crashes, many.CrashesOf)
	}
	text := "deadline: 1h\n" + strings.ReplaceAll(chain(2*often), "{id", "{after: [], id")
	wide := explore(t, text, Options{StatesMax: 20_000})
	if wide.Crashes < oftenMax || wide.Crashes*5 >= wide.CrashesOf {
		t.Errorf("many branches, for long: %d of %d", wide.Crashes, wide.CrashesOf)
	}
}
