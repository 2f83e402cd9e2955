//go:build parts

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/web"
	"github.com/concord-tx/concord/web/access"
)

// realProvider is the npm package oidc-provider, and a server that has people sign in there.
type realProvider struct {
	t              *testing.T
	server         *process
	public, issuer string
}

func withRealProvider(t *testing.T) *realProvider {
	t.Helper()
	// Both have to know where the other one is: this address is free now, and nobody else here chooses one by number.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	r := &realProvider{t: t, public: "http://" + address}
	dir := filepath.Join(t.TempDir(), "oidc")
	t.Cleanup(func() {
		if err := script(nil, "oidc", "stop", dir); err != nil {
			t.Error(err)
		}
	})
	if err := script(nil, "oidc", "start", dir, r.public); err != nil {
		t.Fatal(err)
	}
	issuer, err := os.ReadFile(filepath.Join(dir, "issuer"))
	if err != nil {
		t.Fatal(err)
	}
	r.issuer = string(issuer)
	r.server = launch(t, command(context.Background(), []string{"CONCORD_ACCESS_OIDC_SECRET=provider-secret"}, "serve",
		"--data", t.TempDir(), "--tc", "127.0.0.1:0", "--http", address, "--access-public-url", r.public,
		"--access-oidc-issuer", r.issuer, "--access-oidc-client", "concord", "--access-oidc-scopes", "profile,groups",
		"--access-oidc-roles", "ops=operator,admins=admin", "--access-oidc-audience", "urn:concord:api"))
	return r
}

// in is the same for a part of the test.
func (r *realProvider) in(t *testing.T) *realProvider {
	part := *r
	part.t = t
	return &part
}

// browser is a person's browser: it keeps cookies, follows redirects, and fills forms in.
type browser struct {
	t    *testing.T
	http *http.Client
	// onTheWay may change an address before it is followed, or stop there.
	onTheWay func(*url.URL) error
}

func (r *realProvider) browser() *browser {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	transport := &http.Transport{}
	r.t.Cleanup(transport.CloseIdleConnections)
	b := &browser{t: r.t}
	b.http = &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) > 20 {
				return fmt.Errorf("redirected %d times", len(via))
			}
			if b.onTheWay != nil {
				return b.onTheWay(next.URL)
			}
			return nil
		},
	}
	return b
}

// page is what a browser sees.
type page struct {
	status int
	url    *url.URL
	text   string
}

func (b *browser) do(request *http.Request, err error) page {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	response, err := b.http.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	at := response.Request.URL
	if next, err := response.Location(); err == nil {
		at = next
	}
	return page{response.StatusCode, at, string(text)}
}

func (b *browser) open(address string) page {
	b.t.Helper()
	return b.do(http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil))
}

var (
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// submit fills the form of a page in.
func (b *browser) submit(p page, more url.Values) page {
	b.t.Helper()
	action := formAction.FindStringSubmatch(p.text)
	if action == nil {
		b.t.Fatalf("no form at %s (%d): %s", p.url, p.status, p.text)
	}
	fields := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(p.text, -1) {
		fields.Set(field[1], html.UnescapeString(field[2]))
	}
	for name, values := range more {
		fields[name] = values
	}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, html.UnescapeString(action[1]),
		strings.NewReader(fields.Encode()))
	if err == nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.do(request, err)
}

// signIn goes all the way: the form for the name, that for the consent, and back.
func (r *realProvider) signIn(b *browser, name string) page {
	r.t.Helper()
	p := b.submit(b.open(r.public+"/auth/login?to=/api/v1/me"), url.Values{"login": {name}, "password": {"any"}})
	return b.submit(p, nil)
}

// me asks who the browser is for the server.
func (r *realProvider) me(b *browser) (status int, me web.MeView) {
	r.t.Helper()
	p := b.open(r.public + "/api/v1/me")
	if p.status == http.StatusOK {
		if err := json.Unmarshal([]byte(p.text), &me); err != nil {
			r.t.Fatalf("%v: %s", err, p.text)
		}
	}
	return p.status, me
}

// signOut ends the session here, and returns where the browser is to go.
func (r *realProvider) signOut(b *browser, csrf string) web.SignedOutView {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.public+"/auth/logout", nil)
	if err == nil {
		request.Header.Set("Sec-Fetch-Site", "same-origin")
		request.Header.Set(access.CSRFHeader, csrf)
	}
	var out web.SignedOutView
	if p := b.do(request, err); p.status != http.StatusOK || json.Unmarshal([]byte(p.text), &out) != nil {
		r.t.Fatalf("%d %s", p.status, p.text)
	}
	return out
}

// bearer asks as a program with a token.
func (r *realProvider) bearer(token string) (status int, code string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.public+"/api/v1/me", nil)
	if err == nil {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	p := r.browser().do(request, err)
	var problem web.Problem
	_ = json.Unmarshal([]byte(p.text), &problem) // what is no problem has no code
	return p.status, problem.Code
}

// robot gets a token of the provider for a program.
func (r *realProvider) robot(resource string) string {
	r.t.Helper()
	fields := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "scope": {"api"}}
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.issuer+"/token",
		strings.NewReader(fields.Encode()))
	if err == nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth("robot", "robot-secret")
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	p := r.browser().do(request, err)
	if json.Unmarshal([]byte(p.text), &answer) != nil || answer.Token == "" {
		r.t.Fatalf("%d %s", p.status, p.text)
	}
	return answer.Token
}

