package machine

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// chaos is a run of a machine that was drawn, against services that do things, lose answers, throw and come back, and a
// server that dies.
type chaos struct {
	*world
	r *rand.Rand
	// did has the instances whose service has done something, in that order; undid how often each was undone.
	did   []string
	undid map[string]int
	order []string // in which they were undone first
	// cancelled is true if a person has cancelled it.
	cancelled bool
}

// drawn is a chain of services, some in loops, some in a machine that is called, some side by side for a time that may
// be too short if there are to be forks; all are undone by a trigger.
func drawn(r *rand.Rand, depth int, forks bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"Name": "m%d", "StartState": "S0", "States": {`, depth)
	n := 1 + r.IntN(4)
	for i := range n {
		next := fmt.Sprintf("S%d", i+1)
		if i+1 == n {
			next = "Done"
		}
		catch := `, "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}]`
		retry := ""
		if r.IntN(3) == 0 {
			retry = `, "Retry": [{"Exceptions": ["com.example.Busy"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 2}]`
		}
		loop := ""
		if r.IntN(3) == 0 {
			loop = fmt.Sprintf(`, "Loop": {"Parallel": %d, "Collection": "$.[list]"}`, 1+r.IntN(3))
		}
		if forks && r.IntN(4) == 0 {
			fmt.Fprintf(&b, `"S%d": {"Type": "Fork", "Branches": ["A%d", "B%d"], "AwaitTimeout": %d},
				"J%d": {"Type": "Join", "Next": %q},`, i, i, i, r.IntN(4)*200, i, next)
			for _, branch := range "AB" {
				fmt.Fprintf(&b, `"%c%d": {"Type": "ServiceTask", "ServiceName": "do", "ServiceMethod": "%[1]c%[2]d",
					"CompensateState": "U%[1]c%[2]d", "Next": "%[1]cs%[2]d"%s},
					"%[1]cs%[2]d": {"Type": "ServiceTask", "ServiceName": "do", "ServiceMethod": "%[1]cs%[2]d",
					"CompensateState": "U%[1]c%[2]d"%[3]s, "Next": "J%[2]d"},
					"U%[1]c%[2]d": {"Type": "ServiceTask", "ServiceName": "undo", "ServiceMethod": "%[1]c%[2]d"},`,
					branch, i, catch)
			}
			continue
		}
		failed := "Undo"
		if forks && r.IntN(2) == 0 {
			failed = next
		}
		if depth == 0 && r.IntN(3) == 0 {
			fmt.Fprintf(&b, `"S%d": {"Type": "SubStateMachine", "StateMachineName": "m1", "Input": [{"list": "$.[list]"}],
				"Output": {"was%d": "$.[_sub_statemachine_execution_status_]"}, "Next": "Was%d"},
				"Was%d": {"Type": "Choice", "Choices": [{"Expression": "[was%d] == 'SU'", "Next": %q}], "Default": %q},`,
				i, i, i, i, i, next, failed)
			continue
		}
		fmt.Fprintf(&b, `"S%d": {"Type": "ServiceTask", "ServiceName": "do", "ServiceMethod": "s%d",
			"CompensateState": "U%d"%s%s%s, "Next": %q},
			"U%d": {"Type": "ServiceTask", "ServiceName": "undo", "ServiceMethod": "s%d"},`,
			i, i, i, catch, retry, loop, next, i, i)
	}
	b.WriteString(`"Undo": {"Type": "CompensationTrigger", "Next": "Failed"}, "Done": {"Type": "Succeed"},
		"Failed": {"Type": "Fail", "ErrorCode": "E", "Message": "m"}}}`)
	return b.String()
}

// instanceOf is the instance that a branch is a call of, and whether it is a compensation.
func instanceOf(step string) (name string, undo bool) {
	name, _, undo = strings.Cut(step, "~")
	name, _, _ = strings.Cut(name, "#")
	return name, undo
}

