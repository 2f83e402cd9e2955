package web

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/web/access"
)

const waitsText = `
saga: 1
name: waits
input: {type: object}
output: {n: "${steps.paid.output.n}", who: "${steps.ok.output.by}", said: "${steps.ok.output.data.x}"}
steps:
  - id: book
    call: {url: "HOST/book"}
    compensate: {call: {method: DELETE, url: "HOST/book"}}
  - id: paid
    signal: {name: paid, schema: {type: object, required: [n], properties: {n: {type: integer}}}}
    timeout: 1h
  - {id: ok, approval: {prompt: "pay ${steps.paid.output.n}?", by: [boss, resolver], data: {a: 1}}, timeout: 1h}
`

func TestSignalsAndApprovals(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitsText)
	href := r.start(t, `{"saga":"waits","input":{}}`)
	v := r.until(t, href, "waiting", func(v SagaRun) bool { return len(v.Waits) == 1 })
	if w := v.Waits[0]; w.Kind != "signal" || w.Name != "paid" || w.Step != "paid" || w.Until == "" ||
		!slices.Equal(v.Actions, []string{"cancel", "signal", "skip"}) || v.step("paid").State != "waiting" {
		t.Errorf("%+v %v", w, v.Actions)
	}
	for path, want := range map[string]string{
		"/signals/other {}":                            "409 notAwaited",
		"/signals/ok {}":                               "409 notAwaited",
		"/signals/paid {}":                             "422 badInput",
		`/signals/paid {"data":{"n":"x"}}`:             "422 badInput",
		`/signals/paid {"data":{"n":1},"step":"none"}`: "409 notAwaited",
		`/signals/paid {"date":{"n":1}}`:               "400 argumentInvalid",
		`/approvals/ok {"approve":true}`:               "404 branchNotFound",
		`/approvals/paid {"approve":true}`:             "409 notAwaited",
		"/approvals/paid {}":                           "400 argumentInvalid",
	} {
		path, body, _ := strings.Cut(path, " ")
		if status, got := r.post(t, href+path, body); fmt.Sprint(status, " ", got["code"]) != want {
			t.Errorf("%s %s: %d %v, want %s", path, body, status, got, want)
		}
	}
	status, got := r.post(t, href+"/signals/paid", `{"data":{"n":5}}`, "Idempotency-Key", "s1", "Concord-Actor", "bank")
	if status != 200 || len(got["waits"].([]any)) != 1 {
		t.Fatalf("%d %v", status, got)
	}
	if status, _ := r.post(t, href+"/signals/paid", `{"data":{"n":5}}`, "Idempotency-Key", "s1"); status != 200 {
		t.Errorf("the reply was not stored: %d", status)
	}
	wait := got["waits"].([]any)[0].(map[string]any)
	if wait["kind"] != "approval" || wait["prompt"] != "pay 5?" || fmt.Sprint(wait["by"]) != "[boss resolver]" ||
		fmt.Sprint(wait["data"]) != "map[a:1]" || wait["name"] != nil {
		t.Errorf("%v", wait)
	}
	const yes = `{"approve":true,"comment":"well","data":{"x":"y"}}`
	status, got = r.post(t, href+"/approvals/ok", yes, "Concord-Actor", "me")
	if status != 200 || got["status"] != "Committed" ||
		fmt.Sprint(got["output"]) != "map[n:5 said:y who:me]" {
		t.Errorf("%d %v", status, got)
	}
	v = r.ended(t, href, "Committed")
	i := slices.IndexFunc(v.Timeline, func(e SagaEvent) bool { return e.Event == "signal" && e.Step == "ok" })
	if e := v.Timeline[i]; e.Actor != "me" || e.Text != "well" {
		t.Errorf("%+v", e)
	}
}

