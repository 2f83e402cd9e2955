package explore

import (
	"slices"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
)

// Replayed is what came of a failure that was replayed.
type Replayed struct {
	// Timeline is what happened this time.
	Timeline []Event
	// Failure is how it ends badly; nil if it ends well.
	Failure *Failure
}

// Replay lets happen again what the timeline of a failure says, perhaps to a definition that was mended meanwhile. What
// the timeline says nothing of is done, and the first way is taken. The error is that of [plan.Compile].
func Replay(def *definition.Definition, subs plan.Resolve, f Failure) (Replayed, error) {
	program, err := plan.Compile(def, subs)
	if err != nil {
		return Replayed{}, err
	}
	return Again(&own{program, def}, f), nil
}

// Again is Replay for a definition in whatever language. A timeline does not say how much time goes by before the
// deadline passes, or a person cancels: if there are several such moments, one that ends badly counts.
func Again(of Subject, f Failure) Replayed {
	var out Replayed
	for later := range momentsMax {
		x := newExplorer(of)
		x.script = &script{
			events: f.Timeline, used: make([]bool, len(f.Timeline)), later: later, moments: map[string]int{},
		}
		x.path(x.begin())
		r := Replayed{Timeline: x.end}
		for _, found := range append(sorted(x.failures), sorted(x.unsure)...) {
			r.Failure = &found
			break
		}
		if later > 0 && x.script.missed() {
			break // there were no more moments
		}
		same := r.Failure != nil && r.Failure.Step == f.Step && r.Failure.Text == f.Text
		if later == 0 || same || out.Failure == nil && r.Failure != nil {
			out = r
		}
		if same || len(x.script.moments) == 0 {
			break
		}
	}
	return out
}

// momentsMax bounds the moments at which something may come from outside.
const momentsMax = 1000

// script is a timeline that is followed.
type script struct {
	events   []Event
	used     []bool
	answered int            // answers and signals so far
	later    int            // how many moments are let go by at which something could come from outside
	moments  map[string]int // how many there were for it
}

// way returns which way an answer or a choice goes: the next line about the step that is one of the texts.
func (s *script) way(step string, texts []string) int {
	if step != "" {
		s.answered++
	}
	for i, e := range s.events {
		if way := slices.Index(texts, e.Text); !s.used[i] && e.Step == step && way >= 0 {
			s.used[i] = true
			return way
		}
	}
	return 0
}

// choice returns the answer to a question about data.
func (s *script) choice(of Subject, what string, n int) int {
	texts := make([]string, n)
	for took := range texts {
		texts[took] = of.Word(what, took, n)
	}
	return s.way("", texts)
}

// missed reports whether something did not come from outside that came before.
func (s *script) missed() bool {
	for i, e := range s.events {
		if !s.used[i] && e.Step == "" && (e.Text == deadlinePasses || e.Text == personCancels) {
			return true
		}
	}
	return false
}

// comes is 1 if something comes from outside now: it has as many answers before it as there were.
func (s *script) comes(what string) int {
	before := 0
	for i, e := range s.events {
		switch {
		case e.Step == "" && e.Text == what && !s.used[i]:
			if s.answered == before {
				s.moments[what]++
			}
			if s.answered > before || s.answered == before && s.moments[what] > s.later {
				s.used[i] = true
				return 1
			}
			return 0
		case e.Step != "" && e.Text != Compensated:
			before++
		}
	}
	return 0
}
