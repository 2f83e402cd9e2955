package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/webtest"
)

// eventually polls until ok, for at most a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

// change replaces a stored value.
func change(t *testing.T, docs orchestrator.Documents, kind, key string, change func([]byte) []byte) {
	t.Helper()
	d, err := docs.GetDocument(t.Context(), kind, key)
	if err != nil {
		t.Fatal(err)
	}
	d.Value, d.Version = change(d.Value), d.Version+1
	if err := docs.PutDocument(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func TestJobsCarryOutWhatWasPlanned(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Documents = webtest.NewDocuments(o.Clock) })
	for id := int64(100); id < 103; id++ {
		r.begin(t, 10*id)
	}
	r.apply(1020, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}, func(*txn.Global, error) {})
	status, job, _ := r.do(t, "POST", "/api/v1/jobs", `{"action":"rollback","filter":{"live":true},"ratePerSecond":5000}`)
	if status != 201 || job["state"] != "planned" || job["total"] != 2.0 || job["refused"] != 1.0 ||
		job["calls"] != 4.0 || job["rows"] != 4.0 || len(job["sample"].([]any)) != 2 {
		t.Fatalf("%d %v", status, job)
	}
	path := "/api/v1/jobs/" + job["id"].(string)
	start := `{"digest":"` + job["digest"].(string) + `","reason":"ticket 8"}`
	for body, want := range map[string]int{`{"digest":"x","reason":"r"}`: 412, `{"digest":"x"}`: 400} {
		if status, got, _ := r.do(t, "POST", path+"/start", body); status != want {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
	r.apply(1000, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}, func(*txn.Global, error) {}) // moves on
	if status, got, _ := r.do(t, "POST", path+"/start", start, "Concord-Actor", "kim"); status != 202 {
		t.Fatalf("%d %v", status, got)
	}
	eventually(t, "the job is done", func() bool {
		_, job, _ = r.do(t, "GET", path, "")
		return job["state"] == "done"
	})
	if job["done"] != 1.0 || job["moved"] != 1.0 || job["failed"] != 0.0 || job["actor"] != "kim" {
		t.Errorf("%v", job)
	}
	_, items, _ := r.do(t, "GET", path+"/items", "")
	results := map[any]any{}
	for _, item := range items["items"].([]any) {
		item := item.(map[string]any)
		results[item["xid"]] = item["result"]
	}
	if len(results) != 2 || results["10.0.0.5:8091:1000"] != "moved" || results["10.0.0.5:8091:1010"] != "done" {
		t.Errorf("%v", results)
	}
	if r.all[1010].Status != txn.RollingBack || r.all[1000].Status != txn.Committing {
		t.Errorf("%s, %s", r.all[1010].Status, r.all[1000].Status)
	}
	if status, got, _ := r.do(t, "POST", path+"/start", start); status != 409 || got["code"] != "jobStateInvalid" {
		t.Errorf("start again: %d %v", status, got)
	}
	if status, got, _ := r.do(t, "POST", path+"/cancel", ""); status != 409 {
		t.Errorf("cancel what is done: %d %v", status, got)
	}
	_, list, _ := r.do(t, "GET", "/api/v1/jobs", "")
	if len(list["items"].([]any)) != 1 {
		t.Errorf("%v", list)
	}
}

// TestInterruptedJobsGoOn: what is done already is not done again.
func TestInterruptedJobsGoOn(t *testing.T) {
	t.Parallel()
	var docs orchestrator.Documents
	r := setup(t, func(o *Options) {
		docs = webtest.NewDocuments(o.Clock)
		o.Documents = docs
	})
	r.begin(t, 100)
	r.begin(t, 200)
	_, job, _ := r.do(t, "POST", "/api/v1/jobs", `{"action":"rollback","filter":{"application":"shop"}}`)
	id := job["id"].(string)
	change(t, docs, jobKind, id, func(value []byte) []byte {
		var j Job
		if err := json.Unmarshal(value, &j); err != nil {
			t.Error(err)
		}
		j.State, j.Done = JobRunning, 1
		value, _ = json.Marshal(j)
		return value
	})
	change(t, docs, chunkKind, chunkKey(id, 0), func(value []byte) []byte {
		var items []storedItem
		if err := json.Unmarshal(value, &items); err != nil || len(items) != 2 {
			t.Errorf("%d items, %v", len(items), err)
		}
		items[0].Result = "done"
		value, _ = json.Marshal(items)
		return value
	})
	path := "/api/v1/jobs/" + id
	if _, got, _ := r.do(t, "GET", path, ""); got["state"] != "running" {
		t.Errorf("%v", got)
	}
	r.now += 31_000
	if _, got, _ := r.do(t, "GET", path, ""); got["state"] != "interrupted" {
		t.Errorf("%v", got)
	}
	body := `{"digest":"` + job["digest"].(string) + `","reason":"go on"}`
	if status, got, _ := r.do(t, "POST", path+"/start", body); status != 202 {
		t.Fatalf("%d %v", status, got)
	}
	eventually(t, "the job is done", func() bool {
		_, job, _ = r.do(t, "GET", path, "")
		return job["state"] == "done"
	})
	decided := 0
	for _, g := range []*txn.Global{r.all[100], r.all[200]} {
		if g.Status.Decided() {
			decided++
		}
	}
	if decided != 1 || job["done"] != 2.0 {
		t.Errorf("%d decided, %v", decided, job)
	}
}