func TestARejectionIsARefusal(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitsText)
	href := r.start(t, `{"saga":"waits","input":{}}`)
	r.until(t, href, "waiting", func(v SagaRun) bool { return len(v.Waits) == 1 })
	r.post(t, href+"/signals/paid", `{"data":{"n":5}}`)
	if status, got := r.post(t, href+"/approvals/ok", `{"approve":false}`); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	v := r.ended(t, href, "RolledBack")
	if v.step("ok").State != "refused" || v.step("book").Undo.State != "done" || r.p.asked("DELETE /book") != 1 {
		t.Errorf("%+v", v)
	}
}

// guardedRuns is a server with keys, and a run that waits for an approval.
func guardedRuns(t *testing.T, approval string, change func(*Options)) (*runRig, *guardedRig, string) {
	t.Helper()
	g := guarded(t, nil)
	r := withRuns(t, func(o *Options) {
		o.Dev, o.Access, o.Journal = false, g.gate, g.journal
		if change != nil {
			change(o)
		}
	})
	r.publish(t, "saga: 1\nname: ask\nsteps:\n  - {id: ok, approval: "+approval+", timeout: 1h}\n")
	service := g.token(t, access.NewKey{Name: "robot", Roles: []string{"service"}})
	status, got := r.post(t, "/api/v1/sagas/runs", `{"saga":"ask","application":"shop"}`, "Authorization", service)
	if status != 201 {
		t.Fatalf("%d %v", status, got)
	}
	r.token = service
	return r, g, got["href"].(string)
}

func TestWhoMayApprove(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		approval, name, role string
		status               int
		code                 any
	}{
		{`{prompt: "?", by: [boss]}`, "boss", "viewer", 200, nil},
		{`{prompt: "?", by: [boss]}`, "other", "admin", 403, "approvalOthers"},
		{`{prompt: "?", by: [boss, operator]}`, "other", "operator", 200, nil},
		{`{prompt: "?", by: [operator]}`, "other", "resolver", 200, nil}, // who may do more
		{`{prompt: "?", by: [operator]}`, "other", "viewer", 403, "approvalOthers"},
		{`{prompt: "?", by: [operator]}`, "operator", "viewer", 403, "approvalOthers"}, // a name makes no role
		{`{prompt: "?"}`, "other", "viewer", 403, "forbidden"},
		{`{prompt: "?"}`, "other", "operator", 200, nil},
		{`{prompt: "?"}`, "other", "service", 200, nil},
	} {
		r, g, href := guardedRuns(t, test.approval, nil)
		token := g.token(t, access.NewKey{Name: test.name, Roles: []string{test.role}})
		status, got := r.post(t, href+"/approvals/ok", `{"approve":true}`, "Authorization", token)
		if status != test.status || test.code != nil && test.code != "forbidden" && got["code"] != test.code {
			t.Errorf("%+v: %d %v", test, status, got)
		}
		if test.status != 200 {
			if v := r.until(t, href, "there", func(SagaRun) bool { return true }); v.Status != "Active" {
				t.Errorf("%+v: %s", test, v.Status)
			}
		}
	}
}

func TestRunsOfOthersAreNotSeen(t *testing.T) {
	t.Parallel()
	r, g, href := guardedRuns(t, `{prompt: "?"}`, nil)
	bank := g.token(t, access.NewKey{Name: "b", Roles: []string{"service", "viewer"}, Applications: []string{"bank"}})
	shop := g.token(t, access.NewKey{Name: "s", Roles: []string{"service", "viewer"}, Applications: []string{"shop"}})
	for _, ask := range []string{
		"GET " + href, "POST " + href + "/approvals/ok", "POST " + href + "/signals/x", "POST " + href + "/cancel",
		"GET /api/v1/sagas/runs", "GET /api/v1/sagas/runs?application=shop",
	} {
		method, path, _ := strings.Cut(ask, " ")
		if status, got, _ := r.do(t, method, path, `{}`, "Authorization", bank); status != 403 {
			t.Errorf("%s: %d %v", ask, status, got)
		}
	}
	const begin = `{"saga":"ask","application":"shop","key":"k"}`
	if status, got := r.post(t, "/api/v1/sagas/runs", begin, "Authorization", bank); status != 403 {
		t.Errorf("%d %v", status, got)
	}
	if status, got := r.post(t, "/api/v1/sagas/runs", begin, "Authorization", shop); status != 201 {
		t.Errorf("%d %v", status, got)
	}
	own := strings.Replace(begin, "shop", "bank", 1)
	if status, got := r.post(t, "/api/v1/sagas/runs", own, "Authorization", bank); status != 403 {
		t.Errorf("the key of another application: %d %v", status, got)
	}
	if status, _, _ := r.do(t, "GET", "/api/v1/sagas/runs?application=bank", "", "Authorization", bank); status != 200 {
		t.Error(status)
	}
}

