package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

const xid = "10.0.0.5:8091:100"

func TestShowTransaction(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	for _, path := range []string{xid, "100", "other:1:100"} {
		status, got, _ := r.do(t, "GET", "/api/v1/transactions/"+path, "")
		if status != 200 {
			t.Fatalf("%s: %d %v", path, status, got)
		}
		for key, want := range map[string]any{
			"xid": xid, "id": "100", "status": "Active", "stuck": false, "application": "shop", "name": "buy",
			"beganAt": "2023-11-14T22:13:20.123Z", "deadline": "2023-11-14T22:14:20.123Z", "timeoutMs": 60000.0,
			"lockCount": 2.0, "branchCount": 2.0,
			"explanation": "It is open: branches may join for 1m0s more, then it is rolled back.",
		} {
			if diff := cmp.Diff(want, got[key]); diff != "" {
				t.Errorf("%s: %s", key, diff)
			}
		}
		branch := got["branches"].([]any)[0].(map[string]any)
		if branch["id"] != "101" || branch["kind"] != "AT" || branch["lockedRows"] != 2.0 {
			t.Errorf("branch: %v", branch)
		}
		lock := got["locks"].([]any)[1].(map[string]any)
		if lock["table"] != "t" || lock["pk"] != "2" || lock["branch"] != "101" {
			t.Errorf("lock: %v", lock)
		}
		for _, absent := range []string{"decidedAt", "endedAt", "cause", "stuckReason", "advice"} {
			if value, found := got[absent]; found {
				t.Errorf("%s is shown: %v", absent, value)
			}
		}
	}
}

func TestStuckTransactionIsExplained(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	r.apply(100, txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested}, func(*txn.Global, error) {})
	r.apply(100, txn.Wake{}, func(*txn.Global, error) {})
	r.apply(100, txn.Reply{BranchID: 101, Op: txn.Rollback, Attempt: 1, Result: txn.ResultRefused, Text: "dirty"},
		func(*txn.Global, error) {})
	_, got, _ := r.do(t, "GET", "/api/v1/transactions/"+xid, "")
	if got["stuck"] != true || got["stuckReason"] != "refused" {
		t.Errorf("got %v", got)
	}
	explanation, advice := got["explanation"].(string), got["advice"].(string)
	if !strings.Contains(explanation, `branch 101 (AT, jdbc:mysql://db/a) said: "dirty"`) ||
		!strings.Contains(advice, "concord tx retry "+xid) || !strings.Contains(advice, "undo_log") {
		t.Errorf("explanation %q, advice %q", explanation, advice)
	}
}

func TestListFiltersReachTheStore(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	status, got, _ := r.do(t, "GET", "/api/v1/transactions?status=rollingback&live=true&stuck=1&application=a&name=n"+
		"&since=1s&until=2023-11-14T22:13:20Z&limit=7&cursor=x", "")
	if status != 200 || got["next"] != "more" || len(got["items"].([]any)) != 1 {
		t.Errorf("%d %v", status, got)
	}
	want := orchestrator.Query{
		Status: txn.RollingBack, Live: true, Stuck: true, Application: "a", Name: "n", BeganFrom: r.now - 1000,
		BeganTo: 1_700_000_000_000, Limit: 7, Cursor: "x",
	}
	if diff := cmp.Diff(want, r.query); diff != "" {
		t.Error(diff)
	}
	status, got, _ = r.do(t, "GET", "/api/v1/locks?resource=r&table=t&pk=1&holder="+xid+"&limit=100", "")
	if status != 200 || got["items"].([]any)[0].(map[string]any)["holder"] != "h:1:5" {
		t.Errorf("%d %v", status, got)
	}
	locks := orchestrator.LockQuery{Resource: "r", Table: "t", PK: "1", Holder: 100, Limit: 100}
	if diff := cmp.Diff(locks, r.locks); diff != "" {
		t.Error(diff)
	}
	_, got, _ = r.do(t, "GET", "/api/v1/waits", "")
	wait := got["items"].([]any)[0].(map[string]any)
	if wait["waiter"] != "10.0.0.5:8091:8" || wait["waitMs"] != 1500.0 {
		t.Errorf("%v", wait)
	}
}

