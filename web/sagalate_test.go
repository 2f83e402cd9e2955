package web

import (
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/machine"
)

// lateText goes on after its deadline, timelyText does not reach it, and earlyText is rolled back by it.
const (
	lateText = `
saga: 1
name: late
deadline: 10ms
onDeadline: forward
steps:
  - {id: sure, signal: {name: sure}}
  - {id: ship, call: {url: "HOST/ship"}, compensate: {call: {url: "HOST/unship"}}}
`
	timelyText = "saga: 1\nname: timely\ndeadline: 1h\nsteps: [{id: sure, signal: {name: sure}}]\n"
	earlyText  = "saga: 1\nname: early\ndeadline: 10ms\nsteps: [{id: sure, signal: {name: sure}}]\n"
)

func isLate(v SagaRun) bool { return v.Late && v.LateMs > 0 }

func TestARunThatGoesOnAfterItsDeadlineIsShownAsLate(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	for _, text := range []string{lateText, timelyText, earlyText} {
		r.publish(t, text)
	}
	timely := r.start(t, `{"saga":"timely","key":"t"}`)
	early := r.ended(t, r.start(t, `{"saga":"early","key":"e"}`), "RolledBack")
	href := r.start(t, `{"saga":"late","key":"l"}`)
	v := r.until(t, href, "late", isLate)
	if v.Status != "Active" || v.Outcome != "running" || v.EndedAt != "" {
		t.Errorf("%+v", v)
	}
	if early.Late || early.LateMs != 0 || early.Cause != "timeout" {
		t.Errorf("rolled back by its deadline: %+v", early)
	}
	if v := r.until(t, timely, "there", func(SagaRun) bool { return true }); v.Late || v.LateMs != 0 {
		t.Errorf("an hour before its deadline: %+v", v)
	}
	longer := r.until(t, href, "later still", func(now SagaRun) bool { return now.LateMs > v.LateMs })
	if longer.DeadlineAt != v.DeadlineAt {
		t.Errorf("%s, then %s", v.DeadlineAt, longer.DeadlineAt)
	}

	// It goes on to its end, and is late for ever, but not ever later.
	if status, got := r.post(t, href+"/signals/sure", `{}`); status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	done := r.ended(t, href, "Committed")
	if !done.Late || done.LateMs < longer.LateMs || done.Cause != "completed" || done.Outcome != "done" {
		t.Errorf("%+v", done)
	}
	decided, _ := time.Parse(time.RFC3339, done.DecidedAt)
	deadline, _ := time.Parse(time.RFC3339, done.DeadlineAt)
	if want := decided.Sub(deadline).Milliseconds(); done.LateMs != want {
		t.Errorf("%d ms late, and decided %d ms after its deadline", done.LateMs, want)
	}
	r.restart(t)
	if again := r.ended(t, href, "Committed"); !again.Late || again.LateMs != done.LateMs {
		t.Errorf("%+v", again)
	}

	// What is refused after the deadline is late, too, and not rolled back by the deadline.
	r.p.say("POST /ship", "409 no")
	href = r.start(t, `{"saga":"late","key":"m"}`)
	r.until(t, href, "late", isLate)
	if status, got := r.post(t, href+"/signals/sure", `{}`); status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	if v := r.ended(t, href, "RolledBack"); !v.Late || v.Cause != "refused" {
		t.Errorf("%+v", v)
	}
}

