package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// decided adds a decision of a transaction of prefix h:1 to a log.
func (f *fakeEvents) decided(id int64, outcome txn.Outcome, at txn.Millis) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const form = `{"subject":"h:1:%d","data":{"xid":"h:1:%d","outcome":"%s","cause":"requested","decidedAt":"%s"}}`
	event := fmt.Sprintf(form, id, id, outcome, when(at))
	f.entries = append(f.entries, orchestrator.EventEntry{
		Seq: f.first + uint64(len(f.entries)), XID: id, Topic: "concord-" + outcome.String(), At: at, Event: []byte(event),
	})
}

func xidsOf(page map[string]any) string {
	var all []string
	for _, x := range page["items"].([]any) {
		all = append(all, strings.TrimPrefix(x.(map[string]any)["xid"].(string), "h:1:"))
	}
	return strings.Join(all, " ")
}

func setupDecisions(t *testing.T) (*rig, *fakeEvents) {
	t.Helper()
	log := newFakeEvents(0)
	for i := range int64(100) {
		outcome := txn.Commit
		if i%10 == 0 {
			outcome = txn.Rollback
		}
		log.decided(i, outcome, whyNow-txn.Millis(100-i)*60_000)
	}
	log.add("orders", 0) // the message of a branch is no decision
	r := setup(t, func(o *Options) { o.Events = log })
	r.now = whyNow
	return r, log
}

func TestDecisionsAreBrowsed(t *testing.T) {
	t.Parallel()
	r, _ := setupDecisions(t)
	for query, want := range map[string]string{
		"limit=3":                               "1 2 3",
		"outcome=rollback":                      "10 20 30 40 50 60 70 80 90",
		"since=3m":                              "97 98 99",
		"since=5m&until=3m":                     "95 96",
		"xid=h:1:42":                            "42",
		"xid=42&outcome=rollback":               "",
		"since=1h&until=2h":                     "",
		"outcome=rollback&limit=2":              "10 20",
		"since=2023-11-14T22:12:20Z":            "99",
		"cursor=100&outcome=commit":             "95 96 97 98 99",
		"since=10m&outcome=rollback":            "90",
		"xid=h:1:42&since=1s":                   "",
		"until=98m30s&since=999h":               "1",
		"cursor=5&limit=2&until=97m30s":         "1 2",
		"order=newest&limit=3":                  "99 98 97",
		"order=newest&since=3m":                 "99 98 97",
		"order=newest&since=5m&until=3m":        "96 95",
		"order=newest&outcome=rollback&limit=2": "90 80",
		"order=newest&until=98m30s&since=999h":  "1",
		"order=newest&xid=42":                   "42",
		"from=102":                              "97 98 99",
		"from=102&limit=1":                      "97",
		"from=102&since=2m":                     "98 99",
		"from=6&until=97m30s&cursor=2":          "1 2",
		"from=0&limit=2":                        "1 2",
		"from=4711":                             "",
		"from=90&outcome=rollback":              "90",
		"order=newest&from=8&limit=9":           "3 2 1",
		"order=newest&from=4711&limit=1":        "99",
		"order=newest&from=50&until=98m30s":     "1",
	} {
		status, got, _ := r.do(t, "GET", "/api/v1/decisions?"+query, "")
		if status != 200 || xidsOf(got) != want {
			t.Errorf("%s: %d %q, want %q", query, status, xidsOf(got), want)
		}
	}
	for _, query := range []string{"outcome=maybe", "xid=x", "since=x", "limit=0", "nonsense=1", "cursor=x", "order=x",
		"order=newest&cursor=x", "from=x", "from=-1", "order=newest&from=topic/b/0/1",
	} {
		if status, got, _ := r.do(t, "GET", "/api/v1/decisions?"+query, ""); status != 400 {
			t.Errorf("%s: %d %v", query, status, got)
		}
	}
}

func TestDecisionsGoOnAtTheirCursor(t *testing.T) {
	t.Parallel()
	r, log := setupDecisions(t)
	for i := range int64(600) { // more than is read backwards at once
		log.decided(101+i, txn.Commit, whyNow+txn.Millis(i))
	}
	for _, order := range []string{"oldest", "newest"} {
		var all []string
		for cursor, pages := "", 0; ; pages++ {
			_, got, _ := r.do(t, "GET", "/api/v1/decisions?limit=7&order="+order+"&cursor="+cursor, "")
			all = append(all, strings.Fields(xidsOf(got))...)
			next, more := got["next"].(string)
			if cursor = next; !more {
				break
			}
			if pages > 1000 {
				t.Fatal("the pages never end")
			}
		}
		if order == "newest" {
			slices.Reverse(all)
		}
		if len(all) != 699 || all[0] != "1" || all[98] != "99" || all[99] != "101" || all[698] != "700" {
			t.Errorf("%s: %d decisions: %v", order, len(all), all)
		}
	}
}

