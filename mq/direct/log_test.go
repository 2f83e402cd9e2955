package direct

import (
	"context"
	"errors"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func change(id int64) *orchestrator.Change {
	return &orchestrator.Change{Global: &txn.Global{XID: txn.XID{Prefix: "a:1", ID: id}, Status: txn.Committing}}
}

func TestDecisionsAreDrivenAfterTheyAreStored(t *testing.T) {
	t.Parallel()
	refuse := map[int64]error{2: orchestrator.ErrConflict}
	var order []string
	l := New(func(ch *orchestrator.Change, done func(error)) {
		if !ch.Decision || ch.Event != nil {
			t.Errorf("change %+v", ch)
		}
		order = append(order, "stored")
		done(refuse[ch.Global.XID.ID])
	})
	for id := range int64(4) {
		l.Record(change(id), func(err error) {
			if !errors.Is(err, refuse[id]) {
				t.Errorf("%d: %v", id, err)
			}
			order = append(order, "answered")
		})
	}
	if order[0] != "stored" || order[1] != "answered" {
		t.Errorf("order %v", order)
	}
	ctx, stop := context.WithCancel(context.Background())
	var driven []int64
	err := l.Consume(ctx, func(_ context.Context, id int64) error {
		if driven = append(driven, id); len(driven) == 3 {
			stop()
		}
		if id == 1 {
			return errors.New("away")
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || len(driven) != 3 || driven[0] != 0 || driven[1] != 1 || driven[2] != 3 {
		t.Errorf("%v, driven %v", err, driven)
	}
	if l.Dropped() != 1 {
		t.Errorf("dropped %d", l.Dropped())
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	l := New(func(_ *orchestrator.Change, done func(error)) { done(nil) })
	for id := range int64(queueMax + 5) {
		l.Record(change(id), func(error) {})
	}
	if l.Dropped() != 5 || len(l.take()) != queueMax {
		t.Errorf("dropped %d", l.Dropped())
	}
}
