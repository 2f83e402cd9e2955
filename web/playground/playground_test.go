package playground

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// fakeAPI takes begins and ends, or refuses them.
type fakeAPI struct {
	mu      sync.Mutex
	asked   []string // method and path
	refuses bool
	changed chan struct{} // gets something when something was asked
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v1"))
	refuses := f.refuses
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
	if r.Header.Get("Concord-Actor") != actor {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if refuses {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"code": "busy", "title": "No new work.", "detail": "The disk is full."}`))
		return
	}
	_, _ = w.Write([]byte(`{"xid": "a:1:7", "id": "7", "items": []}`))
}

// rig is a playground that runs, on an API that is none.
type rig struct {
	*Playground
	api *fakeAPI
	end func()
}

func setup(t *testing.T) *rig {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	api := &fakeAPI{changed: make(chan struct{}, 1)}
	server := httptest.NewServer(api)
	ctx, cancel := context.WithCancel(t.Context())
	p := New(Options{Base: server.URL})
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r := &rig{Playground: p, api: api}
	r.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
		goleak.VerifyNone(t, leaks)
	})
	t.Cleanup(r.end)
	return r
}

// until waits until a run is in a state.
func (r *rig) until(t *testing.T, id string, ok func(View) bool) View {
	t.Helper()
	ticker, late := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer ticker.Stop()
	for {
		for _, v := range r.Runs() {
			if v.ID == id && ok(v) {
				return v
			}
		}
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("it did not come to that: %+v", r.Runs())
		}
	}
}

func ended(v View) bool { return v.State != Running }

// These are not parallel: each looks at the goroutines that are left.

func TestARunBeginsWhatWasWished(t *testing.T) {
	r := setup(t)
	v, err := r.Start("tcc", Wish{Count: 3, Rate: 50, Failure: Refuse})
	if err != nil || v.State != Running || v.Count != 3 {
		t.Fatalf("%+v %v", v, err)
	}
	v = r.until(t, v.ID, ended)
	if v.State != Ended || v.Begun != 3 || v.Refused != 0 || len(v.XIDs) != 3 || v.EndedAt == nil {
		t.Errorf("%+v", v)
	}
	r.end()
	begins, rollbacks := 0, 0
	for _, asked := range r.api.asked {
		switch asked {
		case "POST /transactions":
			begins++
		case "POST /transactions/7/rollback":
			rollbacks++
		default:
			t.Errorf("%s was asked for", asked)
		}
	}
	if begins != 3 || rollbacks != 3 {
		t.Errorf("%v", r.api.asked)
	}
}

func TestRefusalsOfTheServerAreShown(t *testing.T) {
	r := setup(t)
	r.api.refuses = true
	for _, name := range []string{"message", "order", "deadletters"} {
		v, err := r.Start(name, Wish{Count: 2, Rate: 50})
		if err != nil {
			t.Fatal(err)
		}
		v = r.until(t, v.ID, ended)
		if v.State != Failed || v.Refused == 0 || !strings.Contains(v.Error, "No new work. The disk is full.") {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestARunIsStopped(t *testing.T) {
	r := setup(t)
	v, err := r.Start("load", Wish{Rate: 20, Seconds: 600})
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, v.ID, func(v View) bool { return v.Begun > 2 })
	if _, found := r.Stop(v.ID); !found {
		t.Fatal("it is not known")
	}
	if _, found := r.Stop(v.ID); !found { // twice is as good
		t.Error("it is gone")
	}
	if v = r.until(t, v.ID, ended); v.State != Stopped {
		t.Errorf("%+v", v)
	}
	if _, found := r.Stop("77"); found {
		t.Error("there is a run that nobody started")
	}
}

func TestTheEndOfTheServerEndsRuns(t *testing.T) {
	r := setup(t)
	for range RunsMax {
		if _, err := r.Start("load", Wish{Rate: 50, Seconds: 600}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Start("load", Wish{}); !errors.Is(err, ErrBusy) {
		t.Errorf("one more than may be: %v", err)
	}
	<-r.api.changed
	r.end()
	for _, v := range r.Runs() {
		if v.State == Running && v.Begun > 0 {
			t.Errorf("%+v goes on", v)
		}
	}
}

func TestWishesHaveBounds(t *testing.T) {
	t.Parallel()
	p := New(Options{Base: "http://127.0.0.1:1"})
	for _, tt := range []struct {
		name string
		wish Wish
		want error
	}{
		{"nothing", Wish{}, ErrUnknown},
		{"locks", Wish{}, ErrUnknown}, // nobody listens for Seata's clients
		{"tcc", Wish{Count: CountMax + 1}, ErrOptions},
		{"tcc", Wish{Count: -1}, ErrOptions},
		{"load", Wish{Rate: RateMax + 1}, ErrOptions},
		{"load", Wish{Seconds: 601}, ErrOptions},
		{"tcc", Wish{Failure: "explode"}, ErrOptions},
		{"message", Wish{Failure: Stuck}, ErrOptions},
	} {
		if _, err := p.Start(tt.name, tt.wish); !errors.Is(err, tt.want) {
			t.Errorf("%s %+v: %v", tt.name, tt.wish, err)
		}
	}
	if len(p.Runs()) != 0 {
		t.Errorf("%+v", p.Runs())
	}
	names := map[string]bool{}
	for _, s := range p.Scenarios() {
		if names[s.Name] || s.Title == "" || s.Description == "" || len(s.Failures) == 0 {
			t.Errorf("%+v", s)
		}
		names[s.Name] = true
	}
}

func TestParticipantsDoWhatTheirURLSays(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	close(p.ended) // nobody is kept waiting
	h := p.Participants()
	call := func(query, attempt string) (status int, body map[string]any) {
		t.Helper()
		defer func() {
			if recover() == http.ErrAbortHandler {
				status = 0
			}
		}()
		req := httptest.NewRequest("POST", Path+"stock?"+query, nil)
		req.Header.Set("Concord-Xid", "a:1:7")
		req.Header.Set("Concord-Branch", "8")
		req.Header.Set("Concord-Attempt", attempt)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Error(err)
		}
		return w.Code, body
	}
	for _, tt := range []struct {
		query, attempt string
		status         int
	}{
		{"", "1", 200}, {"fail=none", "1", 200}, {"fail=refuse", "9", 409}, {"fail=stuck", "9", 409},
		{"fail=unknown", "1", 503}, {"fail=unknown", "2", 503}, {"fail=unknown", "3", 200},
		{"fail=crash", "2", 0}, {"fail=crash", "3", 200}, {"fail=timeout", "1", 503}, {"fail=timeout", "2", 200},
		{"fail=slow&seconds=1", "1", 503},
	} {
		if status, _ := call(tt.query, tt.attempt); status != tt.status {
			t.Errorf("%s, attempt %s: %d", tt.query, tt.attempt, status)
		}
	}
	_, first := call("", "1")
	_, again := call("", "2")
	if first["id"] == nil || first["id"] != again["id"] || first["price"] != again["price"] {
		t.Errorf("asked twice, it says %v and %v", first, again)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", Path+"stock", nil))
	if w.Code != 400 {
		t.Errorf("who is no coordinator gets %d", w.Code)
	}
}

func TestSilentParticipantsHaveAnOriginOfTheirOwn(t *testing.T) {
	t.Parallel()
	const steady, shaky = "http://127.0.0.1:8088" + Path, "http://localhost:8088" + Path
	p := New(Options{Base: "http://127.0.0.1:8088"})
	for failure, want := range map[string]string{
		"": steady, None: steady, Refuse: steady, Stuck: steady,
		Unknown: shaky, Slow: shaky, Timeout: shaky, Crash: shaky,
	} {
		if got := p.at("stock", failure, 2); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s", failure, got)
		}
	}
	got := New(Options{Base: "http://127.0.0.2:1"}).at("stock", Crash, 2)
	if !strings.HasPrefix(got, "http://127.0.0.2:1/") {
		t.Errorf("no name leads to %s", got)
	}
	for _, s := range sagas() {
		for _, file := range s.files {
			text, err := definitions.ReadFile("sagas/" + file + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, ".failure ??") != strings.Contains(line, "SHAKY/") {
					t.Errorf("%s: %s", file, line)
				}
			}
		}
	}
}

func TestSlowOnesOfAStreamAnswerInTime(t *testing.T) {
	t.Parallel()
	for timed, want := range map[bool]int{true: 2, false: 60} {
		r := &run{scenario: &Scenario{Timed: timed}, wish: Wish{Seconds: 60}}
		if got := r.slowness(); got != want {
			t.Errorf("timed %v: %d", timed, got)
		}
	}
}
