package tcc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/fencetest"
	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/tcc"
	"github.com/concord-tx/concord/tc/seata"
)

// TestAConfirmWithoutATryIsNotDone, and one of what was cancelled never will be.
func TestAConfirmWithoutATryIsNotDone(t *testing.T) {
	t.Parallel()
	f := &fake{}
	k := &calls{}
	memory := &fencetest.Memory{}
	if _, err := tcc.Bind(t.Context(), f, k.action("stock"), tcc.WithFence(memory)); err != nil {
		t.Fatal(err)
	}
	b := client.Branch{XID: "h:1:2", ID: 3, Type: seata.BranchTCC, Resource: "stock", Data: `{"actionContext":{"sku":1}}`}
	ask := func(phase func(context.Context, client.Branch) (seata.BranchStatus, error), want seata.BranchStatus) {
		t.Helper()
		if got, err := phase(t.Context(), b); got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	ask(f.served.Commit, seata.BranchCommitFailedRetryable)
	ask(f.served.Rollback, seata.BranchRollbacked)
	ask(f.served.Rollback, seata.BranchRollbacked)
	ask(f.served.Commit, seata.BranchCommitFailedUnretryable)
	for _, data := range []string{
		"", "null", "{}", "[]", `{"actionContext":{"parameters":"x"}}`, `{"actionContext":{"sku":[]}}`,
	} {
		b.Data, b.ID = data, 9
		ask(f.served.Commit, seata.BranchCommitFailedRetryable)
		ask(f.served.Rollback, seata.BranchRollbackFailedRetryable)
	}
	if got := k.list(); got != nil {
		t.Errorf("calls are %q", got)
	}
}

// TestARefusalBehindAnActionIsTriedAgain: only the branch's own fence knows what can never be.
func TestARefusalBehindAnActionIsTriedAgain(t *testing.T) {
	t.Parallel()
	f, k := &fake{}, &calls{}
	if _, err := tcc.Bind(t.Context(), f, k.action("stock")); err != nil {
		t.Fatal(err)
	}
	k.on("confirm", func(context.Context, *tcc.Context) error {
		return &fence.RefusedError{Key: fence.Key{XID: "h:1:9"}, Event: fence.Confirm, State: fence.Suspended}
	})
	b := client.Branch{XID: "h:1:2", ID: 3, Data: `{"actionContext":{}}`}
	if status, err := f.served.Commit(t.Context(), b); status != seata.BranchCommitFailedRetryable {
		t.Error(status, err)
	}
}

// TestPhaseTwoIsOfNoTransaction: it is decided, so nothing that is called from there may join it.
func TestPhaseTwoIsOfNoTransaction(t *testing.T) {
	t.Parallel()
	f, k := &fake{}, &calls{}
	if _, err := tcc.Bind(t.Context(), f, k.action("stock")); err != nil {
		t.Fatal(err)
	}
	k.on("confirm", func(ctx context.Context, _ *tcc.Context) error {
		if xid := client.XID(ctx); xid != "" {
			t.Errorf("it is of %s", xid)
		}
		return nil
	})
	b := client.Branch{XID: "h:1:2", ID: 3, Data: `{"actionContext":{}}`}
	ctx := client.WithXID(t.Context(), "h:1:2")
	if status, err := f.served.Commit(ctx, b); status != seata.BranchCommitted {
		t.Error(status, err)
	}
}

// fake is a coordinator that notes what it is asked.
type fake struct {
	served     client.Resource
	registered []client.Branch
	reported   []client.Branch
	reportErr  error
}

func (f *fake) RegisterBranch(_ context.Context, b client.Branch) (int64, error) {
	f.registered = append(f.registered, b)
	return int64(len(f.registered)), nil
}

func (f *fake) ReportBranch(_ context.Context, b client.Branch, status seata.BranchStatus) error {
	if status != seata.BranchRegistered {
		return fmt.Errorf("reported as %s", status)
	}
	f.reported = append(f.reported, b)
	return f.reportErr
}

func (f *fake) Serve(_ context.Context, r client.Resource) error { f.served = r; return nil }
func (f *fake) Withdraw(client.Resource)                         { f.served = nil }

// TestApplicationDataIsAsJavaNamesIt, and people can read it.
func TestApplicationDataIsAsJavaNamesIt(t *testing.T) {
	t.Parallel()
	f, k := &fake{}, &calls{}
	s, err := tcc.Bind(t.Context(), f, k.action("stock"), tcc.WithFence(&fencetest.Memory{}))
	if err != nil {
		t.Fatal(err)
	}
	k.on("try", func(_ context.Context, c *tcc.Context) error { return c.Set("place", "A4") })
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ctx, err := propagation.Extract(client.WithXID(t.Context(), "h:1:2"), propagation.Header{"Traceparent": {trace}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Try(ctx, order{SKU: 7, Count: 2}); err != nil {
		t.Fatal(err)
	}
	read := func(b client.Branch) map[string]any {
		var root map[string]map[string]any
		if err := json.Unmarshal([]byte(b.Data), &root); err != nil || len(root) != 1 {
			t.Fatalf("%s: %v", b.Data, err)
		}
		return root["actionContext"]
	}
	got := read(f.registered[0])
	if ms, _ := got["action-start-time"].(float64); time.Since(time.UnixMilli(int64(ms))) > time.Minute {
		t.Errorf("action-start-time is %v", got["action-start-time"])
	}
	if got["host-name"] == "" || got["host-name"] == nil {
		t.Error("there is no host-name")
	}
	delete(got, "action-start-time")
	delete(got, "host-name")
	want := map[string]any{
		"actionName": "stock", "useTCCFence": true, "sys::prepare": "try", "sys::commit": "confirm",
		"sys::rollback": "cancel", "traceparent": trace, "parameters": map[string]any{"sku": 7.0, "count": 2.0},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the action context is %v; want %v", got, want)
	}
	if b := f.registered[0]; b.Type != seata.BranchTCC || b.Resource != "stock" || b.XID != "h:1:2" || b.Locks != "" {
		t.Errorf("registered %+v", b)
	}
	if len(f.reported) != 1 || f.reported[0].ID != 1 || read(f.reported[0])["place"] != "A4" {
		t.Errorf("reported %+v", f.reported)
	}
}

// TestWhatCannotBeReportedIsNotTried: the effect of a try is not kept if its Cancel would not know what it has to.
func TestWhatCannotBeReportedIsNotTried(t *testing.T) {
	t.Parallel()
	f, k, memory := &fake{reportErr: client.ErrUnknown}, &calls{}, &fencetest.Memory{}
	s, err := tcc.Bind(t.Context(), f, k.action("stock"), tcc.WithFence(memory))
	if err != nil {
		t.Fatal(err)
	}
	k.on("try", func(_ context.Context, c *tcc.Context) error { return c.Set("place", "A4") })
	err = s.Try(client.WithXID(t.Context(), "h:1:2"), order{})
	state := memory.State(fence.Key{XID: "h:1:2", Branch: 1})
	if !errors.Is(err, client.ErrUnknown) || state != fence.Absent {
		t.Errorf("%v, and the fence is %s", err, state)
	}
}

// again is a fence whose database rolls the first attempt at each work back.
type again struct{ *fencetest.Memory }

func (b again) Guard(
	ctx context.Context, k fence.Key, e fence.Event, work func(context.Context) error,
) (fence.Verdict, error) {
	return b.Memory.Guard(ctx, k, e, func(ctx context.Context) error { return errors.Join(work(ctx), work(ctx)) })
}

// TestWhatAnAttemptHasSetThatWasRolledBackIsForgotten, also by the coordinator.
func TestWhatAnAttemptHasSetThatWasRolledBackIsForgotten(t *testing.T) {
	t.Parallel()
	f, k, attempts := &fake{}, &calls{}, 0
	s, err := tcc.Bind(t.Context(), f, k.action("stock"), tcc.WithFence(again{&fencetest.Memory{}}))
	if err != nil {
		t.Fatal(err)
	}
	k.on("try", func(_ context.Context, c *tcc.Context) error {
		if attempts++; attempts > 1 {
			return nil
		}
		return c.Set("place", "A4")
	})
	if err := s.Try(client.WithXID(t.Context(), "h:1:2"), order{}); err != nil {
		t.Fatal(err)
	}
	if len(f.reported) != 2 || f.reported[1].Data != f.registered[0].Data || f.reported[0].Data == f.reported[1].Data {
		t.Errorf("registered %s, reported %+v", f.registered[0].Data, f.reported)
	}
}

func TestBranchesThatJavaHasRegisteredAreUnderstood(t *testing.T) {
	t.Parallel()
	f, k := &fake{}, &calls{}
	if _, err := tcc.Bind(t.Context(), f, k.action("stock")); err != nil {
		t.Fatal(err)
	}
	b := client.Branch{XID: "h:1:2", ID: 3, Data: `{"actionContext":{` +
		`"action-start-time":1700000000000,"useTCCFence":false,"sys::prepare":"prepare",` +
		`"sys::commit":"commit","sys::rollback":"rollback","actionName":"stock",` +
		`"host-name":"10.0.0.9","sku":9007199254740993,"count":2}}`}
	if status, err := f.served.Commit(t.Context(), b); status != seata.BranchCommitted || err != nil {
		t.Error(status, err)
	}
	if got := k.list(); !slices.Equal(got, []string{"confirm 9007199254740993 x 2"}) {
		t.Errorf("calls are %q", got)
	}
}

func TestActionsThatCannotBeBoundAreErrors(t *testing.T) {
	t.Parallel()
	r := setup(t)
	k := &calls{}
	for name, a := range map[string]tcc.Action[order]{
		"no name": k.action(""), "a comma": k.action("a,b"), "twice": k.action("stock"),
		"no cancel": {Name: "x", Try: k.do("try"), Confirm: k.do("confirm")},
	} {
		if _, err := tcc.Bind(t.Context(), r.client, a); err == nil {
			t.Errorf("%s: it is bound", name)
		}
	}
	if _, err := tcc.Bind(t.Context(), r.client, tcc.Action[chan int]{
		Name: "y", Try: no, Confirm: no, Cancel: no,
	}); err != nil {
		t.Fatal(err)
	}
}

func no(context.Context, *tcc.Context, chan int) error { return nil }

// TestParametersThatCannotTravelAreErrors before anything is registered.
func TestParametersThatCannotTravelAreErrors(t *testing.T) {
	t.Parallel()
	f := &fake{}
	s, err := tcc.Bind(t.Context(), f, tcc.Action[chan int]{Name: "y", Try: no, Confirm: no, Cancel: no})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Try(client.WithXID(t.Context(), "h:1:2"), nil); err == nil || f.registered != nil {
		t.Errorf("%v, registered %v", err, f.registered)
	}
}

func TestTakenNamesCannotBeSet(t *testing.T) {
	t.Parallel()
	f, k := &fake{}, &calls{}
	s, err := tcc.Bind(t.Context(), f, k.action("stock"))
	if err != nil {
		t.Fatal(err)
	}
	k.on("try", func(_ context.Context, c *tcc.Context) error {
		for _, name := range []string{"parameters", "actionName", "host-name", "sys::commit", ""} {
			if c.Set(name, 1) == nil {
				t.Errorf("%q can be set", name)
			}
		}
		return c.Set("channel", make(chan int))
	})
	if err := s.Try(client.WithXID(t.Context(), "h:1:2"), order{}); err == nil {
		t.Error("a channel can be set")
	}
}