func TestWrongRequestsGetAProblem(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, detail             string
	}{
		{"no route", "GET", "/api/v1/nothing", "", nil, 404, "routeNotFound", ""},
		{"no method", "DELETE", "/api/v1/locks", "", nil, 405, "methodNotAllowed", ""},
		{"state change by GET", "GET", "/api/v1/transactions/100/commit", "", nil, 405, "methodNotAllowed", ""},
		{"unknown xid", "GET", "/api/v1/transactions/h:1:999", "", nil, 404, "transactionNotFound", ""},
		{"no xid", "GET", "/api/v1/transactions/hello", "", nil, 400, "argumentInvalid", `"hello" is no xid`},
		{"negative xid", "GET", "/api/v1/transactions/-5", "", nil, 400, "argumentInvalid", "is no xid"},
		{"huge xid", "GET", "/api/v1/transactions/99999999999999999999", "", nil, 400, "argumentInvalid", "is no xid"},
		{"bad status", "GET", "/api/v1/transactions?status=x", "", nil, 400, "argumentInvalid", "Active, Committing"},
		{"bad bool", "GET", "/api/v1/transactions?live=x", "", nil, 400, "argumentInvalid", "live is true or false"},
		{"bad limit", "GET", "/api/v1/transactions?limit=5000", "", nil, 400, "argumentInvalid", "1 to 1000"},
		{"bad time", "GET", "/api/v1/transactions?since=-5s", "", nil, 400, "argumentInvalid", "an age such as 15m"},
		{"bad filter", "GET", "/api/v1/transactions?state=x", "", nil, 400, "argumentInvalid", `unknown parameter "state"`},
		{"bad holder", "GET", "/api/v1/locks?holder=x", "", nil, 400, "argumentInvalid", "is no xid"},
		{"bad body", "POST", "/api/v1/transactions/100/commit", "{", nil, 400, "argumentInvalid", "the body is not"},
		{"bad field", "POST", "/api/v1/transactions/100/commit", `{"x":1}`, nil, 400, "argumentInvalid", `unknown field "x"`},
		{"text after the body", "POST", "/api/v1/transactions/100/commit", "{} x", nil, 400, "argumentInvalid", "more after"},
		{"wrong type", "POST", "/api/v1/transactions/100/commit", `{"waitMs":"x"}`, nil, 400, "argumentInvalid",
			"waitMs is a whole number, not string"},
		{"no object", "POST", "/api/v1/transactions/100/commit", `[]`, nil, 400, "argumentInvalid",
			"not an object but array"},
		{"broken query", "GET", "/api/v1/transactions?%zz=1", "", nil, 400, "argumentInvalid", "malformed"},
		{"filter twice", "GET", "/api/v1/locks?pk=1&pk=2", "", nil, 400, "argumentInvalid", `"pk" is given 2 times`},
		{"no filters", "GET", "/api/v1/sessions?x=1", "", nil, 400, "argumentInvalid", "there are none"},
		{"long reason", "POST", "/api/v1/transactions/100/operations",
			`{"action":"commit","digest":"d","reason":"` + strings.Repeat("x", 200) + `"}`, nil, 400, "argumentInvalid",
			"reason is missing, longer"},
		{"no reason", "POST", "/api/v1/transactions/100/operations", `{"action":"commit","digest":"d"}`, nil, 400,
			"argumentInvalid", "reason is missing"},
		{"no digest", "POST", "/api/v1/transactions/100/operations", `{"action":"commit","reason":"r"}`, nil, 400,
			"argumentInvalid", "digest is missing"},
		{"old digest", "POST", "/api/v1/transactions/100/operations", `{"action":"commit","digest":"d","reason":"r"}`,
			nil, 412, "planChanged", ""},
		{"no action", "POST", "/api/v1/transactions/100/plan", `{"action":"x"}`, nil, 400, "argumentInvalid",
			"action is commit"},
		{"no body", "POST", "/api/v1/transactions/100/plan", "", nil, 400, "argumentInvalid", "action is commit"},
		{"skip nothing", "POST", "/api/v1/transactions/100/plan", `{"action":"skip"}`, nil, 400, "argumentInvalid",
			"skip needs a branch"},
		{"commit a branch", "POST", "/api/v1/transactions/100/plan", `{"action":"commit","branch":"101"}`, nil, 400,
			"argumentInvalid", "of the whole transaction"},
		{"no branch id", "POST", "/api/v1/transactions/100/plan", `{"action":"retry","branch":"x"}`, nil, 400,
			"argumentInvalid", "not the id of a branch"},
		{"nothing to retry", "POST", "/api/v1/transactions/100/plan", `{"action":"retry"}`, nil, 409,
			"transactionNotDecided", ""},
		{"long wait", "POST", "/api/v1/transactions/100/commit", `{"waitMs":99999}`, nil, 400, "argumentInvalid",
			"waitMs is a number from 0 to 25000"},
		{"no message", "POST", "/api/v1/messages/100/submit", "", nil, 409, "notAMessage", ""},
		{"negative timeout", "POST", "/api/v1/transactions", `{"timeoutMs":-1}`, nil, 400, "argumentInvalid",
			"timeoutMs is a positive"},
		{"large body", "POST", "/api/v1/transactions/100/commit", `{"x":"` + strings.Repeat("x", 5000) + `"}`, nil,
			413, "requestTooLarge", ""},
		{"foreign host", "GET", "/api/v1/locks", "", []string{"Host", "evil.example:8088"}, 403, "hostNotAllowed", ""},
		{"cross site", "POST", "/api/v1/transactions/100/commit", "", []string{"Origin", "http://evil.example"}, 403,
			"crossSite", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, got, header := r.do(t, tt.method, tt.path, tt.body, tt.headers...)
			detail, _ := got["detail"].(string)
			if status != tt.status || got["code"] != tt.code || !strings.Contains(detail, tt.detail) {
				t.Errorf("got %d %v", status, got)
			}
			if header.Get("Content-Type") != "application/problem+json" || got["title"] == "" ||
				got["type"] != "urn:concord:error:"+tt.code || got["requestId"] != header.Get("X-Request-Id") {
				t.Errorf("not a whole problem: %v %v", header, got)
			}
		})
	}
	if g := r.all[100]; g.Status != txn.Active {
		t.Errorf("a refused request decided: %s", g.Status)
	}
}

