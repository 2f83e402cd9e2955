package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// taskTypes are the types of the schemas of workers.
func taskTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"TaskView": reflect.TypeFor[TaskView](), "TaskPoll": reflect.TypeFor[pollBody](),
		"SagaTasks": reflect.TypeFor[SagaTasks](), "SagaTask": reflect.TypeFor[SagaTask](),
		"TaskResult": reflect.TypeFor[endBody](), "TaskEnd": reflect.TypeFor[TaskEnd](),
		"TaskExtension": reflect.TypeFor[extendBody](), "TaskLease": reflect.TypeFor[TaskLease](),
	}
}

// taskDesk is a Tasks of one task, which the test looks at.
type taskDesk struct {
	mu      sync.Mutex
	g       *txn.Global
	polls   []orchestrator.TaskPoll
	settled []bool
	ends    []txn.Reply
	by      time.Duration
	lost    bool
	before  func() // in Poll
}

func newDesk() *taskDesk {
	run := &txn.SagaRun{Definition: "order", Version: 3, Key: "o-1"}
	step := &txn.Step{Name: "pay"}
	return &taskDesk{g: &txn.Global{
		XID: txn.XID{Prefix: "10.0.0.5:8091", ID: 100}, Application: "shop", Status: txn.Active, Saga: run,
		BeganAt: 1_700_000_000_123, Timeout: time.Hour,
		Branches: []*txn.Branch{{ID: 1, Kind: txn.StepWorker, State: txn.Registered, Resource: "charge", Attempts: 2,
			InFlightUntil: 1_700_000_015_123, RegisteredAt: 1_700_000_000_123, Step: step}},
	}}
}

func (d *taskDesk) id() orchestrator.TaskID {
	return orchestrator.TaskID{Global: 100, Branch: 1, Op: txn.Forward, Attempt: 2}
}

func (d *taskDesk) Poll(ctx context.Context, p orchestrator.TaskPoll) (*orchestrator.TaskBatch, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.polls = append(d.polls, p)
	if d.before != nil {
		d.before()
	}
	batch := &orchestrator.TaskBatch{Settle: func(got bool) { d.settled = append(d.settled, got) }}
	if slices.Contains(p.Tasks, "charge") && (p.Applications == nil || slices.Contains(p.Applications, d.g.Application)) {
		batch.Tasks = []orchestrator.GivenTask{{
			ID: d.id(), Global: d.g, LeaseUntil: 1_700_000_060_123, Command: txn.Command{
				XID: d.g.XID, BranchID: 1, Kind: txn.StepWorker, Op: txn.Forward, Resource: "charge", Step: "pay",
				Data: `{"to":"<a&b>"}`, Attempt: 2, Application: "shop", Trace: "00-1-2-01",
			},
		}}
	}
	return batch, nil
}

func (d *taskDesk) End(_ context.Context, _ orchestrator.TaskID, r txn.Reply) (*txn.Global, error) {
	if d.lost {
		return d.g, &txn.IllegalEventError{XID: d.g.XID, Event: "task", Status: d.g.Status, Reason: txn.TaskLost}
	}
	d.ends = append(d.ends, r)
	return d.g, nil
}

func (d *taskDesk) Extend(
	_ context.Context, _ orchestrator.TaskID, by time.Duration,
) (txn.Millis, *txn.Global, error) {
	if d.lost {
		return 0, d.g, &txn.IllegalEventError{XID: d.g.XID, Event: "task", Status: d.g.Status, Reason: txn.TaskLost}
	}
	d.by = by
	return 1_700_000_000_123 + txn.Millis(by.Milliseconds()), d.g, nil
}

func (d *taskDesk) State(context.Context, orchestrator.TaskID) (*txn.Global, error) { return d.g, nil }

func (d *taskDesk) Views() []orchestrator.TaskView {
	return []orchestrator.TaskView{{
		Task: "charge", Polled: true, Waiting: 2, Parked: 3, Leased: 4, Oldest: 1_700_000_000_123,
	}, {Task: "lonely"}}
}

func (d *taskDesk) Polled(task, _, _ string) bool { return task == "charge" }

func (d *taskDesk) Parked(global, _ int64, _ txn.Outcome) (string, txn.Millis, bool) {
	return "charge", 1_700_000_000_123, global == 100
}

