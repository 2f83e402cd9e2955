package machine

import (
	"fmt"
	"strings"
	"testing"
)

// A machine is there once, however many ways lead to it: else few short machines would fill the memory.
func TestMachinesAreCompiledOnce(t *testing.T) {
	t.Parallel()
	const layers, wide = 5, 4
	all, asked := map[string]*Definition{}, 0
	for layer := range layers {
		for i := range wide {
			states := []string{`"End": {"Type": "Succeed"}`}
			for j := range wide {
				next := fmt.Sprintf("S%d", j+1)
				if j == wide-1 {
					next = "End"
				}
				kind := `"Type": "ServiceTask", "ServiceName": "a", "ServiceMethod": "b", "ForUpdate": false`
				if layer > 0 {
					kind = fmt.Sprintf(`"Type": "SubStateMachine", "StateMachineName": "m%d-%d"`, layer-1, j)
				}
				states = append(states, fmt.Sprintf(`"S%d": {%s, "Next": %q}`, j, kind, next))
			}
			name := fmt.Sprintf("m%d-%d", layer, i)
			all[name] = load(t, []byte(fmt.Sprintf(`{"Name": %q, "StartState": "S0", "States": {%s}}`, name,
				strings.Join(states, ","))))
		}
	}
	p, err := Compile(all[fmt.Sprintf("m%d-0", layers-1)], func(name string) (*Definition, error) {
		asked++
		return all[name], nil
	})
	if err != nil || asked != (layers-1)*wide {
		t.Fatalf("%v, %d machines were read", err, asked)
	}
	seen := map[*Program]bool{}
	var look func(*Program)
	look = func(p *Program) {
		if seen[p] {
			return
		}
		seen[p] = true
		for _, sub := range p.subs {
			look(sub)
		}
	}
	if look(p.Abstract(nil)); len(seen) != asked+1 {
		t.Errorf("%d programs", len(seen))
	}
}