const stuckText = `
saga: 1
name: stuck
output: {left: "${steps.ship.output.left}"}
steps:
  - {id: pay, call: {url: "HOST/pay"}, pivot: true}
  - {id: ship, call: {url: "HOST/ship"}, result: [{when: "status == 418", is: refused}], retry: {attempts: 1}}
  - {id: tell, after: pay, call: {url: "HOST/tell"}}
`

// stuckRun begins a run that cannot go on behind its pivot.
func stuckRun(t *testing.T, change func(*Options)) (*runRig, string) {
	t.Helper()
	r := withRuns(t, change)
	r.publish(t, stuckText)
	r.p.say("POST /ship", "500 broken")
	href := r.start(t, `{"saga":"stuck"}`)
	r.until(t, href, "stuck", func(v SagaRun) bool { return v.Stuck && v.step("tell").State == "done" })
	return r, href
}

func TestAStuckRunIsResumed(t *testing.T) {
	t.Parallel()
	r, href := stuckRun(t, nil)
	v := r.until(t, href, "there", func(SagaRun) bool { return true })
	if v.StuckReason != "retriesUsedUp" || !slices.Equal(v.Actions, []string{"resume", "retry", "skip"}) ||
		!strings.Contains(v.Explanation, "broken") || !strings.Contains(v.Advice, "concord saga retry "+v.XID) ||
		v.step("ship").State != "retrying" || v.step("ship").NextAttemptAt == "" {
		t.Errorf("%+v", v)
	}
	if status, got := r.post(t, href+"/cancel", `{"reason":"late"}`); status != 409 || got["code"] != "pastPivot" {
		t.Errorf("%d %v", status, got)
	}
	if status, got := r.post(t, href+"/retry", `{"step":"none"}`); status != 404 {
		t.Errorf("%d %v", status, got)
	}
	if status, got := r.post(t, href+"/retry", `{"step":"pay"}`); status != 409 || got["code"] != "branchDone" {
		t.Errorf("%d %v", status, got)
	}
	r.p.say("POST /ship", `200 {"left":2}`)
	if status, got := r.post(t, href+"/resume", ``, "Concord-Actor", "me"); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	v = r.ended(t, href, "Committed")
	if string(v.Output) != `{"left":2}` || v.Heuristic {
		t.Errorf("%+v", v)
	}
	i := slices.IndexFunc(v.Timeline, func(e SagaEvent) bool { return e.Event == "retryRequested" })
	if v.Timeline[i].Actor != "me" {
		t.Errorf("%+v", v.Timeline)
	}
}

func TestAStepIsSkippedWithAResult(t *testing.T) {
	t.Parallel()
	r, href := stuckRun(t, nil)
	for body, want := range map[string]string{
		`{"step":"ship"}`: "400 argumentInvalid",
		`{"step":"ship","result":1e999,"reason":"hand"}`:              "422 badInput",
		`{"step":"pay","reason":"hand"}`:                              "409 branchDone",
		`{"step":"none","reason":"hand"}`:                             "404 branchNotFound",
		`{"reason":"hand"}`:                                           "409 notStuck", // it is tried still
		`{"step":"ship","reason":"` + strings.Repeat("x", 200) + `"}`: "400 argumentInvalid",
	} {
		if status, got := r.post(t, href+"/skip", body); fmt.Sprint(status, " ", got["code"]) != want {
			t.Errorf("%s: %d %v, want %s", body, status, got, want)
		}
	}
	status, got := r.post(t, href+"/skip", `{"step":"ship","result":{"left":0},"reason":"by hand"}`, "Concord-Actor", "me")
	if status != 200 || got["status"] != "Committed" || got["heuristic"] != true ||
		fmt.Sprint(got["output"]) != "map[left:0]" {
		t.Errorf("%d %v", status, got)
	}
	v := r.ended(t, href, "Committed")
	i := slices.IndexFunc(v.Timeline, func(e SagaEvent) bool { return e.Event == "skipped" })
	if e := v.Timeline[i]; e.Actor != "me" || e.Text != "by hand" || e.Step != "ship" || !v.step("ship").ByHand {
		t.Errorf("%+v %+v", e, v.step("ship"))
	}
}