// TestPeopleAndProgramsOfARealProvider: the authorization code flow with PKCE and both logouts, against a provider that
// others wrote.
func TestPeopleAndProgramsOfARealProvider(t *testing.T) {
	t.Parallel()
	r := withRealProvider(t)
	t.Run("sign in and out", r.signInAndOut)
	t.Run("roles", func(t *testing.T) {
		r := r.in(t)
		if p := r.signIn(r.browser(), "ada"); p.status != 200 || !strings.Contains(p.text, `"admin"`) {
			t.Errorf("ada: %d %s", p.status, p.text)
		}
		b := r.browser()
		if p := r.signIn(b, "eve"); p.status != 403 || !strings.Contains(p.text, "roleMissing") {
			t.Errorf("eve: %d %s", p.status, p.text)
		}
		if status, _ := r.me(b); status != 401 {
			t.Errorf("eve has a session: %d", status)
		}
	})
	t.Run("answers that do not count", r.wrongAnswers)
	t.Run("programs", r.programs)
	if strings.Contains(r.server.logs(), "eyJ") {
		t.Error("a token is in the log")
	}
}

func (r *realProvider) signInAndOut(t *testing.T) {
	r = r.in(t)
	b := r.browser()
	if p := r.signIn(b, "bo"); p.status != 200 || p.url.String() != r.public+"/api/v1/me" {
		t.Fatalf("%d at %s: %s", p.status, p.url, p.text)
	}
	status, me := r.me(b)
	if status != 200 || me.Name != "bo" || me.ID != "oidc:sub-bo" || me.Kind != "person" ||
		fmt.Sprint(me.Roles) != "[operator]" {
		t.Fatalf("%d %+v", status, me)
	}
	if p := b.open(r.public + "/auth/login?to=/api/v1/me"); p.url.String() != r.public+"/api/v1/me" {
		t.Errorf("the provider knows the browser, and asks all the same at %s", p.url)
	}
	_, me = r.me(b)
	out := r.signOut(b, me.CSRFToken)
	if status, _ := r.me(b); status != 401 {
		t.Errorf("after signing out here: %d", status)
	}
	address, err := url.Parse(out.ProviderLogoutURL)
	if err != nil || !strings.HasPrefix(out.ProviderLogoutURL, r.issuer+"/") {
		t.Fatalf("%q %v", out.ProviderLogoutURL, err)
	}
	if status, code := r.bearer(address.Query().Get("id_token_hint")); status != 401 || code != "credentialsInvalid" {
		t.Errorf("the token of a person, whose audience is another one, counts as a program's: %d %s", status, code)
	}
	p := b.submit(b.open(out.ProviderLogoutURL), url.Values{"logout": {"yes"}}) // the button that says so
	if p.url.String() != r.public+access.SignedOutPath || !strings.Contains(p.text, "You are signed out") {
		t.Errorf("back at %s (%d): %s", p.url, p.status, p.text)
	}
	if p := b.open(r.public + "/auth/login"); !strings.Contains(p.text, `name="login"`) {
		t.Errorf("the provider still knows the browser: %d at %s", p.status, p.url)
	}
}

func (r *realProvider) wrongAnswers(t *testing.T) {
	r = r.in(t)
	b := r.browser()
	b.onTheWay = func(to *url.URL) error {
		if q := to.Query(); q.Has("nonce") {
			q.Set("nonce", "of another attempt")
			to.RawQuery = q.Encode()
		}
		return nil
	}
	if p := r.signIn(b, "bo"); p.status != 401 || !strings.Contains(p.text, "not made for this attempt") {
		t.Errorf("other nonce: %d %s", p.status, p.text)
	}

	// A code that was given to one browser is of no use in another one: its verifier is missing there.
	stop := func(to *url.URL) error {
		if to.Path == access.CallbackPath {
			return http.ErrUseLastResponse
		}
		return nil
	}
	victim, thief := r.browser(), r.browser()
	victim.onTheWay, thief.onTheWay = stop, stop
	stolen, own := r.signIn(victim, "ada").url, r.signIn(thief, "bo").url
	q := own.Query()
	q.Set("code", stolen.Query().Get("code"))
	own.RawQuery = q.Encode()
	if p := thief.open(own.String()); p.status != 401 || !strings.Contains(p.text, "does not take the code") {
		t.Errorf("stolen code: %d %s", p.status, p.text)
	}
	if p := r.browser().open(stolen.String()); p.status != 401 || !strings.Contains(p.text, "another browser") {
		t.Errorf("stolen address: %d %s", p.status, p.text)
	}
}

func (r *realProvider) programs(t *testing.T) {
	r = r.in(t)
	if status, code := r.bearer(r.robot("urn:concord:api")); status != 200 {
		t.Errorf("%d %s", status, code)
	}
	if status, code := r.bearer(r.robot("urn:other")); status != 401 || code != "credentialsInvalid" {
		t.Errorf("other audience: %d %s", status, code)
	}
	token := r.robot("urn:concord:short")
	status, code := r.bearer(token)
	if status != 200 {
		t.Errorf("before it expires: %d %s", status, code)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); status == 200 && time.Now().Before(deadline); <-tick.C {
		status, code = r.bearer(token)
	}
	if status != 401 || code != "credentialsInvalid" {
		t.Errorf("after it expired: %d %s", status, code)
	}
}
