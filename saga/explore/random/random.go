package random

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Saga is a definition as a document, and the sagas that it runs as parts.
type Saga struct {
	Name, Text string
	Subs       []Saga
}

// Where steps go: the last part of a URL, or the name of a task or topic.
const (
	Read  = "read"
	Do    = "do"
	Pivot = "pivot"
	After = "after"
	Maybe = "maybe" // behind the pivot, but it may be refused
	Undo  = "undo"
)

// New composes a definition of the given name.
func New(r *rand.Rand, name string) Saga {
	c := &composer{r: r, saga: Saga{Name: name}, nested: true}
	ends := c.block(nil, 2+r.IntN(2))
	if c.likely(0.5) {
		c.step(ends, Pivot)
		if c.likely(0.7) {
			c.behind = true
			c.block([]string{c.last()}, 1+r.IntN(2))
		}
	}
	c.close()
	return c.saga
}

// Input draws an input for any of the definitions.
func Input(r *rand.Rand) string {
	items := make([]string, r.IntN(4))
	for i := range items {
		items[i] = fmt.Sprintf("%q", string(rune('a'+i)))
	}
	return fmt.Sprintf(`{"a":%d,"items":[%s]}`, r.IntN(10), strings.Join(items, ","))
}

// composer writes one definition: blocks of steps one after the other, each a step, parallel paths that join, or a
// choice whose ways join.
type composer struct {
	r      *rand.Rand
	saga   Saga
	steps  strings.Builder
	n      int
	surely []string // steps that are done for sure here, and have an output
	waits  bool     // somebody is waited for
	behind bool     // the pivot is done
	nested bool     // there may be sub-sagas
}

func (c *composer) likely(p float64) bool { return c.r.Float64() < p }

// last is the id of the newest step.
func (c *composer) last() string { return fmt.Sprintf("s%d", c.n) }

// open begins the line of a step.
func (c *composer) open(after []string) string {
	c.n++
	var once []string
	for _, id := range after {
		if !slices.Contains(once, id) {
			once = append(once, id)
		}
	}
	fmt.Fprintf(&c.steps, "  - {id: %s, after: [%s]", c.last(), strings.Join(once, ", "))
	return c.last()
}

func (c *composer) add(format string, args ...any) { fmt.Fprintf(&c.steps, ", "+format, args...) }

// line ends it.
func (c *composer) line() { c.steps.WriteString("}\n") }

// close writes the document.
func (c *composer) close() {
	var head strings.Builder
	fmt.Fprintf(&head, "saga: 1\nname: %s\n", c.saga.Name)
	if c.waits || c.likely(0.3) {
		head.WriteString([...]string{"deadline: 1h\n", "deadline: 90s\n", "deadline: 15s\n"}[c.r.IntN(3)])
		if c.likely(0.3) {
			head.WriteString("onDeadline: forward\n")
		}
	}
	if len(c.surely) > 0 {
		fmt.Fprintf(&head, "output: {of: \"${steps.%s.output.v}\", a: \"${input.a}\"}\n", c.some())
	}
	c.saga.Text = head.String() + "steps:\n" + c.steps.String()
}

// some draws a step whose output may be read.
func (c *composer) some() string { return c.surely[c.r.IntN(len(c.surely))] }

// target writes how a participant is reached for a purpose, with something that is sent.
func (c *composer) target(purpose, data string) string {
	switch c.r.IntN(3) {
	case 0:
		if purpose != Read {
			return fmt.Sprintf(`call: {url: "http://p.example/%s", body: {x: %s}}`, purpose, data)
		}
		return fmt.Sprintf(`call: {method: GET, url: "http://p.example/%s"}`, purpose)
	case 1:
		return fmt.Sprintf(`worker: {task: %s, input: {x: %s}}`, purpose, data)
	}
	return fmt.Sprintf(`message: {topic: %s, data: {x: %s}, reply: answers}`, purpose, data)
}

// step writes a step that asks a participant.
func (c *composer) step(after []string, purpose string) string {
	data := `"${input.a}"`
	if len(c.surely) > 0 && c.likely(0.7) {
		data = fmt.Sprintf(`"${steps.%s.output.v}"`, c.some())
	}
	id := c.open(after)
	goOn := purpose != Pivot && c.likely(0.1)
	if goOn && purpose == After {
		purpose = Maybe
	}
	loop := purpose != Pivot && c.likely(0.2)
	if loop {
		data = `"${index}"`
		c.add("forEach: {in: input.items, parallel: %d}", 1+c.r.IntN(3))
	}
	how := c.target(purpose, data)
	c.add("%s", how)
	c.add(`output: {v: "${body?.v}"}`)
	if purpose == Read && !strings.HasPrefix(how, "call") {
		c.add("readOnly: true")
	}
	if purpose == Pivot {
		c.add("pivot: true")
	}
	if c.likely(0.3) {
		c.add("timeout: %ds", 1+c.r.IntN(3))
	}
	switch {
	case !c.likely(0.3):
	case purpose == Read || purpose == Do:
		c.add("retry: {first: 200ms, max: 2s, attempts: %d}", 1+c.r.IntN(4))
	default:
		c.add("retry: {first: 200ms, max: 2s}")
	}
	if purpose == Do {
		c.add("compensate: {%s}", c.target(Undo, `"${output?.v}"`))
	}
	sure := !loop
	if purpose == Read || purpose == Do {
		if c.likely(0.15) {
			c.add("repeat: {until: 'body?.n == 0 || attempt >= 2', every: 1s, max: %d}", 2+c.r.IntN(2))
		}
	}
	if goOn {
		c.add("onRefused: continue")
		sure = false
	}
	c.line()
	if sure {
		c.surely = append(c.surely, id)
	}
	return id
}

