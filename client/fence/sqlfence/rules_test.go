package sqlfence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/fence"
)

// database is what the rules are checked on: one in memory, or a real one.
type database struct {
	store *Store
	// do is the statement of the work: it makes an effect of an event.
	do func(ctx context.Context, tx *sql.Tx, key fence.Key, event fence.Event) error
	// state and effect read what is committed.
	state  func(t testing.TB, key fence.Key) fence.State
	effect func(t testing.TB, key fence.Key, event fence.Event) int
	// kill ends the connection of a transaction from outside.
	kill func(tx *sql.Tx)
}

var errCrash = errors.New("crash")

func families() [][]fence.Event {
	return [][]fence.Event{
		{fence.Try, fence.Confirm, fence.Cancel},
		{fence.Action, fence.Compensation},
		{fence.Consume, fence.Forbid},
	}
}

// keys counts the keys of a test, so that each run has its own.
type keys struct {
	mu sync.Mutex
	n  int64
}

func (k *keys) next() fence.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.n++
	return fence.Key{XID: "10.0.0.1:8091:77", Branch: k.n, Action: "deduct"}
}

// followsTheTable has requests come one after the other, some of which break off, and compares every answer, record and
// effect with the table.
func followsTheTable(t *testing.T, d database) {
	all := &keys{}
	rapid.Check(t, func(r *rapid.T) {
		key := all.next()
		events := rapid.SampledFrom(families()).Draw(r, "family")
		state, effects := fence.Absent, map[fence.Event]int{}
		for range rapid.IntRange(1, 8).Draw(r, "requests") {
			event := rapid.SampledFrom(events).Draw(r, "event")
			fault := rapid.SampledFrom([]string{"", "", "error", "killed before", "killed after"}).Draw(r, "fault")
			next, verdict := fence.Decide(state, event)
			got, err := d.store.Run(t.Context(), key, event, func(ctx context.Context, tx *sql.Tx) error {
				if fault == "killed before" {
					d.kill(tx)
				}
				if err := d.do(ctx, tx, key, event); err != nil {
					return err
				}
				switch fault {
				case "error":
					return errCrash
				case "killed after":
					d.kill(tx)
				}
				return nil
			})
			var refused *fence.RefusedError
			switch {
			case verdict == fence.Run && fault != "":
				if err == nil {
					r.Fatalf("%s with %q: no error", event, fault)
				}
				next = state
			case verdict == fence.Refuse:
				if !errors.As(err, &refused) || refused.State != state || refused.Event != event {
					r.Fatalf("%s in %s: %v", event, state, err)
				}
			case err != nil || got != verdict:
				r.Fatalf("%s in %s: %s, %v; want %s", event, state, got, err, verdict)
			case verdict == fence.Run:
				effects[event]++
			}
			state = next
			if is := d.state(t, key); is != state {
				r.Fatalf("after %s with %q the record says %s; want %s", event, fault, is, state)
			}
			for _, e := range events {
				if n := d.effect(t, key, e); n != effects[e] {
					r.Fatalf("after %s with %q there are %d effects of %s; want %d", event, fault, n, e, effects[e])
				}
			}
		}
	})
}

// answer is what one of many concurrent requests was told.
type answer struct {
	event   fence.Event
	verdict fence.Verdict
	err     error
}

// standsCrowds has requests of all events come at once for the same key, some of which break off, and checks what they
// are told and what is left.
func standsCrowds(t *testing.T, d database, rounds int) {
	all := &keys{}
	ends := map[fence.State]int{}
	for round := range rounds {
		events := families()[round%len(families())]
		key := all.next()
		key.XID = "10.0.0.1:8091:88"
		answers := make([]answer, 12)
		var wg sync.WaitGroup
		for i := range answers {
			event, breaks := events[rand.IntN(len(events))], rand.IntN(5) == 0
			wg.Go(func() {
				verdict, err := d.store.Run(t.Context(), key, event, func(ctx context.Context, tx *sql.Tx) error {
					if err := d.do(ctx, tx, key, event); err != nil || !breaks {
						return err
					}
					if rand.IntN(2) == 0 {
						return errCrash
					}
					d.kill(tx)
					return nil
				})
				answers[i] = answer{event, verdict, err}
			})
		}
		wg.Wait()
		state := d.state(t, key)
		ends[state]++
		if err := plausible(t, d, key, events, state, answers); err != nil {
			t.Fatalf("round %d: %v; the record says %s, answers are %v", round, err, state, answers)
		}
	}
	t.Logf("ends: %v", ends)
}

// plausible checks what a crowd has left.
func plausible(
	t *testing.T, d database, key fence.Key, events []fence.Event, state fence.State, answers []answer,
) error {
	t.Helper()
	runs := map[fence.Event]int{}
	for _, a := range answers {
		if a.verdict == fence.Run {
			runs[a.event]++
		}
		var refused *fence.RefusedError
		_, now := fence.Decide(state, a.event)
		switch {
		case a.err == nil && now == fence.Refuse && a.event != fence.Try && a.event != fence.Action:
			return fmt.Errorf("%s was answered with %s", a.event, a.verdict)
		case errors.As(a.err, &refused) && refused.Final() && now != fence.Refuse:
			return fmt.Errorf("%s was refused for ever: %v", a.event, a.err)
		}
	}
	for _, e := range events {
		if n := d.effect(t, key, e); n != runs[e] || n > 1 {
			return fmt.Errorf("%d effects of %s, and %d were told", n, e, runs[e])
		}
	}
	first, last := d.effect(t, key, events[0]) > 0, d.effect(t, key, events[len(events)-1]) > 0
	middle := len(events) == 3 && d.effect(t, key, events[1]) > 0
	want := fence.Absent
	switch {
	case middle && last:
		return errors.New("confirmed and cancelled")
	case (middle || last) && !first:
		return errors.New("an end without a beginning")
	case middle:
		want = fence.Committed
	case last:
		want = fence.RolledBack
	case first:
		want, _ = fence.Decide(fence.Absent, events[0])
	case state == fence.Suspended:
		want = fence.Suspended
	}
	if state != want {
		return fmt.Errorf("the record should say %s", want)
	}
	return nil
}
