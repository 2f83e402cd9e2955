package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAPI is a coordinator over HTTP that calls participants before it answers; asked to, it makes mistakes.
type fakeAPI struct {
	mu       sync.Mutex
	branches map[string][]map[string]any
	status   map[string]string
	mistake  string
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Kind, ConfirmURL, CancelURL string
		Branches                    []map[string]any
	}
	var raw map[string]any
	_ = json.NewDecoder(r.Body).Decode(&raw) // an empty body is one
	text, _ := json.Marshal(raw)
	_ = json.Unmarshal(text, &body)
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := strings.TrimPrefix(r.URL.Path, "/api/v1/transactions")
	xid, what, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	code := http.StatusCreated
	switch {
	case r.Method == http.MethodGet:
		code = http.StatusOK
	case xid == "":
		xid = fmt.Sprintf("127.0.0.1:8091:%d", len(f.status)+1)
		f.status[xid], f.branches[xid] = "Active", body.Branches
	case what == "branches":
		f.branches[xid] = append(f.branches[xid], raw)
	default:
		code = http.StatusOK
		f.end(xid, what)
	}
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"xid":%q,"status":%q}`, xid, f.status[xid]) // a client that is gone gets nothing
}

// end calls the participants.
func (f *fakeAPI) end(xid, what string) {
	field, status := "confirmUrl", "Committed"
	if (what == "rollback") != (f.mistake == "other") {
		field = "cancelUrl"
	}
	if what == "rollback" {
		status = "RolledBack"
	}
	f.status[xid] = status
	for i, b := range f.branches[xid] {
		if f.mistake == "forgets" && i == 1 {
			continue
		}
		for range map[string]int{"twice": 2}[f.mistake] + 1 {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b[field].(string),
				strings.NewReader("{}"))
			if err != nil {
				panic(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				panic(err)
			}
			_ = resp.Body.Close() // empty
		}
	}
}

func setupServices(t *testing.T, mistake string) (*fakeAPI, *bench) {
	t.Helper()
	api := &fakeAPI{branches: map[string][]map[string]any{}, status: map[string]string{}, mistake: mistake}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	f := &fleet{clock: newClock(), stop: make(chan struct{}), faults: make(chan error, 8)}
	var err error
	if f.services, err = startServices(f, server.Listener.Addr().String(), 7); err != nil {
		t.Fatal(err)
	}
	b := &bench{o: options{seed: 7, drain: 10 * time.Second}, fleet: f}
	t.Cleanup(func() { _ = b.close() })
	return api, b
}

func TestServicesEndEveryTransactionAsAsked(t *testing.T) {
	t.Parallel()
	for _, how := range []string{enlistTogether, enlistSingly} {
		api, b := setupServices(t, "")
		w := workload{kind: kinds[1], branches: 2, rollback: 30, timeout: 1000, enlist: how}
		r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 4, count: 200})
		if err != nil || !r.OK || r.Kind != kindHTTP {
			t.Fatalf("%s: %v, faults %v", how, err, r.Faults)
		}
		if r.Tally.Finished != 200 || r.Tally.Rollbacks < 30 || r.Tally.Rollbacks > 90 || len(api.status) != 200 {
			t.Errorf("%s: %+v, %d begun", how, r.Tally, len(api.status))
		}
		if faults := b.fleet.services.check(); len(faults) > 0 {
			t.Errorf("%s: %v", how, faults)
		}
		api.mu.Lock()
		for xid := range api.status {
			api.status[xid] = "Active"
		}
		api.mu.Unlock()
		if faults := b.fleet.services.check(); len(faults) != 4 {
			t.Errorf("%s: four callers have a transaction that is open again, found %v", how, faults)
		}
	}
}

func TestServicesFindWrongCalls(t *testing.T) {
	t.Parallel()
	for mistake, want := range map[string]string{
		"other": "branches were told the wrong outcome", "forgets": "branch 1 was not called",
		"twice": "branches were called again",
	} {
		_, b := setupServices(t, mistake)
		if mistake == "forgets" {
			b.o.drain = 100 * time.Millisecond // what is forgotten never comes
		}
		w := workload{kind: kinds[1], branches: 2, timeout: 1000, enlist: enlistTogether}
		r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 1, count: 2})
		if err != nil || r.OK || !strings.Contains(strings.Join(r.Faults, "; "), want) {
			t.Errorf("%s: %v, faults %v", mistake, err, r.Faults)
		}
	}
}

func TestParseCall(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]call{
		"POST /3/17/1/confirm?xid=1 HTTP/1.1\r\n": {caller: 3, serial: 17, branch: 1},
		"POST /0/1/0/cancel HTTP/1.1\r\n":         {serial: 1, rollback: true},
	} {
		if got, ok := parseCall([]byte(line)); !ok || got != want {
			t.Errorf("%q: %+v %v", line, got, ok)
		}
	}
	for _, line := range []string{
		"", "POST /", "GET /3/17/1/confirm HTTP/1.1", "POST /3/17/1/", "POST /3/17/confirm", "POST /3//1/confirm",
		"POST /3/17/1/maybe HTTP/1.1",
	} {
		if got, ok := parseCall([]byte(line)); ok {
			t.Errorf("%q: %+v", line, got)
		}
	}
}