// skippable writes a step with a condition.
func (c *composer) skippable(after []string, purpose string) string {
	before := slices.Clone(c.surely)
	id := c.step(after, purpose)
	text := strings.TrimSuffix(c.steps.String(), "}\n")
	c.steps.Reset()
	fmt.Fprintf(&c.steps, "%s, when: input.a > %d}\n", text, c.r.IntN(9))
	c.surely = before
	return id
}

// block writes a block and returns the steps with which it ends.
func (c *composer) block(after []string, depth int) []string {
	kind := c.r.IntN(10)
	if depth == 0 {
		kind = 5 + c.r.IntN(5)
	}
	switch {
	case kind < 2:
		return c.parallel(after, depth)
	case kind == 2:
		return c.choice(after, depth)
	case kind < 5:
		for range 1 + c.r.IntN(3) {
			after = c.block(after, depth-1)
		}
		return after
	case kind == 5:
		return c.other(after)
	}
	purpose := Do
	switch {
	case c.behind:
		purpose = After
	case c.likely(0.25):
		purpose = Read
	}
	if len(after) > 0 && purpose != After && c.likely(0.15) {
		// What comes next does not depend on it alone, or it could be skipped, too.
		return append(slices.Clone(after), c.skippable(after, purpose))
	}
	return []string{c.step(after, purpose)}
}

// other writes one of the rarer kinds of steps.
func (c *composer) other(after []string) []string {
	kind := c.r.IntN(5)
	if c.behind {
		kind = 0 // a wait can end with a no
	}
	switch {
	case kind == 1:
		c.open(after)
		c.add("signal: {name: go-%s}", c.last())
		c.wait()
	case kind == 2:
		c.open(after)
		c.add(`approval: {prompt: "may %s", by: [boss]}`, c.last())
		c.wait()
	case kind == 3 && c.nested:
		return c.sub(after)
	case kind == 4:
		return c.catch(after)
	default:
		c.open(after)
		c.add("timer: {for: %ds}", 1+c.r.IntN(4))
		c.line()
	}
	return []string{c.last()}
}

// wait ends a step that waits for somebody.
func (c *composer) wait() {
	c.waits = true
	if c.likely(0.6) {
		c.add("timeout: %ds", 3+c.r.IntN(20))
	}
	c.line()
}

// sub writes another definition, which is a part of this one.
func (c *composer) sub(after []string) []string {
	inner := &composer{r: c.r, saga: Saga{Name: fmt.Sprintf("%s-%d", c.saga.Name, c.n+1)}}
	inner.block(nil, 1+c.r.IntN(2))
	inner.close()
	c.saga.Subs = append(c.saga.Subs, inner.saga)
	c.waits = c.waits || inner.waits
	id := c.open(after)
	c.add(`subSaga: {saga: %s, input: {a: "${input.a}", items: "${input.items}"}}`, inner.saga.Name)
	c.line()
	return []string{id}
}

// catch writes a step with another one for the case that it is refused.
func (c *composer) catch(after []string) []string {
	first := c.step(after, Do)
	text := strings.TrimSuffix(c.steps.String(), "}\n")
	if strings.Contains(text[strings.LastIndex(text, "\n")+1:], "onRefused") {
		return []string{first}
	}
	c.steps.Reset()
	c.steps.WriteString(text)
	c.surely = slices.DeleteFunc(c.surely, func(id string) bool { return id == first })
	before := slices.Clone(c.surely)
	fmt.Fprintf(&c.steps, ", onRefused: s%d}\n", c.n+1)
	c.n++
	fmt.Fprintf(&c.steps, "  - {id: %s, %s, compensate: {%s}}\n", c.last(), c.target(Do, `"${input.a}"`),
		c.target(Undo, `"${input.a}"`))
	c.surely = before
	return []string{first, c.last()}
}

func (c *composer) parallel(after []string, depth int) []string {
	var ends []string
	before := c.surely
	done := slices.Clone(before)
	for range 2 + c.r.IntN(2) {
		c.surely = slices.Clone(before)
		ends = append(ends, c.block(after, depth-1)...)
		for _, id := range c.surely {
			if !slices.Contains(done, id) {
				done = append(done, id)
			}
		}
	}
	c.surely = done
	return ends
}

func (c *composer) choice(after []string, depth int) []string {
	id := c.open(after)
	c.add("choice: {cases: [{case: a, when: input.a > %d}], else: b}", c.r.IntN(9))
	c.line()
	before := slices.Clone(c.surely)
	var ends []string
	for _, one := range []string{"a", "b"} {
		c.surely = slices.Clone(before)
		if one == "b" && c.likely(0.5) {
			ends = append(ends, id+".b")
			continue
		}
		ends = append(ends, c.block([]string{id + "." + one}, depth-1)...)
	}
	c.surely = before
	return ends
}

// Careless is the text of such a definition without its compensations.
func Careless(text string) string {
	const begin = ", compensate: {"
	for at := strings.Index(text, begin); at >= 0; at = strings.Index(text, begin) {
		depth, end := 1, at+len(begin)
		for ; depth > 0; end++ {
			switch text[end] {
			case '{':
				depth++
			case '}':
				depth--
			}
		}
		text = text[:at] + text[end:]
	}
	return text
}
