package web

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/webtest"
)

func TestTransactionsAreExported(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	r.begin(t, 200)
	g := *r.all[200]
	g.Name, g.Heuristic = "=cmd()", true
	r.all[200] = &g
	w := r.raw(t, "GET", "/api/v1/transactions/export?application=shop", "")
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if w.Code != 200 || len(lines) != 2 || r.query.Application != "shop" ||
		!strings.Contains(w.Header().Get("Content-Disposition"), "concord-transactions.ndjson") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var ids []string
	for _, line := range lines {
		var one Transaction
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, one.ID)
	}
	if slices.Sort(ids); strings.Join(ids, " ") != "100 200" {
		t.Errorf("%v", ids)
	}
	w = r.raw(t, "GET", "/api/v1/transactions/export?format=csv&heuristic=true", "")
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		t.Fatalf("%v %v", rows, err)
	}
	if at := slices.Index(rows[0], "name"); rows[1][at] != "'=cmd()" || rows[1][slices.Index(rows[0], "id")] != "200" {
		t.Errorf("%v", rows[1])
	}
}

func TestAnExportHasABoundAndSaysWhereItGoesOn(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	r.begin(t, 200)
	w := r.raw(t, "GET", "/api/v1/transactions/export?limit=2", "")
	if w.Code != 200 || w.Result().Trailer.Get(exportNext) != "more" {
		t.Errorf("%d %v", w.Code, w.Result().Trailer)
	}
	if r.query.Limit != 2 {
		t.Errorf("asked for %d", r.query.Limit)
	}
	for _, query := range []string{
		"format=xml", "limit=0", "limit=100001", "status=gone", "key=k", "kind=NONE", "waitMs=1",
	} {
		if status, got, _ := r.do(t, "GET", "/api/v1/transactions/export?"+query, ""); status != 400 {
			t.Errorf("%s: %d %v", query, status, got)
		}
	}
}

func TestAnExportThatFailsIsNoFile(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.listErr = errors.New("away")
	w := r.raw(t, "GET", "/api/v1/transactions/export?format=csv", "")
	if w.Code != 503 || w.Header().Get("Content-Disposition") != "" || !strings.Contains(w.Body.String(), `"code"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestAnExportIsHeldToApplications(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	token := g.token(t, access.NewKey{Name: "bo", Roles: []string{"viewer"}, Applications: []string{"shop"}})
	for query, want := range map[string]int{"": 403, "?application=bank": 403, "?application=shop": 200} {
		w := g.raw(t, "GET", "/api/v1/transactions/export"+query, "", "Authorization", token)
		if w.Code != want {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestListsAreNarrowed(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	r.begin(t, 200)
	one := *r.all[200]
	one.Heuristic, one.Group = true, "blue"
	r.all[200] = &one
	kind := strings.ToLower(one.Branches[0].Kind.String())
	for query, want := range map[string]int{
		"heuristic=true": 1, "group=blue": 1, "group=red": 0, "kind=" + kind: 2, "kind=step_timer": 0,
		"group=blue&kind=" + kind: 1, "heuristic=false": 2,
	} {
		_, got, _ := r.do(t, "GET", "/api/v1/transactions?"+query, "")
		if items := got["items"].([]any); len(items) != want {
			t.Errorf("%s: %d", query, len(items))
		}
	}
	r.do(t, "GET", "/api/v1/transactions?saga=order&live=true", "")
	if !r.query.Sagas || r.query.Name != "order" || !r.query.Live {
		t.Errorf("%+v", r.query)
	}
	for _, query := range []string{"key=o-1", "saga=a&name=b", "kind=none"} {
		if status, got, _ := r.do(t, "GET", "/api/v1/transactions?"+query, ""); status != 400 {
			t.Errorf("%s: %d %v", query, status, got)
		}
	}
}

func TestAJobIsOfNamedTransactions(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Documents = webtest.NewDocuments(o.Clock) })
	for id := int64(100); id < 103; id++ {
		r.begin(t, 10*id)
	}
	status, job, _ := r.do(t, "POST", "/api/v1/jobs",
		`{"action":"rollback","xids":["1000","10.0.0.5:8091:1020","1000","4711"]}`)
	if status != 201 || job["total"] != 2.0 || job["named"] != 4.0 || job["refused"] != 1.0 {
		t.Fatalf("%d %v", status, job)
	}
	path := "/api/v1/jobs/" + job["id"].(string)
	r.do(t, "POST", path+"/start", `{"digest":"`+job["digest"].(string)+`","reason":"ticket 8"}`)
	eventually(t, "the job is done", func() bool {
		_, job, _ = r.do(t, "GET", path, "")
		return job["state"] == "done"
	})
	if r.all[1000].Status != txn.RollingBack || r.all[1010].Status != txn.Active || r.all[1020].Status != txn.RollingBack {
		t.Errorf("%s %s %s", r.all[1000].Status, r.all[1010].Status, r.all[1020].Status)
	}
	for _, body := range []string{
		`{"action":"rollback","xids":["x"]}`, `{"action":"rollback","xids":["1"],"filter":{"live":true}}`,
		`{"action":"rollback","xids":[]}`, `{"action":"rollback","filter":{"key":"k"}}`,
	} {
		if status, got, _ := r.do(t, "POST", "/api/v1/jobs", body); status != 400 {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
}

func TestWhatBecameOfAJobIsFilteredAndExported(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Documents = webtest.NewDocuments(o.Clock) })
	job := &Job{ID: "j", State: JobDone, Total: 9 * chunkItems, UpdatedAt: when(r.now)}
	items := make([]storedItem, job.Total)
	for i := range items {
		items[i].JobItem = JobItem{XID: fmt.Sprint(i), Result: itemDone}
	}
	items[len(items)-1].JobItem = JobItem{XID: "last", Result: itemFailed, Code: "x", Detail: "=1+1"}
	if err := r.server.storeJob(t.Context(), job, items); err != nil {
		t.Fatal(err)
	}
	_, got, _ := r.do(t, "GET", "/api/v1/jobs/j/items?result=failed", "")
	if len(got["items"].([]any)) != 0 || got["next"] != "8" {
		t.Fatalf("%v", got)
	}
	_, got, _ = r.do(t, "GET", "/api/v1/jobs/j/items?result=failed&cursor=8", "")
	if one := got["items"].([]any); len(one) != 1 || one[0].(map[string]any)["xid"] != "last" || got["next"] != nil {
		t.Errorf("%v", got)
	}
	_, got, _ = r.do(t, "GET", "/api/v1/jobs/j/items", "")
	if len(got["items"].([]any)) != chunkItems || got["next"] != "1" {
		t.Errorf("%d %v", len(got["items"].([]any)), got["next"])
	}
	w := r.raw(t, "GET", "/api/v1/jobs/j/items/export?format=csv&result=failed", "")
	if want := "xid,result,code,detail\nlast,failed,x,'=1+1\n"; w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	w = r.raw(t, "GET", "/api/v1/jobs/j/items/export", "")
	if n := strings.Count(w.Body.String(), "\n"); n != job.Total {
		t.Errorf("%d lines", n)
	}
	for path, want := range map[string]int{
		"j/items?result=good": 400, "j/items/export?format=xml": 400, "none/items/export": 404,
		"j/items?cursor=99999999": 200,
	} {
		if status, got, _ := r.do(t, "GET", "/api/v1/jobs/"+path, ""); status != want {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
}
