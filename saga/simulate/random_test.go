package simulate

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/concord-tx/concord/saga/explore/random"
)

// TestWhatTheExplorationFindsSoundEndsWell simulates random definitions in which the exploration finds no failure: no
// seed ends badly.
func TestWhatTheExplorationFindsSoundEndsWell(t *testing.T) {
	t.Parallel()
	ends := map[End]int{}
	for seed := range uint64(80) {
		r := rand.New(rand.NewPCG(seed, 3))
		saga := random.New(r, "top")
		texts := []string{saga.Text}
		var collect func(random.Saga)
		collect = func(s random.Saga) {
			for _, sub := range s.Subs {
				texts = append(texts, sub.Text)
				collect(sub)
			}
		}
		collect(saga)
		m := model(t, texts...)
		s := &Scenario{
			Input: json.RawMessage(random.Input(r)), Random: true, Seed: seed * 10,
			Weights: Weights{Done: 75, Refused: 10, Failed: 10, Lost: 5},
		}
		if problems := m.Check(s); len(problems) > 0 {
			t.Fatal(problems)
		}
		for range 4 {
			res, err := m.Run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			ends[res.End]++
			if res.Bad() {
				t.Errorf("seed %d of definition %d: %s %q, left %v\n%s\n%+v", s.Seed, seed, res.End, res.Failure, res.Left,
					saga.Text, res.Timeline)
				return
			}
			s.Seed++
		}
	}
	if ends[EndDone] < 50 || ends[EndCompensated] < 25 {
		t.Error(ends)
	}
	t.Log(ends)
}
