package plan

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// winding has everything that a planner remembers something of.
const winding = `
saga: 1
name: winding
steps:
- {id: first, call: {url: 'http://h/first'}, compensate: {call: {url: 'http://h/undo'}}}
- {id: each, forEach: {in: input.items, parallel: 4}, call: {url: 'http://h/${item}'},
   output: {of: '${item}', got: '${body}'},
   compensate: {call: {url: 'http://h/undo/${output.got}'}}}
- {id: ask, after: [], call: {url: 'http://h/ask'}, readOnly: true,
   repeat: {until: 'body.enough == true', every: 1s, max: 5}}
- {id: again, after: [each, ask], forEach: {in: 'map(steps.each.output, .got)', parallel: 3},
   when: 'steps.ask.output.enough', call: {url: 'http://h/again/${item.n}'}, onRefused: continue,
   compensate: {call: {url: 'http://h/undo'}}}
- {id: inner, forEach: {in: input.items, parallel: 2}, subSaga: {saga: part, input: {of: '${item}'}}}
output: {all: '${steps.each.output}', second: '${steps.again.output}'}
`

const part = `
saga: 1
name: part
steps:
- {id: a, call: {url: 'http://h/a/${input.of}'}, compensate: {call: {url: 'http://h/undo'}}}
- {id: b, call: {url: 'http://h/b/${steps.a.output.n}'}, compensate: {call: {url: 'http://h/undo'}}}
`

// record is what is stored of a state.
func record(g *txn.Global) (dst []byte) {
	if g == nil {
		return nil
	}
	dst = txn.AppendGlobal(nil, g)
	for _, b := range g.Branches {
		dst = txn.AppendBranch(dst, b)
	}
	return dst
}

// fresh is a state as it comes back from its record, of which nothing is remembered.
func fresh(t interface{ Fatal(args ...any) }, g *txn.Global) *txn.Global {
	again, rest, err := txn.DecodeGlobal(txn.AppendGlobal(nil, g), nil)
	for _, b := range g.Branches {
		if err == nil {
			b, rest, err = txn.DecodeBranch(append(rest, txn.AppendBranch(nil, b)...), nil)
			again.Branches = append(again.Branches, b)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestWhatIsRememberedChangesNothing runs sagas with answers in any order. Before each answer others are tried, of
// which the planner sees the states that would follow, but which never come to be.
func TestWhatIsRememberedChangesNothing(t *testing.T) {
	t.Parallel()
	p := run(t, winding, `{"items":[]}`, nil, part).rules.Planners.Planner(nil).(*Program)
	rules := txn.DefaultRules()
	rules.Planners = &one{p}
	rapid.Check(t, func(t *rapid.T) {
		now := txn.Millis(1_700_000_000_000)
		var asked []txn.Command
		apply := func(g *txn.Global, ev txn.Event) (*txn.Global, []txn.Command) {
			var like *txn.Global
			if g != nil {
				like = fresh(t, g)
			}
			eff, err := rules.Apply(g, ev, now)
			if err != nil {
				t.Fatal(err)
			}
			want, err := rules.Apply(like, ev, now)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(record(want.Next), record(eff.Next)) {
				t.Fatalf("something else follows by what is remembered: %s", cmp.Diff(want, eff))
			}
			if eff.Next == nil {
				return g, nil
			}
			return eff.Next, eff.Commands
		}
		items := rapid.IntRange(3, 9).Draw(t, "items")
		input := `{"items":[`
		for n := range items {
			input += fmt.Sprintf("%.*s\"i%d\"", min(n, 1), ",", n)
		}
		g, _ := apply(nil, txn.Begin{
			XID: txn.XID{Prefix: "h:1", ID: 9}, Data: input + "]}", Timeout: time.Hour,
			Saga: &txn.SagaRun{Definition: "winding", Version: 1},
		})
		g, asked = apply(g, txn.Wake{})
		for round := 0; g.Status == txn.Active && round < 300; round++ {
			if len(asked) == 0 {
				now = max(now, g.DueAt)
				g, asked = apply(g, txn.Wake{})
				continue
			}
			reply := func() (int, txn.Reply) {
				i := rapid.IntRange(0, len(asked)-1).Draw(t, "who")
				r := txn.Reply{
					BranchID: asked[i].BranchID, Op: asked[i].Op, Attempt: asked[i].Attempt, Result: txn.ResultDone, Code: 200,
					Answer: fmt.Sprintf(`{"n":%d,"enough":%t}`, rapid.IntRange(0, 9).Draw(t, "n"), rapid.Bool().Draw(t, "enough")),
				}
				if rapid.IntRange(0, 1<<20).Draw(t, "refused")%97 == 53 {
					r.Result, r.Code = txn.ResultRefused, 409
				}
				return i, r
			}
			would := g
			for range rapid.IntRange(0, 2).Draw(t, "tried") {
				if _, r := reply(); would.Status == txn.Active {
					would, _ = apply(would, r)
				}
			}
			i, r := reply()
			var more []txn.Command
			g, more = apply(g, r)
			asked = append(append(asked[:i:i], asked[i+1:]...), more...)
		}
		if g.Status == txn.RollingBack {
			for _, b := range g.Branches {
				if diff := cmp.Diff(p.Undo(fresh(t, g), b), p.Undo(g, b)); b.NeedsPhaseTwo() && diff != "" {
					t.Fatalf("%s is undone in another way by what is remembered: %s", b.Step.Name, diff)
				}
			}
		}
	})
}

func TestBranchesAreFoundInStatesThatDoNotFollowFromEachOther(t *testing.T) {
	t.Parallel()
	state := func(names ...string) *txn.Global {
		g := &txn.Global{}
		for n := range memoBranches { // fewer are not worth an index
			names = append(names, fmt.Sprint("other", n))
		}
		for _, name := range names {
			g.Branches = append(g.Branches, &txn.Branch{Step: &txn.Step{Name: name}})
		}
		return g
	}
	m := &memo{}
	for _, g := range []*txn.Global{
		state("a", "b", "c"), state("a", "c", "b"), state("a"), state("a", "d", "b", "c"), state("b"), state(),
	} {
		m.index(g)
		w := &walk{memo: m, g: g}
		for _, name := range []string{"a", "b", "c", "d"} {
			var want *txn.Branch
			for _, b := range g.Branches {
				if b.Step.Name == name {
					want = b
				}
			}
			if got := w.branch(name); got != want {
				t.Errorf("%d branches: %s is %v", len(g.Branches), name, got)
			}
		}
	}
}

func TestNothingIsRememberedOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	rules := run(t, winding, `{"items":[]}`, nil, part).rules
	eff, err := rules.Apply(nil, txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: 9}, Data: `{"items":[]}`, Timeout: time.Hour,
		Saga: &txn.SagaRun{Definition: "winding", Version: 1},
	}, 1)
	for _, ev := range []txn.Event{
		txn.Wake{}, txn.Decide{Outcome: txn.Rollback},
		txn.Reply{BranchID: 1, Op: txn.Forward, Attempt: 1, Result: txn.ResultRefused},
		txn.Reply{BranchID: 2, Op: txn.Forward, Attempt: 1, Result: txn.ResultRefused},
	} {
		if err == nil && eff.Next.Status == txn.Active && eff.Next.Saga.Memo.Kept == nil && len(eff.Next.Branches) > 0 {
			t.Error("nothing is remembered of what goes on")
		}
		if next, wrong := rules.Apply(eff.Next, ev, 2); wrong != nil || next.Next != nil {
			eff, err = next, wrong
		}
	}
	if err != nil || !eff.Next.Status.Ended() || eff.Next.Saga.Memo.Kept != nil {
		t.Errorf("%v %+v", err, eff.Next)
	}
}

