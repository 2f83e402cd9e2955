package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/expressions"
	"github.com/concord-tx/concord/saga/limits"
)

// Resolve returns the definition of a sub-saga, or an error that says why there is none.
type Resolve func(name string, version int) (*definition.Definition, error)

// Program is a compiled definition. It is immutable and may be used by many at once.
type Program struct {
	def    *definition.Definition
	order  []int
	edges  [][]definition.Edge
	index  map[string]int
	steps  []*step
	output *expressions.Mapping // nil: none
	// readsSaga: an expression reads who the saga is.
	readsSaga bool
	// size is how many steps there are with those of sub-sagas, height how deep these are nested.
	size, height int

	walks *walks // for the next look

	oracle Oracle      // nil: expressions are evaluated
	places *memo       // where the branches were at the last look, with an oracle; else nil
	stop   func() bool // nil: nothing is interrupted
}

// step is a compiled step.
type step struct {
	*definition.Step
	when, in, until *expressions.Program // nil: none
	output          *expressions.Mapping // nil: the whole answer
	forward, undo   *request             // nil: none
	results, undone []rule
	cases           []*expressions.Program
	timerUntil      *expressions.Program
	prompt, show    *expressions.Mapping
	needsOutput     bool // by its compensation
	ofInput         bool // its loop is over a list that depends on nothing but the input
	keepsHeaders    bool // of the answer: they are read after it was judged
	// before are the steps that its expressions see, and itself; nil if they name those that they read, which was checked.
	before   map[string]bool
	read     bool // an expression reads what became of it
	sub      *Program
	subInput *expressions.Mapping
}

// rule classifies an answer.
type rule struct {
	when *expressions.Program
	is   definition.Outcome
}

// request is what a participant is sent.
type request struct {
	method  string
	url     *expressions.Mapping // of a call
	headers []header
	data    *expressions.Mapping // nil: nothing
	fixed   string               // the data as they are sent, where they are the same each time; else ""
	name    string               // the topic, or the task of a worker
	// Of a message: the topic on which it is answered, "" if it is not, its tag, and its key, nil if it has none.
	reply, tag string
	key        *expressions.Mapping
}

type header struct {
	name  string
	value *expressions.Mapping
}

// compiler collects the first error.
type compiler struct {
	err error
}

// Compile compiles a definition that was found sound. Errors say which step is wrong; they do not occur with
// definitions that saga/validate has passed. Sub-sagas are compiled along, each once, at most SubSagaDepthMax deep.
func Compile(def *definition.Definition, subs Resolve) (*Program, error) {
	return compile(def, &linker{subs: subs, made: map[subKey]*Program{}}, 0)
}

// linker compiles sub-sagas. One that is started in many places is the same program.
type linker struct {
	subs Resolve
	made map[subKey]*Program
}

// subKey is how a definition names a sub-saga.
type subKey struct {
	saga    string
	version int
}

func compile(def *definition.Definition, subs *linker, depth int) (*Program, error) {
	if depth > limits.SubSagaDepthMax {
		return nil, tooDeep(def.Name)
	}
	p := &Program{
		def: def, order: def.Order(), edges: def.Predecessors(), index: map[string]int{}, walks: &walks{},
	}
	if len(p.order) != len(def.Steps) {
		return nil, fmt.Errorf("saga %s: steps wait for each other in a circle", def.Name)
	}
	for i, s := range def.Steps {
		if _, twice := p.index[s.ID]; twice {
			return nil, fmt.Errorf("saga %s: two steps are called %s", def.Name, s.ID)
		}
		p.index[s.ID] = i
	}
	for i, s := range def.Steps {
		for _, e := range p.edges[i] {
			if _, known := p.index[e.Step]; !known {
				return nil, fmt.Errorf("saga %s, step %s: it comes after %s, which there is not", def.Name, s.ID, e.Step)
			}
		}
		st, err := compileStep(s)
		if err == nil && s.Kind == definition.KindSubSaga {
			err = st.link(subs, depth)
		}
		if err != nil {
			return nil, fmt.Errorf("saga %s, step %s: %w", def.Name, s.ID, err)
		}
		p.steps, p.size = append(p.steps, st), p.size+1
		if st.sub != nil {
			p.size, p.height = p.size+st.sub.size, max(p.height, st.sub.height+1)
		}
		if p.size > limits.StepsInAllMax {
			return nil, fmt.Errorf("saga %s has more than %d steps with those of its sub-sagas", def.Name,
				limits.StepsInAllMax)
		}
	}
	p.needOutput()
	p.keepHeaders()
	p.lookBack()
	p.noteRead()
	var c compiler
	if def.Output != nil {
		p.output = c.mapping(def.Output, scope(nil))
	}
	if c.err != nil {
		return nil, fmt.Errorf("saga %s: output: %w", def.Name, c.err)
	}
	return p, nil
}

