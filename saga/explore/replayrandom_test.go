package explore_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/explore/random"
)

// TestRandomCounterExamplesAreReplayed spoils random definitions, and replays each failure that is found: it ends in
// the same way, by the same steps.
func TestRandomCounterExamplesAreReplayed(t *testing.T) {
	t.Parallel()
	failures := 0
	for seed := range uint64(60) {
		saga := random.New(rand.New(rand.NewPCG(seed, 5)), "top")
		all := map[string]*definition.Definition{}
		var parse func(random.Saga)
		parse = func(s random.Saga) {
			for _, sub := range s.Subs {
				parse(sub)
			}
			all[s.Name], _ = definition.Parse([]byte(random.Careless(s.Text)))
		}
		parse(saga)
		subs := func(name string, _ int) (*definition.Definition, error) {
			if def := all[name]; def != nil {
				return def, nil
			}
			return nil, fmt.Errorf("no saga %s", name)
		}
		report, err := explore.Run(all["top"], subs, explore.Options{StatesMax: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Failures {
			failures++
			r, err := explore.Replay(all["top"], subs, f)
			if err != nil {
				t.Fatal(err)
			}
			if r.Failure == nil || r.Failure.Step != f.Step || r.Failure.Text != f.Text {
				t.Errorf("seed %d: %s: %s by way of\n%v\nbecame %+v by way of\n%v\n%s", seed, f.Step, f.Text, f.Timeline,
					r.Failure, r.Timeline, saga.Text)
				return
			}
		}
	}
	if failures < 40 {
		t.Errorf("%d failures only", failures)
	}
	t.Logf("%d failures", failures)
}
