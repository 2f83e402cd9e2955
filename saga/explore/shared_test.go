package explore

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore/random"
	"github.com/concord-tx/concord/saga/plan"
)

// apart is what a world was when it was kept to be gone on from, in lists that nobody shares.
type apart struct {
	asked    []txn.Command
	answers  []uint16
	timeline []Event
	record   []byte
}

// watching looks whether the worlds that will be gone on from are changed by those that were copied from them.
type watching struct {
	*own
	x      *explorer
	kept   map[*world]apart
	looks  int
	shared int // looks at a list behind whose end another world has written
	worse  string
}

func (s *watching) Planner(o Oracle) txn.Planner {
	s.x = o.(*explorer)
	return watched{s.own.Planner(o), s}
}

// Outside is asked before anything happens to a world that was just copied.
func (s *watching) Outside() (deadline, cancel bool) {
	s.look()
	return s.own.Outside()
}

type watched struct {
	txn.Planner
	by *watching
}

func (p watched) Next(g *txn.Global, now txn.Millis) txn.Next {
	next := p.Planner.Next(g, now)
	p.by.look()
	return next
}

func (s *watching) look() {
	kept := make(map[*world]apart, len(s.x.marks))
	for _, m := range s.x.marks {
		w, was := m.w, s.kept[m.w]
		if _, known := s.kept[w]; !known {
			was = apart{slices.Clone(w.asked), slices.Clone(w.answers), slices.Clone(w.timeline), encode(w.g)}
		}
		kept[w] = was
		s.looks++
		if n := len(w.timeline); n < cap(w.timeline) && w.timeline[:n+1][n] != (Event{}) {
			s.shared++
		}
		switch {
		case !slices.Equal(w.timeline, was.timeline):
			s.worse = "a timeline"
		case !slices.Equal(w.answers, was.answers):
			s.worse = "answers"
		case !slices.EqualFunc(w.asked, was.asked, func(a, b txn.Command) bool {
			return a.BranchID == b.BranchID && a.Op == b.Op && a.Attempt == b.Attempt
		}):
			s.worse = "what is asked"
		case !bytes.Equal(encode(w.g), was.record):
			s.worse = "the record"
		}
	}
	s.kept = kept
}

// TestWorldsThatShareListsDoNotChangeEachOther: a world that will be gone on from is what it was when it was left.
func TestWorldsThatShareListsDoNotChangeEachOther(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 12))
	looks, shared := 0, 0
	for range 60 {
		top := random.New(r, "top")
		all := map[string]*definition.Definition{}
		for _, s := range append(top.Subs, top) {
			all[s.Name], _ = definition.Parse([]byte(s.Text))
		}
		program, err := plan.Compile(all["top"], func(name string, _ int) (*definition.Definition, error) {
			return all[name], nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s := &watching{own: &own{program, all["top"]}}
		Explore(s, Options{StatesMax: 300})
		if looks, shared = looks+s.looks, shared+s.shared; s.worse != "" {
			t.Errorf("%s of a world was changed by another one:\n%s", s.worse, top.Text)
		}
	}
	if t.Logf("%d looks, %d at lists that are shared", looks, shared); shared < 1000 {
		t.Error("too few lists are shared")
	}
}
