package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/callback"
	"github.com/concord-tx/concord/mq/embedded"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/store/pebble"
)

// participant is a service that a saga calls. Each path answers as the test says, and 200 with {} otherwise.
type participant struct {
	*httptest.Server
	mu      sync.Mutex
	calls   []string
	answers map[string]string // "POST /pay" -> "409 text"
	holds   map[string]chan struct{}
}

func newParticipant(t *testing.T) *participant {
	t.Helper()
	p := &participant{answers: map[string]string{}, holds: map[string]chan struct{}{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		what := r.Method + " " + r.URL.Path
		p.mu.Lock()
		p.calls = append(p.calls, strings.TrimSpace(what+" "+string(body)))
		status, answer, hold := 200, "{}", p.holds[what]
		if text := p.answers[what]; text != "" {
			_, _ = fmt.Sscanf(text, "%d", &status)
			answer = text[4:]
		}
		p.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(p.Close)
	return p
}

// say has a path answer so from now on.
func (p *participant) say(what, answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[what] = answer
}

// asked returns how often a path was called.
func (p *participant) asked(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.calls {
		if c == what || strings.HasPrefix(c, what+" ") {
			n++
		}
	}
	return n
}

// runRig is a server with a real store, decision log, coordinator and transport, and one participant.
type runRig struct {
	*rig
	p       *participant
	fs      *vfs.MemFS
	store   *pebble.Store
	catalog *catalog.Catalog
	c       *orchestrator.Coordinator
	stop    func()
	change  func(*Options)
	token   string // with which runs are looked at
	clock   orchestrator.Clock
}

func withRuns(t *testing.T, change func(*Options)) *runRig {
	t.Helper()
	r := &runRig{p: newParticipant(t), fs: vfs.NewMem(), change: change, clock: orchestrator.SystemClock{}}
	r.open(t)
	t.Cleanup(func() { r.stop() })
	return r
}

// open opens the store and starts everything on it.
func (r *runRig) open(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o := pebble.DefaultOptions()
	o.FS, o.DiskReserveBytes, o.CacheBytes, o.MemTableBytes = r.fs, 0, 1<<20, 1<<20
	o.Fatal = func(err error) { t.Error(err) }
	store, err := pebble.Open(ctx, "data", o)
	if err != nil {
		t.Fatal(err)
	}
	log, err := embedded.Open(store, store.Apply, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	calls, err := callback.New(callback.Options{Loopback: true, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.store, r.catalog = store, catalog.New(catalog.Options{
		Documents: store, Languages: []catalog.Language{catalog.Seata()},
	})
	rules := txn.DefaultRules()
	rules.Retry.First, rules.Retry.Max, rules.Retry.Attempts = 20*time.Millisecond, 50*time.Millisecond, 3
	rules.BranchesMax = 50
	r.c, err = orchestrator.New(ctx, orchestrator.Options{
		Store: store, Log: log, Transport: calls, Rules: rules, Advertise: "10.0.0.5:8091", Sagas: r.catalog,
	})
	if err != nil {
		t.Fatal(err)
	}
	calls.Bind(r.c.Reply)
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{r.c.Run, calls.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	r.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		r.catalog.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	r.rig = setup(t, func(o *Options) {
		o.Coordinator, o.Clock, o.Sagas, o.Documents, o.BodyBytesMax = r.c, r.clock, r.catalog, store, 2<<20
		o.Retention = time.Hour
		if r.change != nil {
			r.change(o)
		}
	})
}

// restart stops everything and starts it again on what is stored.
func (r *runRig) restart(t *testing.T) {
	t.Helper()
	r.stop()
	r.open(t)
}

// publish publishes a definition, in which HOST stands for the participant.
func (r *runRig) publish(t *testing.T, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "HOST", r.p.URL)
	if _, review, _, err := r.catalog.Publish(t.Context(), []byte(text), "me", ""); err != nil {
		t.Fatalf("%v: %+v %+v", err, review.Findings, review.Report)
	}
}

// start begins a run and returns its number.
func (r *runRig) start(t *testing.T, body string) string {
	t.Helper()
	status, got, header := r.do(t, "POST", "/api/v1/sagas/runs", body)
	if status != 201 {
		t.Fatalf("%d %v", status, got)
	}
	if header.Get("Location") != got["href"] {
		t.Errorf("%v, Location %q", got, header.Get("Location"))
	}
	return got["href"].(string)
}

// until looks at a run until it is as wanted.
func (r *runRig) until(t *testing.T, href, what string, wanted func(SagaRun) bool) SagaRun {
	t.Helper()
	var v SagaRun
	over := time.Now().Add(60 * time.Second)
	for time.Now().Before(over) {
		w := r.raw(t, "GET", href, "", "Authorization", r.token)
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		v = SagaRun{}
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if wanted(v) {
			return v
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatalf("not %s: %+v", what, v)
	return v
}

func (r *runRig) ended(t *testing.T, href, status string) SagaRun {
	t.Helper()
	v := r.until(t, href, "ended", func(v SagaRun) bool { return v.EndedAt != "" })
	if v.Status != status {
		t.Errorf("%s: %+v", v.Status, v)
	}
	return v
}

// post asks for something that is done to a run.
func (r *runRig) post(t *testing.T, path, body string, headers ...string) (int, map[string]any) {
	t.Helper()
	status, got, _ := r.do(t, "POST", path, body, headers...)
	return status, got
}

// step finds a step.
func (v *SagaRun) step(name string) SagaRunStep {
	for _, s := range v.Steps {
		if s.Name == name {
			return s
		}
	}
	return SagaRunStep{}
}

// told returns the events of a step, or with "" of the run.
func (v *SagaRun) told(step string) (events []string) {
	for _, e := range v.Timeline {
		if e.Step == step {
			events = append(events, e.Event)
		}
	}
	return events
}
