package machine

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
)

// FuzzMachine reads whatever it is given; what can be run is run with answers at random. Nothing panics, and what is
// planned for a state is planned for it as it comes back from its record, too: apply looks at that.
func FuzzMachine(f *testing.F) {
	files, err := filepath.Glob("../statelang/testdata/runs/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var s story
		if err := json.Unmarshal(text, &s); err != nil {
			f.Fatal(err)
		}
		start, _ := json.Marshal(s.Start)
		f.Add(string(s.Machine), string(start), uint64(i))
	}
	f.Add(order, `{"goods":1}`, uint64(7))
	f.Fuzz(func(t *testing.T, text, input string, seed uint64) {
		if len(text) > 10_000 || len(input) > 1_000 {
			return // long texts take long, and are no others
		}
		source := Source{Machine: text, Bindings: "default: {worker: w}"}
		child := func(string) (*Definition, error) { return Parse(Source{Machine: order, Bindings: source.Bindings}) }
		r := Check(source, child, explore.Options{StatesMax: 300})
		if r.Program == nil && !definition.Broken(r.Findings) {
			t.Errorf("no program and no error: %+v", r.Findings)
		}
		if r.Program == nil {
			return
		}
		w := &world{t: t, p: r.Program, rules: txn.DefaultRules(), now: 1_700_000_000_000}
		w.rules.Planners = &one{r.Program}
		w.rules.BranchesMax = 50
		w.apply(txn.Begin{
			XID: txn.XID{Prefix: "h:1", ID: 9}, Name: "m", Data: input, Timeout: time.Minute,
			Saga: &txn.SagaRun{Definition: "m", Version: 1},
		})
		w.apply(txn.Wake{})
		w.wander(rand.New(rand.NewPCG(seed, 2)))
	})
}

// wander lets things happen at random for a while.
func (w *world) wander(r *rand.Rand) {
	answers := []string{"", "true", `"ok"`, "7", `{"a":[1]}`, `{"exception":"java.io.IOException"}`, "no JSON", "null"}
	for range 100 {
		if w.g.Status.Ended() {
			return
		}
		switch n := r.IntN(20); {
		case n == 0:
			w.apply(txn.Retry{})
		case n == 1 && w.g.Status == txn.Active && r.IntN(4) == 0:
			w.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
		case n < 5 || len(w.queue) == 0:
			w.now += txn.Millis(r.IntN(30_000))
			w.apply(txn.Wake{})
		default:
			cmd := w.queue[0]
			w.queue = w.queue[1:]
			w.apply(txn.Reply{
				BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.Result(1 + r.IntN(8)),
				Code: []uint16{0, 200, 200, 404, 500}[r.IntN(5)], Answer: answers[r.IntN(len(answers))],
			})
		}
	}
}