func (d *taskDesk) Withdraw(global, _ int64, _ txn.Outcome) bool { return global == 100 }

const tasksPath = "/api/v1/sagas/tasks"

func TestAWorkerPollsAndEndsATask(t *testing.T) {
	t.Parallel()
	desk := newDesk()
	r := setup(t, func(o *Options) { o.Tasks = desk })
	status, got, _ := r.do(t, "POST", tasksPath+"/poll", `{"tasks":["mail","charge"],"max":7,"wait":"20s","worker":"w1"}`)
	want := map[string]any{"tasks": []any{map[string]any{
		"id": desk.id().String(), "task": "charge", "xid": xid, "branch": "1", "attempt": 2.0, "step": "pay",
		"saga": "order", "version": 3.0, "key": "o-1", "application": "shop", "operation": "forward",
		"input": map[string]any{"to": "<a&b>"}, "leaseUntil": "2023-11-14T22:14:20.123Z",
		"until": "2023-11-14T23:13:20.123Z", "traceparent": "00-1-2-01",
	}}}
	if diff := cmp.Diff(want, got); diff != "" || status != 200 || !slices.Equal(desk.settled, []bool{true}) {
		t.Error(status, diff, desk.settled)
	}
	poll := desk.polls[0]
	if !slices.Equal(poll.Tasks, []string{"charge", "mail"}) || poll.Max != 7 || poll.Wait != 20*time.Second ||
		poll.Applications != nil || poll.Groups != nil {
		t.Errorf("%+v", poll)
	}
	status, got, _ = r.do(t, "POST", tasksPath+"/poll", `{"tasks":["mail"]}`)
	if diff := cmp.Diff(map[string]any{"tasks": []any{}}, got); diff != "" || status != 200 {
		t.Error(status, diff)
	}
	task := tasksPath + "/" + desk.id().String()
	for _, x := range []struct {
		path, body string
		want       txn.Reply
	}{
		{"/done", `{"result": {"paid": 1}}`, txn.Reply{Result: txn.ResultDone, Answer: `{"paid":1}`}},
		{"/done", ``, txn.Reply{Result: txn.ResultDone}},
		{"/refused", `{"reason":"no\nmoney","result":"x"}`,
			txn.Reply{Result: txn.ResultRefused, Text: "no money", Answer: `"x"`}},
		{"/failed", `{"error":"timeout","retryAfter":"1m"}`,
			txn.Reply{Result: txn.ResultFailed, Text: "timeout", After: time.Minute}},
	} {
		desk.ends = nil
		status, got, _ = r.do(t, "POST", task+x.path, x.body)
		if status != 200 || len(desk.ends) != 1 || desk.ends[0] != x.want || got["state"] != "Registered" {
			t.Errorf("%s: %d %v %+v", x.path, status, got, desk.ends)
		}
	}
	status, got, _ = r.do(t, "POST", task+"/extend", `{"by":"5m"}`)
	if status != 200 || desk.by != 5*time.Minute || got["leaseUntil"] != "2023-11-14T22:18:20.123Z" {
		t.Error(status, got)
	}
	desk.lost, desk.g.Branches[0].Attempts = true, 3
	for _, path := range []string{"/done", "/extend"} {
		status, got, _ = r.do(t, "POST", task+path, map[string]string{"/extend": `{"by":"5m"}`}[path])
		if status != 409 || got["code"] != "leaseLost" || got["detail"] != "Attempt 3 was begun after this one, which is 2." {
			t.Error(path, status, got)
		}
	}
}

// TestACompensationIsShownAsThatOfWhatItUndoes to the worker, whichever branch asks for it.
func TestACompensationIsShownAsThatOfWhatItUndoes(t *testing.T) {
	t.Parallel()
	g := newDesk().g
	given := &orchestrator.GivenTask{ID: newDesk().id(), Global: g, Command: txn.Command{
		XID: g.XID, BranchID: 1, Kind: txn.StepWorker, Op: txn.Forward, Resource: "refund", Step: "Pay~Refund", Attempt: 2,
		As: &txn.Identity{BranchID: 7, Op: txn.Rollback, Step: "Pay", Attempt: 5},
	}}
	v := viewTask(given)
	if v.Branch != "7" || v.Operation != "compensate" || v.Step != "Pay" || v.Attempt != 5 || v.Until != "" ||
		v.ID != given.ID.String() {
		t.Errorf("%+v", v)
	}
}

