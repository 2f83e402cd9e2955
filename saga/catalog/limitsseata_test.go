package catalog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/machine"
	"github.com/concord-tx/concord/saga/statelang"
)

// calling is a state that calls a service, with more keys.
func calling(more string) string {
	return `{"Type": "ServiceTask", "ServiceName": "s", "ServiceMethod": "m"` + more + `}`
}

// machineOf is a machine of Seata with one state.
func machineOf(state string) string {
	return `{"Name": "m", "StartState": "A", "States": {"A": ` + state + `}}`
}

// chained are so many states of Seata, one after the other.
func chained(n int) string {
	parts := make([]string, n)
	for i := range parts {
		next := ""
		if i+1 < n {
			next = fmt.Sprintf(`, "Next": "S%d"`, i+1)
		}
		parts[i] = fmt.Sprintf(`"S%d": %s`, i, calling(next))
	}
	return `{"Name": "m", "StartState": "S0", "States": {` + strings.Join(parts, ", ") + `}}`
}

// machineBounds are the limits of definitions in Seata's language.
func machineBounds() map[string]struct {
	limit int
	rule  definition.Rule
	make  func(n int) machine.Source
} {
	type row = struct {
		limit int
		rule  definition.Rule
		make  func(n int) machine.Source
	}
	const long = definition.RuleLimit
	text := func(make func(n int) string) func(int) machine.Source {
		return func(n int) machine.Source { return machine.Source{Machine: make(n), Bindings: bound} }
	}
	input := func(make func(n int) string) func(int) machine.Source {
		return text(func(n int) string { return machineOf(calling(`, "Input": ["$.` + make(n) + `"]`)) })
	}
	state := func(name string) string {
		return strings.NewReplacer(`"A"`, `"`+name+`"`).Replace(machineOf(calling("")))
	}
	return map[string]row{
		"MachineBytesMax": {limits.MachineBytesMax, long, text(func(n int) string {
			m := machineOf(calling(""))
			return m + strings.Repeat(" ", n-len(m))
		})},
		"MachineDepthMax": {limits.MachineDepthMax, long, text(func(n int) string { // the machine, its states, A, Input
			return machineOf(calling(`, "Input": [` + strings.Repeat("[", n-4) + strings.Repeat("]", n-4) + "]"))
		})},
		"MachineStatesMax": {limits.MachineStatesMax, long, text(chained)},
		"MachineRetriesMax": {limits.MachineRetriesMax, "retry", text(func(n int) string {
			return machineOf(calling(fmt.Sprintf(
				`, "Retry": [{"Exceptions": ["java.lang.Throwable"], "MaxAttempts": %d, "BackoffRate": 1}]`, n)))
		})},
		"MachineStateNameBytesMax": {limits.MachineStateNameBytesMax, long, text(func(n int) string {
			return state(name(n))
		})},
		"PublishedNameBytesMax": {limits.PublishedNameBytesMax, long, text(func(n int) string {
			return strings.Replace(machineOf(calling("")), `"m"`, `"`+name(n)+`"`, 1)
		})},
		"SpELBytesMax": {limits.SpELBytesMax, "expression.refused", input(func(n int) string {
			return "[" + name(n-2) + "]"
		})},
		"SpELDepthMax": {limits.SpELDepthMax, "expression.refused", input(func(n int) string {
			// the whole is one, and what is denied
			return strings.Repeat("!", n-2) + "true"
		})},
		"SpELNodesMax": {limits.SpELNodesMax, "expression.refused", input(func(n int) string {
			return strings.Repeat("-", (n+1)%2) + "1" + strings.Repeat("+1", (n-1)/2)
		})},
		"BindingsBytesMax": {limits.BindingsBytesMax, "bindings", func(n int) machine.Source {
			return machine.Source{Machine: machineOf(calling("")), Bindings: bound + "#" + strings.Repeat("x", n-len(bound)-1)}
		}},
		"NameBytesMax of workers": {limits.NameBytesMax, "bindings", func(n int) machine.Source {
			return machine.Source{Machine: machineOf(calling("")), Bindings: "default: {worker: " + name(n) + "}\n"}
		}},
		"URLBytesMax of services": {limits.URLBytesMax, "bindings", func(n int) machine.Source {
			return machine.Source{
				Machine: machineOf(calling("")), Bindings: "default: {call: {url: http://h/" + name(n-len("http://h/")) + "}}\n",
			}
		}},
		"HeadersMax of services": {limits.HeadersMax, "bindings", func(n int) machine.Source {
			return machine.Source{
				Machine:  machineOf(calling("")),
				Bindings: "default: {call: {url: http://h, headers: {" + numbered("h%d: x", n) + "}}}\n",
			}
		}},
		"DurationMax of services": {int(limits.DurationMax / time.Millisecond), "bindings", func(ms int) machine.Source {
			return machine.Source{
				Machine:  machineOf(calling("")),
				Bindings: fmt.Sprintf("default: {worker: w, timeout: %s}\n", time.Duration(ms)*time.Millisecond),
			}
		}},
		"BindingAttemptsMax": {limits.BindingAttemptsMax, "bindings", func(n int) machine.Source {
			return machine.Source{
				Machine: machineOf(calling("")), Bindings: fmt.Sprintf("bindings:\n  s.m: {worker: w, attempts: %d}\n", n),
			}
		}},
	}
}

