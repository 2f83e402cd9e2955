package machine

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/explore"
)

// A forced machine is one with data in which a test can choose what the oracle chooses where there is none: the choices
// and the lists of loops are read from the input, by what the oracle is asked, and the status of a service is what it
// returns. Machines that are called find theirs under the name of the state that calls them.

// forceMachine makes a machine forced.
func forceMachine(states map[string]any) {
	for name, one := range states {
		s := one.(map[string]any)
		delete(s, "Input")
		delete(s, "Output")
		if s["Type"] == "SubStateMachine" {
			s["Input"] = []any{map[string]any{"forced": "$.[forced]['" + name + "/']"}}
		}
		choices, _ := s["Choices"].([]any)
		for _, c := range choices {
			c := c.(map[string]any)
			c["Expression"] = fmt.Sprintf("[forced]['choice of %s'] == '%s'", name, c["Next"])
		}
		if loop, ok := s["Loop"].(map[string]any); ok {
			loop["Collection"] = "$.[forced]['items of " + name + "']"
			delete(loop, "CompletionCondition")
		}
		retries, _ := s["Retry"].([]any)
		for _, r := range retries {
			r.(map[string]any)["MaxAttempts"] = 1
		}
		rules, _ := s["Status"].(map[string]any)
		for rule, status := range maps.Clone(rules) {
			if !strings.HasPrefix(rule, "$") && rule != "true" {
				delete(rules, rule)
				rules[fmt.Sprintf("#root == '%s'", status)] = status
			}
		}
	}
}

// forcedInput has what a timeline says was chosen.
func forcedInput(t *testing.T, timeline []explore.Event) string {
	t.Helper()
	forced := map[string]any{}
	for _, e := range timeline {
		what, value, ok := strings.Cut(e.Text, ": ")
		kind, path, known := strings.Cut(what, " of ")
		if !ok || !known || e.Step != "" || kind != "choice" && kind != "items" {
			continue
		}
		at := forced
		for {
			own, rest, inner := strings.Cut(path, "/")
			if !inner {
				break
			}
			if at[own+"/"] == nil {
				at[own+"/"] = map[string]any{}
			}
			at, path = at[own+"/"].(map[string]any), rest
		}
		at[kind+" of "+path] = strings.TrimPrefix(value, "to ")
		if n, err := strconv.Atoi(value); kind == "items" && err == nil {
			at[kind+" of "+path] = make([]int, n)
		}
	}
	return forcedText(t, forced)
}

func forcedText(t *testing.T, forced map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"forced": forced})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withData is a subject that runs with data: the real planner, whatever an oracle would say.
type withData struct {
	subject
	input string
}

func (e *withData) Begin() txn.Begin {
	b := e.subject.Begin()
	b.Data = e.input
	return b
}

func (e *withData) Planner(explore.Oracle) txn.Planner { return e.p }

func (e *withData) Answers(g *txn.Global, _ explore.Oracle, cmd txn.Command) []explore.Answer {
	return e.p.answers(g, cmd)
}

func (e *withData) Judge(g *txn.Global, _ explore.Oracle) explore.Verdict { return e.p.judgeEnd(g) }

// agreement counts what was compared.
type agreement struct {
	machines, whole, failing, unsure, replayed int
	runs, stuck, asked                         int
}

// pair is a machine with the one that it calls.
type pair struct{ top, child map[string]any }

// program compiles a pair, nil if that cannot be.
func (m pair) program(t *testing.T) *Program {
	t.Helper()
	read := func(tree map[string]any) (*Definition, error) {
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		return Parse(Source{Machine: string(text), Bindings: bindAll})
	}
	d, err := read(m.top)
	if err != nil {
		return nil
	}
	p, err := Compile(d, func(string) (*Definition, error) { return read(m.child) })
	if err != nil {
		return nil
	}
	return p
}

// forced is a pair in which all can be chosen.
func (m pair) forced(t *testing.T) pair {
	t.Helper()
	text, err := json.Marshal([]any{m.top, m.child})
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	for _, machine := range out {
		forceMachine(machine["States"].(map[string]any))
	}
	return pair{out[0], out[1]}
}

