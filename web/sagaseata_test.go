package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/machine"
)

// buyMachine is a state machine of Seata that takes goods and then money. What goes wrong with the money breaks it off.
const buyMachine = `{
  "Name": "buy", "Comment": "takes goods and money", "Version": "0.0.1", "StartState": "Take",
  "States": {
    "Take": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "take", "CompensateState": "PutBack",
      "Input": ["$.[goods]", "$.[price]"], "Output": {"taken": "$.[id]"}, "Next": "Pay"},
    "Pay": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "pay", "CompensateState": "Refund",
      "Retry": [{"Exceptions": ["com.example.Busy"], "IntervalSeconds": 0.02, "MaxAttempts": 2, "BackoffRate": 1}],
      "Input": ["$.[price]", "$.[taken]"], "Output": {"receipt": "$.#root"}, "Next": "Done"},
    "PutBack": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "putBack", "Input": ["$.[taken]"]},
    "Refund": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "refund", "Input": ["$.[receipt]"]},
    "Done": {"Type": "Succeed"}
  }
}
`

const (
	everywhere = "default: {call: {url: 'HOST/{service}/{method}'}} # all of them\n"
	buyInput   = `{"saga":"buy","input":{"goods":["pen",2],"price":7.0}`
	broken     = `500 {"exception":"com.example.Broken","message":"who knows"}`
)

// seataText is what is published of a machine, with bindings in which HOST stands for the participant.
func (r *runRig) seataText(text, bindings string) string {
	return machine.Source{Machine: text, Bindings: strings.ReplaceAll(bindings, "HOST", r.p.URL)}.Text()
}

// withMachine is a server that has a machine, whose services answer as well as can be.
func withMachine(t *testing.T, text string) *runRig {
	t.Helper()
	r := withRuns(t, nil)
	status, got := r.post(t, "/api/v1/sagas/definitions", r.seataText(text, everywhere))
	if status != 201 || got["language"] != "seata" || got["version"] != 1.0 {
		t.Fatalf("%d %v", status, got)
	}
	r.p.say("POST /stock/take", `200 {"id":"t1"}`)
	r.p.say("POST /bank/pay", `200 "r1"`)
	return r
}

// called are the calls of the services so far.
func (r *runRig) called() []string {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	return slices.Clone(r.p.calls)
}

const (
	take    = `POST /stock/take [["pen",2],7.0]`
	pay     = `POST /bank/pay [7.0,"t1"]`
	putBack = `POST /stock/putBack ["t1"]`
	refund  = `POST /bank/refund [null]`
)

func (r *runRig) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.called()); diff != "" {
		t.Error(diff)
	}
}

func TestAMachineOfSeataIsReviewedAndPublished(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	text := r.seataText(buyMachine, everywhere)
	status, got := r.post(t, "/api/v1/sagas/review", text)
	services, _ := got["services"].([]any)
	if status != 200 || got["sound"] != true || got["name"] != "buy" || len(services) != 4 ||
		fmt.Sprint(services[1].(map[string]any)["target"]) != "POST "+r.p.URL+"/bank/pay" {
		t.Errorf("%d %v", status, got)
	}
	for _, want := range []int{201, 200} { // what is the same is no other version
		status, got := r.post(t, "/api/v1/sagas/definitions", text)
		findings, _ := got["findings"].([]any)
		if status != want || got["version"] != 1.0 || got["title"] != "takes goods and money" || len(findings) != 2 ||
			findings[0].(map[string]any)["rule"] != "ends.unknown" {
			t.Errorf("%d %v", status, got)
		}
	}
	_, got, _ = r.do(t, "GET", "/api/v1/sagas/definitions/buy", "")
	if source := machine.ParseSource([]byte(fmt.Sprint(got["text"]))); source.Machine != buyMachine ||
		!strings.HasSuffix(source.Bindings, "# all of them\n") {
		t.Errorf("it comes back as %+v", source)
	}
}

