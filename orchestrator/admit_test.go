package orchestrator

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestNothingBeginsThatIsNotAdmitted(t *testing.T) {
	t.Parallel()
	tb := setup(t, Limits{})
	reason := ErrReadOnly
	c, err := New(context.Background(), Options{
		Store: tb.store, Log: tb.store, Transport: tb, Clock: tb, Advertise: "tc:8091", Admit: func() error { return reason },
	})
	if err != nil {
		t.Fatal(err)
	}
	if xid, err := beginNow(c, BeginRequest{Timeout: time.Minute}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("begin: %v, %v", xid, err)
	}
	if n := c.Stats().Begun; n != 0 {
		t.Errorf("%d begun", n)
	}
	reason = nil
	if _, err := beginNow(c, BeginRequest{Timeout: time.Minute}); err != nil {
		t.Error(err)
	}
}
