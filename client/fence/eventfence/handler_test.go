package eventfence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/eventfence"
	"github.com/concord-tx/concord/client/fence/fencetest"
)

// event is some consumer's idea of one.
type event struct{ source, id string }

func idOf(e event) (string, string) { return e.source, e.id }

func TestEachEventHasItsEffectOnceForEachConsumer(t *testing.T) {
	t.Parallel()
	memory := &fencetest.Memory{}
	var did []string
	note := func(what string) func(context.Context, event) error {
		return func(_ context.Context, e event) error {
			did = append(did, what+" "+e.source+e.id)
			return nil
		}
	}
	mail := eventfence.Handler(memory,
		eventfence.Options[event]{Consumer: "mail", ID: idOf, Again: note("again")}, note("mail"))
	bill := eventfence.Handler(memory, eventfence.Options[event]{Consumer: "bill", ID: idOf}, note("bill"))
	for _, handle := range []func(context.Context, event) error{mail, mail, bill, bill} {
		for _, e := range []event{{eventfence.Source, "h:1:2/3"}, {"/other", "h:1:2/3"}, {"/other", "H:1:2/3"}} {
			if err := handle(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
	}
	want := []string{
		"mail /concordh:1:2/3", "mail /otherh:1:2/3", "mail /otherH:1:2/3",
		"again /concordh:1:2/3", "again /otherh:1:2/3", "again /otherH:1:2/3",
		"bill /concordh:1:2/3", "bill /otherh:1:2/3", "bill /otherH:1:2/3",
	}
	if !slices.Equal(did, want) {
		t.Errorf("%q; want %q", did, want)
	}
}

func TestAnErrorLeavesTheEventToComeAgain(t *testing.T) {
	t.Parallel()
	memory, boom, calls := &fencetest.Memory{}, errors.New("no mail server"), 0
	handle := eventfence.Handler(memory, eventfence.Options[event]{Consumer: "mail", ID: idOf},
		func(context.Context, event) error {
			if calls++; calls == 1 {
				return boom
			}
			return nil
		})
	e := event{eventfence.Source, "h:1:2/3"}
	if err := handle(t.Context(), e); !errors.Is(err, boom) {
		t.Error(err)
	}
	for range 2 {
		if err := handle(t.Context(), e); err != nil {
			t.Error(err)
		}
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
	if handle(t.Context(), event{"/x", ""}) == nil {
		t.Error("an event without an id is taken")
	}
}

// TestARefusalBehindTheHandlerIsItsError: the event has not had its effect.
func TestARefusalBehindTheHandlerIsItsError(t *testing.T) {
	t.Parallel()
	memory := &fencetest.Memory{}
	handle := eventfence.Handler(memory, eventfence.Options[event]{Consumer: "mail", ID: idOf},
		func(context.Context, event) error {
			return &fence.RefusedError{Key: fence.Key{XID: "another"}, Event: fence.Try, State: fence.Suspended}
		})
	if err := handle(t.Context(), event{eventfence.Source, "h:1:2/3"}); !errors.Is(err, fence.ErrRefused) {
		t.Errorf("it may be acknowledged: %v", err)
	}
}

// TestAStepAfterItsCompensationIsPassedOver, and may be acknowledged.
func TestAStepAfterItsCompensationIsPassedOver(t *testing.T) {
	t.Parallel()
	memory := &fencetest.Memory{}
	var did []string
	late := 0
	handle := eventfence.Handler(memory, eventfence.Options[event]{
		Consumer: "stock", ID: idOf, Late: func(context.Context, event) error { late++; return nil },
	}, func(_ context.Context, e event) error {
		did = append(did, e.id)
		return nil
	})
	for _, id := range []string{
		"h:1:2/3/compensate", "h:1:2/3/forward",
		"h:1:2/4/forward", "h:1:2/4/forward", "h:1:2/4/compensate", "h:1:2/4/forward",
	} {
		if err := handle(t.Context(), event{eventfence.Source, id}); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"h:1:2/4/forward", "h:1:2/4/compensate"}; !slices.Equal(did, want) || late != 2 {
		t.Errorf("%q, %d late", did, late)
	}
	if s := memory.State(fence.Key{XID: "h:1:2", Branch: 3}); s != fence.Suspended {
		t.Errorf("the fence is %s", s)
	}
}

func TestOnlyIDsOfStepsAreSteps(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"", "a", "h:1:2/3", "h:1:2/b3", "h:1:2/3/check", "/3/forward", "h:1:2/x/forward", "3/forward",
	} {
		if key, event, ok := eventfence.Step(id); ok {
			t.Errorf("%q is %s of %s", id, event, key)
		}
	}
	if key, event, ok := eventfence.Step("[::1]:1:2/3/forward"); !ok || key.XID != "[::1]:1:2" || event != fence.Action {
		t.Errorf("%s of %s, %t", event, key, ok)
	}
}

func TestAConsumerNeedsAName(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	eventfence.Handler(&fencetest.Memory{}, eventfence.Options[event]{ID: idOf}, nil)
}

func ExampleHandler() {
	handle := eventfence.Handler(&fencetest.Memory{}, eventfence.Options[cloudevents.Event]{
		Consumer: "mail", ID: eventfence.CloudEvent,
	}, func(_ context.Context, e cloudevents.Event) error {
		fmt.Println("mail about", e.Subject()) // with sqlfence.Tx(ctx)
		return nil
	})
	e := cloudevents.New()
	e.SetID("10.0.0.5:8091:70/3")
	e.SetSource(eventfence.Source)
	e.SetSubject("10.0.0.5:8091:70")
	for range 2 {
		fmt.Println(handle(context.Background(), e))
	}
	// Output:
	// mail about 10.0.0.5:8091:70
	// <nil>
	// <nil>
}
