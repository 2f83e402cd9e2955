package statelang

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/limits"
)

func TestLoopWindow(t *testing.T) {
	t.Parallel()
	loop := func(parallel int, condition string) *Loop {
		return &Loop{Parallel: parallel, CompletionCondition: parseExpression(condition, Position{})}
	}
	const all = "[nrOfInstances] == [nrOfCompletedInstances]"
	for name, tt := range map[string]struct {
		loop  *Loop
		state LoopState
		start []int
		done  bool // the condition holds
	}{
		"begins with as many as may run": {loop(2, all), NewLoopState(5), []int{0, 1}, false},
		"no more than there are":         {loop(9, all), NewLoopState(2), []int{0, 1}, false},
		"fills up": {loop(2, all), LoopState{Instances: 5, Waiting: []int{2, 3, 4}, Active: 1, Completed: 1}, []int{2},
			false},
		"is full": {loop(2, all), LoopState{Instances: 5, Waiting: []int{2}, Active: 2}, nil, false},
		"condition": {loop(2, "[nrOfCompletedInstances] / [nrOfInstances] >= 0.4"), LoopState{Instances: 5,
			Waiting: []int{3, 4}, Active: 1, Completed: 2}, nil, true},
		"condition on what runs":   {loop(3, "[nrOfActiveInstances] == 2"), NewLoopState(5), []int{0, 1}, true},
		"condition on the context": {loop(3, "[stop]"), NewLoopState(5), nil, true},
		"condition stays": {loop(3, "false"), LoopState{Instances: 5, Waiting: []int{3}, Satisfied: true}, nil,
			true},
		"broken": {loop(3, all), LoopState{Instances: 5, Waiting: []int{3}, Broken: true}, nil, false},
		"resumed ones first": {loop(3, "true"), LoopState{Instances: 5, Waiting: []int{4}, Again: []int{2, 3}}, []int{2,
			3}, true},
		"all are done":              {loop(3, "false"), LoopState{Instances: 2, Completed: 2}, nil, false},
		"less than one runs as one": {loop(0, all), NewLoopState(5), []int{0}, false},
	} {
		start, after, err := LoopWindow(tt.loop, tt.state, map[string]any{"stop": true})
		if diff := cmp.Diff(tt.start, start); diff != "" || err != nil || after.Satisfied != tt.done {
			t.Errorf("%s: %v %+v %s", name, err, after, diff)
		}
		if after.Active != tt.state.Active+len(tt.start) {
			t.Errorf("%s: %d run", name, after.Active)
		}
	}
	if _, _, err := LoopWindow(loop(1, "[a].b"), NewLoopState(3), nil); err == nil {
		t.Error("a condition that fails is no error")
	}
	l := LoopState{Instances: 3, Active: 2}
	if l = l.Ended(Succeeded, nil); l.Broken || l.Active != 1 || l.Completed != 1 {
		t.Errorf("%+v", l)
	}
	if l = l.Ended(Unknown, nil); !l.Broken || l.Completed != 2 {
		t.Errorf("%+v", l)
	}
	if l = (LoopState{Active: 1}).Ended(Succeeded, refused); !l.Broken || l.Completed != 0 {
		t.Errorf("%+v", l)
	}
}