func tooDeep(saga string) error {
	return fmt.Errorf("saga %s: sub-sagas are nested more than %d deep", saga, limits.SubSagaDepthMax)
}

// lookBack finds the steps whose expressions compute which steps they read. They are to see those before them only:
// what runs beside them would have them come to something else each time.
func (p *Program) lookBack() {
	p.def.Walk(func(i int, _ definition.Place, _ string, e definition.Expr, _ bool) {
		refs, _ := expressions.References(e) // what is no expression was found before
		for _, r := range refs {
			if i >= 0 && r.Path[0] == "steps" && len(r.Path) == 1 && p.steps[i].before == nil {
				p.steps[i].before = map[string]bool{}
				p.addBefore(i, p.steps[i].before)
			}
		}
	})
}

func (p *Program) addBefore(i int, all map[string]bool) {
	if id := p.steps[i].ID; !all[id] {
		all[id] = true
		for _, e := range p.edges[i] {
			p.addBefore(p.index[e.Step], all)
		}
	}
}

// link compiles the sub-saga of a step.
func (s *step) link(l *linker, depth int) error {
	if l.subs == nil {
		return fmt.Errorf("saga %s is not known here", s.Sub.Saga)
	}
	key := subKey{s.Sub.Saga, s.Sub.Version}
	if s.sub = l.made[key]; s.sub != nil {
		if depth+1+s.sub.height > limits.SubSagaDepthMax {
			return tooDeep(s.Sub.Saga)
		}
		return nil
	}
	def, err := l.subs(s.Sub.Saga, s.Sub.Version)
	if err != nil {
		return err
	}
	if s.sub, err = compile(def, l, depth+1); err == nil {
		l.made[key] = s.sub
	}
	return err
}

// scope is the names that expressions of a step see, and some more.
func scope(s *definition.Step, more ...string) expressions.Env {
	env := expressions.Env{"input": expressions.Any(), "steps": expressions.Any(), "saga": expressions.Any()}
	if s != nil && s.ForEach != nil {
		as, index := loopNames(s.ForEach)
		env[as], env[index] = expressions.Any(), expressions.Int()
	}
	for _, name := range more {
		env[name] = expressions.Any()
	}
	return env
}

// loopNames are the names of an item and of its index.
func loopNames(f *definition.ForEach) (as, index string) {
	as, index = f.As, f.Index
	if as == "" {
		as = "item"
	}
	if index == "" {
		index = "index"
	}
	return as, index
}

