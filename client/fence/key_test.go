package fence_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/client/fence"
)

func ExampleDecide() {
	state := fence.Absent
	for _, event := range []fence.Event{fence.Cancel, fence.Try, fence.Cancel} {
		var verdict fence.Verdict
		state, verdict = fence.Decide(state, event)
		fmt.Printf("%s: %s, %s\n", event, verdict, state)
	}
	// Output:
	// cancel: skip, suspended
	// try: refuse, suspended
	// cancel: skip, suspended
}

// TestKeysOfEventsAreDistinct: databases compare without regard to case and trailing blanks.
func TestKeysOfEventsAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, consumer := range []string{"mail", "Mail", "a|b", "a", ""} {
		for _, id := range []string{
			"b|c", "c", "C", "c ", "10.0.0.5:8091:7/3", "", "é", strings.Repeat("x", 200), strings.Repeat("y", 200),
		} {
			k := fence.EventKey(consumer, id)
			if err := k.Check(); err != nil {
				t.Errorf("%q, %q: %v", consumer, id, err)
			}
			folded := strings.TrimRight(strings.ToLower(k.XID), " ")
			if other, twice := seen[folded]; twice {
				t.Errorf("%q and %q have the same key %q", other, consumer+"+"+id, folded)
			}
			seen[folded] = consumer + "+" + id
		}
	}
	if k := fence.EventKey("mail", "10.0.0.5:8091:7/3"); k.XID != "mail|10.0.0.5:8091:7/3" || k.Action != "mail" {
		t.Errorf("the key of a short id is not legible: %+v", k)
	}
}

func TestKeysThatCannotBeRecordedAreErrors(t *testing.T) {
	t.Parallel()
	for _, xid := range []string{"", strings.Repeat("x", fence.XIDBytesMax+1)} {
		if (fence.Key{XID: xid}).Check() == nil {
			t.Errorf("%q is taken", xid)
		}
	}
}

func TestOnlyTheRefusalOfWhatMayStillComeIsNotFinal(t *testing.T) {
	t.Parallel()
	for s := fence.Absent; s <= fence.Consumed; s++ {
		for e := fence.Try; e.Valid(); e++ {
			if _, v := fence.Decide(s, e); v != fence.Refuse {
				continue
			}
			err := &fence.RefusedError{Key: fence.Key{XID: "h:1:2", Branch: 3}, Event: e, State: s}
			if !errors.Is(fmt.Errorf("in between: %w", err), fence.ErrRefused) {
				t.Errorf("%v is no ErrRefused", err)
			}
			if err.Final() != (s != fence.Absent) || !strings.Contains(err.Error(), "h:1:2/3") {
				t.Errorf("%v: final %t", err, err.Final())
			}
		}
	}
}