func TestMachinesThatCannotBeRunAreRefusedOverHTTP(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	change := func(old, by string) string { return strings.Replace(buyMachine, old, by, 1) }
	for name, c := range map[string]struct{ text, rule, says string }{
		"half bound": {r.seataText(buyMachine, "bindings: {bank.pay: {worker: pay}, bank.refund: {worker: refund},\n"+
			"  stock.take: {worker: take}}"), "service.unbound", "stock.putBack"},
		"not bound":    {buyMachine, "service.unbound", "stock.take"},
		"no JSON":      {r.seataText(change(`"Next": "Pay"},`, `"Next": "Pay",`), everywhere), "syntax", "14:1:"},
		"no state":     {r.seataText(change(`"Next": "Done"`, `"Next": "Don"`), everywhere), "next.unknown", `"Don"`},
		"a sub":        {r.seataText(calling, everywhere), "submachine.unknown", "nobody"},
		"no binding":   {r.seataText(buyMachine, "default: {cal: {url: 'HOST'}}"), "bindings", `no key "cal"`},
		"no such type": {r.seataText(change(`"Succeed"`, `"Suceed"`), everywhere), "type.unknown", "Suceed"},
	} {
		status, got := r.post(t, "/api/v1/sagas/definitions", c.text)
		found := ""
		for _, f := range got["findings"].([]any) {
			f := f.(map[string]any)
			found += fmt.Sprintf("%v: %v:%v: %v (%v) %v\n", f["severity"], f["line"], f["column"], f["text"], f["rule"],
				f["advice"])
		}
		if status != 422 || got["code"] != "unsound" || !strings.Contains(found, "("+c.rule+")") ||
			!strings.Contains(found, c.says) {
			t.Errorf("%s: %d %v\n%s", name, status, got["code"], found)
		}
	}
	if status, got := r.post(t, "/api/v1/sagas/runs", buyInput+"}"); status != 404 || got["code"] != "sagaNotFound" {
		t.Errorf("what was refused runs: %d %v", status, got)
	}
}

const calling = `{"Name": "caller", "StartState": "S", "States": {
  "S": {"Type": "SubStateMachine", "StateMachineName": "nobody", "Next": "Done"}, "Done": {"Type": "Succeed"}}}`

func TestAMachineIsBegunOnceWithAKey(t *testing.T) {
	t.Parallel()
	r := withMachine(t, buyMachine)
	href := r.start(t, buyInput+`,"key":"k1","application":"shop"}`)
	v := r.ended(t, href, "Committed")
	const output = `{"context":{"_business_key_":"k1","goods":["pen",2],"price":7.0,"receipt":"r1","taken":"t1"},` +
		`"status":"SU"}`
	if v.Key != "k1" || v.Outcome != "done" || string(v.Output) != output ||
		string(v.Input) != `{"goods":["pen",2],"price":7.0}` || len(v.Actions) > 0 {
		t.Errorf("%+v\n%s", v, v.Output)
	}
	began, _ := time.Parse(time.RFC3339, v.BeganAt)
	if until, err := time.Parse(time.RFC3339, v.DeadlineAt); err != nil || until.Sub(began) != 30*time.Minute {
		t.Errorf("from %s until %s", v.BeganAt, v.DeadlineAt)
	}
	if s := v.step("Pay"); s.ID != "Pay" || s.Kind != "call" || s.State != "done" || s.Attempts != 1 || s.Code != 200 ||
		string(s.Answer) != `"r1"` || s.Undo != nil {
		t.Errorf("%+v", s)
	}
	if got := v.told("Pay"); !slices.Equal(got, []string{"stepStarted", "stepDone"}) {
		t.Error(got)
	}
	for range 2 {
		for body, want := range map[string]string{
			buyInput + `,"key":"k1","application":"shop"}`:                            "200 <nil>",
			strings.Replace(buyInput, "7.0", "7", 1) + `,"key":"k1"}`:                 "409 keyTaken", // another number
			`{"saga":"buy","input":{"price":7.0,"goods":["pen",2]},"key":"k1"}`:       "409 keyTaken",
			`{"saga":"nobody","input":{},"key":"k1"}`:                                 "404 sagaNotFound",
			`{"saga":"buy","version":2,"input":{},"key":"k2"}`:                        "404 sagaNotFound",
			`{"saga":"buy","input":[1],"key":"k3"}`:                                   "422 badInput",
			`{"saga":"buy","input":"pen","key":"k3"}`:                                 "422 badInput",
			`{"saga":"buy","input":{"goods":},"key":"k3"}`:                            "400 argumentInvalid",
			`{"saga":"buy","timeout":"soon","key":"k3"}`:                              "400 argumentInvalid",
			`{"saga":"buy","input":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`:       "422 badInput",
			`{"saga":"buy","input":{"a":1},"key":"` + strings.Repeat("k", 300) + `"}`: "400 argumentInvalid",
		} {
			status, got := r.post(t, "/api/v1/sagas/runs", body)
			if fmt.Sprint(status, " ", got["code"]) != want || status == 200 && got["href"] != href {
				t.Errorf("%.80s: %d %v, want %s", body, status, got, want)
			}
		}
		r.restart(t)
	}
	r.wantCalls(t, take, pay)
	_, got, _ := r.do(t, "GET", "/api/v1/sagas/runs?saga=buy", "")
	if items := got["items"].([]any); len(items) != 1 {
		t.Errorf("%v", items)
	}
}

