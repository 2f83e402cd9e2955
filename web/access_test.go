package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
	"github.com/concord-tx/concord/web/playground"
	"github.com/concord-tx/concord/web/webtest"
)

// accessTypes are the types of the schemas of keys, sessions and the journal.
func accessTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Key": reflect.TypeFor[KeyView](), "NewKey": reflect.TypeFor[NewKeyView](),
		"KeyLimits": reflect.TypeFor[access.Limits](), "KeyRequest": reflect.TypeFor[KeyRequest](),
		"Ways": reflect.TypeFor[WaysView](), "Signin": reflect.TypeFor[signinBody](), "Me": reflect.TypeFor[MeView](),
		"SigninView": reflect.TypeFor[SigninView](), "JournalEntry": reflect.TypeFor[JournalEntryView](),
		"JournalReport": reflect.TypeFor[journal.Report](), "Approval": reflect.TypeFor[Approval](),
		"SignedOut":  reflect.TypeFor[SignedOutView](),
		"Drain":      reflect.TypeFor[drainBody](),
		"Playground": reflect.TypeFor[PlaygroundView](), "PlaygroundScenario": reflect.TypeFor[playground.Scenario](),
		"PlaygroundWish": reflect.TypeFor[playgroundBody](), "PlaygroundRun": reflect.TypeFor[playground.View](),
		"Asked": reflect.TypeFor[AskedView](), "ApprovalAnswer": reflect.TypeFor[approvalAnswer](),
	}
}

// guardedRig is a server with keys and a journal.
type guardedRig struct {
	*rig
	gate      *access.Gate
	journal   *journal.Journal
	documents *webtest.Documents
	clock     *webtest.Clock
}

func guarded(t *testing.T, change func(*Options)) *guardedRig {
	t.Helper()
	g := &guardedRig{clock: webtest.NewClock(1_700_000_000_123)}
	g.documents = webtest.NewDocuments(g.clock)
	g.gate = access.New(access.Options{Documents: g.documents, Clock: g.clock})
	g.journal = journal.New(journal.Options{Documents: g.documents, Clock: g.clock, Node: "a"})
	g.rig = setup(t, func(o *Options) {
		o.Dev, o.Access, o.Journal, o.Documents = false, g.gate, g.journal, g.documents
		if change != nil {
			change(o)
		}
	})
	return g
}

