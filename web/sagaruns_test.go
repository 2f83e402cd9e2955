package web

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// runTypes are the types behind the schemas of runs of sagas.
func runTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"SagaStart": reflect.TypeFor[sagaStart](), "SagaStarted": reflect.TypeFor[SagaStarted](),
		"SagaRunItem": reflect.TypeFor[SagaRunItem](), "SagaRun": reflect.TypeFor[SagaRun](),
		"SagaRunStep": reflect.TypeFor[SagaRunStep](), "SagaUndo": reflect.TypeFor[SagaUndo](),
		"SagaWait": reflect.TypeFor[SagaWait](), "SagaEvent": reflect.TypeFor[SagaEvent](),
		"SagaSignal": reflect.TypeFor[sagaSignal](), "SagaAnswer": reflect.TypeFor[sagaAnswer](),
		"SagaCancel": reflect.TypeFor[sagaCancel](), "SagaRetry": reflect.TypeFor[sagaRetry](),
		"SagaSkip": reflect.TypeFor[sagaSkip](), "SagaInputProblem": reflect.TypeFor[SagaInputProblem](),
		"StepReply": reflect.TypeFor[orchestrator.ReplyBody](), "StepReplied": reflect.TypeFor[replyAnswer](),
	}
}

const orderText = `
saga: 1
name: order
input:
  type: object
  required: [order, total]
  properties: {order: {type: string}, total: {type: number}}
output: {paid: "${steps.pay.output.receipt}"}
steps:
  - id: reserve
    call: {url: "HOST/reserve", body: {order: "${input.order}"}}
    compensate: {call: {method: DELETE, url: "HOST/reserve"}}
  - {id: pay, call: {url: "HOST/pay", body: {amount: "${input.total}"}}, pivot: true}
  - {id: ship, call: {url: "HOST/ship"}}
`

const orderInput = `{"saga":"order","input":{"order":"a","total":3}`

func TestARunFromBeginToEnd(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	r.p.say("POST /pay", `200 {"receipt":"r7"}`)
	href := r.start(t, orderInput+`,"application":"shop","key":"a-1"}`)
	v := r.ended(t, href, "Committed")
	if v.Saga != "order" || v.Version != 1 || v.Key != "a-1" || v.Application != "shop" || v.Outcome != "done" ||
		v.Cause != "completed" || string(v.Input) != `{"order":"a","total":3}` || string(v.Output) != `{"paid":"r7"}` {
		t.Errorf("%+v", v)
	}
	pay := v.step("pay")
	if pay.ID != "pay" || pay.Kind != "call" || pay.State != "done" || pay.Attempts != 1 || pay.Code != 200 ||
		string(pay.Answer) != `{"receipt":"r7"}` || !pay.Pivot || pay.EndedAt == "" || pay.Undo != nil {
		t.Errorf("%+v", pay)
	}
	if got := v.told("pay"); !slices.Equal(got, []string{"stepStarted", "stepDone"}) {
		t.Error(got)
	}
	if got := v.told(""); !slices.Equal(got, []string{"began", "commitDecided", "ended"}) {
		t.Error(got)
	}
	if len(v.Waits) > 0 || len(v.Actions) > 0 {
		t.Errorf("%+v %v", v.Waits, v.Actions)
	}
	_, tx, _ := r.do(t, "GET", strings.Replace(href, "sagas/runs", "transactions", 1), "")
	if tx["saga"] != "order" || tx["sagaVersion"] != 1.0 || tx["sagaKey"] != "a-1" ||
		tx["branches"].([]any)[1].(map[string]any)["step"] != "pay" {
		t.Errorf("%v", tx)
	}
}

func TestARunThatIsRolledBackTellsEachAttempt(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	r.p.say("POST /reserve", "503 later")
	r.p.say("DELETE /reserve", "500 no")
	r.p.say("POST /pay", "409 no money")
	href := r.start(t, orderInput+`}`)
	r.until(t, href, "tried", func(v SagaRun) bool { return v.step("reserve").Attempts > 1 })
	r.p.say("POST /reserve", "200 {}")
	r.until(t, href, "undone in vain", func(v SagaRun) bool {
		u := v.step("reserve").Undo
		return u != nil && u.Attempts > 1 && strings.Contains(u.Failure, "500")
	})
	r.p.say("DELETE /reserve", "200 {}")
	v := r.ended(t, href, "RolledBack")
	reserve, pay := v.step("reserve"), v.step("pay")
	if v.Outcome != "failed" || v.Cause != "refused" || !strings.Contains(v.Failure, "step pay") {
		t.Errorf("%+v", v)
	}
	if reserve.State != "done" || reserve.Attempts < 2 || reserve.Undo.State != "done" || reserve.Undo.Attempts < 2 ||
		reserve.Undo.EndedAt == "" || pay.State != "refused" || pay.Undo != nil || pay.Code != 409 ||
		!strings.Contains(pay.Failure, "no money") {
		t.Errorf("%+v %+v %+v", reserve, reserve.Undo, pay)
	}
	first := slices.IndexFunc(v.Timeline, func(e SagaEvent) bool { return e.Event == "attemptFailed" })
	if e := v.Timeline[first]; e.Step != "reserve" || e.Attempt != 1 || !strings.Contains(e.Text, "503") ||
		strings.HasPrefix(e.Text, "attempt") {
		t.Errorf("%+v", e)
	}
	if got := v.told("reserve"); !slices.Contains(got, "finished") || !slices.Contains(got, "stepDone") {
		t.Error(got)
	}
}

