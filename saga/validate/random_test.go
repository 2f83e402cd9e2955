package validate

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/saga/definition"
)

// composer writes random sagas that are sound by construction: blocks of steps one after the other, each a step,
// parallel paths that join, or a choice whose ways join.
type composer struct {
	*rapid.T
	b       strings.Builder
	n       int
	surely  []string // steps that are done for sure here
	pivoted bool
}

// step writes a step behind some others and returns its id.
func (c *composer) step(after []string) string {
	c.n++
	id := fmt.Sprintf("s%d", c.n)
	fmt.Fprintf(&c.b, "  - {id: %s, after: [%s]", id, strings.Join(after, ", "))
	read := `"${input.x}"`
	if len(c.surely) > 0 {
		read = fmt.Sprintf(`"${steps.%s.output.v}"`, rapid.SampledFrom(c.surely).Draw(c.T, "read"))
	}
	fmt.Fprintf(&c.b, `, worker: {task: t, input: %s}, output: {v: "${body}"}`, read)
	if rapid.Bool().Draw(c.T, "loop") {
		fmt.Fprintf(&c.b, ", timeout: 1m, retry: {first: 1s}")
	}
	if !c.pivoted {
		c.b.WriteString(", compensate: {worker: {task: u, input: \"${output?.v}\"}}")
	}
	c.b.WriteString("}\n")
	return id
}

// block writes a block and returns the steps with which it ends.
func (c *composer) block(after []string, depth int) []string {
	kind := rapid.IntRange(0, 3).Draw(c.T, "block")
	if depth == 0 {
		kind = 0
	}
	switch kind {
	case 1:
		return c.parallel(after, depth)
	case 2:
		return c.choice(after, depth)
	case 3:
		for range rapid.IntRange(1, 3).Draw(c.T, "sequence") {
			after = c.block(after, depth-1)
		}
		return after
	}
	id := c.step(after)
	c.surely = append(c.surely, id)
	return []string{id}
}

func (c *composer) parallel(after []string, depth int) []string {
	var ends []string
	before := c.surely
	done := append([]string(nil), before...)
	for range rapid.IntRange(2, 3).Draw(c.T, "paths") {
		c.surely = append([]string(nil), before...)
		ends = append(ends, c.block(after, depth-1)...)
		done = append(done, c.surely[len(before):]...)
	}
	c.surely = done
	return ends
}

func (c *composer) choice(after []string, depth int) []string {
	c.n++
	id := fmt.Sprintf("c%d", c.n)
	fmt.Fprintf(&c.b, "  - {id: %s, after: [%s], choice: {cases: [{case: a, when: input.a > %d}], else: b}}\n", id,
		strings.Join(after, ", "), c.n)
	before := c.surely
	var ends []string
	for _, one := range []string{"a", "b"} {
		c.surely = append([]string(nil), before...)
		if one == "b" && rapid.Bool().Draw(c.T, "nothing else") {
			ends = append(ends, id+".b")
			continue
		}
		ends = append(ends, c.block([]string{id + "." + one}, depth-1)...)
	}
	c.surely = before
	return ends
}

func TestRandomSoundDefinitionsHaveNoFindings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		c := &composer{T: r}
		c.b.WriteString("saga: 1\nname: random\nsteps:\n")
		ends := c.block(nil, 3)
		if rapid.Bool().Draw(r, "pivot") {
			fmt.Fprintf(&c.b, "  - {id: pivot, after: [%s], worker: {task: p}, pivot: true}\n", strings.Join(ends, ", "))
			c.pivoted = true
			c.block([]string{"pivot"}, 3)
		}
		_, findings := Document([]byte(c.b.String()), Options{})
		for _, f := range findings {
			if f.Severity != definition.SeverityHint {
				r.Fatalf("%+v in\n%s", f, c.b.String())
			}
		}
	})
}
