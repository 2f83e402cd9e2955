package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// fake is a coordinator that holds transactions in a map and applies the real rules to them.
type fake struct {
	mu      sync.Mutex
	now     txn.Millis
	all     map[int64]*txn.Global
	query   orchestrator.Query
	locks   orchestrator.LockQuery
	actor   string
	noWait  bool
	listErr error
	nextID  int64
	silent  bool // answers nothing
	broken  bool // panics
	waits   []orchestrator.WaitEdge
	edges   []orchestrator.WaitEdge
	far     []orchestrator.WaitEdge // on other nodes
	farErr  error
	hot     []orchestrator.HotRow
	replies []orchestrator.StepReply
}

// Now makes the fake its own clock.
func (f *fake) Now() txn.Millis { return f.now }

func (f *fake) Get(id int64, done func(*txn.Global, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		panic("on purpose")
	}
	if f.silent {
		return
	}
	if g := f.all[id]; g != nil {
		done(g, nil)
		return
	}
	done(nil, orchestrator.ErrNotFound)
}

func (f *fake) Start(req orchestrator.BeginRequest, done func(*txn.Global, error)) {
	f.mu.Lock()
	f.nextID += 1000
	xid := txn.XID{Prefix: "10.0.0.5:8091", ID: f.nextID}
	eff, err := txn.DefaultRules().Apply(nil, txn.Begin{
		XID: xid, Application: req.Application, Group: req.Group, Name: req.Name, Trace: req.Trace, Timeout: req.Timeout,
		Data: req.Data,
	}, f.now)
	f.all[xid.ID] = eff.Next
	f.mu.Unlock()
	if len(req.Branches) > 0 {
		f.Enlist(xid.ID, req.Branches, done)
		return
	}
	done(eff.Next, err)
}

func (f *fake) Enlist(id int64, all []orchestrator.RegisterRequest, done func(*txn.Global, error)) {
	var ev txn.Enlist
	f.mu.Lock()
	for _, req := range all {
		f.nextID++
		ev.Branches = append(ev.Branches, txn.Register{
			BranchID: f.nextID, Kind: req.Kind, Ack: req.Ack, Resource: req.Resource, Client: req.Client,
			Data: req.Data, Key: req.Key, Call: req.Call,
		})
	}
	f.mu.Unlock()
	f.apply(id, ev, done)
}

func (f *fake) Plan(id int64, op txn.Operation, done func(txn.Plan, error)) {
	f.Get(id, func(g *txn.Global, err error) {
		if err != nil {
			done(txn.Plan{}, err)
			return
		}
		done(txn.DefaultRules().Plan(g, op, f.now))
	})
}

func (f *fake) Allowed(id int64, op txn.Operation, done func(error)) {
	f.Plan(id, op, func(_ txn.Plan, err error) { done(err) })
}

func (f *fake) Operate(req orchestrator.OperateRequest, done func(*txn.Global, error)) {
	var plan txn.Plan
	var err error
	f.Plan(req.ID, req.Operation, func(p txn.Plan, e error) { plan, err = p, e })
	if err == nil && req.Digest != orchestrator.PlanDigest(plan) {
		err = orchestrator.ErrPlanChanged
	}
	if err != nil {
		done(nil, err)
		return
	}
	f.actor = req.Actor
	f.nextID++
	f.apply(req.ID, req.Operation.Event(req.Actor, txn.Notice{BranchID: f.nextID, Topic: req.NoticeTopic}), done)
}

func (f *fake) Reply(id int64, r txn.Reply) {
	f.apply(id, r, func(*txn.Global, error) {})
}