// token makes a key and returns its token as a header.
func (g *guardedRig) token(t *testing.T, n access.NewKey) string {
	t.Helper()
	if n.Name == "" {
		n.Name = strings.Join(n.Roles, "+")
	}
	_, token, err := g.gate.CreateKey(t.Context(), n, "test")
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

func (g *guardedRig) withRoles(t *testing.T, roles ...string) string {
	t.Helper()
	return g.token(t, access.NewKey{Roles: roles})
}

// fill puts something into the parameters of a path.
func fill(path string) string {
	for _, p := range pathParameter.FindAllString(path, -1) {
		path = strings.ReplaceAll(path, p, "777")
	}
	return path
}

func TestEveryRuleHasARoute(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	served := map[string]bool{}
	for _, route := range r.server.engine.Routes() {
		served[route.Method+" "+route.Path] = true
	}
	for name := range r.server.rules {
		if !served[name] {
			t.Errorf("%s is in the table of rules, and nowhere else", name)
		}
	}
}

func TestNothingChangesOnGET(t *testing.T) {
	t.Parallel()
	known := []string{"GET " + streamPath, "GET " + access.CallbackPath} // see the comment of rule.changes
	for name, r := range rules() {
		method, _, _ := strings.Cut(name, " ")
		if changing(method) {
			continue
		}
		if r.action != "" || r.begins || r.role == access.Service || r.role == access.Operator {
			t.Errorf("%s has a rule of what changes something", name)
		}
		if r.changes != slices.Contains(known, name) {
			t.Errorf("%s: changes is %v", name, r.changes)
		}
	}
}

func TestWhatPeopleChangeIsInTheJournal(t *testing.T) {
	t.Parallel()
	for name, r := range rules() {
		method, _, _ := strings.Cut(name, " ")
		forPeople := r.role == access.Operator || r.role == access.Resolver || r.role == access.Admin
		if changing(method) && forPeople && r.action == "" && !strings.HasSuffix(name, "/plan") {
			t.Errorf("%s has no action", name)
		}
	}
}

// TestEveryRouteWithEveryRole asks every route as nobody, as somebody unknown, and with each role alone.
func TestEveryRouteWithEveryRole(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	g.withRoles(t, "admin", "viewer") // so that one admin stays whatever is revoked
	who := map[string]string{"": "", "unknown": "Bearer concord_x_AAAAAAAAAAAAAAAAAAAAAAAAAA"}
	for _, role := range access.Grantable() {
		who[role] = g.withRoles(t, role)
	}
	for name, r := range g.server.rules {
		method, path, _ := strings.Cut(name, " ")
		for role, token := range who {
			endless := path == streamPath && r.role == access.Member || path == overviewPath
			if endless && role != "" && role != "unknown" {
				continue // it would not end; see stream_test.go
			}
			w := g.raw(t, method, fill(path), "", "Authorization", token, "Host", "concord.example")
			var got Problem
			_ = json.Unmarshal(w.Body.Bytes(), &got) // what is no problem document has no code
			status, code := w.Code, got.Code
			roles := access.Roles(0)
			if set, err := access.ParseRoles([]string{role}); err == nil {
				roles = set
			}
			switch {
			case r.role == access.Open:
				if code == "notSignedIn" || code == "roleMissing" {
					t.Errorf("%s as %q: %d %s", name, role, status, code)
				}
			case role == "" || role == "unknown":
				want := map[string]string{"": "notSignedIn", "unknown": "credentialsInvalid"}[role]
				if status != 401 || code != want && code != "rateLimited" && method != "HEAD" ||
					!strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer ") {
					if status != 429 { // who guesses is slowed
						t.Errorf("%s as %q: %d %v", name, role, status, got)
					}
				}
			case !roles.Has(r.role):
				if status != 403 || code != "roleMissing" || !strings.Contains(got.Detail, r.role.Wanted()) {
					t.Errorf("%s as %s: %d %v", name, role, status, got)
				}
			default:
				if status == 401 || code == "roleMissing" {
					t.Errorf("%s as %s: %d %s", name, role, status, code)
				}
			}
		}
	}
}

func TestMetricsAreForThisMachineAndForViewers(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	ask := func(s *Server, from, host string, headers ...string) int {
		req := httptest.NewRequest("GET", "/metrics", nil)
		req.RemoteAddr, req.Host = from, host
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		return w.Code
	}
	for _, tt := range []struct {
		name, from, host string
		headers          []string
		want             int
	}{
		{"here", "127.0.0.1:1", "127.0.0.1:8088", nil, 200},
		{"here, IPv6", "[::1]:1", "localhost:8088", nil, 200},
		{"elsewhere", "10.0.0.9:1", "10.0.0.5:8088", nil, 401},
		{"elsewhere, pretending", "10.0.0.9:1", "127.0.0.1:8088", nil, 401},
		{"through a proxy here", "127.0.0.1:1", "127.0.0.1:8088", []string{"X-Forwarded-For", "10.0.0.9"}, 401},
		{"another name for here", "127.0.0.1:1", "rebound.example", nil, 401},
		{"viewer", "10.0.0.9:1", "x", []string{"Authorization", g.withRoles(t, "viewer")}, 200},
		{"service", "10.0.0.9:1", "x", []string{"Authorization", g.withRoles(t, "service")}, 403},
	} {
		if got := ask(g.server, tt.from, tt.host, tt.headers...); got != tt.want {
			t.Errorf("%s: %d", tt.name, got)
		}
	}
	open := guarded(t, func(o *Options) { o.MetricsOpen = true })
	if got := ask(open.server, "10.0.0.9:1", "x"); got != 200 {
		t.Errorf("open: %d", got)
	}
}