func TestTheKeyOfARunIsTheBusinessKeyOfItsMachine(t *testing.T) {
	t.Parallel()
	r := withMachine(t, strings.Replace(buyMachine, `["$.[price]", "$.[taken]"]`,
		`["$.[_business_key_]", {"id": "$Sequence.payment|any"}, "$.[other]"]`, 1))
	input := strings.Replace(buyInput, `"price":7.0`, `"price":7.0,"_business_key_":"mine"`, 1)
	v := r.ended(t, r.start(t, input+`,"key":"k1"}`), "Committed")
	r.wantCalls(t, take, `POST /bank/pay ["k1",{"id":"`+v.XID+`-Pay-payment-1"},null]`)
	if !strings.Contains(string(v.Output), `"Pay_business_key_":"`+v.XID+`-Pay-payment-1"`) {
		t.Errorf("%s", v.Output)
	}
}

// unknownRun is one whose money nobody knows anything of: by Seata's rules it has ended with status UN.
func unknownRun(t *testing.T) (*runRig, string) {
	t.Helper()
	r := withMachine(t, buyMachine)
	r.p.say("POST /bank/pay", broken)
	href := r.start(t, buyInput+"}")
	r.until(t, href, "stuck", func(v SagaRun) bool { return v.Stuck })
	return r, href
}

func TestAMachineThatEndsUnknownWaitsForAPerson(t *testing.T) {
	t.Parallel()
	r, href := unknownRun(t)
	v := r.until(t, href, "there", func(SagaRun) bool { return true })
	const output = `{"context":{"goods":["pen",2],"price":7.0,"taken":"t1"},` +
		`"exception":"com.example.Broken: who knows","reason":"not caught","status":"UN"}`
	if v.Status != "Active" || v.Outcome != "running" || v.StuckReason != "refused" || string(v.Output) != output ||
		v.Failure != "status UN: state Pay: not caught: com.example.Broken: who knows" ||
		!slices.Equal(v.Actions, []string{"cancel", "resume", "retry", "skip"}) ||
		!strings.Contains(v.Explanation, "nobody knows what was done") || !strings.Contains(v.Advice, "or cancel it") {
		t.Errorf("%+v\n%s", v, v.Output)
	}
	if s := v.step("Pay"); s.State != "unknown" || s.Code != 500 || !strings.Contains(s.Failure, "com.example.Broken") {
		t.Errorf("%+v", s)
	}
	_, why, _ := r.do(t, "GET", strings.Replace(href, "sagas/runs", "transactions", 1)+"/why", "")
	if text := fmt.Sprint(why["causes"]); strings.Contains(text, "pivot") || !strings.Contains(text, "cancel") {
		t.Errorf("there is no pivot: %s", text)
	}
	for what, want := range map[string]string{
		`retry {"step":"Take"}`:                              "409 branchDone",
		`retry {"step":"Done"}`:                              "404 branchNotFound",
		`retry {"state":"Pay"}`:                              "400 argumentInvalid",
		`skip {"step":"Take","reason":"x"}`:                  "409 branchDone",
		`skip {"step":"Pay"}`:                                "400 argumentInvalid",
		`skip {"step":"PutBack","reason":"x"}`:               "404 branchNotFound",
		`cancel {}`:                                          "400 argumentInvalid",
		`signals/paid {}`:                                    "409 notAwaited",
		`approvals/Pay {"approve":true}`:                     "409 notAwaited",
		`move {"to":1}`:                                      "409 languageNotMovable",
		`resume {"step":"Pay"}`:                              "400 argumentInvalid",
		`skip {"step":"Pay","reason":"x","result":{"a":}}`:   "400 argumentInvalid",
		`skip {"step":"Pay","reason":"x","result":1e999999}`: "422 badInput",
	} {
		path, body, _ := strings.Cut(what, " ")
		if status, got := r.post(t, href+"/"+path, body); fmt.Sprint(status, " ", got["code"]) != want {
			t.Errorf("%s: %d %v, want %s", what, status, got, want)
		}
	}
	r.restart(t) // and it waits still
	v = r.until(t, href, "there", func(SagaRun) bool { return true })
	if v.Status != "Active" || !v.Stuck || string(v.Output) != output {
		t.Errorf("%+v", v)
	}
	r.wantCalls(t, take, pay)
}