// TestWhatIsTooLargeInSeatasLanguageIsNotPublished, and exactly at the limit it is sound.
func TestWhatIsTooLargeInSeatasLanguageIsNotPublished(t *testing.T) {
	t.Parallel()
	for name, b := range machineBounds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := New(Options{Documents: &shelf{all: map[string]orchestrator.Document{}}, Languages: []Language{Seata()}})
			t.Cleanup(c.Close)
			review := func(n int) Review {
				r, err := c.Review(t.Context(), []byte(b.make(n).Text()))
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			if name == "MachineStatesMax" { // to explore so many takes its time
				d, err := statelang.Read([]byte(b.make(b.limit).Machine))
				if err != nil || !statelang.Check(d, nil).Sound() {
					t.Errorf("as much as there may be: %v", err)
				}
			} else if r := review(b.limit); !r.Sound() {
				t.Errorf("as much as there may be: %.500s", fmt.Sprintf("%+v", r))
			}
			refused(t, review(b.limit+1).Findings, b.rule)
		})
	}
}

// TestWhatIsNestedTooDeepIsNotPublished: each of the sagas and machines alone is sound.
func TestWhatIsNestedTooDeepIsNotPublished(t *testing.T) {
	t.Parallel()
	c := New(Options{Documents: &shelf{all: map[string]orchestrator.Document{}}, Languages: []Language{Seata()}})
	t.Cleanup(c.Close)
	publish(t, c, strings.Replace(single(""), "limited", "s1", 1))
	first := strings.Replace(machineOf(calling("")), `"m"`, `"m1"`, 1)
	publish(t, c, machine.Source{Machine: first, Bindings: bound}.Text())
	saga := func(n int, subs ...int) string {
		text := fmt.Sprintf("saga: 1\nname: s%d\nsteps:\n", n)
		for i, sub := range subs {
			text += fmt.Sprintf("- {id: a%d, subSaga: {saga: s%d}}\n", i, sub)
		}
		return text
	}
	sub := func(n int) string {
		inner := fmt.Sprintf(`{"Type": "SubStateMachine", "StateMachineName": "m%d"}`, n-1)
		text := strings.Replace(machineOf(inner), `"m"`, fmt.Sprintf(`"m%d"`, n), 1)
		return machine.Source{Machine: text, Bindings: bound}.Text()
	}
	for n := 2; n <= limits.SubSagaDepthMax; n++ {
		publish(t, c, saga(n, n-1))
	}
	for n := 2; n <= limits.MachinesNestedMax; n++ {
		publish(t, c, sub(n))
	}
	const both, way, outer = 20, 21, 22 // way comes to a saga that it knows by a way that is longer by one
	publish(t, c, saga(both, limits.SubSagaDepthMax-2))
	publish(t, c, saga(way, limits.SubSagaDepthMax-2, both))
	for what, text := range map[string]string{
		"sagas by a longer way": saga(outer, way),
		"sagas":                 saga(limits.SubSagaDepthMax+1, limits.SubSagaDepthMax),
		"machines":              sub(limits.MachinesNestedMax + 1),
	} {
		r, err := c.Review(t.Context(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(what, func(t *testing.T) {
			if rule := definition.Rule("recursion"); what != "machines" {
				refused(t, r.Findings, rule)
			} else {
				refused(t, r.Findings, definition.RuleLimit)
			}
		})
	}
}

// TestInputsThatAreTooLargeBeginNothing, in either language.
func TestInputsThatAreTooLargeBeginNothing(t *testing.T) {
	t.Parallel()
	c := New(Options{Documents: &shelf{all: map[string]orchestrator.Document{}}, Languages: []Language{Seata()}})
	t.Cleanup(c.Close)
	publish(t, c, single(""))
	publish(t, c, machine.Source{Machine: machineOf(calling("")), Bindings: bound}.Text())
	long := func(n int) string { return `{"a":"` + name(n-len(`{"a":""}`)) + `"}` }
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for _, saga := range []string{"limited", "m"} {
		if err := load(c, saga, 1); err != nil {
			t.Fatal(err)
		}
		_, compiled, err := c.Ready(t.Context(), saga, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			what     string
			limit    int
			ofLength func(int) string
		}{{"bytes", limits.PayloadBytesMax, long}, {"levels", limits.PayloadDepthMax, deep}} {
			if p := compiled.CheckInput([]byte(row.ofLength(row.limit))); len(p) > 0 {
				t.Errorf("%s: as many %s as there may be: %v", saga, row.what, p)
			}
			if saga == "m" && row.what == "levels" {
				continue // the API has looked at them, as Concord's own language reads them
			}
			if p := compiled.CheckInput([]byte(row.ofLength(row.limit + 1))); len(p) != 1 || p[0].Text == "" {
				t.Errorf("%s: one more of %s: %v", saga, row.what, p)
			}
		}
	}
}
