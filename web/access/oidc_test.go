package access

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/web/webtest"
)

// oidcRig is a gate with a provider.
type oidcRig struct {
	*rig
	provider *webtest.Provider
	test     *testing.T
}

func withProvider(t *testing.T, change func(*ProviderOptions)) *oidcRig {
	t.Helper()
	clock := webtest.NewClock(1_700_000_000_000)
	now := func() time.Time { return time.UnixMilli(int64(clock.Now())) }
	provider := webtest.NewProvider(t, now)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	r := setup(t, func(o *Options) {
		po := ProviderOptions{
			Issuer: provider.URL, ClientID: "concord", ClientSecret: "provider-secret", PublicURL: "http://127.0.0.1:8088/",
			Scopes: []string{"profile"}, Audience: "concord-api", RolesClaim: "realm.roles", Clock: clock,
			Roles:     map[string]Roles{"ops": RolesOf(Operator), "root": RolesOf(Admin)},
			Transport: transport,
		}
		if change != nil {
			change(&po)
		}
		o.Clock, o.Provider = clock, NewProvider(po)
	})
	r.clock = clock
	return &oidcRig{rig: r, provider: provider}
}

// trip is one browser on its way to the provider and back.
type trip struct {
	cookie *http.Cookie
	back   *url.URL
}

// leave begins signing in and follows the provider's redirect as a browser would.
func (r *oidcRig) leave(t *testing.T, to string) trip {
	t.Helper()
	w := httptest.NewRecorder()
	address, err := r.Begin(w, request("GET"), to)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return trip{cookie: w.Result().Cookies()[0], back: back}
}

// request is the browser's request for the callback.
func (x trip) request() *http.Request {
	r := request("GET")
	r.URL = x.back
	if x.cookie != nil {
		r.AddCookie(x.cookie)
	}
	return r
}

func TestAPersonSignsInAtTheProvider(t *testing.T) {
	t.Parallel()
	r := withProvider(t, nil)
	r.provider.SetClaims(map[string]any{
		"preferred_username": "bo", "realm": map[string]any{"roles": []string{"ops", "unknown"}},
	})
	x := r.leave(t, "/tx?live=true")
	if x.back.Path != CallbackPath || !x.cookie.HttpOnly || x.cookie.SameSite != http.SameSiteLaxMode {
		t.Errorf("%+v", x)
	}
	w := httptest.NewRecorder()
	p, secret, to, err := r.Finish(w, x.request())
	if err != nil {
		t.Fatal(err)
	}
	if p.ID != "oidc:subject-1" || p.Name != "bo" ||
		!p.Roles.Has(Operator) || p.Roles.Has(Admin) || to != "/tx?live=true" {
		t.Errorf("%+v %s", p, to)
	}
	if gone := w.Result().Cookies()[0]; gone.MaxAge >= 0 || gone.Name != x.cookie.Name {
		t.Errorf("the cookie stays: %+v", gone)
	}
	again, err := r.Authenticate(with(request("GET"), &http.Cookie{Name: "concord", Value: secret}))
	if err != nil || again.ID != p.ID || again.Kind != ByProvider || !again.Person() {
		t.Errorf("%+v %v", again, err)
	}
	_, _, _, err = r.Finish(httptest.NewRecorder(), x.request())
	wantRefusal(t, err, "credentialsInvalid") // a code counts once
}

func TestAnswersOfTheProviderThatDoNotBelongHereAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *oidcRig, x *trip){
		"no cookie":      func(_ *oidcRig, x *trip) { x.cookie = nil },
		"broken cookie":  func(_ *oidcRig, x *trip) { x.cookie.Value = "AAAA" },
		"other state":    func(_ *oidcRig, x *trip) { x.back.RawQuery += "x" },
		"no state":       func(_ *oidcRig, x *trip) { x.set("state", "") },
		"other code":     func(_ *oidcRig, x *trip) { x.set("code", "stolen") },
		"other provider": func(_ *oidcRig, x *trip) { x.set("iss", "https://evil.example") },
		"error":          func(_ *oidcRig, x *trip) { x.set("error", "access_denied") },
		"other nonce":    func(r *oidcRig, _ *trip) { r.provider.SetNonce("replayed") },
		"another browser's code": func(r *oidcRig, x *trip) {
			victim := r.leave(r.test, "/")
			x.set("code", victim.back.Query().Get("code")) // its verifier is in the other browser
		},
		"expired token": func(r *oidcRig, _ *trip) { r.provider.SetClaims(map[string]any{"exp": 1_600_000_000}) },
		"other audience": func(r *oidcRig, _ *trip) {
			r.provider.SetClaims(map[string]any{"aud": "somebody-else"})
		},
		"other issuer": func(r *oidcRig, _ *trip) { r.provider.SetClaims(map[string]any{"iss": "https://evil.example"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := withProvider(t, func(o *ProviderOptions) { o.Roles = map[string]Roles{"*": RolesOf(Viewer)} })
			r.test = t
			x := r.leave(t, "/")
			change(r, &x)
			_, secret, _, err := r.Finish(httptest.NewRecorder(), x.request())
			wantRefusal(t, err, "credentialsInvalid")
			if all, err := r.Sessions(t.Context()); secret != "" || len(all) != 0 || err != nil {
				t.Errorf("a session was begun: %v %v", all, err)
			}
		})
	}
}