// compare explores a machine, replays with data what is found, and looks whether random runs find anything else.
func (a *agreement) compare(t *testing.T, m pair, r *rand.Rand, runs int) {
	t.Helper()
	p := m.program(t)
	if p == nil {
		return
	}
	forced := m.forced(t)
	data := forced.program(t)
	told := Explore(p, explore.Options{StatesMax: 400})
	a.machines++
	if told.Exhaustive {
		a.whole++
	}
	a.failing += min(len(told.Failures), 1)
	a.unsure += min(len(told.Unsure), 1)
	for _, f := range slices.Concat(told.Failures, told.Unsure) {
		a.replayed++
		e := &withData{subject{data}, forcedInput(t, f.Timeline)}
		again := explore.Again(e, f)
		want := f
		want.Timeline = slices.DeleteFunc(slices.Clone(f.Timeline), chooses) // nobody is asked
		if diff := cmp.Diff(&want, again.Failure); diff != "" {
			t.Errorf("told %s: %s\n%s\n%s\n%s", f.Step, f.Text, diff, again.Timeline, asJSON(forced))
		}
	}
	for range runs {
		w := &world{t: t, p: data, rules: txn.DefaultRules(), now: 1_700_000_000_000}
		w.rules.Planners, w.rules.Retry.SlowDelay = &one{data}, time.Second
		w.apply(txn.Begin{
			XID: txn.XID{Prefix: "h:1", ID: 9}, Name: "m", Data: chosen(t, forced, r), Timeout: time.Hour,
			Saga: &txn.SagaRun{Definition: "m", Version: 1},
		})
		c := &chaos{world: w, r: r, undid: map[string]int{}}
		w.answer = c.answerAny
		stuck, text := c.roam()
		a.runs++
		switch {
		case text == "":
		case stuck:
			a.stuck++
		default:
			a.asked++
		}
		if told.Exhaustive && text != "" && len(told.Failures) == 0 && (stuck || len(told.Unsure) == 0) {
			t.Errorf("told to be sound, but: %s\n%s\n%s", text, w.calls, asJSON(forced))
			return
		}
	}
}

func asJSON(m pair) string {
	text, _ := json.Marshal([]any{m.top, m.child})
	return string(text)
}

// chooses reports whether an event is a choice that depends on data.
func chooses(e explore.Event) bool {
	return strings.HasPrefix(e.Text, choiceOf) || strings.HasPrefix(e.Text, itemsOf)
}

// chosen chooses at random what the oracle could be asked for.
func chosen(t *testing.T, m pair, r *rand.Rand) string {
	t.Helper()
	var choose func(machine map[string]any) map[string]any
	choose = func(machine map[string]any) map[string]any {
		out := map[string]any{}
		states := machine["States"].(map[string]any)
		for _, name := range sortedKeys(states) {
			s := states[name].(map[string]any)
			if choices, ok := s["Choices"].([]any); ok && r.IntN(4) > 0 {
				out["choice of "+name] = choices[r.IntN(len(choices))].(map[string]any)["Next"]
			}
			out["items of "+name] = make([]int, r.IntN(3))
			if s["Type"] == "SubStateMachine" {
				out[name+"/"] = choose(m.child)
			}
		}
		return out
	}
	return forcedText(t, choose(m.top))
}

// answerAny is an answer with which a machine may do anything.
func (c *chaos) answerAny(cmd txn.Command) (txn.Reply, bool) {
	name, undo := instanceOf(cmd.Step)
	undo = undo || cmd.Op == txn.Rollback
	way := c.r.IntN(16)
	switch {
	case undo && cmd.Op == txn.Rollback && way > 2, undo && way > 0:
		c.undid[name]++
		return call{Returns: "SU"}.reply(c.t), true
	case undo:
		return call{Throws: "com.example.Busy"}.reply(c.t), true
	case way == 0:
		return call{Throws: "java.net.ConnectException"}.reply(c.t), true
	case way == 1:
		return call{Returns: "FA"}.reply(c.t), true
	case way < 4 && c.r.IntN(2) == 0: // it may be done, or not
	default:
		c.did = append(c.did, name)
	}
	switch way {
	case 2:
		return txn.Reply{Result: txn.ResultNoAnswer, Text: "lost"}, true
	case 3:
		return call{Throws: "com.example.Busy"}.reply(c.t), true
	case 4:
		return call{Returns: "UN"}.reply(c.t), true
	case 5:
		return call{Returns: "what?"}.reply(c.t), true
	}
	return call{Returns: "SU"}.reply(c.t), true
}

// roam runs to the end, and says what is bad about it, "" if nothing. Stuck is false if it ends with status UN.
func (c *chaos) roam() (stuck bool, text string) {
	c.apply(txn.Wake{})
	for range 2_000 {
		switch {
		case c.g.Stuck == txn.StuckRefused && c.g.Status == txn.Active && c.p.judgeEnd(c.g).Unsure && c.r.IntN(2) == 0:
			return false, c.g.Saga.Failure
		case c.g.Stuck == txn.StuckRefused && c.g.Status == txn.Active && c.p.judgeEnd(c.g).Unsure,
			c.g.Status == txn.Active && c.r.IntN(40) == 0:
			c.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
		case c.g.Stuck == txn.StuckRefused:
			return true, c.g.Saga.Failure
		case c.g.Status.Ended():
			return true, c.notUndone()
		case c.g.Status == txn.Active && c.r.IntN(40) == 0:
			c.now = max(c.now, c.g.Deadline())
			c.apply(txn.Wake{})
		case len(c.queue) > 0 && c.r.IntN(30) == 0:
			c.queue = nil // the server dies: what was to be sent is not, or nobody hears of it
		case len(c.queue) > 0:
			c.one()
		case c.g.DueAt == 0:
			return true, "it stands still"
		default:
			c.now = max(c.now, c.g.DueAt)
			c.apply(txn.Wake{})
		}
	}
	return true, "it does not end"
}