func TestWhatPeopleDoAboutAnUnknownEnd(t *testing.T) {
	t.Parallel()
	cancelled := map[string]string{"Committed": "409 otherOutcomeDecided", "RolledBack": "200 <nil>"}
	for name, c := range map[string]struct {
		ask, answer string // what the person does, and what the bank says from then on
		status      string
		output      string
		calls       []string
		events      []string // of Pay
	}{
		"retry": {`retry {"step":"Pay"}`, `200 "r2"`, "Committed", `"receipt":"r2","taken":"t1"},"status":"SU"}`,
			[]string{take, pay, pay}, []string{"stepStarted", "retriesUsedUp", "retryRequested", "stepDone"}},
		"resume": {`resume {}`, `200 "r2"`, "Committed", `"receipt":"r2","taken":"t1"},"status":"SU"}`,
			[]string{take, pay, pay}, []string{"stepStarted", "retriesUsedUp", "stepDone"}},
		"skip": {`skip {"step":"Pay","result":"by hand","reason":"paid"}`, broken, "Committed",
			`"receipt":"by hand","taken":"t1"},"status":"SU"}`, []string{take, pay},
			[]string{"stepStarted", "retriesUsedUp", "skipped", "stepDone"}},
		"skip without a result": {`skip {"step":"Pay","reason":"paid"}`, broken, "Committed",
			`"taken":"t1"},"status":"SU"}`, []string{take, pay},
			[]string{"stepStarted", "retriesUsedUp", "skipped", "stepDone"}},
		"skip all": {`skip {"result":{"status":"SU"},"reason":"paid"}`, broken, "Committed", `{"status":"SU"}`,
			[]string{take, pay}, []string{"stepStarted", "retriesUsedUp"}},
		"cancel": {`cancel {"reason":"no need"}`, broken, "RolledBack", `"status":"UN"}`,
			[]string{take, pay, refund, putBack}, []string{"stepStarted", "retriesUsedUp", "finished"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, href := unknownRun(t)
			r.p.say("POST /bank/pay", c.answer)
			path, body, _ := strings.Cut(c.ask, " ")
			if status, got := r.post(t, href+"/"+path, body, "Concord-Actor", "kim"); status != 200 {
				t.Fatalf("%d %v", status, got)
			}
			v := r.ended(t, href, c.status)
			if !strings.HasSuffix(string(v.Output), c.output) || len(v.Actions) > 0 || v.Stuck {
				t.Errorf("%+v\n%s", v, v.Output)
			}
			if diff := cmp.Diff(c.events, v.told("Pay")); diff != "" {
				t.Error(diff)
			}
			if skipped := path == "skip"; v.Heuristic != skipped {
				t.Errorf("by hand: %v", v.Heuristic)
			}
			for again, want := range map[string]string{
				"retry {}": "409 transactionEnded", "resume {}": "409 transactionEnded",
				`skip {"step":"Pay","reason":"x"}`: "409 transactionEnded",
				`cancel {"reason":"x"}`:            cancelled[c.status],
			} {
				path, body, _ := strings.Cut(again, " ")
				if status, got := r.post(t, href+"/"+path, body); fmt.Sprint(status, " ", got["code"]) != want {
					t.Errorf("%s when it has ended: %d %v, want %s", again, status, got, want)
				}
			}
			r.wantCalls(t, c.calls...)
		})
	}
}