func TestWrongJobs(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Documents = webtest.NewDocuments(o.Clock) })
	for body, want := range map[string]int{
		`{"action":"rollback"}`: 400, `{"action":"rollback","filter":{}}`: 400, `{"action":"x","filter":{"live":true}}`: 400,
		`{"action":"skip","filter":{"live":true}}`: 400, `{"action":"retry","filter":{"status":"x"}}`: 400,
		`{"action":"retry","filter":{"since":"x"}}`: 400, `{"action":"retry","filter":{"live":1}}`: 400,
		`{"action":"retry","filter":{"live":true},"ratePerSecond":-1}`: 400,
	} {
		if status, got, _ := r.do(t, "POST", "/api/v1/jobs", body); status != want || got["code"] != "argumentInvalid" {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
	for _, path := range []string{"", "/items", "/start", "/cancel"} {
		method, body := "GET", ""
		if path == "/start" || path == "/cancel" {
			method = "POST"
		}
		if path == "/start" {
			body = `{"digest":"d","reason":"r"}`
		}
		status, got, _ := r.do(t, method, "/api/v1/jobs/nothing"+path, body)
		if status != 404 || got["code"] != "jobNotFound" {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	r.begin(t, 100)
	_, job, _ := r.do(t, "POST", "/api/v1/jobs", `{"action":"rollback","filter":{"live":true}}`)
	path := "/api/v1/jobs/" + job["id"].(string)
	r.now += 16 * 60_000
	body := `{"digest":"` + job["digest"].(string) + `","reason":"late"}`
	if status, got, _ := r.do(t, "POST", path+"/start", body); status != 409 || got["code"] != "jobStateInvalid" {
		t.Errorf("an old plan: %d %v", status, got)
	}
	if status, got, _ := r.do(t, "POST", path+"/cancel", ""); status != 200 || got["state"] != "cancelled" {
		t.Errorf("cancel: %d %v", status, got)
	}
	if r.all[100].Status != txn.Active {
		t.Error("a job that never ran has decided")
	}
}

// TestKeyedRequestsAreCarriedOutOnce: and the same reply comes again.
func TestKeyedRequestsAreCarriedOutOnce(t *testing.T) {
	t.Parallel()
	var docs orchestrator.Documents
	r := setup(t, func(o *Options) {
		docs = webtest.NewDocuments(o.Clock)
		o.Documents = docs
	})
	const path = "/api/v1/transactions"
	status, first, header := r.do(t, "POST", path, `{"name":"a"}`, idempotencyHeader, "k1")
	again, second, replay := r.do(t, "POST", path, `{"name":"a"}`, idempotencyHeader, "k1")
	if status != 201 || again != 201 || first["xid"] != second["xid"] || len(r.all) != 1 ||
		replay.Get(replayedHeader) != "true" || replay.Get("Location") != header.Get("Location") ||
		header.Get(replayedHeader) != "" {
		t.Fatalf("%d %v, %d %v %v", status, first, again, second, replay)
	}
	if status, got, _ := r.do(t, "POST", path, `{"name":"b"}`, idempotencyHeader, "k1"); status != 422 ||
		got["code"] != "idempotencyKeyReused" {
		t.Errorf("another body: %d %v", status, got)
	}
	if status, got, _ := r.do(t, "POST", path, `{"name":`, idempotencyHeader, "k2"); status != 400 {
		t.Errorf("%d %v", status, got)
	}
	if status, got, h := r.do(t, "POST", path, `{"name":`, idempotencyHeader, "k2"); status != 400 ||
		h.Get(replayedHeader) != "true" || h.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a refusal comes again: %d %v %v", status, got, h)
	}
	for _, key := range []string{string(make([]byte, 201)), "a\tb"} {
		if status, got, _ := r.do(t, "POST", path, "", idempotencyHeader, key); status != 400 ||
			got["code"] != "idempotencyKeyInvalid" {
			t.Errorf("%q: %d %v", key, status, got)
		}
	}
	// One that is under way, and whose server has died: after a while somebody else may try.
	key, sum := hashOf("dev", "POST", path, "k3"), sha256.Sum256([]byte(`{"name":"a"}`))
	claim, _ := json.Marshal(storedReply{Request: hex.EncodeToString(sum[:])})
	d := orchestrator.Document{Kind: replyKind, Key: key, Version: 1, Value: claim, ExpiresAt: r.now.Add(claimKept)}
	if err := docs.PutDocument(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if status, got, _ := r.do(t, "POST", path, `{"name":"a"}`, idempotencyHeader, "k3"); status != 409 ||
		got["code"] != "requestUnderWay" || got["retryable"] != true {
		t.Errorf("under way: %d %v", status, got)
	}
	r.now = r.now.Add(claimKept)
	if status, got, _ := r.do(t, "POST", path, `{"name":"a"}`, idempotencyHeader, "k3"); status != 201 {
		t.Errorf("after its time: %d %v", status, got)
	}
}

// TestAPanicGivesTheKeyFree: and is answered.
func TestAPanicGivesTheKeyFree(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Documents = webtest.NewDocuments(o.Clock) })
	r.begin(t, 100)
	plan := func() int {
		status, _, _ := r.do(t, "POST", "/api/v1/transactions/100/plan", `{"action":"rollback"}`, idempotencyHeader, "k")
		return status
	}
	r.broken = true
	if status := plan(); status != 500 {
		t.Errorf("broken: %d", status)
	}
	r.broken = false
	if status := plan(); status != 200 {
		t.Errorf("mended: %d", status)
	}
}

// TestKeysBelongToPrincipals: what one has asked for is not told to another one with the same key.
func TestKeysBelongToPrincipals(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	var xids []any
	for _, name := range []string{"bo", "cy", "ann"} {
		token := g.token(t, access.NewKey{Name: name, Roles: []string{"service"}})
		_, got, _ := g.do(t, "POST", "/api/v1/transactions", "", "Authorization", token, idempotencyHeader, "k")
		xids = append(xids, got["xid"])
	}
	if xids[0] == nil || xids[0] == xids[1] || xids[1] == xids[2] {
		t.Errorf("%v", xids)
	}
}