func TestRestrictedKeysSeeTheirOwnOnly(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	g.begin(t, 100) // of the application shop, in the group g
	all := []string{"viewer", "service"}
	own := g.token(t, access.NewKey{Name: "own", Roles: all, Applications: []string{"shop", "x"}})
	other := g.token(t, access.NewKey{Name: "other", Roles: all, Applications: []string{"bank"}})
	group := g.token(t, access.NewKey{Name: "group", Roles: all, Groups: []string{"g"}})
	otherGroup := g.token(t, access.NewKey{Name: "otherGroup", Roles: all, Groups: []string{"h"}})
	for _, tt := range []struct {
		token, method, path string
		want                int
	}{
		{own, "GET", "/api/v1/transactions/100", 200},
		{own, "GET", "/api/v1/transactions/100/history", 200},
		{group, "GET", "/api/v1/transactions/100", 200},
		{other, "GET", "/api/v1/transactions/100", 403},
		{otherGroup, "GET", "/api/v1/transactions/100", 403},
		{other, "GET", "/api/v1/transactions/10.0.0.5:8091:100/history", 403},
		{other, "POST", "/api/v1/transactions/100/commit", 403},
		{other, "POST", "/api/v1/transactions/100/rollback", 403},
		{other, "POST", "/api/v1/transactions/100/branches", 403},
		{own, "GET", "/api/v1/transactions/999", 404},
		{own, "GET", "/api/v1/transactions/nothing", 400},
		{own, "GET", "/api/v1/transactions?application=shop", 200},
		{own, "GET", "/api/v1/transactions?application=bank", 403},
		{own, "GET", "/api/v1/transactions", 403},
		{group, "GET", "/api/v1/transactions?application=shop", 403},
		{own, "GET", "/api/v1/locks", 403},
		{own, "GET", "/api/v1/journal", 403},
		{own, "GET", "/api/v1/me", 200},
	} {
		status, got, _ := g.do(t, tt.method, tt.path, "", "Authorization", tt.token)
		if status != tt.want || status == 403 && got["code"] != "applicationNotAllowed" {
			t.Errorf("%s %s: %d %v", tt.method, tt.path, status, got)
		}
	}
	if g.all[100].Status != txn.Active {
		t.Error("a refused request decided")
	}
}

func TestRestrictedKeysBeginForTheirOwnOnly(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	own := g.token(t, access.NewKey{
		Name: "own", Roles: []string{"service"}, Applications: []string{"shop"}, Groups: []string{"g"},
	})
	const message = `"name":"n","check":{"url":"https://a.example/check"},"deliveries":[{"url":"https://a.example/do"}]}`
	for _, tt := range []struct {
		path, body string
		want       int
	}{
		{"/api/v1/transactions", `{"name":"n","application":"shop","group":"g"}`, 201},
		{"/api/v1/transactions", `{"name":"n","application":"bank","group":"g"}`, 403},
		{"/api/v1/transactions", `{"name":"n","application":"shop","group":"h"}`, 403},
		{"/api/v1/transactions", `{"name":"n"}`, 403},
		{"/api/v1/messages", `{"application":"shop","group":"g",` + message, 201},
		{"/api/v1/messages", `{"application":"bank","group":"g",` + message, 403},
	} {
		begun := len(g.all)
		status, got, _ := g.do(t, "POST", tt.path, tt.body, "Authorization", own)
		if status != tt.want || status == 403 && (got["code"] != "applicationNotAllowed" || len(g.all) != begun) {
			t.Errorf("%s %s: %d %v", tt.path, tt.body, status, got)
		}
	}
}

func TestLimitsOfAKeyAreAnswered(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	token := g.token(t, access.NewKey{Roles: []string{"service"}, Limits: access.Limits{Requests: 2}})
	for range 2 {
		if status, got, _ := g.do(t, "GET", "/api/v1/me", "", "Authorization", token); status != 200 {
			t.Fatalf("%d %v", status, got)
		}
	}
	status, got, header := g.do(t, "GET", "/api/v1/me", "", "Authorization", token)
	if status != 429 || got["code"] != "rateLimited" || got["retryable"] != true || header.Get("Retry-After") != "1" {
		t.Errorf("%d %v %v", status, got, header)
	}
	live := g.token(t, access.NewKey{Name: "live", Roles: []string{"service"}, Limits: access.Limits{Live: 2}})
	begin := func() int {
		t.Helper()
		status, _, _ := g.do(t, "POST", "/api/v1/transactions", `{"name":"n","application":"a"}`, "Authorization", live)
		return status
	}
	if a, b, c := begin(), begin(), begin(); a != 201 || b != 201 || c != 429 {
		t.Errorf("%d %d %d", a, b, c)
	}
	for _, id := range slices.Sorted(maps.Keys(g.all))[:1] {
		delete(g.all, id) // it has ended, and is past retention
	}
	g.clock.Advance(1000)
	if a, b := begin(), begin(); a != 201 || b != 429 {
		t.Errorf("%d %d", a, b)
	}
}