func TestLateRunsAreListed(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	for _, text := range []string{lateText, timelyText} {
		r.publish(t, text)
	}
	gone := r.start(t, `{"saga":"late","key":"gone"}`)
	r.until(t, gone, "late", isLate)
	if status, got := r.post(t, gone+"/signals/sure", `{}`); status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	r.ended(t, gone, "Committed")
	for range 3 {
		r.start(t, `{"saga":"timely"}`)
	}
	r.start(t, `{"saga":"timely","key":"t"}`)
	r.until(t, r.start(t, `{"saga":"late","key":"live"}`), "late", isLate)
	for query, want := range map[string]string{
		"": "live t    gone", "?late=true": "live gone", "?late=false": "live t    gone", "?late=true&live=true": "live",
		"?late=true&status=committed": "gone", "?late=true&saga=timely": "", "?late=true&saga=late&key=gone": "gone",
		"?late=true&saga=timely&key=t": "", "?saga=timely&key=t": "t",
	} {
		status, got, _ := r.do(t, "GET", "/api/v1/sagas/runs"+query, "")
		var keys []string
		for _, item := range got["items"].([]any) {
			item := item.(map[string]any)
			key, _ := item["key"].(string)
			keys = append(keys, key)
			ms, _ := item["lateMs"].(float64)
			if late := item["saga"] == "late"; item["late"] != late || (ms > 0) != late {
				t.Errorf("%s: %v", query, item)
			}
		}
		if status != 200 || strings.Join(keys, " ") != want {
			t.Errorf("%s: %d %q, want %q", query, status, keys, want)
		}
	}
	// Pages of one, with runs in between that are not late.
	var keys []string
	for next := "x"; next != ""; {
		_, got, _ := r.do(t, "GET", "/api/v1/sagas/runs?late=true&limit=1&cursor="+strings.TrimPrefix(next, "x"), "")
		for _, item := range got["items"].([]any) {
			keys = append(keys, item.(map[string]any)["key"].(string))
		}
		next, _ = got["next"].(string)
	}
	if strings.Join(keys, " ") != "live gone" {
		t.Errorf("on all pages: %q", keys)
	}
}

// TestAMachineThatGoesForwardIsShownAsLate: machines of Seata have no deadline of their own; their callers give one.
func TestAMachineThatGoesForwardIsShownAsLate(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	const text = `{"Name": "lateMachine", "Version": "0.0.1", "StartState": "Take", "RecoverStrategy": "STRATEGY",
		"States": {"Take": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "take",
			"CompensateState": "PutBack", "Next": "Done"},
		"PutBack": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "putBack"},
		"Done": {"Type": "Succeed"}}}`
	hold := make(chan struct{})
	r.p.mu.Lock()
	r.p.holds["POST /stock/take"] = hold
	r.p.mu.Unlock()
	begin := func(strategy string) string {
		body := machine.Source{
			Machine:  strings.Replace(text, "STRATEGY", strategy, 1),
			Bindings: "default: {call: {url: '" + r.p.URL + "/{service}/{method}'}}\n",
		}.Text()
		if status, got := r.post(t, "/api/v1/sagas/definitions", body); status != 201 {
			t.Fatalf("%d %v", status, got)
		}
		return r.start(t, `{"saga":"lateMachine","timeout":"10ms"}`)
	}
	forward := begin("Forward")
	r.until(t, forward, "late", isLate)
	back := begin("Compensate")
	v := r.until(t, back, "decided", func(v SagaRun) bool { return v.DecidedAt != "" })
	if v.Late || v.Cause != "timeout" {
		t.Errorf("%+v", v)
	}
	close(hold)
	if v := r.ended(t, forward, "Committed"); !v.Late || v.LateMs <= 0 || v.Cause != "completed" {
		t.Errorf("%+v", v)
	}
	r.ended(t, back, "RolledBack")
}

func TestWhatIsLate(t *testing.T) {
	t.Parallel()
	const began, deadline = txn.Millis(1000), txn.Millis(3000)
	for name, tt := range map[string]struct {
		status       txn.Status
		cause        txn.Cause
		decided, now txn.Millis
		late         int64 // -1: it is not
	}{
		"goes on in time":             {txn.Active, 0, 0, deadline - 1, -1},
		"its time is over":            {txn.Active, 0, 0, deadline, 0},
		"goes on":                     {txn.Active, 0, 0, deadline + 7, 7},
		"done in time":                {txn.Committed, txn.CauseCompleted, deadline - 1, deadline + 9, -1},
		"done afterwards":             {txn.Committed, txn.CauseCompleted, deadline + 5, deadline + 9, 5},
		"rolled back by the deadline": {txn.RollingBack, txn.CauseTimeout, deadline + 5, deadline + 9, -1},
		"refused in time":             {txn.RollingBack, txn.CauseRefused, deadline - 5, deadline + 9, -1},
		"refused afterwards":          {txn.RolledBack, txn.CauseRefused, deadline + 5, deadline + 9, 5},
		"cancelled afterwards":        {txn.RollingBack, txn.CauseOperator, deadline + 5, deadline + 9, 5},
	} {
		g := &txn.Global{
			Status: tt.status, Cause: tt.cause, BeganAt: began, DecidedAt: tt.decided, Timeout: 2 * time.Second,
		}
		if late, ms := lateness(g, tt.now); late != (tt.late >= 0) || ms != max(tt.late, 0) {
			t.Errorf("%s: %t, %d ms", name, late, ms)
		}
	}
}
