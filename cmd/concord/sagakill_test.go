package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/web"
)

const keyedText = `
saga: 1
name: keyed
steps:
  - {id: one, call: {url: "HOST/one", body: {key: "${saga.key}", run: "${saga.id}"}}, readOnly: true, timeout: 1s}
  - {id: two, call: {url: "HOST/two", body: {key: "${saga.key}", run: "${saga.id}"}}, readOnly: true, timeout: 1s}
`

// ledger is a participant that notes which runs have called with which key.
type ledger struct {
	*httptest.Server
	mu   sync.Mutex
	runs map[string]map[string]bool // by path and key
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{runs: map[string]map[string]bool{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Key, Run string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		at := r.URL.Path + " " + body.Key
		if l.runs[at] == nil {
			l.runs[at] = map[string]bool{}
		}
		l.runs[at][body.Run] = true
	}))
	t.Cleanup(l.Close)
	return l
}

// begin begins a run with a key. ok is false if the server is gone.
func (p *process) begin(key string) (run web.SagaStarted, status int, ok bool) {
	resp, err := http.Post("http://"+p.http+"/api/v1/sagas/runs", "application/json",
		strings.NewReader(fmt.Sprintf(`{"saga":"keyed","key":%q,"input":{"n":1}}`, key)))
	if err != nil {
		return run, 0, false
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(body, &run) != nil {
		return run, 0, false
	}
	return run, resp.StatusCode, true
}

// TestAKeyBeginsOneRunWhateverIsKilled kills the server while runs are begun, a few times, and begins all of them
// again.
func TestAKeyBeginsOneRunWhateverIsKilled(t *testing.T) {
	t.Parallel()
	const rounds, clients, keys = 3, 4, 400
	l, data := newLedger(t), t.TempDir()
	p := start(t, data, "--dev")
	p.ok("saga", "publish", definitionFile(t, "keyed.yaml", strings.ReplaceAll(keyedText, "HOST", l.URL)))
	var mu sync.Mutex
	known := map[string]string{} // what was answered, by key
	told := func(key string, run web.SagaStarted, status int) {
		mu.Lock()
		defer mu.Unlock()
		if status != 200 && status != 201 || known[key] != "" && known[key] != run.XID {
			t.Errorf("%s: %d %+v, before %s", key, status, run, known[key])
		}
		known[key] = run.XID
	}
	for round := range rounds {
		var group sync.WaitGroup
		var once sync.Once
		enough := make(chan struct{})
		for client := range clients {
			group.Go(func() {
				for n := client; n < keys; n += clients {
					key := fmt.Sprint("k", n)
					run, status, ok := p.begin(key)
					if !ok {
						return
					}
					if told(key, run, status); n > (round+1)*keys/(rounds+1) {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(patience):
			t.Fatalf("nothing is begun:\n%s", p.logs())
		}
		p.kill()
		group.Wait()
		p = start(t, data, "--dev")
	}
	for n := range keys {
		key := fmt.Sprint("k", n)
		run, status, ok := p.begin(key)
		if !ok {
			t.Fatalf("it is gone:\n%s", p.logs())
		}
		told(key, run, status)
	}
	var items []web.SagaRunItem
	for over := time.Now().Add(patience); time.Now().Before(over); <-time.After(100 * time.Millisecond) {
		items = list[web.SagaRunItem](p, "/api/v1/sagas/runs")
		running := 0
		for _, item := range items {
			if item.Status != "Committed" {
				running++
			}
		}
		if running == 0 {
			break
		}
	}
	if len(items) != keys {
		t.Errorf("%d runs of %d keys", len(items), keys)
	}
	for _, item := range items {
		if item.XID != known[item.Key] || item.Status != "Committed" {
			t.Errorf("%+v, known is %s", item, known[item.Key])
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, runs := range l.runs {
		if len(runs) != 1 {
			t.Errorf("%s was called by %v", at, runs)
		}
	}
	if len(l.runs) != 2*keys {
		t.Errorf("%d calls, want %d", len(l.runs), 2*keys)
	}
}
