package web

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// moveTypes are the types behind the schemas of moves.
func moveTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"SagaMove": reflect.TypeFor[sagaMove](), "SagaMoveAll": reflect.TypeFor[sagaMoveAll](),
		"SagaMoved": reflect.TypeFor[SagaMoved](), "SagaMoves": reflect.TypeFor[SagaMoves](),
		"SagaMoveProblem": reflect.TypeFor[SagaMoveProblem](),
	}
}

const waitText = `
saga: 1
name: wait
deadline: 1h
steps:
  - {id: book, call: {url: "HOST/book"}, compensate: {call: {url: "HOST/undo"}}}
  - {id: sure, signal: {name: sure}}
  - {id: ship, call: {url: "HOST/ship"}, compensate: {call: {url: "HOST/unship"}}}
`

// waitingRuns begins runs that wait for the signal.
func waitingRuns(t *testing.T, r *runRig, n int) (hrefs []string) {
	t.Helper()
	for range n {
		href := r.start(t, `{"saga":"wait"}`)
		r.until(t, href, "waiting", func(v SagaRun) bool { return len(v.Waits) == 1 })
		hrefs = append(hrefs, href)
	}
	return hrefs
}

func TestARunIsMovedToAnotherVersion(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitText)
	href := waitingRuns(t, r, 1)[0]
	r.publish(t, strings.ReplaceAll(waitText, "id: book", "id: reserve")+
		"  - {id: tell, call: {url: \"HOST/tell\"}, readOnly: true}\n")
	status, got := r.post(t, href+"/move", `{"to":2}`)
	if status != 409 || got["code"] != "needsMapping" || !strings.Contains(fmt.Sprint(got["reasons"]), "book") {
		t.Fatalf("%d %v", status, got)
	}
	status, got = r.post(t, href+"/move", `{"mapping":{"book":"reserve"},"dryRun":true}`)
	if status != 200 || got["verdict"] != "safe" || got["moved"] != false {
		t.Fatalf("%d %v", status, got)
	}
	status, got = r.post(t, href+"/move", `{"mapping":{"book":"reserve"}}`)
	if status != 200 || got["moved"] != true {
		t.Fatalf("%d %v", status, got)
	}
	v := r.until(t, href, "moved", func(v SagaRun) bool { return v.Version == 2 })
	if v.step("reserve").State != "done" || !slices.Contains(v.told(""), "moved") {
		t.Errorf("%+v", v)
	}
	r.restart(t) // what was moved is in the record
	if status, got := r.post(t, href+"/signals/sure", `{}`); status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	r.ended(t, href, "Committed")
	for path, want := range map[string]int{"POST /book": 1, "POST /ship": 1, "POST /tell": 1, "POST /undo": 0} {
		if n := r.p.asked(path); n != want {
			t.Errorf("%s: %d times", path, n)
		}
	}
	status, got = r.post(t, href+"/move", `{"to":1}`)
	if status != 409 || got["code"] != "mustStay" || !strings.Contains(fmt.Sprint(got["reasons"]), "it has ended") {
		t.Errorf("%d %v", status, got)
	}
	for body, want := range map[string]int{
		`{"to":9}`: 404, `{"to":1,"mapping":{"gone":"book"}}`: 400, `{"too":1}`: 400,
	} {
		if status, got := r.post(t, href+"/move", body); status != want {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
}

// TestAMoveWhileAStepIsUnderWay: the call goes on, and its answer counts.
func TestAMoveWhileAStepIsUnderWay(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitText)
	hold := make(chan struct{})
	r.p.mu.Lock()
	r.p.holds["POST /book"] = hold
	r.p.mu.Unlock()
	href := r.start(t, `{"saga":"wait"}`)
	r.until(t, href, "booking", func(SagaRun) bool { return r.p.asked("POST /book") == 1 })
	r.publish(t, strings.Replace(waitText, "HOST/book", "HOST/book2", 1))
	r.publish(t, strings.ReplaceAll(waitText, "sure", "certain"))
	status, got := r.post(t, href+"/move", `{"to":2}`)
	if status != 409 || got["code"] != "mustStay" || !strings.Contains(fmt.Sprint(got["reasons"]), "asks something else") {
		t.Errorf("%d %v", status, got)
	}
	if status, got = r.post(t, href+"/move", `{"to":3}`); status != 200 || got["moved"] != true {
		t.Fatalf("%d %v", status, got)
	}
	close(hold)
	r.until(t, href, "waiting", func(v SagaRun) bool { return len(v.Waits) == 1 && v.Waits[0].Name == "certain" })
	if status, got := r.post(t, href+"/signals/certain", `{}`); status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	r.ended(t, href, "Committed")
	if n := r.p.asked("POST /book"); n != 1 {
		t.Errorf("booked %d times", n)
	}
}

