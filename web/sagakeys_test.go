package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// dying is a coordinator of a server that dies when it begins a saga: before, or before it can tell.
type dying struct {
	Coordinator
	before bool
}

var errDied = errors.New("died")

func (d *dying) StartSaga(req orchestrator.SagaRequest, done func(*txn.Global, error)) {
	if d.before {
		done(nil, errDied)
		return
	}
	d.Coordinator.StartSaga(req, func(*txn.Global, error) { done(nil, errDied) })
}

// later is a clock that goes ahead of the machine's.
type later struct{ by time.Duration }

func (l *later) Now() txn.Millis { return orchestrator.SystemClock{}.Now().Add(l.by) }

// noted reads the number that a key has.
func (r *runRig) noted(t *testing.T, saga, key string) int64 {
	t.Helper()
	d, err := r.store.GetDocument(context.Background(), runKeyKind, runKeyName(saga, key))
	var known runKey
	if err == nil {
		err = json.Unmarshal(d.Value, &known)
	}
	if err != nil {
		t.Fatal(err)
	}
	return known.ID
}

// heldText waits before it does anything, so that nothing is under way when the server dies.
const heldText = `
saga: 1
name: held
steps:
  - {id: go, signal: {name: go}, timeout: 1h}
  - {id: pay, call: {url: "HOST/pay"}, pivot: true}
`

const heldStart = `{"saga":"held","key":"k","input":1}`

// startAndDie begins a run with a key on a server that dies in the middle, and starts it again.
func startAndDie(t *testing.T, before bool, clock *later) (r *runRig, id int64) {
	t.Helper()
	die := true
	r = withRuns(t, func(o *Options) {
		o.Clock = clock
		if die {
			o.Coordinator = &dying{o.Coordinator, before}
		}
	})
	r.publish(t, heldText)
	if status, got := r.post(t, "/api/v1/sagas/runs", heldStart); status < 500 {
		t.Fatalf("%d %v", status, got)
	}
	die = false
	r.restart(t)
	return r, r.noted(t, "held", "k")
}

// runs counts the runs that there are.
func (r *runRig) runs(t *testing.T) int {
	t.Helper()
	_, got, _ := r.do(t, "GET", "/api/v1/sagas/runs?limit=1000", "")
	return len(got["items"].([]any))
}

func TestACrashBetweenKeyAndRunLosesNothing(t *testing.T) {
	t.Parallel()
	for before, want := range map[bool]int{true: 201, false: 200} {
		r, id := startAndDie(t, before, &later{})
		if n := r.runs(t); (n == 0) != before {
			t.Fatalf("%d runs", n)
		}
		_, listed, _ := r.do(t, "GET", "/api/v1/sagas/runs?saga=held&key=k", "")
		if items := listed["items"].([]any); (len(items) == 0) != before {
			t.Errorf("found by its key: %v", items)
		}
		for range 3 {
			status, got := r.post(t, "/api/v1/sagas/runs", heldStart)
			if status != want || got["href"] != "/api/v1/sagas/runs/"+decimal(id) {
				t.Errorf("%d %v, want %d and run %d", status, got, want, id)
			}
			want = 200
		}
		if status, got := r.post(t, "/api/v1/sagas/runs/"+decimal(id)+"/signals/go", ""); status != 200 {
			t.Errorf("%d %v", status, got)
		}
		r.ended(t, "/api/v1/sagas/runs/"+decimal(id), "Committed")
		if n := r.runs(t); n != 1 || r.p.asked("POST /pay") != 1 {
			t.Errorf("%d runs, paid %d times", n, r.p.asked("POST /pay"))
		}
	}
}

// forgetful is a coordinator that has no records any more.
type forgetful struct{ Coordinator }

func (f *forgetful) Get(_ int64, done func(*txn.Global, error)) { done(nil, orchestrator.ErrNotFound) }

// A key begins one run, also when the record of that is past retention, and when nobody can say any more whether there
// was one. A retention that has become longer makes no difference.
func TestAKeyBeginsNoOtherRunAfterRetention(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		clock := &later{}
		r, id := startAndDie(t, before, clock)
		runs := r.runs(t)
		clock.by = 61 * time.Minute
		r.rig = setup(t, func(o *Options) {
			o.Coordinator, o.Clock, o.Sagas, o.Documents = &forgetful{r.c}, clock, r.catalog, r.store
			o.Retention = 100 * time.Hour
		})
		for _, body := range []string{heldStart, `{"saga":"held","key":"k","input":2}`} {
			status, got := r.post(t, "/api/v1/sagas/runs", body)
			if status != 409 || got["code"] != "runGone" || got["detail"] != "It was run "+decimal(id)+"." {
				t.Errorf("%s: %d %v", body, status, got)
			}
		}
		if other, n := r.noted(t, "held", "k"), r.runs(t); other != id || n != runs {
			t.Errorf("before %d, now %d, and %d runs", id, other, n)
		}
	}
}

