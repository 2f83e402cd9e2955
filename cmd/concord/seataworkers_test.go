package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/worker"
)

// handmade is a state machine of Seata whose services and script are done by workers.
const handmade = `{"Name": "handmade", "StartState": "Price", "States": {
  "Price": {"Type": "ScriptTask", "ScriptType": "groovy", "ScriptContent": "count * 2",
    "Input": [{"count": "$.[count]"}], "Output": {"price": "$.#root"}, "Next": "Charge"},
  "Charge": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "charge", "CompensateState": "Refund",
    "Input": ["$.[order]", "$.[price]"], "Output": {"payment": "$.[payment]"}, "Catch": [CATCH], "Next": "Ship"},
  "Ship": {"Type": "ServiceTask", "ServiceName": "post", "ServiceMethod": "ship", "CompensateState": "Fetch",
    "Input": ["$.[order]"], "Status": {"$Exception{com.example.SoldOut}": "FA",
      "$Exception{java.lang.Throwable}": "UN", "#root.done == true": "SU"}, "Catch": [CATCH], "Next": "Done"},
  "Refund": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "refund", "Input": ["$.[payment]"]},
  "Fetch": {"Type": "ServiceTask", "ServiceName": "post", "ServiceMethod": "fetch", "Input": ["$.[order]"]},
  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
  "Failed": {"Type": "Fail", "ErrorCode": "NO", "Message": "not made"}, "Done": {"Type": "Succeed"}}}`

const handBindings = `
bindings:
  Script.Price: {worker: price}
  bank.charge: {worker: charge, timeout: 2s, attempts: 2}
  bank.refund: {worker: refund}
  post.ship: {worker: ship}
  post.fetch: {worker: fetch}
`

// shop is workers of the SDK that do what the machine needs, and note it.
type shop struct {
	mu   sync.Mutex
	did  map[string][]string // by order, or by payment
	fail map[string]error    // "ship o-2": how that goes, each time
}

// work runs them until the test ends, for these tasks.
func (p *process) work(s *shop, tasks ...string) {
	p.t.Helper()
	client, err := api.New(api.Options{Endpoints: []string{"http://" + p.http}})
	if err != nil {
		p.t.Fatal(err)
	}
	handlers := map[string]worker.Handler{}
	for _, task := range tasks {
		handlers[task] = worker.Typed(s.do)
	}
	w, err := worker.New(worker.Options{API: client}, handlers)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.Run(ctx)
	}()
	p.t.Cleanup(func() {
		cancel()
		<-ended
		_ = client.Close()
	})
}

// do does a task: what it gets is the list of the inputs of its state.
func (s *shop) do(_ context.Context, t *worker.Task, input []json.RawMessage) (any, error) {
	text, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	what := t.Name
	if t.Compensation {
		what += " as compensation"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did[t.Key] = append(s.did[t.Key], fmt.Sprintf("%s of %s %s", what, t.Step, text))
	switch {
	case s.fail[t.Name+" "+t.Key] != nil:
		return nil, s.fail[t.Name+" "+t.Key]
	case t.Name == "price":
		return 14, nil
	case t.Name == "charge":
		return map[string]string{"payment": "p-" + t.Key}, nil
	}
	return map[string]bool{"done": true}, nil
}

func (s *shop) done(key string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.did[key])
}

// handServer is a server with the machine.
func handServer(t *testing.T) *process {
	t.Helper()
	p := start(t, t.TempDir(), "--dev", "--retry-first", "100ms", "--retry-max", "300ms")
	p.post("POST", "/sagas/definitions", seataMachine(handmade, handBindings), nil)
	return p
}

func (p *process) order(key string) string {
	return p.run("handmade", key, `{"order":"`+key+`","count":7}`)
}