// answer is what happens to a call.
func (c *chaos) answerOf(cmd txn.Command) (txn.Reply, bool) {
	name, undo := instanceOf(cmd.Step)
	undo = undo || cmd.Op == txn.Rollback
	way := c.r.IntN(12)
	if way >= 3 || undo && way > 1 { // it is done, whether or not anybody hears of it
		if undo {
			if c.undid[name]++; c.undid[name] == 1 {
				c.order = append(c.order, name)
			}
		} else if !slices.Contains(c.did, name) {
			c.did = append(c.did, name)
		}
	}
	switch way {
	case 0:
		return call{Throws: "com.example.Busy"}.reply(c.t), true
	case 1:
		return txn.Reply{Result: txn.ResultUnreachable, Text: "refused"}, true
	case 2:
		if !undo {
			return call{Throws: "java.net.ConnectException"}.reply(c.t), true
		}
		return call{}.reply(c.t), true
	case 3:
		return txn.Reply{Result: txn.ResultNoAnswer, Text: "lost"}, true
	}
	return call{Returns: "ok"}.reply(c.t), true
}

// go on until the end, with accidents.
func (c *chaos) run() {
	c.apply(txn.Wake{})
	for range 3000 {
		switch {
		case c.g.Status.Ended() || c.g.Status == txn.RollingBack && c.g.Stuck == txn.StuckRefused:
			return
		case !c.cancelled && c.g.Status == txn.Active && c.r.IntN(40) == 0:
			c.cancelled = true
			c.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
		case len(c.queue) > 0 && c.r.IntN(30) == 0:
			c.queue = nil // the server dies: what was to be sent is not, or nobody hears of it
		case c.g.Status == txn.Active && c.g.Stuck == txn.StuckRefused: // a person sees to it
			c.cancelled = true
			c.apply(txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseOperator})
		case len(c.queue) > 0:
			c.now = c.now.Add(time.Duration(c.r.IntN(300)) * time.Millisecond)
			c.one()
		case c.g.DueAt == 0 || c.g.DueAt >= c.g.Deadline() && c.g.Status == txn.Active:
			c.t.Fatalf("it stands still")
		default:
			c.now = max(c.now, c.g.DueAt)
			c.apply(txn.Wake{})
		}
	}
	c.t.Fatal("it does not end")
}

func TestNothingIsLeftUndoneWhateverHappens(t *testing.T) {
	t.Parallel()
	ends := map[string]int{}
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		machine, child := drawn(r, 0, true), drawn(r, 1, true)
		machines := map[string]json.RawMessage{"m1": json.RawMessage(child)}
		w := begin(t, machine, machines, map[string]any{"list": []any{1, 2, 3}})
		w.rules.Retry.SlowDelay = time.Second
		c := &chaos{world: w, r: r, undid: map[string]int{}}
		w.answer = c.answerOf
		c.run()
		ends[w.g.Status.String()]++
		c.check(seed)
		if t.Failed() {
			t.Fatalf("seed %d\n%s\n%s", seed, machine, child)
		}
	}
	if ends["Committed"] < 50 || ends["RolledBack"] < 200 {
		t.Errorf("%v", ends)
	}
	t.Log(ends)
}

// check checks the end: all or nothing.
func (c *chaos) check(seed uint64) {
	c.t.Helper()
	switch c.g.Status {
	case txn.Committed:
		for name, n := range c.undid {
			if c.alone(name) { // a machine that is called may have undone itself
				c.t.Errorf("seed %d: %s was undone %d times, and the run is done", seed, name, n)
			}
		}
		return
	case txn.RolledBack:
	default:
		c.t.Errorf("seed %d: %s, stuck %q: %s", seed, c.g.Status, c.g.Stuck, c.g.Saga.Failure)
	}
	for _, name := range c.did {
		if c.undid[name] == 0 {
			c.t.Errorf("seed %d: %s was done and never undone", seed, name)
		}
	}
	last := ""
	for _, name := range c.order {
		if strings.ContainsAny(name, "/-") {
			continue
		}
		if last != "" && last < name {
			c.t.Errorf("seed %d: undone in the order %s", seed, c.order)
		}
		last = name
	}
	for name := range c.undid {
		if c.g.Saga.Result != "" && !c.begun(name) {
			c.t.Errorf("seed %d: %s was undone and never begun", seed, name)
		}
	}
}

// alone reports whether an instance is in no machine that is called.
func (c *chaos) alone(name string) bool {
	rest := name
	if branch := strings.Index(name, "]/"); branch > 0 {
		rest = name[branch+2:]
	}
	return !strings.Contains(rest, "/")
}

// begun reports whether there is a call of an instance.
func (c *chaos) begun(name string) bool {
	return slices.ContainsFunc(c.g.Branches, func(b *txn.Branch) bool {
		own, undo := instanceOf(b.Step.Name)
		return own == name && !undo
	})
}
