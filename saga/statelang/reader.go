package statelang

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/saga/limits"
)

// Read reads a definition in either form: the machine itself, or the nodes and edges of the old designer. The error is
// a *SyntaxError. What has the wrong shape is left away and found by Check.
func Read(text []byte) (*Document, error) {
	root, err := parseJSON(string(text))
	if err != nil {
		return nil, err
	}
	if root.Kind != ObjectNode {
		return nil, &SyntaxError{At: root.At, Message: "a definition is an object, not " + root.Kind.String()}
	}
	d := &Document{Root: root, text: string(text), standard: root}
	s := &scan{document: d}
	s.duplicates(root)
	if root.Get("nodes") != nil && root.Get("edges") != nil {
		d.Designed = true
		d.standard = s.design(root)
	}
	d.Machine = s.machine(d.standard)
	return d, nil
}

// scan makes a machine of nodes and gathers what has the wrong shape.
type scan struct {
	document *Document
	state    string // the state that is being read
}

func (s *scan) find(rule Rule, at Position, upstream, format string, args ...any) {
	f := newFinding(rule, at, s.state, fmt.Sprintf(format, args...))
	f.Upstream = upstream
	s.document.shape = append(s.document.shape, f)
}

func (s *scan) tooLong(at Position, what string, bytes, most int) {
	s.find(RuleTooLarge, at, "", "the %s has %d bytes; %d are the most", what, bytes, most)
	s.document.shape[len(s.document.shape)-1].Advice = "choose a shorter name"
}

// duplicates finds keys that are there twice, of which Java keeps the last one.
func (s *scan) duplicates(n *Node) {
	seen := make(map[string]bool, len(n.Fields))
	for _, f := range n.Fields {
		if seen[f.Key] {
			s.find(RuleDuplicateKey, f.At, "", "the key %q is there twice; only the last one counts", f.Key)
		}
		seen[f.Key] = true
		s.duplicates(f.Value)
	}
	for _, item := range n.Items {
		s.duplicates(item)
	}
}

// unique returns the fields with each key once: at its first place, with its last value.
func (n *Node) unique() []Field {
	var out []Field
	if n == nil {
		return nil
	}
	place := make(map[string]int, len(n.Fields))
	for _, f := range n.Fields {
		if i, ok := place[f.Key]; ok {
			out[i] = f
			continue
		}
		place[f.Key] = len(out)
		out = append(out, f)
	}
	return out
}

// field returns the value of a key if it is of the kind. A wrong kind is found, null and nothing are not.
func (s *scan) field(owner *Node, key string, kind NodeKind) *Node {
	n := owner.Get(key)
	if n.missing() {
		return nil
	}
	if n.Kind != kind {
		s.find(RuleShape, n.At, upstreamParser, "%s has to be %s, not %s", key, kind, n.Kind)
		return nil
	}
	return n
}

func (s *scan) text(owner *Node, key string) string {
	if n := s.field(owner, key, StringNode); n != nil {
		return n.Text
	}
	return ""
}

func (s *scan) target(owner *Node, key string) Target {
	if n := s.field(owner, key, StringNode); n != nil && strings.TrimSpace(n.Text) != "" {
		return Target{Name: n.Text, At: n.At}
	}
	return Target{}
}

// flag returns a truth value, or nil. Anything else than true and false is ignored by Seata.
func (s *scan) flag(owner *Node, key string) *bool {
	n := owner.Get(key)
	if n.missing() {
		return nil
	}
	if n.Kind != BoolNode {
		s.find(RuleFlag, n.At, "", "%s counts only as true or false without quotes; %s is ignored", key, n.Kind)
		return nil
	}
	value := n.Text == "true"
	return &value
}

// number returns a number; Seata ignores anything else.
func (s *scan) number(owner *Node, key string) float64 {
	n := owner.Get(key)
	if n.missing() {
		return 0
	}
	if n.Kind != NumberNode {
		s.find(RuleFlag, n.At, "", "%s counts only as a number without quotes; %s is ignored", key, n.Kind)
		return 0
	}
	v, _ := strconv.ParseFloat(n.Text, 64) // a number that is too large is infinite, and found by the check
	return v
}