func (f *fake) apply(id int64, ev txn.Event, done func(*txn.Global, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.all[id]
	if g == nil {
		done(nil, orchestrator.ErrNotFound)
		return
	}
	eff, err := txn.DefaultRules().Apply(g, ev, f.now)
	if eff.Next != nil {
		g = eff.Next
		f.all[id] = g
	}
	done(g, err)
}

func (f *fake) Decide(req orchestrator.DecideRequest, done func(*txn.Global, error)) {
	f.actor, f.noWait = req.Actor, req.NoWait
	f.apply(req.ID, txn.Decide{Outcome: req.Outcome, Cause: req.Cause, Actor: req.Actor}, done)
}

func (f *fake) List(_ context.Context, q orchestrator.Query) (orchestrator.Page, error) {
	f.query = q
	if q.Cursor == "more" {
		return orchestrator.Page{}, f.listErr
	}
	page := orchestrator.Page{Next: "more"}
	for _, g := range f.all {
		page.Items = append(page.Items, g)
	}
	return page, f.listErr
}

func (f *fake) Locks(_ context.Context, q orchestrator.LockQuery) (orchestrator.LockPage, error) {
	f.locks = q
	return orchestrator.LockPage{Items: []orchestrator.Lock{{
		Row:    txn.Row{Resource: "jdbc:mysql://db/a", Table: "orders", PK: "7"},
		Holder: txn.XID{Prefix: "h:1", ID: 5}, Branch: 6, Since: f.now, HolderStatus: txn.Active,
	}}}, nil
}

func (f *fake) Counts(context.Context) (orchestrator.Counts, error) {
	return orchestrator.Counts{Active: 3, Stuck: 1, Locks: 2}, nil
}

func (f *fake) Oldest(context.Context) (txn.Millis, error) { return f.now - 90_000, nil }

func (f *fake) Waits(int) []orchestrator.WaitEdge {
	return []orchestrator.WaitEdge{{Row: txn.Row{Table: "orders", PK: "7"}, Waiter: 8, Holder: 5, Since: f.now - 1500}}
}

func (f *fake) WaitsOf(id int64, limit int) (own, behind []orchestrator.WaitEdge) {
	for _, w := range f.waits {
		switch id {
		case w.Waiter:
			own = append(own, w)
		case w.Holder:
			behind = append(behind, w)
		}
	}
	return own[:min(len(own), limit)], behind[:min(len(behind), limit)]
}

func (f *fake) WaitersOf(rows []txn.Row) []int {
	if f.waits == nil {
		return nil
	}
	counts := make([]int, len(rows))
	for i, row := range rows {
		for _, w := range f.waits {
			if w.Row == row {
				counts[i]++
			}
		}
	}
	return counts
}

func (f *fake) WaitEdges(context.Context) ([]orchestrator.WaitEdge, error) { return f.edges, f.farErr }

func (f *fake) WaitsElsewhere(context.Context) ([]orchestrator.WaitEdge, error) {
	return f.far, f.farErr
}

func (f *fake) HotRows(limit int) []orchestrator.HotRow { return f.hot[:min(limit, len(f.hot))] }

func (f *fake) Stats() orchestrator.Stats {
	return orchestrator.Stats{Begun: 42, DecidedCommit: 7, Live: 3}
}

// begin adds an active transaction with an AT branch that holds a row and a TCC branch.
func (f *fake) begin(t *testing.T, id int64) {
	t.Helper()
	events := []txn.Event{
		txn.Begin{XID: txn.XID{Prefix: "10.0.0.5:8091", ID: id}, Application: "shop", Group: "g", Name: "buy",
			Timeout: 60e9},
		txn.Register{BranchID: id + 1, Kind: txn.AT, Resource: "jdbc:mysql://db/a", Client: "shop:10.0.0.9:1",
			LockKey: "T:1,2"},
		txn.Register{BranchID: id + 2, Kind: txn.TCC, Resource: "pay", Client: "shop:10.0.0.9:1", Data: "{}"},
	}
	for _, ev := range events {
		eff, err := txn.DefaultRules().Apply(f.all[id], ev, f.now)
		if err != nil {
			t.Fatal(err)
		}
		f.all[id] = eff.Next
	}
}

// rig is a server with its fake.
type rig struct {
	*fake
	server  *Server
	options Options
}

func setup(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	f := &fake{now: 1_700_000_000_123, all: map[int64]*txn.Global{}}
	o := Options{
		Coordinator: f, Clock: f, Dev: true, Prefix: "10.0.0.5:8091", BodyBytesMax: 1 << 10,
		Version: Version{Version: "1.2.3", Go: "go1"},
	}
	if change != nil {
		change(&o)
	}
	return &rig{fake: f, server: New(o), options: o}
}

// do sends a request; headers are pairs. The body of the answer is decoded if it is JSON.
func (r *rig) do(t *testing.T, method, path, body string, headers ...string) (int, map[string]any, http.Header) {
	t.Helper()
	w := r.raw(t, method, path, body, headers...)
	raw, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatalf("%s: %v in %s", path, err, raw)
		}
	} else {
		out = map[string]any{"text": string(raw)}
	}
	return w.Code, out, w.Header()
}

// raw sends a request; headers are pairs.
func (r *rig) raw(t *testing.T, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest(method, "http://127.0.0.1:8088"+path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.server.Handler().ServeHTTP(w, req)
	return w
}