// Somebody has noted the key and gone before there was a run: another input may have it when surely nobody begins.
func TestAKeyWithoutARunIsFreeAfterAWhile(t *testing.T) {
	t.Parallel()
	clock := &later{}
	r, id := startAndDie(t, true, clock)
	const other = `{"saga":"held","key":"k","input":2}`
	if status, got := r.post(t, "/api/v1/sagas/runs", other); status != 409 || got["code"] != "keyTaken" {
		t.Errorf("%d %v", status, got)
	}
	clock.by = runKeyClaim
	status, got := r.post(t, "/api/v1/sagas/runs", other)
	if now := r.noted(t, "held", "k"); status != 201 || now == id {
		t.Errorf("%d %v", status, got)
	}
	if status, got := r.post(t, "/api/v1/sagas/runs", heldStart); status != 409 {
		t.Errorf("%d %v", status, got)
	}
}

// slow is a coordinator that has a run in memory before it is stored, for as long as the test wants.
type slow struct {
	Coordinator
	id      int64
	started chan struct{}
}

func (s *slow) Get(id int64, done func(*txn.Global, error)) {
	s.Coordinator.Get(id, func(g *txn.Global, err error) {
		if errors.Is(err, orchestrator.ErrNotFound) && id == s.id {
			g, err = &txn.Global{XID: txn.XID{ID: id}, Status: txn.Active, Saga: &txn.SagaRun{Definition: "held"}}, nil
		}
		done(g, err)
	})
}

func (s *slow) StartSaga(req orchestrator.SagaRequest, done func(*txn.Global, error)) {
	close(s.started)
	s.Coordinator.StartSaga(req, done)
}

// Nobody is told of a run that a crash could still undo.
func TestARunThatIsNotStoredIsWaitedFor(t *testing.T) {
	t.Parallel()
	r, id := startAndDie(t, true, &later{})
	s := &slow{Coordinator: r.c, id: id, started: make(chan struct{})}
	r.rig = setup(t, func(o *Options) {
		o.Coordinator, o.Clock, o.Sagas, o.Documents = s, &later{}, r.catalog, r.store
	})
	status, got := r.post(t, "/api/v1/sagas/runs", heldStart)
	select {
	case <-s.started:
	default:
		t.Error("it was not waited for")
	}
	if status != 200 || got["href"] != "/api/v1/sagas/runs/"+decimal(id) || got["version"] != 1.0 {
		t.Errorf("%d %v", status, got)
	}
}

// Whoever asks again gets the run that there is, also if a newer version takes other inputs.
func TestAKeyIsKnownAlsoIfANewerVersionTakesOtherInputs(t *testing.T) {
	t.Parallel()
	r := withRuns(t, nil)
	r.publish(t, heldText)
	href := r.start(t, heldStart)
	r.publish(t, strings.Replace(heldText, "steps:", "input: {type: object}\nsteps:", 1))
	if status, got := r.post(t, "/api/v1/sagas/runs", heldStart); status != 200 || got["href"] != href {
		t.Errorf("%d %v", status, got)
	}
	for body, want := range map[string]string{
		`{"saga":"held","key":"k","input":2}`:             "badInput",
		`{"saga":"held","key":"other","input":1}`:         "badInput",
		`{"saga":"held","key":"k","input":{}}`:            "keyTaken",
		`{"saga":"held","input":1}`:                       "badInput",
		`{"saga":"held","key":"k","input":1,"version":1}`: "",
	} {
		if _, got := r.post(t, "/api/v1/sagas/runs", body); fmt.Sprint(got["code"]) != cmp.Or(want, "<nil>") {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
	}
	if n := r.runs(t); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// meddler is a coordinator that something happens in front of when it is first asked for a run.
type meddler struct {
	Coordinator
	first func()
}

func (m *meddler) Get(id int64, done func(*txn.Global, error)) {
	first := m.first
	if m.first = nil; first == nil {
		m.Coordinator.Get(id, done)
		return
	}
	g, err := await(context.Background(), func(done func(*txn.Global, error)) { m.Coordinator.Get(id, done) })
	first()
	done(g, err)
}

// Whoever asks again, and another one who takes the key because nobody has, do not both begin.
func TestAKeyThatIsTakenMeanwhileBeginsNoSecondRun(t *testing.T) {
	t.Parallel()
	clock := &later{}
	r, _ := startAndDie(t, true, clock)
	clock.by = runKeyClaim
	plain := r.rig
	m := &meddler{Coordinator: r.c, first: func() {
		status, got, _ := plain.do(t, "POST", "/api/v1/sagas/runs", `{"saga":"held","key":"k","input":2}`)
		if status != 201 {
			t.Errorf("%d %v", status, got)
		}
	}}
	r.rig = setup(t, func(o *Options) {
		o.Coordinator, o.Clock, o.Sagas, o.Documents, o.Retention = m, clock, r.catalog, r.store, time.Hour
	})
	status, got := r.post(t, "/api/v1/sagas/runs", heldStart)
	if n := r.runs(t); status != 409 || got["code"] != "keyTaken" || n != 1 {
		t.Errorf("%d %v, %d runs", status, got, n)
	}
}
