package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/webtest"
)

// browse sends a request as a browser on this machine does: with cookies, and saying which page it comes from.
func (g *guardedRig) browse(t *testing.T, method, path, body string, cookies []*http.Cookie, headers ...string) (
	*http.Response, map[string]any,
) {
	t.Helper()
	req := httptest.NewRequest(method, "http://127.0.0.1:8088"+path, strings.NewReader(body))
	req.RemoteAddr = "127.0.0.1:4242"
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	w := httptest.NewRecorder()
	g.server.Handler().ServeHTTP(w, req)
	var got map[string]any
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
	}
	return w.Result(), got
}

func TestABrowserSignsInActsAndSignsOut(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	token := strings.TrimPrefix(g.token(t, access.NewKey{Name: "bo", Roles: []string{"admin"}}), "Bearer ")
	resp, me := g.browse(t, "POST", "/auth/session", `{"key":"`+token+`"}`, nil)
	if resp.StatusCode != 200 || me["name"] != "bo" || me["kind"] != "keySession" || me["csrfToken"] == "" {
		t.Fatalf("%d %v", resp.StatusCode, me)
	}
	cookies, csrf := resp.Cookies(), me["csrfToken"].(string)
	if resp, again := g.browse(t, "GET", "/api/v1/me", "", cookies); resp.StatusCode != 200 || again["csrfToken"] != csrf {
		t.Errorf("%v", again)
	}
	const body = `{"name":"made","roles":["viewer"],"reason":"for the dashboard"}`
	if resp, got := g.browse(t, "POST", "/api/v1/keys", body, cookies); resp.StatusCode != 403 ||
		got["code"] != "requestForged" {
		t.Errorf("without the token: %v", got)
	}
	if resp, got := g.browse(t, "POST", "/api/v1/keys", body, cookies, access.CSRFHeader, csrf, "Sec-Fetch-Site",
		"cross-site"); resp.StatusCode != 403 || got["code"] != "requestForged" {
		t.Errorf("from another site: %v", got)
	}
	if resp, got := g.browse(t, "POST", "/api/v1/keys", body, cookies, access.CSRFHeader, csrf); resp.StatusCode != 201 {
		t.Errorf("%v", got)
	}
	if resp, got := g.browse(t, "POST", "/auth/logout", "", cookies); resp.StatusCode != 403 {
		t.Errorf("somebody else signs out: %v", got)
	}
	resp, _ = g.browse(t, "POST", "/auth/logout", "", cookies, access.CSRFHeader, csrf)
	if resp.StatusCode != 200 || resp.Cookies()[0].MaxAge >= 0 {
		t.Errorf("%d %v", resp.StatusCode, resp.Cookies())
	}
	if resp, got := g.browse(t, "GET", "/api/v1/me", "", cookies); resp.StatusCode != 401 {
		t.Errorf("after signing out: %v", got)
	}
	if got := strings.Join(g.lines(t), "\n"); got != strings.Join([]string{
		"fact signin.begin bo 200",
		"intent key.create bo 0 for the dashboard",
		"outcome key.create bo 201 for the dashboard",
		"intent signin.end bo 0",
		"outcome signin.end bo 200",
	}, "\n") {
		t.Errorf("the journal is\n%s", got)
	}
}

func TestRefusedSigninsAreInTheJournal(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	resp, got := g.browse(t, "POST", "/auth/session", `{"key":"concord_x_guessed"}`, nil)
	if resp.StatusCode != 401 || got["code"] != "credentialsInvalid" || len(resp.Cookies()) != 0 {
		t.Errorf("%d %v", resp.StatusCode, got)
	}
	_, got = g.browse(t, "POST", "/auth/session", `{"key":"x"}`, nil, "Sec-Fetch-Site", "cross-site")
	if got["code"] != "crossSite" {
		t.Errorf("%v", got)
	}
	if got := strings.Join(g.lines(t), "\n"); got != "fact signin.begin  401" {
		t.Errorf("the journal is\n%s", got)
	}
	for range 100 {
		g.browse(t, "POST", "/auth/session", `{"key":"concord_x_guessed"}`, nil)
	}
	if n := len(g.lines(t)); n > 30 {
		t.Errorf("who guesses writes %d lines", n)
	}
}

func TestASigninThatCannotBeWrittenDoesNotCount(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	token := strings.TrimPrefix(g.withRoles(t, "viewer"), "Bearer ")
	g.server.o.Journal = brokenJournal(g)
	resp, got := g.browse(t, "POST", "/auth/session", `{"key":"`+token+`"}`, nil)
	if resp.StatusCode != 503 || len(resp.Cookies()) != 0 {
		t.Errorf("%d %v", resp.StatusCode, got)
	}
	if all, err := g.gate.Sessions(t.Context()); len(all) != 0 || err != nil {
		t.Errorf("%v %v", all, err)
	}
}