func TestWhatWorkersMayNotAskFor(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Tasks = newDesk() })
	many := `["` + strings.Join(slices.Repeat([]string{"a"}, 200), `","`) + `"]`
	for i := range 101 {
		many = strings.Replace(many, `"a"`, `"a`+decimal(int64(i))+`"`, 1)
	}
	task := "/" + newDesk().id().String()
	for _, x := range [][3]string{
		{"/poll", ``, "tasks"}, {"/poll", `{"tasks":[]}`, "tasks"}, {"/poll", `{"tasks":[""]}`, "name"},
		{"/poll", `{"tasks":["a\nb"]}`, "name"}, {"/poll", `{"tasks":` + many + `}`, "tasks"},
		{"/poll", `{"tasks":["a"],"max":0}`, "max"}, {"/poll", `{"tasks":["a"],"max":101}`, "max"},
		{"/poll", `{"tasks":["a"],"wait":"2m"}`, "wait"}, {"/poll", `{"tasks":["a"],"wait":"-1s"}`, "wait"},
		{"/poll", `{"tasks":["a"],"wait":"soon"}`, "wait"}, {"/poll", `{"tasks":["a"],"leave":1}`, "leave"},
		{"/poll", `{"tasks":["a"],"worker":"` + strings.Repeat("w", 200) + `"}`, "worker"},
		{"/nonsense/done", ``, "id of a task"}, {"/777/extend", `{"by":"1m"}`, "id of a task"},
		{task + "/done", `{"reason":"x"}`, "done has"}, {task + "/refused", `{"error":"x"}`, "refused has"},
		{task + "/failed", `{"result":1}`, "failed has"}, {task + "/failed", `{"retryAfter":"x"}`, "retryAfter"},
		{task + "/extend", `{}`, "by"}, {task + "/extend", `{"by":"2d"}`, "by"}, {task + "/extend", `{"by":"0s"}`, "by"},
	} {
		status, got, _ := r.do(t, "POST", tasksPath+x[0], x[1])
		if detail, _ := got["detail"].(string); status != 400 || !strings.Contains(detail, x[2]) {
			t.Errorf("%s %.80s: %d %v", x[0], x[1], status, got)
		}
	}
}

func TestWorkersOfOtherApplicationsGetAndEndNothing(t *testing.T) {
	t.Parallel()
	desk := newDesk()
	g := guarded(t, func(o *Options) { o.Tasks = desk })
	task := tasksPath + "/" + desk.id().String()
	for application, own := range map[string]bool{"shop": true, "bank": false} {
		token := g.token(t, access.NewKey{Name: application, Roles: []string{"service"}, Applications: []string{application}})
		send := func(path, body string) *httptest.ResponseRecorder {
			request := httptest.NewRequest("POST", path, strings.NewReader(body))
			request.Header.Set("Authorization", token)
			w := httptest.NewRecorder()
			g.server.Handler().ServeHTTP(w, request)
			return w
		}
		if w := send(tasksPath+"/poll", `{"tasks":["charge"]}`); w.Code != 200 ||
			strings.Contains(w.Body.String(), "charge") != own {
			t.Errorf("%s: %d %s", application, w.Code, w.Body)
		}
		for path, body := range map[string]string{"/done": "", "/refused": "", "/failed": "", "/extend": `{"by":"1m"}`} {
			if w := send(task+path, body); (w.Code == 200) != own || !own && w.Code != 403 {
				t.Errorf("%s %s: %d %s", application, path, w.Code, w.Body)
			}
		}
	}
	if len(desk.ends) != 3 {
		t.Errorf("%d ends", len(desk.ends))
	}
}

func TestTasksOfAWorkerThatHasGoneAreReturned(t *testing.T) {
	t.Parallel()
	desk := newDesk()
	r := setup(t, func(o *Options) { o.Tasks = desk })
	ctx, gone := context.WithCancel(t.Context())
	desk.before = gone
	request := httptest.NewRequestWithContext(ctx, "POST", tasksPath+"/poll", strings.NewReader(`{"tasks":["charge"]}`))
	request.Host = "localhost"
	r.server.Handler().ServeHTTP(httptest.NewRecorder(), request)
	if !slices.Equal(desk.settled, []bool{false}) {
		t.Error("a task was counted as given to a worker that has gone", desk.settled)
	}
	desk.before = nil
	request = httptest.NewRequest("POST", tasksPath+"/poll", strings.NewReader(`{"tasks":["charge"]}`))
	request.Host = "localhost"
	r.server.Handler().ServeHTTP(brokenPipe{httptest.NewRecorder()}, request)
	if !slices.Equal(desk.settled, []bool{false, false}) {
		t.Error("a task was counted as given that could not be written", desk.settled)
	}
}

