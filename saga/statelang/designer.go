package statelang

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// design converts the nodes and edges of the old designer to the standard form, as Seata's parser does. The values keep
// their places in the designer's text, so that findings lead there.
func (s *scan) design(root *Node) *Node {
	d := &designer{scan: s, machine: &Node{Kind: ObjectNode, At: root.At}, byID: map[string]*Node{}}
	for _, n := range s.objects(root, "nodes") {
		d.nodes = append(d.nodes, n)
		d.node(n)
	}
	for _, e := range s.objects(root, "edges") {
		d.edge(e)
	}
	return d.machine
}

type designer struct {
	*scan
	machine *Node
	nodes   []*Node
	byID    map[string]*Node
}

// put sets a key of an object that is being made; a key keeps its place.
func (n *Node) put(key string, at Position, value *Node) {
	for i := range n.Fields {
		if n.Fields[i].Key == key {
			n.Fields[i].Value = value
			return
		}
	}
	n.Fields = append(n.Fields, Field{Key: key, At: at, Value: value})
}

// made returns the value of a key, which is made if it is missing.
func (n *Node) made(key string, at Position, kind NodeKind) *Node {
	if v := n.Get(key); v != nil {
		return v
	}
	v := &Node{Kind: kind, At: at}
	n.put(key, at, v)
	return v
}

func (d *designer) word(at Position, text string) *Node {
	return &Node{Kind: StringNode, At: at, Text: text}
}

// node takes a node over: the start has the machine's fields, a catch belongs to another one, all others are states.
func (d *designer) node(n *Node) {
	d.byID[d.text(n, "id")] = n
	props := d.field(n, "stateProps", ObjectNode)
	kind := d.text(n, "stateType")
	switch kind {
	case "Start":
		for _, f := range d.field(props, "StateMachine", ObjectNode).unique() {
			d.machine.put(f.Key, f.At, f.Value)
		}
		return
	case "Catch":
		return
	case "Compensation":
		kind = string(ServiceTask)
	}
	id := n.Get("stateId")
	if !id.is(StringNode) {
		d.find(RuleDesigner, n.At, upstreamParser, "the node has no stateId")
		return
	}
	states := d.machine.made("States", n.At, ObjectNode)
	if states.end > 0 { // the start node has states of its own
		states = &Node{Kind: ObjectNode, At: states.At, Fields: slices.Clone(states.Fields)}
		d.machine.put("States", states.At, states)
	}
	if states.Get(id.Text) != nil {
		d.find(RuleDesigner, id.At, upstreamParser, "two nodes have the stateId %q", id.Text)
		return
	}
	state := &Node{Kind: ObjectNode, At: n.At}
	if label := n.Get("label"); label.is(StringNode) && label.Text != "" {
		state.put("Comment", label.At, label)
	}
	for _, f := range props.unique() {
		state.put(f.Key, f.At, f.Value)
	}
	at := n.At
	if t := n.Get("stateType"); t != nil {
		at = t.At
	}
	state.put("Type", at, d.word(at, kind))
	states.put(id.Text, id.At, state)
}

// edge takes an edge over: it is a Next, a start, a compensation, a catch or a choice, by what it comes from.
func (d *designer) edge(e *Node) {
	source, target := d.byID[d.text(e, "source")], d.byID[d.text(e, "target")]
	if source == nil {
		return // as Seata does
	}
	if target == nil {
		d.find(RuleDesigner, e.At, upstreamParser, "the edge leads to no node")
		return
	}
	next := d.word(e.At, d.text(target, "stateId"))
	props := d.field(e, "stateProps", ObjectNode)
	kind := d.text(source, "stateType")
	state := d.machine.Get("States").Get(d.text(source, "stateId"))
	if state == nil && kind != "Start" && kind != "Catch" {
		return // found when the node was read
	}
	switch kind {
	case "Start":
		d.machine.put("StartState", e.At, next)
		if i := slices.IndexFunc(d.machine.Fields, func(f Field) bool { return f.Key == "States" }); i >= 0 {
			states := d.machine.Fields[i]
			d.machine.Fields = append(slices.Delete(d.machine.Fields, i, i+1), states)
		}
	case string(ServiceTask), string(SubStateMachine):
		if d.text(target, "stateType") == "Compensation" {
			state.put("CompensateState", e.At, next)
			return
		}
		state.put("Next", e.At, next)
	case "Catch":
		d.caught(e, source, props, next)
	case string(Choice):
		d.chosen(e, state, props, next)
	default:
		state.put("Next", e.At, next)
	}
}

func (d *designer) chosen(e, state, props, next *Node) {
	choices := d.machineList(state, "Choices", e.At)
	if props == nil || choices == nil {
		return
	}
	if f := props.Get("Default"); f.is(BoolNode) && f.Text == "true" {
		state.put("Default", e.At, next)
		return
	}
	option := &Node{Kind: ObjectNode, At: e.At}
	if x := props.Get("Expression"); x != nil {
		option.put("Expression", x.At, x)
	}
	option.put("Next", e.At, next)
	choices.Items = append(choices.Items, option)
}

func (d *designer) caught(e, source, props, next *Node) {
	attached := d.attached(source)
	if attached == nil {
		d.find(RuleDesigner, source.At, upstreamParser, "the Catch node is attached to no ServiceTask or ScriptTask")
		return
	}
	state := d.machine.Get("States").Get(d.text(attached, "stateId"))
	if state == nil {
		return
	}
	catches := d.machineList(state, "Catch", e.At)
	if props == nil || catches == nil {
		return
	}
	caught := &Node{Kind: ObjectNode, At: e.At}
	if x := props.Get("Exceptions"); x != nil {
		caught.put("Exceptions", x.At, x)
	}
	caught.put("Next", e.At, next)
	catches.Items = append(catches.Items, caught)
}

// machineList returns a list of a state to which edges add; a list that the designer's text has is copied first.
func (d *designer) machineList(state *Node, key string, at Position) *Node {
	list := state.made(key, at, ArrayNode)
	if list.Kind != ArrayNode {
		return nil // found when the state is read
	}
	if list.end > 0 {
		list = &Node{Kind: ArrayNode, At: list.At, Items: slices.Clone(list.Items)}
		state.put(key, at, list)
	}
	return list
}

// attached returns the first task whose border a catch overlaps.
func (d *designer) attached(caught *Node) *Node {
	box, ok := d.box(caught)
	if !ok {
		return nil
	}
	for _, n := range d.nodes {
		kind := d.text(n, "stateType")
		if n == caught || kind != string(ServiceTask) && kind != string(ScriptTask) {
			continue
		}
		other, ok := d.box(n)
		if ok && math.Abs(box.x-other.x) < (box.width+other.width)/2 &&
			math.Abs(box.y-other.y) < (box.height+other.height)/2 {
			return n
		}
	}
	return nil
}

type box struct{ x, y, width, height float64 }

// box returns where a node is drawn; its size is "width*height" in whole numbers.
func (d *designer) box(n *Node) (box, bool) {
	width, height, _ := strings.Cut(d.text(n, "size"), "*")
	w, errW := strconv.Atoi(width)
	h, errH := strconv.Atoi(height)
	x, y := n.Get("x"), n.Get("y")
	if errW != nil || errH != nil || !x.is(NumberNode) || !y.is(NumberNode) {
		d.find(RuleDesigner, n.At, upstreamParser, "the node has no size like 110*48, or no x and y")
		return box{}, false
	}
	return box{x: d.number(n, "x"), y: d.number(n, "y"), width: float64(w), height: float64(h)}, true
}
