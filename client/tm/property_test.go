package tm_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/tm"
)

// Whatever happens to requests, answers, and the transaction between them: what Run says is what is, or Unknown.
func TestOutcomeIsNeverWrong(t *testing.T) {
	t.Parallel()
	seen := map[tm.Outcome]int{}
	rapid.Check(t, func(r *rapid.T) {
		f := newFake(rapid.SliceOfN(rapid.Custom(func(r *rapid.T) fault {
			return fault(rapid.IntRange(0, int(faults)-1).Draw(r, "fault"))
		}), 0, 8).Draw(r, "faults")...)
		if len(f.faults) > 0 && rapid.Bool().Draw(r, "begins") {
			f.faults[0] = fine
		}
		f.progress = tm.Progress(rapid.IntRange(int(tm.Done), int(tm.Failed)).Draw(r, "progress"))
		f.removes = rapid.Bool().Draw(r, "removes")
		f.late6 = rapid.Bool().Draw(r, "late6")
		events := rapid.SliceOfN(rapid.IntRange(0, 9), 10, 10).Draw(r, "events")
		work := rapid.IntRange(0, 3).Draw(r, "work")
		o := tm.Options{
			Timeout:  rapid.SampledFrom([]time.Duration{time.Minute, time.Second}).Draw(r, "timeout"),
			CommitOn: func(error) bool { return events[0]%2 == 0 },
		}
		var err error
		synctest.Test(t, func(t *testing.T) { err = f.drive(t.Context(), o, work, events) })
		said, truth := tm.OutcomeOf(err), f.only(t)
		seen[said]++
		if said == 0 || said != tm.Unknown && said != truth {
			r.Fatalf("said %s (%v), and it is %s; calls %s", said, err, truth, f.made())
		}
	})
	for _, o := range []tm.Outcome{tm.Committed, tm.RolledBack, tm.Unknown} {
		if seen[o] == 0 {
			t.Errorf("%s was never said: the property is not tested", o)
		}
	}
}

// drive runs one of four kinds of work; before the n-th call to the coordinator the n-th event happens.
func (f *fake) drive(ctx context.Context, o tm.Options, work int, events []int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	world := []func(){
		f.expire, f.forget, f.arrive, cancel,
		func() { f.decide(tm.Committed) }, func() { f.decide(tm.RolledBack) },
	}
	f.before = func(n int, _ string) {
		if n < len(events) && events[n] < len(world) {
			world[events[n]]()
		}
	}
	return tm.New(f).Run(ctx, o, []func(context.Context) error{
		nothing,
		func(context.Context) error { return errNoStock },
		func(context.Context) error { <-time.After(time.Second); return nil },
		func(ctx context.Context) error { cancel(); return ctx.Err() },
	}[work])
}

// Unknown is no excuse: when requests arrive again in time, the outcome is found out.
func TestOutcomeIsFoundOutWhenTheCoordinatorIsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		f := newFake(append([]fault{fine}, rapid.SliceOfN(rapid.SampledFrom(
			[]fault{unsent, lost, late, lostReply, unclear, trouble, troubleDone}), 0, 12).Draw(r, "faults")...)...)
		fails := rapid.Bool().Draw(r, "work fails")
		var err error
		synctest.Test(t, func(t *testing.T) {
			err = tm.New(f).Run(t.Context(), tm.Options{}, func(context.Context) error {
				if fails {
					return errNoStock
				}
				return nil
			})
		})
		if said := tm.OutcomeOf(err); said == tm.Unknown || said != f.only(t) || (said == tm.Committed) == fails {
			r.Fatalf("%v after %s", err, f.made())
		}
	})
}
