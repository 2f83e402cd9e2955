package machine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/statelang"
)

// one is the planners of one definition.
type one struct{ p *Program }

func (o *one) Planner(*txn.SagaRun) txn.Planner { return o.p }

// call is what a service does: it returns, throws, never answers, or answers when the time of the machine is over.
type call struct {
	Returns     any
	Throws      string
	Message     string
	Supers      []string
	Hangs, Late bool
}

// reply is the answer to a call, as HTTP has it.
func (c call) reply(t *testing.T) txn.Reply {
	t.Helper()
	var value any = c.Returns
	r := txn.Reply{Code: 200, Result: txn.ResultDone}
	if c.Throws != "" {
		value = thrown{Exception: c.Throws, Message: c.Message, Supers: c.Supers}
		r = txn.Reply{Code: 500, Result: txn.ResultFailed}
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if r.Answer = string(text); r.Answer == "null" {
		r.Answer = ""
	}
	return r
}

// world runs a machine through the planner and the core, against services that answer at once.
type world struct {
	t        *testing.T
	p        *Program
	rules    txn.Rules
	g        *txn.Global
	now      txn.Millis
	queue    []txn.Command
	calls    []string // what was called until the decision, as in the stories
	undone   []string // and after it
	seen     int      // branches whose waits are in calls
	last     string   // the step that was answered last
	services map[string][]call
	hangs    bool // a call hangs, and nobody waits for it
	// answer replaces the answer to a command, if it returns one.
	answer func(cmd txn.Command) (txn.Reply, bool)
}

const bindAll = "default: {call: {url: 'http://svc/{service}/{method}'}}\nbindings:\n"

// load reads a machine, which may have no errors but some that Seata finds only when it runs.
func load(t testing.TB, text []byte) *Definition {
	t.Helper()
	source := Source{Machine: string(text), Bindings: bindAll}
	doc, err := statelang.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range doc.Machine.States {
		if s.Type == statelang.ScriptTask {
			source.Bindings += fmt.Sprintf("  %q: {worker: script}\n", ServiceKey(s))
		}
	}
	for _, f := range statelang.Check(doc, nil).Findings {
		if f.Severity == statelang.Error && f.Rule != statelang.RuleCompensationMissing && f.Rule != statelang.RuleExtension {
			t.Fatal(f)
		}
	}
	d, err := Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// begin starts a run of a machine and the machines that it calls.
func begin(t *testing.T, machine string, machines map[string]json.RawMessage, start any) *world {
	t.Helper()
	p, err := Compile(load(t, []byte(machine)), func(name string) (*Definition, error) {
		if machines[name] == nil {
			return nil, fmt.Errorf("there is no machine %s", name)
		}
		return load(t, machines[name]), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, p: p, rules: txn.DefaultRules(), now: 1_700_000_000_000, services: map[string][]call{}}
	w.rules.Planners = &one{p}
	input, err := json.Marshal(start)
	if err != nil {
		t.Fatal(err)
	}
	w.apply(txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: 9}, Name: "m", Data: string(input), Timeout: 24 * time.Hour,
		Saga: &txn.SagaRun{Definition: "m", Version: 1},
	})
	return w
}

// apply applies an event to the state as it comes back from its record, and checks that planning is pure.
func (w *world) apply(ev txn.Event) {
	w.t.Helper()
	before := w.g
	eff, err := w.rules.Apply(before, ev, w.now)
	if _, retry := ev.(txn.Retry); retry && err != nil {
		return // there is nothing to try again
	}
	if _, cancel := ev.(txn.Decide); cancel && err != nil && w.p.Undoing(before) {
		return // it is on its way back
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if eff.Next == nil {
		return
	}
	w.g = recorded(w.t, eff.Next)
	if w.g.Status == txn.Active {
		if diff := cmp.Diff(w.p.Next(eff.Next, w.now), w.p.Next(w.g, w.now)); diff != "" {
			w.t.Fatalf("the record gives another plan: %s", diff)
		}
	}
	if n := len(w.g.Branches); n > w.seen && w.g.Branches[n-1].NextAt > w.now {
		pause := time.Duration(w.g.Branches[n-1].NextAt-w.now) * time.Millisecond
		w.calls = append(w.calls, "wait "+pause.String())
	} else if n > w.seen && strings.Contains(w.g.Branches[n-1].Step.Name, "#") {
		w.calls = append(w.calls, "wait 0s")
	}
	w.seen = len(w.g.Branches)
	w.queue = append(w.queue, eff.Commands...)
	if eff.Decided && !eff.Ended {
		w.apply(txn.Wake{})
	}
}

// recorded is a state as it comes back from its record.
func recorded(t *testing.T, next *txn.Global) *txn.Global {
	t.Helper()
	g, rest, err := txn.DecodeGlobal(txn.AppendGlobal(nil, next), nil)
	for _, b := range next.Branches {
		if err == nil {
			b, rest, err = txn.DecodeBranch(append(rest, txn.AppendBranch(nil, b)...), nil)
			g.Branches = append(g.Branches, b)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// settle answers all that is asked, and lets time pass, until nothing happens any more.
func (w *world) settle() {
	w.t.Helper()
	w.apply(txn.Wake{})
	for range 2000 {
		if w.g.Status.Ended() || w.g.Stuck == txn.StuckRefused || w.pursued() || w.hangs {
			return
		}
		if len(w.queue) > 0 {
			w.one()
			continue
		}
		if w.g.DueAt == 0 || w.g.DueAt >= w.g.Deadline() && w.now < w.g.Deadline() {
			w.t.Fatalf("it stands still: %s", w.calls)
		}
		w.now = max(w.now, w.g.DueAt)
		w.apply(txn.Wake{})
	}
	w.t.Fatal("it does not end")
}

// pursued reports whether a compensation is tried again and again.
func (w *world) pursued() bool {
	return w.g.Status == txn.RollingBack &&
		slices.ContainsFunc(w.g.Branches, func(b *txn.Branch) bool { return b.Attempts > 5 })
}

// one answers a command: the same instance first, as if there were one thread.
func (w *world) one() {
	w.t.Helper()
	base, _, _ := strings.Cut(w.last, "#")
	n := max(0, slices.IndexFunc(w.queue, func(c txn.Command) bool {
		return base != "" && strings.HasPrefix(c.Step, base+"#")
	}))
	cmd := w.queue[n]
	w.queue = slices.Delete(w.queue, n, n+1)
	w.last = cmd.Step
	key := cmd.Resource
	if cmd.Call.URL(cmd.Op) != "" {
		key = strings.ReplaceAll(strings.TrimPrefix(cmd.Call.URL(cmd.Op), "http://svc/"), "/", ".")
	}
	line := key
	if cmd.Data != "[]" {
		line += cmd.Data
	}
	if cmd.Op == txn.Forward {
		w.calls = append(w.calls, line)
	} else {
		w.undone = append(w.undone, line)
	}
	var r txn.Reply
	given := false
	if w.answer != nil {
		r, given = w.answer(cmd)
	}
	if !given {
		c := call{Returns: "ok"}
		if queue := w.services[key]; len(queue) > 0 {
			c = queue[0]
			w.services[key] = queue[1:]
		}
		if w.hangs = c.Hangs; w.hangs {
			return
		}
		if c.Late {
			w.now = w.g.Deadline() + 1
		}
		r = c.reply(w.t)
	}
	r.BranchID, r.Op, r.Attempt = cmd.BranchID, cmd.Op, cmd.Attempt
	w.apply(r)
	w.apply(r) // told twice
}

// result is how the machine ended, as the run keeps it.
func (w *world) result() Result {
	w.t.Helper()
	if w.g.Saga.Result == "" {
		return Result{}
	}
	value, err := decode(w.g.Saga.Result)
	if err != nil {
		w.t.Fatal(err)
	}
	m := value.(map[string]any)
	text := func(key string) string { s, _ := m[key].(string); return s }
	context, _ := m["context"].(map[string]any)
	return Result{
		Status: text("status"), CompensationStatus: text("compensationStatus"), Reason: text("reason"),
		Exception: text("exception"), Context: context,
	}
}
