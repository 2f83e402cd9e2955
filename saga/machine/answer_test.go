package machine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang"
)

func TestWhatAnswersMean(t *testing.T) {
	t.Parallel()
	const classes = springClient + "Http"
	for name, c := range map[string]struct {
		reply  txn.Reply
		result any
		is     string // classes of the exception
		isNot  string
	}{
		"a number": {reply: txn.Reply{Code: 200, Answer: "7"}, result: int32(7)},
		"a double": {
			reply: txn.Reply{Code: 201, Answer: `{"a":[1.0,null]}`}, result: map[string]any{"a": []any{1.0, nil}},
		},
		"no JSON":  {reply: txn.Reply{Code: 200, Answer: "hello\x00"}, result: "hello\x00"},
		"nothing":  {reply: txn.Reply{Code: 204}},
		"a worker": {reply: txn.Reply{Result: txn.ResultDone, Answer: `"x"`}, result: "x"},
		"an exception": {
			reply: txn.Reply{Code: 500, Answer: `{"exception":"a.B","message":"m","supers":["a.C"]}`},
			is:    "a.B a.C java.lang.Exception", isNot: "java.lang.RuntimeException",
		},
		"known supers": {
			reply: txn.Reply{Code: 400, Answer: `{"exception":"java.lang.NumberFormatException"}`},
			is:    "java.lang.IllegalArgumentException",
		},
		"not found": {
			reply: txn.Reply{Code: 404, Answer: `{"error":"x"}`}, isNot: classes + "ServerErrorException",
			is: classes + "ClientErrorException$NotFound " + classes + "ClientErrorException java.lang.RuntimeException",
		},
		"a redirect": {reply: txn.Reply{Code: 302}, is: classes + "ServerErrorException"},
		"teapot":     {reply: txn.Reply{Code: 418}, is: classes + "ClientErrorException"},
		"away":       {reply: txn.Reply{Code: 503}, is: classes + "ServerErrorException$ServiceUnavailable"},
		"refused": {
			reply: txn.Reply{Result: txn.ResultRefused, Text: "no"},
			is:    "java.lang.IllegalStateException java.lang.RuntimeException",
		},
		"worker throws": {reply: txn.Reply{Result: txn.ResultFailed, Answer: `{"exception":"a.B"}`}, is: "a.B"},
		"timeout":       {reply: txn.Reply{Result: txn.ResultNoAnswer}, is: "java.io.IOException"},
		"nobody there":  {reply: txn.Reply{Result: txn.ResultUnreachable}, is: "java.net.SocketException"},
		"too long": {
			reply: txn.Reply{Code: 200, Answer: `"` + strings.Repeat("x", limits.PayloadBytesMax) + `"`}, is: classEngine,
		},
		"says exception": {
			reply: txn.Reply{Code: 200, Answer: `{"exception":"a.B"}`}, result: map[string]any{"exception": "a.B"},
		},
		"throws by 200": {reply: txn.Reply{Code: 200, Answer: `{"$exception":{"exception":"a.B"}}`}, is: "a.B"},
	} {
		o := heard(t, c.reply)
		if diff := cmp.Diff(c.result, o.Result); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if (o.Exception != nil) != (c.is != "") {
			t.Errorf("%s: %+v", name, o.Exception)
			continue
		}
		for _, class := range strings.Fields(c.is) {
			if !o.Exception.Is(class) {
				t.Errorf("%s: %+v is no %s", name, o.Exception, class)
			}
		}
		for _, class := range strings.Fields(c.isNot) {
			if o.Exception.Is(class) {
				t.Errorf("%s: %+v is %s", name, o.Exception, class)
			}
		}
	}
}

// heard is what is known of a call after its reply, by what is kept of it.
func heard(t *testing.T, r txn.Reply) statelang.Outcome {
	t.Helper()
	answer, threw := answered(r)
	if threw != nil {
		answer = keep(threw)
	}
	o, ended := outcomeOf(&txn.Branch{State: txn.PhaseOneDone, Step: &txn.Step{Seq: 1, Code: r.Code, Answer: answer}})
	if !ended {
		t.Errorf("%v has not ended", r)
	}
	return o
}

