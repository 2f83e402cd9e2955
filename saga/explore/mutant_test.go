package explore_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// harm is what becomes of a mutant that is run, by what participants are asked and do. The lint has no say in it.
type harm int

const (
	unreadable harm = iota // it is no definition
	refused                // the engine does not compile it
	ends                   // a run ends neither done nor compensated
	otherwise              // participants are asked something else than by the sound one, or it ends otherwise
	same                   // nobody notices
	harms
)

var harmNames = [harms]string{"unreadable", "refused by the compiler", "ending badly", "doing otherwise", "the same"}

// tally counts the mutants of each harm: all, those of which the lint says something, and those that are found by it or
// by the exploration.
type tally struct{ all, linted, found [harms]int }

// bench is a sound definition whose mutants are tried.
type bench struct {
	name          string
	sound, forced *plan.Program
	voices        *voices
	seeds         []int          // of runs with data that differ and end well
	inputs        map[int]string // by seed
	heard         map[int]string
	changes       func(string) bool
}

// seedsMax is with how many seeds each mutant is run.
const seedsMax = 5

// benchOf runs a sound definition with data until there are enough runs that differ.
func benchOf(t *testing.T, all, forced library, v *voices, name string) *bench {
	t.Helper()
	b := &bench{name: name, sound: all.program(t, name), forced: forced.program(t, name), voices: v,
		inputs: map[int]string{}, heard: map[int]string{}}
	b.changes = natures(b.sound)
	known := map[string]bool{}
	for v.seed = 0; v.seed < 200 && len(b.seeds) < seedsMax; v.seed++ {
		input := v.input(t, all[name])
		heard, bad := v.run(b.sound, all[name], input, b.changes)
		if bad != "" || known[heard] {
			continue // with data that do not fit, an expression fails behind the pivot
		}
		known[heard] = true
		b.seeds = append(b.seeds, v.seed)
		b.inputs[v.seed], b.heard[v.seed] = input, heard
	}
	if len(b.seeds) == 0 {
		t.Errorf("%s: no run ends well", name)
	}
	return b
}

// judge says what becomes of a mutant.
func (b *bench) judge(d *definition.Definition, all library) harm {
	program, err := plan.Compile(d, all.resolve)
	if err != nil {
		return refused
	}
	out, changes := same, natures(b.sound, program)
	for _, b.voices.seed = range b.seeds {
		heard, bad := b.voices.run(program, d, b.inputs[b.voices.seed], changes)
		if bad != "" {
			return ends
		}
		if heard != b.heard[b.voices.seed] {
			out = otherwise
		}
	}
	return out
}

func notHint(f definition.Finding) bool { return f.Severity != definition.SeverityHint }

// trial tries mutants.
type trial struct {
	all, forced library
	benches     map[string]*bench
	r           *rand.Rand
	agreed      agreement
	told        map[string]explored // by forced definition
	tally       tally
}

// explored is what was told of a definition, and whether a random run ended badly.
type explored struct{ unsound, harmful bool }

func newTrial(t *testing.T, seed uint64) *trial {
	t.Helper()
	all := corpus(t)
	x := &trial{all: all, forced: all.forced(t), benches: map[string]*bench{}, told: map[string]explored{},
		r: rand.New(rand.NewPCG(seed, 8))}
	v := newVoices(t, all)
	for _, name := range all.names() {
		x.benches[name] = benchOf(t, all, x.forced, v, name)
	}
	return x
}

// try counts a mutant of a definition. It returns what becomes of it, whether the lint says something, and whether it
// or the exploration does.
func (x *trial) try(t *testing.T, name string, mutant []byte) (became harm, linted, found bool) {
	t.Helper()
	spoiled := maps.Clone(x.all)
	def, parsed := definition.Parse(mutant)
	findings := parsed
	if def != nil {
		findings = append(slices.Clip(parsed), validate.Check(def, validate.Options{Sagas: published(x.all)})...)
	}
	linted = slices.ContainsFunc(findings, notHint)
	found = linted
	if !definition.Broken(parsed) {
		spoiled[name] = def
		if became = x.benches[name].judge(def, spoiled); became == refused && !definition.Broken(findings) {
			t.Errorf("the compiler refuses what has no error: %s", mutant)
		}
	}
	if became > refused {
		forced := maps.Clone(x.forced)
		forced[name] = parseTree(t, force(tree(t, def)))
		key := name + string(forced[name].Canonical())
		told, known := x.told[key]
		if !known {
			report, harmful := x.agreed.compare(t, spoiled, forced, name, x.benches[name].forced, x.r, 4)
			told = explored{len(report.Failures) > 0, harmful}
			x.told[key] = told
		}
		if found = found || told.unsound; told.harmful {
			became = ends
		}
	}
	if x.tally.all[became]++; linted {
		x.tally.linted[became]++
	}
	if found {
		x.tally.found[became]++
	}
	return became, linted, found
}