func TestTriesOfAMachineAreShown(t *testing.T) {
	t.Parallel()
	r := withMachine(t, buyMachine)
	r.p.say("POST /bank/pay", `500 {"exception":"com.example.Busy","message":"later"}`)
	r.p.say("POST /stock/take", `202 {}`) // still going on
	href := r.start(t, buyInput+"}")
	v := r.until(t, href, "asked again", func(v SagaRun) bool { return v.step("Take").Attempts > 1 })
	if s := v.step("Take"); s.State != "retrying" && s.State != "running" || len(v.Steps) != 1 || string(v.Output) != "" {
		t.Errorf("%+v", v)
	}
	r.p.say("POST /stock/take", `200 {"id":"t1"}`)
	v = r.until(t, href, "stuck", func(v SagaRun) bool { return v.Stuck })
	var names []string
	for _, s := range v.Steps {
		line := fmt.Sprint(s.Name, " ", s.ID, " ", s.State, " ", s.Attempts, " ", s.Failure)
		names = append(names, strings.TrimSpace(line))
	}
	const busy = ` com.example.Busy: later`
	want := []string{"Take Take done 2", "Pay Pay done 1" + busy, "Pay#2 Pay done 1" + busy,
		`Pay#3 Pay unknown 1 HTTP 500: {"exception":"com.example.Busy","message":"later"}`}
	names[0] = strings.Replace(names[0], fmt.Sprint(v.Steps[0].Attempts), "2", 1) // or more, if we were slow
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	tries := v.step("Take").Attempts
	if e := v.Timeline[2]; e.Event != "stepDone" || e.Step != "Take" || e.Attempt != tries || tries < 2 {
		t.Errorf("%+v", e)
	}
	r.p.say("POST /bank/pay", `200 "r1"`)
	if status, got := r.post(t, href+"/resume", "", "Concord-Actor", "kim"); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	v = r.ended(t, href, "Committed")
	last := v.Timeline[len(v.Timeline)-4:]
	if last[0].Event != "retryRequested" || last[0].Actor != "kim" || last[0].Text != "resume" ||
		last[1].Step != "Pay#3" || last[1].Event != "stepDone" || last[1].Attempt != 2 {
		t.Errorf("%+v", last)
	}
	if got := r.p.asked("POST /bank/pay"); got != 4 {
		t.Errorf("the bank was asked %d times", got)
	}
}

const lookMachine = `{"Name": "buy", "StartState": "Look", "States": {
  "Look": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "look", "Output": {"there": "$.[there]"},
    "Status": {"#root != null": "SU", "$Exception{java.lang.Throwable}": "FA"}, "Next": "Which"},
  "Which": {"Type": "Choice", "Choices": [{"Expression": "[there] == true", "Next": "Done"}], "Default": "Failed"},
  "Failed": {"Type": "Fail", "ErrorCode": "NONE", "Message": "sold out"}, "Done": {"Type": "Succeed"}}}`

func TestAMachineThatFailsHasItsStatusAndNothingToUndo(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`200 {"there":false}`: `{"context":{"_statemachine_error_code_":"NONE","_statemachine_error_message_":"sold out",` +
			`"there":false},"status":"FA"}`,
		broken: `{"context":{},"exception":"com.example.Broken: who knows","reason":"not caught","status":"FA"}`,
	} {
		r := withMachine(t, lookMachine)
		r.p.say("POST /stock/look", answer)
		v := r.ended(t, r.start(t, `{"saga":"buy"}`), "RolledBack")
		if string(v.Output) != want || v.Outcome != "failed" || v.Cause != "refused" || v.Stuck ||
			!strings.HasPrefix(v.Failure, "status FA: ") {
			t.Errorf("%s: %+v\n%s", answer, v, v.Output)
		}
		r.wantCalls(t, "POST /stock/look []")
	}
}