func TestBindings(t *testing.T) {
	t.Parallel()
	b, err := ParseBindings([]byte(`
bindings:
  stock.take: {call: {url: "https://a/{method}?s={service}", method: PUT, headers: {X-B: "2", X-A: "1"}}, timeout: 5s}
  bank.pay: {message: {topic: pay, reply: paid, tag: t}, attempts: 4}
  Script.Think: {worker: think}
default: {call: {url: "http://h/{service}/{method}"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	step := func(kind statelang.StateType, name, service, method string) txn.NewStep {
		s := &statelang.State{Type: kind, Name: name, ServiceName: service, ServiceMethod: method}
		return b.of(s).step(s, "[]")
	}
	got := step(statelang.ServiceTask, "T", "stock", "take")
	want := txn.NewStep{Kind: txn.StepCall, Data: "[]", Call: &txn.Call{
		CommitURL: "https://a/take?s=stock", Method: "PUT", Timeout: 5e9, Attempts: 1,
		Headers: []txn.CallHeader{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = step(statelang.ServiceTask, "P", "bank", "pay")
	if got.Kind != txn.StepMessage || got.Resource != "pay" || got.Call.Reply != "paid" || got.Call.Tag != "t" ||
		got.Call.Attempts != 4 {
		t.Errorf("%+v %+v", got, got.Call)
	}
	if got = step(statelang.ScriptTask, "Think", "", ""); got.Kind != txn.StepWorker || got.Resource != "think" {
		t.Errorf("%+v", got)
	}
	if got = step(statelang.ServiceTask, "x", "a/b", "c d"); got.Call.CommitURL != "http://h/a%2Fb/c%20d" {
		t.Errorf("%s", got.Call.CommitURL)
	}
	if b.of(&statelang.State{Type: statelang.ScriptTask, Name: "Other"}) != nil {
		t.Error("the default is no place for scripts")
	}
}

func TestBindingsThatAreNone(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"bindings: {a.b: }": "a.b: it binds to nothing",
		"bindings: {a.b: {call: {url: http://h}, worker: x}}":             "a.b: exactly one",
		"bindings: {a.b: {timeout: 5s}}":                                  "a.b: exactly one",
		"default: {message: {reply: x}}":                                  "default: the message has no topic",
		"default: {call: {url: ftp://x}}":                                 "no address of HTTP",
		"default: {call: {url: /x}}":                                      "no address of HTTP",
		"default: {call: {url: http://h, method: FETCH}}":                 "method \"FETCH\"",
		"default: {call: {url: http://h, headers: {\"a b\": x}}}":         "characters that no header has",
		"default: {call: {url: http://h, headers: {a: \"x\\r\\ny: z\"}}}": "characters that no header has",
		"default: {call: {url: http://h, headers: {Host: x}}}":            "set by Concord",
		"default: {call: {url: http://h, headers: {Concord-Xid: x}}}":     "set by Concord",
		"default: {worker: x, timeout: soon}":                             "timeout \"soon\"",
		"default: {worker: x, attempts: -1}":                              "attempts is -1",
		"defalt: {worker: x}":                                             "line 1: there is no key \"defalt\" here",
		"default: {cal: {url: http://h}}":                                 "line 1: there is no key \"cal\" here",
		"default: [1]":                                                    "line 1: this cannot be a seq",
		"a: &a [*a]":                                                      "",
		"default: {worker: x}\n---\ndefault: {worker: y}":                 "more than one document",
		"# " + strings.Repeat("x", limits.BindingsBytesMax) + "":          "are the most",
	} {
		if _, err := ParseBindings([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	if b, err := ParseBindings(nil); err != nil || b == nil {
		t.Error(b, err)
	}
}

func TestSourcesKeepEveryByte(t *testing.T) {
	t.Parallel()
	for _, s := range []Source{
		{Machine: order},
		{Machine: "{\r\n\"States\": \"<&>\u2028\\u0000\"}\n\n", Bindings: "# x\ndefault: {worker: \"ü\"}\n"},
	} {
		if got := ParseSource([]byte(s.Text())); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
		if !Recognise([]byte(s.Text())) {
			t.Error("not recognised")
		}
	}
	for _, text := range []string{
		`{"seata":"{}","bindings":"b"}`, " {\n \"bindings\" : \"b\", \"seata\" : \"{}\" }\n",
	} {
		if got := ParseSource([]byte(text)); got != (Source{Machine: "{}", Bindings: "b"}) || !Recognise([]byte(text)) {
			t.Errorf("%s becomes %q", text, got)
		}
	}
	for text, want := range map[string]bool{
		order: true, `{"nodes":[],"edges":[]}`: true, "": false,
		"saga: 1": false, `{"saga":1,"steps":[]}`: false, "[]": false,
		`{"saga":1,"name":"x","steps":[{"id":"States"}]}`: false, `{"Name":"x"}`: false, ` {"StartState":1}`: true,
	} {
		if Recognise([]byte(text)) != want {
			t.Errorf("%.40q: recognised is not %t", text, want)
		}
	}
}

func FuzzSource(f *testing.F) {
	f.Add(order, bindAll)
	f.Add(`{"seata":"{}"}`, "")
	f.Fuzz(func(t *testing.T, machine, bindings string) {
		source := Source{Machine: machine, Bindings: bindings}
		_ = ParseSource([]byte(source.Text())) // invalid UTF-8 does not survive JSON, and is no definition
		_ = ParseSource([]byte(machine))
		_, _ = ParseBindings([]byte(bindings))
		answer, threw := answered(txn.Reply{Code: 500, Answer: machine})
		if threw == nil || answer != "" || threw.exception(0) == nil {
			t.Errorf("%q is no exception", machine)
		}
	})
}

// TestAnswersOfOtherCharsetsAreKeptAsUTF8: JSON is UTF-8, and what shows an answer has to be JSON.
func TestAnswersOfOtherCharsetsAreKeptAsUTF8(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"caf\xe9": "\"caf\uFFFD\"", "\"caf\xe9\"": "\"caf\uFFFD\"", "{\"a\":\"\xff\"}": "{\"a\":\"\uFFFD\"}",
		`{"a":"é"}`: `{"a":"é"}`,
	} {
		if got, threw := answered(txn.Reply{Result: txn.ResultDone, Code: 200, Answer: answer}); got != want || threw != nil {
			t.Errorf("%q is kept as %q, want %q; %v", answer, got, want, threw)
		}
	}
}
