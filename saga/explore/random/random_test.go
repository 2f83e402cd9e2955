package random_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/explore/random"
	"github.com/concord-tx/concord/saga/validate"
)

// parsed reads a definition and those that are parts of it.
func parsed(t *testing.T, s random.Saga, all map[string]*definition.Definition) *definition.Definition {
	t.Helper()
	for _, sub := range s.Subs {
		parsed(t, sub, all)
	}
	o := validate.Options{Sagas: func(name string, _ int) (*definition.Definition, bool) {
		d, ok := all[name]
		return d, ok
	}}
	def, findings := validate.Document([]byte(s.Text), o)
	for _, f := range findings {
		if f.Severity == definition.SeverityError {
			t.Fatalf("%d: %s: %s in\n%s", f.Line, f.Rule, f.Text, s.Text)
		}
	}
	all[s.Name] = def
	return def
}

func TestWhatIsComposedIsSound(t *testing.T) {
	t.Parallel()
	words, whole := map[string]int{}, 0
	const seeds = 150
	for seed := range uint64(seeds) {
		all := map[string]*definition.Definition{}
		s := random.New(rand.New(rand.NewPCG(seed, 1)), "top")
		def := parsed(t, s, all)
		r, err := explore.Run(def, func(name string, _ int) (*definition.Definition, error) {
			if d := all[name]; d != nil {
				return d, nil
			}
			return nil, fmt.Errorf("no saga %s", name)
		}, explore.Options{StatesMax: 1500})
		if err != nil {
			t.Fatalf("%v in\n%s", err, s.Text)
		}
		for _, f := range r.Failures {
			t.Fatalf("%s: %s: %v in\n%s", f.Step, f.Text, f.Timeline, s.Text)
		}
		if r.Exhaustive {
			whole++
		}
		for _, word := range []string{
			"call:", "worker:", "message:", "timer:", "signal:", "approval:", "choice:", "subSaga:", "forEach:", "repeat:",
			"when:", "onRefused: continue", "onRefused: s", "pivot: true", "compensate:", "readOnly", "onDeadline",
		} {
			if strings.Contains(s.Text, word) {
				words[word]++
			}
		}
	}
	for word, n := range words {
		t.Logf("%3d of %d: %s", n, seeds, word)
	}
	if t.Logf("%d explored whole", whole); len(words) != 17 || whole < seeds/4 {
		t.Errorf("%d kinds, %d explored whole", len(words), whole)
	}
}
