package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeDTM runs sagas before it answers; asked to, it forgets the last step, or that they have ended.
type fakeDTM struct {
	mu          sync.Mutex
	gids        map[string]bool
	forgetsStep bool
	forgetsEnd  bool
}

func (f *fakeDTM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.URL.Path {
	case "/api/dtmsvr/submit":
		var saga struct {
			GID      string
			Wait     bool                                  `json:"wait_result"`
			Type     string                                `json:"trans_type"`
			Steps    []struct{ Action, Compensate string } `json:"steps"`
			Payloads []string
		}
		err := json.NewDecoder(r.Body).Decode(&saga)
		if err != nil || saga.Type != "saga" || !saga.Wait || f.gids[saga.GID] || len(saga.Payloads) != len(saga.Steps) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		f.gids[saga.GID] = true
		for i, s := range saga.Steps {
			if f.forgetsStep && i == len(saga.Steps)-1 || !strings.HasSuffix(s.Compensate, pathCancel) {
				continue
			}
			resp, err := http.Post(s.Action+"?gid="+saga.GID, "application/json", strings.NewReader(saga.Payloads[i]))
			if err != nil {
				panic(err)
			}
			_ = resp.Body.Close() // empty
		}
		_, _ = fmt.Fprint(w, `{"dtm_result":"SUCCESS"}`) // a client that is gone gets nothing
	case "/api/dtmsvr/query":
		status := "submitted"
		if f.gids[r.URL.Query().Get("gid")] && !f.forgetsEnd {
			status = "succeed"
		}
		_, _ = fmt.Fprintf(w, `{"branches":[{"status":"succeed"}],"transaction":{"status":%q}}`, status) // as above
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestSagasOfDTMAreDrivenAndChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dtm  *fakeDTM
		want string // of the faults
	}{
		"sound":             {dtm: &fakeDTM{}},
		"a step forgotten":  {dtm: &fakeDTM{forgetsStep: true}, want: "its last step was not called"},
		"the end forgotten": {dtm: &fakeDTM{forgetsEnd: true}, want: "has not ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.dtm.gids = map[string]bool{}
			api := httptest.NewServer(c.dtm)
			defer api.Close()
			f := &fleet{clock: newClock(), stop: make(chan struct{}), faults: make(chan error, 8)}
			var err error
			if f.services, err = startServices(f, api.Listener.Addr().String(), 7); err != nil {
				t.Fatal(err)
			}
			f.services.dtm = true
			b := &bench{o: options{seed: 7, drain: 10 * time.Second}, fleet: f}
			defer func() { _ = b.close() }()
			w := workload{kind: kinds[1], branches: 3, timeout: 1000, enlist: enlistSaga}
			r, err := b.run(t.Context(), cell{name: "test", w: w, inFlight: 4, count: 40})
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(append(r.Faults, f.services.check()...), "; ")
			if c.want == "" && (!r.OK || all != "" || r.Tally.Commits != 40 || len(c.dtm.gids) != 40) {
				t.Errorf("%q, %+v, %d sagas", all, r.Tally, len(c.dtm.gids))
			}
			if !strings.Contains(all, c.want) {
				t.Errorf("%q", all)
			}
		})
	}
}

func TestDTMIsMeasuredWithSagasOnly(t *testing.T) {
	t.Parallel()
	for args, ok := range map[string]bool{
		"-dtm x -kind saga": true, "-dtm x -suite peer": true,
		"-dtm x": false, "-suite peer": false, "-dtm x -kind tcc": false, "-suite closed -dtm x": false,
		"-suite sagas -dtm x": true, "-suite peer -dtm x -seata-classpath y": false,
	} {
		if _, err := parseOptions(strings.Fields(args), &strings.Builder{}); (err == nil) != ok {
			t.Errorf("%s: %v", args, err)
		}
	}
}