func TestAnswersCarryTheHeadersThatBrowsersNeed(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	for _, path := range []string{"/healthz", "/nothing", "/api/v1/me", "/auth/ways"} {
		_, _, header := g.do(t, "GET", path, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, header.Get(name))
			}
		}
		policy := header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'self'") || !strings.Contains(policy, "frame-ancestors 'none'") ||
			strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s", path, policy)
		}
	}
}

// TestAnswersToChangesHaveNoHeadersOfPages: they are data, which have neither links nor windows.
func TestAnswersToChangesHaveNoHeadersOfPages(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	_, _, header := g.do(t, "POST", "/api/v1/transactions", "{}")
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		"Content-Security-Policy": contentPolicy, "Cross-Origin-Resource-Policy": "same-origin",
		"Referrer-Policy": "", "Cross-Origin-Opener-Policy": "",
	} {
		if header.Get(name) != want {
			t.Errorf("%s is %q", name, header.Get(name))
		}
	}
	_, _, header = g.do(t, "POST", "/auth/nothing", "")
	if header.Get("Referrer-Policy") != "no-referrer" || header.Get("Cross-Origin-Opener-Policy") != "same-origin" {
		t.Errorf("outside of the API: %v", header)
	}
}

func TestHistoriesNameWhoHasSignedIn(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	g.begin(t, 100)
	token := g.token(t, access.NewKey{Name: "bo", Roles: []string{"operator"}})
	_, plan, _ := g.do(t, "POST", "/api/v1/transactions/100/plan", `{"action":"commit"}`, "Authorization", token)
	body := fmt.Sprintf(`{"action":"commit","digest":%q,"reason":"paid by phone"}`, plan["digest"])
	status, got, _ := g.do(t, "POST", "/api/v1/transactions/100/operations", body, "Authorization", token,
		actorHeader, "somebody else")
	if status >= 300 || !strings.Contains(g.actor, "key bo") || strings.Contains(g.actor, "somebody") {
		t.Errorf("%d %v %q", status, got, g.actor)
	}
}

func TestAFaultOfTheStoreIsNoRefusal(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	token := g.withRoles(t, "viewer")
	g.documents.Fail(orchestrator.ErrUnavailable)
	status, got, _ := g.do(t, "GET", "/api/v1/me", "", "Authorization", token)
	if status != http.StatusServiceUnavailable || got["code"] != "unavailable" {
		t.Errorf("%d %v", status, got)
	}
}

func TestAStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	g := guarded(t, func(o *Options) { o.Events, o.Heartbeat = newFakeEvents(1), 10*time.Millisecond })
	g.withRoles(t, "admin")
	token := g.withRoles(t, "viewer")
	at, _ := g.serve(t)
	all := events(t, at+"/api/v1/events/stream?from=oldest", "Authorization", token)
	expect(t, all, block("5", "5"), ": alive", ": alive")
	id := strings.Split(token, "_")[1]
	if _, err := g.gate.DeleteKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(30 * time.Second)
	for {
		select {
		case _, open := <-all:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the stream goes on")
		}
	}
}

func TestAViewerReadsEventsButTakesNone(t *testing.T) {
	t.Parallel()
	g := guarded(t, func(o *Options) { o.Events = newFakeEvents(3) })
	viewer := g.withRoles(t, "viewer")
	status, got, _ := g.do(t, "GET", "/api/v1/events/stream?group=g", "", "Authorization", viewer)
	if status != 403 || got["code"] != "roleMissing" {
		t.Errorf("%d %v", status, got)
	}
}

func TestWhatIsNoRouteStoresNothing(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	before := g.documents.Text()
	for path, want := range map[string]int{"/nothing": 404, "/api/v1/nothing": 404, "/api/v1/me": 405} {
		status, got, _ := g.do(t, "POST", path, "{}", "Idempotency-Key", "k")
		if status != want {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	if after := g.documents.Text(); after != before {
		t.Errorf("somebody without a key had it stored: %s", after)
	}
}
