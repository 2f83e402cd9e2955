package migrate

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore/random"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// stepLine is a step of a random definition.
var stepLine = regexp.MustCompile(`(?m)^  - \{id: (s\d+), after: \[([^\]]*)\]`)

// change makes another version of a random definition, and the mapping that goes with it.
func change(r *rand.Rand, text string) (string, Mapping) {
	steps := stepLine.FindAllStringSubmatch(text, -1)
	if len(steps) == 0 {
		return text, nil
	}
	step := steps[r.IntN(len(steps))]
	id := step[1]
	free := fmt.Sprintf("n%d", r.IntN(100))
	another := fmt.Sprintf(`{id: %s, after: [%%s], call: {url: "http://p.example/read", method: GET}}`, free)
	switch r.IntN(9) {
	case 0, 1: // another name
		changed := regexp.MustCompile(`\b`+id+`\b`).ReplaceAllString(text, free)
		if r.IntN(2) == 0 {
			return changed, nil
		}
		return changed, Mapping{id: free}
	case 2: // another target, for all
		return strings.Replace(text, "http://p.example/", "http://q.example/", 1), nil
	case 3: // a step more at the end
		return strings.TrimRight(text, "\n") + "\n  - " + fmt.Sprintf(another, steps[len(steps)-1][1]) + "\n", nil
	case 4: // a step more beside the others
		return strings.TrimRight(text, "\n") + "\n  - " + fmt.Sprintf(another, "") + "\n", nil
	case 5: // a step more in the middle
		before := "  - " + fmt.Sprintf(another, step[2]) + "\n" + strings.Replace(step[0], "["+step[2]+"]", "["+free+"]", 1)
		return strings.Replace(text, step[0], before, 1), nil
	case 6: // another condition
		return regexp.MustCompile(`input\.a > \d`).ReplaceAllString(text, fmt.Sprintf("input.a > %d", r.IntN(9))), nil
	case 7: // no compensation
		return random.Careless(text), nil
	}
	return strings.Replace(text, "items", "items[:1]", 1), nil
}

// deadlines are left out: what takes longer than them depends on when it began.
var deadlines = regexp.MustCompile(`(?m)^(deadline|onDeadline): .*\n`)

// draws says what a participant answers, by what the step is called in the second version.
func draws(seed uint64, name string, pivot bool) txn.Reply {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, seed, name)
	if h.Sum64()%9 == 0 && !pivot {
		return txn.Reply{Result: txn.ResultRefused, Code: 409, Answer: `{"v":0}`}
	}
	return txn.Reply{Result: txn.ResultDone, Code: 200, Answer: fmt.Sprintf(`{"v":%d,"n":%d}`, h.Sum64()%7, h.Sum64()%2)}
}

// TestRandomPairs moves runs of random definitions to random other versions. One that is safe to move ends as a run
// that was begun with the new version, and nothing is asked twice.
func TestRandomPairs(t *testing.T) {
	t.Parallel()
	const seeds = 300
	verdicts, ends := map[string]int{}, map[string]int{}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 7))
		saga := random.New(r, "x")
		old := deadlines.ReplaceAllString(saga.Text, "")
		changed, mapping := change(r, old)
		if again, more := change(r, changed); r.IntN(2) == 0 && len(more) == 0 {
			changed = again
		}
		p, ok := versions(t, saga, old, changed)
		if !ok {
			verdicts["no sound pair"]++
			continue
		}
		if CheckMapping(mapping, p.all[1], p.all[2]) != nil {
			t.Fatalf("%v\n%s\n%s", mapping, old, changed)
		}
		input, pivot := random.Input(r), strings.Contains(old, "pivot: true")
		answers := func(m Mapping) func(txn.Command) txn.Reply {
			return func(cmd txn.Command) txn.Reply {
				if cmd.Op == txn.Rollback {
					return txn.Reply{Result: txn.ResultDone, Code: 200}
				}
				return draws(seed, m.rename(cmd.Step), pivot)
			}
		}
		w := begin(t, p, 1, input)
		w.answer = answers(mapping)
		w.run(r.IntN(4))
		j := w.judge(mapping)
		verdicts[j.Verdict.String()]++
		if j.Verdict != Safe {
			if len(j.Reasons) == 0 {
				t.Fatal("no reason")
			}
			continue
		}
		undoable := map[int64]bool{} // by the version by which they were begun
		for _, b := range w.g.Branches {
			undoable[b.ID] = b.Step.Undo
		}
		w.apply(j.Move)
		w.run(2000) // what was asked before goes by its old name
		fresh := begin(t, p, 2, input)
		fresh.answer = answers(nil)
		fresh.run(2000)
		ends[w.g.Status.String()]++
		if problem := cmp.Or(compareRuns(w, fresh, mapping, undoable), inOrder(w.g, changed)); problem != "" {
			t.Fatalf("seed %d: %s\nmapping %v, input %s\nmoved: %s %q %q\nfresh: %s %q %q\n%s\n%s", seed, problem, mapping,
				input, w.g.Status, w.g.Saga.Failure, w.log, fresh.g.Status, fresh.g.Saga.Failure, fresh.log, old, changed)
		}
	}
	t.Log(verdicts, ends)
	for _, v := range []Verdict{Safe, NeedsMapping, MustStay} {
		if verdicts[v.String()] < seeds/100 {
			t.Errorf("%s %d times only", v, verdicts[v.String()])
		}
	}
	if ends["Committed"] < seeds/10 || ends["RolledBack"] < seeds/100 {
		t.Error(ends)
	}
}

