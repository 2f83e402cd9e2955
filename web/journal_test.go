package web

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
	"github.com/concord-tx/concord/web/webtest"
)

// lines shows the journal, the oldest first.
func (g *guardedRig) lines(t *testing.T) []string {
	t.Helper()
	page, err := g.journal.List(t.Context(), journal.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range slices.Backward(page.Items) {
		line := fmt.Sprintf("%s %s %s %d %s", e.Phase, e.Action, e.Name, e.Status, e.Why)
		out = append(out, strings.TrimSuffix(line, " "))
	}
	return out
}

// brokenJournal is a journal whose store is away.
func brokenJournal(g *guardedRig) *journal.Journal {
	documents := webtest.NewDocuments(g.clock)
	documents.Fail(errors.New("away"))
	return journal.New(journal.Options{Documents: documents, Clock: g.clock})
}

func TestOperationsAreWrittenBeforeAndAfter(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	g.begin(t, 100)
	token := g.token(t, access.NewKey{Name: "bo", Roles: []string{"operator"}})
	_, plan, _ := g.do(t, "POST", "/api/v1/transactions/100/plan", `{"action":"commit"}`, "Authorization", token)
	body := fmt.Sprintf(`{"action":"commit","digest":%q,"reason":"paid by phone"}`, plan["digest"])
	g.do(t, "POST", "/api/v1/transactions/100/operations", body, "Authorization", token)
	if g.all[100].Status != txn.Committing {
		t.Fatalf("%s", g.all[100].Status)
	}
	status, got, _ := g.do(t, "GET", "/api/v1/journal?target=100", "", "Authorization", token)
	items := got["items"].([]any)
	if status != 200 || len(items) != 2 {
		t.Fatalf("%d %v", status, got)
	}
	outcome, intent := items[0].(map[string]any), items[1].(map[string]any)
	if intent["phase"] != "intent" || intent["why"] != "paid by phone" || intent["address"] != "192.0.2.1" ||
		intent["requestId"] == "" || intent["node"] != "a" || intent["how"] != "key" {
		t.Errorf("%v", intent)
	}
	if outcome["phase"] != "outcome" || outcome["of"] != intent["id"] || outcome["prev"] != intent["hash"] {
		t.Errorf("%v", outcome)
	}
}

func TestWithoutAnIntentInTheJournalNothingIsDone(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	g.begin(t, 100)
	token := g.withRoles(t, "operator")
	g.server.o.Journal = brokenJournal(g)
	status, got, _ := g.do(t, "POST", "/api/v1/transactions/100/commit", "", "Authorization", token)
	if status != 503 || g.all[100].Status != txn.Active {
		t.Errorf("%d %v, the transaction is %s", status, got, g.all[100].Status)
	}
}

func TestRefusedOperationsAreWrittenWithTheirCode(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	token := g.withRoles(t, "operator")
	status, _, _ := g.do(t, "POST", "/api/v1/transactions/555/commit", "", "Authorization", token)
	page, err := g.journal.List(t.Context(), journal.Query{})
	if err != nil || status != 404 || page.Items[0].Code != "transactionNotFound" || page.Items[0].Status != 404 {
		t.Errorf("%d %+v %v", status, page.Items, err)
	}
}

func TestAPanicIsAnOutcomeToo(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	token := g.withRoles(t, "operator")
	g.server.byRoute[route{"POST", "/boom"}] = rule{role: access.Operator, action: "boom"}
	g.server.engine.POST("/boom", func(*gin.Context) { panic("on purpose") })
	status, got, _ := g.do(t, "POST", "/boom", "", "Authorization", token)
	if status != 500 || got["code"] != "internal" {
		t.Errorf("%d %v", status, got)
	}
	lines := g.lines(t)
	if len(lines) != 2 || !strings.HasPrefix(lines[1], "outcome boom operator 500") {
		t.Errorf("%v", lines)
	}
}

func TestWhatApplicationsDoIsNotInTheJournal(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	g.begin(t, 100)
	token := g.withRoles(t, "service")
	g.do(t, "POST", "/api/v1/transactions/100/commit", "", "Authorization", token)
	g.do(t, "POST", "/api/v1/transactions", `{"name":"n","application":"a"}`, "Authorization", token)
	if lines := g.lines(t); len(lines) != 0 || g.all[100].Status != txn.Committing {
		t.Errorf("%v", lines)
	}
}

func TestKeysOverHTTP(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	admin := g.withRoles(t, "admin")
	status, made, header := g.do(t, "POST", "/api/v1/keys", `{"name":"shop","roles":["service"],"applications":["shop"],`+
		`"limits":{"beginsPerSecond":5},"note":"n","expiresAt":"2024-01-31T12:00:00Z"}`, "Authorization", admin)
	if status != 201 || made["expiresAt"] != "2024-01-31T12:00:00.000Z" || made["createdBy"] != "key admin" {
		t.Fatalf("%d %v", status, made)
	}
	token, path := made["token"].(string), header.Get("Location")
	if status, got, _ := g.do(t, "GET", path, "", "Authorization", admin); status != 200 || got["token"] != nil ||
		got["limits"].(map[string]any)["beginsPerSecond"] != 5.0 {
		t.Errorf("%d %v", status, got)
	}
	list := g.raw(t, "GET", "/api/v1/keys", "", "Authorization", admin).Body.String()
	secret := token[len(token)-26:]
	if !strings.Contains(list, `"shop"`) || strings.Contains(list, "hash") || strings.Contains(list, secret) {
		t.Errorf("%s", list)
	}
	if status, got, _ := g.do(t, "GET", "/api/v1/me", "", "Authorization", "Bearer "+token); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	for body, code := range map[string]string{
		`{"name":"shop","roles":["viewer"]}`:                    "keyExists",
		`{"name":"x","roles":["root"]}`:                         "argumentInvalid",
		`{"name":"x","roles":["viewer"],"expiresAt":"soon"}`:    "argumentInvalid",
		`{"name":"x","roles":["viewer"],"secret":"mine"}`:       "argumentInvalid",
		`{"name":"x","roles":["viewer"],"limits":{"other": 1}}`: "argumentInvalid",
	} {
		if _, got, _ := g.do(t, "POST", "/api/v1/keys", body, "Authorization", admin); got["code"] != code {
			t.Errorf("%s: %v", body, got)
		}
	}
	if status, got, _ := g.do(t, "DELETE", path, "", "Authorization", admin); status != 200 || got["name"] != "shop" {
		t.Errorf("%d %v", status, got)
	}
	if status, got, _ := g.do(t, "GET", "/api/v1/me", "", "Authorization", "Bearer "+token); status != 401 {
		t.Errorf("%d %v", status, got)
	}
	if status, _, _ := g.do(t, "DELETE", path, "", "Authorization", admin); status != 404 {
		t.Errorf("%d", status)
	}
}

func TestNoSecretIsStoredWhateverIsAsked(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	admin := g.withRoles(t, "admin")
	_, made, _ := g.do(t, "POST", "/api/v1/keys", `{"name":"a","roles":["viewer"]}`, "Authorization", admin,
		"Idempotency-Key", "once")
	token := made["token"].(string)
	resp, me := g.browse(t, "POST", "/auth/session", `{"key":"`+token+`"}`, nil, "Idempotency-Key", "twice")
	if resp.StatusCode != 200 || len(resp.Cookies()) != 1 {
		t.Fatalf("%v", me)
	}
	stored := g.documents.Text()
	for name, secret := range map[string]string{
		"key": token[len(token)-26:], "admin's key": admin[len(admin)-26:], "session": resp.Cookies()[0].Value,
	} {
		if strings.Contains(stored, secret) {
			t.Errorf("the secret of the %s is stored", name)
		}
	}
}

func TestTheJournalIsExportedAndChecked(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	admin := g.withRoles(t, "admin")
	g.do(t, "POST", "/api/v1/keys", `{"name":"a","roles":["viewer"],"reason":"=cmd()"}`, "Authorization", admin)
	w := g.raw(t, "GET", "/api/v1/journal/export", "", "Authorization", admin)
	if w.Code != 200 || strings.Count(w.Body.String(), "\n") != 2 || !strings.Contains(w.Body.String(), `"hash"`) ||
		!strings.Contains(w.Header().Get("Content-Disposition"), "concord-journal.ndjson") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = g.raw(t, "GET", "/api/v1/journal/export?format=csv&after=1", "", "Authorization", admin)
	if w.Code != 200 || strings.Count(w.Body.String(), "\n") != 2 || !strings.Contains(w.Body.String(), ",'=cmd()") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	status, report, _ := g.do(t, "GET", "/api/v1/journal/verify", "", "Authorization", admin)
	if status != 200 || report["whole"] != true || report["entries"] != 2.0 {
		t.Errorf("%d %v", status, report)
	}
	_, report, _ = g.do(t, "GET", "/api/v1/journal/verify?seq=2&hash=00", "", "Authorization", admin)
	if report["whole"] != false || report["seq"] != 2.0 {
		t.Errorf("%v", report)
	}
	for _, query := range []string{"/export?format=xml", "/verify?seq=2", "?limit=0", "?who=a&who=b"} {
		if status, got, _ := g.do(t, "GET", "/api/v1/journal"+query, "", "Authorization", admin); status != 400 {
			t.Errorf("%s: %d %v", query, status, got)
		}
	}
}