func TestServicesAndScriptsOfSeataAreDoneByWorkers(t *testing.T) {
	t.Parallel()
	p := handServer(t)
	soldOut := worker.FailWith("sold out", map[string]string{"exception": "com.example.SoldOut", "message": "none left"})
	s := &shop{did: map[string][]string{}, fail: map[string]error{
		"ship sold-out": soldOut, "ship refused": worker.Fail("not there"), "ship broken": fmt.Errorf("it breaks"),
	}}
	p.work(s, "price", "charge", "ship", "refund", "fetch")
	ids := map[string]string{}
	for _, key := range []string{"done", "sold-out", "refused", "broken"} {
		ids[key] = p.order(key)
	}
	for key, c := range map[string]struct {
		status, seata, failure string
		more                   []string
	}{
		"done": {"Committed", "SU", "", nil},
		"sold-out": {"RolledBack", "UN SU", "com.example.SoldOut: none left", []string{
			`refund as compensation of Charge ["p-sold-out"]`}},
		"refused": {"RolledBack", "UN SU", "java.lang.IllegalStateException: not there", []string{
			`fetch as compensation of Ship ["refused"]`, `refund as compensation of Charge ["p-refused"]`}},
		"broken": {"RolledBack", "UN SU", "java.lang.IllegalStateException: it breaks", []string{
			`fetch as compensation of Ship ["broken"]`, `refund as compensation of Charge ["p-broken"]`}},
	} {
		v := p.endsAs(ids[key], c.status, c.seata)
		want := append([]string{
			`price of Price [{"count":7}]`, `charge of Charge ["` + key + `",14]`, `ship of Ship ["` + key + `"]`,
		}, c.more...)
		if diff := cmp.Diff(want, s.done(key)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
		if ship := v.Steps[2]; ship.Failure != c.failure {
			t.Errorf("%s: %+v", key, ship)
		}
	}
}

func TestATaskOfSeataWhoseAnswerIsLostIsGivenOutAgainAndThenLost(t *testing.T) {
	t.Parallel()
	p := handServer(t)
	s := &shop{did: map[string][]string{}}
	p.work(s, "price", "ship", "refund", "fetch") // and nobody charges
	d := desk{p}
	id := p.order("heir")
	dead := d.take("charge")
	heir := d.take("charge") // when the lease is over
	if heir["attempt"] != 2.0 || heir["branch"] != dead["branch"] || fmt.Sprint(heir["input"]) != "[heir 14]" {
		t.Errorf("%v, and then %v", dead, heir)
	}
	d.end(dead, "failed", `{"error":"too late"}`, http.StatusConflict)
	d.end(heir, "done", `{"result":{"payment":"p-7"}}`, http.StatusOK)
	v := p.endsAs(id, "Committed", "SU")
	want := []string{"Price done 1", "Charge done 2", "Ship done 1"}
	if diff := cmp.Diff(want, stepsOf(v)); diff != "" || !strings.Contains(string(v.Output), `"payment":"p-7"`) {
		t.Errorf("%s %s", diff, v.Output)
	}

	id = p.order("lost")
	d.take("charge")
	last := d.take("charge") // the binding has two attempts, and both are lost
	v = p.endsAs(id, "RolledBack", "UN SU")
	d.end(last, "done", `{"result":{"payment":"p-8"}}`, http.StatusConflict)
	want = []string{"Price done 1", "Charge done 2", "Charge~Refund done 1"}
	if diff := cmp.Diff(want, stepsOf(v)); diff != "" || len(s.done("lost")) != 2 ||
		s.done("lost")[1] != `refund as compensation of Charge [null]` {
		t.Errorf("%s %q", diff, s.done("lost"))
	}
}

func TestACancelledMachineIsCompensatedByWorkers(t *testing.T) {
	t.Parallel()
	p := handServer(t)
	s := &shop{did: map[string][]string{}}
	p.work(s, "price", "charge", "refund", "fetch") // and nobody ships
	id := p.order("c-1")
	p.until("no worker polls for task ship", func() string {
		_, text := p.get("/api/v1/transactions/" + id + "/why")
		return text
	})
	p.post("POST", "/sagas/runs/"+id+"/cancel", `{"reason":"no need"}`, nil)
	v := p.endsAs(id, "RolledBack", "")
	want := []string{`price of Price [{"count":7}]`, `charge of Charge ["c-1",14]`,
		`fetch as compensation of Ship ["c-1"]`, `refund as compensation of Charge ["p-c-1"]`}
	if diff := cmp.Diff(want, s.done("c-1")); diff != "" {
		t.Error(diff)
	}
	want = []string{"Price done 1", "Charge done 1, undo done 1", "Ship unknown 1, undo done 1"}
	if diff := cmp.Diff(want, stepsOf(v)); diff != "" {
		t.Error(diff)
	}
}

// TestACompensationIsOneTaskToItsWorkers, though a machine has given it out and then the core does: whoever knows it by
// its branch and operation undoes once. What it is ended with differs.
func TestACompensationIsOneTaskToItsWorkers(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--dev", "--retry-first", "100ms", "--retry-max", "300ms")
	p.post("POST", "/sagas/definitions", seataMachine(handmade, strings.Replace(handBindings, "{worker: refund}",
		"{worker: refund, timeout: 1s}", 1)), nil)
	s := &shop{did: map[string][]string{}, fail: map[string]error{"ship twice": worker.Fail("not there")}}
	p.work(s, "price", "charge", "ship", "fetch")
	d := desk{p}
	id := p.order("twice")
	first := d.take("refund")
	again := d.take("refund") // when the lease is over
	for _, what := range []string{"xid", "branch", "operation", "step", "input"} {
		if diff := cmp.Diff(first[what], again[what]); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	if first["operation"] != "compensate" || first["step"] != "Charge" || again["attempt"] != 2.0 {
		t.Errorf("%v, and then %v", first, again)
	}
	d.end(first, "done", `{}`, http.StatusConflict)
	d.end(again, "done", `{}`, http.StatusOK)
	v := p.endsAs(id, "RolledBack", "UN UN")
	if s := v.Steps[1]; s.Name != "Charge" || s.Undo == nil || s.Undo.State != "done" {
		t.Errorf("%q", stepsOf(v))
	}
}