// versions compiles both texts if they can be published, as far as the lint says.
func versions(t *testing.T, saga random.Saga, texts ...string) (*programs, bool) {
	t.Helper()
	var subs []string
	var collect func(random.Saga)
	collect = func(s random.Saga) {
		for _, sub := range s.Subs {
			subs = append(subs, deadlines.ReplaceAllString(sub.Text, ""))
			collect(sub)
		}
	}
	collect(saga)
	p := &programs{all: map[uint32]*plan.Program{}, vals: map[uint32]*validate.Validator{}}
	for i, text := range texts {
		program, v, err := compiled(text, subs...)
		if err != nil {
			return nil, false
		}
		p.all[uint32(i+1)], p.vals[uint32(i+1)] = program, v
	}
	return p, true
}

// compareRuns says what of a moved run is otherwise than it should be.
func compareRuns(w, fresh *world, m Mapping, undoable map[int64]bool) string {
	if w.g.Status != fresh.g.Status {
		return "it ends otherwise than one of the new version"
	}
	asked := map[string]int{}
	for _, line := range w.log {
		op, name, _ := strings.Cut(line, " ")
		if op == "forward" && w.g.Saga.Version == 2 {
			name = m.rename(name)
		}
		asked[op+" "+name]++
	}
	for line, n := range asked {
		if n > 1 {
			return line + " was asked twice"
		}
	}
	done := func(g *txn.Global) map[string]bool {
		out := map[string]bool{}
		for _, b := range g.Branches {
			out[b.Step.Name] = b.Step.Seq > 0
		}
		return out
	}
	if w.g.Status == txn.Committed && !maps.Equal(done(w.g), done(fresh.g)) {
		return "other steps have run"
	}
	if w.g.Status == txn.Committed && w.g.Saga.Result != fresh.g.Saga.Result {
		return "the output is " + w.g.Saga.Result + ", not " + fresh.g.Saga.Result
	}
	for _, b := range w.g.Branches {
		s := w.programs.all[2].StepOf(b.Step.Name)
		if w.g.Status == txn.RolledBack && b.Step.Seq > 0 && (s.Compensate != nil || undoable[b.ID]) &&
			!slices.Contains(w.log, "rollback "+b.Step.Name) {
			return b.Step.Name + " was not undone"
		}
	}
	return ""
}

// inOrder says which step was begun before one that the new version has before it.
func inOrder(g *txn.Global, text string) string {
	def, _ := definition.Parse([]byte(text))
	first, last := map[string]int{}, map[string]int{}
	for i, b := range g.Branches {
		id, _, _ := strings.Cut(plainName(b.Step.Name), "/")
		if _, known := first[id]; !known {
			first[id] = i
		}
		last[id] = i
	}
	for i, edges := range def.Predecessors() {
		at, begun := first[def.Steps[i].ID]
		for _, e := range edges {
			if before, ran := last[e.Step]; begun && ran && before > at {
				return def.Steps[i].ID + " was begun before " + e.Step
			}
		}
	}
	return ""
}