// caughtMachine is one that compensates by itself when the money fails.
var caughtMachine = strings.NewReplacer(
	`"BackoffRate": 1}],`, `"BackoffRate": 1}], "Catch": [{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}],`,
	`"Done": {`, `"Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
    "Failed": {"Type": "Fail", "ErrorCode": "NO", "Message": "not bought"},
    "Done": {`).Replace(buyMachine)

func TestAMachineThatCompensatesIsShownAndLeftAlone(t *testing.T) {
	t.Parallel()
	r := withMachine(t, caughtMachine)
	r.p.say("POST /bank/pay", broken)
	hold := make(chan struct{})
	r.p.holds["POST /bank/refund"] = hold
	href := r.start(t, buyInput+"}")
	v := r.until(t, href, "compensating", func(v SagaRun) bool { return v.step("Pay~Refund").State == "running" })
	if v.Status != "Active" || v.Stuck {
		t.Errorf("%+v", v)
	}
	for what, want := range map[string]string{
		`cancel {"reason":"x"}`:                   "409 attemptUnderWay",
		`skip {"step":"Pay~Refund","reason":"x"}`: "409 attemptUnderWay",
		`skip {"step":"Pay","reason":"x"}`:        "409 branchDone",
		`retry {"step":"Pay"}`:                    "409 branchDone",
	} {
		path, body, _ := strings.Cut(what, " ")
		if status, got := r.post(t, href+"/"+path, body); fmt.Sprint(status, " ", got["code"]) != want {
			t.Errorf("%s: %d %v, want %s", what, status, got, want)
		}
	}
	close(hold)
	v = r.ended(t, href, "RolledBack")
	if s := v.step("Take~PutBack"); s.ID != "PutBack" || v.step("Pay~Refund").ID != "Refund" {
		t.Errorf("they are of the states of the definition, not %+v", s)
	}
	const output = `{"compensationStatus":"SU","context":{"_statemachine_error_code_":"NO",` +
		`"_statemachine_error_message_":"not bought","goods":["pen",2],"price":7.0,"taken":"t1"},"status":"UN"}`
	if string(v.Output) != output || v.step("Take~PutBack").State != "done" {
		t.Errorf("%+v\n%s", v, v.Output)
	}
	r.wantCalls(t, take, pay, refund, putBack)
}

func TestWhatAMachineCouldNotCompensateIsCompensatedUntilItIsDone(t *testing.T) {
	t.Parallel()
	r := withMachine(t, caughtMachine)
	r.p.say("POST /bank/pay", broken)
	r.p.say("POST /bank/refund", broken)
	href := r.start(t, buyInput+"}")
	v := r.until(t, href, "stuck", func(v SagaRun) bool { return v.Stuck })
	var output struct{ Status, CompensationStatus string }
	if err := json.Unmarshal(v.Output, &output); err != nil || output.Status != "UN" || output.CompensationStatus != "UN" {
		t.Errorf("%v %s", err, v.Output)
	}
	if v.Status != "RollingBack" || !slices.Equal(v.Actions, []string{"resume", "retry", "skip"}) ||
		v.step("Pay").Undo == nil || v.step("Pay").Undo.Failure == "" || r.p.asked("POST /stock/putBack") > 0 {
		t.Errorf("%+v\n%+v", v, v.step("Pay").Undo)
	}
	if status, got := r.post(t, href+"/skip", `{"step":"Pay","result":1,"reason":"x"}`); status != 422 {
		t.Errorf("%d %v", status, got)
	}
	if status, got := r.post(t, href+"/skip", `{"step":"Pay","reason":"by hand"}`); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	v = r.ended(t, href, "RolledBack")
	if u := v.step("Pay").Undo; u.State != "skipped" || v.step("Take").Undo.State != "done" || !v.Heuristic ||
		r.p.asked("POST /stock/putBack") != 1 {
		t.Errorf("%+v %+v", u, v)
	}
}