func TestALoopIsResumed(t *testing.T) {
	t.Parallel()
	got := ResumeLoop(6, []Instance{
		{Name: "A-loop-3", Status: Unknown}, {Name: "A-loop-0", Status: Succeeded}, {Name: "A-loop-1", Status: Failed},
		{Name: "A-loop-2", Status: Failed, Ignored: true}, {Name: "A", Status: Failed},
	})
	want := LoopState{Instances: 6, Waiting: []int{2, 4, 5}, Again: []int{3, 1}, Completed: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoopItemsAndCatches(t *testing.T) {
	t.Parallel()
	d, err := Read([]byte(`{"Name":"m","StartState":"A","States":{"U":{"Type":"CompensationTrigger"},"F":{"Type":"Fail"},
		"A":{"Type":"ServiceTask","Loop":{"Parallel":2,"Collection":"$.[list]"},"Output":{"got":"$.#root[x]"},"Catch":[
			{"Exceptions":["com.example.Refused"],"Next":"F"},{"Exceptions":["java.io.IOException"],"Next":"U"}]},
		"B":{"Type":"ServiceTask","Loop":{"Parallel":2,"Collection":"list"}},
		"C":{"Type":"CompensateSubMachine","Loop":{"Parallel":2,"Collection":"$.[list]"}},"D":{"Type":"ServiceTask"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	a := d.Machine.State("A")
	for name, tt := range map[string]struct {
		state string
		list  any
		want  int
	}{
		"list": {"A", []any{1, 2}, 2}, "empty": {"A", []any{}, 0}, "missing": {"A", nil, 0}, "no list": {"A", "x", 0},
		"map": {"A", map[string]any{"a": 1}, 0}, "text": {"B", []any{1}, 0}, "type": {"C", []any{1}, 0}, "no loop": {"D",
			[]any{1}, 0},
	} {
		items, err := LoopItems(d.Machine.State(tt.state), map[string]any{"list": tt.list})
		if err != nil || len(items) != tt.want {
			t.Errorf("%s: %d, %v", name, len(items), err)
		}
	}
	if _, err := LoopItems(a, map[string]any{"list": make([]any, limits.MachineLoopItemsMax+1)}); err == nil {
		t.Error("a list that is too long is taken")
	}
	context := map[string]any{"keep": 1}
	got := LoopContext(a.Loop, context, []any{"x", nil}, 0)
	if diff := cmp.Diff(map[string]any{"keep": 1, "loopElement": "x", "loopCounter": int32(0)}, got); diff != "" ||
		len(context) != 1 {
		t.Error(diff)
	}
	results, err := LoopVariables(a, []any{map[string]any{"x": 5}, nil, map[string]any{}}, nil)
	want := map[string]any{"loopResult": []any{map[string]any{"got": int32(5)}, map[string]any{}, map[string]any{}}}
	if diff := cmp.Diff(want, results); diff != "" || err != nil {
		t.Error(err, diff)
	}
	other := &Exception{Class: "a.B"}
	for name, tt := range map[string]struct {
		thrown []*Exception
		next   string
		caught bool
	}{
		"compensation first": {[]*Exception{other, refused, offline}, "U", true},
		"else the first":     {[]*Exception{other, refused}, "F", true},
		"none":               {[]*Exception{other}, "", false},
	} {
		if next, caught := LoopCatch(d.Machine, a, tt.thrown); next != tt.next || caught != tt.caught {
			t.Errorf("%s: %s %t", name, next, caught)
		}
	}
}

func TestInputAndOutput(t *testing.T) {
	t.Parallel()
	d, err := Read([]byte(`{"Name":"m","StartState":"A","States":{"A":{"Type":"ServiceTask",
		"Input":[{"a":"$.[x]","null":"$.[none]","deep":{"null":"$.[none]","list":["$.[none]","[x]",null,1,2.5,true]}},
			"$Sequence.ORDER|long","$Sequence.SECOND|x","$.[list].size()"],
		"Output":{"all":"$.#root","part":"$.#root[y]","none":"$.#root[z]","fixed":"text",
			"map":{"p":"$.#root[y]","q":"$.#root[z]"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	a := d.Machine.State("A")
	ids := func(entity, rule string) (string, error) { return entity + "-" + rule, nil }
	input, key, err := EvalInput(a, map[string]any{"x": "X", "list": []any{1, 2}}, ids)
	want := []any{
		map[string]any{"a": "X", "deep": map[string]any{"list": []any{nil, "[x]", nil, int32(1), 2.5, true}}},
		"ORDER-long", "SECOND-x", int32(2),
	}
	if diff := cmp.Diff(want, input); diff != "" || key != "ORDER-long" || err != nil ||
		BusinessKeyVariable("A") != "A_business_key_" {
		t.Error(key, err, diff)
	}
	if _, _, err := EvalInput(a, map[string]any{"list": []any{}}, nil); err == nil {
		t.Error("a sequence without a generator")
	}
	result := map[string]any{"y": 7}
	output, err := EvalOutput(a, result, nil)
	wanted := map[string]any{"all": result, "part": int32(7), "fixed": "text", "map": map[string]any{"p": int32(7)}}
	if diff := cmp.Diff(wanted, output); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if output, err := EvalOutput(a, nil, nil); len(output) != 0 || err != nil {
		t.Error("without a result there is no output", output, err)
	}
	if diff := cmp.Diff(map[string]any{"a": 1}, StartContext(map[string]any{"a": 1, "b": nil})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"a": 1}, ChildParameters([]any{map[string]any{"a": 1, "b": nil}, 2})); diff != "" {
		t.Error(diff)
	}
	if len(ChildParameters(nil)) != 0 || len(ChildParameters([]any{"text"})) != 0 {
		t.Error("a child without a map has no parameters")
	}
	child := ChildResult(map[string]any{"r": 1}, Unknown)
	if diff := cmp.Diff(map[string]any{"r": 1, ChildStatusVariable: "UN"}, child); diff != "" {
		t.Error(diff)
	}
}