// count returns a whole number that has to be one.
func (s *scan) count(owner *Node, key string, required bool) int {
	n := owner.Get(key)
	if n.missing() {
		if required {
			s.find(RuleShape, owner.At, upstreamParser, "%s is missing", key)
		}
		return 0
	}
	v, err := strconv.ParseInt(n.Text, 10, 32)
	if n.Kind != NumberNode || err != nil {
		s.find(RuleShape, n.At, upstreamParser, "%s has to be a whole number, not %s", key, n.Kind)
	}
	return int(v)
}

// names returns a list of texts.
func (s *scan) names(owner *Node, key string) []Target {
	list := s.field(owner, key, ArrayNode)
	if list == nil {
		return nil
	}
	out := []Target{}
	for _, item := range list.Items {
		if item.Kind != StringNode {
			s.find(RuleShape, item.At, "", "%s has to have texts, not %s", key, item.Kind) // Java finds out when it reads one
			continue
		}
		out = append(out, Target{Name: item.Text, At: item.At})
	}
	return out
}

func namesOf(targets []Target) []string {
	var out []string
	for _, t := range targets {
		out = append(out, t.Name)
	}
	return out
}

// objects returns the items of a list of objects.
func (s *scan) objects(owner *Node, key string) []*Node {
	list := s.field(owner, key, ArrayNode)
	if list == nil {
		return nil
	}
	out := []*Node{}
	for _, item := range list.Items {
		if item.Kind != ObjectNode {
			s.find(RuleShape, item.At, upstreamParser, "%s has to have objects, not %s", key, item.Kind)
			continue
		}
		out = append(out, item)
	}
	return out
}

func (s *scan) machine(n *Node) *Machine {
	m := &Machine{Node: n, at: n.At, byName: map[string]*State{}, Persist: true}
	if m.Name = s.text(n, "Name"); len(m.Name) > limits.PublishedNameBytesMax {
		s.tooLong(n.Get("Name").At, "name of a machine", len(m.Name), limits.PublishedNameBytesMax)
	}
	m.Comment = s.text(n, "Comment")
	m.Version = s.text(n, "Version")
	if start := s.field(n, "StartState", StringNode); start != nil {
		m.StartState, m.startAt = start.Text, start.At
	}
	m.RecoverStrategy = s.text(n, "RecoverStrategy")
	if r := m.RecoverStrategy; strings.TrimSpace(r) != "" && r != "Compensate" && r != "Forward" {
		s.find(RuleRecoverStrategy, n.Get("RecoverStrategy").At, upstreamParser,
			"there is no recover strategy %q", m.RecoverStrategy)
	}
	if p := s.flag(n, "IsPersist"); p != nil {
		m.Persist = *p
	}
	m.RetryPersistModeUpdate = s.flag(n, "IsRetryPersistModeUpdate")
	m.CompensatePersistModeUpdate = s.flag(n, "IsCompensatePersistModeUpdate")
	states := s.field(n, "States", ObjectNode)
	if states == nil {
		if n.Get("States").missing() {
			s.find(RuleShape, n.At, upstreamParser, "States is missing")
		}
		return m
	}
	if len(states.Fields) > limits.MachineStatesMax {
		s.find(RuleTooLarge, states.At, "", "there are %d states; %d are the most", len(states.Fields),
			limits.MachineStatesMax)
		return m
	}
	for _, f := range states.unique() {
		if state := s.readState(f); state != nil {
			m.States = append(m.States, state)
			m.byName[state.Name] = state
		}
	}
	for _, state := range m.States { // what Seata's parser does at its end
		if state.CompensateState.Name == "" {
			continue
		}
		state.ForUpdate = true
		if c := m.byName[state.CompensateState.Name]; c != nil && c.Type.IsTask() {
			c.ForCompensation = true
		}
	}
	s.state = ""
	return m
}

