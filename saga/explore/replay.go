package explore

import (
	"slices"
	"strconv"
	"strings"

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
// the timeline says nothing of is done, and the first way is taken. It does not say how much time goes by before the
// deadline passes: if there are several such moments, one that ends badly counts. The error is that of [plan.Compile].
func Replay(def *definition.Definition, subs plan.Resolve, f Failure) (Replayed, error) {
	program, err := plan.Compile(def, subs)
	if err != nil {
		return Replayed{}, err
	}
	var out Replayed
	for later := range momentsMax {
		x := &explorer{
			program: program, def: def, budget: unbounded, failures: map[string]Failure{},
			script: &script{events: f.Timeline, used: make([]bool, len(f.Timeline)), later: later},
		}
		x.path(x.begin())
		r := Replayed{Timeline: x.end}
		for _, own := range x.failures {
			r.Failure = &own
		}
		same := r.Failure != nil && r.Failure.Step == f.Step && r.Failure.Text == f.Text
		if later == 0 || same || out.Failure == nil && r.Failure != nil {
			out = r
		}
		if same || x.script.moments <= later {
			break
		}
	}
	return out, nil
}

// momentsMax bounds the moments at which the deadline is let pass.
const momentsMax = 1000

// script is a timeline that is followed.
type script struct {
	events   []Event
	used     []bool
	answered int // answers and signals so far
	later    int // how many moments are let go by at which the deadline could pass
	moments  int // how many there were
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
func (s *script) choice(what string, n int) int {
	texts := make([]string, n)
	for took := range texts {
		texts[took] = answerText(what, took, n)
	}
	return s.way("", texts)
}

// overdue reports whether the deadline passes now: it has as many answers before it as there were.
func (s *script) overdue() bool {
	before := 0
	for _, e := range s.events {
		switch {
		case e.Step == "" && e.Text == deadlinePasses:
			if s.answered == before {
				s.moments++
			}
			return s.answered > before || s.answered == before && s.moments > s.later
		case e.Step != "" && e.Text != compensated:
			before++
		}
	}
	return false
}

// answerText words an answer to a question about data.
func answerText(what string, took, n int) string {
	switch {
	case strings.HasPrefix(what, "items of "):
		return what + ": " + strconv.Itoa(n-1-took)
	case n == 2:
		return what + ": " + strconv.FormatBool(took == 0)
	}
	return what + ": the " + strconv.Itoa(took+1) + ". way"
}