func TestAnAdminSignsOthersOut(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	admin := g.withRoles(t, "admin")
	token := strings.TrimPrefix(g.withRoles(t, "viewer"), "Bearer ")
	resp, _ := g.browse(t, "POST", "/auth/session", `{"key":"`+token+`"}`, nil)
	status, got, _ := g.do(t, "GET", "/api/v1/signins", "", "Authorization", admin)
	if status != 200 || strings.Contains(g.raw(t, "GET", "/api/v1/signins", "", "Authorization", admin).Body.String(),
		"csrf") {
		t.Fatalf("%d %v", status, got)
	}
	id := got["items"].([]any)[0].(map[string]any)["id"].(string)
	if status, got, _ := g.do(t, "DELETE", "/api/v1/signins/"+id, "", "Authorization", admin); status != 200 {
		t.Errorf("%d %v", status, got)
	}
	if status, got, _ := g.do(t, "DELETE", "/api/v1/signins/"+id, "", "Authorization", admin); status != 404 {
		t.Errorf("%d %v", status, got)
	}
	if resp, got := g.browse(t, "GET", "/api/v1/me", "", resp.Cookies()); resp.StatusCode != 401 {
		t.Errorf("%v", got)
	}
}

func TestSigningInAtTheProvider(t *testing.T) {
	t.Parallel()
	g := guarded(t, nil)
	provider := webtest.NewProvider(t, func() time.Time { return time.UnixMilli(int64(g.clock.Now())) })
	provider.SetClaims(map[string]any{"name": "Bo", "groups": []string{"ops"}})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	g.server.o.Access = access.New(access.Options{
		Documents: g.documents, Clock: g.clock, Provider: access.NewProvider(access.ProviderOptions{
			Issuer: provider.URL, ClientID: "concord", ClientSecret: "provider-secret", PublicURL: "http://127.0.0.1:8088",
			RolesClaim: "groups", Roles: map[string]access.Roles{"ops": access.RolesOf(access.Operator)}, Clock: g.clock,
			Transport: transport,
		}),
	})
	resp, _ := g.browse(t, "GET", "/auth/login?to=/tx", "", nil)
	if resp.StatusCode != 302 {
		t.Fatal(resp.Status)
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	back, err := client.Get(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	_ = back.Body.Close()
	path := strings.TrimPrefix(back.Header.Get("Location"), "http://127.0.0.1:8088")
	done, got := g.browse(t, "GET", path, "", resp.Cookies(), "Sec-Fetch-Site", "cross-site")
	if done.StatusCode != 302 || done.Header.Get("Location") != "/tx" {
		t.Fatalf("%d %v", done.StatusCode, got)
	}
	var session []*http.Cookie
	for _, c := range done.Cookies() {
		if c.MaxAge > 0 {
			session = append(session, c)
		}
	}
	if _, me := g.browse(t, "GET", "/api/v1/me", "", session); me["name"] != "Bo" || me["kind"] != "person" {
		t.Errorf("%v", me)
	}
	if done, got := g.browse(t, "GET", path, "", resp.Cookies()); done.StatusCode != 401 {
		t.Errorf("the code counts twice: %d %v", done.StatusCode, got)
	}
	seen := g.raw(t, "GET", "/auth/login?to=/tx&to=/ty", "", "Accept", "text/html,*/*;q=0.8", requestIDHeader, "<i>7</i>")
	if seen.Code != 400 || seen.Header().Get("Content-Type") != "text/html; charset=utf-8" ||
		!strings.Contains(seen.Body.String(), "<h1>The request is not understood</h1>") ||
		!strings.Contains(seen.Body.String(), "<code>&lt;i&gt;7&lt;/i&gt;</code>") {
		t.Errorf("what a person sees: %d %v\n%s", seen.Code, seen.Header(), seen.Body)
	}
	_, me := g.browse(t, "GET", "/api/v1/me", "", session)
	out, got := g.browse(t, "POST", "/auth/logout", "", session, access.CSRFHeader, me["csrfToken"].(string),
		"Idempotency-Key", "once")
	if address, _ := got["providerLogoutUrl"].(string); out.StatusCode != 200 ||
		!strings.HasPrefix(address, provider.URL+"/logout?") || !strings.Contains(address, "id_token_hint=") {
		t.Errorf("%d %v", out.StatusCode, got)
	}
	if strings.Contains(g.documents.Text(), "reply/") {
		t.Error("the answer, which has the provider's token, is stored")
	}
	if out, _ := g.browse(t, "GET", "/api/v1/me", "", session); out.StatusCode != 401 {
		t.Errorf("after signing out: %d", out.StatusCode)
	}
	page := g.raw(t, "GET", access.SignedOutPath, "")
	if page.Code != 200 || !strings.Contains(page.Body.String(), "You are signed out") {
		t.Errorf("%d %s", page.Code, page.Body)
	}
	if got := strings.Join(g.lines(t), "\n"); got != "fact signin.begin Bo 200\nfact signin.begin  401\n"+
		"intent signin.end Bo 0\noutcome signin.end Bo 200" {
		t.Errorf("the journal is\n%s", got)
	}
}

func TestInDevelopmentEverybodyHereIsAnAdmin(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	status, me, _ := r.do(t, "GET", "/api/v1/me", "", actorHeader, "bo")
	if status != 200 || me["kind"] != "developer" || me["name"] != "bo" || me["roles"].([]any)[0] != "admin" {
		t.Errorf("%d %v", status, me)
	}
	if status, got, _ := r.do(t, "GET", "/api/v1/keys", ""); status != 409 || got["code"] != "developmentMode" {
		t.Errorf("%d %v", status, got)
	}
	if _, ways, _ := r.do(t, "GET", "/auth/ways", ""); ways["developer"] != true || ways["key"] != false {
		t.Errorf("%v", ways)
	}
}