// readState reads one state; it returns nil for what is none.
func (s *scan) readState(f Field) *State {
	if s.state = f.Key; len(f.Key) > limits.MachineStateNameBytesMax {
		s.tooLong(f.At, "name of a state", len(f.Key), limits.MachineStateNameBytesMax)
	}
	n := f.Value
	if n.Kind != ObjectNode {
		s.find(RuleShape, n.At, upstreamParser, "a state has to be an object, not %s", n.Kind)
		return nil
	}
	kind := StateType(s.text(n, "Type"))
	at := f.At
	if t := n.Get("Type"); t != nil {
		at = t.At
	}
	switch {
	case kind == LoopStart:
		s.find(RuleLoopStart, at, upstreamParser, "LoopStart is put in by the engine and can't be written")
		return nil
	case !slices.Contains(types, kind):
		s.find(RuleTypeUnknown, at, upstreamParser, "there is no state type %q", kind)
		return nil
	}
	state := &State{Name: f.Key, Type: kind, Node: n, At: f.At}
	state.Comment = s.text(n, "Comment")
	state.Next = s.target(n, "Next")
	state.Extensions = s.field(n, "Extensions", ObjectNode)
	if kind.IsTask() {
		s.task(state, n)
	}
	s.special(state, n)
	return state
}

// special reads what only one type has.
func (s *scan) special(state *State, n *Node) {
	switch state.Type {
	case ServiceTask:
		state.ServiceName = s.text(n, "ServiceName")
		state.ServiceMethod = s.text(n, "ServiceMethod")
		state.ServiceType = s.text(n, "ServiceType")
		state.ParameterTypes = namesOf(s.names(n, "ParameterTypes"))
		async := s.flag(n, "IsAsync")
		state.Async = async != nil && *async
	case ScriptTask:
		state.ScriptType = "groovy"
		if t := s.text(n, "ScriptType"); strings.TrimSpace(t) != "" {
			state.ScriptType = t
		}
		state.ScriptContent = s.text(n, "ScriptContent")
		state.ForCompensation, state.ForUpdate, state.Persist = false, false, false
	case SubStateMachine:
		state.StateMachineName = s.text(n, "StateMachineName")
		state.ForUpdate = true // it always has a compensation: its own or the built-in one
	case Choice:
		state.Default = s.target(n, "Default")
		if n.Get("Choices").missing() {
			s.find(RuleShape, state.At, upstreamParser, "Choices is missing")
		}
		for _, item := range s.objects(n, "Choices") {
			option := Option{Next: s.target(item, "Next"), At: item.At}
			if e := s.field(item, "Expression", StringNode); e != nil {
				option.Expression = parseExpression(e.Text, e.At)
			}
			state.Choices = append(state.Choices, option)
		}
	case Fail:
		state.ErrorCode = s.text(n, "ErrorCode")
		state.Message = s.text(n, "Message")
	case Parallel, Fork:
		state.Branches = s.names(n, "Branches")
		s.fork(state, n)
	}
}

// fork reads a Parallel as Seata's pull request 4349 has it, and a Fork as 5847 has, which calls its time AwaitTimeout
// first and Timeout later.
func (s *scan) fork(state *State, n *Node) {
	state.Branches = s.names(n, "Branches")
	if state.Type == Fork {
		state.Bound = s.count(n, "Parallel", false)
		if state.AwaitMillis = s.count(n, "AwaitTimeout", false); n.Get("AwaitTimeout").missing() {
			state.AwaitMillis = s.count(n, "Timeout", false)
		}
		return
	}
	state.Output = s.assignments(s.field(n, "Output", ObjectNode))
	if p := n.Get("Parallel"); !p.missing() && p.Kind == StringNode { // as in a Loop
		state.Bound, _ = strconv.Atoi(p.Text)
	} else {
		state.Bound = s.count(n, "Parallel", false)
	}
	state.Bound = max(state.Bound, 1)
}