// TestLooksAtWhatMayComeLeaveRoomForWhatDoes plans rollbacks of a run, as whoever looks at it does to see what is
// allowed, and expects that what is done after that is remembered.
func TestLooksAtWhatMayComeLeaveRoomForWhatDoes(t *testing.T) {
	t.Parallel()
	input := `{"items":["0","1","2","3","4","5","6","7","8","9","10","11","12","13","14","15"]}`
	rules := run(t, winding, `{"items":[]}`, nil, part).rules
	eff, err := rules.Apply(nil, txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: 9}, Data: input, Timeout: time.Hour,
		Saga: &txn.SagaRun{Definition: "winding", Version: 1},
	}, 1)
	if err == nil {
		eff, err = rules.Apply(eff.Next, txn.Wake{}, 1)
	}
	answer := fmt.Sprintf(`{"n":1,"text":"%s"}`, bytes.Repeat([]byte("x"), 1<<17))
	queue := eff.Commands
	for n := 0; err == nil && n < 14; n++ {
		var next txn.Effects
		next, err = rules.Apply(eff.Next, txn.Reply{
			BranchID: queue[0].BranchID, Op: txn.Forward, Attempt: 1, Result: txn.ResultDone, Answer: answer,
		}, 1)
		eff, queue = next, append(queue[1:], next.Commands...)
		for range 3 {
			if _, wrong := rules.Plan(eff.Next, txn.Operation{Action: txn.ActionRollback}, 1); wrong != nil {
				t.Fatal(wrong)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	m := eff.Next.Saga.Memo.Kept.(*keeper).memo
	if len(eff.Next.Branches) < memoBranches {
		t.Fatal(len(eff.Next.Branches))
	}
	rules.Planners.Planner(nil).Next(eff.Next, 1)
	for _, b := range eff.Next.Branches {
		if _, kept := m.ends[b.Step]; b.Step.Seq > 0 && strings.HasPrefix(b.Step.Name, "each") && !kept {
			t.Errorf("%s is not remembered", b.Step.Name)
		}
	}
	bytesKept := 0
	for s := range m.ends {
		bytesKept += sizeOf(s)
	}
	if bytesKept+m.room != memoBytesMax || m.room < 0 {
		t.Errorf("%d bytes are kept, and there is room for %d", bytesKept, m.room)
	}
}

// TestAnInputThatWasReadIsNotReadAgain: the first look takes what it is given. After that the record counts.
func TestAnInputThatWasReadIsNotReadAgain(t *testing.T) {
	t.Parallel()
	p := run(t, "saga: 1\nname: s\nsteps:\n- {id: a, call: {url: 'http://h/${input.n}'}, readOnly: true}\n", `{"n":0}`,
		map[string]string{"a": ""}).rules.Planners.Planner(nil).(*Program)
	g := &txn.Global{
		Status: txn.Active, Timeout: time.Hour, Data: `{"n":1}`, Saga: &txn.SagaRun{Definition: "s", Version: 1},
	}
	KeepInput(g.Saga, map[string]any{"n": 2})
	url := func() string {
		next := p.Next(g, 0)
		if len(next.Start) != 1 {
			t.Fatalf("it goes on with %+v", next)
		}
		return next.Start[0].Call.CommitURL
	}
	if got := url(); got != "http://h/2" {
		t.Errorf("with the input that is kept it calls %s", got)
	}
	g.Saga.Memo = txn.Memo{}
	if got := url(); got != "http://h/1" {
		t.Errorf("with the one in the record it calls %s", got)
	}
}