func TestSkippingNeedsASecondPersonWhereThatIsSo(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	r := withRuns(t, func(o *Options) {
		o.Dev, o.Access, o.Journal, o.FourEyes = false, g.gate, g.journal, []string{FourEyesSkip}
	})
	r.token = g.withRoles(t, "admin")
	one := g.token(t, access.NewKey{Name: "one", Roles: []string{"resolver"}})
	two := g.token(t, access.NewKey{Name: "two", Roles: []string{"resolver"}})
	r.publish(t, stuckText)
	r.p.say("POST /ship", "500 broken")
	_, got := r.post(t, "/api/v1/sagas/runs", `{"saga":"stuck"}`, "Authorization", r.token)
	href := got["href"].(string)
	r.until(t, href, "stuck", func(v SagaRun) bool { return v.Stuck && v.step("tell").State == "done" })
	const body = `{"step":"ship","result":{"left":7},"reason":"by hand"}`
	status, got := r.post(t, href+"/skip", body, "Authorization", one)
	a, _ := got["approval"].(map[string]any)
	if status != 202 || a["action"] != "skip" || a["result"] != `{"left":7}` {
		t.Fatalf("%d %v", status, got)
	}
	answer := fmt.Sprintf(`{"digest":%q,"reason":"yes"}`, a["digest"])
	approve := "/api/v1/approvals/" + a["id"].(string) + "/approve"
	if status, got := r.post(t, approve, answer, "Authorization", one); status != 403 {
		t.Errorf("%d %v", status, got)
	}
	if v := r.until(t, href, "there", func(SagaRun) bool { return true }); v.Status != "Active" {
		t.Errorf("it was skipped by one: %+v", v)
	}
	if status, got := r.post(t, approve, answer, "Authorization", two); status != 200 || got["state"] != "done" {
		t.Errorf("%d %v", status, got)
	}
	v := r.ended(t, href, "Committed")
	i := slices.IndexFunc(v.Timeline, func(e SagaEvent) bool { return e.Event == "skipped" })
	if e := v.Timeline[i]; string(v.Output) != `{"left":7}` || !strings.Contains(e.Actor, "one") ||
		!strings.Contains(e.Actor, "two") || e.Text != "by hand" {
		t.Errorf("%+v %s", v.Timeline[i], v.Output)
	}
	_, journal, _ := r.do(t, "GET", "/api/v1/journal?action=saga.skip", "", "Authorization", r.token)
	entries := journal["items"].([]any)
	if entry := entries[len(entries)-1].(map[string]any); entry["why"] != "by hand" ||
		!strings.HasSuffix(href, entry["target"].(string)) {
		t.Errorf("%v", entries)
	}
}

