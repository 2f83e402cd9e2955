package access

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/concord-tx/concord/web/webtest"
)

// FuzzAuthenticate: whatever is in the headers, nobody comes in who has no key, and nothing but a refusal comes back.
func FuzzAuthenticate(f *testing.F) {
	for _, seed := range []string{
		"Bearer concord_first_AAAAAAAAAAAAAAAAAAAAAAAAAA", "Bearer  ", "bearer concord__", "Basic dTpw", "Bearer a.b.c",
		"Bearer concord_\x00_\xff", "Bearer " + strings.Repeat("a", 300), "\t", "Bearer concord_a/../b_c",
	} {
		f.Add(seed, "concord="+seed)
	}
	clock := webtest.NewClock(1_700_000_000_000)
	g := New(Options{Documents: webtest.NewDocuments(clock), Clock: clock})
	if _, _, err := g.CreateKey(f.Context(), NewKey{Name: "k", Roles: []string{"admin"}}, "test"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, authorization, cookie string) {
		clock.Advance(60_000) // so that guessing is not slowed
		r := request("GET")
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		r.Header["Cookie"] = []string{cookie}
		p, err := g.Authenticate(r)
		var refusal *Refusal
		switch {
		case err != nil && (!errors.As(err, &refusal) || refusal.Status < http.StatusBadRequest):
			t.Errorf("%v", err)
		case err == nil && (p.Kind != Nobody || p.Roles.Has(Member)):
			t.Errorf("let in: %+v", p)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	clock := webtest.NewClock(1_700_000_000_000)
	g := New(Options{Documents: webtest.NewDocuments(clock), Clock: clock})
	n := NewKey{Name: "k", Roles: []string{"service"}, Limits: Limits{Requests: 1e6, Begins: 1e6}}
	_, token, err := g.CreateKey(b.Context(), n, "test")
	if err != nil {
		b.Fatal(err)
	}
	r := request("GET", "Authorization", "Bearer "+token)
	for b.Loop() {
		clock.Advance(1)
		p, err := g.Authenticate(r)
		if err != nil || !p.Roles.Has(Service) || g.Allow(p) != nil {
			b.Fatal(err)
		}
	}
}
