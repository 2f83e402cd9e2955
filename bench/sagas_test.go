package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/validate"
)

// fakeSagas runs sagas before it answers their start; asked to, it forgets the step before the last.
type fakeSagas struct {
	mu      sync.Mutex
	urls    []string
	runs    int
	asked   int
	forgets bool
}

func (f *fakeSagas) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body) // what is cut off cannot be parsed
	status := "Active"
	switch r.URL.Path {
	case "/api/v1/sagas/definitions":
		def, findings := definition.Parse(body)
		if def == nil || definition.Broken(findings) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		f.urls = nil
		for _, line := range strings.Split(string(body), "\n") {
			if _, rest, ok := strings.Cut(line, `    call: {url: "`); ok && !strings.HasPrefix(line, "      ") {
				url, _, _ := strings.Cut(rest, `"`)
				f.urls = append(f.urls, url)
			}
		}
	case "/api/v1/sagas/runs":
		f.runs++
		f.run(body)
	default:
		if f.asked++; f.asked%3 == 0 {
			status = "Committed"
		}
		_, _ = fmt.Fprintf(w, `{"status":%q}`, status) // a client that is gone gets nothing
		return
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"xid":"127.0.0.1:8091:%d","status":%q}`, f.runs, status) // as above
}

func (f *fakeSagas) run(body []byte) {
	var start struct{ Input struct{ Caller, Serial int } }
	if err := json.Unmarshal(body, &start); err != nil {
		panic(err)
	}
	for i, url := range f.urls {
		if f.forgets && i == len(f.urls)-2 {
			continue
		}
		url = strings.NewReplacer("${input.caller}", strconv.Itoa(start.Input.Caller),
			"${input.serial}", strconv.Itoa(start.Input.Serial)).Replace(url)
		resp, err := http.Post(url, "application/json", strings.NewReader("{}"))
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close() // empty
	}
}

func setupSagas(t *testing.T, api *fakeSagas) *bench {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	f := &fleet{clock: newClock(), stop: make(chan struct{}), faults: make(chan error, 8)}
	var err error
	if f.services, err = startServices(f, server.Listener.Addr().String(), 7); err != nil {
		t.Fatal(err)
	}
	b := &bench{o: options{seed: 7, drain: 10 * time.Second}, fleet: f}
	t.Cleanup(func() { _ = b.close() })
	return b
}

func TestSagasAreCountedWhenTheirLastStepIsCalled(t *testing.T) {
	t.Parallel()
	api := &fakeSagas{}
	b := setupSagas(t, api)
	w := workload{kind: kinds[1], branches: 3, timeout: 1000, enlist: enlistSaga}
	r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 4, count: 100})
	if err != nil || !r.OK || r.Kind != enlistSaga || r.Tally.Commits != 100 || api.runs != 100 || len(api.urls) != 3 {
		t.Fatalf("%v, %+v, %d runs of %d steps", err, r, api.runs, len(api.urls))
	}
	if faults := b.fleet.services.check(); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestAStepThatIsNotCalledIsFound(t *testing.T) {
	t.Parallel()
	b := setupSagas(t, &fakeSagas{forgets: true})
	w := workload{kind: kinds[1], branches: 2, timeout: 1000, enlist: enlistSaga}
	r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 1, count: 1})
	if err != nil || r.OK || !strings.Contains(strings.Join(r.Faults, "; "), "step 0 was called 0 times") {
		t.Errorf("%v, faults %v", err, r.Faults)
	}
}

func TestTheDefinitionOfTheBenchmarkIsSound(t *testing.T) {
	t.Parallel()
	for _, steps := range []int{1, 2, 5} {
		def, findings := validate.Document([]byte(sagaText("127.0.0.1:1234", steps)), validate.Options{})
		if def == nil || len(def.Steps) != steps || definition.Broken(findings) {
			t.Errorf("%d steps: %+v", steps, findings)
		}
	}
}
