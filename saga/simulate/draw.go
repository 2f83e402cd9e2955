package simulate

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// answersTo are the answers to a branch or its compensation: what the scenario says, what is drawn, or done. Limit is
// how long an answer is waited for.
func (r *run) answersTo(name string, kind txn.Kind, undo bool, limit time.Duration) []Answer {
	key := name
	if undo {
		key += undoSuffix
	}
	if known := r.answers[key]; known != nil {
		return known
	}
	var answers []Answer
	for _, c := range candidates(name, undo) {
		if answers = r.scenario.Outcomes[c]; answers != nil {
			break
		}
	}
	if answers == nil && r.scenario.Random {
		answers = r.draw(key, kind, undo, limit)
		r.result.Drawn[key] = answers
	}
	if answers == nil {
		answers = []Answer{{Outcome: Done, After: -1}}
	}
	r.answers[key] = answers
	return answers
}

// draw draws the answers to one step or compensation. Where there is no way back nobody fails for ever: a participant
// that does is no news.
func (r *run) draw(key string, kind txn.Kind, undo bool, limit time.Duration) []Answer {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	random := rand.New(rand.NewPCG(r.scenario.Seed, h.Sum64()))
	w := r.scenario.Weights
	fate := random.IntN(max(1, w.Done+w.Refused+w.Failed+w.Lost))
	slowest := max(min(2*time.Second, limit*9/10), 5*time.Millisecond) // what is slower is lost
	later := func() time.Duration { return spread(random, 5*time.Millisecond, slowest) }
	if kind == txn.StepSignal {
		later = func() time.Duration { return spread(random, 5*time.Second, 2*time.Hour) }
	}
	heals := undo || r.g.Pivoted()
	several := func(o Outcome, n int) (out []Answer) {
		for range n {
			out = append(out, Answer{Outcome: o, After: later()})
		}
		return append(out, Answer{Outcome: Done, After: later()})
	}
	waits := kind == txn.StepSignal
	switch fate -= w.Done; {
	case fate < 0:
		return []Answer{{Outcome: Done, After: later()}}
	case fate < w.Refused && (waits || !heals):
		return []Answer{{Outcome: Refused, After: later()}}
	case fate < w.Refused+w.Lost && !heals:
		return []Answer{{Outcome: Lost, After: -1}}
	case waits:
		return []Answer{{Outcome: Done, After: later()}}
	case fate < w.Refused+w.Lost:
		return several(Lost, 1+random.IntN(2))
	}
	return several(Failed, 1+random.IntN(3))
}

// spread draws a time between two others, as often below as above their geometric mean.
func spread(random *rand.Rand, from, to time.Duration) time.Duration {
	d := float64(from) * math.Pow(float64(to)/float64(from), random.Float64())
	return time.Duration(d).Round(time.Millisecond)
}