func TestFaultsAreAnsweredWithoutDetails(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.listErr = errors.New("disk /dev/sda on fire")
	status, got, _ := r.do(t, "GET", "/api/v1/transactions", "")
	if status != 503 || got["code"] != "storeFault" || got["detail"] != nil {
		t.Errorf("%d %v", status, got)
	}
	r.broken = true
	status, got, _ = r.do(t, "GET", "/api/v1/transactions/1", "")
	if status != 500 || got["code"] != "internal" {
		t.Errorf("%d %v", status, got)
	}
}

func TestReadinessSaysWhyNot(t *testing.T) {
	t.Parallel()
	var reasons []Reason
	r := setup(t, func(o *Options) { o.Ready = func() []Reason { return reasons } })
	if status, got, _ := r.do(t, "GET", "/readyz", ""); status != 200 || got["ready"] != true {
		t.Errorf("%d %v", status, got)
	}
	reasons = []Reason{{Code: "diskReserve", Sentence: "The disk is nearly full."}}
	status, got, _ := r.do(t, "GET", "/readyz", "")
	if status != 503 || got["reasons"].([]any)[0].(map[string]any)["code"] != "diskReserve" {
		t.Errorf("%d %v", status, got)
	}
	if status, _, _ := r.do(t, "GET", "/healthz", ""); status != 200 {
		t.Errorf("health: %d", status)
	}
}

func TestMetricsAreReadAtTheScrape(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) {
		o.Samples = func() []Sample {
			return []Sample{{Name: "tx_sessions", Help: "x", Label: "role", LabelValue: "TM", Value: 4}}
		}
	})
	r.do(t, "GET", "/nothing/at/all", "")
	status, got, _ := r.do(t, "GET", "/metrics", "")
	if status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	for _, line := range []string{
		"tx_begun_total 42", `tx_decisions_total{outcome="commit"} 7`, `tx_stored{status="Active"} 3`, "tx_stuck 1",
		"tx_locks 2", "tx_ready 1", `tx_build_info{version="1.2.3"} 1`, `tx_sessions{role="TM"} 4`, "go_goroutines",
		"process_open_fds", `tx_http_request_seconds_count{method="GET",route="other",status="404"} 1`,
	} {
		if !strings.Contains(got["text"].(string), line) {
			t.Errorf("%s is missing", line)
		}
	}
}

func TestRunServesAndDrains(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.server.Run(ctx, listener, time.Second) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + listener.Addr().String() + "/api/v1/version")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), "1.2.3") {
		t.Errorf("%s %v", body, err)
	}
	_ = resp.Body.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunReportsAFault(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := r.server.Run(t.Context(), listener, time.Second); err == nil {
		t.Error("serving on a closed listener succeeded")
	}
}

func TestHealthAnswersHEAD(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		w := httptest.NewRecorder()
		r.server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodHead, path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
}

func TestTimesAreRFC3339InMilliseconds(t *testing.T) {
	t.Parallel()
	for _, m := range []txn.Millis{
		1, 999, 1_700_000_000_123, 951_782_400_000, 253_402_300_799_999, 253_402_300_800_000, -1, -62_167_219_200_001,
	} {
		if got, want := when(m), m.Time().Format(timeFormat); got != want {
			t.Errorf("%d: %s instead of %s", int64(m), got, want)
		}
	}
}