// each tries the mutants of one sort, or every so manieth of them.
func (x *trial) each(t *testing.T, m mutation, every int, do func(became harm, linted, found bool, mutant []byte)) {
	t.Helper()
	made := 0
	for _, name := range x.all.names() {
		d := tree(t, x.all[name])
		m.of(d, func() {
			if made++; made%every != 0 {
				return
			}
			mutant, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			became, linted, found := x.try(t, name, mutant)
			do(became, linted, found, mutant)
		})
	}
}

func (x *trial) log(t *testing.T) {
	for became, n := range x.tally.all {
		t.Logf("%5d %-24s %5d found by the lint, %5d by it or by the exploration", n, harmNames[became],
			x.tally.linted[became], x.tally.found[became])
	}
	x.agreed.log(t)
}

// TestMutantsAreFound spoils sound definitions in every way of many sorts of mistakes that the lint has to find. What
// the engine then does says which are harmful.
func TestMutantsAreFound(t *testing.T) {
	t.Parallel()
	x, count, missed := newTrial(t, 7), 0, 0
	for _, m := range mutations() {
		tried, escaped := 0, 0
		x.each(t, m, 1, func(became harm, linted, _ bool, mutant []byte) {
			if tried++; !linted {
				escaped++
				t.Logf("%s: not found, %s: %.1500s", m.name, harmNames[became], mutant)
			}
		})
		if tried < 3 {
			t.Errorf("%s: only %d mutants", m.name, tried)
		}
		count, missed = count+tried, missed+escaped
		t.Logf("%-34s %4d mutants, %d not found", m.name, tried, escaped)
	}
	x.log(t)
	if rate := 100 * float64(count-missed) / float64(count); count < 1_000 || rate < 99.5 {
		t.Errorf("%d of %d mutants are not found", missed, count)
	}
	if n := x.tally.all[ends]; n < 40 || x.tally.linted[ends]*100 < 95*n {
		t.Errorf("%d mutants end badly, and of %d the lint says something", n, x.tally.linted[ends])
	}
}

// TestExplorationAndEngineAgreeOnMutants spoils sound definitions without regard to what the lint knows. Those that end
// badly have to be found before they go live; what is told of the others the engine has to agree with.
func TestExplorationAndEngineAgreeOnMutants(t *testing.T) {
	t.Parallel()
	x := newTrial(t, 9)
	for _, m := range blind() {
		tried, harmful := 0, 0
		x.each(t, m, m.every(), func(became harm, _, found bool, mutant []byte) {
			if tried++; became != ends {
				return
			}
			if harmful++; !found {
				t.Logf("%s: not found: %.1500s", m.name, mutant)
			}
		})
		t.Logf("%-34s %4d mutants, %d end badly", m.name, tried, harmful)
	}
	x.log(t)
	x.agreed.share(t, 95)
	if a := x.agreed; a.definitions < 200 || a.unsound < 100 || a.replayed < 120 || a.harmful < 40 {
		t.Error("there is too little to agree on")
	}
	if n := x.tally.all[ends]; n < 100 || x.tally.found[ends]*100 < 95*n {
		t.Errorf("%d mutants end badly, and %d are found", n, x.tally.found[ends])
	}
}

// published looks sagas up in a library.
func published(all library) func(string, int) (*definition.Definition, bool) {
	return func(name string, version int) (*definition.Definition, bool) {
		d, ok := all[name]
		return d, ok && version <= 3
	}
}
