package access

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestAKeyMayAskForSoMuchPerSecond(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{Limits: Limits{Requests: 10, Begins: 2}})
	_, free := r.key(t, NewKey{Name: "free"})
	p, err := come(r.Gate, token)
	if err != nil {
		t.Fatal(err)
	}
	passed := func() (n int) {
		for range 50 {
			again, err := come(r.Gate, token) // each request brings a principal of its own
			if err != nil {
				t.Fatal(err)
			}
			if r.Allow(again) == nil {
				n++
			}
		}
		return n
	}
	if n := passed(); n != 10 {
		t.Errorf("%d passed at once", n)
	}
	refusal := wantRefusal(t, r.Allow(p), "rateLimited")
	if refusal.Status != 429 || refusal.RetryAfter <= 0 || refusal.RetryAfter > seconds(1) {
		t.Errorf("%+v", refusal)
	}
	r.clock.Advance(500)
	if n := passed(); n != 5 {
		t.Errorf("%d passed after half a second", n)
	}
	r.clock.Advance(10_000) // the key is read anew, its limit goes on
	if n := passed(); n != 10 {
		t.Errorf("%d passed later", n)
	}
	unlimited, err := come(r.Gate, free)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if err := r.Allow(unlimited); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAKeyMayHaveSoManyLiveTransactions(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{Limits: Limits{Live: 3}})
	p, err := come(r.Gate, token)
	if err != nil {
		t.Fatal(err)
	}
	live := map[int64]bool{}
	ended := func(id int64) bool { return !live[id] }
	begin := func(id int64) error {
		settle, err := r.AllowBegin(p, ended)
		if err != nil {
			return err
		}
		live[id] = id != 0
		settle(id)
		return nil
	}
	for id := int64(1); id <= 3; id++ {
		if err := begin(id); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusal(t, begin(4), "rateLimited")
	live[2] = false
	r.clock.Advance(millis(pruneEvery))
	if err := begin(0); err != nil { // one that came to nothing gives its place back
		t.Fatal(err)
	}
	if err := begin(5); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(millis(pruneEvery))
	wantRefusal(t, begin(6), "rateLimited")
}

func TestBeginsUnderWayCount(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{Limits: Limits{Live: 1}})
	p, err := come(r.Gate, token)
	if err != nil {
		t.Fatal(err)
	}
	settle, err := r.AllowBegin(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.AllowBegin(p, nil)
	wantRefusal(t, err, "rateLimited")
	settle(0)
	if _, err := r.AllowBegin(p, nil); err != nil {
		t.Error(err)
	}
}

func TestWhoGuessesIsSlowedButRightKeysFromThereAreNot(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	_, token := r.key(t, NewKey{})
	_, late := r.key(t, NewKey{Name: "late"})
	if _, err := come(r.Gate, token); err != nil {
		t.Fatal(err)
	}
	var err error
	for range failuresAtOnce {
		_, err = come(r.Gate, "concord_x_y")
		wantRefusal(t, err, "credentialsInvalid")
	}
	_, err = come(r.Gate, "concord_x_y")
	if refusal := wantRefusal(t, err, "rateLimited"); refusal.RetryAfter <= 0 {
		t.Errorf("%+v", refusal)
	}
	if _, err := come(r.Gate, token); err != nil {
		t.Errorf("a key that is known: %v", err)
	}
	_, err = come(r.Gate, late)
	wantRefusal(t, err, "rateLimited")
	elsewhere := request("GET", "Authorization", "Bearer "+late)
	elsewhere.RemoteAddr = "10.1.2.3:1"
	if _, err := r.Authenticate(elsewhere); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
}

func TestMemoryOfFailuresIsBounded(t *testing.T) {
	t.Parallel()
	f := newFailures()
	r := setup(t, nil)
	for i := range 3 * failurePlacesMax {
		f.count(netip.MustParseAddr(fmt.Sprintf("10.%d.%d.1", i/256, i%256)), r.now())
	}
	if n := len(f.places); n > failurePlacesMax {
		t.Errorf("%d places", n)
	}
	r.clock.Advance(3_600_000)
	f.count(netip.MustParseAddr("192.0.2.1"), r.now())
	if n := len(f.places); n != 1 {
		t.Errorf("%d places after an hour", n)
	}
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2:3%eth0")
	if place(a) != place(b) || place(a) == place(netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("an IPv6 network is not one place")
	}
}