func (x *trip) set(key, value string) {
	q := x.back.Query()
	q.Set(key, value)
	x.back.RawQuery = q.Encode()
}

func TestWhoHasNoRoleHereIsToldWhichClaimIsMissing(t *testing.T) {
	t.Parallel()
	r := withProvider(t, nil)
	x := r.leave(t, "/")
	p, _, _, err := r.Finish(httptest.NewRecorder(), x.request())
	refusal := wantRefusal(t, err, "roleMissing")
	if refusal.Status != 403 || !strings.Contains(refusal.Detail, "realm.roles") || p == nil || p.ID != "oidc:subject-1" {
		t.Errorf("%+v %+v", refusal, p)
	}
}

func TestClaimsOfManyShapes(t *testing.T) {
	t.Parallel()
	claims := map[string]any{
		"one": "a", "several": "a b", "list": []any{"a", 7, "b"}, "https://x.example/roles": []any{"c"},
		"deep": map[string]any{"er": map[string]any{"roles": []any{"d"}}}, "number": 7,
	}
	for path, want := range map[string]string{
		"one": "a", "several": "a b", "list": "a b", "https://x.example/roles": "c", "deep.er.roles": "d", "number": "",
		"missing": "", "one.more": "", "deep": "", "": "",
	} {
		if got := strings.Join(valuesOf(claims, path), " "); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestNobodyGivesThemselvesEverybodysRole(t *testing.T) {
	t.Parallel()
	r := withProvider(t, func(o *ProviderOptions) {
		o.RolesClaim, o.Roles = "roles", map[string]Roles{"*": RolesOf(Viewer), "root": RolesOf(Admin)}
	})
	token := r.provider.Sign("concord-api", time.UnixMilli(int64(r.clock.Now())), map[string]any{"roles": "*"})
	p, err := come(r.Gate, token)
	if err != nil || p.Roles != RolesOf(Viewer) {
		t.Errorf("%+v %v", p, err)
	}
}

func TestProgramsComeWithTokensOfTheProvider(t *testing.T) {
	t.Parallel()
	r := withProvider(t, nil)
	now := time.UnixMilli(int64(r.clock.Now()))
	root := map[string]any{"realm": map[string]any{"roles": "root"}, "client_id": "robot", "sub": "robot-1"}
	token := r.provider.Sign("concord-api", now, root)
	for range 2 { // the second one from memory
		p, err := come(r.Gate, token)
		if err != nil || p.Kind != ByToken || p.ID != "oidc:robot-1" || p.Name != "robot" || !p.Roles.Has(Admin) {
			t.Fatalf("%+v %v", p, err)
		}
	}
	none := strings.Split(token, ".")
	for name, bad := range map[string]string{
		"other audience": r.provider.Sign("concord", now, root),
		"expired":        r.provider.Sign("concord-api", now.Add(-2*time.Hour), root),
		"forged":         r.provider.Forge("concord-api", now, root),
		"unsigned":       "eyJhbGciOiJub25lIn0." + none[1] + ".",
		"no signature":   none[0] + "." + none[1] + ".",
		"nonsense":       "abc",
		"long":           strings.Repeat("a", tokenBytesMax+1),
	} {
		_, err := come(r.Gate, bad)
		if refusal := wantRefusal(t, err, "credentialsInvalid"); refusal.Status != 401 {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
	r.clock.Advance(millis(time.Hour) + 1)
	_, err := come(r.Gate, token)
	wantRefusal(t, err, "credentialsInvalid")
}

func TestWithoutAnAudienceNoTokenOfAProgramCounts(t *testing.T) {
	t.Parallel()
	r := withProvider(t, func(o *ProviderOptions) { o.Audience = "" })
	_, err := come(r.Gate, r.provider.Sign("", time.UnixMilli(int64(r.clock.Now())), nil))
	wantRefusal(t, err, "credentialsInvalid")
	if r.provider.Asked() != 0 {
		t.Error("the provider was asked for nothing")
	}
}

func TestAProviderThatIsAwayIsAskedAgainLater(t *testing.T) {
	t.Parallel()
	r := withProvider(t, nil)
	r.provider.SetAway(true)
	for range 3 {
		_, err := r.Begin(httptest.NewRecorder(), request("GET"), "/")
		if refusal := wantRefusal(t, err, "providerAway"); refusal.Status != 503 || refusal.RetryAfter == 0 {
			t.Errorf("%+v", refusal)
		}
	}
	if n := r.provider.Asked(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	r.provider.SetAway(false)
	r.o.Provider.mu.Lock()
	r.o.Provider.failedAt = time.Now().Add(-providerPause)
	r.o.Provider.mu.Unlock()
	if _, err := r.Begin(httptest.NewRecorder(), request("GET"), "/"); err != nil {
		t.Error(err)
	}
}

func TestOnlyPathsOfThisServerAreComeBackTo(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"": "/", "/tx?x=1#y": "/tx?x=1#y", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/",
		"/a\nb": "/", "/" + strings.Repeat("x", 2000): "/", "javascript:alert(1)": "/",
	} {
		if got := localPath(to); got != want {
			t.Errorf("%q: %q", to, got)
		}
	}
}

func TestWithoutAProviderThereIsNoWayToIt(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, err := r.Begin(httptest.NewRecorder(), request("GET"), "/")
	wantRefusal(t, err, "providerMissing")
	_, _, _, err = r.Finish(httptest.NewRecorder(), request("GET"))
	wantRefusal(t, err, "providerMissing")
}