// brokenPipe is a connection that has gone.
type brokenPipe struct{ *httptest.ResponseRecorder }

func (brokenPipe) Write([]byte) (int, error) { return 0, http.ErrHandlerTimeout }

func TestTasksAreShown(t *testing.T) {
	t.Parallel()
	remote := []orchestrator.RemoteSession{
		{SessionEntry: orchestrator.SessionEntry{Resource: "task:charge", Clients: 1}, Node: "b"},
		{SessionEntry: orchestrator.SessionEntry{Resource: "task:mail", Clients: 1}, Node: "b"},
		{SessionEntry: orchestrator.SessionEntry{Resource: "task:no", Application: "seata", IP: "1.2.3.4"}, Node: "b"},
	}
	desk := newDesk()
	r := setup(t, func(o *Options) {
		o.Tasks, o.Node = desk, "a"
		o.RemoteSessions = func(context.Context) ([]orchestrator.RemoteSession, error) { return remote, nil }
	})
	_, got, _ := r.do(t, "GET", tasksPath, "")
	want := []any{
		map[string]any{"task": "charge", "nodes": []any{"a", "b"}, "waiting": 2.0, "parked": 3.0, "leased": 4.0,
			"oldest": "2023-11-14T22:13:20.123Z"},
		map[string]any{"task": "lonely", "nodes": []any{}, "waiting": 0.0, "parked": 0.0, "leased": 0.0},
		map[string]any{"task": "mail", "nodes": []any{"b"}, "waiting": 0.0, "parked": 0.0, "leased": 0.0},
	}
	if diff := cmp.Diff(want, got["items"]); diff != "" {
		t.Error(diff)
	}
	_, got, _ = r.do(t, "GET", "/api/v1/resources", "")
	if items, _ := got["items"].([]any); slices.ContainsFunc(items, func(x any) bool {
		name, _ := x.(map[string]any)["name"].(string)
		return strings.HasPrefix(name, "task:") && name != "task:no"
	}) {
		t.Error("tasks are shown among the resources of clients", items)
	}
}

func TestWhySaysThatNobodyPolls(t *testing.T) {
	t.Parallel()
	desk := newDesk()
	desk.g.Branches[0].Resource = "mail"
	for _, x := range []struct {
		name   string
		g      func(g *txn.Global)
		remote string
		want   []string
	}{
		{"parked", func(*txn.Global) {}, "", []string{"workersBusy"}},
		{"not here", func(g *txn.Global) { g.XID.ID = 5 }, "", nil},
		{"between attempts", func(g *txn.Global) {
			g.XID.ID, g.Branches[0].NextAt, g.Branches[0].InFlightUntil = 5, 1_700_000_001_123, 0
		}, "", []string{"noWorker"}},
		{"elsewhere", func(g *txn.Global) {
			g.XID.ID, g.Branches[0].NextAt, g.Branches[0].InFlightUntil = 5, 1_700_000_001_123, 0
		}, "task:mail", nil},
		{"ended", func(g *txn.Global) { g.Status = txn.Committed }, "", nil},
	} {
		g := *desk.g
		b := *g.Branches[0]
		g.Branches = []*txn.Branch{&b}
		x.g(&g)
		s := &Server{o: Options{Tasks: desk}}
		var remote []orchestrator.RemoteSession
		if x.remote != "" {
			remote = []orchestrator.RemoteSession{{SessionEntry: orchestrator.SessionEntry{Resource: x.remote}}}
		}
		k := &known{unfetched: s.unfetchedOf(&g, remote, 1_700_000_000_123)}
		var codes []string
		for _, c := range k.fetching() {
			codes = append(codes, c.Code)
		}
		if !slices.Equal(codes, x.want) {
			t.Errorf("%s: %v, want %v", x.name, codes, x.want)
		}
	}
}