// What all transactions have works on sagas, too: a plan first, and then the operation.
func TestOperationsOnASaga(t *testing.T) {
	t.Parallel()
	r, href := stuckRun(t, nil)
	tx := strings.Replace(href, "sagas/runs", "transactions", 1)
	for body, want := range map[string]string{
		`{"action":"commit"}`:              "409 sagaDecidesItself",
		`{"action":"rollback"}`:            "409 pastPivot",
		`{"action":"finish"}`:              "409 notStuck",
		`{"action":"finish","branch":"2"}`: "400 argumentInvalid",
		`{"action":"skip","branch":"1"}`:   "409 branchDone",
		`{"action":"release"}`:             "409 transactionNotDecided",
	} {
		if status, got := r.post(t, tx+"/plan", body); fmt.Sprint(status, " ", got["code"]) != want {
			t.Errorf("%s: %d %v, want %s", body, status, got, want)
		}
	}
	if status, got := r.post(t, "/api/v1/jobs", `{"action":"finish","filter":{"name":"stuck"}}`); status != 400 {
		t.Errorf("%d %v", status, got)
	}
	for _, action := range []string{`"action":"skip","branch":"2"`, `"action":"finish"`} {
		status, got := r.post(t, tx+"/plan", "{"+action+"}")
		if status != 200 || got["heuristic"] != true || (got["decides"] == "commit") != (action == `"action":"finish"`) {
			t.Fatalf("%d %v", status, got)
		}
		body := fmt.Sprintf(`{%s,"digest":%q,"reason":"by hand"}`, action, got["digest"])
		if status, got = r.post(t, tx+"/operations", body); status != 200 || got["heuristic"] != true {
			t.Errorf("%d %v", status, got)
		} // the skipped step has no result, so that the output cannot be computed
	}
	r.ended(t, href, "Committed")
}

const noOutputText = `
saga: 1
name: broken
output: {n: "${int(steps.pay.output.n)}"}
steps:
  - {id: pay, call: {url: "HOST/pay"}, pivot: true}
`

func TestARunWhoseOutputFailsIsFinished(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, noOutputText)
	r.p.say("POST /pay", `200 {"n":"x"}`)
	href := r.start(t, `{"saga":"broken"}`)
	v := r.until(t, href, "stuck", func(v SagaRun) bool { return v.Stuck })
	if v.StuckReason != "refused" || !strings.Contains(v.Failure, "output") || !slices.Contains(v.Actions, "skip") ||
		!strings.Contains(v.Advice, "resume") || !strings.Contains(v.Advice, "saga move") {
		t.Errorf("%+v", v)
	}
	_, why, _ := r.do(t, "GET", strings.Replace(href, "sagas/runs", "transactions", 1)+"/why", "")
	if cause := why["causes"].([]any)[0].(map[string]any); cause["code"] != "sagaStuck" {
		t.Errorf("%v", why)
	}
	if status, got := r.post(t, href+"/resume", ""); status != 200 || got["stuck"] != true {
		t.Errorf("%d %v", status, got)
	}
	status, got := r.post(t, href+"/skip", `{"result":{"n":1},"reason":"by hand"}`)
	if status != 200 || got["status"] != "Committed" || got["cause"] != "operator" ||
		fmt.Sprint(got["output"]) != "map[n:1]" {
		t.Errorf("%d %v", status, got)
	}
	status, got = r.post(t, href+"/skip", `{"step":"pay","result":1,"reason":"r"}`)
	if status != 409 || got["code"] != "transactionEnded" {
		t.Errorf("a skip with a result when it has ended: %d %v", status, got)
	}
}

// TestAFieldOfAnotherTypeIsNamed, whatever type it has: "not an object but string" said nothing of a version.
func TestAFieldOfAnotherTypeIsNamed(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	for _, tt := range []struct{ path, body, want string }{
		{"/api/v1/sagas/runs", `{"saga":"a","version":"1"}`, "version is a whole number from 0, not string"},
		{"/api/v1/sagas/runs", `{"saga":"a","version":-1}`, "version is a whole number from 0, not number -1"},
		{"/api/v1/sagas/definitions/a/move", `{"mapping":7}`, "mapping is an object of texts, not number"},
		{"/api/v1/sagas/runs", `[]`, "it is not an object but array"},
	} {
		status, got := r.post(t, tt.path, tt.body)
		if detail := fmt.Sprint(got["detail"]); status != 400 || !strings.HasSuffix(detail, ": "+tt.want) {
			t.Errorf("%s: %d %v", tt.body, status, got)
		}
	}
}

