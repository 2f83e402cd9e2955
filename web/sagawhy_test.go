package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const whyText = `
saga: 1
name: why
deadline: 1h
steps:
  - {id: nap, after: [], timer: {for: 30m}}
  - {id: paid, after: [], signal: {name: money}, timeout: 10m}
  - {id: ok, after: [], approval: {prompt: "well?", by: [boss, operator]}}
  - {id: free, after: [], approval: {prompt: "really?"}}
  - {id: down, after: [], call: {url: "HOST/down"}, readOnly: true, retry: {first: 1h, max: 1h}}
  - {id: slow, after: [], call: {url: "HOST/slow"}, readOnly: true, retry: {first: 1h, max: 1h}}
`

func TestWhyASagaHasNotEnded(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, whyText)
	r.p.say("POST /down", "500 broken")
	r.p.say("POST /slow", "202 {}")
	href := r.start(t, `{"saga":"why"}`)
	v := r.until(t, href, "tried", func(v SagaRun) bool {
		return v.step("down").NextAttemptAt != "" && v.step("slow").NextAttemptAt != ""
	})
	if !strings.Contains(v.Explanation, "0 of 6 steps") || !strings.Contains(v.Explanation, "broken") {
		t.Error(v.Explanation)
	}
	status, got, _ := r.do(t, "GET", strings.Replace(href, "sagas/runs", "transactions", 1)+"/why", "")
	if status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	said := map[string]string{}
	for _, c := range got["causes"].([]any) {
		cause := c.(map[string]any)
		said[fmt.Sprint(cause["code"], " ", cause["data"].(map[string]any)["step"])] = cause["sentence"].(string)
	}
	for key, part := range map[string]string{
		"waitsForTimer nap": "pause, until 20", "waitsForSignal paid": "signal money, until 20",
		"waitsForApproval ok": `boss or operator: "well?"`, "waitsForApproval free": "anybody who operates it",
		"stepFailing down": "broken", "stepOngoing slow": "still at it",
	} {
		if !strings.Contains(said[key], part) {
			t.Errorf("%s: %q", key, said[key])
		}
	}
	if len(said) != 6 {
		t.Errorf("%v", said)
	}
	var actions []string
	for _, a := range got["actions"].([]any) {
		action := a.(map[string]any)
		actions = append(actions, fmt.Sprint(action["action"], action["branch"]))
		if action["action"] == "skip" && action["sentence"] != "Say that this step is done." {
			t.Errorf("%v", action)
		}
	}
	want := []string{"retry<nil>", "rollback<nil>", "skip1", "skip2", "skip3", "skip4", "skip5", "skip6"}
	if slices.Sort(actions); !slices.Equal(actions, want) {
		t.Errorf("%v", actions)
	}
}

func TestWhyACompensationWaits(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, orderText)
	r.p.say("DELETE /reserve", "409 never")
	r.p.say("POST /pay", "409 no money")
	href := r.start(t, orderInput+`}`)
	v := r.until(t, href, "stuck", func(v SagaRun) bool { return v.Stuck })
	if !strings.Contains(v.Explanation, "step reserve said") || !strings.Contains(v.Advice, "concord saga retry") {
		t.Errorf("%s %s", v.Explanation, v.Advice)
	}
	_, got, _ := r.do(t, "GET", strings.Replace(href, "sagas/runs", "transactions", 1)+"/why", "")
	cause := got["causes"].([]any)[0].(map[string]any)
	if data := cause["data"].(map[string]any); cause["code"] != "branchRefused" || data["step"] != "reserve" ||
		data["operation"] != "rollback" {
		t.Errorf("%v", cause)
	}
	const says = `The compensation of step reserve answered that it can never rollback: "never".`
	if text := fmt.Sprint(cause["sentence"]); !strings.HasPrefix(text, says) {
		t.Error(text)
	}
}

// The stream of a transaction tells what becomes of the steps of a saga.
func TestTheStreamOfARunTellsItsSteps(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitsText)
	href := r.start(t, `{"saga":"waits","input":{}}`)
	server := httptest.NewServer(r.server.Handler())
	defer server.Close()
	resp, err := http.Get(server.URL + strings.Replace(href, "sagas/runs", "transactions", 1) + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	seen := map[string][]string{}
	lines, signalled, answered, end := bufio.NewScanner(resp.Body), false, false, false
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		end = end || lines.Text() == "event: end"
		text, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var v TransactionDetail
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		for _, b := range v.Branches {
			if states := seen[b.Step]; len(states) == 0 || states[len(states)-1] != b.State {
				seen[b.Step] = append(states, b.State)
			}
		}
		switch {
		case len(seen["ok"]) > 0 && !answered:
			answered = true
			r.post(t, href+"/approvals/ok", `{"approve":false}`)
		case len(seen["paid"]) > 0 && !signalled:
			signalled = true
			r.post(t, href+"/signals/paid", `{"data":{"n":5}}`)
		}
	}
	if !end || !slices.Equal(seen["paid"], []string{"Registered", "PhaseOneDone", "Finished"}) ||
		seen["ok"][0] != "Registered" || !slices.Contains(seen["ok"], "PhaseOneFailed") {
		t.Errorf("ended: %t, %v", end, seen)
	}
}