func TestAKeyBeginsOneRun(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	const body = orderInput + `,"key":"a-1"}`
	href := r.start(t, body)
	r.ended(t, href, "Committed")
	for _, again := range []string{body, `{"key":"a-1","input":{ "total":3, "order":"a"}, "saga":"order","version":1}`} {
		if status, got := r.post(t, "/api/v1/sagas/runs", again); status != 200 || got["href"] != href {
			t.Errorf("%d %v", status, got)
		}
	}
	other := strings.Replace(body, `"total":3`, `"total":4`, 1)
	if status, got := r.post(t, "/api/v1/sagas/runs", other); status != 409 || got["code"] != "keyTaken" {
		t.Errorf("%d %v", status, got)
	}
	r.restart(t)
	if status, got := r.post(t, "/api/v1/sagas/runs", body); status != 200 || got["href"] != href {
		t.Errorf("%d %v", status, got)
	}
	if n := r.p.asked("POST /pay"); n != 1 {
		t.Errorf("paid %d times", n)
	}
}

func TestManyWhoBeginWithOneKeyGetOneRun(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	answers := make(chan string, 20)
	for range cap(answers) {
		go func() {
			w := r.raw(t, "POST", "/api/v1/sagas/runs", orderInput+`,"key":"k"}`)
			answers <- fmt.Sprint(w.Code/100, w.Header().Get("Location"))
			if w.Code >= 300 {
				t.Error(w.Code, w.Body)
			}
		}()
	}
	first := <-answers
	for range cap(answers) - 1 {
		if other := <-answers; other != first {
			t.Errorf("%s and %s", first, other)
		}
	}
	_, got, _ := r.do(t, "GET", "/api/v1/sagas/runs?saga=order", "")
	if items := got["items"].([]any); len(items) != 1 {
		t.Errorf("%d runs", len(items))
	}
}

func TestRunsAreListed(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	r.publish(t, "saga: 1\nname: hold\nsteps: [{id: s, signal: {name: go}, timeout: 1h}]\n")
	for i := range 3 {
		r.ended(t, r.start(t, fmt.Sprintf(orderInput+`,"application":"app%d","key":"k%d"}`, i, i)), "Committed")
		if status, got := r.post(t, "/api/v1/transactions", `{"name":"order","application":"app0"}`); status != 201 {
			t.Fatalf("%d %v", status, got)
		}
	}
	r.start(t, `{"saga":"hold"}`)
	for query, want := range map[string]string{
		"": "hold order order order", "?saga=order": "order order order", "?saga=hold": "hold", "?saga=none": "",
		"?live=true": "hold", "?status=committed": "order order order", "?saga=order&application=app1": "order",
		"?application=app0": "order", "?stuck=true": "", "?saga=order&key=k1": "order", "?saga=order&key=none": "",
		"?saga=hold&key=k1": "", "?saga=order&key=k1&live=true": "", "?to=1h": "", "?from=1h&limit=2": "hold order",
	} {
		status, got, _ := r.do(t, "GET", "/api/v1/sagas/runs"+query, "")
		var names []string
		for _, item := range got["items"].([]any) {
			names = append(names, item.(map[string]any)["saga"].(string))
		}
		if status != 200 || strings.Join(names, " ") != want {
			t.Errorf("%s: %d %v, want %s", query, status, names, want)
		}
	}
	// Pages of one, with transactions in between that are no sagas.
	seen, next := 0, ""
	for range 20 {
		_, got, _ := r.do(t, "GET", "/api/v1/sagas/runs?limit=1&cursor="+next, "")
		seen += len(got["items"].([]any))
		if got["next"] == nil {
			break
		}
		next = got["next"].(string)
	}
	if seen != 4 {
		t.Errorf("%d runs on all pages", seen)
	}
}