// task reads what all tasks have.
func (s *scan) task(state *State, n *Node) {
	state.CompensateState = s.target(n, "CompensateState")
	on := func(key string) bool {
		flag := s.flag(n, key)
		return flag != nil && *flag
	}
	state.ForCompensation = on("IsForCompensation")
	state.ForUpdate = on("IsForUpdate")
	persist := s.flag(n, "IsPersist")
	state.Persist = persist == nil || *persist
	state.RetryPersistModeUpdate = s.flag(n, "IsRetryPersistModeUpdate")
	state.CompensatePersistModeUpdate = s.flag(n, "IsCompensatePersistModeUpdate")
	for _, item := range s.objects(n, "Retry") {
		state.Retry = append(state.Retry, Retry{
			Exceptions:      namesOf(s.names(item, "Exceptions")),
			IntervalSeconds: s.number(item, "IntervalSeconds"),
			MaxAttempts:     s.count(item, "MaxAttempts", true),
			BackoffRate:     s.number(item, "BackoffRate"),
			At:              item.At,
		})
	}
	for _, item := range s.objects(n, "Catch") {
		state.Catch = append(state.Catch, Catch{
			Exceptions: namesOf(s.names(item, "Exceptions")), Next: s.target(item, "Next"), At: item.At,
		})
	}
	if input := s.field(n, "Input", ArrayNode); input != nil {
		for _, item := range input.Items {
			state.Input = append(state.Input, valueOf(item))
		}
	}
	state.Output = s.assignments(s.field(n, "Output", ObjectNode))
	for _, f := range s.field(n, "Status", ObjectNode).unique() {
		rule := StatusRule{Expression: parseExpression(f.Key, f.At), At: f.Value.At, Status: f.Value.Text}
		if f.Value.Kind != StringNode {
			s.find(RuleStatusValue, f.Value.At, "", "a status has to be a text, not %s", f.Value.Kind)
			continue
		}
		state.Status = append(state.Status, rule)
	}
	if loop := s.field(n, "Loop", ObjectNode); loop != nil {
		state.Loop = s.loop(loop)
	}
}

// loop reads a loop with its defaults. Parallel may be a text; one that is no number means 1.
func (s *scan) loop(n *Node) *Loop {
	l := &Loop{At: n.At, Parallel: 1, ElementVariableName: "loopElement", ElementIndexName: "loopCounter"}
	if p := n.Get("Parallel"); p.missing() {
		s.find(RuleShape, n.At, upstreamParser, "Parallel is missing in Loop; Seata's parser fails without it")
	} else if v, err := strconv.ParseInt(p.Text, 10, 32); err == nil && (p.Kind == NumberNode || p.Kind == StringNode) {
		l.Parallel = int(v)
	}
	if c := s.field(n, "Collection", StringNode); c != nil {
		l.Collection = valueOf(c)
	}
	if n.Get("ElementVariableName") != nil {
		l.ElementVariableName = s.text(n, "ElementVariableName")
	}
	if n.Get("ElementIndexName") != nil {
		l.ElementIndexName = s.text(n, "ElementIndexName")
	}
	condition, at := "[nrOfInstances] == [nrOfCompletedInstances]", n.At
	if c := s.field(n, "CompletionCondition", StringNode); c != nil {
		condition, at = c.Text, c.At
	}
	l.CompletionCondition = parseExpression(condition, at)
	return l
}

func (s *scan) assignments(n *Node) []Assignment {
	var out []Assignment
	for _, f := range n.unique() {
		out = append(out, Assignment{Name: f.Key, Value: valueOf(f.Value)})
	}
	return out
}

// valueOf makes a value: only a text that begins with $ is an expression.
func valueOf(n *Node) Value {
	v := Value{At: n.At}
	switch {
	case n.Kind == StringNode && strings.HasPrefix(n.Text, "$"):
		v.Expression = parseExpression(n.Text, n.At)
	case n.Kind == ArrayNode:
		v.List = make([]Value, len(n.Items))
		for i, item := range n.Items {
			v.List[i] = valueOf(item)
		}
	case n.Kind == ObjectNode:
		v.Map = []Assignment{}
		for _, f := range n.unique() {
			v.Map = append(v.Map, Assignment{Name: f.Key, Value: valueOf(f.Value)})
		}
	default:
		v.Literal = n.Value()
	}
	return v
}
