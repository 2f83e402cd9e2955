package access

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// signIn begins a session with a key and returns its cookie and its principal.
func (r *rig) signIn(t *testing.T, token string) (*http.Cookie, *Principal) {
	t.Helper()
	req := request("POST")
	p, secret, err := r.SignIn(req, token)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r.SetSession(w, req, secret)
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	return cookies[0], p
}

// with adds a cookie to a request.
func with(r *http.Request, c *http.Cookie) *http.Request {
	r.AddCookie(c)
	return r
}

func TestABrowserSignsInWithAKey(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	key, token := r.key(t, NewKey{Name: "bo", Roles: []string{"operator"}})
	cookie, p := r.signIn(t, token)
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" ||
		cookie.Name != "concord" || cookie.Secure {
		t.Errorf("cookie %+v", cookie)
	}
	again, err := r.Authenticate(with(request("GET"), cookie))
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != "key:"+key.ID || again.Kind != ByKeySession || !again.Roles.Has(Operator) || !again.Person() {
		t.Errorf("%+v", again)
	}
	if again.Session().CSRF != p.Session().CSRF || again.Session().Address != "127.0.0.1" {
		t.Errorf("%+v", again.Session())
	}
	for _, secret := range []string{cookie.Value, token[len(token)-26:]} {
		if strings.Contains(r.documents.Text(), secret) || strings.Contains(r.log.String(), secret) {
			t.Error("a secret is kept or logged")
		}
	}
	all, err := r.Sessions(t.Context())
	if err != nil || len(all) != 1 || all[0].CSRF != "" || all[0].Name != "bo" {
		t.Errorf("%+v %v", all, err)
	}
	if err := r.SignOut(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if p, err := r.other().Authenticate(with(request("GET"), cookie)); err != nil || p.Kind != Nobody {
		t.Errorf("after signing out: %+v %v", p, err)
	}
}

func TestOverTLSTheCookieIsOfThisHostOnly(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.BehindTLS = true })
	_, token := r.key(t, NewKey{})
	cookie, _ := r.signIn(t, token)
	if cookie.Name != "__Host-concord" || !cookie.Secure {
		t.Errorf("%+v", cookie)
	}
	cookie.Name = "concord" // as a neighbouring host may set it
	if p, err := r.Authenticate(with(request("GET"), cookie)); err != nil || p.Kind != Nobody {
		t.Errorf("%+v %v", p, err)
	}
}

func TestNoSessionOverAnOpenNetwork(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{})
	req := request("POST")
	req.RemoteAddr = "10.0.0.9:1"
	_, _, err := r.SignIn(req, token)
	wantRefusal(t, err, "tlsRequired")
	if all, err := r.Sessions(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
}

func TestASessionEndsWhenIdleAndAfterItsTime(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{})
	used := func(cookie *http.Cookie) bool {
		t.Helper()
		p, err := r.Authenticate(with(request("GET"), cookie))
		if err != nil {
			t.Fatal(err)
		}
		return p.Kind == ByKeySession
	}
	idle, _ := r.signIn(t, token)
	r.clock.Advance(millis(14 * time.Minute))
	if !used(idle) {
		t.Error("it ended before its time")
	}
	r.clock.Advance(millis(17 * time.Minute))
	if used(idle) {
		t.Error("it lasts although nobody uses it")
	}
	open, _ := r.signIn(t, token)
	for range 17 { // a stream that is open is no use
		if _, err := r.Recheck(with(request("GET"), open)); err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(millis(time.Minute))
	}
	if used(open) {
		t.Error("an open stream keeps somebody signed in")
	}
	busy, _ := r.signIn(t, token)
	began := r.clock.Now()
	for used(busy) {
		r.clock.Advance(millis(10 * time.Minute))
		if r.clock.Now() > began+millis(24*time.Hour) {
			t.Fatal("it lasts for ever")
		}
	}
	if lasted := r.clock.Now() - began; lasted != millis(12*time.Hour) {
		t.Errorf("it lasted %d", lasted)
	}
}

func TestASessionEndsWithItsKeyAndByAnAdmin(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.key(t, NewKey{Name: "admin", Roles: []string{"admin"}})
	key, token := r.key(t, NewKey{})
	_, other := r.key(t, NewKey{Name: "other"})
	first, _ := r.signIn(t, token)
	second, p := r.signIn(t, other)
	if _, err := r.DeleteKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if p, err := r.Authenticate(with(request("GET"), first)); err != nil || p.Kind != Nobody {
		t.Errorf("%+v %v", p, err)
	}
	if found, err := r.EndSession(t.Context(), "0123456789abcdef"); found || err != nil {
		t.Errorf("%v %v", found, err)
	}
	if found, err := r.EndSession(t.Context(), ""); found || err != nil {
		t.Errorf("no id: %v %v", found, err)
	}
	if found, err := r.EndSession(t.Context(), p.Session().ID); !found || err != nil {
		t.Errorf("%v %v", found, err)
	}
	if p, err := r.Authenticate(with(request("GET"), second)); err != nil || p.Kind != Nobody {
		t.Errorf("%+v %v", p, err)
	}
}

func TestAFaultOfTheStoreIsNoEndOfASession(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{})
	cookie, _ := r.signIn(t, token)
	r.documents.Fail(errors.New("away"))
	_, err := r.Authenticate(with(request("GET"), cookie))
	var refusal *Refusal
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("%v", err)
	}
}

func TestForgedRequestsOfABrowserAreRefused(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{})
	_, p := r.signIn(t, token)
	program, err := come(r.Gate, token)
	if err != nil {
		t.Fatal(err)
	}
	csrf := p.Session().CSRF
	for _, tt := range []struct {
		name    string
		who     *Principal
		headers []string
		ok      bool
	}{
		{"own page", p, []string{"Sec-Fetch-Site", "same-origin", CSRFHeader, csrf}, true},
		{"own page, older browser", p, []string{"Origin", "http://127.0.0.1:8088", CSRFHeader, csrf}, true},
		{"no token", p, []string{"Sec-Fetch-Site", "same-origin"}, false},
		{"wrong token", p, []string{"Sec-Fetch-Site", "same-origin", CSRFHeader, csrf + "x"}, false},
		{"no origin", p, []string{CSRFHeader, csrf}, false},
		{"other site", p, []string{"Sec-Fetch-Site", "cross-site", CSRFHeader, csrf}, false},
		{"same site, other host", p, []string{"Sec-Fetch-Site", "same-site", CSRFHeader, csrf}, false},
		{"other origin", p, []string{"Origin", "http://evil.example", CSRFHeader, csrf}, false},
		{"opaque origin", p, []string{"Origin", "null", CSRFHeader, csrf}, false},
		{"other port", p, []string{"Origin", "http://127.0.0.1:9999", CSRFHeader, csrf}, false},
		{"program", program, nil, true},
		{"program driven by a page elsewhere", program, []string{"Sec-Fetch-Site", "cross-site"}, false},
	} {
		for _, method := range []string{"POST", "DELETE", "GET"} {
			err := r.CheckBrowser(request(method, tt.headers...), tt.who)
			if (err == nil) != tt.ok {
				t.Errorf("%s %s: %v", method, tt.name, err)
			}
			if err != nil {
				wantRefusal(t, err, "requestForged")
			}
		}
	}
}
