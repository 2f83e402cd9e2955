package access

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// arrive signs a person in, and returns their next request and who they are then.
func (r *oidcRig) arrive(t *testing.T) (*http.Request, *Principal) {
	t.Helper()
	x := r.leave(t, "/")
	_, secret, _, err := r.Finish(httptest.NewRecorder(), x.request())
	if err != nil {
		t.Fatal(err)
	}
	next := with(request("GET"), &http.Cookie{Name: "concord", Value: secret})
	p, err := r.Authenticate(next)
	if err != nil {
		t.Fatal(err)
	}
	return next, p
}

func TestWhoSignsOutIsSentToTheProvider(t *testing.T) {
	t.Parallel()
	r := withProvider(t, nil)
	r.provider.SetClaims(map[string]any{"realm": map[string]any{"roles": "ops"}})
	next, p := r.arrive(t)
	address, err := url.Parse(r.ProviderLogout(next, p))
	if err != nil {
		t.Fatal(err)
	}
	q := address.Query()
	if !strings.HasPrefix(address.String(), r.provider.URL+"/logout?") || q.Get("client_id") != "concord" ||
		q.Get("post_logout_redirect_uri") != "http://127.0.0.1:8088"+SignedOutPath {
		t.Errorf("%s", address)
	}
	hint := q.Get("id_token_hint")
	if token, err := r.o.Provider.found.people.Verify(t.Context(), hint); err != nil || token.Subject != "subject-1" {
		t.Errorf("the hint is not the person's token: %v", err)
	}
	if stored := r.documents.Text(); !strings.Contains(stored, `"hint":`) || strings.Contains(stored, hint) ||
		strings.Contains(stored, strings.Split(hint, ".")[1]) {
		t.Errorf("the token can be read in the store:\n%s", stored)
	}
	if all, err := r.Sessions(t.Context()); err != nil || len(all) != 1 || all[0].Hint != nil {
		t.Errorf("%+v %v", all, err)
	}
	stolen := with(request("GET"), &http.Cookie{Name: "concord", Value: "another secret"})
	if address := r.ProviderLogout(stolen, p); strings.Contains(address, "id_token_hint") {
		t.Errorf("it opens with another secret: %s", address)
	}
}

func TestThereIsNotAlwaysASessionToEndAtTheProvider(t *testing.T) {
	t.Parallel()
	r := withProvider(t, nil)
	r.provider.HideLogout()
	r.provider.SetClaims(map[string]any{"realm": map[string]any{"roles": "ops"}})
	next, p := r.arrive(t)
	if address := r.ProviderLogout(next, p); address != "" {
		t.Errorf("the provider named none: %s", address)
	}

	r = withProvider(t, nil)
	_, token := r.key(t, NewKey{})
	p, secret, err := r.SignIn(request("POST"), token)
	if err != nil {
		t.Fatal(err)
	}
	if address := r.ProviderLogout(with(request("GET"), &http.Cookie{Name: "concord", Value: secret}), p); address != "" {
		t.Errorf("signed in with a key: %s", address)
	}
	if address := r.ProviderLogout(request("GET"), &Principal{}); address != "" {
		t.Errorf("nobody is signed in: %s", address)
	}
	if address := setup(t, nil).ProviderLogout(next, p); address != "" {
		t.Errorf("there is no provider: %s", address)
	}
}

func TestOnlyTheCookieOpensWhatIsSealed(t *testing.T) {
	t.Parallel()
	const token = "head.claims.signature"
	sealed := seal("secret", token)
	if got := unseal("secret", sealed); got != token {
		t.Errorf("%q", got)
	}
	broken := append([]byte(nil), sealed...)
	broken[len(broken)-1] ^= 1
	for name, got := range map[string]string{
		"another secret": unseal("secreT", sealed), "changed": unseal("secret", broken), "cut": unseal("secret", sealed[:9]),
		"none": unseal("secret", nil), "too long": unseal("secret", seal("secret", strings.Repeat("x", hintBytesMax+1))),
	} {
		if got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if string(seal("secret", token)) == string(sealed) {
		t.Error("two are the same")
	}
}

func TestOnlyPagesOfTheWebEndSessions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://id.example/end?x=1": true, "http://127.0.0.1:1/end": true, "": false, "javascript:alert(1)": false,
		"//id.example": false, "ftp://id.example/x": false, "https://": false, "https://%": false,
	} {
		if got := endSessionOf(text) != ""; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