func TestACompensationThatCannotBeDoneIsSkipped(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	r.p.say("DELETE /reserve", "409 never")
	r.p.say("POST /pay", "409 no money")
	href := r.start(t, orderInput+`}`)
	v := r.until(t, href, "stuck", func(v SagaRun) bool { return v.Stuck })
	if u := v.step("reserve").Undo; u.State != "refused" || !slices.Equal(v.Actions, []string{"resume", "retry", "skip"}) {
		t.Errorf("%+v %v", u, v.Actions)
	}
	for body, want := range map[string]string{
		`{"reason":"x"}`: "400 argumentInvalid", `{"step":"reserve","result":1,"reason":"x"}`: "422 badInput",
		`{"step":"pay","reason":"x"}`: "409 branchDone",
	} {
		if status, got := r.post(t, href+"/skip", body); fmt.Sprint(status, " ", got["code"]) != want {
			t.Errorf("%s: %d %v, want %s", body, status, got, want)
		}
	}
	if status, got := r.post(t, href+"/skip", `{"step":"reserve","reason":"by hand"}`); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	v = r.ended(t, href, "RolledBack")
	if s := v.step("reserve"); s.Undo.State != "skipped" || s.ByHand || !v.Heuristic {
		t.Errorf("%+v %+v", s, s.Undo)
	}
}

func TestARunIsCancelled(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitsText)
	href := r.start(t, `{"saga":"waits","input":{}}`)
	r.until(t, href, "waiting", func(v SagaRun) bool { return len(v.Waits) == 1 })
	if status, got := r.post(t, href+"/cancel", `{}`); status != 400 {
		t.Errorf("%d %v", status, got)
	}
	if status, got := r.post(t, href+"/cancel", `{"reason":"no need"}`, "Concord-Actor", "me"); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	v := r.ended(t, href, "RolledBack")
	i := slices.IndexFunc(v.Timeline, func(e SagaEvent) bool { return e.Event == "rollbackDecided" })
	if e := v.Timeline[i]; e.Actor != "me" || !strings.Contains(e.Text, "no need") || v.Cause != "requested" ||
		v.step("paid").State != "abandoned" || v.step("book").Undo.State != "done" {
		t.Errorf("%+v %+v", e, v)
	}
	if status, got := r.post(t, href+"/signals/paid", `{"data":{"n":1}}`); status != 409 {
		t.Errorf("%d %v", status, got)
	}
}

const loopText = `
saga: 1
name: loop
steps:
  - {id: each, forEach: {in: "[1, 2]", parallel: 2}, signal: {name: go}, timeout: 1h}
`

func TestOneOfSeveralThatWaitIsNamed(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, loopText)
	href := r.start(t, `{"saga":"loop"}`)
	v := r.until(t, href, "waiting", func(v SagaRun) bool { return len(v.Waits) == 2 })
	if v.Steps[1].Name != "each[1]" || v.Steps[1].ID != "each" {
		t.Errorf("%+v", v.Steps[1])
	}
	if status, got := r.post(t, href+"/signals/go", ""); status != 409 || got["code"] != "severalAwait" {
		t.Errorf("%d %v", status, got)
	}
	if status, got := r.post(t, href+"/signals/go", `{"step":"each[1]"}`); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	if status, got := r.post(t, href+"/signals/go", ""); status != 200 || got["status"] != "Committed" {
		t.Errorf("%d %v", status, got)
	}
}

func TestNobodySkipsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	hold := make(chan struct{})
	r.p.holds["POST /ship"] = hold
	href := r.start(t, orderInput+`}`)
	r.until(t, href, "asked", func(v SagaRun) bool { return v.step("ship").State == "running" })
	const body = `{"step":"ship","reason":"by hand"}`
	if status, got := r.post(t, href+"/skip", body); status != 409 || got["code"] != "attemptUnderWay" {
		t.Errorf("%d %v", status, got)
	}
	close(hold)
	r.ended(t, href, "Committed")
}
