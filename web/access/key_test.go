package access

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAKeyLetsInAndItsSecretIsKeptNowhere(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	key, token := r.key(t, NewKey{
		Name: "shop", Roles: []string{"service", "viewer", "service"}, Applications: []string{"shop"}, Groups: []string{"g"},
	})
	if !strings.HasPrefix(token, TokenPrefix+key.ID+"_") || len(token) < len(TokenPrefix)+len(key.ID)+1+26 {
		t.Errorf("token %s", token)
	}
	p, err := come(r.Gate, token)
	if err != nil {
		t.Fatal(err)
	}
	if p.ID != "key:"+key.ID || p.Name != "shop" ||
		!p.Roles.Has(Service) || !p.Roles.Has(Viewer) || p.Roles.Has(Operator) {
		t.Errorf("%+v", p)
	}
	if !p.Allows("shop", "g") || p.Allows("shop", "h") || p.Allows("other", "g") || !p.Restricted() {
		t.Error("restrictions do not count")
	}
	secret := token[strings.LastIndexByte(token, '_')+1:]
	if strings.Contains(r.documents.Text(), secret) || strings.Contains(r.log.String(), secret) {
		t.Error("the secret is kept or logged")
	}
	if diff := cmp.Diff([]string{"viewer", "service"}, key.Roles); diff != "" {
		t.Error(diff)
	}
}

func TestWrongCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	key, token := r.key(t, NewKey{})
	_, other := r.key(t, NewKey{Name: "other"})
	otherSecret := other[strings.LastIndexByte(other, '_'):]
	for name, header := range map[string]string{
		"basic":              "Basic dTpw",
		"no token":           "Bearer ",
		"unknown":            "Bearer concord_nobody_AAAAAAAAAAAAAAAAAAAAAAAAAA",
		"secret of another":  "Bearer " + TokenPrefix + key.ID + otherSecret,
		"cut":                "Bearer " + token[:len(token)-1],
		"longer":             "Bearer " + token + "A",
		"of another case":    "Bearer " + strings.ToLower(token),
		"no secret":          "Bearer " + TokenPrefix + key.ID + "_",
		"no id":              "Bearer concord__AAAAAAAAAAAAAAAAAAAAAAAAAA",
		"somebody else's":    "Bearer eyJhbGciOiJub25lIn0.e30.",
		"hash instead of it": "Bearer " + TokenPrefix + key.ID + "_" + hashOf(token),
	} {
		p, err := r.Authenticate(request("GET", "Authorization", header))
		if p != nil {
			t.Errorf("%s: let in as %s", name, p.ID)
		}
		refusal := wantRefusal(t, err, "credentialsInvalid")
		if refusal.Status != 401 || !strings.Contains(refusal.Challenge, `error="invalid_token"`) {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
	if _, err := r.Authenticate(request("GET", "Authorization", "Bearer "+token, "Authorization", "x")); err == nil {
		t.Error("two headers are taken")
	}
	if p, err := r.Authenticate(request("GET")); err != nil || p.Kind != Nobody || p.Roles.Has(Member) {
		t.Errorf("nobody: %+v %v", p, err)
	}
}

func TestExpiredAndRevokedKeysDoNotCount(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, admin := r.key(t, NewKey{Name: "admin", Roles: []string{"admin"}})
	key, token := r.key(t, NewKey{ExpiresAt: r.clock.Now() + 60_000})
	elsewhere := r.other()
	for _, g := range []*Gate{r.Gate, elsewhere} {
		if _, err := come(g, token); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.DeleteKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := come(r.Gate, token); err == nil {
		t.Error("a revoked key counts where it was revoked")
	}
	r.clock.Advance(millis(KeyCacheFor))
	if _, err := come(elsewhere, token); err == nil {
		t.Error("a revoked key counts elsewhere after the cache's time")
	}
	_, short := r.key(t, NewKey{ExpiresAt: r.clock.Now() + 2_000})
	if _, err := come(r.Gate, short); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(2_000) // within the cache's time
	_, err := come(r.Gate, short)
	wantRefusal(t, err, "credentialsInvalid")
	if _, err := come(r.Gate, admin); err != nil {
		t.Error(err)
	}
}

func TestNotingTheLastUseDoesNotBringARevokedKeyBack(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.key(t, NewKey{Name: "admin", Roles: []string{"admin"}})
	key, token := r.key(t, NewKey{})
	known, err := r.keys.read(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.other().DeleteKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	r.keys.used(t.Context(), known)
	if _, err := come(r.other(), token); err == nil {
		t.Error("it is back")
	}
}

func TestTheLastUseIsNotedOncePerHour(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	key, token := r.key(t, NewKey{})
	noted := func() int64 {
		t.Helper()
		if _, err := come(r.Gate, token); err != nil {
			t.Fatal(err)
		}
		k, err := r.Key(t.Context(), key.ID)
		if err != nil {
			t.Fatal(err)
		}
		return int64(k.LastUsedAt)
	}
	first := noted()
	if first != int64(r.clock.Now()) {
		t.Errorf("noted %d", first)
	}
	r.clock.Advance(60_000)
	if noted() != first {
		t.Error("noted again after a minute")
	}
	r.clock.Advance(3_600_000)
	if noted() == first {
		t.Error("not noted after an hour")
	}
}

func TestAKnownKeyCountsWhileTheStoreIsAwayForAMinute(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{})
	if _, err := come(r.Gate, token); err != nil {
		t.Fatal(err)
	}
	r.documents.Fail(errors.New("away"))
	r.clock.Advance(30_000)
	if _, err := come(r.Gate, token); err != nil {
		t.Errorf("after 30 s: %v", err)
	}
	r.clock.Advance(31_000)
	_, err := come(r.Gate, token)
	var refusal *Refusal
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("after 61 s: %v; it must be a fault, not a refusal", err)
	}
}

func TestKeysAreDescribedWithinBounds(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	now := r.clock.Now()
	ok := NewKey{Name: "a", Roles: []string{"viewer"}}
	for name, change := range map[string]func(*NewKey){
		"no name":          func(n *NewKey) { n.Name = "" },
		"long name":        func(n *NewKey) { n.Name = strings.Repeat("x", 65) },
		"control in name":  func(n *NewKey) { n.Name = "a\nb" },
		"no role":          func(n *NewKey) { n.Roles = nil },
		"odd role":         func(n *NewKey) { n.Roles = []string{"root"} },
		"long note":        func(n *NewKey) { n.Note = strings.Repeat("x", 501) },
		"in the past":      func(n *NewKey) { n.ExpiresAt = now },
		"in far future":    func(n *NewKey) { n.ExpiresAt = now + 1<<50 },
		"negative rate":    func(n *NewKey) { n.Limits.Requests = -1 },
		"no number":        func(n *NewKey) { n.Limits.Begins = math.NaN() },
		"negative live":    func(n *NewKey) { n.Limits.Live = -1 },
		"empty name":       func(n *NewKey) { n.Applications = []string{""} },
		"many groups":      func(n *NewKey) { n.Groups = make([]string, 101) },
		"restricted admin": func(n *NewKey) { n.Roles, n.Groups = []string{"admin"}, []string{"g"} },
	} {
		n := ok
		change(&n)
		_, _, err := r.CreateKey(t.Context(), n, "test")
		if refusal := wantRefusal(t, err, "argumentInvalid"); refusal.Detail == "" {
			t.Errorf("%s: nothing is explained", name)
		}
	}
	r.key(t, ok)
	_, _, err := r.CreateKey(t.Context(), ok, "test")
	wantRefusal(t, err, "keyExists")
}

func TestTheLastAdminCannotBeRevoked(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	admin, _ := r.key(t, NewKey{Name: "admin", Roles: []string{"admin"}})
	r.key(t, NewKey{Name: "brief", Roles: []string{"admin"}, ExpiresAt: r.clock.Now() + 1})
	r.clock.Advance(1)
	_, err := r.DeleteKey(t.Context(), admin.ID)
	wantRefusal(t, err, "keyLastAdmin")
	_, err = r.DeleteKey(t.Context(), "nothing")
	wantRefusal(t, err, "keyNotFound")
	r.key(t, NewKey{Name: "second", Roles: []string{"admin"}})
	if _, err := r.DeleteKey(t.Context(), admin.ID); err != nil {
		t.Error(err)
	}
}

func TestListsOfTheStoreThatEndEarlyHideNoKey(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	r.documents.EndEarly(2)
	for i := range 7 {
		r.key(t, NewKey{Name: string(rune('a' + i)), Roles: []string{"admin"}})
	}
	all, err := r.Keys(t.Context())
	if err != nil || len(all) != 7 {
		t.Errorf("%d keys, %v", len(all), err)
	}
	if token, err := r.FirstKey(t.Context()); token != "" || err != nil {
		t.Errorf("%q %v", token, err)
	}
}

func TestTheFirstKeyIsMadeOnceByOneNode(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	var all sync.WaitGroup
	tokens := make(chan string, 8)
	for range cap(tokens) {
		all.Go(func() {
			token, err := r.other().FirstKey(t.Context())
			if err != nil {
				t.Error(err)
			}
			if token != "" {
				tokens <- token
			}
		})
	}
	all.Wait()
	if len(tokens) != 1 {
		t.Fatalf("%d tokens were made", len(tokens))
	}
	p, err := come(r.Gate, <-tokens)
	if err != nil || !p.Roles.Has(Admin) {
		t.Fatalf("%+v %v", p, err)
	}
	if token, err := r.FirstKey(t.Context()); token != "" || err != nil {
		t.Errorf("a second one: %q %v", token, err)
	}
}

func TestWhoHasLostAllAdminsGetsAFirstKeyAgain(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	first, err := r.FirstKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	brief, _ := r.key(t, NewKey{Name: "brief", Roles: []string{"admin"}, ExpiresAt: r.clock.Now() + 1000})
	if _, err := r.DeleteKey(t.Context(), FirstKeyID); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(1000)
	again, err := r.FirstKey(t.Context())
	if err != nil || again == "" || again == first {
		t.Fatalf("%q %v", again, err)
	}
	if _, err := come(r.Gate, first); err == nil {
		t.Error("the old one counts again")
	}
	if _, err := come(r.Gate, again); err != nil {
		t.Error(err)
	}
	_ = brief
}

func TestAConfiguredTokenIsAnAdminAndMakesNoFirstKey(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef"
	r := setup(t, func(o *Options) { o.Token = token })
	if first, err := r.FirstKey(t.Context()); first != "" || err != nil {
		t.Errorf("%q %v", first, err)
	}
	p, err := come(r.Gate, token)
	if err != nil || !p.Roles.Has(Admin) {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := come(r.Gate, token+"0"); err == nil {
		t.Error("a longer one counts")
	}
	_, _, err = r.SignIn(request("POST"), token)
	wantRefusal(t, err, "credentialsInvalid")
	if strings.Contains(r.documents.Text(), token) {
		t.Error("it is stored")
	}
}

func TestWhoseKeyIsGoneDoesNotStand(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Token = "0123456789abcdef0123456789abcdef" })
	kept, _ := r.key(t, NewKey{Name: "kept", Roles: []string{"resolver"}})
	gone, _ := r.key(t, NewKey{Name: "gone", Roles: []string{"admin"}})
	if _, err := r.DeleteKey(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	old, _ := r.key(t, NewKey{Name: "old", Roles: []string{"resolver"}, ExpiresAt: r.clock.Now() + 1000})
	r.clock.Advance(2000)
	for id, want := range map[string]bool{
		"key:" + kept.ID: true, "key:" + gone.ID: false, "key:" + old.ID: false, "key:nobody": false, "key:configured": true,
		"oidc:bo": true,
	} {
		if got, err := r.Stands(t.Context(), id, Resolver); got != want || err != nil {
			t.Errorf("%s: %v %v", id, got, err)
		}
	}
	if got, err := r.Stands(t.Context(), "key:"+kept.ID, Admin); got || err != nil {
		t.Errorf("a role that it never had: %v %v", got, err)
	}
	if got, err := setup(t, nil).Stands(t.Context(), "key:configured", Resolver); got || err != nil {
		t.Errorf("no token is configured: %v %v", got, err)
	}
	r.documents.Fail(errors.New("away"))
	if got, err := r.other().Stands(t.Context(), "key:"+kept.ID, Resolver); got || err == nil {
		t.Errorf("the store is away: %v %v", got, err)
	}
}