// notUndone finds what was done, changes something, and is left though the run was rolled back.
func (c *chaos) notUndone() string {
	if c.g.Status != txn.RolledBack {
		return ""
	}
	f, _, err := c.p.look(c.g, c.g.BeganAt)
	if err != nil {
		return err.Error()
	}
	for _, name := range c.did {
		at := f.places[name]
		called := slices.ContainsFunc(slices.Collect(maps.Keys(c.undid)), func(undone string) bool {
			return strings.HasPrefix(name, undone+"/") // the machine as a whole is undone by a service
		})
		if at != nil && at.in.ForUpdate && c.undid[name] == 0 && !called {
			return name + " was done and never undone"
		}
	}
	return ""
}

// spoilers change a state, for the worse or not. They return false if there is nothing to change.
func spoilers() []func(s map[string]any) bool {
	set := func(key string, value any, unless ...string) func(map[string]any) bool {
		return func(s map[string]any) bool {
			for _, other := range unless {
				if s[other] != nil {
					return false
				}
			}
			if s["Type"] != "ServiceTask" || strings.HasPrefix(s["ServiceName"].(string), "undo") {
				return false
			}
			s[key] = value
			return true
		}
	}
	catch := func(class, next string) []any {
		return []any{map[string]any{"Exceptions": []any{class}, "Next": next}}
	}
	return []func(s map[string]any) bool{
		func(s map[string]any) bool { // nothing is caught
			had := s["Catch"] != nil
			delete(s, "Catch")
			return had
		},
		func(s map[string]any) bool { // it changes something, and nobody can undo it
			if s["CompensateState"] == nil {
				return false
			}
			delete(s, "CompensateState")
			s["IsForUpdate"] = true
			return true
		},
		set("CompensateState", "Done", "Loop"), // which compensates nothing
		set("Catch", catch("com.example.Busy", "Undo")),
		set("Catch", catch("java.lang.Throwable", "Failed")),
		set("Catch", catch("java.lang.Throwable", "Done")),
		set("Status", map[string]any{"#root == true": "SU", "#root == false": "FA", "$Exception{java.lang.Throwable}": "UN"}),
		set("Status", map[string]any{"#root == true": "SU", "#root == 7": "UN"}),
		set("Next", "Undo"),
		set("Next", "Failed"),
		set("IsAsync", true),
		func(s map[string]any) bool { // what could not be undone is passed over
			had := s["Type"] == "CompensationTrigger"
			s["Next"] = "Done"
			return had
		},
	}
}

func TestExplorationAndEngineAgreeOnMachines(t *testing.T) {
	t.Parallel()
	a := &agreement{}
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 8))
		texts := []string{drawn(r, 0, false), drawn(r, 1, false)}
		read := func() pair {
			var m [2]map[string]any
			for i, text := range texts {
				if err := json.Unmarshal([]byte(text), &m[i]); err != nil {
					t.Fatal(err)
				}
			}
			return pair{m[0], m[1]}
		}
		a.compare(t, read(), r, 10)
		if a.failing > 0 {
			t.Fatalf("seed %d is sound", seed)
		}
	}
	sound := *a
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 9))
		texts := []string{drawn(r, 0, false), drawn(r, 1, false)}
		for n, spoil := range spoilers() {
			var m [2]map[string]any
			for i, text := range texts {
				if err := json.Unmarshal([]byte(text), &m[i]); err != nil {
					t.Fatal(err)
				}
			}
			states := m[int(seed)%2]["States"].(map[string]any)
			for _, name := range sortedKeys(states) {
				if spoil(states[name].(map[string]any)) {
					break
				}
			}
			if n%3 == 0 {
				m[0]["RecoverStrategy"] = "Forward"
			}
			a.compare(t, pair{m[0], m[1]}, r, 10)
			if t.Failed() {
				t.Fatalf("seed %d, spoiler %d", seed, n)
			}
		}
	}
	t.Logf("sound: %+v; all: %+v", sound, *a)
	if sound.stuck > 0 || a.whole < 12 || a.failing < 4 || a.unsure < 20 || a.replayed < 35 || a.stuck < 10 ||
		a.asked < 10 {
		t.Error("there is too little to agree on")
	}
}
