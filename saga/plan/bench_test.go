package plan

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
)

// chain is a saga of calls one after the other, each with its compensation.
func chain(steps int) string {
	var b strings.Builder
	b.WriteString("saga: 1\nname: chain\ninput: {type: object}\nsteps:\n")
	for i := range steps {
		fmt.Fprintf(&b, "- {id: s%d, call: {url: 'http://h/${input.order}/%d', body: {amount: 100}}, "+
			"compensate: {call: {url: 'http://h/${input.order}/%d/undo'}}}\n", i, i, i)
	}
	return b.String()
}

// loop is a saga with one call for each item, a few at once.
const loop = `
saga: 1
name: loop
steps:
- {id: s, forEach: {in: input.items, parallel: 10}, call: {url: 'http://h/${item}'},
   compensate: {call: {url: 'http://h/undo'}}}
`

// drive runs a saga to its end without an I/O, and returns how many steps it had.
func drive(b *testing.B, rules txn.Rules, input string) int {
	b.Helper()
	var g *txn.Global
	var queue []txn.Command
	apply := func(ev txn.Event) {
		eff, err := rules.Apply(g, ev, 1_700_000_000_000)
		if err != nil {
			b.Fatal(err)
		}
		if eff.Next != nil {
			g = eff.Next
		}
		queue = append(queue, eff.Commands...)
	}
	apply(txn.Begin{
		XID: txn.XID{Prefix: "h:1", ID: 9}, Name: "chain", Data: input, Timeout: time.Hour,
		Saga: &txn.SagaRun{Definition: "chain", Version: 1},
	})
	apply(txn.Wake{})
	for len(queue) > 0 {
		cmd := queue[0]
		queue = queue[1:]
		apply(txn.Reply{
			BranchID: cmd.BranchID, Op: cmd.Op, Attempt: cmd.Attempt, Result: txn.ResultDone, Code: 200, Answer: `{"id":"x"}`,
		})
	}
	if g.Status != txn.Committed {
		b.Fatalf("%s: %s", g.Status, g.Saga.Failure)
	}
	return len(g.Branches)
}

func benchmark(b *testing.B, text, input string) {
	b.Helper()
	def, findings := definition.Parse([]byte(text))
	if definition.Broken(findings) {
		b.Fatal(findings)
	}
	p, err := Compile(def, nil)
	if err != nil {
		b.Fatal(err)
	}
	rules := txn.DefaultRules()
	rules.Planners = &one{p}
	b.ReportAllocs()
	steps := 0
	for b.Loop() {
		steps += drive(b, rules, input)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
}

// BenchmarkChain measures planning and core of sagas, from the begin to the end, in memory.
func BenchmarkChain(b *testing.B) {
	for _, steps := range []int{2, 5, 20, 200} {
		b.Run(strconv.Itoa(steps), func(b *testing.B) { benchmark(b, chain(steps), `{"order":4711}`) })
	}
}

// BenchmarkLoop measures loops over lists.
func BenchmarkLoop(b *testing.B) {
	for _, items := range []int{10, 100, 1000, 10_000} {
		b.Run(strconv.Itoa(items), func(b *testing.B) {
			benchmark(b, loop, `{"items":[`+strings.TrimSuffix(strings.Repeat(`"item",`, items), ",")+`]}`)
		})
	}
}
