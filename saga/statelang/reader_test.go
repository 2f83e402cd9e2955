package statelang

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/concord-tx/concord/saga/limits"
)

// plain compares without places, nodes and parsed expressions.
func plain() []cmp.Option {
	return []cmp.Option{
		cmpopts.IgnoreTypes(Position{}, &Node{}), cmpopts.IgnoreUnexported(Expression{}, Machine{}), cmpopts.EquateEmpty(),
	}
}

func spelled(text string) *Expression {
	return &Expression{Text: text, Kind: SpEL, Content: strings.TrimPrefix(text, "$.")}
}

func TestReadingKeepsEverything(t *testing.T) {
	t.Parallel()
	d, err := Read([]byte(sound(t)))
	if err != nil {
		t.Fatal(err)
	}
	m := d.Machine
	yes, no := true, false
	want := &Machine{Name: "trip", Comment: "books a trip and takes it back", Version: "1.2", StartState: "Reserve",
		RecoverStrategy: "Compensate", Persist: true, RetryPersistModeUpdate: &no, CompensatePersistModeUpdate: &yes}
	if diff := cmp.Diff(want, m, append(plain(), cmpopts.IgnoreFields(Machine{}, "States"))...); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, s := range m.States {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "Reserve Rate Guests Pick Pay Unreserve PayBack Undo Done Refused" {
		t.Error(got)
	}
	reserve := &State{Name: "Reserve", Type: ServiceTask, Next: Target{Name: "Rate"},
		CompensateState: Target{Name: "Unreserve"}, ForUpdate: true, Persist: true,
		Retry: []Retry{{Exceptions: []string{"com.example.Busy"}, IntervalSeconds: 1.5, MaxAttempts: 3, BackoffRate: 2},
			{IntervalSeconds: 1, MaxAttempts: 1, BackoffRate: 1}},
		Catch: []Catch{{Exceptions: []string{"com.example.Full", "java.lang.RuntimeException"}, Next: Target{Name: "Undo"}}},
		Input: []Value{{Map: []Assignment{{"guest", Value{Expression: spelled("$.[guest]")}},
			{"id", Value{Expression: &Expression{Text: "$Sequence.ROOM|short", Kind: Sequence, Content: "ROOM|short",
				Entity: "ROOM", Rule: "short"}}},
			{"nights", Value{Literal: int32(3)}}}}, {Expression: spelled("$.[city]")}},
		Output: []Assignment{{"room", Value{Expression: spelled("$.#root[number]")}},
			{"all", Value{Expression: spelled("$.#root")}}},
		Status: []StatusRule{{Expression: spelled("#root == null"), Status: "FA"},
			{Expression: &Expression{Text: "$Exception{com.example.Full}", Kind: ExceptionMatch, Content: "com.example.Full"},
				Status: "FA"},
			{Expression: spelled("#root != null && #root[number] > 0"), Status: "SU"}, {Expression: spelled("true"),
				Status: "UN"}},
		ServiceName: "hotel", ServiceMethod: "reserve", ServiceType: "SpringBean",
		ParameterTypes: []string{"java.util.Map", "java.lang.String"}}
	guests := &State{Name: "Guests", Type: ServiceTask, Next: Target{Name: "Pick"}, Persist: true, ServiceName: "desk",
		ServiceMethod: "announce", Async: true, Input: []Value{{Expression: spelled("$.[guest]")},
			{Expression: spelled("$.[number]")}},
		Loop: &Loop{Parallel: 3, Collection: Value{Expression: spelled("$.[guests]")}, ElementVariableName: "guest",
			ElementIndexName: "number", CompletionCondition: spelled("[nrOfCompletedInstances] / [nrOfInstances] >= 0.5")}}
	pick := &State{Name: "Pick", Type: Choice, Default: Target{Name: "Refused"}, Choices: []Option{
		{Expression: spelled("[double] > 100 && [city] == 'Bern'"), Next: Target{Name: "Pay"}},
		{Expression: spelled("[double] == 0"), Next: Target{Name: "Done"}}}}
	rate := &State{Name: "Rate", Type: ScriptTask, ScriptType: "groovy", ScriptContent: "price * 2",
		Next: Target{Name: "Guests"}, Input: []Value{{Map: []Assignment{{"price", Value{Expression: spelled("$.[price]")}}}}},
		Output: []Assignment{{"double", Value{Expression: spelled("$.#root")}}}}
	refused := &State{Name: "Refused", Type: Fail, ErrorCode: "NO_ROOM", Message: "nothing was booked"}
	for _, s := range []*State{reserve, guests, pick, rate, refused} {
		if diff := cmp.Diff(s, m.State(s.Name), plain()...); diff != "" {
			t.Error(diff)
		}
	}
	if s := m.State("Refused"); s.Extensions.Get("page").Value() != int32(404) || s.At != (Position{90, 5}) {
		t.Error(s.Extensions, s.At)
	}
}

func TestWhatFollowsFromOtherFields(t *testing.T) {
	t.Parallel()
	d, err := Read([]byte(`{"Name":"m","StartState":"A","States":{
		"A":{"Type":"ServiceTask","CompensateState":"B","IsPersist":"false","IsForUpdate":"true"},
		"B":{"Type":"ServiceTask","IsPersist":false},
		"C":{"Type":"SubStateMachine"},
		"D":{"Type":"ScriptTask","IsForUpdate":true,"IsForCompensation":true,"IsPersist":true},
		"E":{"Type":"CompensateSubMachine","IsForCompensation":true},
		"F":{"Type":"ServiceTask","IsForUpdate":true,"CompensateState":" ","Next":"",
			"Loop":{"Parallel":"many","ElementVariableName":"x"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	type facts struct{ Update, Compensation, Persist bool }
	got := map[string]facts{}
	for _, s := range d.Machine.States {
		got[s.Name] = facts{s.ForUpdate, s.ForCompensation, s.Persist}
	}
	want := map[string]facts{
		"A": {true, false, true}, // naming a compensation; "false" in quotes is not false
		"B": {false, true, false},
		"C": {true, false, true},   // it always has a compensation
		"D": {false, false, false}, // a script has none of it
		"E": {false, true, true},
		"F": {true, false, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f := d.Machine.State("F")
	loop := &Loop{Parallel: 1, ElementVariableName: "x", ElementIndexName: "loopCounter",
		CompletionCondition: spelled("[nrOfInstances] == [nrOfCompletedInstances]")}
	if diff := cmp.Diff(loop, f.Loop, plain()...); diff != "" || f.Next.Name != "" || f.CompensateState.Name != "" {
		t.Error(diff, f.Next, f.CompensateState)
	}
}

func TestFormsOfExpressions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Expression{
		"[a] == 1":              {Kind: SpEL, Content: "[a] == 1"},
		"$.[a]":                 {Kind: SpEL, Content: "[a]"},
		"$Default.[a]":          {Kind: SpEL, Content: "[a]"},
		"${[a]}":                {Kind: SpEL, Content: "[a]"},
		"$.[a].b":               {Kind: SpEL, Content: "[a].b"},
		"$Exception{a.b.C}":     {Kind: ExceptionMatch, Content: "a.b.C"},
		"$Exception.a.b.C":      {Kind: ExceptionMatch, Content: "a.b.C"},
		"$Exception.a.B$C":      {Kind: ExceptionMatch, Content: "a.B$C"},
		"$Sequence.ORDER|long":  {Kind: Sequence, Content: "ORDER|long", Entity: "ORDER", Rule: "long"},
		"$Sequence{ORDER|long}": {Kind: Sequence, Content: "ORDER|long", Entity: "ORDER", Rule: "long"},
		"$Sequence.ORDER":       {Kind: Sequence, Content: "ORDER"},
		"[a] == '$x.y'":         {Kind: SpEL, Content: "[a] == '$x.y'"},
	} {
		got := parseExpression(text, Position{})
		want.Text = text
		if diff := cmp.Diff(&want, got, plain()...); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"$x": "has no end", "$Other.[a]": `no expression type "Other"`, "$Exception{a": "closing brace",
		"$Exception{a} b": "would be lost", "$Exception.1a": "no name of a class", "$.": "empty", "": "empty",
		"$exception.a.B": "no expression type", "$.[a": "at 3",
	} {
		if got := parseExpression(text, Position{}); got.Err == nil || !strings.Contains(got.Err.Error(), want) {
			t.Errorf("%s: %v", text, got.Err)
		}
	}
}

func TestTextsThatAreNoJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "1:1: the text ends",
		"[]":                     "1:1: a definition is an object, not a list",
		"{\n \"a\" 1}":           "2:6: a colon is expected",
		"{\"ä\": 1,}":            "1:9: a key in quotes",
		"{\"a\": 01}":            "1:8: a comma or '}'",
		"{\"a\": 1.}":            "1:9: the number has no digits after",
		"{\"a\": 1e}":            "1:9: the number has no digits in",
		"{\"a\": -}":             "1:8: the number has no digits",
		"{\"a\": tru}":           "1:7: a value is expected",
		"{\"a\": \"b":            "1:9: the text in quotes does not end",
		"{\"a\": \"\\x\"}":       "1:9: the escape",
		"{\"a\": \"\\ud800x\"}":  "1:14: half of a character",
		"{\"a\": \"\x01\"}":      "1:8: a control character",
		"{\"a\": 1} x":           "1:10: there is text after",
		"{\"a\":\n\n \"\xff\"}":  "3:3: the text is not UTF-8",
		"// comment\n{}":         "1:1: a value is expected",
		strings.Repeat("[", 200): "1:101: values are nested",
	} {
		_, err := Read([]byte(text))
		var wrong *SyntaxError
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Read([]byte("{\"a\": \"" + strings.Repeat("x", limits.MachineBytesMax) + "\"}")); err == nil {
		t.Error("a text that is too long was read")
	}
	if d, err := Read([]byte("\ufeff{\"Name\": \"a\\u00e4\\ud83d\\ude00\\n\"}")); err != nil || d.Machine.Name != "aä😀\n" {
		t.Error(d, err)
	}
}

func TestTheOldDesignerIsConverted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/designer.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/designer.standard.json")
	if err != nil {
		t.Fatal(err)
	}
	d, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(d.Standard())); diff != "" {
		t.Error(diff)
	}
	if string(d.Export()) != string(text) {
		t.Error("the layout is lost")
	}
	known := func(name string) *Machine { return d.Machine }
	for _, f := range Check(d, known).Findings {
		t.Error(f)
	}
	if s := d.Machine.State("Take"); !d.Designed || s.At.Line != 5 || s.Catch[0].Next.At.Line != 24 {
		t.Errorf("%+v", s)
	}
}

func TestMistakesInTheOldDesigner(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/designer.json")
	if err != nil {
		t.Fatal(err)
	}
	for old, tt := range map[string]struct {
		new  string
		line int
		want string
	}{
		`"stateId": "Sub"`:                  {`"stateId": "Script"`, 13, "two nodes have the stateId"},
		`"stateId": "Good", `:               {``, 16, "no stateId"},
		`"x": 150, "y": 175`:                {`"x": 500, "y": 175`, 9, "attached to no"},
		`"size": "39*39"`:                   {`"size": "39"`, 9, "no size"},
		`"source": "n5", "target": "n8"`:    {`"source": "n5", "target": "n88"`, 28, "leads to no node"},
		`"source": "n0", "target": "n1", "`: {`"source": "n0", "target": 1, "`, 21, "target has to be a text"},
	} {
		if strings.Count(string(text), old) != 1 {
			t.Fatal(old)
		}
		d, err := Read([]byte(strings.Replace(string(text), old, tt.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		r := Check(d, nil)
		for _, f := range r.Findings {
			found = found || strings.Contains(f.Text, tt.want) && f.At.Line == tt.line && f.Upstream == upstreamParser
		}
		if !found {
			t.Errorf("%s in line %d is not among %v", tt.want, tt.line, r.Findings)
		}
	}
}

func TestTheNewDesignersKeysAreKept(t *testing.T) {
	t.Parallel()
	text := `{"Name":"m","StartState":"A","style":{"x":1},"States":{"A":{"Type":"Succeed","style":{"bounds":{"x":1.50}},
		"edge":{"A->B":{"style":{}}},"catch":{"style":{}}}}, "edge":{}}`
	d, err := Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if r := Check(d, nil); len(r.Findings) > 0 || string(d.Export()) != text || d.Designed {
		t.Error(r.Findings, d.Designed)
	}
	again, err := Read(d.Standard())
	if err != nil || !same(d.Root, again.Root) {
		t.Error(err, string(d.Standard()))
	}
}