func TestDecisionIsComparedWithItsCopies(t *testing.T) {
	t.Parallel()
	r, log := setupDecisions(t)
	g := stuckAt(txn.Committed)
	g.XID.ID, g.DecidedAt, g.Cause = 42, whyNow-58*60_000, txn.CauseRequested
	r.all[42] = g
	report := func() (bool, int) {
		t.Helper()
		status, got, _ := r.do(t, "GET", "/api/v1/decisions/42", "")
		if status != 200 || got["outcome"] != "commit" {
			t.Fatalf("%d %v", status, got)
		}
		return got["agrees"].(bool), len(got["published"].([]any))
	}
	if agrees, n := report(); !agrees || n != 1 {
		t.Errorf("%t, %d copies", agrees, n)
	}
	g.DecidedAt++
	if agrees, n := report(); agrees || n != 1 {
		t.Errorf("another time: %t, %d copies", agrees, n)
	}
	g.DecidedAt--
	at := 42
	log.entries = append(log.entries[:at+1:at+1], log.entries[at:]...) // a duplicate
	for i := range log.entries {
		log.entries[i].Seq = log.first + uint64(i)
	}
	if agrees, n := report(); !agrees || n != 2 {
		t.Errorf("duplicate: %t, %d copies", agrees, n)
	}
	other := log.entries[at+1]
	other.Event = append([]byte(" "), other.Event...)
	log.entries[at+1] = other
	if agrees, n := report(); agrees || n != 2 {
		t.Errorf("other bytes: %t, %d copies", agrees, n)
	}
	log.entries = nil
	if agrees, n := report(); agrees || n != 0 {
		t.Errorf("nothing: %t, %d copies", agrees, n)
	}
	if status, got, _ := r.do(t, "GET", "/api/v1/decisions/4242", ""); status != 404 {
		t.Errorf("%d %v", status, got)
	}
}

// otherLog is a log of its own kind.
type otherLog struct{ asked []DecisionQuery }

func (o *otherLog) Decisions(_ context.Context, q DecisionQuery) ([]PublishedDecision, string, error) {
	o.asked = append(o.asked, q)
	return []PublishedDecision{{
		XID: txn.XID{Prefix: "h:1", ID: 7}, Outcome: txn.Rollback, At: whyNow, Topic: "t", Broker: "b", Queue: 3, Offset: 9,
		Pack: "p", Event: []byte(`{}`),
	}}, "more", nil
}

func TestDecisionsOfAnotherLog(t *testing.T) {
	t.Parallel()
	log := &otherLog{}
	r := setup(t, func(o *Options) { o.Decisions = log })
	_, got, _ := r.do(t, "GET", "/api/v1/decisions?xid=7&cursor=c&limit=4&outcome=rollback&from=t/b/3/8", "")
	want := map[string]any{"next": "more", "items": []any{map[string]any{
		"xid": "h:1:7", "outcome": "rollback", "at": "2023-11-14T22:13:20.000Z", "topic": "t", "broker": "b", "queue": 3.0,
		"offset": 9.0, "pack": "p", "event": map[string]any{},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	asked := DecisionQuery{XID: 7, Outcome: txn.Rollback, Limit: 4, Place: "t/b/3/8", Cursor: "c"}
	if diff := cmp.Diff([]DecisionQuery{asked}, log.asked); diff != "" {
		t.Error(diff)
	}
	r = setup(t, nil)
	if status, got, _ := r.do(t, "GET", "/api/v1/decisions", ""); status != 409 || got["code"] != "decisionsNotPublished" {
		t.Errorf("%d %v", status, got)
	}
}

func TestDecisionsAreStreamed(t *testing.T) {
	t.Parallel()
	r, _ := setupDecisions(t)
	address, _ := r.serve(t)
	got := events(t, address+"/api/v1/decisions/stream", "Last-Event-ID", "102")
	for _, want := range []string{"h:1:98", "h:1:99"} {
		for text := range got {
			if strings.HasPrefix(text, ":") {
				continue
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s, want %s", text, want)
			}
			break
		}
	}
	if status, got, _ := r.do(t, "GET", "/api/v1/decisions/stream", "", "Last-Event-ID", "x"); status != 400 {
		t.Errorf("%d %v", status, got)
	}
}

func TestHalvesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) {
		o.Halves = func(context.Context) (Halves, error) {
			return Halves{InFlight: 1, Pending: 2, OldestAt: 1_700_000_000_000, More: true, GivenUp: []GivenUpHalf{{
				Broker: "b", Queue: 1, Offset: 2, Pack: "p", XIDs: []string{"h:1:7"}, StoredAt: 1_700_000_000_000, Checks: 15,
			}}}, nil
		}
	})
	_, got, _ := r.do(t, "GET", "/api/v1/decisions/halves", "")
	const at = "2023-11-14T22:13:20.000Z"
	want := map[string]any{"inFlight": 1.0, "pending": 2.0, "oldestAt": at, "ageMs": 123.0, "more": true, "givenUp": []any{
		map[string]any{
			"broker": "b", "queue": 1.0, "offset": 2.0, "pack": "p", "xids": []any{"h:1:7"}, "storedAt": at, "checks": 15.0,
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	status, got, _ := setup(t, nil).do(t, "GET", "/api/v1/decisions/halves", "")
	if status != 200 || len(got["givenUp"].([]any)) != 0 {
		t.Errorf("%d %v", status, got)
	}
}