func TestRunsOfAVersionAreMoved(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, waitText)
	old := waitingRuns(t, r, 5)
	r.publish(t, waitText+"  - {id: tell, call: {url: \"HOST/tell\"}, readOnly: true}\n")
	fresh := waitingRuns(t, r, 2)
	if status, got := r.post(t, old[0]+"/cancel", `{"reason":"no"}`); status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	r.ended(t, old[0], "RolledBack")
	const path = "/api/v1/sagas/definitions/wait/move"
	all := func(body string) (moved, items int) {
		for cursor := ""; ; {
			status, got := r.post(t, path, fmt.Sprintf(body, cursor))
			if status != 200 {
				t.Fatalf("%d %v", status, got)
			}
			for _, item := range got["items"].([]any) {
				item := item.(map[string]any)
				items++
				if item["verdict"] != "safe" || !strings.HasPrefix(item["xid"].(string), "10.0.0.5:8091:") {
					t.Errorf("%v", item)
				}
				if item["moved"] == true {
					moved++
				}
			}
			next, more := got["next"].(string)
			if !more {
				return moved, items
			}
			cursor = next
		}
	}
	if moved, items := all(`{"from":1,"to":2,"dryRun":true,"limit":2,"cursor":%q}`); moved != 0 || items != 4 {
		t.Errorf("dry: %d of %d", moved, items)
	}
	if moved, items := all(`{"from":1,"limit":3,"cursor":%q}`); moved != 4 || items != 4 {
		t.Errorf("%d of %d", moved, items)
	}
	if moved, items := all(`{"from":1,"cursor":%q}`); moved != 0 || items != 0 {
		t.Errorf("again: %d of %d", moved, items)
	}
	for _, href := range append(old[1:], fresh...) {
		if status, got := r.post(t, href+"/signals/sure", `{}`); status != 200 {
			t.Fatalf("%d %v", status, got)
		}
		r.ended(t, href, "Committed")
	}
	if book, tell := r.p.asked("POST /book"), r.p.asked("POST /tell"); book != 7 || tell != 6 {
		t.Errorf("%d bookings, %d tellings", book, tell)
	}
	for body, want := range map[string]int{
		`{}`: 400, `{"from":1,"limit":999}`: 400, `{"from":2,"to":2}`: 400, `{"from":1,"to":7}`: 404,
	} {
		if status, got := r.post(t, path, body); status != want {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
	if status, got := r.post(t, "/api/v1/sagas/definitions/none/move", `{"from":1}`); status != 404 {
		t.Errorf("%d %v", status, got)
	}
}

// mixedText has a step that the next version calls otherwise, which also wants a number in its input.
const mixedText = `
saga: 1
name: mixed
deadline: 1h
steps:
  - {id: go, signal: {name: go}}
  - {id: book, call: {url: "HOST/book"}, compensate: {call: {url: "HOST/undo"}}}
  - {id: sure, signal: {name: sure}}
`

// TestAPageOfRunsIsJudgedOneByOne: what is safe is moved, what needs a mapping waits for one, and what must stay goes
// on to its end by its own version.
func TestAPageOfRunsIsJudgedOneByOne(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, mixedText)
	// Each is begun with an input, and is told to go or not.
	kinds := []struct{ verdict, input, signal string }{
		{"safe", `{"n":1}`, ""}, {"needsMapping", `{"n":2}`, "go"}, {"mustStay", `{"n":"x"}`, ""},
		{"mustStay", `{"n":"y"}`, "go"}, {"needsMapping", `{"n":3}`, "go"}, {"safe", `{"n":4}`, ""},
	}
	hrefs, verdicts := make([]string, len(kinds)), map[string]string{}
	waits := func(href, signal string) SagaRun {
		return r.until(t, href, "waiting for "+signal, func(v SagaRun) bool {
			return len(v.Waits) == 1 && v.Waits[0].Name == signal
		})
	}
	signal := func(href, name string) {
		if status, got := r.post(t, href+"/signals/"+name, `{}`); status != 200 {
			t.Fatalf("%d %v", status, got)
		}
	}
	for i, kind := range kinds {
		hrefs[i] = r.start(t, `{"saga":"mixed","input":`+kind.input+`}`)
		v := waits(hrefs[i], "go")
		if kind.signal != "" {
			signal(hrefs[i], kind.signal)
			waits(hrefs[i], "sure")
		}
		verdicts[v.XID] = kind.verdict
	}
	r.publish(t, strings.Replace(mixedText, "id: book", "id: reserve", 1)+
		"input: {type: object, properties: {n: {type: number}}}\n")

	// One page has all of them. It returns how many were moved, and looks at what became of each.
	page := func(body string, mapped bool, items int) (moved int) {
		t.Helper()
		status, got := r.post(t, "/api/v1/sagas/definitions/mixed/move", body)
		if status != 200 || len(got["items"].([]any)) != items || got["next"] != nil || got["to"] != 2.0 {
			t.Fatalf("%d %v", status, got)
		}
		for _, item := range got["items"].([]any) {
			item := item.(map[string]any)
			want := verdicts[item["xid"].(string)]
			if mapped && want == "needsMapping" {
				want = "safe"
			}
			about := map[string]string{"safe": "[]", "needsMapping": "book", "mustStay": "input"}[want]
			if item["verdict"] != want || !strings.Contains(fmt.Sprint(item["reasons"]), about) {
				t.Errorf("%s: %v, want %s", body, item, want)
			}
			if item["moved"] == true {
				moved++
			}
		}
		return moved
	}
	versions := func(when string, of map[string]uint32) {
		t.Helper()
		for i, kind := range kinds {
			v := r.until(t, hrefs[i], "there", func(SagaRun) bool { return true })
			if v.Version != of[kind.verdict] || v.Status != "Active" {
				t.Errorf("%s: %s with %s is %s at version %d", when, kind.verdict, kind.input, v.Status, v.Version)
			}
		}
	}
	if n := page(`{"from":1,"to":2,"dryRun":true}`, false, 6); n != 0 {
		t.Errorf("%d were moved for nothing", n)
	}
	if n := page(`{"from":1,"to":2,"dryRun":true,"mapping":{"book":"reserve"}}`, true, 6); n != 0 {
		t.Errorf("%d were moved for nothing", n)
	}
	versions("dry", map[string]uint32{"safe": 1, "needsMapping": 1, "mustStay": 1})
	if n := page(`{"from":1,"to":2}`, false, 6); n != 2 {
		t.Errorf("%d were moved without a mapping", n)
	}
	versions("without a mapping", map[string]uint32{"safe": 2, "needsMapping": 1, "mustStay": 1})
	if n := page(`{"from":1,"to":2,"mapping":{"book":"reserve"}}`, true, 4); n != 2 {
		t.Errorf("%d were moved with a mapping", n)
	}
	versions("with a mapping", map[string]uint32{"safe": 2, "needsMapping": 2, "mustStay": 1})

	for i, kind := range kinds {
		if kind.signal == "" {
			signal(hrefs[i], "go")
			waits(hrefs[i], "sure")
		}
		signal(hrefs[i], "sure")
		v, step := r.ended(t, hrefs[i], "Committed"), "reserve"
		if kind.verdict == "mustStay" {
			step = "book"
		}
		if v.step(step).State != "done" {
			t.Errorf("%s: %s is %q", kind.input, step, v.step(step).State)
		}
	}
	if book, undo := r.p.asked("POST /book"), r.p.asked("POST /undo"); book != len(kinds) || undo != 0 {
		t.Errorf("%d bookings, %d undone", book, undo)
	}
}