func compileStep(s *definition.Step) (*step, error) {
	var c compiler
	own, outer := scope(s), scope(nil)
	answer := scope(s, "status", "headers", "body", "attempt")
	st := &step{
		Step: s, when: c.program(s.When, outer, expressions.WantBool), results: c.rules(s.Result, answer),
	}
	if s.ForEach != nil {
		st.in = c.program(s.ForEach.In, outer, expressions.WantList)
		st.ofInput = onlyInput(s.ForEach.In)
	}
	if s.Repeat != nil {
		st.until = c.program(s.Repeat.Until, answer, expressions.WantBool)
	}
	if s.Output != nil {
		st.output = c.mapping(s.Output, answer)
	}
	switch s.Kind {
	case definition.KindCall:
		st.forward = c.call(s.Call, own)
	case definition.KindMessage:
		st.forward = c.message(s.Message, own)
	case definition.KindWorker:
		st.forward = &request{name: s.Worker.Task, data: c.value(s.Worker.Input, own)}
	case definition.KindSubSaga:
		st.subInput = c.value(s.Sub.Input, own)
	case definition.KindTimer:
		st.timerUntil = c.program(s.Timer.Until, own, expressions.WantText)
	case definition.KindSignal:
	case definition.KindApproval:
		st.prompt, st.show = c.value(&s.Approval.Prompt, own), c.value(s.Approval.Data, own)
	case definition.KindChoice:
		for _, one := range s.Choice.Cases {
			st.cases = append(st.cases, c.program(one.When, own, expressions.WantBool))
		}
	default:
		return nil, fmt.Errorf("kind %d is not known", s.Kind)
	}
	if s.Compensate != nil {
		st.compileUndo(&c, scope(s, "output"))
	}
	for _, r := range []*request{st.forward, st.undo} {
		if r != nil && r.data != nil && c.err == nil {
			r.fix()
		}
	}
	return st, c.err
}

// fix computes data that are always the same.
func (r *request) fix() {
	value, constant := r.data.Constant()
	if !constant {
		return
	}
	if text, err := encode(value); err == nil && len(text) <= limits.PayloadBytesMax {
		r.fixed = text
	}
}

// onlyInput reports whether an expression reads nothing but the input.
func onlyInput(e definition.Expr) bool {
	all, err := expressions.References(e)
	if err != nil {
		return false
	}
	for _, r := range all {
		if r.Path[0] != "input" {
			return false
		}
	}
	return true
}

func (s *step) compileUndo(c *compiler, env expressions.Env) {
	switch u := s.Compensate; {
	case u.Call != nil:
		s.undo = c.call(u.Call, env)
	case u.Message != nil:
		s.undo = c.message(u.Message, env)
	case u.Worker != nil:
		s.undo = &request{name: u.Worker.Task, data: c.value(u.Worker.Input, env)}
	default:
		c.fail(fmt.Errorf("its compensation says nothing"))
	}
	s.undone = c.rules(s.Compensate.Result, scope(s.Step, "status", "headers", "body"))
}

func (c *compiler) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *compiler) program(e definition.Expr, env expressions.Env, want expressions.Want) *expressions.Program {
	if e == "" || c.err != nil {
		return nil
	}
	p, err := expressions.Compile(e, env, want)
	if err != nil {
		c.fail(err)
	}
	return p
}

func (c *compiler) value(v *definition.Value, env expressions.Env) *expressions.Mapping {
	if v == nil || c.err != nil {
		return nil
	}
	m, err := expressions.CompileValue(*v, env)
	if err != nil {
		c.fail(err)
	}
	return m
}

func (c *compiler) mapping(values map[string]definition.Value, env expressions.Env) *expressions.Mapping {
	m, err := expressions.CompileMapping(values, env)
	if err != nil {
		c.fail(err)
	}
	return m
}

func (c *compiler) rules(all []definition.ResultRule, env expressions.Env) []rule {
	var out []rule
	for _, r := range all {
		out = append(out, rule{c.program(r.When, env, expressions.WantBool), r.Is})
	}
	return out
}

func (c *compiler) message(m *definition.Message, env expressions.Env) *request {
	return &request{
		name: m.Topic, headers: c.headers(m.Headers, env), data: c.value(m.Data, env), reply: m.Reply, tag: m.Tag,
		key: c.value(m.Key, env),
	}
}

func (c *compiler) call(call *definition.Call, env expressions.Env) *request {
	if c.err != nil {
		return nil
	}
	url, err := expressions.CompileURL(call.URL, env)
	if err != nil {
		c.fail(err)
	}
	method := call.Method
	if method == "" {
		method = "POST"
	}
	return &request{method: method, url: url, headers: c.headers(call.Headers, env), data: c.value(call.Body, env)}
}

// headers compiles headers, in order of their names.
func (c *compiler) headers(all map[string]definition.Value, env expressions.Env) []header {
	var out []header
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		out = append(out, header{name, c.value(&v, env)})
	}
	return out
}