// TestDocumentsAreJSON also where a record has bytes of another charset.
func TestDocumentsAreJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "{\"a\":1}": "{\"a\":1}", "caf\xe9": "\"caf\uFFFD\"", "{\"a\":\"\xff\"}": "{\"a\":\"\uFFFD\"}",
	} {
		if got := string(document(text)); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestWhatCannotBeBegun(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	for body, want := range map[string]string{
		`{}`:                              "400 argumentInvalid",
		`{"saga":"none"}`:                 "404 sagaNotFound",
		`{"saga":"../order"}`:             "404 sagaNotFound",
		`{"saga":"order","version":9}`:    "404 sagaNotFound",
		`{"saga":"order"}`:                "422 badInput",
		`{"saga":"order","input":7}`:      "422 badInput",
		`{"saga":"order","input":{}}`:     "422 badInput",
		orderInput[:len(orderInput)-1]:    "400 argumentInvalid",
		orderInput + `,"key":"\n"}`:       "400 argumentInvalid",
		orderInput + `,"timeout":"x"}`:    "400 argumentInvalid",
		orderInput + `,"timeout":"-1s"}`:  "400 argumentInvalid",
		orderInput + `,"timeout":"400d"}`: "400 argumentInvalid",
		orderInput + `,"name":"x"}`:       "400 argumentInvalid",
		`{"saga":"order","input":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`: "422 badInput",
		`{"saga":"order","input":"` + strings.Repeat("x", 1<<20) + `"}`:                      "422 badInput",
		`{"saga":"order","input":{"order":"a","total":1e999}}`:                               "422 badInput",
		orderInput + `,"key":"` + strings.Repeat("k", 201) + `"}`:                            "400 argumentInvalid",
		orderInput + `,"key":""}`: "400 argumentInvalid",
	} {
		status, got := r.post(t, "/api/v1/sagas/runs", body)
		if have := fmt.Sprint(status, " ", got["code"]); have != want {
			t.Errorf("%.80s: %s, want %s: %v", body, have, want, got["detail"])
		}
		if findings, _ := got["findings"].([]any); status == 422 && len(findings) == 0 {
			t.Errorf("%.80s: no findings", body)
		}
	}
	for body, want := range map[string]string{
		`{"saga":"order","version":9}`: "order has no version 9; the newest is 1", `{"saga":"none","version":9}`: "",
		orderInput + `,"key":""}`: "key is empty, so that each repetition would start another run; " +
			"leave it out if that is meant",
	} {
		if _, got := r.post(t, "/api/v1/sagas/runs", body); fmt.Sprint(cmp.Or[any](got["detail"], "")) != want {
			t.Errorf("%s: %v, want %q", body, got, want)
		}
	}
	for path, want := range map[string]string{
		"/api/v1/sagas/runs?key=x":       "400 argumentInvalid",
		"/api/v1/sagas/runs?name=x":      "400 argumentInvalid",
		"/api/v1/sagas/runs?cursor=x":    "400 cursorMalformed",
		"/api/v1/sagas/runs/x":           "400 argumentInvalid",
		"/api/v1/sagas/runs/99999999999": "404 transactionNotFound",
	} {
		status, got, _ := r.do(t, "GET", path, "")
		if have := fmt.Sprint(status, " ", got["code"]); have != want {
			t.Errorf("%s: %s, want %s", path, have, want)
		}
	}
	_, tx, _ := r.do(t, "POST", "/api/v1/transactions", `{}`)
	if status, got, _ := r.do(t, "GET", "/api/v1/sagas/runs/"+tx["id"].(string), ""); got["code"] != "sagaRunNotFound" {
		t.Errorf("%d %v", status, got)
	}
	_, got, _ := r.do(t, "GET", "/api/v1/sagas/runs", "")
	if items := got["items"].([]any); len(items) > 0 {
		t.Errorf("something was begun: %v", items)
	}
}

func TestADefinitionsDeadlineOrTheCallers(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, "saga: 1\nname: hold\ndeadline: 2h\nsteps: [{id: s, signal: {name: go}}]\n")
	for body, want := range map[string]time.Duration{
		`{"saga":"hold"}`: 2 * time.Hour, `{"saga":"hold","timeout":"1d"}`: 24 * time.Hour,
	} {
		v := r.until(t, r.start(t, body), "there", func(SagaRun) bool { return true })
		began, _ := time.Parse(time.RFC3339, v.BeganAt)
		if end, err := time.Parse(time.RFC3339, v.DeadlineAt); err != nil || end.Sub(began) != want {
			t.Errorf("%s: from %s to %s", body, v.BeganAt, v.DeadlineAt)
		}
	}
}
