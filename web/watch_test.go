package web

import (
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// next returns the next event of a stream that is no comment, "" at the end.
func next(t *testing.T, got <-chan string) string {
	t.Helper()
	late := time.After(60 * time.Second)
	for {
		select {
		case text, open := <-got:
			if !open || !strings.HasPrefix(text, ":") {
				return text
			}
		case <-late:
			t.Fatal("no event")
		}
	}
}

func TestChangesOfATransactionAreStreamed(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	address, _ := r.serve(t)
	got := events(t, address+"/api/v1/transactions/100/stream")
	first := next(t, got)
	if !strings.HasPrefix(first, "id: ") || !strings.Contains(first, `"status":"Active"`) {
		t.Fatalf("%s", first)
	}
	ignore := func(*txn.Global, error) {}
	r.Decide(orchestrator.DecideRequest{ID: 100, Outcome: txn.Rollback}, ignore)
	second := next(t, got)
	if !strings.Contains(second, `"status":"RollingBack"`) || strings.Contains(second, "event: end") {
		t.Fatalf("%s", second)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(second, "id: "), "|")
	again := events(t, address+"/api/v1/transactions/100/stream", "Last-Event-ID", id)
	for _, branch := range []int64{102, 101} {
		r.Reply(100, txn.Reply{BranchID: branch, Op: txn.Rollback, Result: txn.ResultDone})
	}
	for _, stream := range []<-chan string{got, again} {
		for text := next(t, stream); ; text = next(t, stream) {
			if strings.HasPrefix(text, "event: end|id: ") && strings.Contains(text, `"status":"RolledBack"`) {
				break
			}
			if text == "" || text == second {
				t.Fatalf("%q before the end", text)
			}
		}
		if text := next(t, stream); text != "" {
			t.Errorf("%s after the end", text)
		}
	}
	if text := next(t, events(t, address+"/api/v1/transactions/100/stream")); !strings.HasPrefix(text, "event: end|") {
		t.Errorf("%s", text)
	}
}

func TestStreamOfATransactionIsRefusedAsAProblem(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.begin(t, 100)
	for path, want := range map[string]int{"9": 404, "x": 400, "100/stream?x=1": 404, "100?x=1": 400} {
		path, query, _ := strings.Cut(path, "?")
		status, got, _ := r.do(t, "GET", "/api/v1/transactions/"+path+"/stream?"+query, "")
		if status != want || got["code"] == nil {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	if status, got, _ := r.do(t, "GET", "/api/v1/transactions/100/stream", "", "Last-Event-ID", "x"); status != 400 {
		t.Errorf("%d %v", status, got)
	}
	r.server.watchers.Store(watchersMax)
	for _, path := range []string{"/api/v1/transactions/100/stream", overviewPath} {
		if status, got, _ := r.do(t, "GET", path, ""); status != 503 || got["code"] != "busy" {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	if n := r.server.watchers.Load(); n != watchersMax {
		t.Errorf("%d watchers are counted", n)
	}
}

func TestNumbersAreStreamed(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	address, _ := r.serve(t)
	got := events(t, address+overviewPath)
	first, second := next(t, got), next(t, got)
	if !strings.HasPrefix(first, "data: {") || !strings.Contains(first, `"stuck":1`) || strings.Contains(first, "rates") {
		t.Errorf("%s", first)
	}
	if !strings.Contains(second, `"rates":{"begun":0`) || !strings.Contains(second, `"ready":true`) {
		t.Errorf("%s", second)
	}
	status, once, _ := r.do(t, "GET", "/api/v1/overview", "")
	if status != 200 || once["active"] != 3.0 || once["locks"] != 2.0 {
		t.Errorf("%d %v", status, once)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	a, b := orchestrator.Stats{Begun: 10, Committed: 1}, orchestrator.Stats{Begun: 30, Committed: 2, RolledBack: 4}
	got := ratesOf(a, b, 2*time.Second)
	if want := (Rates{Begun: 10, Committed: 0.5, RolledBack: 2}); *got != want {
		t.Errorf("%+v", got)
	}
}
